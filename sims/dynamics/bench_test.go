package dynamics_test

import (
	"context"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

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

// BenchmarkAgainstPython runs the same economy here, in plain Python (one run) and in numpy (500 runs side by side), each
// on one core and recording every step, and compares where they end. It needs a python3 with numpy (Debian's python3-numpy).
func BenchmarkAgainstPython(b *testing.B) {
	const steps = 20_000
	python := ""
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import numpy").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		b.Skip("no python3 with numpy: apt-get install python3-numpy")
	}
	model, err := dynamics.New(halving(steps))
	if err != nil {
		b.Fatal(err)
	}
	var ours, plain, numpy float64
	for b.Loop() {
		for range 3 {
			theirs := python3(b, python, steps)
			plain, numpy = max(plain, theirs[0]), max(numpy, theirs[1])
			records := make([]float64, 0, 7*(steps+1))
			began := time.Now()
			err := model.Run(context.Background(), 1, sims.RecorderFunc(func(_ uint64, _ float64, values []float64) error {
				records = append(records, values...)
				return nil
			}))
			if err != nil {
				b.Fatal(err)
			}
			ours = max(ours, steps/time.Since(began).Seconds())
			end := records[len(records)-7]
			for _, other := range theirs[2:] {
				if math.Abs(other-end) > 1e-9*end {
					b.Fatalf("the liquid stock ends at %v here and at %v in Python", end, other)
				}
			}
		}
	}
	b.ReportMetric(ours, "steps/s")
	b.ReportMetric(ours/plain, "times-python")
	b.ReportMetric(ours/numpy, "times-numpy")
	b.ReportMetric(0, "ns/op")
}

func python3(b *testing.B, python string, steps int) []float64 {
	cmd := exec.Command(python, "../../scripts/bench_dynamics.py", strconv.Itoa(steps), "500")
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	var figures []float64
	for _, line := range strings.Fields(string(out)) {
		x, err := strconv.ParseFloat(line, 64)
		if err != nil {
			b.Fatal(err)
		}
		figures = append(figures, x)
	}
	if len(figures) != 4 {
		b.Fatalf("the script printed %d figures", len(figures))
	}
	return figures
}
