package consensus

import (
	"errors"
	"math"
	"math/bits"

	"github.com/plexusnet/plexus/consensus/fixed"
)

// ErrShares means that shares sum to more than one, so that an amount cannot be split by them.
var ErrShares = errors.New("consensus: shares sum to more than one")

// MaxUpscale scales values so that the largest becomes 65535: round(v*65535/max), halves up (docs/protocol.md
// section 7). It appends to dst and returns it; all zeros stay zeros.
func MaxUpscale[T ~uint16 | ~uint32 | ~uint64](dst []uint16, values []T) []uint16 {
	var top T
	for _, v := range values {
		top = max(top, v)
	}
	if top == 0 {
		for range values {
			dst = append(dst, 0)
		}
		return dst
	}
	half := uint64(top / 2)
	for _, v := range values {
		// (v*65535 + top/2)/top rounds halves up: for odd top there is no half to lose.
		hi, lo := bits.Mul64(uint64(v), math.MaxUint16)
		lo, carry := bits.Add64(lo, half, 0)
		q, _ := bits.Div64(hi+carry, lo, uint64(top))
		dst = append(dst, uint16(q))
	}
	return dst
}

// WithinMaxWeight tells whether no weight of the row exceeds limit/65535 of the row's sum.
func WithinMaxWeight(row Row, limit uint16) bool {
	var sum, top uint64
	for _, e := range row {
		sum += uint64(e.Value)
		top = max(top, uint64(e.Value))
	}
	return fixed.FromRatio(top, sum) <= fixed.FromU16(limit)
}

// Apportion splits an amount by shares: dst[i] = floor(amount*shares[i]). rest is what rounding, or shares that sum
// to less than one, leave over, so that sum(dst) + rest = amount exactly. dst has the length of shares. Negative
// shares count as zero; shares that sum to more than one give ErrShares and leave dst undefined.
func Apportion(dst []uint64, amount uint64, shares []fixed.I32F32) (rest uint64, err error) {
	var sum fixed.I32F32
	rest = amount
	for i, s := range shares {
		if s = max(s, 0); s > fixed.One {
			return 0, ErrShares
		}
		if sum += s; sum > fixed.One {
			return 0, ErrShares
		}
		dst[i] = s.MulInt(amount)
		rest -= dst[i]
	}
	return rest, nil
}
