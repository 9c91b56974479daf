package replay

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// ErrSpec says that the owner's description of the inputs does not fit the model, or leaves too much open.
var ErrSpec = errors.New("challenge spec")

// Spec is what the subnet's owner says about the model's inputs. What is left out is inferred from the model.
type Spec struct {
	Inputs map[string]InputSpec `json:"inputs,omitempty"` // by the input's name
}

// InputSpec describes one input.
type InputSpec struct {
	// Shape gives every dimension a size, with 1 for the batch. Left out: 1 for the first free dimension, and for others
	// the first size of a list that the model runs on.
	Shape []int64 `json:"shape,omitempty"`
	// Families are how numbers with fractions are drawn. Left out: those that tell cheap from exact best.
	Families []Family `json:"families,omitempty"`
	// Min and Max bound integers, both included. Left out: the rows of the table that they index, a byte's 0 to 255.
	Min *int64 `json:"min,omitempty"`
	Max *int64 `json:"max,omitempty"`
	// Values are the only values that elements take, such as a sampling rate. Left out: the integers that the model
	// compares the input with.
	Values []float64 `json:"values,omitempty"`
}

// ParseSpec reads a Spec as YAML or JSON. A field that it does not know is an error that wraps ErrSpec.
func ParseSpec(data []byte) (Spec, error) {
	var s Spec
	if err := yaml.UnmarshalStrict(data, &s); err != nil {
		return Spec{}, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	return s, nil
}

// input is how one input is drawn.
type input struct {
	spec     models.TensorSpec
	shape    []int64  // of one challenge
	families []Family // as the owner limits them; nil: any
	values   []float64
	min, max int64 // of integers, where values is nil
	batch    int   // the dimension that batches go along, or -1
}

func (i *input) fractional() bool {
	switch i.spec.Datatype {
	case models.FP16, models.BF16, models.FP32, models.FP64:
		return len(i.values) == 0
	default:
		return false
	}
}

// bits is how much chance there is in one draw, at least.
func (i *input) bits() float64 {
	elements, _ := models.Elements(i.shape)
	if i.spec.Datatype == models.BYTES {
		return minBits // a text alone holds four words or more
	}
	each := 10.0 // of a half float; the others have more
	switch {
	case len(i.values) > 0:
		each = math.Log2(float64(len(i.values)))
	case !i.fractional():
		each = math.Log2(float64(i.max-i.min) + 1)
	}
	return each * float64(elements)
}

// minBits is the least chance that a challenge must hold, so that none is ever drawn twice nor found in a table.
const minBits = 40

// inputsOf combines what the owner says with what the model shows.
func inputsOf(model []byte, specs []models.TensorSpec, owner Spec) ([]input, error) {
	for name := range owner.Inputs {
		if !slices.ContainsFunc(specs, func(s models.TensorSpec) bool { return s.Name == name }) {
			return nil, fmt.Errorf("%w: the model has no input %q", ErrSpec, name)
		}
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(model, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", onnx.ErrCorrupt, err)
	}
	hints := hintsOf(m.Graph)
	inputs := make([]input, len(specs))
	for i, spec := range specs {
		in, err := inputOf(spec, owner.Inputs[spec.Name], hints)
		if err != nil {
			return nil, fmt.Errorf("%w: input %q: %w", ErrSpec, spec.Name, err)
		}
		inputs[i] = in
	}
	return inputs, nil
}

// checkChance refuses settled inputs that leave too little to chance.
func checkChance(inputs []input) error {
	bits := 0.0
	for i := range inputs {
		bits += inputs[i].bits()
	}
	if bits < minBits {
		return fmt.Errorf("%w: challenges would hold %.0f bits of chance, and could be answered from a table; give the inputs larger shapes or ranges, for %d bits or more",
			ErrSpec, bits, minBits)
	}
	return nil
}

func inputOf(spec models.TensorSpec, owner InputSpec, hints hints) (input, error) {
	in := input{spec: spec, batch: slices.Index(spec.Shape, models.Any), families: owner.Families, values: owner.Values}
	for _, f := range owner.Families {
		if !slices.Contains(Families(), f) {
			return in, fmt.Errorf("family %q is none of %v", f, Families())
		}
	}
	in.shape = slices.Clone(spec.Shape)
	if owner.Shape != nil {
		in.shape = slices.Clone(owner.Shape)
	} else if spec.Shape == nil {
		return in, fmt.Errorf("the model leaves its rank open: give it a shape")
	} else if in.batch >= 0 {
		in.shape[in.batch] = 1
	}
	if owner.Shape != nil && (!spec.Accepts(owner.Shape) || slices.Min(append([]int64{1}, owner.Shape...)) < 1) {
		return in, fmt.Errorf("shape %v does not fit %v", owner.Shape, spec.Shape)
	}
	if spec.Datatype == models.BYTES {
		return in, nil
	}
	return in, in.bound(owner, hints)
}

// bound settles which integers are drawn.
func (i *input) bound(owner InputSpec, hints hints) error {
	i.min, i.max = 0, 1
	if rows, ok := hints.rows[i.spec.Name]; ok {
		i.max = rows - 1
	} else if i.spec.Datatype == models.UINT8 {
		i.max = 255
	} else if len(i.values) == 0 && owner.Min == nil && owner.Max == nil && i.spec.Datatype != models.BOOL {
		for _, v := range hints.compared[i.spec.Name] {
			i.values = append(i.values, float64(v))
		}
	}
	if owner.Min != nil {
		i.min = *owner.Min
	}
	if owner.Max != nil {
		i.max = *owner.Max
	}
	if i.min > i.max {
		return fmt.Errorf("min %d is above max %d", i.min, i.max)
	}
	return nil
}

// hints is what a graph tells about its inputs.
type hints struct {
	rows     map[string]int64   // of the table that an input indexes
	compared map[string][]int64 // integers that an input is compared with
}

func hintsOf(g *onnxpb.GraphProto) hints {
	h := hints{rows: map[string]int64{}, compared: map[string][]int64{}}
	tables := map[string]*onnxpb.TensorProto{}
	for _, t := range g.Initializer {
		tables[t.GetName()] = t
	}
	same := map[string]string{} // a value and the input that it is, in another type
	for _, v := range g.Input {
		same[v.GetName()] = v.GetName()
	}
	for _, n := range g.Node {
		switch n.GetOpType() {
		case "Cast", "Identity":
			if from, ok := same[n.Input[0]]; ok {
				same[n.Output[0]] = from
			}
		case "Constant":
			for _, a := range n.Attribute {
				if a.T != nil {
					tables[n.Output[0]] = a.T
				}
			}
		case "Gather":
			h.gather(n, tables, same)
		case "Equal":
			h.equal(n.Input[0], n.Input[1], tables, same)
			h.equal(n.Input[1], n.Input[0], tables, same)
		}
	}
	return h
}

func (h hints) gather(n *onnxpb.NodeProto, tables map[string]*onnxpb.TensorProto, same map[string]string) {
	axis := int64(0)
	for _, a := range n.Attribute {
		if a.GetName() == "axis" {
			axis = a.GetI()
		}
	}
	table, from := tables[n.Input[0]], same[n.Input[1]]
	if table == nil || from == "" || axis < 0 || int(axis) >= len(table.Dims) {
		return
	}
	if rows, ok := h.rows[from]; !ok || table.Dims[axis] < rows {
		h.rows[from] = table.Dims[axis]
	}
}

func (h hints) equal(value, constant string, tables map[string]*onnxpb.TensorProto, same map[string]string) {
	from, t := same[value], tables[constant]
	if from == "" || t == nil || t.GetDataType() != onnx.ElementType(models.INT64) {
		return
	}
	numbers := slices.Clone(t.Int64Data)
	for i := 0; i+8 <= len(t.RawData); i += 8 {
		numbers = append(numbers, int64(leUint64(t.RawData[i:])))
	}
	if len(numbers) == 1 && !slices.Contains(h.compared[from], numbers[0]) {
		h.compared[from] = append(h.compared[from], numbers[0])
	}
}
