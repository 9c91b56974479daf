package classifier

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strings"
	"time"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/ort"
)

// ErrTask is what Measure returns for a model that takes or gives something else than the task's tensors.
var ErrTask = errors.New("not a model of the task")

// Measurement is how a model did on challenges it had not seen.
type Measurement struct {
	Images    int           `json:"images"`
	Right     int           `json:"right"`
	Accuracy  float64       `json:"accuracy"`            // Right / Images
	Loss      float64       `json:"loss"`                // mean of -ln(probability of the true digit), nats
	PerImage  time.Duration `json:"per_image"`           // time in the model, without drawing
	Confusion [10][10]int   `json:"confusion,omitempty"` // by true digit and then answered digit
}

const measureBatch = 32

// Measure asks the model about n challenges from the generator.
func Measure(ctx context.Context, session *ort.Session, challenges *digits.Generator, n int) (Measurement, error) {
	m := Measurement{Images: n}
	if task := digits.Task(); !task.Serves(session.Inputs(), session.Outputs()) {
		return m, fmt.Errorf("%w %s: it is %s -> %s, want %s -> %s", ErrTask, task.Name,
			specs(session.Inputs()), specs(session.Outputs()), specs(task.Inputs), specs(task.Outputs))
	}
	var spent time.Duration
	for done := 0; done < n; {
		size := min(batchOf(session), n-done)
		asked := make([]digits.Challenge, size)
		images := make([]*image.Gray, size)
		for i := range asked {
			asked[i] = challenges.Next()
			images[i] = asked[i].Image
		}
		started := time.Now()
		answers, err := ask(ctx, session, images)
		if err != nil {
			return m, err
		}
		spent += time.Since(started)
		m.count(asked, answers)
		done += size
	}
	m.Accuracy = float64(m.Right) / float64(n)
	m.Loss /= float64(n)
	m.PerImage = spent / time.Duration(n)
	return m, nil
}

// batchOf returns how many images the model takes at once.
func batchOf(session *ort.Session) int {
	if shape := session.Inputs()[0].Shape; len(shape) > 0 && shape[0] > 0 {
		return int(shape[0])
	}
	return measureBatch
}

func ask(ctx context.Context, session *ort.Session, images []*image.Gray) ([]digits.Answer, error) {
	input, err := digits.Tensor(images...)
	if err != nil {
		return nil, err
	}
	outputs, err := session.Run(ctx, []models.Tensor{input}, []string{digits.OutputName})
	if err != nil {
		return nil, err
	}
	answers, err := digits.Answers(outputs[0])
	if err != nil {
		return nil, err
	}
	if len(answers) != len(images) {
		return nil, fmt.Errorf("%w: %d answers to %d images", digits.ErrAnswer, len(answers), len(images))
	}
	return answers, nil
}

func (m *Measurement) count(asked []digits.Challenge, answers []digits.Answer) {
	for i, a := range answers {
		truth := asked[i].Label
		m.Confusion[truth][a.Label]++
		m.Loss += a.Loss(truth)
		if a.Label == truth {
			m.Right++
		}
	}
}

func specs(list []models.TensorSpec) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = s.String()
	}
	return strings.Join(texts, ", ")
}
