package quantize

import (
	"cmp"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models/onnx"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// toHalf makes every 32-bit float of the model a half float: weights, constants and what flows between nodes. The
// model's own inputs and outputs stay 32-bit behind casts. ONNX Runtime's CPU provider computes few operators in half
// floats; around the others it puts casts of its own, so that still every value between two nodes has 11 bits.
func (r *rewriter) toHalf() error {
	var unknown error
	eachGraph(r.model.Graph, func(g *onnxpb.GraphProto) {
		if err := r.halveGraph(g); err != nil && unknown == nil {
			unknown = err
		}
	})
	if unknown != nil {
		return unknown
	}
	r.castEnds()
	return nil
}

func (r *rewriter) halveGraph(g *onnxpb.GraphProto) error {
	g.ValueInfo = nil // the types it tells are no longer true; the runtime infers them
	for _, t := range g.Initializer {
		if halve(t) {
			r.report.Weights++
		}
	}
	if g != r.model.Graph {
		halveTypes(g.Input)
		halveTypes(g.Output)
	}
	nodes := make([]*onnxpb.NodeProto, 0, len(g.Node))
	for _, n := range g.Node {
		before, after, err := r.halveNode(n)
		if err != nil {
			return err
		}
		nodes = append(nodes, before...)
		nodes = append(nodes, n)
		nodes = append(nodes, after...)
	}
	g.Node = nodes
	return nil
}

func halveTypes(values []*onnxpb.ValueInfoProto) {
	for _, v := range values {
		if t := v.GetType().GetTensorType(); t.GetElemType() == typeFloat {
			t.ElemType = proto.Int32(typeHalf)
		}
	}
}

// halveNode changes what a node says of types and returns the casts that must stand before and after it.
func (r *rewriter) halveNode(n *onnxpb.NodeProto) (before, after []*onnxpb.NodeProto, err error) {
	switch n.GetDomain() {
	case "", "ai.onnx":
	case mlDomain:
		return r.halveClassical(n)
	default:
		return nil, nil, fmt.Errorf("%w: operator %s of domain %q in half floats", onnx.ErrUnsupported, n.GetOpType(), n.GetDomain())
	}
	r.report.Nodes++
	switch n.GetOpType() {
	case "Cast":
		halveTypeAttribute(n, "to")
	case "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "EyeLike", "Multinomial":
		halveTypeAttribute(n, "dtype")
	case "ConstantOfShape":
		if attribute(n, "value") == nil {
			n.Attribute = append(n.Attribute, tensorAttribute("value", []int64{1}, []float32{0}))
		}
		halve(attribute(n, "value").T)
	case "Constant":
		halveConstant(n)
	case "DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear", "Resize", "Upsample":
		return nil, nil, fmt.Errorf("%w: operator %s in half floats", onnx.ErrUnsupported, n.GetOpType())
	}
	return nil, nil, nil
}

func halveTypeAttribute(n *onnxpb.NodeProto, name string) {
	if a := attribute(n, name); a.GetI() == int64(typeFloat) {
		a.I = proto.Int64(int64(typeHalf))
	}
}

func halveConstant(n *onnxpb.NodeProto) {
	for i, a := range n.Attribute {
		switch a.GetName() {
		case "value":
			halve(a.T)
		case "value_float":
			n.Attribute[i] = tensorAttribute("value", nil, []float32{a.GetF()})
			halve(n.Attribute[i].T)
		case "value_floats":
			n.Attribute[i] = tensorAttribute("value", []int64{int64(len(a.Floats))}, a.Floats)
			halve(n.Attribute[i].T)
		}
	}
}

// floatOutputs tells which outputs of the classical models' operators are 32-bit floats, whatever comes in.
var floatOutputs = map[string][]int{
	"TreeEnsembleClassifier": {1}, "LinearClassifier": {1}, "SVMClassifier": {1},
	"TreeEnsembleRegressor": {0}, "LinearRegressor": {0}, "SVMRegressor": {0}, "Normalizer": {0}, "Scaler": {0},
	"ZipMap": {},
}

// halveClassical keeps a classical model's operator in 32 bits, since it has no other form; the numbers in its attributes
// are rounded.
func (r *rewriter) halveClassical(n *onnxpb.NodeProto) (before, after []*onnxpb.NodeProto, err error) {
	floats, known := floatOutputs[n.GetOpType()]
	if !known {
		return nil, nil, fmt.Errorf("%w: operator %s of domain %q in half floats", onnx.ErrUnsupported, n.GetOpType(), n.GetDomain())
	}
	r.roundNode(n, halves)
	before, after = castAround(n, floats)
	return before, after, nil
}

// castAround returns the casts that let a node compute in 32 bits among half floats.
func castAround(n *onnxpb.NodeProto, floats []int) (before, after []*onnxpb.NodeProto) {
	of := cmp.Or(n.Output...) // an output may be left out, not all of them
	for i, name := range n.Input {
		if name == "" {
			continue
		}
		wide := fmt.Sprintf("plexus/%s/input %d", of, i)
		before = append(before, castNode(name, wide, typeFloat))
		n.Input[i] = wide
	}
	for _, i := range floats {
		if i >= len(n.Output) || n.Output[i] == "" {
			continue
		}
		wide := "plexus/" + n.Output[i] + "/wide"
		after = append(after, castNode(wide, n.Output[i], typeHalf))
		n.Output[i] = wide
	}
	return before, after
}

// castEnds keeps the types of the model's own inputs and outputs.
func (r *rewriter) castEnds() {
	g := r.model.Graph
	weights := map[string]bool{}
	for _, t := range g.Initializer {
		weights[t.GetName()] = true
	}
	inner := map[string]string{}
	var before, after []*onnxpb.NodeProto
	for _, v := range g.Input {
		t := v.GetType().GetTensorType()
		switch {
		case t.GetElemType() != typeFloat:
		case weights[v.GetName()]: // models before IR version 4 list their weights too
			t.ElemType = proto.Int32(typeHalf)
		default:
			inner[v.GetName()] = "plexus/" + v.GetName() + "/half"
			before = append(before, castNode(v.GetName(), inner[v.GetName()], typeHalf))
		}
	}
	for _, v := range g.Output {
		if v.GetType().GetTensorType().GetElemType() != typeFloat {
			continue
		}
		inner[v.GetName()] = "plexus/" + v.GetName() + "/half"
		after = append(after, castNode(inner[v.GetName()], v.GetName(), typeFloat))
	}
	rename(g, inner)
	g.Node = append(append(before, g.Node...), after...)
}

func tensorAttribute(name string, dims []int64, values []float32) *onnxpb.AttributeProto {
	t := &onnxpb.TensorProto{Dims: dims, DataType: proto.Int32(typeFloat)}
	setFloats(t, values)
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_TENSOR.Enum(), T: t}
}
