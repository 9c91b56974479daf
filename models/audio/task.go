package audio

import (
	"errors"
	"fmt"

	"github.com/plexusnet/plexus/models"
)

// The shape of the task.
const (
	Rate    = 8000 // samples per second
	Length  = 4000 // samples of a challenge: half a second
	Classes = 8    // words

	Name       = "audio" // of the task
	InputName  = "samples"
	OutputName = "probabilities"
)

// fullScale is the 16-bit sample that stands for 1.
const fullScale = 1 << 15

// ErrSamples is what Tensor returns for no recording and for one of another length.
var ErrSamples = errors.New("not a recording of the task")

// Labels returns the words: Labels()[0] is that of class 0.
func Labels() []string {
	return []string{"sami", "misa", "kuno", "noku", "saku", "kusa", "mino", "nomi"}
}

// Task returns the task's description: samples FP32[-1 4000] in, probabilities FP32[-1 8] out, measured by accuracy.
func Task() models.Task {
	return models.Task{
		Name:    Name,
		Inputs:  []models.TensorSpec{{Name: InputName, Datatype: models.FP32, Shape: []int64{models.Any, Length}}},
		Outputs: []models.TensorSpec{{Name: OutputName, Datatype: models.FP32, Shape: []int64{models.Any, Classes}}},
		Metric:  "accuracy",
	}
}

// Challenge is a recording of 16-bit samples and the word that is spoken, an index of Labels.
type Challenge struct {
	Samples []int16 // Length of them, Rate per second
	Label   int
}

// Tensor returns recordings as one batch, FP32[n 4000], -1 to 1. It fails with ErrSamples for none and for one of
// another length.
func Tensor(recordings ...[]int16) (models.Tensor, error) {
	if len(recordings) == 0 {
		return models.Tensor{}, fmt.Errorf("%w: no recording", ErrSamples)
	}
	values := make([]float32, 0, len(recordings)*Length)
	for i, samples := range recordings {
		if len(samples) != Length {
			return models.Tensor{}, fmt.Errorf("%w: recording %d has %d samples, want %d", ErrSamples, i, len(samples), Length)
		}
		for _, s := range samples {
			values = append(values, float32(s)/fullScale)
		}
	}
	return models.FromFloat32s(InputName, []int64{int64(len(recordings)), Length}, values), nil
}
