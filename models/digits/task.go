package digits

import (
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/plexusnet/plexus/models"
)

// The shape of the task.
const (
	Size    = 28 // pixels across and down
	Classes = 10 // the digits 0 to 9

	Name       = "digits" // of the task
	InputName  = "image"
	OutputName = "probabilities"
)

// What can be wrong with an image or an answer.
var (
	ErrImage  = errors.New("not an image of the task")
	ErrAnswer = models.ErrAnswer
)

// Challenge is an image and the digit that it shows, 0 to 9.
type Challenge struct {
	Image *image.Gray
	Label int
}

// Task returns the task's description: image FP32[-1 1 28 28] in, probabilities FP32[-1 10] out, measured by accuracy.
func Task() models.Task {
	return models.Task{
		Name:    Name,
		Inputs:  []models.TensorSpec{{Name: InputName, Datatype: models.FP32, Shape: []int64{models.Any, 1, Size, Size}}},
		Outputs: []models.TensorSpec{{Name: OutputName, Datatype: models.FP32, Shape: []int64{models.Any, Classes}}},
		Metric:  "accuracy",
	}
}

// Tensor returns images as one batch, FP32[n 1 28 28], 0 for black and 1 for white. It fails with ErrImage for none and
// for one that is not 28 by 28.
func Tensor(images ...*image.Gray) (models.Tensor, error) {
	if len(images) == 0 {
		return models.Tensor{}, fmt.Errorf("%w: no image", ErrImage)
	}
	pixels := make([]float32, 0, len(images)*Size*Size)
	for i, img := range images {
		if b := img.Bounds(); b.Dx() != Size || b.Dy() != Size {
			return models.Tensor{}, fmt.Errorf("%w: image %d is %d by %d, want %d by %d", ErrImage, i, b.Dx(), b.Dy(), Size, Size)
		}
		pixels = AppendPixels(pixels, img)
	}
	return models.FromFloat32s(InputName, []int64{int64(len(images)), 1, Size, Size}, pixels), nil
}

// AppendPixels appends the image's pixels, row by row, 0 for black and 1 for white.
func AppendPixels(dst []float32, img *image.Gray) []float32 {
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		row := img.Pix[img.PixOffset(b.Min.X, y):]
		for _, p := range row[:b.Dx()] {
			dst = append(dst, float32(p)/math.MaxUint8)
		}
	}
	return dst
}

// Answer is what a model said about one image.
type Answer struct {
	Label         int     // the most probable digit; the lower one of two that are equal
	Confidence    float32 // its probability, 0 to 1
	Probabilities [Classes]float32
}

// Answers reads the output of a model, FP32[n 10]. It fails with ErrAnswer, saying where, unless every row is a
// probability distribution: finite numbers of 0 to 1 that add up to 1.
func Answers(output models.Tensor) ([]Answer, error) {
	rows, err := models.Probabilities(output, Task().Outputs[0])
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(rows))
	for i, row := range rows {
		answers[i] = answer(row)
	}
	return answers, nil
}

func answer(probabilities []float64) Answer {
	var a Answer
	for digit, p := range probabilities {
		a.Probabilities[digit] = float32(p)
		if float32(p) > a.Confidence {
			a.Label, a.Confidence = digit, float32(p)
		}
	}
	return a
}

// Loss returns -ln of the probability that the answer gave to the true digit, in nats: 0 is certain and right, 2.3 is a
// blind guess, and 16 the most that a wrong answer can cost. It tells models of equal accuracy apart.
func (a Answer) Loss(label int) float64 {
	return -math.Log(max(float64(a.Probabilities[label]), math.Exp(-16)))
}
