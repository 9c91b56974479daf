package dynamics_test

import (
	"context"
	"testing"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/dynamics"
)

// halving is a small economy: minting that decays, staking, burning.
func halving(steps uint64) dynamics.System {
	const supply, staked, burned = 0, 1, 2
	return dynamics.System{
		Stocks: []dynamics.Stock{{Name: "liquid", Initial: 1e6}, {Name: "staked"}, {Name: "burned"}},
		Flows: []dynamics.Flow{
			{Name: "minted", To: "liquid", Rate: func(s *dynamics.State) float64 {
				return 1e-6 * (21e6 - s.Stock(supply) - s.Stock(staked) - s.Stock(burned))
			}},
			{Name: "stake", From: "liquid", To: "staked", Rate: func(s *dynamics.State) float64 { return 1e-4 * s.Stock(supply) }},
			{Name: "unstake", From: "staked", To: "liquid", Rate: func(s *dynamics.State) float64 { return 5e-5 * s.Stock(staked) }},
			{Name: "burn", From: "liquid", To: "burned", Rate: func(s *dynamics.State) float64 { return 1e-7 * s.Stock(supply) }},
		},
		Step: 12, Steps: steps,
	}
}

// BenchmarkSteps records every step of an economy of three stocks and four flows. One operation is one recorded step.
func BenchmarkSteps(b *testing.B) {
	model, err := dynamics.New(halving(uint64(max(b.N, 1))))
	if err != nil {
		b.Fatal(err)
	}
	var last float64
	b.ResetTimer()
	err = model.Run(context.Background(), 1, sims.RecorderFunc(func(_ uint64, _ float64, values []float64) error {
		last = values[0]
		return nil
	}))
	if err != nil || last <= 0 {
		b.Fatal(err, last)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
}
