package experiment

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plexusnet/plexus/sims/random"
)

// Analysis is how sensitivity is analysed.
type Analysis string

// The analyses.
const (
	OneAtATime Analysis = "oat"
	Morris     Analysis = "morris"
	Sobol      Analysis = "sobol"
)

// Defaults of sensitivity analyses.
const (
	defaultTrajectories = 20
	defaultLevels       = 4
	defaultSobol        = 256
	rangeEnds           = 2
)

// Sensitivity asks which parameters matter. Every point is run with the same seeds, and its number is the mean over
// its runs.
type Sensitivity struct {
	Method     Analysis    `yaml:"method,omitempty" json:"method" doc:"oat (one at a time, the default), morris (elementary effects) or sobol (shares of variance)"`
	Samples    int         `yaml:"samples,omitempty" json:"samples,omitempty" doc:"morris: trajectories, 20 if left out, each of one point more than there are parameters; sobol: base points, 256 if left out, each of two points more"`
	Levels     int         `yaml:"levels,omitempty" json:"levels,omitempty" doc:"morris: even number of levels of each parameter; 4 if left out"`
	Sampling   Method      `yaml:"sampling,omitempty" json:"sampling,omitempty" doc:"sobol: halton (the default), latin-hypercube or random"`
	Runs       int         `yaml:"runs,omitempty" json:"runs,omitempty" doc:"runs at each point; those of the scenario if left out"`
	Confidence float64     `yaml:"confidence,omitempty" json:"confidence" doc:"of the intervals; 0.95 if left out"`
	Bootstrap  int         `yaml:"bootstrap,omitempty" json:"bootstrap" doc:"resamples of the bootstrap; 1000 if left out"`
	Parameters []Parameter `yaml:"parameters" json:"parameters" doc:"what to vary; ranges for morris and sobol"`
}

// SensitivityResult is a finished Sensitivity.
type SensitivityResult struct {
	Manifest    Manifest    `json:"-"`
	Sensitivity Sensitivity `json:"sensitivity"`
	Points      int         `json:"points"`
	Indices     []Index     `json:"indices"`
}

// Index is one number of a sensitivity analysis, with its interval.
type Index struct {
	Column    string    `json:"column"`
	Statistic Statistic `json:"statistic"`
	Parameter string    `json:"parameter"` // label
	Name      IndexName `json:"index"`
	At        string    `json:"at,omitempty"` // Change: the value of the parameter
	Value     float64   `json:"value"`
	Interval
}

// IndexName is what an Index is.
type IndexName string

// The indices. Those of OneAtATime and Morris are in units of the column; those of Sobol are shares of variance.
const (
	Change IndexName = "change"  // OneAtATime: the number at a value less that of the scenario as it is; t-interval over pairs of runs
	Swing  IndexName = "swing"   // OneAtATime: the greatest number over the values less the least; no interval
	Mu     IndexName = "mu"      // Morris: mean elementary effect, per whole range of the parameter
	MuStar IndexName = "mu_star" // Morris: mean absolute elementary effect
	Sigma  IndexName = "sigma"   // Morris: standard deviation of the elementary effects: interactions and curvature
	First  IndexName = "s1"      // Sobol: share of the variance that the parameter explains alone
	Total  IndexName = "st"      // Sobol: share of the variance that would be left if all other parameters were known
)

// Run makes the analysis.
func (s Sensitivity) Run(ctx context.Context, build Builder, o Options) (*SensitivityResult, error) {
	if s.Runs > 0 {
		o.Runs = s.Runs
	}
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := s.complete(); err != nil {
		return nil, err
	}
	points, analyse, err := s.design(o)
	if err != nil {
		return nil, err
	}
	result := &SensitivityResult{Manifest: Manifest{Kind: KindSensitivity}, Sensitivity: s, Points: len(points)}
	e, err := evaluate(ctx, build, points, o, &result.Manifest)
	if err != nil {
		return nil, err
	}
	if e.folder != nil && e.folder.finished {
		loaded, err := Load(o.Dir)
		if err != nil {
			return nil, err
		}
		return loaded.Sensitivity, nil
	}
	for k, c := range e.columns {
		for i, statistic := range Statistics() {
			values := make([][]float64, len(points))
			for p := range values {
				values[p] = e.at(p, e.output(k, statistic))
			}
			for _, index := range analyse(values, random.New(o.Seed).Stream("bootstrap of index", k, i)) {
				index.Column, index.Statistic = c.Name, statistic
				result.Indices = append(result.Indices, index)
			}
		}
	}
	if e.folder == nil {
		return result, nil
	}
	return result, e.folder.finishWith(IndicesFile, result.write, result)
}

func (s *Sensitivity) complete() error {
	if s.Method == "" {
		s.Method = OneAtATime
	}
	if err := checkParameters(s.Parameters); err != nil {
		return err
	}
	if s.Samples < 0 {
		return fmt.Errorf("%w: %d samples, want 1 or more", ErrOptions, s.Samples)
	}
	return checkIntervals(&s.Confidence, &s.Bootstrap)
}

// analysis computes indices of one number from its values at all points, by run.
type analysis func(values [][]float64, source *rand.Rand) []Index

// design chooses the points and how they are analysed.
func (s *Sensitivity) design(o Options) ([][]Setting, analysis, error) {
	source := random.New(o.Seed).Stream("sensitivity")
	switch s.Method {
	case OneAtATime:
		points, spans := s.oneAtATime()
		return points, func(values [][]float64, _ *rand.Rand) []Index { return s.changes(spans, points, values) }, nil
	case Morris:
		return s.morris(o, source)
	case Sobol:
		return s.sobol(o, source)
	}
	return nil, nil, fmt.Errorf("%w: sensitivity by %q, want %s, %s or %s", ErrOptions, s.Method, OneAtATime, Morris, Sobol)
}

// oneAtATime returns the scenario as it is, then each parameter's values, and where each parameter's points begin.
func (s *Sensitivity) oneAtATime() (points [][]Setting, spans []int) {
	points = [][]Setting{nil}
	for _, p := range s.Parameters {
		spans = append(spans, len(points))
		for _, v := range p.levels(rangeEnds) {
			points = append(points, []Setting{{Path: p.Path, Value: v}})
		}
	}
	return points, append(spans, len(points))
}

func (s *Sensitivity) changes(spans []int, points [][]Setting, values [][]float64) []Index {
	var indices []Index
	base, _ := moments(values[0])
	for i, p := range s.Parameters {
		least, greatest := math.Inf(1), math.Inf(-1)
		for k := spans[i]; k < spans[i+1]; k++ {
			differences := make([]float64, len(values[k]))
			for run := range differences {
				differences[run] = values[k][run] - values[0][run]
			}
			mean, variance := moments(differences)
			least, greatest = min(least, base+mean), max(greatest, base+mean)
			indices = append(indices, Index{Parameter: p.Label(), Name: Change, At: ValueText(points[k][0].Value), Value: mean,
				Interval: studentInterval(mean, variance, len(differences), s.Confidence)})
		}
		swing := greatest - least
		indices = append(indices, Index{Parameter: p.Label(), Name: Swing, Value: swing, Interval: Interval{swing, swing}})
	}
	return indices
}

// morris draws trajectories, each of which changes every parameter once by the same part of its range (Morris,
// "Factorial sampling plans for preliminary computational experiments", 1991; mu* after Campolongo et al., 2007).
func (s *Sensitivity) morris(o Options, source *rand.Rand) ([][]Setting, analysis, error) {
	if s.Samples == 0 {
		s.Samples = defaultTrajectories
	}
	if s.Levels == 0 {
		s.Levels = defaultLevels
	}
	if s.Levels < 2 || s.Levels%2 != 0 {
		return nil, nil, fmt.Errorf("%w: %d levels, want an even number", ErrOptions, s.Levels)
	}
	k := len(s.Parameters)
	if err := fits(s.Samples, k+1, o); err != nil {
		return nil, nil, err
	}
	half, step := s.Levels/2, float64(s.Levels/2)/float64(s.Levels-1)
	var points [][]Setting
	var moved [][]int     // per trajectory, which parameter each step changes
	var signs [][]float64 // and which way
	for range s.Samples {
		u, sign := make([]float64, k), make([]float64, k)
		for i := range u {
			u[i], sign[i] = float64(source.IntN(half))/float64(s.Levels-1), 1
			if source.IntN(2) == 1 {
				u[i], sign[i] = u[i]+step, -1
			}
		}
		order := source.Perm(k)
		points = append(points, settings(s.Parameters, u))
		for _, i := range order {
			u[i] += sign[i] * step
			points = append(points, settings(s.Parameters, u))
		}
		moved, signs = append(moved, order), append(signs, sign)
	}
	return points, func(values [][]float64, source *rand.Rand) []Index {
		effects := make([][]float64, k) // per parameter, one per trajectory
		for t, order := range moved {
			for j, i := range order {
				at := t*(k+1) + j
				before, _ := moments(values[at])
				after, _ := moments(values[at+1])
				effects[i] = append(effects[i], (after-before)/(signs[t][i]*step))
			}
		}
		return s.elementary(effects, source)
	}, nil
}

func (s *Sensitivity) elementary(effects [][]float64, source *rand.Rand) []Index {
	var indices []Index
	for i, p := range s.Parameters {
		absolute := make([]float64, len(effects[i]))
		for t, e := range effects[i] {
			absolute[t] = math.Abs(e)
		}
		for _, x := range []struct {
			name IndexName
			of   func(drawn []int) float64
		}{
			{Mu, func(drawn []int) float64 { return meanOf(effects[i], drawn) }},
			{MuStar, func(drawn []int) float64 { return meanOf(absolute, drawn) }},
			{Sigma, func(drawn []int) float64 { return deviationOf(effects[i], drawn) }},
		} {
			indices = append(indices, Index{Parameter: p.Label(), Name: x.name, Value: x.of(every(len(absolute))),
				Interval: bootstrapInterval(len(absolute), s.Bootstrap, s.Confidence, source, x.of)})
		}
	}
	return indices
}

// sobol draws two base samples A and B and, for each parameter, A with that column of B (Saltelli, 2002), and uses
// Jansen's estimators: S1 = 1 - E(fB - fABi)^2 / 2V, ST = E(fA - fABi)^2 / 2V (Saltelli et al., "Variance based
// sensitivity analysis of model output", 2010, table 2).
func (s *Sensitivity) sobol(o Options, source *rand.Rand) ([][]Setting, analysis, error) {
	if s.Samples == 0 {
		s.Samples = defaultSobol
	}
	if s.Sampling == "" {
		s.Sampling = Halton
	}
	k := len(s.Parameters)
	if err := fits(s.Samples, k+2, o); err != nil {
		return nil, nil, err
	}
	if s.Samples < 2 {
		return nil, nil, fmt.Errorf("%w: %d samples, sobol needs at least 2", ErrOptions, s.Samples)
	}
	units, err := sample(s.Sampling, s.Samples, 2*k, source)
	if err != nil {
		return nil, nil, err
	}
	var points [][]Setting // per row: A, B, AB_1, ..., AB_k
	for _, u := range units {
		points = append(points, settings(s.Parameters, u[:k]), settings(s.Parameters, u[k:]))
		for i := range k {
			mixed := slices.Clone(u[:k])
			mixed[i] = u[k+i]
			points = append(points, settings(s.Parameters, mixed))
		}
	}
	return points, func(values [][]float64, source *rand.Rand) []Index {
		f := make([]float64, len(values))
		for i, v := range values {
			f[i], _ = moments(v)
		}
		return s.shares(f, source)
	}, nil
}

func (s *Sensitivity) shares(f []float64, source *rand.Rand) []Index {
	var indices []Index
	k := len(s.Parameters)
	for i, p := range s.Parameters {
		for _, x := range []struct {
			name IndexName
			of   func(drawn []int) float64
		}{
			{First, func(drawn []int) float64 { return 1 - jansen(f, k, drawn, 1, 2+i) }},
			{Total, func(drawn []int) float64 { return jansen(f, k, drawn, 0, 2+i) }},
		} {
			index := Index{Parameter: p.Label(), Name: x.name}
			if slices.Min(f) < slices.Max(f) { // a number that nothing changes has no shares
				index.Value = x.of(every(s.Samples))
				index.Interval = bootstrapInterval(s.Samples, s.Bootstrap, s.Confidence, source, x.of)
			}
			indices = append(indices, index)
		}
	}
	return indices
}

// jansen is half the mean squared difference of two of a row's numbers over the variance of A and B, over the rows
// that are drawn.
func jansen(f []float64, k int, drawn []int, x, y int) float64 {
	squares, mean, variance, n := 0.0, 0.0, 0.0, 0.0
	for _, row := range drawn {
		r := f[row*(k+2):]
		d := r[x] - r[y]
		squares += d * d
		for _, v := range r[:2] {
			n++
			d := v - mean
			mean += d / n
			variance += d * (v - mean)
		}
	}
	if variance == 0 {
		return 0
	}
	return squares / 2 / float64(len(drawn)) / (variance / (n - 1))
}

// fits refuses designs over the limit before they are made.
func fits(samples, each int, o Options) error {
	if samples > o.Limits.Evaluations/o.Runs/each {
		return fmt.Errorf("%w: %d samples of %d points of %d runs, at most %d runs are allowed", ErrLimit, samples, each, o.Runs, o.Limits.Evaluations)
	}
	return nil
}

func every(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func deviationOf(values []float64, drawn []int) float64 {
	picked := make([]float64, len(drawn))
	for k, i := range drawn {
		picked[k] = values[i]
	}
	_, variance := moments(picked)
	return math.Sqrt(variance)
}

func (r *SensitivityResult) write(w io.Writer) error {
	if _, err := io.WriteString(w, "column,statistic,parameter,index,at,value,low,high\n"); err != nil {
		return err
	}
	for _, x := range r.Indices {
		line := []byte(x.Column + "," + string(x.Statistic) + "," + csvText(x.Parameter) + "," + string(x.Name) + "," + csvText(x.At))
		line = append(appendFloats(line, []float64{x.Value, x.Low, x.High}), '\n')
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}
