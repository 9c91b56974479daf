package quantize

import (
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// zeroByte is the unsigned byte that stands for 0.
const zeroByte = 128

// integerOpset is the first version of ONNX's operators with DynamicQuantizeLinear and ConvInteger.
const integerOpset = 11

// sinceOpset7 are operators that mean the same in every version from 7 to integerOpset, so that a model of nothing else
// may be said to be of the newer version.
var sinceOpset7 = []string{
	"Add", "And", "AveragePool", "BatchNormalization", "Cast", "Concat", "Constant", "ConstantOfShape", "Conv", "Div", "Elu",
	"Exp", "Flatten", "GRU", "Gather", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity", "LSTM", "LeakyRelu", "Log",
	"MatMul", "MaxPool", "Mul", "Neg", "Not", "Pow", "RNN", "Relu", "Reshape", "Shape", "Sigmoid", "Softmax", "Sqrt", "Sub", "Sum",
	"Tanh", "Transpose",
}

// toIntegers makes products with a constant matrix and convolutions compute in 8-bit integers, their inputs quantised as
// they come. Weights of other operators are rounded as by INT8Weights.
func (r *rewriter) toIntegers() {
	weights := map[string]*onnxpb.TensorProto{}
	for _, t := range r.model.Graph.Initializer {
		weights[t.GetName()] = t
	}
	convolve := r.raiseOpset()
	eachGraph(r.model.Graph, func(g *onnxpb.GraphProto) {
		nodes := make([]*onnxpb.NodeProto, 0, len(g.Node))
		for _, n := range g.Node {
			nodes = append(nodes, r.integerForm(n, weights, convolve)...)
		}
		g.Node = nodes
	})
	r.dropUnread()
	r.roundAll(bytesPerTensor)
}

// dropUnread leaves out the weights that no node reads any more: the 32-bit ones that have an 8-bit form beside them.
func (r *rewriter) dropUnread() {
	read := map[string]bool{}
	eachGraph(r.model.Graph, func(g *onnxpb.GraphProto) {
		for _, o := range g.Output {
			read[o.GetName()] = true
		}
		for _, n := range g.Node {
			for _, name := range n.Input {
				read[name] = true
			}
		}
	})
	unread := map[string]bool{}
	g := r.model.Graph
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *onnxpb.TensorProto) bool {
		unread[t.GetName()] = !read[t.GetName()]
		return unread[t.GetName()]
	})
	g.Input = slices.DeleteFunc(g.Input, func(v *onnxpb.ValueInfoProto) bool { return unread[v.GetName()] }) // old files list weights there, too
}

// raiseOpset reports whether the model can use ConvInteger, after raising its version where that changes nothing.
func (r *rewriter) raiseOpset() bool {
	own := r.opset("")
	if own == nil || own.GetVersion() >= integerOpset {
		return own != nil
	}
	if own.GetVersion() < 7 {
		return false
	}
	same := true
	eachNode(r.model.Graph, func(_ *onnxpb.GraphProto, n *onnxpb.NodeProto) {
		same = same && n.GetDomain() == "" && slices.Contains(sinceOpset7, n.GetOpType())
	})
	if same {
		own.Version = proto.Int64(integerOpset)
	}
	return same
}

// integerForm returns the nodes that compute what n does in integers, or n itself.
func (r *rewriter) integerForm(n *onnxpb.NodeProto, weights map[string]*onnxpb.TensorProto, convolve bool) []*onnxpb.NodeProto {
	if len(n.Input) < 2 || n.GetDomain() != "" {
		return []*onnxpb.NodeProto{n}
	}
	w := weights[n.Input[1]]
	values := floatsOf(w)
	var made []*onnxpb.NodeProto
	switch {
	case len(values) == 0:
	case n.GetOpType() == "MatMul" && len(w.Dims) == 2:
		made = r.product(n, n.Output[0], w.Dims, values)
	case n.GetOpType() == "Gemm" && isPlainGemm(n):
		made = r.gemm(n, w.Dims, values)
	case n.GetOpType() == "Conv" && convolve && len(w.Dims) == 4:
		made = r.convolution(n, w, values)
	}
	if made == nil {
		return []*onnxpb.NodeProto{n}
	}
	r.report.Nodes++
	return made
}

func isPlainGemm(n *onnxpb.NodeProto) bool {
	return intOf(n, "transA", 0) == 0 && floatOf(n, "alpha", 1) == 1 && floatOf(n, "beta", 1) == 1
}

// product is n's first input times a matrix, by ONNX Runtime's own operator, which older models can use too.
func (r *rewriter) product(n *onnxpb.NodeProto, output string, dims []int64, values []float32) []*onnxpb.NodeProto {
	r.needOpset(microsoftDomain, 1)
	quantised, scale, zero := r.quantised(output, dims, values)
	return []*onnxpb.NodeProto{newNode(microsoftDomain, "DynamicQuantizeMatMul", []string{n.Input[0], quantised, scale, zero}, output)}
}

func (r *rewriter) gemm(n *onnxpb.NodeProto, dims []int64, values []float32) []*onnxpb.NodeProto {
	if intOf(n, "transB", 0) != 0 {
		rows, columns := dims[0], dims[1]
		turned := make([]float32, len(values))
		for i := range rows {
			for j := range columns {
				turned[j*rows+i] = values[i*columns+j]
			}
		}
		dims, values = []int64{columns, rows}, turned
	}
	if len(n.Input) < 3 || n.Input[2] == "" {
		return r.product(n, n.Output[0], dims, values)
	}
	inner := "plexus/" + n.Output[0] + "/product"
	return append(r.product(n, inner, dims, values), newNode("", "Add", []string{inner, n.Input[2]}, n.Output[0]))
}

func (r *rewriter) convolution(n *onnxpb.NodeProto, w *onnxpb.TensorProto, values []float32) []*onnxpb.NodeProto {
	name := func(part string) string { return "plexus/" + n.Output[0] + "/" + part }
	quantised, scale, zero := r.quantised(n.Output[0], w.Dims, values)
	integers := newNode("", "ConvInteger", []string{name("x"), quantised, name("x zero"), zero}, name("sums"))
	integers.Attribute = n.Attribute
	nodes := []*onnxpb.NodeProto{
		newNode("", "DynamicQuantizeLinear", []string{n.Input[0]}, name("x"), name("x scale"), name("x zero")),
		integers,
		castNode(name("sums"), name("float sums"), typeFloat),
		newNode("", "Mul", []string{name("x scale"), scale}, name("scale")),
	}
	if len(n.Input) < 3 || n.Input[2] == "" {
		return append(nodes, newNode("", "Mul", []string{name("float sums"), name("scale")}, n.Output[0]))
	}
	r.addTensor(&onnxpb.TensorProto{
		Name: proto.String(name("bias shape")), Dims: []int64{4}, DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)), Int64Data: []int64{1, -1, 1, 1},
	})
	return append(nodes,
		newNode("", "Mul", []string{name("float sums"), name("scale")}, name("product")),
		newNode("", "Reshape", []string{n.Input[2], name("bias shape")}, name("bias")),
		newNode("", "Add", []string{name("product"), name("bias")}, n.Output[0]))
}

// quantised adds a weight as unsigned bytes around zeroByte and returns the names of bytes, scale and zero point.
func (r *rewriter) quantised(of string, dims []int64, values []float32) (bytes, scale, zero string) {
	step := byteScale(values)
	if step == 0 {
		step = 1
	}
	raw := make([]byte, len(values))
	for i, v := range values {
		raw[i] = byte(zeroByte + int(math.RoundToEven(float64(v/step))))
	}
	bytes, scale, zero = "plexus/"+of+"/w", "plexus/"+of+"/w scale", "plexus/"+of+"/w zero"
	r.addTensor(&onnxpb.TensorProto{Name: proto.String(bytes), Dims: dims, DataType: proto.Int32(typeUint8), RawData: raw})
	r.addTensor(&onnxpb.TensorProto{Name: proto.String(zero), DataType: proto.Int32(typeUint8), RawData: []byte{zeroByte}})
	t := &onnxpb.TensorProto{Name: proto.String(scale), DataType: proto.Int32(typeFloat)}
	setFloats(t, []float32{step})
	r.addTensor(t)
	return bytes, scale, zero
}

// addTensor adds a constant. Models before IR version 4 must list their constants among the inputs too.
func (r *rewriter) addTensor(t *onnxpb.TensorProto) {
	g := r.model.Graph
	g.Initializer = append(g.Initializer, t)
	if r.model.GetIrVersion() >= 4 {
		return
	}
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range t.Dims {
		shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	g.Input = append(g.Input, &onnxpb.ValueInfoProto{Name: t.Name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(t.GetDataType()), Shape: shape},
	}}})
}
