package onnx

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// Adapted is a model whose every input and output is a plain tensor of rank 1 or more, of a type that any binding knows.
// The graph computes what it computed before; casts and reshapes stand in front of its ends where they are needed.
type Adapted struct {
	Model   []byte
	Inputs  []Input
	Outputs []Output

	info *Info
}

// Input is one input as callers see it (Spec) and the value of the graph that takes it (Value). With Unsqueezed set the
// caller's scalar is fed as a tensor of shape [1].
type Input struct {
	Spec       models.TensorSpec
	Value      string
	Unsqueezed bool
}

// Output is one output as callers see it (Spec) and the value of the graph that holds it (Value). With Widened set the
// value is FP32 and every element is exactly one of Spec.Datatype (FP16 or BF16). With Shape set the value is flat, and
// that other value of the graph, INT64[rank], holds its shape.
type Output struct {
	Spec    models.TensorSpec
	Value   string
	Shape   string
	Widened bool
}

// Info returns what Inspect returns for the model that was adapted.
func (a *Adapted) Info() *Info { return a.info }

// oldestOpset is the first version of ONNX's operators whose Cast and Reshape have the form used here.
const oldestOpset = 6

// Adapt returns data as a model that gives plain tensors only; data itself when it already does. Errors are Inspect's.
func Adapt(data []byte) (*Adapted, error) {
	p, err := plan(data)
	if err != nil {
		return nil, err
	}
	a := p.Adapted
	a.Model, err = p.apply(data)
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// planned is an Adapted without its bytes, and what has to change in them.
type planned struct {
	Adapted
	dropped []string           // graph inputs that are replaced
	added   *onnxpb.ModelProto // to be merged into the model
}

func plan(data []byte) (*planned, error) {
	model, err := outline(data)
	if err != nil {
		return nil, err
	}
	files, err := externalOf(model)
	if err != nil {
		return nil, err
	}
	p := &planned{
		Adapted: Adapted{info: newInfo(model)},
		added:   &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{}},
	}
	p.info.External = files
	if len(p.info.Opsets) == 0 {
		return nil, fmt.Errorf("%w: it names no operator set", ErrCorrupt)
	}
	if err := checkNames(model.Graph); err != nil {
		return nil, err
	}
	for _, v := range required(model.Graph) {
		if err := p.input(v); err != nil {
			return nil, fmt.Errorf("input %q: %w", v.GetName(), err)
		}
	}
	var first error
	for _, v := range model.Graph.Output {
		if err := p.output(model.Graph, v); err != nil {
			p.info.Unsupported = append(p.info.Unsupported, Unsupported{Name: v.GetName(), Reason: err.Error()})
			first = cmp.Or(first, fmt.Errorf("output %q: %w", v.GetName(), err))
		}
	}
	if len(p.Outputs) == 0 {
		return nil, fmt.Errorf("none of the model's outputs can be given as a tensor; %w", first)
	}
	return p, nil
}

// checkNames refuses a graph in which a caller could not say which tensor is meant.
func checkNames(graph *onnxpb.GraphProto) error {
	for what, values := range map[string][]*onnxpb.ValueInfoProto{"inputs": graph.Input, "outputs": graph.Output} {
		seen := map[string]bool{}
		for _, v := range values {
			if v.GetName() == "" || seen[v.GetName()] {
				return fmt.Errorf("%w: %d %s, and the name %q is not that of one alone", ErrCorrupt, len(values), what, v.GetName())
			}
			seen[v.GetName()] = true
		}
	}
	return nil
}

func (p *planned) input(v *onnxpb.ValueInfoProto) error {
	spec, err := specOf(v)
	if err != nil {
		return err
	}
	in := Input{Spec: spec, Value: spec.Name}
	if isScalar(spec) && !plainScalar(spec.Datatype) {
		in.Unsqueezed, in.Value = true, innerName(spec.Name, "input")
		p.dropped = append(p.dropped, spec.Name)
		p.added.Graph.Input = append(p.added.Graph.Input, valueInfo(in.Value, spec.Datatype, []int64{1}))
		p.node("Squeeze", []string{in.Value}, spec.Name)
	}
	p.Inputs = append(p.Inputs, in)
	p.info.Inputs = append(p.info.Inputs, spec)
	return nil
}

func (p *planned) output(graph *onnxpb.GraphProto, v *onnxpb.ValueInfoProto) error {
	if zipMap := zipMapOf(graph, v.GetName()); zipMap != nil {
		return p.zipMap(v.GetName(), zipMap)
	}
	spec, err := specOf(v)
	if err != nil {
		return err
	}
	out := Output{Spec: spec, Value: spec.Name}
	widen := spec.Datatype == models.FP16 || spec.Datatype == models.BF16
	flatten := spec.Shape == nil || isScalar(spec)
	if (widen || flatten) && !p.canAdd() {
		return fmt.Errorf("%w: it is %s, and the model's operator set %d is older than %d", ErrUnsupported, spec, p.info.Opsets[""], oldestOpset)
	}
	held := spec.Datatype
	if widen {
		out.Widened, held = true, models.FP32
		out.Value = p.node("Cast", []string{out.Value}, innerName(spec.Name, "wide"), intAttribute("to", int64(ElementType(held))))
	}
	if flatten {
		out.Shape = p.node("Shape", []string{out.Value}, innerName(spec.Name, "shape"))
		out.Value = p.reshape(out.Value, innerName(spec.Name, "flat"), models.Any)
		p.exposed(out.Shape, models.INT64, models.Any)
	}
	if out.Value != spec.Name {
		var shape []int64
		if flatten {
			shape = []int64{models.Any}
		}
		p.exposed(out.Value, held, shape...)
	}
	p.Outputs = append(p.Outputs, out)
	p.info.Outputs = append(p.info.Outputs, spec)
	return nil
}

// zipMap gives the matrix that a ZipMap would turn into one map per row: FP32[rows, classes].
func (p *planned) zipMap(name string, zipMap *onnxpb.NodeProto) error {
	labels := zipMapLabels(zipMap)
	if len(labels) == 0 {
		return fmt.Errorf("%w: it is a sequence of maps, and its ZipMap names no classes", ErrUnsupported)
	}
	if !p.canAdd() {
		return fmt.Errorf("%w: it is a sequence of maps, and the model's operator set %d is older than %d", ErrUnsupported, p.info.Opsets[""], oldestOpset)
	}
	shape := []int64{models.Any, int64(len(labels))}
	spec := models.TensorSpec{Name: name, Datatype: models.FP32, Shape: shape}
	value := p.reshape(zipMap.Input[0], innerName(name, "matrix"), shape...)
	p.exposed(value, models.FP32, shape...)
	p.Outputs = append(p.Outputs, Output{Spec: spec, Value: value})
	p.info.Outputs = append(p.info.Outputs, spec)
	p.info.Labels[name] = labels
	return nil
}

// canAdd reports whether nodes may be added, after importing ONNX's operators into a model that uses none of them.
func (p *planned) canAdd() bool {
	version, imported := p.info.Opsets[""]
	if !imported && len(p.added.OpsetImport) == 0 {
		p.added.OpsetImport = []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(defaultOpset)}}
	}
	return !imported || version >= oldestOpset
}

func (p *planned) node(op string, inputs []string, output string, attributes ...*onnxpb.AttributeProto) string {
	p.added.Graph.Node = append(p.added.Graph.Node, newNode(op, inputs, []string{output}, attributes...))
	return output
}

func (p *planned) reshape(value, output string, shape ...int64) string {
	// A Constant and not an initializer: models before IR version 4 must list initializers among their inputs.
	to := p.node("Constant", nil, output+"/shape", tensorAttribute("value", int64Tensor("", []int64{int64(len(shape))}, shape)))
	return p.node("Reshape", []string{value, to}, output)
}

func (p *planned) exposed(value string, datatype models.Datatype, shape ...int64) {
	p.added.Graph.Output = append(p.added.Graph.Output, valueInfo(value, datatype, shape))
}

// apply merges what was added into the model's bytes. A protobuf message that follows another merges into it, so nothing
// has to be decoded; only replaced inputs are cut out first.
func (p *planned) apply(data []byte) ([]byte, error) {
	if proto.Size(p.added.Graph) == 0 {
		return data, nil
	}
	tail, err := proto.MarshalOptions{Deterministic: true}.Marshal(p.added)
	if err != nil {
		return nil, fmt.Errorf("encode what adapts the model: %w", err)
	}
	if len(p.dropped) == 0 {
		return slices.Concat(data, tail), nil
	}
	model, err := mapFields(make([]byte, 0, len(data)+len(tail)), data, func(dst []byte, f field) ([]byte, error) {
		if f.number != fieldModelGraph || f.kind != protowire.BytesType {
			return append(dst, f.raw...), nil
		}
		graph, err := mapFields(nil, f.value, p.withoutDropped)
		return f.replaced(dst, graph), err
	})
	return append(model, tail...), err
}

func (p *planned) withoutDropped(dst []byte, f field) ([]byte, error) {
	if f.number != fieldGraphInput {
		return append(dst, f.raw...), nil
	}
	input := new(onnxpb.ValueInfoProto)
	if err := proto.Unmarshal(f.value, input); err != nil {
		return nil, fmt.Errorf("%w: an input: %w", ErrCorrupt, err)
	}
	if slices.Contains(p.dropped, input.GetName()) {
		return dst, nil
	}
	return append(dst, f.raw...), nil
}

func isScalar(s models.TensorSpec) bool { return s.Shape != nil && len(s.Shape) == 0 }

// plainScalar reports whether the binding can be given a scalar of d.
func plainScalar(d models.Datatype) bool {
	return d != models.FP16 && d != models.BF16 && d != models.BYTES
}

// innerName is a name for a value that we add; the slash form keeps it apart from exporters' names.
func innerName(name, what string) string { return "plexus/" + name + "/" + what }
