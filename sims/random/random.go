// Package random gives every part of a simulation random numbers of its own, all from one master seed.
//
// A stream is named by what draws from it and by an index:
//
//	source := random.New(seed)
//	for i := range miners {
//		miners[i].rand = source.Stream("miner", i)
//	}
//	price := source.Stream("price")
//
// What one stream gives depends on nothing but the seed, its name and its indexes. So one more miner leaves the price
// and all other miners with the numbers they had, and two variants of a model that run with equal seeds differ by
// what is asked about, not by luck: these are the common random numbers of paired comparisons.
package random

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Source derives independent streams from a master seed. It is a plain value and safe for concurrent use; the streams
// it returns are for one goroutine each.
type Source struct{ seed uint64 }

// New returns the source of a master seed. Every seed is as good as any other, 0 included.
func New(seed uint64) Source { return Source{seed: seed} }

// Stream returns the stream of a name and indexes, always at its start. Streams of different names or indexes, or of
// sources with different seeds, are independent for all practical purposes.
func (s Source) Stream(name string, index ...int) *rand.Rand {
	key := s.key(name, index)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(key[0:]), binary.LittleEndian.Uint64(key[8:])))
}

// Seed returns the master seed of a part that draws from a source of its own, such as one run of many.
func (s Source) Seed(name string, index ...int) uint64 {
	key := s.key(name, index)
	return binary.LittleEndian.Uint64(key[16:])
}

// Child returns the source of such a part.
func (s Source) Child(name string, index ...int) Source { return New(s.Seed(name, index...)) }

// key hashes what names a stream. The lengths are part of it, so that no two names can read the same.
func (s Source) key(name string, index []int) [sha256.Size]byte {
	buf := make([]byte, 0, 128)
	buf = binary.LittleEndian.AppendUint64(buf, s.seed)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(len(name)))
	buf = append(buf, name...)
	for _, i := range index {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(i))
	}
	return sha256.Sum256(buf)
}
