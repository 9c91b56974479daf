package subnet

import (
	"math"
	"math/bits"
)

// PLX is one whole token in nplx, the unit of every amount here.
const PLX uint64 = 1_000_000_000

// Cap is the number of nplx that can ever exist at once.
const Cap = 21_000_000 * PLX

// BasisPoints is the whole that shares in basis points are taken of.
const BasisPoints uint64 = 10_000

// mulDiv returns floor(a*b/c) without overflow in between. It needs c > 0 and
// a quotient that fits, which holds whenever a <= c or b <= c.
func mulDiv(a, b, c uint64) uint64 {
	q, _ := mulDivRem(a, b, c)
	return q
}

// mulDivRem is mulDiv with the remainder of the division.
func mulDivRem(a, b, c uint64) (quotient, remainder uint64) {
	hi, lo := bits.Mul64(a, b)
	return bits.Div64(hi, lo, c)
}

// saturatingAdd returns a+b, or the largest uint64 where the sum is larger.
func saturatingAdd(a, b uint64) uint64 {
	if b > math.MaxUint64-a {
		return math.MaxUint64
	}
	return a + b
}

// saturatingSub returns a-b, or 0 where b is larger.
func saturatingSub(a, b uint64) uint64 {
	if b > a {
		return 0
	}
	return a - b
}
