package economy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"
)

// Kinds of distributions.
const (
	DistFixed       = "fixed"       // mean
	DistUniform     = "uniform"     // min to max
	DistNormal      = "normal"      // mean, sd
	DistLognormal   = "lognormal"   // mean, sd: of the values, not of their logarithms
	DistExponential = "exponential" // mean
	DistPareto      = "pareto"      // min, shape
)

// Dist is a distribution of values over the members of a group. In YAML a
// number alone is that value for all.
type Dist struct {
	Kind  string  `yaml:"dist"`  // fixed (default), uniform, normal, lognormal, exponential or pareto
	Mean  float64 `yaml:"mean"`  // above 0 for lognormal and exponential
	SD    float64 `yaml:"sd"`    // standard deviation, at least 0
	Shape float64 `yaml:"shape"` // of pareto, above 0
	// Min and Max clip what is drawn; of uniform they are the ends. A Max of 0
	// clips nothing; what the field allows always does.
	Min float64 `yaml:"min"`
	Max float64 `yaml:"max"`
}

// Fixed is the distribution of one value.
func Fixed(value float64) Dist { return Dist{Kind: DistFixed, Mean: value} }

// decode reads a number, or the fields of a distribution.
func (d *Dist) decode(node *yaml.Node, path string) error {
	if node.Kind == yaml.ScalarNode {
		*d = Dist{Kind: DistFixed}
		return decodeScalar(node, reflect.ValueOf(&d.Mean).Elem(), path)
	}
	if kind := child(node, "dist"); kind != nil && kind.Value != d.Kind {
		*d = Dist{}
	}
	if d.Kind == "" {
		d.Kind = DistFixed
	}
	return decodeStruct(node, reflect.ValueOf(d).Elem(), path)
}

// validate refuses a distribution that is not one, or could give values outside
// of low to high that its bounds do not clip.
func (d Dist) validate(low, high float64) error {
	for _, x := range []float64{d.Mean, d.SD, d.Shape, d.Min, d.Max} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%v is no number to draw from", x)
		}
	}
	known := []string{"", DistFixed, DistUniform, DistNormal, DistLognormal, DistExponential, DistPareto}
	switch {
	case !slices.Contains(known, d.Kind):
		return fmt.Errorf("dist %q, want one of %v", d.Kind, known[1:])
	case d.SD < 0:
		return fmt.Errorf("sd %v, want at least 0", d.SD)
	case d.Min != 0 && (d.Min < low || d.Min > high) || d.Max != 0 && (d.Max < d.Min || d.Max > high):
		return fmt.Errorf("min %v and max %v, want %v <= min <= max <= %v", d.Min, d.Max, low, high)
	case (d.Kind == DistLognormal || d.Kind == DistExponential) && d.Mean <= 0:
		return fmt.Errorf("mean %v of a %s distribution, want above 0", d.Mean, d.Kind)
	case d.Kind == DistPareto && (d.Shape <= 0 || d.Min <= 0):
		return fmt.Errorf("shape %v and min %v of a pareto distribution, want both above 0", d.Shape, d.Min)
	case (d.Kind == "" || d.Kind == DistFixed) && (d.Mean < low || d.Mean > high):
		return fmt.Errorf("%v, want %v to %v", d.Mean, low, high)
	}
	return nil
}

// Draw draws a value within low and high.
func (d Dist) Draw(r *rand.Rand, low, high float64) float64 {
	x := d.Mean
	switch d.Kind {
	case DistUniform:
		x = d.Min + (d.Max-d.Min)*r.Float64()
	case DistNormal:
		x += d.SD * r.NormFloat64()
	case DistLognormal:
		s2 := math.Log1p(d.SD * d.SD / (d.Mean * d.Mean))
		x = math.Exp(math.Log(d.Mean) - s2/2 + math.Sqrt(s2)*r.NormFloat64())
	case DistExponential:
		x *= r.ExpFloat64()
	case DistPareto:
		x = d.Min * math.Pow(1-r.Float64(), -1/d.Shape)
	}
	if d.Min != 0 {
		x = max(x, d.Min)
	}
	if d.Max != 0 {
		x = min(x, d.Max)
	}
	return min(max(x, low), high)
}
