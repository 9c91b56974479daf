package anomaly

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

const questions = 32

// nature is how a miner behaves.
type nature struct {
	right, fails, seconds, spread float64
}

func honestMiner() nature { return nature{right: 0.9, fails: 0.01, seconds: 0.01, spread: 0.3} }

func (n nature) round(r *rand.Rand) Sample {
	s := Sample{Asked: questions}
	answered := 0
	for range questions {
		if r.Float64() < n.fails {
			s.Failed += 1. / questions
			continue
		}
		answered++
		if r.Float64() < n.right {
			s.Score += 1. / questions
		}
	}
	if answered > 0 {
		s.Latency = n.seconds * math.Exp(n.spread*r.NormFloat64())
	}
	return s
}

// TestHonestMinersAreNotFlagged lets 10^5 rounds of very different honest miners pass, with fixed seeds.
func TestHonestMinersAreNotFlagged(t *testing.T) {
	miners := map[string]nature{
		"good": honestMiner(), "perfect": {1, 0, 0.01, 0.1}, "guesses": {0.1, 0, 0.01, 0.1},
		"unsteady latency": {0.9, 0, 0.02, 0.8}, "fails at times": {0.8, 0.1, 0.01, 0.3},
	}
	alarms := 0
	for _, n := range miners {
		for seed := range uint64(2) {
			r := rand.New(rand.NewPCG(seed, 7))
			var w Watch
			for range 10_000 {
				before := w.Flagged
				w.Observe(n.round(r))
				if w.Flagged && !before {
					alarms++
				}
			}
		}
	}
	require.Zero(t, alarms)
}

func TestABreakIsFlaggedSoonAndForgivenLater(t *testing.T) {
	tests := map[string]struct {
		change func(*nature)
		within int
		reason string
	}{
		"answers at random":           {func(n *nature) { n.right = 0.1 }, 7, "score"},
		"serves a cheaper model":      {func(n *nature) { n.right = 0.7 }, 16, "score"},
		"gone":                        {func(n *nature) { n.fails = 1 }, 7, "failures"},
		"offline a third of the time": {func(n *nature) { n.fails = 0.33 }, 8, "failures"},
		"three times slower":          {func(n *nature) { n.seconds *= 3 }, 10, "latency"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var w Watch
			n := honestMiner()
			for range 100 {
				w.Observe(n.round(r))
			}
			require.False(t, w.Flagged)
			test.change(&n)
			took := 0
			for ; !w.Flagged && took < 50; took++ {
				w.Observe(n.round(r))
			}
			require.True(t, w.Flagged)
			require.LessOrEqual(t, took, test.within)
			require.Contains(t, w.Reasons(), test.reason)

			var saved Watch
			raw, err := json.Marshal(w)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(raw, &saved))
			require.Equal(t, w, saved, "it outlives a restart")

			n = honestMiner()
			for took = 0; w.Flagged && took < 60; took++ {
				w.Observe(n.round(r))
			}
			require.False(t, w.Flagged, "who behaves is let off")
			require.Greater(t, took, 3, "but not at once")
			require.Empty(t, w.Reasons())
		})
	}
}

func TestImprovementIsNoBreak(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var w Watch
	n := nature{right: 0.7, fails: 0.05, seconds: 0.1, spread: 0.2}
	for range 100 {
		w.Observe(n.round(r))
	}
	n = nature{right: 0.99, fails: 0, seconds: 0.001, spread: 0.2}
	for range 200 {
		w.Observe(n.round(r))
		require.False(t, w.Flagged)
	}
}

func TestSlowDecayIsNoDisguise(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var w Watch
	n := honestMiner()
	flagged := false
	for i := range 400 {
		n.right = 0.95 - 0.6*float64(i)/400
		w.Observe(n.round(r))
		flagged = flagged || w.Flagged
	}
	require.True(t, flagged)
}

func TestWhatAMinerHasBecomeIsItsHistoryInTheEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var w Watch
	n := honestMiner()
	for range 100 {
		w.Observe(n.round(r))
	}
	n.right = 0.5
	for range Relearn + 60 {
		w.Observe(n.round(r))
	}
	require.False(t, w.Flagged)
}

func TestNothingIsJudgedOnNothing(t *testing.T) {
	var w Watch
	for range 100 {
		w.Observe(Sample{})
	}
	require.Empty(t, w.Past)
	require.False(t, w.Flagged)
}

// TestWhatAllWaitForIsTakenOff by ratio or by seconds, whichever leaves less.
func TestWhatAllWaitForIsTakenOff(t *testing.T) {
	before := []float64{0.002, 0.02, 0.2}
	tests := map[string]struct {
		now func(seconds float64) float64
		off []float64 // what may be left of each
	}{
		"as before":               {func(s float64) float64 { return s }, []float64{0.002, 0.02, 0.2}},
		"three times as long":     {func(s float64) float64 { return 3 * s }, []float64{0.002, 0.02, 0.4}},
		"30 ms longer":            {func(s float64) float64 { return s + 0.03 }, []float64{0.002, 0.02, 0.2}},
		"quicker, and not blamed": {func(s float64) float64 { return s / 2 }, []float64{0.001, 0.01, 0.1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var delays []Delay
			for _, seconds := range before {
				var w Watch
				for range Learn {
					w.Observe(Sample{Asked: questions, Latency: seconds})
				}
				d, ok := w.Slower(Sample{Asked: questions, Latency: test.now(seconds)})
				require.True(t, ok)
				delays = append(delays, d)
			}
			common := Common(delays)
			for i, seconds := range before {
				left := Sample{Latency: test.now(seconds)}.Quicker(common).Latency
				require.LessOrEqual(t, left, test.off[i]*(1+1e-9), "miner of %v s", seconds)
				require.Positive(t, left)
			}
		})
	}
	require.Zero(t, Common(nil))
}
