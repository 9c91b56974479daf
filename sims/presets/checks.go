package presets

import (
	"context"
	"fmt"
	"math"

	"github.com/plexusnet/plexus/sims"
)

// Kind says what a check compares with, and so what it is worth.
type Kind string

// The kinds of checks.
const (
	Chain  Kind = "what the chain did"
	Model  Kind = "another model of the network"
	Source Kind = "the source's own numbers"
	Fitted Kind = "fitted to this figure"
)

// Check is a published figure beside the computed one.
type Check struct {
	Preset    string
	Figure    string // what is compared
	Unit      string
	Kind      Kind
	Published float64
	Computed  float64
	Tolerance float64 // the largest |computed - published| that passes, by how precisely the figure is published
	Note      string
}

// Passes tells whether the figures agree.
func (c Check) Passes() bool { return math.Abs(c.Computed-c.Published) <= c.Tolerance }

// probe reads one column of a run at one step.
type probe struct {
	preset string
	params map[string]float64
	column string
	step   uint64
}

// Checks runs the presets and returns every comparison, in order of preset.
func Checks(ctx context.Context) ([]Check, error) {
	var checks []Check
	for _, c := range published() {
		computed, err := c.compute(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", c.Preset, c.Figure, err)
		}
		c.Check.Computed = computed
		checks = append(checks, c.Check)
	}
	return checks, nil
}

// comparison is a Check before it is computed.
type comparison struct {
	Check
	compute func(ctx context.Context) (float64, error)
}

// column computes a figure as a column's value at a step.
func column(p probe) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) { return p.read(ctx) }
}

// between computes a figure as a column's growth between two steps.
func between(p probe, from uint64) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		start := p
		start.step = from
		a, err := start.read(ctx)
		if err != nil {
			return 0, err
		}
		b, err := p.read(ctx)
		return b - a, err
	}
}

func formula(x float64) func(context.Context) (float64, error) {
	return func(context.Context) (float64, error) { return x, nil }
}

func (p probe) read(ctx context.Context) (float64, error) {
	value, found := 0.0, false
	err := p.each(ctx, func(step uint64, x float64) bool {
		if step == p.step {
			value, found = x, true
		}
		return !found
	})
	if err == nil && !found {
		err = fmt.Errorf("no record of step %d", p.step)
	}
	return value, err
}

// each runs the preset and hands out the column until more is false.
func (p probe) each(ctx context.Context, more func(step uint64, x float64) bool) error {
	model, err := New(p.preset, p.params)
	if err != nil {
		return err
	}
	index := -1
	for i, c := range model.Columns() {
		if c.Name == p.column {
			index = i
		}
	}
	if index < 0 {
		return fmt.Errorf("no column %q", p.column)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err = model.Run(ctx, 0, sims.RecorderFunc(func(step uint64, _ float64, values []float64) error {
		if !more(step, values[index]) {
			return errEnough
		}
		return nil
	}))
	if err == errEnough {
		return nil
	}
	return err
}

type enough struct{}

func (enough) Error() string { return "seen enough" }

// errEnough ends a run whose rest nobody needs.
var errEnough error = enough{}

// published lists what is known of each network, from the sources that its preset names.
func published() []comparison {
	const hours = 365 * 24
	return []comparison{
		{Check{Preset: "aethir", Figure: "checkers, all 1460 days", Unit: "ATH", Kind: Source, Published: 6.3e9, Tolerance: 1}, column(probe{"aethir", nil, "checkers", 1460})},
		{Check{Preset: "aethir", Figure: "edge, ten years", Unit: "ATH", Kind: Source, Published: 9.66e9, Tolerance: 1}, column(probe{"aethir", nil, "edge", 3650})},
		{Check{Preset: "aethir", Figure: "edge, first year of ten", Unit: "%", Kind: Source, Published: 40, Tolerance: 0.5}, scaled(column(probe{"aethir", nil, "edge", 365}), 100/9.66e9)},

		{Check{Preset: "akash", Figure: "supply after 12 months", Unit: "M AKT", Kind: Model, Published: 149.3, Tolerance: 0.05}, scaled(column(probe{"akash", nil, "supply", 365}), 1e-6)},

		{Check{Preset: "allora", Figure: "most that stakers get in a month", Unit: "%", Kind: Source, Published: 0.95, Tolerance: 1e-9,
			Note: "first month, treasury full: the bound holds the yield down"}, alloraBound},
		{Check{Preset: "allora", Figure: "issued and left in 50 years", Unit: "M ALLO", Kind: Source, Published: 359.5, Tolerance: 1e-3,
			Note: "what the treasury pays never passes it"}, alloraBooks},

		{Check{Preset: "bittensor", Figure: "reward from 10.5 M on", Unit: "TAO/block", Kind: Chain, Published: 0.5, Tolerance: 0,
			Note: "the live chain's since December 2025"}, column(probe{"bittensor", map[string]float64{"issued": 10.5e6}, "reward", 0})},
		{Check{Preset: "bittensor", Figure: "supply after 200 years", Unit: "M TAO", Kind: Source, Published: 21, Tolerance: 1e-6}, scaled(column(probe{"bittensor", map[string]float64{"years": 200}, "supply", 200 * 365 * 4}), 1e-6)},

		{Check{Preset: "deepbrain", Figure: "mined in 3 years", Unit: "G DBC", Kind: Source, Published: 3, Tolerance: 1e-6}, scaled(column(probe{"deepbrain", nil, "mined", 3 * 365}), 1e-9)},
		{Check{Preset: "deepbrain", Figure: "mined in 8 years", Unit: "G DBC", Kind: Source, Published: 5.5, Tolerance: 1e-6}, scaled(column(probe{"deepbrain", nil, "mined", 8 * 365}), 1e-9)},

		{Check{Preset: "filecoin", Figure: "simple reward at epoch 0", Unit: "FIL", Kind: Model, Published: 36.266264293777, Tolerance: 5e-13,
			Note: "of an epoch; per win it is a fifth"}, column(probe{"filecoin", nil, "simple_reward", 0})},
		{Check{Preset: "filecoin", Figure: "simple reward at epoch 5000", Unit: "FIL", Kind: Model, Published: 36.246341860983, Tolerance: 5e-13}, formula(simpleReward(5000))},
		{Check{Preset: "filecoin", Figure: "raw power crosses the baseline", Unit: "day", Kind: Fitted, Published: 223, Tolerance: 2,
			Note: "2 to 6 April 2021; the chain began on 24 August 2020"}, filecoinCrossing},
		{Check{Preset: "filecoin", Figure: "mined by 1 July 2021", Unit: "M FIL", Kind: Chain, Published: 81.43 / 0.98, Tolerance: 0.85,
			Note: "81.43 M were mined, 97 to 99 % of the formula's, the rest being missed wins"}, scaled(column(probe{"filecoin", nil, "mined", 311}), 1e-6)},

		{Check{Preset: "helium", Figure: "a day in the seventh year", Unit: "HNT", Kind: Source, Published: 20548, Tolerance: 0.5,
			Note: "August 2025 to August 2027"}, column(probe{"helium", nil, "minted", 6*365 + 100})},

		{Check{Preset: "ionet", Figure: "hour 1", Unit: "IO", Kind: Source, Published: 4566.21, Tolerance: 0.005}, formula(ionetHour(1))},
		{Check{Preset: "ionet", Figure: "hour 2", Unit: "IO", Kind: Source, Published: 4566.15, Tolerance: 0.005}, formula(ionetHour(2))},
		{Check{Preset: "ionet", Figure: "hour 3", Unit: "IO", Kind: Source, Published: 4566.08, Tolerance: 0.005}, formula(ionetHour(3))},
		{Check{Preset: "ionet", Figure: "first year", Unit: "M IO", Kind: Source, Published: 37.66, Tolerance: 0.01}, scaled(between(probe{"ionet", nil, "supply", hours}, 0), 1e-6)},
		{Check{Preset: "ionet", Figure: "all 175 319 hours", Unit: "IO", Kind: Source, Published: 300_000_000.0006, Tolerance: 0.01}, between(probe{"ionet", nil, "supply", 21 * hours}, 0)},

		{Check{Preset: "livepeer", Figure: "supply in round 995", Unit: "LPT", Kind: Fitted, Published: 10_060_972, Tolerance: 50,
			Note: "the share of rounds in which reward is called is fitted to it"}, column(probe{"livepeer", nil, "supply", 34})},

		{Check{Preset: "phala", Figure: "all that will be issued", Unit: "M PHA", Kind: Source, Published: 518.4, Tolerance: 0.01}, scaled(column(probe{"phala", map[string]float64{"years": 30}, "issued", 30 * 365}), 1e-6)},
		{Check{Preset: "phala", Figure: "first day", Unit: "PHA", Kind: Source, Published: 720_000, Tolerance: 1e-6}, column(probe{"phala", nil, "issued", 1})},

		{Check{Preset: "render", Figure: "minted in the first year", Unit: "RENDER", Kind: Source, Published: 9_126_804, Tolerance: 0.5}, between(probe{"render", nil, "supply", 52}, 0)},
		{Check{Preset: "render", Figure: "minted in 100 years", Unit: "RENDER", Kind: Source, Published: 107_374_182, Tolerance: 0.5}, between(probe{"render", map[string]float64{"years": 100}, "supply", 5200}, 0)},
		{Check{Preset: "render", Figure: "supply after 10 years of burning what is minted", Unit: "RENDER", Kind: Source, Published: 536_870_912, Tolerance: 0.5,
			Note: "10 000 each per epoch"}, column(probe{"render", map[string]float64{"minted": 10_000, "burned": 10_000}, "supply", 520})},
	}
}

func scaled(f func(context.Context) (float64, error), factor float64) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		x, err := f(ctx)
		return x * factor, err
	}
}

// alloraBound is the stakers' part of the first month's emission over what is staked.
func alloraBound(ctx context.Context) (float64, error) {
	const stakers = 0.33
	yield, err := column(probe{"allora", map[string]float64{"stakers": stakers, "staked": 0.05}, "target", 0})(ctx)
	return 100 * stakers * yield, err
}

func alloraBooks(ctx context.Context) (float64, error) {
	p := probe{"allora", map[string]float64{"years": 50}, "issued", 600}
	issued, err := p.read(ctx)
	if err != nil {
		return 0, err
	}
	p.column = "treasury"
	left, err := p.read(ctx)
	return (issued + left) / 1e6, err
}

func filecoinCrossing(ctx context.Context) (float64, error) {
	v := values{}
	for _, p := range filecoin().Params {
		v[p.Name] = p.Default
	}
	for d := 0.0; d < 3650; d++ {
		if rawPower(v, d) >= baseline(d) {
			return d, ctx.Err()
		}
	}
	return math.NaN(), fmt.Errorf("raw power never crosses the baseline")
}
