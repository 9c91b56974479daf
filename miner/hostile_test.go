package miner_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/proto/inference"
)

// hostileVariable sets how long TestHostileLoad goes on, 4s when unset.
const hostileVariable = "PLEXUS_MINER_TEST_HOSTILE"

// noise sends bytes as they are for whatever message.
type noise struct{}

func (noise) Name() string                         { return "proto" }
func (noise) Unmarshal(mem.BufferSlice, any) error { return nil }
func (noise) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

// TestHostileLoad: whatever strangers do, the server stays up, loses nothing, and answers those who behave.
func TestHostileLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	duration, err := time.ParseDuration(cmp.Or(os.Getenv(hostileVariable), "4s"))
	require.NoError(t, err)
	classifier := minertest.Classifier(t, 0)
	server := minertest.Serve(t, miner.ServerConfig{MaxConnections: 3000, RequestTimeout: 2 * time.Second, MaxMessageBytes: 1 << 20},
		map[string][]byte{"digits": classifier, "text": minertest.Echo(t, models.BYTES, -1)})
	_, service := dial(t, server.Address)
	honest := func(ctx context.Context) error {
		_, err := service.ModelInfer(ctx, oip.Request{Model: "digits", Inputs: []models.Tensor{image(1)}}.Message())
		return err
	}
	require.NoError(t, honest(t.Context()))
	whole, err := proto.Marshal(oip.Request{Model: "digits", Inputs: []models.Tensor{image(1)}}.Message())
	require.NoError(t, err)
	attacks := map[string]func(*rand.Rand){
		"noise": func(r *rand.Rand) {
			withConn(server.Address, func(conn *grpc.ClientConn) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_ = conn.Invoke(ctx, inference.GRPCInferenceService_ModelInfer_FullMethodName, randomBytes(r, 1<<r.IntN(18)), nil, grpc.ForceCodecV2(noise{}))
			})
		},
		"random tensors": func(r *rand.Rand) {
			req := oip.Request{Model: []string{"digits", "text", "x"}[r.IntN(3)], Inputs: []models.Tensor{{
				Name: []string{"image", "in", ""}[r.IntN(3)], Datatype: models.Datatypes()[r.IntN(14)],
				Shape: []int64{r.Int64N(5) - 1, r.Int64(), 28, 28}[:r.IntN(5)], Data: randomBytes(r, r.IntN(8000))}}}.Message()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, _ = service.ModelInfer(ctx, req)
		},
		"dropped mid-call": func(r *rand.Rand) {
			withConn(server.Address, func(conn *grpc.ClientConn) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(2000))*time.Microsecond)
				defer cancel()
				_, _ = inference.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, oip.Request{Model: "digits", Inputs: []models.Tensor{image(32)}}.Message())
			})
		},
		"raw garbage on the wire": func(r *rand.Rand) {
			conn, err := net.DialTimeout("tcp", server.Address, time.Second)
			if err != nil {
				return
			}
			defer conn.Close()
			if r.IntN(2) == 0 {
				fmt.Fprint(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
			}
			_, _ = conn.Write(randomBytes(r, r.IntN(4096)))
		},
		"oversized": func(r *rand.Rand) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, _ = service.ModelInfer(ctx, oip.Request{Model: "digits", Inputs: []models.Tensor{{Name: "image", Datatype: models.FP32, Data: make([]byte, 2<<20)}}}.Message())
		},
		"truncated": func(r *rand.Rand) {
			withConn(server.Address, func(conn *grpc.ClientConn) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				cut := whole[:r.IntN(len(whole))]
				_ = conn.Invoke(ctx, inference.GRPCInferenceService_ModelInfer_FullMethodName, cut, nil, grpc.ForceCodecV2(noise{}))
			})
		},
		"a reader that never reads": func(r *rand.Rand) {
			withConn(server.Address, func(conn *grpc.ClientConn) {
				ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
				defer cancel()
				stream, err := inference.NewGRPCInferenceServiceClient(conn).ModelStreamInfer(ctx)
				for err == nil && ctx.Err() == nil { // a megabyte of answers and more waits to be taken
					err = stream.Send(oip.Request{Model: "text", Inputs: []models.Tensor{models.FromStrings("in", []int64{1}, []string{strings.Repeat("x", 100_000)})}}.Message())
				}
			})
		},
		"a slow handshake": func(r *rand.Rand) {
			conn, err := net.DialTimeout("tcp", server.Address, time.Second)
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			time.Sleep(200 * time.Millisecond)
		},
		"TLS to plaintext": func(*rand.Rand) {
			conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 200 * time.Millisecond}, "tcp", server.Address, &tls.Config{InsecureSkipVerify: true})
			if err == nil {
				conn.Close()
			}
		},
		"bit-flipped models": func(r *rand.Rand) {
			damaged := append([]byte(nil), classifier...)
			for range 1 + r.IntN(4) {
				damaged[r.IntN(min(len(damaged), 1<<r.IntN(16)))] ^= 1 << r.IntN(8)
			}
			if session, err := orttest.Open(t).Load(context.Background(), damaged, ort.Options{}); err == nil {
				_ = session.Close()
			}
		},
	}
	runtime.GC()
	routines, files, memory := runtime.NumGoroutine(), descriptors(), heap()
	idle := crowd(server.Address, 2000)
	require.Greater(t, len(idle), 1900, "raise the limit of open files (ulimit -n)")
	ctx, stop := context.WithTimeout(t.Context(), duration)
	defer stop()
	var group sync.WaitGroup
	var answered, refused atomic.Int64
	made := map[string]*atomic.Int64{}
	seed := uint64(0)
	for name, attack := range attacks {
		seed++
		random, count := rand.New(rand.NewPCG(seed, 1)), &atomic.Int64{}
		made[name] = count
		group.Go(func() {
			for ctx.Err() == nil {
				attack(random)
				count.Add(1)
			}
		})
	}
	group.Go(func() {
		for ctx.Err() == nil {
			one, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			if err := honest(one); err != nil {
				refused.Add(1)
			} else {
				answered.Add(1)
			}
			cancel()
			time.Sleep(time.Millisecond)
		}
	})
	start, early := time.Now(), 0
	tick := time.NewTicker(max(duration/30, time.Second))
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if n := len(idle) / 4; ctx.Err() == nil { // the server closes those that say nothing; others come
			for _, conn := range idle[:n] {
				conn.Close()
			}
			idle = append(idle[n:], crowd(server.Address, n)...)
		}
		if early == 0 && time.Since(start) > duration/5 {
			early = resident() // by then every kind of attack has been met
		}
		t.Logf("%8v: honest requests: %d answered, %d not; goroutines %d, descriptors %d, heap %d MiB, resident %d MiB", time.Since(start).Round(time.Second),
			answered.Load(), refused.Load(), runtime.NumGoroutine(), descriptors(), heap()>>20, resident()>>20)
	}
	group.Wait()
	for _, conn := range idle {
		conn.Close()
	}
	require.NoError(t, honest(t.Context()))
	for _, name := range slices.Sorted(maps.Keys(made)) {
		t.Logf("%8d times %s", made[name].Load(), name)
		require.Positive(t, made[name].Load(), name)
	}
	require.Positive(t, answered.Load())
	require.Less(t, refused.Load()*20, answered.Load()+20, "the honest are answered")
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= routines+20 && descriptors() <= files+10 }, 30*time.Second, 50*time.Millisecond,
		"goroutines %d, then %d; descriptors %d, then %d", routines, runtime.NumGoroutine(), files, descriptors())
	t.Logf("goroutines %d before, %d after; descriptors %d, %d; heap %d MiB, %d MiB; resident %d MiB early, %d MiB at the end",
		routines, runtime.NumGoroutine(), files, descriptors(), memory>>20, heap()>>20, early>>20, resident()>>20)
	require.Less(t, heap(), memory+32<<20)
	require.Less(t, resident(), early+256<<20, "what is not Go's does not grow either")
}

// crowd opens connections on which nothing is asked; every other one says hello, as a client of gRPC does, and stays for
// longer.
func crowd(address string, n int) []net.Conn {
	var open []net.Conn
	for i := range n {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			continue
		}
		if i%2 == 0 {
			fmt.Fprint(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		}
		open = append(open, conn)
	}
	return open
}

// resident returns the bytes of memory that the process holds, those of C libraries included; 0 where nobody tells.
func resident() int {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		return 0
	}
	return pages * os.Getpagesize()
}

func withConn(address string, use func(*grpc.ClientConn)) {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return
	}
	defer conn.Close()
	use(conn)
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
