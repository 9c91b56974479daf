package fixed

import (
	"math"
	"math/bits"
	"strconv"
)

// I32F32 is a signed fixed-point number: its int64 is the value times 2^32. Range [-2^31, 2^31), step 2^-32.
type I32F32 int64

// FracBits is the number of bits behind the binary point.
const FracBits = 32

// The limits of the type, and one.
const (
	Zero I32F32 = 0
	One  I32F32 = 1 << FracBits
	Max  I32F32 = math.MaxInt64
	Min  I32F32 = math.MinInt64
)

// FromInt gives n as a fixed-point number, saturating outside [-2^31, 2^31).
func FromInt(n int64) I32F32 {
	switch {
	case n > math.MaxInt32:
		return Max
	case n < math.MinInt32:
		return Min
	}
	return I32F32(n << FracBits)
}

// FromU16 reads a stored proportion: v/65535 in [0, 1], floored to a step.
func FromU16(v uint16) I32F32 {
	// 2^32/65535 = 65537 + 1/65535, so the floor needs a carry only where the fraction reaches 1.
	q := uint64(v) * 65537
	if v == math.MaxUint16 {
		q++
	}
	return I32F32(q)
}

// FromRatio is floor(a/b) in steps of 2^-32 for a <= b, and 0 where b is 0. a > b saturates to Max when the quotient
// does not fit.
func FromRatio(a, b uint64) I32F32 {
	if b == 0 {
		return 0
	}
	hi, lo := a>>FracBits, a<<FracBits
	if hi >= b {
		return Max
	}
	q, _ := bits.Div64(hi, lo, b)
	if q > math.MaxInt64 {
		return Max
	}
	return I32F32(q)
}

// Add is x + y, saturating.
func (x I32F32) Add(y I32F32) I32F32 {
	s := x + y
	if (x^s)&(y^s) < 0 {
		return limit(x < 0)
	}
	return s
}

// Sub is x - y, saturating.
func (x I32F32) Sub(y I32F32) I32F32 {
	s := x - y
	if (x^y)&(x^s) < 0 {
		return limit(x < 0)
	}
	return s
}

// Mul is floor(x*y) in steps of 2^-32, saturating.
func (x I32F32) Mul(y I32F32) I32F32 {
	p, ok := x.checkedMul(y)
	if !ok {
		return limit((x < 0) != (y < 0))
	}
	return p
}

func (x I32F32) checkedMul(y I32F32) (I32F32, bool) {
	hi, lo := mulSigned(int64(x), int64(y))
	if top := hi >> (FracBits - 1); top != 0 && top != -1 {
		return 0, false
	}
	return I32F32(hi<<FracBits | int64(lo>>FracBits)), true
}

// mulSigned is the 128-bit two's complement product of two signed integers.
func mulSigned(x, y int64) (hi int64, lo uint64) {
	uhi, lo := bits.Mul64(uint64(x), uint64(y))
	hi = int64(uhi)
	if x < 0 {
		hi -= y
	}
	if y < 0 {
		hi -= x
	}
	return hi, lo
}

// Div is x/y truncated toward zero in steps of 2^-32, saturating; x/0 is 0.
func (x I32F32) Div(y I32F32) I32F32 {
	if y == 0 {
		return 0
	}
	neg := (x < 0) != (y < 0)
	a, b := magnitude(x), magnitude(y)
	hi, lo := a>>FracBits, a<<FracBits
	if hi >= b {
		return limit(neg)
	}
	q, _ := bits.Div64(hi, lo, b)
	switch {
	case neg && q > 1<<63:
		return Min
	case neg:
		return I32F32(-q)
	case q > math.MaxInt64:
		return Max
	}
	return I32F32(q)
}

// Clamp bounds x to [lo, hi]; where lo > hi, lo wins.
func (x I32F32) Clamp(lo, hi I32F32) I32F32 { return max(min(x, hi), lo) }

// U16 stores a proportion: floor(x*65535), bounded to [0, 65535].
func (x I32F32) U16() uint16 {
	switch {
	case x <= 0:
		return 0
	case x >= One:
		return math.MaxUint16
	}
	return uint16((uint64(x) * math.MaxUint16) >> FracBits)
}

// MulInt is floor(x*n) for x >= 0, saturating: the share x of an integer amount. A negative x gives 0.
func (x I32F32) MulInt(n uint64) uint64 {
	if x <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(x), n)
	if hi>>FracBits != 0 {
		return math.MaxUint64
	}
	return hi<<FracBits | lo>>FracBits
}

// Float64 is the nearest float, for display and for comparison with float references. It takes no part in any result.
//
//determinism:display no rule of the network calls it
func (x I32F32) Float64() float64 { return float64(x) / float64(One) }

// String prints the number in decimal with as many digits as Float64 needs.
//
//determinism:display for people and logs
func (x I32F32) String() string { return strconv.FormatFloat(x.Float64(), 'g', -1, 64) }

func limit(negative bool) I32F32 {
	if negative {
		return Min
	}
	return Max
}

func magnitude(x I32F32) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}
