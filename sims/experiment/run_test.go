package experiment_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/simtest"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"
)

// recordsOf runs a model as an experiment does and returns, per run, its records.
func recordsOf(t require.TestingT, model sims.Model, seed uint64, runs int) []map[uint64][]float64 {
	all := make([]map[uint64][]float64, runs)
	for i := range all {
		all[i] = map[uint64][]float64{}
		require.NoError(t, model.Run(context.Background(), experiment.RunSeed(seed, i),
			sims.RecorderFunc(func(step uint64, _ float64, values []float64) error {
				all[i][step] = slices.Clone(values)
				return nil
			})))
	}
	return all
}

// TestRunEqualsTheTextbook compares every number with one computed from all values at once.
func TestRunEqualsTheTextbook(t *testing.T) {
	for name, model := range map[string]simtest.Walk{
		"at equal steps": {Phi: 0.9, Drift: 0.1, Sigma: 1, Steps: 40, Width: 3},
		"ragged":         {Phi: 0.9, Drift: 0.1, Sigma: 1, Steps: 40, Width: 2, Ragged: true},
	} {
		t.Run(name, func(t *testing.T) {
			const runs = 150
			result, err := experiment.Run(t.Context(), model, experiment.Options{Seed: 3, Runs: runs})
			require.NoError(t, err)
			require.Equal(t, experiment.SketchExact, result.Summary.Sketch.Method)
			require.Len(t, result.Steps, 40)
			records := recordsOf(t, model, 3, runs)
			for c, column := range model.Columns() {
				fan, err := result.Fan(column.Name)
				require.NoError(t, err)
				for k, step := range result.Steps {
					var values []float64
					for _, r := range records {
						if r[step] != nil {
							values = append(values, r[step][c])
						}
					}
					require.Equal(t, len(values), fan.Runs[k])
					require.InDelta(t, stat.Mean(values, nil), fan.Mean[k], 1e-12)
					require.InDelta(t, stat.StdDev(values, nil), fan.SD[k], 1e-12)
					slices.Sort(values)
					require.Equal(t, values[0], fan.Min[k])
					require.Equal(t, values[len(values)-1], fan.Max[k])
					for q, p := range result.Manifest.Quantiles {
						require.InDelta(t, type7(values, p), fan.Quantiles[q][k], 1e-12)
					}
				}
			}
		})
	}
}

// type7 is the quantile as numpy and R define it by default.
func type7(sorted []float64, p float64) float64 {
	h := p * float64(len(sorted)-1)
	i := int(math.Floor(h))
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (h-float64(i))*(sorted[i+1]-sorted[i])
}

// TestWorkersChangeNothing compares all files, byte for byte.
func TestWorkersChangeNothing(t *testing.T) {
	for name, test := range map[string]struct {
		model   sims.Model
		options experiment.Options
	}{
		"exact":          {simtest.Walk{Phi: 1, Sigma: 1, Steps: 50, Width: 3}, experiment.Options{Runs: 99, Records: experiment.RecordsCSV}},
		"sketched":       {simtest.Walk{Phi: 1, Sigma: 1, Steps: 50, Width: 3}, experiment.Options{Runs: 300, Limits: experiment.Limits{Memory: 160 << 10}}},
		"ragged":         {simtest.Walk{Phi: 1, Sigma: 1, Steps: 50, Width: 2, Ragged: true}, experiment.Options{Runs: 100, Records: experiment.RecordsLines}},
		"thinned":        {simtest.Walk{Phi: 1, Sigma: 1, Steps: 50, Width: 2}, experiment.Options{Runs: 30, Every: experiment.Every{Seconds: 100}}},
		"of one column":  {simtest.Walk{Phi: 1, Sigma: 1, Steps: 50, Width: 9}, experiment.Options{Runs: 30, Columns: []string{"x4"}}},
		"of two columns": {simtest.Walk{Phi: 1, Sigma: 1, Steps: 50, Width: 12}, experiment.Options{Runs: 30, Columns: []string{"x1?"}}},
		"with quantiles": {simtest.Logistic{R: 3.9, Steps: 60}, experiment.Options{Runs: 70, Quantiles: []float64{0.01, 0.99}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first map[string]string
			for _, workers := range []int{1, 2, 7} {
				o := test.options
				o.Seed, o.Workers, o.Dir, o.Scenario = 7, workers, filepath.Join(t.TempDir(), "out"), []byte("name: x\n")
				_, err := experiment.Run(t.Context(), test.model, o)
				require.NoError(t, err)
				files := readAll(t, o.Dir)
				require.NotContains(t, files, experiment.UnfinishedFile)
				if first == nil {
					first = files
				}
				requireSameFiles(t, first, files)
			}
		})
	}
}

func readAll(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(content)
		return err
	}))
	return files
}

func requireSameFiles(t *testing.T, want, have map[string]string) {
	t.Helper()
	require.Len(t, have, len(want))
	for name, content := range want {
		require.True(t, content == have[name], "%s differs", name)
	}
}

// stopping ends its context in the middle of a run.
type stopping struct {
	sims.Model
	after  int64
	runs   atomic.Int64
	cancel context.CancelFunc
}

func (s *stopping) Run(ctx context.Context, seed uint64, rec sims.Recorder) error {
	if s.runs.Add(1) == s.after {
		s.cancel()
	}
	return s.Model.Run(ctx, seed, rec)
}

func TestResumeGivesTheSameBytes(t *testing.T) {
	model := simtest.Walk{Phi: 1, Sigma: 1, Steps: 30, Width: 2}
	for name, options := range map[string]experiment.Options{
		"exact":    {Runs: 200, Records: experiment.RecordsCSV},
		"sketched": {Runs: 400, Limits: experiment.Limits{Memory: 70 << 10}},
	} {
		t.Run(name, func(t *testing.T) {
			options.Seed, options.Dir = 5, filepath.Join(t.TempDir(), "whole")
			_, err := experiment.Run(t.Context(), model, options)
			require.NoError(t, err)
			want := readAll(t, options.Dir)
			options.Dir, options.Resume = filepath.Join(t.TempDir(), "parts"), true
			interrupted := 0
			for after := int64(1); ; after = 90 {
				ctx, cancel := context.WithCancel(t.Context())
				_, err := experiment.Run(ctx, &stopping{Model: model, after: after, cancel: cancel}, options)
				cancel()
				if err == nil {
					break
				}
				interrupted++
				require.ErrorIs(t, err, experiment.ErrInterrupted)
				require.ErrorIs(t, err, context.Canceled)
				require.FileExists(t, filepath.Join(options.Dir, experiment.UnfinishedFile))
				_, err = experiment.Load(options.Dir)
				require.ErrorContains(t, err, "not finished")
			}
			require.Greater(t, interrupted, 2)
			requireSameFiles(t, want, readAll(t, options.Dir))

			again, err := experiment.Run(t.Context(), model, options)
			require.NoError(t, err, "a finished experiment is not made again")
			require.Equal(t, options.Runs, again.Summary.Runs)
			requireSameFiles(t, want, readAll(t, options.Dir))
		})
	}
}

func TestResumeRefusesAnotherExperiment(t *testing.T) {
	model := simtest.Walk{Phi: 1, Sigma: 1, Steps: 30, Width: 2}
	o := experiment.Options{Seed: 5, Runs: 4, Dir: filepath.Join(t.TempDir(), "out")}
	_, err := experiment.Run(t.Context(), model, o)
	require.NoError(t, err)
	_, err = experiment.Run(t.Context(), model, o)
	require.ErrorContains(t, err, "holds an experiment already")
	o.Resume, o.Seed = true, 6
	_, err = experiment.Run(t.Context(), model, o)
	require.ErrorIs(t, err, experiment.ErrFolder)
	require.ErrorContains(t, err, "seed 5 there, 6 now")
	other := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "letter.txt"), nil, 0o600))
	o.Dir = other
	_, err = experiment.Run(t.Context(), model, o)
	require.ErrorContains(t, err, "letter.txt")
}

func TestResumeRefusesADamagedCheckpoint(t *testing.T) {
	o := experiment.Options{Seed: 5, Runs: 100, Dir: filepath.Join(t.TempDir(), "out"), Resume: true}
	model := simtest.Walk{Phi: 1, Sigma: 1, Steps: 30, Width: 2}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := experiment.Run(ctx, &stopping{Model: model, after: 50, cancel: cancel}, o)
	require.ErrorIs(t, err, experiment.ErrInterrupted)
	path := filepath.Join(o.Dir, experiment.UnfinishedFile)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(path, content, 0o600))
	_, err = experiment.Run(t.Context(), model, o)
	require.ErrorIs(t, err, experiment.ErrFolder)
	require.ErrorContains(t, err, "damaged")
}

func TestLoadEqualsWhatWasRun(t *testing.T) {
	o := experiment.Options{Seed: 5, Runs: 60, Dir: filepath.Join(t.TempDir(), "out"), Name: "walk"}
	result, err := experiment.Run(t.Context(), simtest.Walk{Phi: 1, Sigma: 1, Steps: 30, Width: 2}, o)
	require.NoError(t, err)
	loaded, err := experiment.Load(o.Dir)
	require.NoError(t, err)
	require.Equal(t, result.Manifest, loaded.Manifest)
	require.Equal(t, result.Summary, loaded.Run.Summary)
	require.Equal(t, result.Steps, loaded.Run.Steps)
	require.Equal(t, result.Seconds, loaded.Run.Seconds)
	for _, c := range result.Manifest.Columns {
		want, err := result.Fan(c.Name)
		require.NoError(t, err)
		have, err := loaded.Run.Fan(c.Name)
		require.NoError(t, err)
		require.Equal(t, want, have)
	}
}

// fixed records what it is told.
type fixed struct {
	columns []sims.Column
	run     func(ctx context.Context, rec sims.Recorder) error
	records uint64
}

func (f fixed) Columns() []sims.Column { return f.columns }
func (f fixed) Records() uint64        { return f.records }
func (f fixed) Run(ctx context.Context, _ uint64, rec sims.Recorder) error {
	return f.run(ctx, rec)
}

func TestRefusals(t *testing.T) {
	one := []sims.Column{{Name: "a"}}
	rows := func(n int) func(context.Context, sims.Recorder) error {
		return func(_ context.Context, rec sims.Recorder) error {
			for i := range uint64(n) {
				if err := rec.Record(i, float64(i), []float64{1}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for name, test := range map[string]struct {
		model   fixed
		options experiment.Options
		is      error
		says    string
	}{
		"no columns":        {fixed{nil, rows(1), 0}, experiment.Options{}, experiment.ErrModel, "no columns"},
		"equal columns":     {fixed{[]sims.Column{{Name: "a"}, {Name: "a"}}, rows(1), 0}, experiment.Options{}, experiment.ErrModel, `"a"`},
		"no such column":    {fixed{one, rows(1), 0}, experiment.Options{Columns: []string{"b"}}, experiment.ErrOptions, "there are a"},
		"a comma in a name": {fixed{[]sims.Column{{Name: "a,b"}}, rows(1), 0}, experiment.Options{}, experiment.ErrModel, "a,b"},
		"no records":        {fixed{one, rows(0), 0}, experiment.Options{}, experiment.ErrModel, "recorded nothing"},
		"not a number": {fixed{one, func(_ context.Context, rec sims.Recorder) error { return rec.Record(4, 0, []float64{math.NaN()}) }, 0},
			experiment.Options{}, experiment.ErrModel, "run 0: experiment: bad model: column a is NaN at step 4"},
		"steps that fall": {fixed{one, func(_ context.Context, rec sims.Recorder) error {
			return errors.Join(rec.Record(4, 0, []float64{1}), rec.Record(4, 0, []float64{1}))
		}, 0}, experiment.Options{}, experiment.ErrModel, "step 4"},
		"too few values": {fixed{one, func(_ context.Context, rec sims.Recorder) error { return rec.Record(4, 0, nil) }, 0},
			experiment.Options{}, experiment.ErrModel, "0 values at step 4"},
		"a panic":           {fixed{one, func(context.Context, sims.Recorder) error { panic("oh") }, 0}, experiment.Options{}, experiment.ErrModel, "oh"},
		"too many runs":     {fixed{one, rows(1), 0}, experiment.Options{Runs: 9, Limits: experiment.Limits{Runs: 8}}, experiment.ErrLimit, "9 runs"},
		"too many steps":    {fixed{one, rows(9), 0}, experiment.Options{Limits: experiment.Limits{Steps: 8}}, experiment.ErrLimit, "more than 8"},
		"foreseen steps":    {fixed{one, nil, 9}, experiment.Options{Limits: experiment.Limits{Steps: 8}}, experiment.ErrLimit, "9 steps"},
		"too much memory":   {fixed{one, rows(900), 0}, experiment.Options{Runs: 50, Limits: experiment.Limits{Memory: 300 << 10}}, experiment.ErrLimit, "KiB of memory"},
		"foreseen memory":   {fixed{one, nil, 1e6}, experiment.Options{Runs: 50, Limits: experiment.Limits{Memory: 1 << 20}}, experiment.ErrLimit, "of memory"},
		"too much disk":     {fixed{one, rows(900), 0}, experiment.Options{Dir: "out", Limits: experiment.Limits{Disk: 9000}}, experiment.ErrLimit, "of disk"},
		"records to where?": {fixed{one, rows(1), 0}, experiment.Options{Records: "csv"}, experiment.ErrOptions, "folder"},
		"records as what?":  {fixed{one, rows(1), 0}, experiment.Options{Records: "xml"}, experiment.ErrOptions, "xml"},
		"falling quantiles": {fixed{one, rows(1), 0}, experiment.Options{Quantiles: []float64{0.5, 0.4}}, experiment.ErrOptions, "rising"},
		"two intervals":     {fixed{one, rows(1), 0}, experiment.Options{Every: experiment.Every{Steps: 1, Seconds: 1}}, experiment.ErrOptions, "one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.options.Dir != "" {
				test.options.Dir = filepath.Join(t.TempDir(), test.options.Dir)
			}
			_, err := experiment.Run(t.Context(), test.model, test.options)
			require.ErrorIs(t, err, test.is)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestThinningKeepsFirstLastAndEachInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gaps := rapid.SliceOfN(rapid.Uint64Range(1, 20), 1, 60).Draw(t, "gaps")
		every := experiment.Every{Steps: rapid.Uint64Range(1, 30).Draw(t, "every")}
		if rapid.Bool().Draw(t, "by time") {
			every = experiment.Every{Seconds: 12 * float64(every.Steps)}
		}
		var steps, want []uint64
		at := rapid.Uint64Range(0, 50).Draw(t, "start")
		interval := every.Steps
		if interval == 0 {
			interval = uint64(every.Seconds) / 12
		}
		for i, gap := range gaps {
			if i == 0 || i == len(gaps)-1 || at/interval > steps[len(steps)-1]/interval {
				want = append(want, at)
			}
			steps = append(steps, at)
			at += gap
		}
		model := fixed{columns: []sims.Column{{Name: "a"}}, run: func(_ context.Context, rec sims.Recorder) error {
			for _, s := range steps {
				if err := rec.Record(s, 12*float64(s), []float64{float64(s)}); err != nil {
					return err
				}
			}
			return nil
		}}
		result, err := experiment.Run(t.Context(), model, experiment.Options{Every: every})
		require.NoError(t, err)
		require.Equal(t, want, result.Steps)
		require.Equal(t, float64(want[len(want)-1]), result.Summary.Column[0].End.Mean)
		require.InDelta(t, float64(want[0]+want[len(want)-1])/2, result.Summary.Column[0].Mean.Mean, 1e-9, "a straight line has its middle for a mean")
	})
}

func TestProgressRises(t *testing.T) {
	var seen []experiment.Progress
	model := simtest.Walk{Phi: 1, Sigma: 1, Steps: 20, Width: 1, Pause: time.Millisecond}
	_, err := experiment.Run(t.Context(), model, experiment.Options{Runs: 40, Workers: 2, Horizon: 240,
		Progress: func(p experiment.Progress) { seen = append(seen, p) }})
	require.NoError(t, err)
	require.NotEmpty(t, seen)
	for i, p := range seen[1:] {
		require.GreaterOrEqual(t, p.Done, seen[i].Done)
	}
	last := seen[len(seen)-1]
	require.Equal(t, 40, last.Done)
	require.Equal(t, 1.0, last.Fraction)
}

func TestSeedsDependOnTheirNumberAlone(t *testing.T) {
	seen := map[uint64]bool{}
	for i := range 1000 {
		seen[experiment.RunSeed(1, i)] = true
	}
	require.Len(t, seen, 1000)
	require.False(t, seen[experiment.RunSeed(2, 0)])
}

func ExampleRun() {
	model := simtest.Walk{Phi: 0.5, Drift: 1, Steps: 200, Width: 1} // without noise it goes to drift / (1 - phi)
	result, err := experiment.Run(context.Background(), model, experiment.Options{Seed: 1, Runs: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Summary.Column[0].End.Mean)
	// Output: 2
}
