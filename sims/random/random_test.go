package random_test

import (
	"math"
	"testing"

	"github.com/plexusnet/plexus/sims/random"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"
)

// TestGolden pins the numbers: a change here changes every simulation that was ever published.
func TestGolden(t *testing.T) {
	stream := random.New(1).Stream("miner", 3)
	require.Equal(t, [3]uint64{0xec1cf6795ae62bd9, 0x1643300a600f8b24, 0x70c21d49b35f333f}, [3]uint64{stream.Uint64(), stream.Uint64(), stream.Uint64()})
	require.Equal(t, uint64(0xdfe0a8fa59323dd1), random.New(1).Seed("run", 7))
}

func TestStreamsDependOnNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := random.New(rapid.Uint64().Draw(t, "seed"))
		name, index := rapid.String().Draw(t, "name"), rapid.SliceOfN(rapid.Int(), 0, 3).Draw(t, "index")
		first := source.Stream(name, index...).Uint64()
		source.Stream("another", 1).Uint64()
		if source.Stream(name, index...).Uint64() != first {
			t.Fatal("a stream moved")
		}
		if source.Child("part").Stream(name, index...).Uint64() == first {
			t.Fatal("a child draws its parent's numbers")
		}
	})
}

func TestNamesDoNotCollide(t *testing.T) {
	source, seen := random.New(0), map[uint64]string{}
	for _, name := range []string{"", "a", "ab", "b", "miner", "miner\x00", "\x01\x00\x00\x00\x00\x00\x00\x00"} {
		for _, index := range [][]int{nil, {0}, {1}, {-1}, {0, 0}, {1, 0}, {0, 1}} {
			first := source.Stream(name, index...).Uint64()
			require.Empty(t, seen[first])
			seen[first] = name + "!"
			require.NotEqual(t, first, random.New(1).Stream(name, index...).Uint64())
		}
	}
}

// TestStreamsAreIndependent bounds the correlation of neighbouring streams; the numbers are fixed, so it cannot fail by luck.
func TestStreamsAreIndependent(t *testing.T) {
	const n = 20_000
	draw := func(source random.Source, index int) []float64 {
		stream, x := source.Stream("agent", index), make([]float64, n)
		for i := range x {
			x[i] = stream.NormFloat64()
		}
		return x
	}
	base := draw(random.New(5), 0)
	require.InDelta(t, 0, stat.Mean(base, nil), 4/math.Sqrt(n))
	require.InDelta(t, 1, stat.Variance(base, nil), 4*math.Sqrt(2.0/n))
	for i := 1; i < 6; i++ {
		require.InDelta(t, 0, stat.Correlation(base, draw(random.New(5), i), nil), 4/math.Sqrt(n))
		require.InDelta(t, 0, stat.Correlation(base, draw(random.New(5+uint64(i)), 0), nil), 4/math.Sqrt(n))
	}
}
