package scenario_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/economy"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/scenario"
	"github.com/plexusnet/plexus/sims/simtest"
)

func kinds() []scenario.Kind {
	return append(scenario.Kinds(),
		scenario.Simple("walk", "a walk", simtest.Walk{Phi: 0.9, Sigma: 1, Steps: 10, Width: 1}),
		scenario.Simple("g", "the g-function", simtest.G{A: []float64{0, 1}, X: []float64{0.5, 0.5}}))
}

func parse(t require.TestingT, text string) *scenario.Scenario {
	s, err := scenario.Parse("test.yaml", []byte(text), kinds()...)
	require.NoError(t, err)
	return s
}

func TestSpans(t *testing.T) {
	for text, want := range map[string]scenario.Span{
		"10y":          {Seconds: 10 * scenario.SecondsPerYear},
		"30 d":         {Seconds: 30 * 86400},
		"1.5h":         {Seconds: 5400},
		"2 weeks":      {Seconds: 14 * 86400},
		"90min":        {Seconds: 5400},
		"12s":          {Seconds: 12},
		"1_000 blocks": {Steps: 1000},
		"7 steps":      {Steps: 7},
	} {
		got, err := scenario.ParseSpan(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := scenario.ParseSpan(got.String())
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	for _, text := range []string{"", "10", "y", "10 parsecs", "-3d", "1.5 blocks", "1e400y", "1..2d"} {
		_, err := scenario.ParseSpan(text)
		require.Error(t, err, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := scenario.Span{Seconds: rapid.Float64Range(0.001, 1e12).Draw(t, "seconds")}
		again, err := scenario.ParseSpan(s.String())
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		says []string
	}{
		"no YAML":               {"name: [", []string{"test.yaml:", "line 1"}},
		"no fields":             {"- 1", []string{"test.yaml:1:", "want fields"}},
		"a misspelt field":      {"name: x\nrun: 3\nwalk: {}", []string{"test.yaml:2: run: no such field; did you mean runs?", "duration, record"}},
		"far from any":          {"colour: red\nwalk: {}", []string{"test.yaml:1: colour: no such field; There are name"}},
		"a field of the model":  {"walk:\n  stepz: 3", []string{"test.yaml:2: walk.stepz: no such field; did you mean steps?"}},
		"two of them":           {"walk:\n  stepz: 3\n  fi: 1", []string{"test.yaml:2: walk.stepz", "test.yaml:3: walk.fi"}},
		"given twice":           {"runs: 1\nruns: 2\nwalk: {}", []string{"test.yaml:2: runs: given twice"}},
		"no number":             {"runs: many\nwalk: {}", []string{`test.yaml:1: runs: "many": want whole number`}},
		"no runs":               {"runs: 0\nwalk: {}", []string{"test.yaml:1: runs: 0, want 1 or more"}},
		"no list":               {"record: {columns: x0}\nwalk: {}", []string{"test.yaml:1: record.columns: want a list"}},
		"no span":               {"duration: 10\nwalk: {}", []string{`test.yaml:1: duration: "10": want a number with a unit`}},
		"no model":              {"name: x", []string{"want one of the sections network, preset, walk"}},
		"two models":            {"walk: {}\ng: {}", []string{"test.yaml:2: g: there is a section walk already"}},
		"a model without time":  {"duration: 1d\nwalk: {}", []string{"duration: section walk takes none"}},
		"of the network":        {"network:\n  validators:\n    - {name: a, strategie: lazy}", []string{"test.yaml:3: network.validators.0.strategie: no such field; did you mean strategy?"}},
		"of a hyperparameter":   {"network:\n  hyperparams:\n    kapa: 3", []string{"test.yaml:3: network.hyperparams.kapa", "did you mean kappa?"}},
		"out of its range":      {"network:\n  blocks: 10\n  miners:\n    - count: 4\n      sell: 3", []string{"test.yaml:5: network.miners.0.sell: ", "0 to 1"}},
		"of the wrong type":     {"network:\n  blocks: ten", []string{"test.yaml:2: network.blocks: ", `"ten"`}},
		"time given twice":      {"duration: 30d\nnetwork:\n  blocks: 10", []string{"test.yaml:3: network.blocks: duration says this already"}},
		"of a sweep":            {"walk: {}\nsweep:\n  parameters:\n    - {path: walk.phi, form: 3}", []string{"test.yaml:4: sweep.parameters.0.form", "did you mean from?"}},
		"within itself":         {"walk: &a {phi: *a}", []string{"test.yaml:1:", "100 levels"}},
		"a bomb":                {bomb(), []string{"more than 200000 values"}},
		"a long file":           {"# " + strings.Repeat("x", 1<<20), []string{"at most 1048576"}},
		"no number in a sweep":  {"walk: {}\nsweep:\n  parameters:\n    - {path: walk.phi, from: low}", []string{`test.yaml:4: sweep.parameters.0.from: "low": want number`}},
		"an unknown kind of it": {"walk: {}\nsensitivity: 3", []string{"test.yaml:2: sensitivity: want fields: method"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := scenario.Parse("test.yaml", []byte(test.text), kinds()...)
			require.ErrorIs(t, err, scenario.ErrScenario)
			for _, word := range test.says {
				require.ErrorContains(t, err, word)
			}
		})
	}
}

// bomb is a small file of 4^12 values.
func bomb() string {
	text := "a0: &a0 1\n"
	for i := range 12 {
		text += fmt.Sprintf("a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i, i)
	}
	return text
}

func TestPathsReachEveryField(t *testing.T) {
	s := parse(t, `
name: x
network:
  blocks: 100
  validators:
    - {name: a, stake: 5}
    - {name: b, stake: {dist: uniform, min: 1, max: 2}}
  shocks:
    - {height: 3, set: {hyperparams.tempo: 50}}
`)
	for name, test := range map[string]struct {
		path  string
		value any
		says  string
		holds func(economy.Config) bool
	}{
		"there already":         {"network.blocks", 70.0, "", func(c economy.Config) bool { return c.Blocks == 70 }},
		"a large float":         {"network.blocks", 1e6, "", func(c economy.Config) bool { return c.Blocks == 1_000_000 }},
		"not there":             {"network.hyperparams.kappa", int64(5), "", func(c economy.Config) bool { return c.Hyperparams.Kappa == 5 && c.Subnets[0].Hyperparams.Kappa == 5 }},
		"in a list":             {"network.validators.1.commission", 9, "", func(c economy.Config) bool { return c.Validators[1].Commission == 9 }},
		"a distribution":        {"network.validators.1.stake.max", 9.5, "", func(c economy.Config) bool { return c.Validators[1].Stake.Max == 9.5 && c.Validators[1].Stake.Min == 1 }},
		"a whole distribution":  {"network.validators.1.stake", 7, "", func(c economy.Config) bool { return c.Validators[1].Stake == economy.Fixed(7) }},
		"a whole list":          {"network.miners", []any{}, "", func(c economy.Config) bool { return len(c.Miners) == 0 }},
		"a key with dots":       {"network.shocks.0.set.hyperparams.tempo", 60, "", func(c economy.Config) bool { return c.Shocks[0].Set["hyperparams.tempo"] == 60 }},
		"a misspelt field":      {"network.hyperparams.kapa", 5, "network.hyperparams.kapa: no such field; did you mean kappa?", nil},
		"a misspelt section":    {"netwrok.blocks", 5, "begins with network", nil},
		"past the end":          {"network.validators.2.stake", 5, "network.validators.2: want an index below 2", nil},
		"no index":              {"network.validators.a.stake", 5, "index below 2", nil},
		"a list that is absent": {"network.miners.0.count", 5, "network.miners: the scenario has no such list", nil},
		"within a value":        {"network.validators.0.stake.sd", 5, "network.validators.0.stake: a plain value in this scenario: set it as a whole", nil},
		"of a bad value":        {"network.blocks", "ten", "network.blocks", nil},
		"not of the model":      {"runs", 5, "begins with network", nil},
		"below a leaf":          {"network.blocks.x", 5, "a plain value", nil},
	} {
		t.Run(name, func(t *testing.T) {
			model, err := s.Build([]experiment.Setting{{Path: test.path, Value: test.value}})
			if test.says != "" {
				require.ErrorIs(t, err, scenario.ErrScenario)
				require.ErrorContains(t, err, test.says)
				require.ErrorContains(t, err, "test.yaml")
				return
			}
			require.NoError(t, err)
			require.True(t, test.holds(model.(*economy.Model).Config()))
			unchanged, err := s.Model()
			require.NoError(t, err)
			require.EqualValues(t, 100, unchanged.(*economy.Model).Config().Blocks)
		})
	}
}

func TestTimeOfTheNetwork(t *testing.T) {
	s := parse(t, "duration: 2d\nrecord: {every: 6h}\nnetwork: {block_seconds: 6}")
	model, err := s.Model()
	require.NoError(t, err)
	cfg := model.(*economy.Model).Config()
	require.EqualValues(t, 2*14400, cfg.Blocks)
	require.EqualValues(t, 3600, cfg.RecordEvery)
	o, err := s.Options()
	require.NoError(t, err)
	require.Equal(t, 2*86400.0, o.Horizon)
	changed, err := s.Build([]experiment.Setting{{Path: "duration", Value: "50 blocks"}})
	require.NoError(t, err)
	require.EqualValues(t, 50, changed.(*economy.Model).Config().Blocks)
}

func TestSetAndWriteBack(t *testing.T) {
	s := parse(t, "# a question\nname: x\nwalk: &w {phi: 0.5} # short memory\n")
	setting, err := scenario.ParseSetting("walk.phi=0.25")
	require.NoError(t, err)
	runs, err := scenario.ParseSetting("runs=7")
	require.NoError(t, err)
	changed, err := s.Set([]experiment.Setting{setting, runs})
	require.NoError(t, err)
	require.Equal(t, 7, changed.Runs)
	require.Equal(t, 1, s.Runs)
	text, err := changed.YAML()
	require.NoError(t, err)
	require.Equal(t, "# a question\nname: x\nseed: 1\nruns: 7\nwalk: {phi: 0.25} # short memory\n", string(text))
	again := parse(t, string(text))
	text2, err := again.YAML()
	require.NoError(t, err)
	require.Equal(t, string(text), string(text2))
	for _, text := range []string{"", "x", "=3", "a=[", "a=\x00"} {
		_, err := scenario.ParseSetting(text)
		require.ErrorIs(t, err, scenario.ErrScenario, text)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my question.yaml")
	require.NoError(t, os.WriteFile(path, []byte("walk: {}"), 0o600))
	s, err := scenario.Load(path, kinds()...)
	require.NoError(t, err)
	require.Equal(t, "my question", s.Name)
	_, err = scenario.Load(path+"?", kinds()...)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPresets(t *testing.T) {
	s := parse(t, "duration: 10y\nrecord: {every: 30d}\npreset: {name: bittensor}")
	o, err := s.Options()
	require.NoError(t, err)
	require.Equal(t, 10*scenario.SecondsPerYear, o.Horizon)
	model, err := s.Model()
	require.NoError(t, err)
	result, err := experiment.Run(t.Context(), model, o)
	require.NoError(t, err)
	require.InDelta(t, 10*scenario.SecondsPerYear, result.Summary.Span, 86400)
	require.InDelta(t, 10*365.25/30, result.Summary.Steps, 3)
	_, err = s.Build([]experiment.Setting{{Path: "preset.params.issued", Value: 1e6}})
	require.NoError(t, err)
	for text, says := range map[string]string{
		"preset: {name: bittensr}":                                     "test.yaml:1: preset: ",
		"preset: {name: bittensor, params: {issue: 3}}":                `no parameter "issue"`,
		"duration: 10 blocks\npreset: {name: bittensor}":               "takes a time",
		"duration: 10y\npreset: {name: bittensor, params: {years: 3}}": "test.yaml:2: preset.params.years: duration says this already",
		"preset:\n  name: bittensor\n  params:\n    issued: a lot":     `test.yaml:4: preset.params: `,
	} {
		_, err := scenario.Parse("test.yaml", []byte(text), kinds()...)
		require.ErrorContains(t, err, says)
	}
}

// TestSweepsSetThePathsTheyName runs a sweep by a scenario from end to end.
func TestSweepsSetThePathsTheyName(t *testing.T) {
	s := parse(t, "g: {a: [0, 1], x: [0, 0]}\nsweep: {parameters: [{path: g.x.0, values: [0, 0.5]}, {path: g.x.1, from: 0, to: 1, steps: 3}]}")
	o, err := s.Options()
	require.NoError(t, err)
	result, err := s.Sweep.Run(t.Context(), s.Build, o)
	require.NoError(t, err)
	var got []float64
	for _, p := range result.Points {
		got = append(got, p.Outputs[0].Mean)
	}
	// (|4x-2|+0)/1 is 2 at 0 and 0 at 1/2; (|4x-2|+1)/2 is 3/2 at both ends and 1/2 in the middle.
	require.Equal(t, []float64{3, 1, 3, 0, 0, 0}, got)
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"walk: {}", "network: {blocks: 5, miners: [{quality: {mean: 1}}]}", "walk: &a {phi: *a}", "walk: {steps: 1e3}\nsweep: {parameters: [{path: walk.phi, values: [1]}]}"} {
		f.Add(seed, "walk.phi")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		s, err := scenario.Parse("fuzz.yaml", []byte(text), scenario.Simple("walk", "", simtest.Walk{}), scenario.Simple("g", "", simtest.G{}))
		if err != nil {
			return
		}
		out, err := s.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scenario.Parse("again.yaml", out, scenario.Simple("walk", "", simtest.Walk{}), scenario.Simple("g", "", simtest.G{})); err != nil {
			t.Fatalf("%v in what was written:\n%s", err, out)
		}
		_, _ = s.Build([]experiment.Setting{{Path: path, Value: 1.0}})
	})
}

func TestModelsAreSharedSafely(t *testing.T) {
	model, err := parse(t, "walk: {steps: 50}").Model()
	require.NoError(t, err)
	var first []float64
	for range 2 {
		var got []float64
		require.NoError(t, model.Run(context.Background(), 9, sims.RecorderFunc(func(_ uint64, _ float64, v []float64) error {
			got = append(got, v...)
			return nil
		})))
		if first == nil {
			first = slices.Clone(got)
		}
		require.Equal(t, first, got)
	}
}
