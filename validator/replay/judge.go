package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// round is a set of challenges with the answers that the pinned model gives.
type round struct {
	options     Options
	calibration *Calibration
	drawn       []*drawn
}

// Challenges implements mechanism.Round.
func (r *round) Challenges() [][]models.Tensor {
	inputs := make([][]models.Tensor, len(r.drawn))
	for i, d := range r.drawn {
		inputs[i] = d.inputs
	}
	return inputs
}

// Judge implements mechanism.Round. An answer beyond the tolerance in any output is dishonest; one that did not come, is
// too late or is not made of the model's outputs is worth 0. The others are worth
//
//	clamp((Deadline - latency) / (Deadline - Target)) * clamp(rate / TargetRate)
//
// with clamp to 0…1 and rate the honest answers of the round per second of its slowest one; the second factor is 1 when
// TargetRate is 0.
func (r *round) Judge(ctx context.Context, answers []mechanism.Answer) ([]mechanism.Mark, error) {
	if len(answers) != len(r.drawn) {
		return nil, fmt.Errorf("%d answers to %d challenges", len(answers), len(r.drawn))
	}
	marks := make([]mechanism.Mark, len(answers))
	honest, slowest := 0, time.Duration(0)
	for i, a := range answers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		marks[i] = r.mark(r.drawn[i], a)
		if marks[i].Reason == nil {
			honest, slowest = honest+1, max(slowest, a.Latency)
		}
	}
	factor := 1.0
	if r.options.TargetRate > 0 && slowest > 0 {
		factor = min(1, float64(honest)/slowest.Seconds()/r.options.TargetRate)
	}
	for i := range marks {
		marks[i].Score *= factor
	}
	return marks, nil
}

func (r *round) mark(d *drawn, a mechanism.Answer) mechanism.Mark {
	if a.Err != nil {
		return mechanism.Mark{Reason: a.Err}
	}
	distances, err := d.ref.Distances(a.Outputs)
	if err != nil {
		return mechanism.Mark{Reason: err}
	}
	if output, excess := r.calibration.worst(distances); excess > 1 {
		o := r.calibration.Outputs[output]
		return mechanism.Mark{Dishonest: true, Reason: fmt.Errorf("%w: output %q is %.2g off (%s), and %.2g is tolerated",
			ErrMismatch, o.Name, distances[output], o.Scale.Measure, o.Tolerance)}
	}
	if a.Latency >= r.options.Deadline {
		return mechanism.Mark{Reason: fmt.Errorf("%w: after %s, and the deadline is %s", ErrLate, a.Latency, r.options.Deadline)}
	}
	left := float64(r.options.Deadline-a.Latency) / float64(r.options.Deadline-r.options.Target)
	return mechanism.Mark{Score: max(0, min(1, left))}
}
