package models

import (
	"errors"
	"fmt"
)

// What can be wrong with a tensor or a set of tensors. Validation returns them inside a *TensorError; test with errors.Is.
var (
	ErrUnknownTensor = errors.New("no such tensor")
	ErrMissingTensor = errors.New("tensor is missing")
	ErrDuplicate     = errors.New("tensor is given twice")
	ErrDatatype      = errors.New("wrong datatype")
	ErrShape         = errors.New("wrong shape")
	ErrLength        = errors.New("wrong number of bytes")
	ErrValue         = errors.New("value not allowed")
	ErrTooLarge      = errors.New("tensor is too large")
)

// TensorError says which tensor is wrong, in what way (Err, one of the sentinels above), what was expected and what came.
type TensorError struct {
	Tensor string
	Want   string
	Got    string
	Err    error
}

// Error reads like: tensor "image": wrong shape: want [-1 1 28 28], got [1 28 28].
func (e *TensorError) Error() string {
	text := fmt.Sprintf("tensor %q: %v", e.Tensor, e.Err)
	if e.Want != "" {
		text += ": want " + e.Want
	}
	if e.Got != "" {
		text += ", got " + e.Got
	}
	return text
}

// Unwrap returns the sentinel.
func (e *TensorError) Unwrap() error { return e.Err }
