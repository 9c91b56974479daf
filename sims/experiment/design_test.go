package experiment_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/simtest"
)

func ptr[T any](v T) *T { return &v }

// walks builds walks by the settings phi, drift and sigma.
func walks(base simtest.Walk) experiment.Builder {
	return func(settings []experiment.Setting) (sims.Model, error) {
		w := base
		for _, s := range settings {
			value, ok := s.Value.(float64)
			if !ok {
				return nil, fmt.Errorf("%s is %v", s.Path, s.Value)
			}
			switch s.Path {
			case "phi":
				w.Phi = value
			case "drift":
				w.Drift = value
			case "sigma":
				w.Sigma = value
			default:
				return nil, fmt.Errorf("no parameter %s", s.Path)
			}
		}
		return w, nil
	}
}

// ishigami builds the function at x1, x2, x3.
func ishigami(settings []experiment.Setting) (sims.Model, error) {
	f := simtest.Ishigami{A: 7, B: 0.1}
	for _, s := range settings {
		f.X[s.Path[1]-'1'] = s.Value.(float64)
	}
	return f, nil
}

func cube(names []string, from, to float64) []experiment.Parameter {
	var parameters []experiment.Parameter
	for _, name := range names {
		parameters = append(parameters, experiment.Parameter{Path: name, From: &from, To: &to})
	}
	return parameters
}

// indices returns one kind of index by parameter, of statistic End.
func indices(r *experiment.SensitivityResult, name experiment.IndexName) map[string]experiment.Index {
	found := map[string]experiment.Index{}
	for _, x := range r.Indices {
		if x.Name == name && x.Statistic == experiment.End {
			found[x.Parameter] = x
		}
	}
	return found
}

// TestSobolOfIshigami compares with the closed form. The sample is fixed by the seed.
func TestSobolOfIshigami(t *testing.T) {
	names := []string{"x1", "x2", "x3"}
	first, total := simtest.Ishigami{A: 7, B: 0.1}.Indices()
	for _, sampling := range []experiment.Method{experiment.Halton, experiment.LatinHypercube, experiment.Random} {
		t.Run(string(sampling), func(t *testing.T) {
			spec := experiment.Sensitivity{Method: experiment.Sobol, Samples: 4096, Sampling: sampling, Bootstrap: 200, Parameters: cube(names, -math.Pi, math.Pi)}
			result, err := spec.Run(t.Context(), ishigami, experiment.Options{Seed: 1})
			require.NoError(t, err)
			require.Equal(t, 4096*5, result.Points)
			within := map[experiment.Method]float64{experiment.Halton: 0.01, experiment.LatinHypercube: 0.04, experiment.Random: 0.04}[sampling]
			s1, st := indices(result, experiment.First), indices(result, experiment.Total)
			for i, name := range names {
				require.InDelta(t, first[i], s1[name].Value, within, "first order of %s", name)
				require.InDelta(t, total[i], st[name].Value, within, "total order of %s", name)
				require.LessOrEqual(t, s1[name].Low, s1[name].Value)
				require.GreaterOrEqual(t, s1[name].High, s1[name].Value)
				require.Less(t, st[name].High-st[name].Low, 0.1)
				if sampling == experiment.Random {
					require.LessOrEqual(t, st[name].Low, total[i]+0.01)
					require.GreaterOrEqual(t, st[name].High, total[i]-0.01)
				}
			}
		})
	}
}

func TestSobolOfTheGFunction(t *testing.T) {
	g := simtest.G{A: []float64{0, 1, 4.5, 9, 99, 99, 99, 99}}
	var names []string
	for i := range g.A {
		names = append(names, fmt.Sprintf("x%d", i+1))
	}
	build := func(settings []experiment.Setting) (sims.Model, error) {
		at := simtest.G{A: g.A, X: make([]float64, len(g.A))}
		for _, s := range settings {
			at.X[s.Path[1]-'1'] = s.Value.(float64)
		}
		return at, nil
	}
	spec := experiment.Sensitivity{Method: experiment.Sobol, Samples: 8192, Bootstrap: 20, Parameters: cube(names, 0, 1)}
	result, err := spec.Run(t.Context(), build, experiment.Options{Seed: 1})
	require.NoError(t, err)
	first, total := g.Indices()
	s1, st := indices(result, experiment.First), indices(result, experiment.Total)
	for i, name := range names {
		require.InDelta(t, first[i], s1[name].Value, 0.03, "first order of %s", name)
		require.InDelta(t, total[i], st[name].Value, 0.03, "total order of %s", name)
	}
}

// TestMorrisOfALinearModel: the elementary effects of a plane are its slopes, whatever the trajectory.
func TestMorrisOfALinearModel(t *testing.T) {
	build := func(settings []experiment.Setting) (sims.Model, error) {
		y := 0.0
		for i, s := range settings {
			y += float64(i-1) * 3 * s.Value.(float64)
		}
		return fixed{columns: []sims.Column{{Name: "y"}}, run: func(_ context.Context, rec sims.Recorder) error {
			return rec.Record(0, 0, []float64{y})
		}}, nil
	}
	spec := experiment.Sensitivity{Method: experiment.Morris, Samples: 7, Parameters: cube([]string{"a", "b", "c"}, 0, 2)}
	result, err := spec.Run(t.Context(), build, experiment.Options{Seed: 4})
	require.NoError(t, err)
	for name, slope := range map[string]float64{"a": -6, "b": 0, "c": 6} {
		require.InDelta(t, slope, indices(result, experiment.Mu)[name].Value, 1e-12)
		require.InDelta(t, math.Abs(slope), indices(result, experiment.MuStar)[name].Value, 1e-12)
		require.InDelta(t, 0, indices(result, experiment.Sigma)[name].Value, 1e-12)
	}
}

// TestMorrisOfIshigami: all three matter, and x1 and x3 act together and bent.
func TestMorrisOfIshigami(t *testing.T) {
	spec := experiment.Sensitivity{Method: experiment.Morris, Samples: 200, Levels: 8, Parameters: cube([]string{"x1", "x2", "x3"}, -math.Pi, math.Pi)}
	result, err := spec.Run(t.Context(), ishigami, experiment.Options{Seed: 1})
	require.NoError(t, err)
	require.Equal(t, 200*4, result.Points)
	star, sigma := indices(result, experiment.MuStar), indices(result, experiment.Sigma)
	for _, name := range []string{"x1", "x2", "x3"} {
		require.Greater(t, star[name].Low, 1.0)
		require.Greater(t, sigma[name].Low, 1.0)
		require.LessOrEqual(t, star[name].Low, star[name].Value)
		require.GreaterOrEqual(t, star[name].High, star[name].Value)
	}
}

func TestOneAtATime(t *testing.T) {
	// Without noise the walk goes to drift / (1 - phi).
	spec := experiment.Sensitivity{Parameters: []experiment.Parameter{
		{Path: "drift", From: ptr(1.0), To: ptr(3.0)},
		{Path: "phi", Name: "memory", Values: []any{0.0, 0.5, 0.75}},
	}}
	result, err := spec.Run(t.Context(), walks(simtest.Walk{Phi: 0.5, Drift: 2, Sigma: 0, Steps: 400, Width: 1}), experiment.Options{Seed: 1, Runs: 3})
	require.NoError(t, err)
	got := map[string]float64{}
	for _, x := range result.Indices {
		if x.Statistic == experiment.End {
			got[strings.TrimSpace(fmt.Sprintf("%s %s %s", x.Parameter, x.Name, x.At))] = x.Value
			require.Equal(t, experiment.Interval{Low: x.Value, High: x.Value}, x.Interval, "nothing varies")
		}
	}
	require.InDeltaMapValues(t, map[string]float64{"drift change 1": -2, "drift change 3": 2, "drift swing": 4,
		"memory change 0": -2, "memory change 0.5": 0, "memory change 0.75": 4, "memory swing": 6}, got, 1e-9)
}

// TestComparePairsLuck: shifting the drift shifts every run by the same, so that pairs see exactly what unpaired runs
// would see through their noise.
func TestComparePairsLuck(t *testing.T) {
	c := experiment.Comparison{Variants: []experiment.Variant{{Name: "drift", Set: map[string]any{"drift": 2.0}}, {Name: "noise", Set: map[string]any{"sigma": 2.0}}}}
	result, err := c.Run(t.Context(), walks(simtest.Walk{Phi: 0.5, Drift: 1, Sigma: 1, Steps: 400, Width: 2}), experiment.Options{Seed: 1, Runs: 100})
	require.NoError(t, err)
	require.Len(t, result.Effects, 2*2*2)
	for _, e := range result.Effects {
		require.Equal(t, 100, e.Pairs)
		if e.Variant == "drift" {
			want := 2.0
			if e.Statistic == experiment.Mean {
				want = 2 - 1.5/399 // it gets there by halves
			}
			require.InDelta(t, want, e.Effect, 1e-9)
			require.Less(t, e.SD, 1e-12)
			require.Greater(t, *e.VarianceReduction, 1e20)
			continue
		}
		// Twice the noise around the same mean: the difference is the noise itself, var + 4 var against var.
		require.InDelta(t, 5, *e.VarianceReduction, 1e-6)
		require.Less(t, e.Student.Low, 0.0)
		require.Greater(t, e.Student.High, 0.0)
		require.InDelta(t, e.Student.Low, e.Bootstrap.Low, 0.1*e.SD)
		require.InDelta(t, e.Student.High, e.Bootstrap.High, 0.1*e.SD)
	}
}

// TestIntervalsCover: of 300 intervals of 90 % for an effect that is 0, about 270 have it. The seeds are fixed.
func TestIntervalsCover(t *testing.T) {
	student, bootstrap := 0, 0
	const times = 300
	for seed := range uint64(times) {
		c := experiment.Comparison{Confidence: 0.9, Bootstrap: 200, Variants: []experiment.Variant{{Name: "noise", Set: map[string]any{"sigma": 3.0}}}}
		result, err := c.Run(t.Context(), walks(simtest.Walk{Sigma: 1, Steps: 1, Width: 1}), experiment.Options{Seed: seed, Runs: 20, Workers: 1})
		require.NoError(t, err)
		e := result.Effects[0]
		if e.Student.Low <= 0 && e.Student.High >= 0 {
			student++
		}
		if e.Bootstrap.Low <= 0 && e.Bootstrap.High >= 0 {
			bootstrap++
		}
	}
	require.InDelta(t, 0.9, float64(student)/times, 0.05)
	require.InDelta(t, 0.9, float64(bootstrap)/times, 0.07, "the percentile bootstrap of 20 pairs is a little too sure")
}

func TestSweepByEachMethod(t *testing.T) {
	walk := walks(simtest.Walk{Phi: 0.5, Drift: 1, Steps: 400, Width: 1})
	parameters := []experiment.Parameter{{Path: "drift", From: ptr(1.0), To: ptr(100.0), Scale: experiment.Log, Steps: 3}, {Path: "phi", Values: []any{0.0, 0.5}}}
	grid, err := experiment.Sweep{Parameters: parameters}.Run(t.Context(), walk, experiment.Options{Seed: 1})
	require.NoError(t, err)
	var got [][]any
	for _, p := range grid.Points {
		got = append(got, append(p.Values, math.Round(p.Outputs[0].Mean*1e6)/1e6))
	}
	require.Equal(t, [][]any{{1.0, 0.0, 1.0}, {1.0, 0.5, 2.0}, {10.0, 0.0, 10.0}, {10.0, 0.5, 20.0}, {100.0, 0.0, 100.0}, {100.0, 0.5, 200.0}}, got)

	for _, method := range []experiment.Method{experiment.LatinHypercube, experiment.Halton} {
		sample, err := experiment.Sweep{Method: method, Samples: 64, Parameters: parameters}.Run(t.Context(), walk, experiment.Options{Seed: 1})
		require.NoError(t, err)
		require.Len(t, sample.Points, 64)
		var decades [2]int
		halves := 0
		for _, p := range sample.Points {
			drift, phi := p.Values[0].(float64), p.Values[1].(float64)
			require.InDelta(t, drift/(1-phi), p.Outputs[0].Mean, 1e-9)
			decades[int(math.Log10(drift))]++
			if phi == 0.5 {
				halves++
			}
		}
		require.InDelta(t, 32, decades[0], 1, "half of a log range's points are in each decade")
		require.InDelta(t, 32, halves, 1)
	}
}

func TestSamplesStayInTheirRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Float64Range(-100, 100).Draw(t, "from")
		to := from + rapid.Float64Range(0.001, 100).Draw(t, "width")
		integer := rapid.Bool().Draw(t, "integer")
		if integer {
			from, to = math.Floor(from), math.Floor(from)+1+math.Floor(to-from)
		}
		sweep := experiment.Sweep{
			Method:     rapid.SampledFrom([]experiment.Method{experiment.Grid, experiment.LatinHypercube, experiment.Halton}).Draw(t, "method"),
			Samples:    20,
			Parameters: []experiment.Parameter{{Path: "a", From: &from, To: &to, Integer: integer}},
		}
		result, err := sweep.Run(context.Background(), func(settings []experiment.Setting) (sims.Model, error) {
			for _, s := range settings {
				var v float64
				switch x := s.Value.(type) {
				case float64:
					v = x
				case int64:
					v = float64(x)
				}
				require.GreaterOrEqual(t, v, from)
				require.LessOrEqual(t, v, to)
				_, whole := s.Value.(int64)
				require.Equal(t, integer, whole)
			}
			return simtest.Logistic{R: 2, Steps: 1}, nil
		}, experiment.Options{Seed: rapid.Uint64().Draw(t, "seed")})
		require.NoError(t, err)
		require.NotEmpty(t, result.Points)
	})
}

// TestAllExperimentsAreReproducible: files of sweeps, comparisons and analyses are the same with 1, 2 and 7 workers and
// after interruptions.
func TestAllExperimentsAreReproducible(t *testing.T) {
	base := simtest.Walk{Phi: 0.5, Drift: 1, Sigma: 1, Steps: 30, Width: 2}
	parameters := []experiment.Parameter{{Path: "drift", From: ptr(1.0), To: ptr(3.0)}, {Path: "phi", From: ptr(0.1), To: ptr(0.9)}}
	for name, experimentOf := range map[string]func(ctx context.Context, build experiment.Builder, o experiment.Options) error{
		"sweep": func(ctx context.Context, build experiment.Builder, o experiment.Options) error {
			_, err := experiment.Sweep{Parameters: parameters}.Run(ctx, build, o)
			return err
		},
		"compare": func(ctx context.Context, build experiment.Builder, o experiment.Options) error {
			_, err := experiment.Comparison{Variants: []experiment.Variant{{Name: "a", Set: map[string]any{"drift": 2.0}}, {Name: "b", Set: map[string]any{"phi": 0.1}}}}.Run(ctx, build, o)
			return err
		},
		"oat": func(ctx context.Context, build experiment.Builder, o experiment.Options) error {
			_, err := experiment.Sensitivity{Parameters: parameters}.Run(ctx, build, o)
			return err
		},
		"morris": func(ctx context.Context, build experiment.Builder, o experiment.Options) error {
			_, err := experiment.Sensitivity{Method: experiment.Morris, Samples: 8, Parameters: parameters}.Run(ctx, build, o)
			return err
		},
		"sobol": func(ctx context.Context, build experiment.Builder, o experiment.Options) error {
			_, err := experiment.Sensitivity{Method: experiment.Sobol, Samples: 8, Parameters: parameters}.Run(ctx, build, o)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first map[string]string
			for _, workers := range []int{1, 2, 7} {
				o := experiment.Options{Seed: 9, Runs: 20, Workers: workers, Dir: filepath.Join(t.TempDir(), "out"), Scenario: []byte("name: x\n")}
				require.NoError(t, experimentOf(t.Context(), walks(base), o))
				files := readAll(t, o.Dir)
				if first == nil {
					first = files
				}
				requireSameFiles(t, first, files)
				_, err := experiment.Load(o.Dir)
				require.NoError(t, err)
			}
			o := experiment.Options{Seed: 9, Runs: 20, Dir: filepath.Join(t.TempDir(), "out"), Scenario: []byte("name: x\n"), Resume: true}
			for interrupted := 0; ; interrupted++ {
				ctx, cancel := context.WithCancel(t.Context())
				// One model for all, so that it counts the runs of all points.
				stop := &stopping{after: 25, cancel: cancel}
				err := experimentOf(ctx, func(settings []experiment.Setting) (sims.Model, error) {
					model, err := walks(base)(settings)
					return &stoppingPart{Model: model, stopping: stop}, err
				}, o)
				cancel()
				if err == nil {
					require.Positive(t, interrupted)
					break
				}
				require.ErrorIs(t, err, experiment.ErrInterrupted)
			}
			requireSameFiles(t, first, readAll(t, o.Dir))
			require.NoError(t, experimentOf(t.Context(), walks(base), o), "finished already")
			requireSameFiles(t, first, readAll(t, o.Dir))
		})
	}
}

// stoppingPart is one of several models that count their runs together.
type stoppingPart struct {
	sims.Model
	*stopping
}

func (s *stoppingPart) Columns() []sims.Column { return s.Model.Columns() }
func (s *stoppingPart) Run(ctx context.Context, seed uint64, rec sims.Recorder) error {
	if s.runs.Add(1) == s.after {
		s.cancel()
	}
	return s.Model.Run(ctx, seed, rec)
}

func TestDesignsRefuseWhatMakesNoSense(t *testing.T) {
	good := cube([]string{"drift"}, 0, 1)
	walk := walks(simtest.Walk{Phi: 0.5, Sigma: 1, Steps: 3, Width: 1})
	sweep := func(s experiment.Sweep) func(experiment.Options) error {
		return func(o experiment.Options) error { _, err := s.Run(t.Context(), walk, o); return err }
	}
	sensitivity := func(s experiment.Sensitivity) func(experiment.Options) error {
		return func(o experiment.Options) error { _, err := s.Run(t.Context(), walk, o); return err }
	}
	compare := func(c experiment.Comparison) func(experiment.Options) error {
		return func(o experiment.Options) error { _, err := c.Run(t.Context(), walk, o); return err }
	}
	vary := func(p experiment.Parameter) func(experiment.Options) error {
		return sweep(experiment.Sweep{Parameters: []experiment.Parameter{p}})
	}
	two := experiment.Options{Runs: 2}
	for name, test := range map[string]struct {
		run     func(experiment.Options) error
		options experiment.Options
		says    string
	}{
		"nothing to vary":        {sweep(experiment.Sweep{}), two, "no parameters"},
		"no path":                {vary(experiment.Parameter{}), two, "without a path"},
		"neither":                {vary(experiment.Parameter{Path: "drift"}), two, "drift: want either values, or from and to"},
		"both":                   {vary(experiment.Parameter{Path: "drift", Values: []any{1.0}, From: ptr(1.0)}), two, "either"},
		"falling":                {vary(experiment.Parameter{Path: "drift", From: ptr(1.0), To: ptr(1.0)}), two, "from below to"},
		"log of zero":            {vary(experiment.Parameter{Path: "drift", From: ptr(0.0), To: ptr(1.0), Scale: "log"}), two, "above 0"},
		"an unknown scale":       {vary(experiment.Parameter{Path: "drift", From: ptr(0.0), To: ptr(1.0), Scale: "sqrt"}), two, "sqrt"},
		"one step":               {vary(experiment.Parameter{Path: "drift", From: ptr(0.0), To: ptr(1.0), Steps: 1}), two, "1 steps"},
		"no whole number":        {vary(experiment.Parameter{Path: "drift", From: ptr(0.5), To: ptr(1.0), Integer: true}), two, "whole"},
		"twice":                  {sweep(experiment.Sweep{Parameters: append(good, good...)}), two, "twice"},
		"an unknown method":      {sweep(experiment.Sweep{Method: "guess", Parameters: good}), two, "grid, latin-hypercube or halton"},
		"a value not allowed":    {vary(experiment.Parameter{Path: "drift", Values: []any{1.0, "much"}}), two, "point 1: drift is much"},
		"a large grid":           {sweep(experiment.Sweep{Parameters: []experiment.Parameter{{Path: "drift", From: ptr(0.0), To: ptr(1.0), Steps: 900}}}), experiment.Options{Limits: experiment.Limits{Evaluations: 800}}, "more than 800 points"},
		"many samples":           {sensitivity(experiment.Sensitivity{Method: "sobol", Samples: 500, Parameters: good}), experiment.Options{Limits: experiment.Limits{Evaluations: 800}}, "at most 800"},
		"much memory":            {sweep(experiment.Sweep{Method: "halton", Samples: 500, Parameters: good}), experiment.Options{Limits: experiment.Limits{Memory: 1000}}, "of memory"},
		"an unknown analysis":    {sensitivity(experiment.Sensitivity{Method: "guess", Parameters: good}), two, "oat, morris or sobol"},
		"odd levels":             {sensitivity(experiment.Sensitivity{Method: "morris", Levels: 3, Parameters: good}), two, "even"},
		"no confidence":          {sensitivity(experiment.Sensitivity{Confidence: 1, Parameters: good}), two, "confidence 1"},
		"one sample":             {sensitivity(experiment.Sensitivity{Method: "sobol", Samples: 1, Parameters: good}), two, "at least 2"},
		"no variants":            {compare(experiment.Comparison{}), two, "no variants"},
		"one pair":               {compare(experiment.Comparison{Variants: []experiment.Variant{{Name: "a"}}}), experiment.Options{}, "at least 2"},
		"equal names":            {compare(experiment.Comparison{Variants: []experiment.Variant{{Name: "a"}, {Name: "a"}}}), two, `"a"`},
		"a name with a path":     {compare(experiment.Comparison{Variants: []experiment.Variant{{Name: "../a"}}}), two, "../a"},
		"an unknown path in one": {compare(experiment.Comparison{Variants: []experiment.Variant{{Name: "a", Set: map[string]any{"x": 1.0}}}}), two, "a: no parameter x"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, test.run(test.options), test.says)
		})
	}
}
