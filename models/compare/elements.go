package compare

import (
	"encoding/binary"
	"math"

	"github.com/plexusnet/plexus/models"
)

// floats returns the elements of a validated tensor of numbers, nil for text. 64-bit integers may round.
func floats(t models.Tensor) []float64 {
	size := t.Datatype.Size()
	if size == 0 {
		return nil
	}
	values := make([]float64, len(t.Data)/size)
	for i := range values {
		values[i] = element(t.Datatype, t.Data[i*size:])
	}
	return values
}

func element(d models.Datatype, data []byte) float64 {
	switch d {
	case models.BOOL, models.UINT8:
		return float64(data[0])
	case models.INT8:
		return float64(int8(data[0]))
	case models.UINT16:
		return float64(binary.LittleEndian.Uint16(data))
	case models.INT16:
		return float64(int16(binary.LittleEndian.Uint16(data)))
	case models.FP16:
		return halfFloat(binary.LittleEndian.Uint16(data))
	case models.BF16:
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(data)) << 16))
	case models.UINT32:
		return float64(binary.LittleEndian.Uint32(data))
	case models.INT32:
		return float64(int32(binary.LittleEndian.Uint32(data)))
	case models.FP32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
	case models.UINT64:
		return float64(binary.LittleEndian.Uint64(data))
	case models.INT64:
		return float64(int64(binary.LittleEndian.Uint64(data)))
	default: // FP64
		return math.Float64frombits(binary.LittleEndian.Uint64(data))
	}
}

// halfFloat returns the value of an IEEE 754 half float.
func halfFloat(h uint16) float64 {
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	sign := 1 - 2*float64(h>>15)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 0x1f:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	default:
		return sign * math.Ldexp(1+fraction/1024, exponent-15)
	}
}
