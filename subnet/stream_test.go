package subnet

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestStream(t *testing.T) {
	s := Stream{Total: 10, Start: 100, Length: 4}
	for _, c := range []struct {
		name            string
		height          uint64
		due, paid, left uint64
	}{
		{"before", 50, 0, 0, 10},
		{"the block of the epoch", 100, 0, 0, 10},
		{"first", 101, 2, 2, 8},
		{"second", 102, 3, 5, 5},
		{"third", 103, 2, 7, 3},
		{"last", 104, 3, 10, 0},
		{"after", 105, 0, 10, 0},
		{"long after", math.MaxUint64, 0, 10, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.due, s.Due(c.height))
			require.Equal(t, c.paid, s.PaidBy(c.height))
			require.Equal(t, c.left, s.Left(c.height))
		})
	}
}

func TestRunning(t *testing.T) {
	a, b := Stream{Validator: "a", Total: 4, Start: 10, Length: 2}, Stream{Validator: "b", Total: 4, Start: 11, Length: 2}
	require.Equal(t, []Stream{a, b}, Running([]Stream{a, b}, 11))
	require.Equal(t, []Stream{b}, Running([]Stream{a, b}, 12))
	require.Empty(t, Running([]Stream{a, b}, 13))
}

// checkStream states what a stream promises: evenly, and every unit once.
func checkStream(t require.TestingT, s Stream, blocks uint64) {
	sum := uint64(0)
	for i := range blocks {
		due := s.Due(s.Start + 1 + i)
		if i < s.Length {
			require.GreaterOrEqual(t, due, s.Total/s.Length)
			require.LessOrEqual(t, due-s.Total/s.Length, uint64(1), "blocks differ by at most a unit")
		} else {
			require.Zero(t, due)
		}
		sum += due
		require.Equal(t, sum, s.PaidBy(s.Start+1+i))
		require.Equal(t, s.Total, sum+s.Left(s.Start+1+i))
	}
	if blocks >= s.Length {
		require.Equal(t, s.Total, sum)
	}
}

func TestStreamPaysEvenlyAndEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Stream{
			Total:  rapid.Uint64().Draw(t, "total"),
			Start:  rapid.Uint64Range(0, math.MaxInt64).Draw(t, "start"),
			Length: rapid.Uint64Range(1, 400).Draw(t, "length"),
		}
		checkStream(t, s, s.Length+2)
	})
}

func FuzzStream(f *testing.F) {
	f.Add(uint64(10), uint64(5), uint64(3))
	f.Add(uint64(math.MaxUint64), uint64(math.MaxInt64), uint64(MaxTempo))
	f.Add(uint64(7), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, total, start, length uint64) {
		s := Stream{Total: total, Start: start % math.MaxInt64, Length: length}
		if length == 0 { // nothing creates one; a genesis could
			require.Zero(t, s.Left(s.Start))
			require.Zero(t, s.Due(s.Start+1))
			return
		}
		checkStream(t, s, min(length+1, 200))
	})
}
