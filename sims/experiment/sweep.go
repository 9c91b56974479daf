package experiment

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/plexusnet/plexus/sims/random"
)

// defaultSteps are the values that a grid takes from a range.
const defaultSteps = 5

// Sweep runs a model at many points of its parameters, every point with the same seeds.
type Sweep struct {
	Method     Method      `yaml:"method,omitempty" json:"method" doc:"grid (the default): all combinations; latin-hypercube or halton: a sample of the ranges"`
	Samples    int         `yaml:"samples,omitempty" json:"samples,omitempty" doc:"points of latin-hypercube or halton; 64 if left out"`
	Runs       int         `yaml:"runs,omitempty" json:"runs,omitempty" doc:"runs at each point; those of the scenario if left out"`
	Parameters []Parameter `yaml:"parameters" json:"parameters" doc:"what to vary"`
}

const defaultSamples = 64

// SweepResult is a finished Sweep.
type SweepResult struct {
	Manifest Manifest `json:"-"`
	Sweep    Sweep    `json:"sweep"`
	Points   []Point  `json:"points"`
}

// Point is what came out at one point.
type Point struct {
	Values  []any    `json:"values"` // of the parameters, in their order
	Outputs []Output `json:"outputs"`
}

// Output is the distribution over runs of one number.
type Output struct {
	Column    string    `json:"column"`
	Statistic Statistic `json:"statistic"`
	Distribution
}

// Run makes the sweep. Options.Runs are the runs at each point, unless the sweep says otherwise.
func (s Sweep) Run(ctx context.Context, build Builder, o Options) (*SweepResult, error) {
	if s.Runs > 0 {
		o.Runs = s.Runs
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	points, err := s.points(o)
	if err != nil {
		return nil, err
	}
	result := &SweepResult{Manifest: Manifest{Kind: KindSweep}, Sweep: s}
	e, err := evaluate(ctx, build, points, o, &result.Manifest)
	if err != nil {
		return nil, err
	}
	if e.folder != nil && e.folder.finished {
		loaded, err := Load(o.Dir)
		if err != nil {
			return nil, err
		}
		return loaded.Sweep, nil
	}
	for i, point := range points {
		result.Points = append(result.Points, e.point(i, point))
	}
	if e.folder == nil {
		return result, nil
	}
	return result, e.folder.finishWith(SweepFile, result.write, result)
}

// finishWith writes the table and the summary of an experiment and ends it.
func (f *folder) finishWith(name string, table func(io.Writer) error, summary any) error {
	if err := f.write(name, table); err != nil {
		return err
	}
	if err := f.writeJSON(SummaryFile, summary); err != nil {
		return err
	}
	return f.done()
}

// points are the settings of each point. The last parameter changes fastest in a grid.
func (s *Sweep) points(o Options) ([][]Setting, error) {
	if err := checkParameters(s.Parameters); err != nil {
		return nil, err
	}
	if s.Method == "" {
		s.Method = Grid
	}
	if s.Method == Grid {
		return s.grid(o.Limits.Evaluations / o.Runs)
	}
	if s.Samples == 0 {
		s.Samples = defaultSamples
	}
	if s.Method != LatinHypercube && s.Method != Halton {
		return nil, fmt.Errorf("%w: sweep by %q, want %s, %s or %s", ErrOptions, s.Method, Grid, LatinHypercube, Halton)
	}
	if s.Samples < 1 || s.Samples > o.Limits.Evaluations {
		return nil, fmt.Errorf("%w: %d samples, want 1 to %d", ErrLimit, s.Samples, o.Limits.Evaluations)
	}
	units, err := sample(s.Method, s.Samples, len(s.Parameters), random.New(o.Seed).Stream("sweep"))
	if err != nil {
		return nil, err
	}
	points := make([][]Setting, len(units))
	for i, u := range units {
		points[i] = settings(s.Parameters, u)
	}
	return points, nil
}

func (s *Sweep) grid(most int) ([][]Setting, error) {
	points := [][]Setting{nil}
	for _, p := range s.Parameters {
		levels := p.levels(defaultSteps)
		if len(points)*len(levels) > most {
			return nil, fmt.Errorf("%w: the grid has more than %d points: take fewer values, or sample it by latin-hypercube or halton", ErrLimit, most)
		}
		grown := make([][]Setting, 0, len(points)*len(levels))
		for _, point := range points {
			for _, v := range levels {
				grown = append(grown, append(point[:len(point):len(point)], Setting{Path: p.Path, Value: v}))
			}
		}
		points = grown
	}
	return points, nil
}

// point describes what came out at a point.
func (e *evaluation) point(i int, settings []Setting) Point {
	var p Point
	for _, s := range settings {
		p.Values = append(p.Values, s.Value)
	}
	for k, c := range e.columns {
		for _, s := range Statistics() {
			p.Outputs = append(p.Outputs, Output{Column: c.Name, Statistic: s,
				Distribution: distribution(e.at(i, e.output(k, s)), e.options.Quantiles)})
		}
	}
	return p
}

func (r *SweepResult) write(w io.Writer) error {
	line := []byte("point")
	for _, p := range r.Sweep.Parameters {
		line = append(append(line, ','), csvText(p.Label())...)
	}
	line = append(line, ",column,statistic,runs,mean,sd,min"...)
	for _, p := range r.Manifest.Quantiles {
		line = appendFloat(append(line, ",q"...), p)
	}
	line = append(line, ",max\n"...)
	if _, err := w.Write(line); err != nil {
		return err
	}
	for i, p := range r.Points {
		for _, o := range p.Outputs {
			line = strconv.AppendInt(line[:0], int64(i), 10)
			for _, v := range p.Values {
				line = append(append(line, ','), csvText(ValueText(v))...)
			}
			line = append(line, ","+o.Column+","+string(o.Statistic)+","...)
			line = strconv.AppendInt(line, int64(o.Runs), 10)
			line = appendFloats(line, []float64{o.Mean, o.SD, o.Min})
			line = append(appendFloats(appendFloats(line, o.Quantiles), []float64{o.Max}), '\n')
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
	}
	return nil
}
