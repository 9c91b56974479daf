package consensus

import "math/bits"

// one is 1.0 in 32.32 fixed point, as an unsigned number.
const one = 1 << 32

// The hot loops divide many numbers by the same one: by a row's or a column's sum. These divisors replace that by a
// multiplication with a rounded-up reciprocal. With M = floor(2^K/d) + 1, x*M/2^K exceeds x/d by at most x/2^K,
// which cannot reach the next integer (fractions are multiples of 1/d) as long as x*d < 2^K.

// rowDivisor gives floor(v * 2^32 / d) for 16-bit v.
type rowDivisor struct {
	mul   uint64
	shift uint8
}

// maxRowSum is where a sum of whole numbers saturates in 32.32.
const maxRowSum = 1 << 31

// newRowDivisor takes the sum of up to 65536 16-bit values, not zero.
func newRowDivisor(d uint64) rowDivisor {
	d = min(d, maxRowSum)
	mul, l := reciprocal(d) // v*d < 2^(16+l)
	return rowDivisor{mul: mul, shift: uint8(34 - l)}
}

// reciprocal is floor(2^(62+l)/d) + 1 for d of l bits: a number in (2^62, 2^63+1].
func reciprocal(d uint64) (mul uint64, l int) {
	l = bits.Len64(d)
	if l < 2 {
		return 1<<63 + 1, l
	}
	m, _ := bits.Div64(1<<(l-2), 0, d)
	return m + 1, l
}

func (r rowDivisor) divide(v uint16) uint64 {
	hi, _ := bits.Mul64(uint64(v)<<(r.shift&63), r.mul)
	return hi
}

// columnDivisor gives floor(x * 2^32 / d) for x <= d.
type columnDivisor struct {
	d, mul uint64
	shift  uint8
	fast   bool
}

// maxFast bounds the numerators that a columnDivisor takes by multiplication.
const maxFast = 1 << 30

// newColumnDivisor takes a sum (not zero, below 2^49) and a bound on the numerators.
func newColumnDivisor(d, bound uint64) columnDivisor {
	if bound >= maxFast {
		return columnDivisor{d: d}
	}
	mul, l := reciprocal(d) // x*d < 2^(30+l)
	return columnDivisor{d: d, mul: mul, shift: uint8(l), fast: true}
}

// quick is the division for numerators within the bound, when fast is set.
func (c columnDivisor) quick(x uint64) uint64 {
	hi, _ := bits.Mul64(x<<34, c.mul)
	return hi >> (c.shift & 63)
}

func (c columnDivisor) divide(x uint64) uint64 {
	if c.fast {
		return c.quick(x)
	}
	q, _ := bits.Div64(x>>32, x<<32, c.d)
	return q
}
