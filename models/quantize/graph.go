package quantize

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/proto"

	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// Domains of operators beside ONNX's own, which is "".
const (
	mlDomain        = "ai.onnx.ml"
	microsoftDomain = "com.microsoft"
)

const (
	typeFloat = int32(onnxpb.TensorProto_FLOAT)
	typeHalf  = int32(onnxpb.TensorProto_FLOAT16)
	typeUint8 = int32(onnxpb.TensorProto_UINT8)
)

// eachGraph visits a graph and every graph inside its nodes, outer ones first.
func eachGraph(g *onnxpb.GraphProto, visit func(*onnxpb.GraphProto)) {
	visit(g)
	for _, n := range g.Node {
		for _, a := range n.Attribute {
			if a.G != nil {
				eachGraph(a.G, visit)
			}
			for _, inner := range a.Graphs {
				eachGraph(inner, visit)
			}
		}
	}
}

func eachNode(g *onnxpb.GraphProto, visit func(*onnxpb.GraphProto, *onnxpb.NodeProto)) {
	eachGraph(g, func(g *onnxpb.GraphProto) {
		for _, n := range g.Node {
			visit(g, n)
		}
	})
}

// floatsOf returns a copy of a 32-bit float tensor's values, or nil for another type.
func floatsOf(t *onnxpb.TensorProto) []float32 {
	if t.GetDataType() != typeFloat {
		return nil
	}
	if len(t.RawData) == 0 {
		return append([]float32{}, t.FloatData...)
	}
	values := make([]float32, len(t.RawData)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.RawData[4*i:]))
	}
	return values
}

func setFloats(t *onnxpb.TensorProto, values []float32) {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	t.RawData, t.FloatData = raw, nil
}

// halve turns a 32-bit float tensor into one of half floats and reports whether it was one.
func halve(t *onnxpb.TensorProto) bool {
	values := floatsOf(t)
	if values == nil {
		return false
	}
	raw := make([]byte, 0, 2*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint16(raw, halfBits(v))
	}
	t.DataType, t.RawData, t.FloatData = proto.Int32(typeHalf), raw, nil
	return true
}

func attribute(n *onnxpb.NodeProto, name string) *onnxpb.AttributeProto {
	for _, a := range n.Attribute {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

func intOf(n *onnxpb.NodeProto, name string, missing int64) int64 {
	if a := attribute(n, name); a != nil {
		return a.GetI()
	}
	return missing
}

func floatOf(n *onnxpb.NodeProto, name string, missing float32) float32 {
	if a := attribute(n, name); a != nil {
		return a.GetF()
	}
	return missing
}

func newNode(domain, op string, inputs []string, outputs ...string) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{
		Domain: proto.String(domain), OpType: proto.String(op), Name: proto.String("plexus/" + outputs[0] + "/" + op),
		Input: inputs, Output: outputs,
	}
}

func castNode(from, to string, elementType int32) *onnxpb.NodeProto {
	n := newNode("", "Cast", []string{from}, to)
	n.Attribute = []*onnxpb.AttributeProto{{Name: proto.String("to"), Type: onnxpb.AttributeProto_INT.Enum(), I: proto.Int64(int64(elementType))}}
	return n
}

// rename changes the names of values that nodes read and write, also inside the graphs of nodes.
func rename(g *onnxpb.GraphProto, to map[string]string) {
	swap := func(names []string) {
		for i, name := range names {
			if other, ok := to[name]; ok {
				names[i] = other
			}
		}
	}
	eachNode(g, func(_ *onnxpb.GraphProto, n *onnxpb.NodeProto) {
		swap(n.Input)
		swap(n.Output)
	})
	eachGraph(g, func(inner *onnxpb.GraphProto) {
		if inner == g {
			return
		}
		for _, v := range inner.Output { // an inner graph may give an outer value as it is
			if other, ok := to[v.GetName()]; ok {
				v.Name = proto.String(other)
			}
		}
	})
}

// opset returns the version of a domain's operators that the model imports, 0 for none.
func (r *rewriter) opset(domain string) *onnxpb.OperatorSetIdProto {
	for _, o := range r.model.OpsetImport {
		if o.GetDomain() == domain || domain == "" && o.GetDomain() == "ai.onnx" {
			return o
		}
	}
	return nil
}

func (r *rewriter) needOpset(domain string, version int64) {
	if r.opset(domain) == nil {
		r.model.OpsetImport = append(r.model.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String(domain), Version: proto.Int64(version)})
	}
}
