package experiment

import (
	"context"
	"fmt"
	"testing"

	"github.com/plexusnet/plexus/sims"
)

// counter is a model that does nothing but record.
type counter struct{ steps, width int }

func (c counter) Columns() []sims.Column {
	columns := make([]sims.Column, c.width)
	for i := range columns {
		columns[i].Name = fmt.Sprintf("c%d", i)
	}
	return columns
}

func (c counter) Records() uint64 { return uint64(c.steps) }

func (c counter) Run(_ context.Context, _ uint64, rec sims.Recorder) error {
	values := make([]float64, c.width)
	for step := range uint64(c.steps) {
		values[0]++
		if err := rec.Record(step, float64(step), values); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkRecorder measures recorded steps per second through the Recorder of an experiment, on one core: kept, thinned,
// and summed up only, as sweeps do.
func BenchmarkRecorder(b *testing.B) {
	const steps = 1 << 20
	for _, width := range []int{1, 3, 10, 20} {
		for name, prepare := range map[string]func() *recorder{
			"kept": func() *recorder {
				a := &axis{}
				for step := range uint64(steps) {
					a.moments = append(a.moments, moment{step, float64(step)})
				}
				r := newRecorder(counter{steps, width}.Columns(), nil, Every{}, steps)
				r.rows = &rows{axis: a, width: width}
				return r
			},
			"thinned": func() *recorder {
				r := newRecorder(counter{steps, width}.Columns(), nil, Every{Steps: 100}, steps)
				r.rows = &rows{axis: &axis{}, width: width}
				return r
			},
			"summed up": func() *recorder { return newRecorder(counter{steps, width}.Columns(), nil, Every{}, steps) },
		} {
			b.Run(fmt.Sprintf("%s/%d columns", name, width), func(b *testing.B) {
				r := prepare()
				model := counter{steps, width}
				for b.Loop() {
					r.reset()
					if err := simulate(context.Background(), model, 1, r); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)*steps/b.Elapsed().Seconds()/1e6, "Msteps/s")
			})
		}
	}
}
