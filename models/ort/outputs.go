package ort

import (
	"runtime"
	"slices"
	"strings"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
)

// shapes is what came out of a run for what went in. Most models answer equal shapes with equal shapes, so the next run
// on such inputs can be given the memory to write its outputs to; the library checks the shapes and fails where the
// model does otherwise.
type shapes struct {
	inputs, outputs [][]int64
}

// remember keeps the shapes of a run that the library allocated the outputs of, if those are all of the model's.
func (s *Session) remember(inputs, outputs []models.Tensor) {
	named := func(o onnx.Output, t models.Tensor) bool { return o.Spec.Name == t.Name }
	if s.varying.Load() || !slices.EqualFunc(s.outputs, outputs, named) {
		return
	}
	s.last.Store(&shapes{inputs: shapesOf(inputs), outputs: shapesOf(outputs)})
}

func shapesOf(tensors []models.Tensor) [][]int64 {
	list := make([][]int64, len(tensors))
	for i, t := range tensors {
		list[i] = slices.Clone(t.Shape)
	}
	return list
}

func (p *shapes) of(inputs []models.Tensor) bool {
	if p == nil || len(p.inputs) != len(inputs) {
		return false
	}
	for i, t := range inputs {
		if !slices.Equal(p.inputs[i], t.Shape) {
			return false
		}
	}
	return true
}

// expected returns the outputs to be written, in their order, or nil when they cannot be foreseen.
func (s *Session) expected(inputs []models.Tensor) []models.Tensor {
	last := s.last.Load()
	if s.varying.Load() || !last.of(inputs) {
		return nil
	}
	tensors := make([]models.Tensor, len(s.outputs))
	for i, o := range s.outputs {
		elements, err := models.Elements(last.outputs[i])
		if err != nil || elements == 0 || len(last.outputs[i]) == 0 || !direct(o) || !o.Spec.Accepts(last.outputs[i]) {
			return nil
		}
		size := elements * int64(o.Spec.Datatype.Size())
		tensors[i] = models.Tensor{Name: o.Spec.Name, Datatype: o.Spec.Datatype, Shape: slices.Clone(last.outputs[i]), Data: aligned(size)}
	}
	return tensors
}

// direct reports whether the graph's value is the caller's as it is.
func direct(o onnx.Output) bool {
	return o.Shape == "" && !o.Widened && o.Spec.Datatype != models.BYTES
}

// alignment is what the library's own memory has. Some of its loops round differently at the ends of an array, and where
// those are depends on the address.
const alignment = 64

func aligned(size int64) []byte {
	data := make([]byte, size+alignment-1)
	skip := -uintptr(unsafe.Pointer(&data[0])) % alignment
	return data[skip : int64(skip)+size : int64(skip)+size]
}

// wrap hands the tensors' memory to the library.
func wrap(tensors []models.Tensor, pinner *runtime.Pinner) ([]ort.Value, error) {
	values := make([]ort.Value, len(tensors))
	for i, t := range tensors {
		pinner.Pin(&t.Data[0])
		v, err := ort.NewCustomDataTensor(ort.Shape(t.Shape), t.Data, ort.TensorElementDataType(onnx.ElementType(t.Datatype)))
		if err != nil {
			destroy(values)
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// isOtherShape reports whether a run failed because an output has another shape than the memory it was given, in the
// words of today's releases of the library or of earlier ones.
func isOtherShape(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "pre-allocated output") || strings.Contains(err.Error(), "shape verification failed"))
}
