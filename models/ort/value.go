package ort

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
)

var errValue = errors.New("the library returned something else than the model declares")

// toValue hands a validated tensor to the library, without a copy where its memory allows. The value must be destroyed
// before the pinner lets go.
func toValue(t models.Tensor, unsqueezed bool, pinner *runtime.Pinner) (ort.Value, error) {
	shape := ort.Shape(t.Shape)
	if unsqueezed {
		shape = ort.NewShape(1)
	}
	if t.Datatype == models.BYTES {
		return stringValue(t, shape)
	}
	if len(shape) == 0 {
		return scalarValue(t)
	}
	size := t.Datatype.Size()
	data := t.Data
	switch {
	case len(data) == 0:
		data = make([]byte, size) // an empty tensor still needs somewhere to point
	case uintptr(unsafe.Pointer(&data[0]))%uintptr(size) != 0:
		data = slices.Clone(data) // a slice out of a larger message may start anywhere
	}
	pinner.Pin(&data[0])
	return ort.NewCustomDataTensor(shape, data, ort.TensorElementDataType(onnx.ElementType(t.Datatype)))
}

func stringValue(t models.Tensor, shape ort.Shape) (ort.Value, error) {
	elements, err := t.Strings()
	if err != nil {
		return nil, err
	}
	if len(shape) == 0 {
		return nil, unknownRankScalar(t)
	}
	for i, e := range elements {
		if strings.IndexByte(e, 0) >= 0 {
			return nil, &models.TensorError{Tensor: t.Name, Err: models.ErrValue, Want: "text without zero bytes", Got: fmt.Sprintf("one in element %d", i)}
		}
	}
	v, err := ort.NewStringTensor(shape)
	if err != nil {
		return nil, err
	}
	if err := v.SetContents(elements); err != nil {
		_ = v.Destroy()
		return nil, err
	}
	return v, nil
}

// unknownRankScalar is for a scalar given to an input whose rank the model leaves open, of a type the binding has no
// scalar for. Where the model says that it wants a scalar, models/onnx has arranged for a tensor instead.
func unknownRankScalar(t models.Tensor) error {
	return &models.TensorError{Tensor: t.Name, Err: models.ErrShape, Want: fmt.Sprintf("one dimension or more for %s here", t.Datatype), Got: "a scalar"}
}

func scalarValue(t models.Tensor) (ort.Value, error) {
	d := t.Data
	switch t.Datatype {
	case models.BOOL:
		return ort.NewScalar(d[0] == 1)
	case models.UINT8:
		return ort.NewScalar(d[0])
	case models.INT8:
		return ort.NewScalar(int8(d[0]))
	case models.UINT16:
		return ort.NewScalar(binary.LittleEndian.Uint16(d))
	case models.INT16:
		return ort.NewScalar(int16(binary.LittleEndian.Uint16(d)))
	case models.UINT32:
		return ort.NewScalar(binary.LittleEndian.Uint32(d))
	case models.INT32:
		return ort.NewScalar(int32(binary.LittleEndian.Uint32(d)))
	case models.UINT64:
		return ort.NewScalar(binary.LittleEndian.Uint64(d))
	case models.INT64:
		return ort.NewScalar(int64(binary.LittleEndian.Uint64(d)))
	case models.FP32:
		return ort.NewScalar(math.Float32frombits(binary.LittleEndian.Uint32(d)))
	case models.FP64:
		return ort.NewScalar(math.Float64frombits(binary.LittleEndian.Uint64(d)))
	default:
		return nil, unknownRankScalar(t)
	}
}

// fromValues makes the tensor for one output out of its value and, where it has one, the shape behind it.
func fromValues(o onnx.Output, results []ort.Value) (models.Tensor, error) {
	t, err := fromValue(results[0])
	if err != nil {
		return models.Tensor{}, err
	}
	t.Name = o.Spec.Name
	if o.Shape != "" {
		shape, ok := results[1].(*ort.Tensor[int64])
		if !ok {
			return models.Tensor{}, fmt.Errorf("%w: a shape of %T", errValue, results[1])
		}
		t.Shape = slices.Clone(shape.GetData())
	}
	if o.Widened {
		return narrow(t, o.Spec.Datatype)
	}
	return t, nil
}

func fromValue(v ort.Value) (models.Tensor, error) {
	switch v := v.(type) {
	case *ort.Tensor[float32]:
		return plain(models.FP32, v), nil
	case *ort.Tensor[float64]:
		return plain(models.FP64, v), nil
	case *ort.Tensor[int8]:
		return plain(models.INT8, v), nil
	case *ort.Tensor[int16]:
		return plain(models.INT16, v), nil
	case *ort.Tensor[int32]:
		return plain(models.INT32, v), nil
	case *ort.Tensor[int64]:
		return plain(models.INT64, v), nil
	case *ort.Tensor[uint8]:
		return plain(models.UINT8, v), nil
	case *ort.Tensor[uint16]:
		return plain(models.UINT16, v), nil
	case *ort.Tensor[uint32]:
		return plain(models.UINT32, v), nil
	case *ort.Tensor[uint64]:
		return plain(models.UINT64, v), nil
	case *ort.Tensor[bool]:
		return plain(models.BOOL, v), nil
	case *ort.StringTensor:
		elements, err := v.GetContents()
		return models.FromStrings("", v.GetShape(), elements), err
	default:
		return models.Tensor{}, fmt.Errorf("%w: %T", errValue, v)
	}
}

// plain takes over the Go memory that the binding copied an output into.
func plain[T ort.TensorData](datatype models.Datatype, v *ort.Tensor[T]) models.Tensor {
	t := models.Tensor{Datatype: datatype, Shape: v.GetShape(), Data: []byte{}}
	if elements := v.GetData(); len(elements) > 0 {
		t.Data = unsafe.Slice((*byte)(unsafe.Pointer(&elements[0])), len(elements)*datatype.Size())
	}
	return t
}

// narrow turns FP32 elements, each exactly a value of datatype (FP16 or BF16), into that datatype.
func narrow(t models.Tensor, datatype models.Datatype) (models.Tensor, error) {
	wide, err := t.Float32s()
	if err != nil {
		return models.Tensor{}, fmt.Errorf("%w: %w", errValue, err)
	}
	convert := halfBits
	if datatype == models.BF16 {
		convert = func(f float32) uint16 { return uint16(math.Float32bits(f) >> 16) }
	}
	data := make([]byte, 0, 2*len(wide))
	for _, f := range wide {
		data = binary.LittleEndian.AppendUint16(data, convert(f))
	}
	t.Datatype, t.Data = datatype, data
	return t, nil
}

// halfBits returns the IEEE 754 half float that equals f. It is exact for what was a half float before (a NaN keeps the
// upper bits of its payload); it does not round.
func halfBits(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits>>16) & 0x8000
	exponent := int(bits>>23) & 0xff
	fraction := bits & 0x7fffff
	switch {
	case exponent == 0xff: // infinity, NaN
		return sign | 0x7c00 | uint16(fraction>>13)
	case exponent >= 127-14: // normal
		return sign | uint16(exponent-(127-15))<<10 | uint16(fraction>>13)
	case exponent == 0: // zero: the smallest half is a normal float
		return sign
	default: // subnormal half: the leading one becomes explicit and moves right
		return sign | uint16((fraction|0x800000)>>(126-exponent))
	}
}
