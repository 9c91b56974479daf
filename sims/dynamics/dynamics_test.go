package dynamics_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/dynamics"
)

// rows keeps the records of a run.
type rows struct {
	steps  []uint64
	values [][]float64
}

func (r *rows) Record(step uint64, _ float64, values []float64) error {
	r.steps = append(r.steps, step)
	r.values = append(r.values, append([]float64(nil), values...))
	return nil
}

func run(t testing.TB, system dynamics.System) *rows {
	t.Helper()
	model, err := dynamics.New(system)
	require.NoError(t, err)
	var out rows
	require.NoError(t, model.Run(context.Background(), 1, &out))
	require.Equal(t, model.Records(), uint64(len(out.steps)))
	return &out
}

func constant(x float64) func(*dynamics.State) float64 {
	return func(*dynamics.State) float64 { return x }
}

func TestInterestCompounds(t *testing.T) {
	out := run(t, dynamics.System{
		Stocks: []dynamics.Stock{{Name: "money", Initial: 100}},
		Flows: []dynamics.Flow{{Name: "interest", To: "money", Rate: func(s *dynamics.State) float64 {
			return 0.01 * s.Stock(0)
		}}},
		Step: 1, Steps: 100,
	})
	require.InEpsilon(t, 100*math.Pow(1.01, 100), out.values[100][0], 1e-12)
	require.InEpsilon(t, math.Pow(1.01, 99), out.values[100][1], 1e-12, "the last step's interest is on what stood before it")
}

func TestAllRatesSeeTheSameState(t *testing.T) {
	out := run(t, dynamics.System{
		Stocks: []dynamics.Stock{{Name: "a", Initial: 10}, {Name: "b"}},
		Flows: []dynamics.Flow{
			{Name: "ab", From: "a", To: "b", Rate: func(s *dynamics.State) float64 { return s.Stock(0) / 2 }},
			{Name: "ba", From: "b", To: "a", Rate: func(s *dynamics.State) float64 { return s.Stock(1) / 2 }},
			{Name: "echo", To: "a", Rate: func(s *dynamics.State) float64 { return s.Flow(0) }},
		},
		Auxiliaries: []dynamics.Auxiliary{
			{Name: "sum", Value: func(s *dynamics.State) float64 { return s.Stock(0) + s.Stock(1) }},
			{Name: "twice", Value: func(s *dynamics.State) float64 { return 2 * s.Auxiliary(0) }},
		},
		Step: 1, Steps: 2,
	})
	require.Equal(t, [][]float64{
		{10, 0, 0, 0, 0, 10, 20},
		{5, 5, 5, 0, 0, 10, 20},
		{10, 5, 2.5, 2.5, 5, 15, 30},
	}, out.values)
}

func TestAFlowTakesNoMoreThanThereIs(t *testing.T) {
	out := run(t, dynamics.System{
		Stocks: []dynamics.Stock{{Name: "tank", Initial: 10}, {Name: "sea"}},
		Flows: []dynamics.Flow{
			{Name: "first", From: "tank", To: "sea", Rate: constant(7)},
			{Name: "second", From: "tank", Rate: constant(7)},
			{Name: "never", From: "sea", To: "tank", Rate: constant(-1)},
		},
		Step: 1, Steps: 2,
	})
	require.Equal(t, []float64{0, 7, 7, 3, 0}, out.values[1])
	require.Equal(t, []float64{0, 7, 0, 0, 0}, out.values[2])
}

func TestWindowIsALinearRelease(t *testing.T) {
	const days = 10
	out := run(t, dynamics.System{
		Stocks: []dynamics.Stock{{Name: "vesting"}, {Name: "free"}},
		Flows: []dynamics.Flow{
			{Name: "earned", To: "vesting", Rate: func(s *dynamics.State) float64 {
				if s.Step > 3 {
					return 0
				}
				return 50
			}},
			{Name: "released", From: "vesting", To: "free", Rate: func(s *dynamics.State) float64 { return s.Window(0) }},
		},
		Windows: []dynamics.Window{{Flow: "earned", Steps: days}},
		Step:    86400, Steps: 20,
	})
	for day, released := range map[int]float64{1: 0, 2: 5, 3: 10, 4: 15, 11: 15, 12: 10, 13: 5, 14: 0} {
		require.InDelta(t, released, out.values[day][3], 1e-12, "day %d", day)
	}
	require.InDelta(t, 150, out.values[20][1], 1e-9)
	require.InDelta(t, 0, out.values[20][0], 1e-9)
}

func TestRecordsBeginEndAndInterval(t *testing.T) {
	system := dynamics.System{Stocks: []dynamics.Stock{{Name: "x"}}, Step: 1, Steps: 10, Every: 4}
	require.Equal(t, []uint64{0, 4, 8, 10}, run(t, system).steps)
	system.Every = 5
	require.Equal(t, []uint64{0, 5, 10}, run(t, system).steps)
	system.Every = 100
	require.Equal(t, []uint64{0, 10}, run(t, system).steps)
}

func TestNumbersThatAreNotFiniteEndTheRun(t *testing.T) {
	for name, rate := range map[string]float64{"NaN": math.NaN(), "infinite": math.Inf(1)} {
		t.Run(name, func(t *testing.T) {
			model, err := dynamics.New(dynamics.System{
				Stocks: []dynamics.Stock{{Name: "x"}},
				Flows:  []dynamics.Flow{{Name: "in", To: "x", Rate: constant(rate)}},
				Step:   1, Steps: 3,
			})
			require.NoError(t, err)
			err = model.Run(context.Background(), 1, &rows{})
			require.ErrorIs(t, err, dynamics.ErrBooks)
			require.ErrorContains(t, err, "step 1")
		})
	}
}

func TestBadSystemsAreRefused(t *testing.T) {
	good := func() dynamics.System {
		return dynamics.System{
			Stocks: []dynamics.Stock{{Name: "x"}, {Name: "y"}},
			Flows:  []dynamics.Flow{{Name: "f", From: "x", To: "y", Rate: constant(1)}},
			Step:   1, Steps: 1,
		}
	}
	for name, c := range map[string]struct {
		change func(*dynamics.System)
		says   string
	}{
		"no step":             {func(s *dynamics.System) { s.Step = 0 }, "0 seconds"},
		"no steps":            {func(s *dynamics.System) { s.Steps = 0 }, "0 steps"},
		"too many steps":      {func(s *dynamics.System) { s.Steps = dynamics.MaxSteps + 1 }, "steps"},
		"same name twice":     {func(s *dynamics.System) { s.Flows[0].Name = "x" }, `"x" is empty or taken`},
		"no name":             {func(s *dynamics.System) { s.Stocks[0].Name = "" }, "empty or taken"},
		"negative stock":      {func(s *dynamics.System) { s.Stocks[0].Initial = -1 }, "-1"},
		"NaN stock":           {func(s *dynamics.System) { s.Stocks[0].Initial = math.NaN() }, "NaN"},
		"unknown end":         {func(s *dynamics.System) { s.Flows[0].To = "z" }, `"z"`},
		"round trip":          {func(s *dynamics.System) { s.Flows[0].To = "x" }, "ends where it begins"},
		"no rate":             {func(s *dynamics.System) { s.Flows[0].Rate = nil }, "no rate"},
		"no value":            {func(s *dynamics.System) { s.Auxiliaries = []dynamics.Auxiliary{{Name: "a"}} }, "no value"},
		"window over a stock": {func(s *dynamics.System) { s.Windows = []dynamics.Window{{Flow: "x", Steps: 1}} }, `"x"`},
		"empty window":        {func(s *dynamics.System) { s.Windows = []dynamics.Window{{Flow: "f"}} }, "0 steps"},
	} {
		t.Run(name, func(t *testing.T) {
			system := good()
			c.change(&system)
			_, err := dynamics.New(system)
			require.ErrorIs(t, err, dynamics.ErrSystem)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestStopsWhenTold(t *testing.T) {
	model, err := dynamics.New(dynamics.System{Stocks: []dynamics.Stock{{Name: "x"}}, Step: 1, Steps: dynamics.MaxSteps, Every: dynamics.MaxSteps})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, model.Run(ctx, 1, &rows{}), context.Canceled)
	require.ErrorIs(t, model.Run(context.Background(), 1, sims.RecorderFunc(func(uint64, float64, []float64) error {
		return context.DeadlineExceeded
	})), context.DeadlineExceeded)
}

// Whatever moves between stocks, nothing is made or lost, and no stock is overdrawn.
func TestNothingIsMadeOrLost(t *testing.T) {
	names := []string{dynamics.Outside, "a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		system := dynamics.System{Step: 1, Steps: 200}
		for _, name := range names[1:] {
			system.Stocks = append(system.Stocks, dynamics.Stock{Name: name, Initial: rapid.Float64Range(0, 1e9).Draw(t, name)})
		}
		for i := range rapid.IntRange(1, 6).Draw(t, "flows") {
			from := rapid.SampledFrom(names).Draw(t, "from")
			to := rapid.SampledFrom(names).Filter(func(s string) bool { return s != from }).Draw(t, "to")
			scale := rapid.Float64Range(-1, 1e8).Draw(t, "scale")
			system.Flows = append(system.Flows, dynamics.Flow{Name: string(rune('p' + i)), From: from, To: to, Rate: func(s *dynamics.State) float64 {
				return scale * s.Rand.Float64()
			}})
		}
		model, err := dynamics.New(system)
		require.NoError(t, err)
		expected := 0.0
		for _, s := range system.Stocks {
			expected += s.Initial
		}
		turned := expected
		require.NoError(t, model.Run(context.Background(), 7, sims.RecorderFunc(func(step uint64, _ float64, values []float64) error {
			sum := 0.0
			for _, v := range values[:3] {
				require.GreaterOrEqual(t, v, 0.0)
				sum += v
			}
			for i, f := range system.Flows {
				moved := values[3+i]
				turned += moved
				if f.From == dynamics.Outside {
					expected += moved
				}
				if f.To == dynamics.Outside {
					expected -= moved
				}
			}
			require.InDelta(t, expected, sum, 1e-9*turned)
			return nil
		})))
	})
}
