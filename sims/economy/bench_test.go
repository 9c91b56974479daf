package economy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/plexusnet/plexus/sims"
)

// decades is 32 subnets of 64 uids each, 16 of them validators', with Yuma at
// every epoch; validators measure all miners and speak every tenth epoch, twice
// a day, which the activity cutoff asks for.
func decades(blocks uint64) Config {
	c := Default()
	c.Blocks, c.RecordEvery = blocks, 30*7200
	c.Hyperparams.MaxUIDs, c.Hyperparams.MaxValidators = 64, 16
	c.Subnets[0].Count, c.Subnets[0].Hyperparams = 32, c.Hyperparams
	v := DefaultValidators()
	v.Count, v.WeightsEvery = 16, 10
	c.Validators = []ValidatorGroup{v}
	m := DefaultMiners()
	m.Count = 32 * 48
	c.Miners = []MinerGroup{m}
	c.Delegators = []DelegatorGroup{delegatorsOf(1000)}
	c.Price.Process = PriceGBM
	return c
}

// BenchmarkDecades reports how long 30 years (78.9 million blocks) take at the
// pace of a part of them: 30 days, or as many blocks as PLEXUS_BENCH_BLOCKS says.
func BenchmarkDecades(b *testing.B) {
	const years30 = 78_894_000
	blocks := uint64(30 * 7200)
	if text := os.Getenv("PLEXUS_BENCH_BLOCKS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		blocks = n
	}
	report := func(b *testing.B, perRun float64) {
		b.ReportMetric(perRun*years30/float64(blocks), "s/30years")
		b.ReportMetric(perRun/(float64(blocks)/360*32)*1e6, "µs/epoch")
	}
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			cfg := decades(blocks)
			cfg.Workers = workers
			report(b, benchRuns(b, cfg))
		})
	}
}

// benchRuns returns the seconds of a run.
func benchRuns(b *testing.B, cfg Config) float64 {
	model, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		err := model.Run(context.Background(), 1, sims.RecorderFunc(func(uint64, float64, []float64) error { return nil }))
		if err != nil {
			b.Fatal(err)
		}
	}
	return b.Elapsed().Seconds() / float64(b.N)
}

// BenchmarkEpochsAlone runs the same epochs by the machine alone, without
// agents, recording or audits of anything but its books.
func BenchmarkEpochsAlone(b *testing.B) {
	r, err := newRun(decades(1e9), nil, 1)
	if err != nil {
		b.Fatal(err)
	}
	nothing := sims.RecorderFunc(func(uint64, float64, []float64) error { return nil })
	for r.m.Height() < 20*360 {
		if err := r.next(nothing); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.m.Advance(360); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/32*1e6, "µs/epoch")
}

// BenchmarkAgents counts the steps of cheap agents.
func BenchmarkAgents(b *testing.B) {
	const n = 1_000_000
	report := func(b *testing.B) {
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msteps/s")
	}
	b.Run("delegators", func(b *testing.B) {
		r := rand.New(rand.NewPCG(1, 2))
		var awake []int32
		for b.Loop() {
			awake = wake(awake, r, n, 0.999)
		}
		report(b)
	})
	b.Run("callers", func(b *testing.B) {
		spent, wanted := make([]uint64, n), make([]float64, n)
		for k := range wanted {
			wanted[k] = float64(k)
		}
		for b.Loop() {
			charge(spent, wanted, 123.4)
		}
		report(b)
	})
	for _, inertia := range []float64{0.999, 0.99} {
		b.Run(fmt.Sprintf("delegators-with-ledger/inertia=%v", inertia), func(b *testing.B) {
			c := decades(1e9)
			c.Subnets[0].Count, c.Genesis.Supply = 1, 21e6
			c.Miners[0].Count, c.Subnets[0].Hyperparams.MaxUIDs = 1, 64
			c.Delegators = []DelegatorGroup{delegatorsOf(n)}
			c.Delegators[0].Inertia, c.Delegators[0].Stake = inertia, Fixed(10)
			r, err := newRun(c, nil, 1)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				r.delegators[0].step(r, 1)
			}
			report(b)
		})
	}
}

// BenchmarkModes compares the two modes on the same network.
func BenchmarkModes(b *testing.B) {
	for _, mode := range []string{ModeEpochs, ModeBlocks} {
		b.Run(mode, func(b *testing.B) {
			c := decades(3 * 7200)
			c.Mode = mode
			b.ReportMetric(float64(c.Blocks)/benchRuns(b, c)/1e3, "kblocks/s")
		})
	}
}
