package experiment

import (
	"fmt"
	"slices"

	"github.com/plexusnet/plexus/sims"
)

// Kind is which experiment was made.
type Kind string

// The kinds of experiments.
const (
	KindRun         Kind = "run"
	KindSweep       Kind = "sweep"
	KindCompare     Kind = "compare"
	KindSensitivity Kind = "sensitivity"
)

// FormatVersion counts changes of the files' format.
const FormatVersion = 1

// Manifest says what made the files beside it. Equal manifests stand for equal files.
type Manifest struct {
	Format      int           `json:"format"` // FormatVersion
	Kind        Kind          `json:"kind"`
	Name        string        `json:"name"`    // of the scenario
	Version     string        `json:"version"` // of the program
	Seed        uint64        `json:"seed"`    // master seed; RunSeed gives that of each run
	Runs        int           `json:"runs"`    // per model
	Columns     []sims.Column `json:"columns"` // kept
	Every       Every         `json:"every"`
	Quantiles   []float64     `json:"quantiles"` // probabilities
	Records     Format        `json:"records,omitempty"`
	Memory      int64         `json:"memory"`             // bytes, which sizes batches and sketches
	Scenario    string        `json:"scenario,omitempty"` // SHA-256 of scenario.yaml
	Variants    []string      `json:"variants,omitempty"` // folders of Compare, the base first
	Plan        string        `json:"plan,omitempty"`     // SHA-256 of the points of a sweep or sensitivity analysis
	Evaluations int           `json:"evaluations,omitempty"`
}

// Distribution describes how a number is distributed over runs.
type Distribution struct {
	Runs      int       `json:"runs"`
	Mean      float64   `json:"mean"`
	SD        float64   `json:"sd"` // sample standard deviation, 0 for one run
	Min       float64   `json:"min"`
	Max       float64   `json:"max"`
	Quantiles []float64 `json:"quantiles"` // at the manifest's probabilities
}

// Sketch says how quantiles over time were computed.
type Sketch struct {
	Method    string `json:"method"`    // SketchExact or SketchDigest
	Centroids int    `json:"centroids"` // per cell; with SketchExact at least as many as runs
}

// The methods of sketches.
const (
	SketchExact  = "exact"
	SketchDigest = "t-digest"
)

// Summary is one experiment in a page: how each column ended and what it was on average.
type Summary struct {
	Name   string          `json:"name"`
	Runs   int             `json:"runs"`
	Steps  int             `json:"steps"`   // recorded steps
	Last   uint64          `json:"last"`    // the last of them
	Span   float64         `json:"seconds"` // simulated, until then
	Sketch Sketch          `json:"sketch"`
	Column []ColumnSummary `json:"columns"`
}

// ColumnSummary is the distribution of a column over runs, at its end and of its mean over time.
type ColumnSummary struct {
	sims.Column
	End  Distribution `json:"end"`
	Mean Distribution `json:"mean"`
}

// Statistic is how the records of one run become one number per column.
type Statistic string

// The statistics of a run.
const (
	End  Statistic = "end"  // the last value
	Mean Statistic = "mean" // the mean over time, by the trapezoidal rule over recorded steps
)

// Statistics are all statistics, in the order of files.
func Statistics() []Statistic { return []Statistic{End, Mean} }

// Result is a finished Run.
type Result struct {
	Manifest Manifest
	Summary  Summary
	Steps    []uint64  // recorded steps, rising
	Seconds  []float64 // simulated time of each

	fans   []Fan // by column, if the result was read from files
	grid   *grid // else
	axis   axis
	perRun [][]float64 // per run the ends of all columns, then their means, if they were asked for
}

// Fan is how a column is distributed over runs at each recorded step.
type Fan struct {
	Column             sims.Column
	Runs               []int // that reached the step
	Mean, SD, Min, Max []float64
	Quantiles          [][]float64 // for each of the manifest's probabilities, the quantile at each step
}

// Fan returns the fan of a column.
func (r *Result) Fan(column string) (Fan, error) {
	i := slices.IndexFunc(r.Manifest.Columns, func(c sims.Column) bool { return c.Name == column })
	if i < 0 {
		return Fan{}, fmt.Errorf("%w: no column %q; there are %s", ErrOptions, column, columnList(r.Manifest.Columns))
	}
	if r.fans != nil {
		return r.fans[i], nil
	}
	f := newFan(r.Manifest.Columns[i], len(r.Manifest.Quantiles))
	for k := range r.Steps {
		f.add(r.grid.cellAt(int(r.axis.row[k]), i, r.Manifest.Quantiles))
	}
	return f, nil
}

func newFan(column sims.Column, quantiles int) Fan {
	return Fan{Column: column, Quantiles: make([][]float64, quantiles)}
}

// add appends the distribution at one more step.
func (f *Fan) add(d Distribution) {
	f.Runs = append(f.Runs, d.Runs)
	f.Mean, f.SD = append(f.Mean, d.Mean), append(f.SD, d.SD)
	f.Min, f.Max = append(f.Min, d.Min), append(f.Max, d.Max)
	for i, q := range d.Quantiles {
		f.Quantiles[i] = append(f.Quantiles[i], q)
	}
}
