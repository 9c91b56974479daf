package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/plexusnet/plexus/sims"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distmv"
	"gonum.org/v1/gonum/stat/samplemv"
)

// Setting gives the parameter at a dotted path a value: a float64, an int64, a string or a bool.
type Setting struct {
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Builder makes the model with some parameters changed.
type Builder func(settings []Setting) (sims.Model, error)

// Scale is how values lie between the ends of a range.
type Scale string

// The scales.
const (
	Linear Scale = "linear"
	Log    Scale = "log"
)

// Parameter is what an experiment varies: a list of values, or a range of numbers.
type Parameter struct {
	Path    string   `yaml:"path" json:"path" doc:"dotted path into the scenario, such as network.subnets.0.hyperparams.kappa"`
	Name    string   `yaml:"name,omitempty" json:"name,omitempty" doc:"label in tables and plots; the path if left out"`
	Values  []any    `yaml:"values,omitempty,flow" json:"values,omitempty" doc:"the values, or give from and to"`
	From    *float64 `yaml:"from,omitempty" json:"from,omitempty" doc:"least value of a range"`
	To      *float64 `yaml:"to,omitempty" json:"to,omitempty" doc:"greatest value of a range"`
	Steps   int      `yaml:"steps,omitempty" json:"steps,omitempty" doc:"values that a grid or one-at-a-time analysis takes from a range, ends included; 5 and 2 if left out"`
	Scale   Scale    `yaml:"scale,omitempty" json:"scale,omitempty" doc:"linear (the default) or log: how values lie within the range"`
	Integer bool     `yaml:"integer,omitempty" json:"integer,omitempty" doc:"whole numbers only"`
}

// Label is the name of the parameter, or its path.
func (p Parameter) Label() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Path
}

func (p Parameter) check() error {
	ranged := p.From != nil || p.To != nil
	switch {
	case p.Path == "":
		return fmt.Errorf("%w: a parameter without a path", ErrOptions)
	case ranged == (len(p.Values) > 0):
		return fmt.Errorf("%w: parameter %s: want either values, or from and to", ErrOptions, p.Path)
	case !ranged:
		return nil
	case p.From == nil || p.To == nil || !(*p.From < *p.To) || math.IsInf(*p.To-*p.From, 0):
		return fmt.Errorf("%w: parameter %s: want from below to", ErrOptions, p.Path)
	case p.Scale != "" && p.Scale != Linear && p.Scale != Log:
		return fmt.Errorf("%w: parameter %s: scale %q, want linear or log", ErrOptions, p.Path, p.Scale)
	case p.Scale == Log && *p.From <= 0:
		return fmt.Errorf("%w: parameter %s: a log scale needs from above 0", ErrOptions, p.Path)
	case p.Steps < 0 || p.Steps == 1:
		return fmt.Errorf("%w: parameter %s: %d steps, want 2 or more", ErrOptions, p.Path, p.Steps)
	case p.Integer && (*p.From != math.Trunc(*p.From) || *p.To != math.Trunc(*p.To)):
		return fmt.Errorf("%w: parameter %s: an integer range needs whole from and to", ErrOptions, p.Path)
	}
	return nil
}

// at maps u, 0 to 1, to a value: equal shares of u to equal shares of the range, or to each of the values.
func (p Parameter) at(u float64) any {
	if len(p.Values) > 0 {
		return p.Values[min(int(u*float64(len(p.Values))), len(p.Values)-1)]
	}
	from, to := *p.From, *p.To
	if p.Integer && p.Scale != Log {
		return int64(min(math.Floor(from+u*(to-from+1)), to))
	}
	v := p.between(u)
	if p.Integer {
		return int64(math.Round(v))
	}
	return v
}

func (p Parameter) between(u float64) float64 {
	from, to := *p.From, *p.To
	switch {
	case u <= 0:
		return from
	case u >= 1:
		return to
	case p.Scale == Log:
		return from * math.Pow(to/from, u)
	}
	return from + float64(u*(to-from))
}

// levels are the values of a grid.
func (p Parameter) levels(steps int) []any {
	if len(p.Values) > 0 {
		return p.Values
	}
	if p.Steps > 0 {
		steps = p.Steps
	}
	var values []any
	for i := range steps {
		v := p.between(float64(i) / float64(steps-1))
		if !p.Integer {
			values = append(values, v)
			continue
		}
		if whole := int64(math.Round(v)); len(values) == 0 || values[len(values)-1] != any(whole) {
			values = append(values, whole)
		}
	}
	return values
}

func checkParameters(parameters []Parameter) error {
	if len(parameters) == 0 {
		return fmt.Errorf("%w: no parameters to vary", ErrOptions)
	}
	seen := map[string]bool{}
	for _, p := range parameters {
		if err := p.check(); err != nil {
			return err
		}
		if seen[p.Path] {
			return fmt.Errorf("%w: parameter %s is named twice", ErrOptions, p.Path)
		}
		seen[p.Path] = true
	}
	return nil
}

// settings sets every parameter to the value at its u.
func settings(parameters []Parameter, u []float64) []Setting {
	set := make([]Setting, len(parameters))
	for i, p := range parameters {
		set[i] = Setting{Path: p.Path, Value: p.at(u[i])}
	}
	return set
}

// Method is how points are chosen.
type Method string

// The methods of sweeps and of sampling.
const (
	Grid           Method = "grid"
	LatinHypercube Method = "latin-hypercube"
	Halton         Method = "halton" // scrambled after Owen, arXiv:1706.02808
	Random         Method = "random"
)

// maxDimensions is how many primes gonum's Halton sequence knows.
const maxDimensions = 1000

// sample draws n points of the unit cube.
func sample(method Method, n, dimensions int, source *rand.Rand) ([][]float64, error) {
	if dimensions > maxDimensions {
		return nil, fmt.Errorf("%w: %d dimensions, at most %d can be sampled", ErrLimit, dimensions, maxDimensions)
	}
	batch, unit := mat.NewDense(n, dimensions, nil), distmv.NewUnitUniform(dimensions, nil)
	switch method {
	case LatinHypercube:
		samplemv.LatinHypercube{Q: unit, Src: source}.Sample(batch)
	case Halton:
		samplemv.Halton{Kind: samplemv.Owen, Q: unit, Src: source}.Sample(batch)
	case Random:
		for i := range n {
			for j := range dimensions {
				batch.Set(i, j, source.Float64())
			}
		}
	default:
		return nil, fmt.Errorf("%w: method %q, want %s, %s or %s", ErrOptions, method, LatinHypercube, Halton, Random)
	}
	points := make([][]float64, n)
	for i := range points {
		points[i] = batch.RawRowView(i)
	}
	return points, nil
}

// planDigest tells designs apart.
func planDigest(points [][]Setting) (string, error) {
	content, err := json.Marshal(points)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOptions, err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}

// ValueText writes the value of a parameter for a table.
func ValueText(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}
