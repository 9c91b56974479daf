package validator

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/validator/anomaly"
	"github.com/plexusnet/plexus/validator/health"
)

// A miner is isolated for having become slow, but not where all have: then the cause is not theirs.
func TestWhoBecomesSlowAloneIsIsolated(t *testing.T) {
	const miners = 3
	tests := map[string]struct {
		factors [miners]float64 // of the latency, from the middle on
		extra   float64         // seconds beside
		flagged [miners]bool
	}{
		"nothing happens":           {[miners]float64{1, 1, 1}, 0, [miners]bool{}},
		"one becomes slow":          {[miners]float64{10, 1, 1}, 0, [miners]bool{true, false, false}},
		"all become slow":           {[miners]float64{10, 10, 10}, 0, [miners]bool{}},
		"all wait for the machine":  {[miners]float64{1, 1, 1}, 0.01, [miners]bool{}},
		"all wait much longer":      {[miners]float64{1, 1, 1}, 0.03, [miners]bool{}},
		"one is slow, and all wait": {[miners]float64{30, 1, 1}, 0.03, [miners]bool{true, false, false}},
		"most become quick":         {[miners]float64{1, 0.1, 0.1}, 0, [miners]bool{}},
		"some milliseconds for one": {[miners]float64{1, 1, 1.2}, 0, [miners]bool{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 1))
			k := knowledge{keep: 10, scorer: Scorer{HalfLife: 512, Ban: time.Hour}, watches: map[identity]*anomaly.Watch{}, windows: map[identity]*health.Window{}}
			base := [miners]float64{0.002, 0.02, 0.05}
			neuron := func(i int) metagraph.Neuron { return metagraph.Neuron{UID: uint16(i), Hotkey: string(rune('a' + i))} }
			for round := range 100 {
				var results []Result
				for i := range miners {
					seconds := base[i] * math.Exp(0.1*random.NormFloat64())
					if round >= 50 {
						seconds = seconds*test.factors[i] + test.extra
					}
					r := Result{Neuron: neuron(i), Asked: 24, Answered: 24, Sum: 22}
					r.Latencies = append(r.Latencies, time.Duration(seconds*float64(time.Second)))
					results = append(results, r)
				}
				k.observe(time.Now(), results)
			}
			for i := range miners {
				require.Equal(t, test.flagged[i], k.isolated(identify(neuron(i))), "miner %d", i)
			}
		})
	}
}
