package models

import (
	"errors"
	"fmt"
	"math"
)

// ErrAnswer is what Probabilities returns for an output that is no answer to the task.
var ErrAnswer = errors.New("not an answer to the task")

// sumTolerance is how far the probabilities of one answer may be from adding up to 1.
const sumTolerance = 1e-3

// Probabilities reads the output of a classifier, FP32[n classes], whatever its name: a row of numbers per challenge of
// the batch. spec is what the task declares, such as probabilities FP32[-1 10]. It fails with ErrAnswer, saying where,
// unless every row is a probability distribution: finite numbers of 0 to 1 that add up to 1.
func Probabilities(output Tensor, spec TensorSpec) ([][]float64, error) {
	output.Name = spec.Name
	if err := output.ValidateAs(spec, Limits{}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	values, err := output.Float32s()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	classes := int(spec.Shape[len(spec.Shape)-1])
	rows := make([][]float64, len(values)/classes)
	for i := range rows {
		rows[i], err = distribution(values[i*classes : (i+1)*classes])
		if err != nil {
			return nil, fmt.Errorf("%w: row %d: %w", ErrAnswer, i, err)
		}
	}
	return rows, nil
}

func distribution(values []float32) ([]float64, error) {
	row := make([]float64, len(values))
	sum := 0.0
	for class, p := range values {
		if !(p >= 0 && p <= 1+sumTolerance) { // so written that NaN is refused
			return nil, fmt.Errorf("the probability of %d is %v, want 0 to 1", class, p)
		}
		row[class] = float64(p)
		sum += row[class]
	}
	if math.Abs(sum-1) > sumTolerance {
		return nil, fmt.Errorf("the probabilities add up to %.4f, want 1", sum)
	}
	return row, nil
}
