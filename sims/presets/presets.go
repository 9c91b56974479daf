package presets

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plexusnet/plexus/sims/dynamics"
)

// ErrPreset is wrapped by every reason to refuse a preset or its parameters.
var ErrPreset = errors.New("preset")

// Certainty says where a formula was read.
type Certainty string

// The certainties, the best first.
const (
	Code     Certainty = "the network's own code or contract"
	Official Certainty = "the network's own documents"
	Derived  Certainty = "third parties"
)

// Preset is one network's issuance.
type Preset struct {
	Name      string // as New takes it
	Title     string
	About     string // the rule, in words and formulas
	Certainty Certainty
	Source    string // where it can be read
	Params    []Param

	system func(v values) dynamics.System
}

// Param is a number that may be set.
type Param struct {
	Name     string
	Unit     string
	Default  float64
	Min, Max float64 // both allowed
	Doc      string
}

// values are the parameters of one model, complete and within their bounds.
type values map[string]float64

const (
	hour = 3600.0
	day  = 24 * hour
	year = 365 * day
)

// All returns every preset, in order of name.
func All() []Preset {
	return []Preset{
		aethir(), akash(), allora(), bittensor(), deepbrain(), filecoin(), helium(), ionet(), livepeer(), phala(), render(),
	}
}

// Names returns what New takes, in order.
func Names() []string {
	var names []string
	for _, p := range All() {
		names = append(names, p.Name)
	}
	return names
}

// Get returns a preset by name. The error wraps ErrPreset and lists the names there are.
func Get(name string) (Preset, error) {
	for _, p := range All() {
		if p.Name == name {
			return p, nil
		}
	}
	return Preset{}, fmt.Errorf("%w: %q is none; there are %s", ErrPreset, name, strings.Join(Names(), ", "))
}

// New returns the model of a preset. Parameters that are left out keep their defaults. Errors wrap ErrPreset and say
// which parameter may be what.
func New(name string, params map[string]float64) (*dynamics.Model, error) {
	p, err := Get(name)
	if err != nil {
		return nil, err
	}
	v := values{}
	for _, param := range p.Params {
		v[param.Name] = param.Default
	}
	for name := range params {
		if _, known := v[name]; !known {
			return nil, fmt.Errorf("%w %s: no parameter %q; there are %s", ErrPreset, p.Name, name, strings.Join(p.paramNames(), ", "))
		}
	}
	for _, param := range p.Params {
		x, given := params[param.Name]
		if !given {
			continue
		}
		if !(x >= param.Min && x <= param.Max) {
			return nil, fmt.Errorf("%w %s: %s is %g; give %g to %g (%s)", ErrPreset, p.Name, param.Name, x, param.Min, param.Max, param.Unit)
		}
		v[param.Name] = x
	}
	model, err := dynamics.New(p.system(v))
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrPreset, p.Name, err)
	}
	return model, nil
}

func (p Preset) paramNames() []string {
	var names []string
	for _, param := range p.Params {
		names = append(names, param.Name)
	}
	slices.Sort(names)
	return names
}

// span is the parameter that all presets share.
func span(years float64) Param {
	return Param{Name: "years", Unit: "years", Default: years, Min: 0.01, Max: 200, Doc: "how long a run is"}
}

// steps returns how many steps of a length cover the years, at least one.
func (v values) steps(step float64) uint64 {
	return max(1, uint64(math.Ceil(v["years"]*year/step-1e-9)))
}

// sum is an auxiliary that adds up stocks.
func sum(name, unit, doc string, stocks ...int) dynamics.Auxiliary {
	return dynamics.Auxiliary{Name: name, Unit: unit, Doc: doc, Value: func(s *dynamics.State) float64 {
		total := 0.0
		for _, i := range stocks {
			total += s.Stock(i)
		}
		return total
	}}
}

// constant is the rate of a flow that never changes.
func constant(amount float64) func(*dynamics.State) float64 {
	return func(*dynamics.State) float64 { return amount }
}

// elapsed returns the time at the start of a state's step, in units of so many seconds.
func elapsed(s *dynamics.State, step, unit float64) float64 {
	return max(0, s.Seconds-step) / unit
}
