package onnx

import (
	"cmp"
	"fmt"

	"github.com/plexusnet/plexus/models"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

var elementTypes = map[models.Datatype]onnxpb.TensorProto_DataType{
	models.BOOL:   onnxpb.TensorProto_BOOL,
	models.UINT8:  onnxpb.TensorProto_UINT8,
	models.UINT16: onnxpb.TensorProto_UINT16,
	models.UINT32: onnxpb.TensorProto_UINT32,
	models.UINT64: onnxpb.TensorProto_UINT64,
	models.INT8:   onnxpb.TensorProto_INT8,
	models.INT16:  onnxpb.TensorProto_INT16,
	models.INT32:  onnxpb.TensorProto_INT32,
	models.INT64:  onnxpb.TensorProto_INT64,
	models.FP16:   onnxpb.TensorProto_FLOAT16,
	models.FP32:   onnxpb.TensorProto_FLOAT,
	models.FP64:   onnxpb.TensorProto_DOUBLE,
	models.BF16:   onnxpb.TensorProto_BFLOAT16,
	models.BYTES:  onnxpb.TensorProto_STRING,
}

// ElementType returns ONNX's element type (TensorProto.DataType) for d, or 0 when d is no datatype.
func ElementType(d models.Datatype) int32 { return int32(elementTypes[d]) }

// DatatypeOf returns the datatype for an ONNX element type, and false for one that the Open Inference Protocol has no
// name for (complex numbers, 8-bit and 4-bit floats).
func DatatypeOf(elementType int32) (models.Datatype, bool) {
	for d, t := range elementTypes {
		if int32(t) == elementType {
			return d, true
		}
	}
	return "", false
}

// specOf returns the tensor that v declares, or an error (ErrUnsupported) that says why it is no plain tensor.
func specOf(v *onnxpb.ValueInfoProto) (models.TensorSpec, error) {
	spec := models.TensorSpec{Name: v.GetName()}
	tensor := v.GetType().GetTensorType()
	if tensor == nil {
		return spec, fmt.Errorf("%w: it is %s, not a tensor", ErrUnsupported, kindOf(v.GetType()))
	}
	datatype, ok := DatatypeOf(tensor.GetElemType())
	if !ok {
		return spec, fmt.Errorf("%w: its elements are %s (ONNX type %d), which the Open Inference Protocol has no datatype for; cast it inside the model",
			ErrUnsupported, elementName(tensor.GetElemType()), tensor.GetElemType())
	}
	spec.Datatype = datatype
	if tensor.Shape == nil {
		return spec, nil
	}
	spec.Shape = make([]int64, 0, len(tensor.Shape.Dim))
	for _, d := range tensor.Shape.Dim {
		size := models.Any
		if v, fixed := d.Value.(*onnxpb.TensorShapeProto_Dimension_DimValue); fixed && v.DimValue >= 0 {
			size = v.DimValue
		}
		spec.Shape = append(spec.Shape, size)
	}
	return spec, nil
}

// elementName returns what ONNX calls an element type, those included that are newer than our copy of its format.
func elementName(elementType int32) string {
	if name, ok := onnxpb.TensorProto_DataType_name[elementType]; ok {
		return name
	}
	newer := map[int32]string{17: "FLOAT8E4M3FN", 18: "FLOAT8E4M3FNUZ", 19: "FLOAT8E5M2", 20: "FLOAT8E5M2FNUZ",
		21: "UINT4", 22: "INT4", 23: "FLOAT4E2M1", 24: "FLOAT8E8M0", 25: "UINT2", 26: "INT2"}
	return cmp.Or(newer[elementType], "of an unknown kind")
}

func kindOf(t *onnxpb.TypeProto) string {
	switch v := t.GetValue().(type) {
	case *onnxpb.TypeProto_SequenceType:
		return "a sequence of " + elementKind(v.SequenceType.GetElemType())
	case *onnxpb.TypeProto_MapType:
		return "a map"
	case *onnxpb.TypeProto_OptionalType:
		return "an optional value"
	case *onnxpb.TypeProto_SparseTensorType:
		return "a sparse tensor"
	default:
		return "a value whose type the file leaves out"
	}
}

func elementKind(t *onnxpb.TypeProto) string {
	switch t.GetValue().(type) {
	case *onnxpb.TypeProto_TensorType:
		return "tensors"
	case *onnxpb.TypeProto_MapType:
		return "maps"
	default:
		return "values"
	}
}
