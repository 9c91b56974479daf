package payment_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/payment"
)

func TestWindow(t *testing.T) {
	var w payment.Window
	w.Add(1000, 50)
	w.Add(600, 30)
	require.Equal(t, payment.Window{Redeemed: 1600, Burned: 80}, w)
	require.Zero(t, w.Smoothed(8), "only windows that ended count")
	w.Pass(0, 8)
	require.Equal(t, payment.Window{Redeemed: 1600, Burned: 80}, w)
	for _, step := range []struct{ windows, pool, smoothed uint64 }{{1, 80, 10}, {1, 70, 8}, {1, 62, 7}, {3, 43, 5}, {1000, 7, 0}, {math.MaxUint64, 7, 0}} {
		w.Pass(step.windows, 8)
		require.Equal(t, payment.Window{Pool: step.pool}, w)
		require.Equal(t, step.smoothed, w.Smoothed(8))
	}
	require.True(t, w.Idle(8))
	require.False(t, w.Idle(7))
	w.Add(1, 0)
	require.False(t, w.Idle(8))
	require.Equal(t, uint64(7), w.Smoothed(0), "no smoothing is one window")
}

// TestAStreamOfBurningIsCreditedInFull: what is burned in every window alike is,
// after some smoothings, what every window credits.
func TestAStreamOfBurningIsCreditedInFull(t *testing.T) {
	var w payment.Window
	for range 24 * 30 {
		w.Add(0, 1_000_000)
		w.Pass(1, 24)
	}
	require.InDelta(t, 1_000_000, w.Smoothed(24), 1)
}

func TestCreditsNeverExceedWhatWasBurned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w payment.Window
		burned, credited := uint64(0), uint64(0)
		smoothing := rapid.Uint32Range(1, 100).Draw(t, "smoothing")
		for _, b := range rapid.SliceOfN(rapid.Uint64Range(0, 1<<40), 1, 200).Draw(t, "burned") {
			credited += w.Smoothed(smoothing) // of the window that now ends
			w.Add(2*b, b)
			burned += b
			w.Pass(1, smoothing)
			require.Equal(t, burned, credited+w.Pool, "burned = credited + pool")
			if rapid.IntRange(0, 9).Draw(t, "governance") == 0 {
				smoothing = rapid.Uint32Range(1, 100).Draw(t, "smoothing")
			}
		}
	})
}

func TestManyWindowsAreAsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := payment.Window{Redeemed: anyAmount(t, "redeemed"), Burned: anyAmount(t, "burned") >> 1, Pool: anyAmount(t, "pool") >> 1}
		smoothing := rapid.Uint32Range(1, 100).Draw(t, "smoothing")
		windows := rapid.Uint64Range(0, 500).Draw(t, "windows")
		one, many := w, w
		for range windows {
			one.Pass(1, smoothing)
		}
		many.Pass(windows, smoothing)
		require.Equal(t, one, many)
	})
}
