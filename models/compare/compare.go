package compare

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/plexusnet/plexus/models"
)

// ErrShape says that outputs cannot be compared, since they are not the same tensors.
var ErrShape = errors.New("not the model's outputs")

// Measure is how the distance of an answer a from the reference r is computed over the elements of one output. Every
// measure is 0 for equal outputs and +Inf where exactly one of two elements is NaN, or one is infinite and the other is
// not the same.
type Measure string

// The measures.
const (
	// Relative is max|a-r| / max|r|.
	Relative Measure = "relative"
	// RMS is the root of sum (a-r)^2 / sum r^2: steadier than Relative for large outputs.
	RMS Measure = "rms"
	// LogOdds is the largest change of log(p / (1-p)), for probabilities that a softmax or sigmoid has squeezed: it finds
	// in the small ones what the large ones, rounded to 1, no longer tell. It is computed as |a-r| / q with q = r(1-r),
	// but not below 2^-40 for r < 1/2, and not below 2^-6 above, where 32-bit floats lie too far apart.
	LogOdds Measure = "log-odds"
	// Differing is the share of elements that differ at all, 0 to 1: for labels, truth values and text.
	Differing Measure = "differing"
)

// Bounds of LogOdds: a 32-bit float near 1 is known to 2^-24 only, one near 0 to 24 bits of its own.
const (
	smallestOdds = 1.0 / (1 << 40)
	largestOdds  = 1.0 / (1 << 6)
)

// Measures returns the measures that suit an output of that type. Of a 1 byte or larger number the first is the default.
func Measures(d models.Datatype) []Measure {
	switch d {
	case models.FP16, models.BF16, models.FP32, models.FP64:
		return []Measure{Relative, RMS, LogOdds}
	default:
		return []Measure{Differing}
	}
}

// Scale says how one output is measured.
type Scale struct {
	Measure Measure `json:"measure"` // the default of the datatype when empty
	// Floor is the least size, max|r| (for RMS: per element), that an output is taken to have: without it an output that
	// is 0 throughout would make every rounding an infinite distance.
	Floor float64 `json:"floor,omitempty"`
}

// Reference is a set of outputs that answers are measured against. It is safe for concurrent use.
type Reference struct {
	outputs []output
}

type output struct {
	tensor models.Tensor
	scale  Scale
	values []float64 // nil for text
	size   float64   // what differences are divided by
}

// New prepares outputs, one scale for each; no scales at all stand for the defaults. The tensors must not be changed
// after. It fails for a tensor that is not well formed and for a measure that does not suit one.
func New(outputs []models.Tensor, scales []Scale) (*Reference, error) {
	if len(scales) != 0 && len(scales) != len(outputs) {
		return nil, fmt.Errorf("%d scales for %d outputs", len(scales), len(outputs))
	}
	r := &Reference{outputs: make([]output, len(outputs))}
	for i, t := range outputs {
		o := output{tensor: t}
		if len(scales) != 0 {
			o.scale = scales[i]
		}
		suitable := Measures(t.Datatype)
		if o.scale.Measure == "" {
			o.scale.Measure = suitable[0]
		}
		if !slices.Contains(suitable, o.scale.Measure) {
			return nil, fmt.Errorf("output %q: the measure %q is none of %v, which suit %s", t.Name, o.scale.Measure, suitable, t.Datatype)
		}
		if err := t.Validate(models.Limits{}); err != nil {
			return nil, fmt.Errorf("a reference output: %w", err)
		}
		o.values = floats(t)
		o.size = sizeOf(o.values, o.scale)
		r.outputs[i] = o
	}
	return r, nil
}

// sizeOf is what differences are divided by: max|r| or the root of sum r^2, not below the floor.
func sizeOf(values []float64, s Scale) float64 {
	largest, squares := 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			largest = max(largest, math.Abs(v))
			squares += v * v
		}
	}
	if s.Measure == RMS {
		return max(math.Sqrt(squares), s.Floor*math.Sqrt(float64(len(values))))
	}
	return max(largest, s.Floor)
}

// Outputs returns the tensors that answers are measured against. They must not be changed.
func (r *Reference) Outputs() []models.Tensor {
	tensors := make([]models.Tensor, len(r.outputs))
	for i, o := range r.outputs {
		tensors[i] = o.tensor
	}
	return tensors
}

// Distances measures an answer, whose tensors may come in any order: one distance per output of the reference, in the
// reference's order. The error wraps ErrShape and says which output is not as it should be.
func (r *Reference) Distances(answer []models.Tensor) ([]float64, error) {
	if len(answer) != len(r.outputs) {
		return nil, fmt.Errorf("%w: want %d outputs, got %d", ErrShape, len(r.outputs), len(answer))
	}
	distances := make([]float64, len(r.outputs))
	for i, o := range r.outputs {
		at := slices.IndexFunc(answer, func(t models.Tensor) bool { return t.Name == o.tensor.Name })
		if at < 0 {
			return nil, fmt.Errorf("%w: output %q is missing", ErrShape, o.tensor.Name)
		}
		d, err := o.distance(answer[at])
		if err != nil {
			return nil, err
		}
		distances[i] = d
	}
	return distances, nil
}

func (o *output) distance(t models.Tensor) (float64, error) {
	if t.Datatype != o.tensor.Datatype || !slices.Equal(t.Shape, o.tensor.Shape) {
		return 0, fmt.Errorf("%w: output %q: want %s%v, got %s%v", ErrShape, t.Name, o.tensor.Datatype, o.tensor.Shape, t.Datatype, t.Shape)
	}
	if bytes.Equal(t.Data, o.tensor.Data) {
		return 0, nil
	}
	if t.Datatype == models.BYTES {
		return o.textDistance(t)
	}
	if len(t.Data) != len(o.tensor.Data) {
		return 0, fmt.Errorf("%w: output %q: want %d bytes for %s%v, got %d", ErrShape, t.Name, len(o.tensor.Data), t.Datatype, t.Shape, len(t.Data))
	}
	if o.scale.Measure == Differing {
		return o.differing(t), nil
	}
	return o.floatDistance(t), nil
}

// differing compares raw elements, so that 64-bit integers lose nothing.
func (o *output) differing(t models.Tensor) float64 {
	size, count := t.Datatype.Size(), 0
	for i := 0; i < len(t.Data); i += size {
		if !bytes.Equal(t.Data[i:i+size], o.tensor.Data[i:i+size]) {
			count++
		}
	}
	return float64(count) * float64(size) / float64(len(t.Data))
}

func (o *output) textDistance(t models.Tensor) (float64, error) {
	got, err := t.Strings()
	if err != nil {
		return 0, fmt.Errorf("%w: output %q: %w", ErrShape, t.Name, err)
	}
	want, err := o.tensor.Strings()
	if err != nil {
		return 0, err
	}
	count := 0
	for i := range want {
		if want[i] != got[i] {
			count++
		}
	}
	return float64(count) / float64(len(want)), nil
}

func (o *output) floatDistance(t models.Tensor) float64 {
	size := t.Datatype.Size()
	total, largest := 0.0, 0.0
	for i, r := range o.values {
		a := element(t.Datatype, t.Data[i*size:])
		if a == r || math.IsNaN(a) && math.IsNaN(r) {
			continue
		}
		d := math.Abs(a - r)
		if !(d <= math.MaxFloat64) { // NaN or infinite, on one side only
			return math.Inf(1)
		}
		if o.scale.Measure == LogOdds {
			d /= odds(r)
		}
		total += d * d
		largest = max(largest, d)
	}
	switch {
	case largest == 0:
		return 0
	case o.scale.Measure == RMS:
		return math.Sqrt(total) / o.size
	case o.scale.Measure == LogOdds:
		return largest
	default:
		return largest / o.size
	}
}

func odds(p float64) float64 {
	q := p * (1 - p)
	if p < 0.5 {
		return max(q, smallestOdds)
	}
	return max(q, largestOdds)
}

// Size returns max|x| over the finite elements of a tensor, 0 for text.
func Size(t models.Tensor) float64 { return sizeOf(floats(t), Scale{}) }

// Probabilities reports whether every element of a tensor is a number of 0 to 1.
func Probabilities(t models.Tensor) bool {
	values := floats(t)
	return values != nil && !slices.ContainsFunc(values, func(v float64) bool { return !(v >= 0 && v <= 1) })
}

// Gap returns the least difference between the two largest numbers of any row, that is, along the last dimension: how
// surely a label follows from them. It is +Inf where rows have fewer than two.
func Gap(t models.Tensor) float64 {
	least := math.Inf(1)
	values := floats(t)
	if len(t.Shape) == 0 || t.Shape[len(t.Shape)-1] < 2 {
		return least
	}
	for row := range slices.Chunk(values, int(t.Shape[len(t.Shape)-1])) {
		first, second := math.Inf(-1), math.Inf(-1)
		for _, v := range row {
			if v > first {
				first, second = v, first
			} else if v > second {
				second = v
			}
		}
		least = min(least, first-second)
	}
	return least
}
