package accuracy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// Name is the mechanism's.
const Name = "accuracy"

// ErrOptions is wrapped by what New refuses.
var ErrOptions = errors.New("accuracy mechanism")

// Options tune the mechanism. The zero value measures accuracy, whatever the latency.
type Options struct {
	Metric   Metric        // Accuracy
	Target   time.Duration // latency up to which nothing is taken off
	Deadline time.Duration // latency at which nothing is left; 0: latency does not count
}

// Mechanism draws challenges of one kind and measures answers by one metric.
type Mechanism struct {
	kind    tasks.Kind
	options Options
}

// New returns the mechanism for a kind of task.
func New(kind tasks.Kind, o Options) (*Mechanism, error) {
	if o.Metric == "" {
		o.Metric = Accuracy
	}
	if !slices.Contains(Metrics(), o.Metric) {
		return nil, fmt.Errorf("%w: metric %q, want one of %v", ErrOptions, o.Metric, Metrics())
	}
	if o.Target < 0 || o.Deadline < 0 || o.Deadline > 0 && o.Target >= o.Deadline {
		return nil, fmt.Errorf("%w: latency from %v to %v: want a target that is less than the deadline", ErrOptions, o.Target, o.Deadline)
	}
	if kind.Classes() < 2 {
		return nil, fmt.Errorf("%w: %s has %d classes, want 2 or more", ErrOptions, kind.Task().Name, kind.Classes())
	}
	return &Mechanism{kind: kind, options: o}, nil
}

// Describe implements mechanism.Mechanism.
func (m *Mechanism) Describe() mechanism.Description {
	return mechanism.Description{Name: Name, Task: m.kind.Task(), Chance: m.options.Metric.chance(m.kind.Classes()), Distinct: true}
}

// Draw implements mechanism.Mechanism. Each round starts from 256 fresh bits of the system's randomness.
func (m *Mechanism) Draw(ctx context.Context, n int) (mechanism.Round, error) {
	seed, err := models.RandomSeed()
	if err != nil {
		return nil, err
	}
	source := m.kind.Source(seed)
	r := &round{kind: m.kind, options: m.options}
	for range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		challenge, err := source.Next()
		if err != nil {
			return nil, fmt.Errorf("draw a challenge of %s: %w", m.kind.Task().Name, err)
		}
		r.inputs = append(r.inputs, challenge.Inputs)
		r.labels = append(r.labels, challenge.Label)
	}
	return r, nil
}

// Close implements mechanism.Mechanism.
func (m *Mechanism) Close() error { return nil }

// round is immutable, and so safe for concurrent use.
type round struct {
	kind    tasks.Kind
	options Options
	inputs  [][]models.Tensor
	labels  []int
}

// Challenges implements mechanism.Round.
func (r *round) Challenges() [][]models.Tensor { return r.inputs }

// Judge implements mechanism.Round.
func (r *round) Judge(_ context.Context, answers []mechanism.Answer) ([]mechanism.Mark, error) {
	if len(answers) != len(r.labels) {
		return nil, fmt.Errorf("%d answers to %d challenges", len(answers), len(r.labels))
	}
	marks := make([]mechanism.Mark, len(answers))
	fine := answered{classes: r.kind.Classes()}
	var at []int
	for i, answer := range answers {
		if answer.Err != nil {
			continue
		}
		probabilities, err := r.kind.Probabilities(answer.Outputs)
		if err == nil && len(probabilities) != 1 {
			err = fmt.Errorf("%w: %d answers to one question", models.ErrAnswer, len(probabilities))
		}
		if err != nil {
			marks[i].Reason = err
			continue
		}
		said := floats.MaxIdx(probabilities[0])
		marks[i].Choice = mechanism.Choice{Class: 1 + said, Sure: probabilities[0][said], Right: said == r.labels[i]}
		at = append(at, i)
		fine.labels = append(fine.labels, r.labels[i])
		fine.probabilities = append(fine.probabilities, probabilities[0])
	}
	for k, score := range r.options.Metric.scores(fine) {
		marks[at[k]].Score = score * r.options.factor(answers[at[k]].Latency)
	}
	return marks, nil
}

// factor is what is left of a score after that latency.
func (o Options) factor(latency time.Duration) float64 {
	if o.Deadline == 0 || latency <= o.Target {
		return 1
	}
	return max(0, float64(o.Deadline-latency)/float64(o.Deadline-o.Target))
}
