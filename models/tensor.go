package models

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// Any is the size of a dimension that is free, such as a batch.
const Any int64 = -1

// TensorSpec says what a model takes or gives under one name. Shape holds one size per dimension, Any where it is free;
// an empty Shape is a scalar and a nil Shape means that the model leaves the rank open.
type TensorSpec struct {
	Name     string   `json:"name"`
	Datatype Datatype `json:"datatype"`
	Shape    []int64  `json:"shape"`
}

// String reads like: image FP32[-1 1 28 28]; an open rank shows as [...].
func (s TensorSpec) String() string {
	if s.Shape == nil {
		return fmt.Sprintf("%s %s[...]", s.Name, s.Datatype)
	}
	return fmt.Sprintf("%s %s%v", s.Name, s.Datatype, s.Shape)
}

// Accepts reports whether a tensor of that shape may be given for s.
func (s TensorSpec) Accepts(shape []int64) bool {
	if s.Shape == nil {
		return true
	}
	if len(shape) != len(s.Shape) {
		return false
	}
	for i, want := range s.Shape {
		if want >= 0 && shape[i] != want {
			return false
		}
	}
	return true
}

// Tensor is a named array. Data is little-endian and row-major, as in OIP's raw contents; an element of BYTES is its
// length as a little-endian uint32 and then that many bytes; a BOOL is one byte, 0 or 1. An empty Shape is a scalar.
type Tensor struct {
	Name     string
	Datatype Datatype
	Shape    []int64
	Data     []byte
}

// Limits bounds what validation lets through. A zero field takes the default.
type Limits struct {
	MaxTensorBytes int64 // bytes of one tensor's Data; DefaultMaxTensorBytes when 0
	MaxRank        int   // dimensions of one tensor; DefaultMaxRank when 0
}

// The limits of a zero Limits.
const (
	DefaultMaxTensorBytes int64 = 64 << 20
	DefaultMaxRank              = 16
)

func (l Limits) maxBytes() int64 {
	if l.MaxTensorBytes > 0 {
		return l.MaxTensorBytes
	}
	return DefaultMaxTensorBytes
}

func (l Limits) maxRank() int {
	if l.MaxRank > 0 {
		return l.MaxRank
	}
	return DefaultMaxRank
}

// Elements returns the product of shape (1 for a scalar), or an error for a negative dimension or a product that does
// not fit an int64.
func Elements(shape []int64) (int64, error) {
	if slices.Contains(shape, 0) && !slices.ContainsFunc(shape, func(d int64) bool { return d < 0 }) {
		return 0, nil // before multiplying, so that [2^62, 8, 0] is the empty tensor it is
	}
	product := int64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("dimension %d of shape %v is negative", d, shape)
		}
		high, low := bits.Mul64(uint64(product), uint64(d))
		if high != 0 || low > math.MaxInt64 {
			return 0, fmt.Errorf("shape %v has more elements than 2^63-1", shape)
		}
		product = int64(low)
	}
	return product, nil
}

// Validate checks that t is well formed in itself: a known datatype, a shape whose product fits, exactly the bytes that
// shape and datatype ask for, and all of it within limits. The error is a *TensorError.
func (t Tensor) Validate(limits Limits) error {
	if !t.Datatype.Valid() {
		return &TensorError{Tensor: t.Name, Err: ErrDatatype, Want: "a datatype of the Open Inference Protocol", Got: fmt.Sprintf("%q", t.Datatype)}
	}
	if len(t.Shape) > limits.maxRank() {
		return &TensorError{Tensor: t.Name, Err: ErrShape, Want: fmt.Sprintf("at most %d dimensions", limits.maxRank()), Got: fmt.Sprint(len(t.Shape))}
	}
	elements, err := Elements(t.Shape)
	if err != nil {
		return &TensorError{Tensor: t.Name, Err: ErrShape, Want: "dimensions of 0 or more whose product fits 63 bits", Got: fmt.Sprint(t.Shape)}
	}
	if int64(len(t.Data)) > limits.maxBytes() {
		return t.tooLarge(limits, fmt.Sprintf("%d bytes", len(t.Data)))
	}
	if t.Datatype == BYTES {
		_, err := t.split(elements)
		return err
	}
	size := int64(t.Datatype.Size())
	if elements > limits.maxBytes()/size {
		return t.tooLarge(limits, fmt.Sprintf("shape %v of %s", t.Shape, t.Datatype))
	}
	if int64(len(t.Data)) != elements*size {
		return &TensorError{Tensor: t.Name, Err: ErrLength,
			Want: fmt.Sprintf("%d bytes for %s%v", elements*size, t.Datatype, t.Shape), Got: fmt.Sprint(len(t.Data))}
	}
	if t.Datatype == BOOL {
		return t.checkBools()
	}
	return nil
}

func (t Tensor) tooLarge(limits Limits, got string) error {
	return &TensorError{Tensor: t.Name, Err: ErrTooLarge, Want: fmt.Sprintf("at most %d bytes", limits.maxBytes()), Got: got}
}

func (t Tensor) checkBools() error {
	for i, b := range t.Data {
		if b > 1 {
			return &TensorError{Tensor: t.Name, Err: ErrValue, Want: "bytes 0 or 1 for BOOL", Got: fmt.Sprintf("%d at element %d", b, i)}
		}
	}
	return nil
}

// ValidateAs checks that t is well formed and is what spec asks for. The error is a *TensorError.
func (t Tensor) ValidateAs(spec TensorSpec, limits Limits) error {
	if t.Name != spec.Name {
		return &TensorError{Tensor: t.Name, Err: ErrUnknownTensor, Want: fmt.Sprintf("%q", spec.Name), Got: fmt.Sprintf("%q", t.Name)}
	}
	if t.Datatype != spec.Datatype {
		return &TensorError{Tensor: t.Name, Err: ErrDatatype, Want: string(spec.Datatype), Got: fmt.Sprintf("%q", t.Datatype)}
	}
	if !spec.Accepts(t.Shape) {
		return &TensorError{Tensor: t.Name, Err: ErrShape, Want: fmt.Sprint(spec.Shape), Got: fmt.Sprint(t.Shape)}
	}
	return t.Validate(limits)
}

// ValidateInputs checks that inputs holds each of specs once, nothing else, and every tensor as its spec asks; the order
// is free. The error is a *TensorError.
func ValidateInputs(specs []TensorSpec, inputs []Tensor, limits Limits) error {
	for i, t := range inputs {
		at := slices.IndexFunc(specs, func(s TensorSpec) bool { return s.Name == t.Name })
		if at < 0 {
			return &TensorError{Tensor: t.Name, Err: ErrUnknownTensor, Want: "one of " + names(specs), Got: fmt.Sprintf("%q", t.Name)}
		}
		if slices.ContainsFunc(inputs[:i], func(o Tensor) bool { return o.Name == t.Name }) {
			return &TensorError{Tensor: t.Name, Err: ErrDuplicate, Want: "each input once"}
		}
		if err := t.ValidateAs(specs[at], limits); err != nil {
			return err
		}
	}
	for _, s := range specs {
		if !slices.ContainsFunc(inputs, func(t Tensor) bool { return t.Name == s.Name }) {
			return &TensorError{Tensor: s.Name, Err: ErrMissingTensor, Want: s.String(), Got: "no input of that name"}
		}
	}
	return nil
}

func names(specs []TensorSpec) string {
	quoted := make([]string, len(specs))
	for i, s := range specs {
		quoted[i] = fmt.Sprintf("%q", s.Name)
	}
	return strings.Join(quoted, ", ")
}

// Strings returns the elements of a BYTES tensor in row-major order. The error is a *TensorError.
func (t Tensor) Strings() ([]string, error) {
	if t.Datatype != BYTES {
		return nil, &TensorError{Tensor: t.Name, Err: ErrDatatype, Want: string(BYTES), Got: string(t.Datatype)}
	}
	elements, err := Elements(t.Shape)
	if err != nil {
		return nil, &TensorError{Tensor: t.Name, Err: ErrShape, Got: err.Error()}
	}
	return t.split(elements)
}

// split reads length-prefixed strings; it allocates no more than the data itself can justify.
func (t Tensor) split(elements int64) ([]string, error) {
	if elements > int64(len(t.Data)/4) {
		return nil, &TensorError{Tensor: t.Name, Err: ErrLength,
			Want: fmt.Sprintf("at least 4 bytes for each of %d elements", elements), Got: fmt.Sprint(len(t.Data))}
	}
	out := make([]string, 0, elements)
	rest := t.Data
	for i := range elements {
		if len(rest) < 4 {
			return nil, t.badElement(i, "a 4-byte length", len(rest))
		}
		n := uint64(binary.LittleEndian.Uint32(rest))
		rest = rest[4:]
		if n > uint64(len(rest)) {
			return nil, t.badElement(i, fmt.Sprintf("%d bytes", n), len(rest))
		}
		out = append(out, string(rest[:n]))
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return nil, &TensorError{Tensor: t.Name, Err: ErrLength, Want: fmt.Sprintf("%d strings and no more", elements), Got: fmt.Sprintf("%d bytes after them", len(rest))}
	}
	return out, nil
}

func (t Tensor) badElement(i int64, want string, left int) error {
	return &TensorError{Tensor: t.Name, Err: ErrLength, Want: fmt.Sprintf("%s for element %d", want, i), Got: fmt.Sprintf("%d bytes left", left)}
}

// Float32s returns a copy of an FP32 tensor's elements in row-major order. The error is a *TensorError.
func (t Tensor) Float32s() ([]float32, error) {
	if t.Datatype != FP32 {
		return nil, &TensorError{Tensor: t.Name, Err: ErrDatatype, Want: string(FP32), Got: string(t.Datatype)}
	}
	if len(t.Data)%4 != 0 {
		return nil, &TensorError{Tensor: t.Name, Err: ErrLength, Want: "a multiple of 4 bytes", Got: fmt.Sprint(len(t.Data))}
	}
	out := make([]float32, len(t.Data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return out, nil
}

// FromFloat32s returns an FP32 tensor holding a copy of values in row-major order. Whether they fill the shape is for
// Validate to say.
func FromFloat32s(name string, shape []int64, values []float32) Tensor {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return Tensor{Name: name, Datatype: FP32, Shape: slices.Clone(shape), Data: data}
}

// FromStrings returns a BYTES tensor holding values in row-major order.
func FromStrings(name string, shape []int64, values []string) Tensor {
	size := 0
	for _, v := range values {
		size += 4 + len(v)
	}
	data := make([]byte, 0, size)
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, uint32(len(v)))
		data = append(data, v...)
	}
	return Tensor{Name: name, Datatype: BYTES, Shape: slices.Clone(shape), Data: data}
}
