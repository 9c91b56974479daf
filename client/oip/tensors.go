package oip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

// ErrContents is returned for a message whose raw and typed contents contradict each other.
var ErrContents = errors.New("contents do not fit the tensors")

// Request is what to ask of a model. An empty Version leaves the choice to the server; no Outputs means all of them.
type Request struct {
	Model   string
	Version string
	ID      string
	Inputs  []models.Tensor
	Outputs []string
}

// Message returns the request with raw contents. It shares memory with the inputs.
func (r Request) Message() *inference.ModelInferRequest {
	m := &inference.ModelInferRequest{ModelName: r.Model, ModelVersion: r.Version, Id: r.ID}
	for _, t := range r.Inputs {
		m.Inputs = append(m.Inputs, &inference.ModelInferRequest_InferInputTensor{
			Name: t.Name, Datatype: string(t.Datatype), Shape: t.Shape})
		m.RawInputContents = append(m.RawInputContents, t.Data)
	}
	for _, name := range r.Outputs {
		m.Outputs = append(m.Outputs, &inference.ModelInferRequest_InferRequestedOutputTensor{Name: name})
	}
	return m
}

// Response is what a model answered.
type Response struct {
	Model   string
	Version string
	ID      string
	Outputs []models.Tensor
}

// Message returns the response with raw contents. It shares memory with the outputs.
func (r Response) Message() *inference.ModelInferResponse {
	m := &inference.ModelInferResponse{ModelName: r.Model, ModelVersion: r.Version, Id: r.ID}
	for _, t := range r.Outputs {
		m.Outputs = append(m.Outputs, &inference.ModelInferResponse_InferOutputTensor{
			Name: t.Name, Datatype: string(t.Datatype), Shape: t.Shape})
		m.RawOutputContents = append(m.RawOutputContents, t.Data)
	}
	return m
}

// Inputs returns the input tensors of a request, which came raw or typed. The error is a *models.TensorError where one
// tensor is at fault and wraps ErrContents where the message is. Whether a raw tensor fills its shape is left to
// models.ValidateInputs, which knows the model's specs and limits.
func Inputs(m *inference.ModelInferRequest) ([]models.Tensor, error) {
	return tensors(m.GetInputs(), m.GetRawInputContents())
}

// Outputs returns the output tensors of a response, raw or typed, under the same rules as Inputs.
func Outputs(m *inference.ModelInferResponse) ([]models.Tensor, error) {
	return tensors(m.GetOutputs(), m.GetRawOutputContents())
}

type wireTensor interface {
	GetName() string
	GetDatatype() string
	GetShape() []int64
	GetContents() *inference.InferTensorContents
}

func tensors[T wireTensor](wire []T, raw [][]byte) ([]models.Tensor, error) {
	if len(raw) > 0 && len(raw) != len(wire) {
		return nil, fmt.Errorf("%w: %d raw contents for %d tensors", ErrContents, len(raw), len(wire))
	}
	out := make([]models.Tensor, len(wire))
	for i, w := range wire {
		out[i] = models.Tensor{Name: w.GetName(), Datatype: models.Datatype(w.GetDatatype()), Shape: w.GetShape()}
		if len(raw) > 0 {
			if w.GetContents() != nil {
				return nil, fmt.Errorf("%w: tensor %q has typed contents beside raw ones", ErrContents, w.GetName())
			}
			out[i].Data = raw[i]
			continue
		}
		data, err := typed(out[i], w.GetContents())
		if err != nil {
			return nil, err
		}
		out[i].Data = data
	}
	return out, nil
}

// typed turns typed contents into raw ones. Only the field that fits the datatype may be filled, with one element per
// element of the shape.
func typed(t models.Tensor, c *inference.InferTensorContents) ([]byte, error) {
	field, ok := fields[t.Datatype]
	if !ok {
		if _, err := models.ParseDatatype(string(t.Datatype)); err != nil {
			return nil, &models.TensorError{Tensor: t.Name, Err: models.ErrDatatype,
				Want: "a datatype of the Open Inference Protocol", Got: fmt.Sprintf("%q", t.Datatype)}
		}
		return nil, &models.TensorError{Tensor: t.Name, Err: models.ErrDatatype,
			Want: "raw contents, because " + string(t.Datatype) + " has no typed form", Got: "typed contents"}
	}
	want, err := models.Elements(t.Shape)
	if err != nil {
		return nil, &models.TensorError{Tensor: t.Name, Err: models.ErrShape,
			Want: "dimensions of 0 or more whose product fits 63 bits", Got: fmt.Sprint(t.Shape)}
	}
	if got := field.count(c); int64(got) != want || total(c) != got {
		return nil, &models.TensorError{Tensor: t.Name, Err: models.ErrLength,
			Want: fmt.Sprintf("%d elements in %s and none elsewhere for %s%v", want, field.name, t.Datatype, t.Shape),
			Got:  fmt.Sprintf("%d there and %d elsewhere", got, total(c)-got)}
	}
	return field.encode(t, c)
}

// total counts the elements of all fields.
func total(c *inference.InferTensorContents) int {
	return len(c.GetBoolContents()) + len(c.GetIntContents()) + len(c.GetInt64Contents()) + len(c.GetUintContents()) +
		len(c.GetUint64Contents()) + len(c.GetFp32Contents()) + len(c.GetFp64Contents()) + len(c.GetBytesContents())
}

// field is where the elements of a datatype stand in typed contents.
type field struct {
	name   string
	count  func(*inference.InferTensorContents) int
	encode func(models.Tensor, *inference.InferTensorContents) ([]byte, error)
}

var fields = map[models.Datatype]field{
	models.BOOL: of("bool_contents", 1, (*inference.InferTensorContents).GetBoolContents,
		func(b []byte, v bool) []byte {
			if v {
				return append(b, 1)
			}
			return append(b, 0)
		}, nil),
	models.INT8: of("int_contents", 1, (*inference.InferTensorContents).GetIntContents,
		func(b []byte, v int32) []byte { return append(b, byte(v)) }, between[int32](math.MinInt8, math.MaxInt8)),
	models.INT16: of("int_contents", 2, (*inference.InferTensorContents).GetIntContents,
		func(b []byte, v int32) []byte { return binary.LittleEndian.AppendUint16(b, uint16(v)) }, between[int32](math.MinInt16, math.MaxInt16)),
	models.INT32: of("int_contents", 4, (*inference.InferTensorContents).GetIntContents,
		func(b []byte, v int32) []byte { return binary.LittleEndian.AppendUint32(b, uint32(v)) }, nil),
	models.INT64: of("int64_contents", 8, (*inference.InferTensorContents).GetInt64Contents,
		func(b []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) }, nil),
	models.UINT8: of("uint_contents", 1, (*inference.InferTensorContents).GetUintContents,
		func(b []byte, v uint32) []byte { return append(b, byte(v)) }, between[uint32](0, math.MaxUint8)),
	models.UINT16: of("uint_contents", 2, (*inference.InferTensorContents).GetUintContents,
		func(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint16(b, uint16(v)) }, between[uint32](0, math.MaxUint16)),
	models.UINT32: of("uint_contents", 4, (*inference.InferTensorContents).GetUintContents,
		binary.LittleEndian.AppendUint32, nil),
	models.UINT64: of("uint64_contents", 8, (*inference.InferTensorContents).GetUint64Contents,
		binary.LittleEndian.AppendUint64, nil),
	models.FP32: of("fp32_contents", 4, (*inference.InferTensorContents).GetFp32Contents,
		func(b []byte, v float32) []byte { return binary.LittleEndian.AppendUint32(b, math.Float32bits(v)) }, nil),
	models.FP64: of("fp64_contents", 8, (*inference.InferTensorContents).GetFp64Contents,
		func(b []byte, v float64) []byte { return binary.LittleEndian.AppendUint64(b, math.Float64bits(v)) }, nil),
	models.BYTES: of("bytes_contents", 4, (*inference.InferTensorContents).GetBytesContents,
		func(b []byte, v []byte) []byte {
			return append(binary.LittleEndian.AppendUint32(b, uint32(len(v))), v...)
		}, nil),
}

// of describes a field: its elements, how many bytes one takes at least, how one is written and which are allowed.
func of[T any](name string, size int, get func(*inference.InferTensorContents) []T, put func([]byte, T) []byte, allowed func(T) error) field {
	return field{
		name:  name,
		count: func(c *inference.InferTensorContents) int { return len(get(c)) },
		encode: func(t models.Tensor, c *inference.InferTensorContents) ([]byte, error) {
			values := get(c)
			data := make([]byte, 0, size*len(values))
			for i, v := range values {
				if allowed != nil {
					if err := allowed(v); err != nil {
						return nil, &models.TensorError{Tensor: t.Name, Err: models.ErrValue,
							Want: err.Error() + " for " + string(t.Datatype), Got: fmt.Sprintf("%v at element %d", v, i)}
					}
				}
				data = put(data, v)
			}
			return data, nil
		},
	}
}

func between[T int32 | uint32](low, high T) func(T) error {
	return func(v T) error {
		if v < low || v > high {
			return fmt.Errorf("%d to %d", low, high)
		}
		return nil
	}
}
