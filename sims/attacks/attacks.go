package attacks

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/scenario"
)

//go:embed *.yaml
var files embed.FS

// ErrUnknown is wrapped by errors about an attack that is not in the
// collection.
var ErrUnknown = errors.New("attacks: no such attack")

// earned is the column of what the attackers have earned, PLX.
const earned = "party.attacker.earned"

// Attack is one attack.
type Attack struct {
	Name     string
	Doc      string // what it does, and what is known about it
	Scenario *scenario.Scenario
}

// Names lists the attacks, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // an embedded folder can always be read
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// YAML returns the scenario file of an attack.
func YAML(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("%q: there are %s: %w", name, strings.Join(Names(), ", "), ErrUnknown)
	}
	return text, nil
}

// Load reads an attack.
func Load(name string) (*Attack, error) {
	text, err := YAML(name)
	if err != nil {
		return nil, err
	}
	s, err := scenario.Parse(name+".yaml", text, scenario.Network())
	if err != nil {
		return nil, err
	}
	if s.Compare == nil || s.Sweep == nil {
		return nil, fmt.Errorf("attack %s: it must say what to compare and what to sweep", name)
	}
	return &Attack{Name: name, Doc: strings.TrimSpace(s.Description), Scenario: s}, nil
}

// Gain is what an attack earns, in PLX per run and as the mean of all runs.
type Gain struct {
	Settings []experiment.Setting // where in the sweep
	Attack   float64              // PLX that the party earns by it
	Honest   float64              // PLX that it earns behaving honestly
}

// Of is what the attack adds, in PLX; below 0 it loses.
func (g Gain) Of() float64 { return g.Attack - g.Honest }

// Gain runs the attack and the same party honest, once for each of the
// scenario's runs and with the same numbers, with some parameters changed.
func (a *Attack) Gain(ctx context.Context, settings ...experiment.Setting) (Gain, error) {
	g := Gain{Settings: settings}
	var honest []experiment.Setting
	base := a.Scenario.Compare.Base.Set
	for _, path := range slices.Sorted(maps.Keys(base)) {
		honest = append(honest, experiment.Setting{Path: path, Value: base[path]})
	}
	var err error
	if g.Attack, err = a.mean(ctx, settings); err != nil {
		return g, fmt.Errorf("attack %s: %w", a.Name, err)
	}
	if g.Honest, err = a.mean(ctx, slices.Concat(settings, honest)); err != nil {
		return g, fmt.Errorf("attack %s, honest: %w", a.Name, err)
	}
	return g, nil
}

// mean is what the attackers have earned at the end of a run.
func (a *Attack) mean(ctx context.Context, settings []experiment.Setting) (float64, error) {
	model, err := a.Scenario.Build(settings)
	if err != nil {
		return 0, err
	}
	at := slices.IndexFunc(model.Columns(), func(c sims.Column) bool { return c.Name == earned })
	if at < 0 {
		return 0, fmt.Errorf("no party is named attacker")
	}
	sum, runs := 0.0, max(a.Scenario.Runs, 1)
	for seed := range runs {
		last := 0.0
		err := model.Run(ctx, uint64(seed), sims.RecorderFunc(func(_ uint64, _ float64, values []float64) error {
			last = values[at]
			return nil
		}))
		if err != nil {
			return 0, err
		}
		sum += last
	}
	return sum / float64(runs), nil
}

// Table is the gain at every point of the grid that the scenario sweeps.
func (a *Attack) Table(ctx context.Context) ([]Gain, error) {
	points := [][]experiment.Setting{nil}
	for _, p := range a.Scenario.Sweep.Parameters {
		var next [][]experiment.Setting
		for _, point := range points {
			for _, v := range p.Values {
				next = append(next, append(slices.Clone(point), experiment.Setting{Path: p.Path, Value: v}))
			}
		}
		points = next
	}
	table := make([]Gain, len(points))
	for i, point := range points {
		var err error
		if table[i], err = a.Gain(ctx, point...); err != nil {
			return nil, err
		}
	}
	return table, nil
}
