package quantize

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEveryHalfFloatIsItsOwnNearest(t *testing.T) {
	for bits := range uint32(1 << 16) {
		value := fromHalf(uint16(bits))
		if value != value {
			require.Equal(t, uint32(0x7c00), bits&0x7c00)
			continue
		}
		require.Equal(t, uint16(bits), halfBits(value), "%v", value)
	}
}

func TestHalfBitsAreTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float32Range(-70000, 70000).Draw(t, "value")
		if math.Abs(float64(f)) > maxHalf || math.Abs(float64(f)) < minHalf {
			return
		}
		h := halfBits(f)
		distance := math.Abs(float64(fromHalf(h)) - float64(f))
		for _, neighbour := range []uint16{h - 1, h + 1} {
			if n := fromHalf(neighbour); n == n && !math.IsInf(float64(n), 0) {
				other := math.Abs(float64(n) - float64(f))
				require.LessOrEqual(t, distance, other)
				if distance == other {
					require.Zero(t, h&1, "a tie goes to the even one")
				}
			}
		}
	})
}

func TestHalfKeepsWhatWouldBreakAModel(t *testing.T) {
	require.Equal(t, float32(maxHalf), roundToHalf(1e9))
	require.Equal(t, float32(-maxHalf), roundToHalf(-65519.9))
	require.Equal(t, float32(minHalf), roundToHalf(1e-12))
	require.True(t, math.IsInf(float64(roundToHalf(float32(math.Inf(1)))), 1))
}
