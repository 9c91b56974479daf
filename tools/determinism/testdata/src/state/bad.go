package state

import (
	"maps"
	"math/rand" // want `random in a state transition`
	"os"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"time"
)

type set map[string]int

func ranges(m map[string]int, s set, list []int) {
	for range m { // want `maprange in a state transition`
	}
	for k, v := range s { // want `maprange in a state transition`
		_, _ = k, v
	}
	for range list {
	}
	for range maps.Keys(m) { // want `maps.Keys differs`
	}
	_ = slices.Collect(maps.Values(m)) // want `maps.Values differs`
	_ = slices.Sorted(maps.Keys(m))
	_ = reflect.ValueOf(m).MapKeys() // want `reflect.MapKeys differs`
	var shared sync.Map
	shared.Range(func(any, any) bool { return true }) // want `sync.Range differs`
	_ = m["a"]                                        // reading one element has no order
}

func generic[M ~map[K]V, K comparable, V any, L ~[]V](m M, l L) {
	for range m { // want `maprange in a state transition`
	}
	for range l {
	}
}

func rounding(x float64) int { // want `float in a state transition`
	y := float32(x)       // want `float in a state transition`
	const share = 1e6     // an untyped constant becomes an integer where it is used
	return int(y) + share // want `float in a state transition`
}

type rate struct {
	part float64 // want `float in a state transition`
}

func half(n int) int {
	return int(float64(n) / 2) // want `float in a state transition`
}

func concurrent(a, b chan int) {
	go func() {}() // want `goroutine in a state transition`
	select {       // want `select in a state transition`
	case <-a:
	case <-b:
	}
}

func surroundings() {
	_ = time.Now()              // want `time.Now differs`
	_ = time.Since(time.Time{}) // want `time.Since differs`
	time.Sleep(time.Second)     // want `time.Sleep differs`
	now := time.Now             // want `time.Now differs`
	_ = now
	_ = rand.Int()
	_ = runtime.NumCPU()               // want `runtime.NumCPU differs`
	_ = os.Getenv("HOME")              // want `os.Getenv differs`
	_ = time.Unix(5, 0).Add(time.Hour) // the time of a block is state
}
