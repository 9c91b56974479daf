package quantize

import "math"

// The largest half float, and the smallest above 0.
const (
	maxHalf = 65504
	minHalf = 1.0 / (1 << 24)
)

// halfBits returns the IEEE 754 half float nearest to f, ties to even. What is too large becomes the largest, and what
// is not 0 stays so, as converters do to keep a model from dividing by zero.
func halfBits(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	size := math.Abs(float64(f))
	switch {
	case size != size:
		return sign | 0x7e00
	case math.IsInf(size, 0):
		return sign | 0x7c00
	case size > maxHalf:
		return sign | 0x7bff
	case size == 0:
		return sign
	case size < minHalf:
		return sign | 1
	case size < 1.0/(1<<14): // a subnormal, counted in units of the smallest
		return sign | uint16(math.RoundToEven(size/minHalf))
	}
	magnitude := bits & 0x7fffffff
	magnitude += 0xfff + magnitude>>13&1 // to nearest, ties to even; a carry moves to the next exponent by itself
	return sign | uint16(min(magnitude>>13-(127-15)<<10, 0x7bff))
}

// fromHalf returns the value of a half float.
func fromHalf(h uint16) float32 {
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	var size float64
	switch exponent {
	case 0:
		size = fraction * minHalf
	case 0x1f:
		size = math.Inf(1)
		if fraction != 0 {
			size = math.NaN()
		}
	default:
		size = math.Ldexp(1+fraction/1024, exponent-15)
	}
	if h&0x8000 != 0 {
		size = -size
	}
	return float32(size)
}

func roundToHalf(f float32) float32 { return fromHalf(halfBits(f)) }
