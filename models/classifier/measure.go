package classifier

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/tasks"
)

// ErrTask is what Measure returns for a model that takes or gives something else than the task's tensors.
var ErrTask = errors.New("not a model of the task")

// Measurement is how a model did on challenges it had not seen.
type Measurement struct {
	Task         string        `json:"task"`
	Challenges   int           `json:"challenges"`
	Right        int           `json:"right"`
	Accuracy     float64       `json:"accuracy"`      // Right / Challenges
	Loss         float64       `json:"loss"`          // mean of -ln(probability of the true class), nats, at most worstLoss
	PerChallenge time.Duration `json:"per_challenge"` // nanoseconds in the model, without drawing
	Confusion    [][]int       `json:"confusion"`     // by true class and then answered class
}

const (
	measureBatch = 32
	worstLoss    = 16 // nats: what an answer costs that gives the true class no probability
)

// Measure asks the model about the first n challenges of a seed.
func Measure(ctx context.Context, session *ort.Session, kind tasks.Kind, seed models.Seed, n int) (Measurement, error) {
	task := kind.Task()
	m := Measurement{Task: task.Name, Challenges: n, Confusion: make([][]int, kind.Classes())}
	for class := range m.Confusion {
		m.Confusion[class] = make([]int, kind.Classes())
	}
	if !task.Serves(session.Inputs(), session.Outputs()) {
		return m, fmt.Errorf("%w %s: it is %s -> %s, want %s -> %s", ErrTask, task.Name,
			specs(session.Inputs()), specs(session.Outputs()), specs(task.Inputs), specs(task.Outputs))
	}
	source := kind.Source(seed)
	var spent time.Duration
	for done := 0; done < n; {
		asked := make([]tasks.Challenge, min(batchOf(session), n-done))
		for i := range asked {
			var err error
			if asked[i], err = source.Next(); err != nil {
				return m, fmt.Errorf("draw a challenge: %w", err)
			}
		}
		started := time.Now()
		answers, err := ask(ctx, session, kind, asked)
		if err != nil {
			return m, err
		}
		spent += time.Since(started)
		m.count(asked, answers)
		done += len(asked)
	}
	m.Accuracy = float64(m.Right) / float64(n)
	m.Loss /= float64(n)
	m.PerChallenge = spent / time.Duration(n)
	return m, nil
}

// batchOf returns how many challenges the model takes at once.
func batchOf(session *ort.Session) int {
	if shape := session.Inputs()[0].Shape; len(shape) > 0 && shape[0] > 0 {
		return int(shape[0])
	}
	return measureBatch
}

func ask(ctx context.Context, session *ort.Session, kind tasks.Kind, asked []tasks.Challenge) ([][]float64, error) {
	outputs, err := session.Run(ctx, together(asked), []string{kind.Task().Outputs[0].Name})
	if err != nil {
		return nil, err
	}
	answers, err := kind.Probabilities(outputs)
	if err != nil {
		return nil, err
	}
	if len(answers) != len(asked) {
		return nil, fmt.Errorf("%w: %d answers to %d challenges", models.ErrAnswer, len(answers), len(asked))
	}
	return answers, nil
}

// together makes one batch of challenges, each of which is a batch of one.
func together(asked []tasks.Challenge) []models.Tensor {
	inputs := slices.Clone(asked[0].Inputs)
	for i := range inputs {
		inputs[i].Shape = slices.Clone(inputs[i].Shape)
		inputs[i].Shape[0] = int64(len(asked))
		inputs[i].Data = nil
		for _, c := range asked {
			inputs[i].Data = append(inputs[i].Data, c.Inputs[i].Data...)
		}
	}
	return inputs
}

func (m *Measurement) count(asked []tasks.Challenge, answers [][]float64) {
	for i, probabilities := range answers {
		truth := asked[i].Label
		said := slices.Index(probabilities, slices.Max(probabilities))
		m.Confusion[truth][said]++
		m.Loss -= math.Log(max(probabilities[truth], math.Exp(-worstLoss)))
		if said == truth {
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
