package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// IR version 8 and operator set 13 are read by every runtime of the last years and by most converters.
const (
	irVersion    = 8
	defaultOpset = 13
)

// Builder puts a model together. The zero value is not usable; take NewBuilder. Its methods may be called in any order
// as long as nodes come in the order of evaluation.
type Builder struct {
	model *onnxpb.ModelProto
}

// NewBuilder starts a model with a graph of that name.
func NewBuilder(graph string) *Builder {
	return &Builder{model: &onnxpb.ModelProto{
		IrVersion:    proto.Int64(irVersion),
		ProducerName: proto.String("plexus"),
		OpsetImport:  []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(defaultOpset)}},
		Graph:        &onnxpb.GraphProto{Name: proto.String(graph)},
	}}
}

// Opset sets the version of a domain's operators; ONNX's own domain "" starts at 13.
func (b *Builder) Opset(domain string, version int64) {
	for _, o := range b.model.OpsetImport {
		if o.GetDomain() == domain {
			o.Version = proto.Int64(version)
			return
		}
	}
	b.model.OpsetImport = append(b.model.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String(domain), Version: proto.Int64(version)})
}

// Doc sets the text that people read about the model.
func (b *Builder) Doc(text string) { b.model.DocString = proto.String(text) }

// Metadata adds an entry to metadata_props.
func (b *Builder) Metadata(key, value string) {
	b.model.MetadataProps = append(b.model.MetadataProps, &onnxpb.StringStringEntryProto{Key: proto.String(key), Value: proto.String(value)})
}

// Input declares an input of the graph; a dimension of models.Any is free.
func (b *Builder) Input(name string, datatype models.Datatype, shape ...int64) {
	b.model.Graph.Input = append(b.model.Graph.Input, valueInfo(name, datatype, emptyForScalar(shape)))
}

// Output declares an output of the graph, as Input does.
func (b *Builder) Output(name string, datatype models.Datatype, shape ...int64) {
	b.model.Graph.Output = append(b.model.Graph.Output, valueInfo(name, datatype, emptyForScalar(shape)))
}

// OutputOfAnyRank declares an output whose shape the model leaves open.
func (b *Builder) OutputOfAnyRank(name string, datatype models.Datatype) {
	b.model.Graph.Output = append(b.model.Graph.Output, valueInfo(name, datatype, nil))
}

func emptyForScalar(shape []int64) []int64 {
	if shape == nil {
		return []int64{}
	}
	return shape
}

// Attribute is a setting of a node. Make one with Ints, Int or Float.
type Attribute struct{ proto *onnxpb.AttributeProto }

// Int is an attribute that holds one integer.
func Int(name string, value int64) Attribute { return Attribute{intAttribute(name, value)} }

// Ints is an attribute that holds a list of integers.
func Ints(name string, values ...int64) Attribute {
	return Attribute{&onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_INTS.Enum(), Ints: values}}
}

// Float is an attribute that holds one float.
func Float(name string, value float32) Attribute {
	return Attribute{&onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_FLOAT.Enum(), F: proto.Float32(value)}}
}

// Node adds a node of one of ONNX's own operators.
func (b *Builder) Node(op string, inputs, outputs []string, attributes ...Attribute) {
	b.NodeOf("", op, inputs, outputs, attributes...)
}

// NodeOf adds a node of another domain's operator; give the domain a version with Opset.
func (b *Builder) NodeOf(domain, op string, inputs, outputs []string, attributes ...Attribute) {
	protos := make([]*onnxpb.AttributeProto, len(attributes))
	for i, a := range attributes {
		protos[i] = a.proto
	}
	node := newNode(op, inputs, outputs, protos...)
	if domain != "" {
		node.Domain = proto.String(domain)
	}
	b.model.Graph.Node = append(b.model.Graph.Node, node)
}

// Floats adds an FP32 constant of that shape, row-major.
func (b *Builder) Floats(name string, shape []int64, values []float32) {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	b.constant(&onnxpb.TensorProto{
		Name: proto.String(name), Dims: shape, RawData: raw, DataType: proto.Int32(ElementType(models.FP32)),
	})
}

// Int64s adds an INT64 constant of that shape, row-major.
func (b *Builder) Int64s(name string, shape, values []int64) {
	b.constant(int64Tensor(name, shape, values))
}

func (b *Builder) constant(t *onnxpb.TensorProto) {
	b.model.Graph.Initializer = append(b.model.Graph.Initializer, t)
}

// Bytes returns the model as a file's content, the same bytes for the same calls.
func (b *Builder) Bytes() ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(b.model)
	if err != nil {
		return nil, fmt.Errorf("encode model %q: %w", b.model.Graph.GetName(), err)
	}
	return data, nil
}

func newNode(op string, inputs, outputs []string, attributes ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{
		OpType: proto.String(op), Name: proto.String(outputs[0] + "/" + op),
		Input: slices.Clone(inputs), Output: slices.Clone(outputs), Attribute: attributes,
	}
}

func intAttribute(name string, value int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_INT.Enum(), I: proto.Int64(value)}
}

func tensorAttribute(name string, t *onnxpb.TensorProto) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Type: onnxpb.AttributeProto_TENSOR.Enum(), T: t}
}

func int64Tensor(name string, shape, values []int64) *onnxpb.TensorProto {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	t := &onnxpb.TensorProto{Dims: shape, RawData: raw, DataType: proto.Int32(ElementType(models.INT64))}
	if name != "" {
		t.Name = proto.String(name)
	}
	return t
}

// valueInfo declares a tensor; a nil shape leaves the rank open.
func valueInfo(name string, datatype models.Datatype, shape []int64) *onnxpb.ValueInfoProto {
	tensor := &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(ElementType(datatype))}
	if shape != nil {
		tensor.Shape = &onnxpb.TensorShapeProto{}
	}
	for _, size := range shape {
		d := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: size}}
		if size < 0 {
			// Unnamed: a runtime takes dimensions of one name to be of one size, and may share buffers on that ground.
			d.Value = nil
		}
		tensor.Shape.Dim = append(tensor.Shape.Dim, d)
	}
	return &onnxpb.ValueInfoProto{Name: proto.String(name), Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: tensor}}}
}
