package consensus

import "math/bits"

// lane is a vector over 16-bit indices. Its length is fixed so that indexing with a uint16 needs no bounds check;
// pages that are never touched cost nothing.
type lane [1 << 16]uint64

const (
	keyShift   = 16 // a selection key is value<<keyShift | index
	bucketBits = 6
	buckets    = 1 << bucketBits
	sortBelow  = 12 // candidates that are sorted by insertion instead of bucketed
)

// smallestOver returns the smallest value v among keys such that the weights of all keys with a value of at most v
// sum to more than limit. lo and hi are the smallest and largest value, weights are positive and together exceed
// limit. keys is overwritten.
//
// Each round distributes the candidates over 64 equal ranges of values and keeps the one where the sum crosses, so
// that a round narrows the range 64-fold: at most six passes over a column, whoever chose the weights.
func smallestOver(keys []uint64, weight *lane, limit int64, lo, hi uint64) uint64 {
	if limit < 0 {
		return lo
	}
	for len(keys) > sortBelow {
		if lo == hi {
			return lo
		}
		shift := uint(max(bits.Len64(hi-lo)-bucketBits, 0))
		var sums [buckets]int64
		for _, key := range keys {
			sums[(key>>keyShift-lo)>>(shift&63)%buckets] += int64(weight[uint16(key)])
		}
		b := uint64(0)
		for b < buckets-1 && sums[b] <= limit {
			limit -= sums[b]
			b++
		}
		n := 0
		for _, key := range keys {
			keys[n] = key
			if (key>>keyShift-lo)>>(shift&63) == b {
				n++
			}
		}
		keys = keys[:n]
		lo += b << shift
		hi = min(hi, lo+1<<shift-1)
	}
	for i := 1; i < len(keys); i++ {
		key := keys[i]
		j := i
		for ; j > 0 && keys[j-1] > key; j-- {
			keys[j] = keys[j-1]
		}
		keys[j] = key
	}
	for _, key := range keys {
		if limit -= int64(weight[uint16(key)]); limit < 0 {
			return key >> keyShift
		}
	}
	return hi
}
