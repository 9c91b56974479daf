package text

import (
	"errors"
	"fmt"

	"github.com/plexusnet/plexus/models"
)

// The shape of the task.
const (
	Length  = 128 // bytes of a text; a shorter one is followed by zero bytes
	Classes = 8   // kinds of request

	Name       = "text" // of the task
	InputName  = "text"
	OutputName = "probabilities"

	// EmbeddingName is an output that a model of the task may give beside its answer, FP32[n numbers]: what it tells the
	// classes by. It is not judged, and nobody need give it.
	EmbeddingName = "embedding"
)

// ErrText is what Tensor returns for no text and for one that is too long.
var ErrText = errors.New("not a text of the task")

// Labels returns what each class is called: Labels()[0] names class 0.
func Labels() []string {
	return []string{"alarm", "message", "payment", "travel", "music", "weather", "translation", "shopping"}
}

// Task returns the task's description: text UINT8[-1 128] in, probabilities FP32[-1 8] out, measured by accuracy.
func Task() models.Task {
	return models.Task{
		Name:    Name,
		Inputs:  []models.TensorSpec{{Name: InputName, Datatype: models.UINT8, Shape: []int64{models.Any, Length}}},
		Outputs: []models.TensorSpec{{Name: OutputName, Datatype: models.FP32, Shape: []int64{models.Any, Classes}}},
		Metric:  "accuracy",
	}
}

// Challenge is a message and the class of what it asks for, an index of Labels.
type Challenge struct {
	Text  string // at most Length bytes of ASCII
	Label int
}

// Tensor returns texts as one batch, UINT8[n 128]. It fails with ErrText for none and for one of more than 128 bytes.
func Tensor(texts ...string) (models.Tensor, error) {
	if len(texts) == 0 {
		return models.Tensor{}, fmt.Errorf("%w: no text", ErrText)
	}
	data := make([]byte, len(texts)*Length)
	for i, t := range texts {
		if len(t) > Length {
			return models.Tensor{}, fmt.Errorf("%w: text %d has %d bytes, want at most %d", ErrText, i, len(t), Length)
		}
		copy(data[i*Length:], t)
	}
	return models.Tensor{Name: InputName, Datatype: models.UINT8, Shape: []int64{int64(len(texts)), Length}, Data: data}, nil
}
