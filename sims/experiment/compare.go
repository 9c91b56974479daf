package experiment

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/random"
)

// Comparison runs variants of a model with the seeds of its base and asks what they change.
type Comparison struct {
	Base       Variant   `yaml:"base,omitempty" json:"base" doc:"what the variants are compared with; the scenario as it is if left out"`
	Variants   []Variant `yaml:"variants" json:"variants" doc:"what to compare with the base"`
	Confidence float64   `yaml:"confidence,omitempty" json:"confidence" doc:"of the intervals; 0.95 if left out"`
	Bootstrap  int       `yaml:"bootstrap,omitempty" json:"bootstrap" doc:"resamples of the bootstrap; 1000 if left out"`
}

// Variant is a model with some parameters changed.
type Variant struct {
	Name string         `yaml:"name" json:"name" doc:"names its lines and its folder: letters, digits, dots, dashes, underscores"`
	Set  map[string]any `yaml:"set,omitempty" json:"set,omitempty" doc:"values by dotted path"`
}

func (v Variant) settings() []Setting {
	var set []Setting
	for _, path := range slices.Sorted(maps.Keys(v.Set)) {
		set = append(set, Setting{Path: path, Value: v.Set[path]})
	}
	return set
}

// CompareResult is a finished Comparison.
type CompareResult struct {
	Manifest   Manifest   `json:"-"`
	Comparison Comparison `json:"comparison"`
	Effects    []Effect   `json:"effects"`
	Results    []*Result  `json:"-"` // of the base and of each variant, in the order of Manifest.Variants
}

// Effect is what a variant changes in one number, over pairs of runs with equal seeds.
type Effect struct {
	Variant   string    `json:"variant"`
	Column    string    `json:"column"`
	Unit      string    `json:"unit"`
	Statistic Statistic `json:"statistic"`
	Pairs     int       `json:"pairs"`
	Base      float64   `json:"base"` // mean over runs
	Changed   float64   `json:"changed"`
	Effect    float64   `json:"effect"`             // mean of changed - base
	Relative  *float64  `json:"relative,omitempty"` // effect / |base|, where base is not 0
	SD        float64   `json:"sd"`                 // of the differences
	Student   Interval  `json:"student"`            // t-interval of the effect
	Bootstrap Interval  `json:"bootstrap"`          // percentile interval of the effect
	// VarianceReduction is how many times as many runs with unrelated seeds the same standard error would take:
	// (var base + var changed) / var difference. Missing if all differences are equal.
	VarianceReduction *float64 `json:"variance_reduction,omitempty"`
}

var variantName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)

// Run makes the comparison: Options.Runs pairs of runs per variant, and at least two.
func (c Comparison) Run(ctx context.Context, build Builder, o Options) (*CompareResult, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := c.check(o); err != nil {
		return nil, err
	}
	all := append([]Variant{c.Base}, c.Variants...)
	result := &CompareResult{Comparison: c}
	points := make([][]Setting, len(all))
	for i, v := range all {
		points[i] = v.settings()
		result.Manifest.Variants = append(result.Manifest.Variants, v.Name)
	}
	if err := result.prepare(points, build, o); err != nil {
		return nil, err
	}
	var folder *folder
	if o.Dir != "" {
		if folder, err = openFolder(o.Dir, result.Manifest, o.Scenario, o.Resume); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	for i, v := range all {
		r, err := c.variant(ctx, build, v, points[i], o, i, len(all), began)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.Name, err)
		}
		result.Results = append(result.Results, r)
		if i > 0 {
			result.Effects = append(result.Effects, c.effects(i, v.Name, result.Results[0], r, o)...)
			r.perRun = nil
		}
	}
	if folder == nil || folder.finished {
		return result, nil
	}
	return result, folder.finishWith(EffectsFile, result.write, result)
}

func (c *Comparison) check(o Options) error {
	if c.Base.Name == "" {
		c.Base.Name = "base"
	}
	if err := checkIntervals(&c.Confidence, &c.Bootstrap); err != nil {
		return err
	}
	if len(c.Variants) == 0 {
		return fmt.Errorf("%w: no variants to compare", ErrOptions)
	}
	if o.Runs < 2 {
		return fmt.Errorf("%w: %d run, a comparison needs at least 2", ErrOptions, o.Runs)
	}
	seen := map[string]bool{}
	for _, v := range append([]Variant{c.Base}, c.Variants...) {
		if !variantName.MatchString(v.Name) {
			return fmt.Errorf("%w: variant %q: want a name of letters, digits, dots, dashes and underscores", ErrOptions, v.Name)
		}
		if seen[v.Name] {
			return fmt.Errorf("%w: two variants named %q", ErrOptions, v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}

// prepare builds every variant once, so that a value which is not allowed is found at once.
func (r *CompareResult) prepare(points [][]Setting, build Builder, o Options) error {
	m := &r.Manifest
	for i, point := range points {
		model, err := build(point)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Variants[i], err)
		}
		if i > 0 {
			continue
		}
		if m.Columns, _, err = pick(model, o.Columns); err != nil {
			return err
		}
	}
	plan, err := planDigest(points)
	if err != nil {
		return err
	}
	m.Format, m.Kind, m.Name, m.Version, m.Seed, m.Runs = FormatVersion, KindCompare, o.Name, o.Version, o.Seed, o.Runs
	m.Every, m.Quantiles, m.Records, m.Memory = o.Every, o.Quantiles, o.Records, o.Limits.Memory
	m.Scenario, m.Plan, m.Evaluations = digestOf(o.Scenario), plan, len(points)*o.Runs
	return nil
}

// variant runs variant i of count.
func (c Comparison) variant(ctx context.Context, build Builder, v Variant, set []Setting, o Options, i, count int, began time.Time) (*Result, error) {
	model, err := build(set)
	if err != nil {
		return nil, err
	}
	o.Limits.Memory /= int64(count) // all results are held at once
	overall := o.Progress
	o.Progress = func(p Progress) {
		p.Done, p.Total = p.Done+i*o.Runs, count*o.Runs
		p.Fraction = (p.Fraction + float64(i)) / float64(count)
		p.Elapsed = time.Since(began)
		if p.Fraction > 0 {
			p.Left = time.Duration(float64(p.Elapsed) * (1 - p.Fraction) / p.Fraction)
		}
		overall(p)
	}
	if o.Dir != "" {
		o.Dir, o.Scenario, o.Name = filepath.Join(o.Dir, v.Name), nil, v.Name
		if _, err := os.Stat(filepath.Join(o.Dir, ManifestFile)); err == nil {
			o.Resume = true // the folder above was checked
		}
	}
	return run(ctx, model, o, true)
}

// effects compares the runs of a variant with those of the base.
func (c Comparison) effects(variant int, name string, base, changed *Result, o Options) []Effect {
	var effects []Effect
	width := len(base.Manifest.Columns)
	for k, column := range base.Manifest.Columns {
		at := slices.IndexFunc(changed.Manifest.Columns, func(c sims.Column) bool { return c.Name == column.Name })
		if at < 0 {
			continue // the variant has no such thing, say a subnet less
		}
		for s, statistic := range Statistics() {
			x, y := make([]float64, len(base.perRun)), make([]float64, len(base.perRun))
			for i := range x {
				x[i], y[i] = base.perRun[i][s*width+k], changed.perRun[i][s*len(changed.Manifest.Columns)+at]
			}
			source := random.New(o.Seed).Stream("bootstrap of effect", variant, k, s)
			e := c.effect(x, y, source)
			e.Variant, e.Column, e.Unit, e.Statistic = name, column.Name, column.Unit, statistic
			effects = append(effects, e)
		}
	}
	return effects
}

func (c Comparison) effect(base, changed []float64, source *rand.Rand) Effect {
	differences := make([]float64, len(base))
	for i := range base {
		differences[i] = changed[i] - base[i]
	}
	n := len(base)
	e := Effect{Pairs: n}
	var baseVar, changedVar, variance float64
	e.Base, baseVar = moments(base)
	e.Changed, changedVar = moments(changed)
	e.Effect, variance = moments(differences)
	e.SD = math.Sqrt(variance)
	e.Student = studentInterval(e.Effect, variance, n, c.Confidence)
	e.Bootstrap = e.Student
	if variance > 0 {
		e.Bootstrap = bootstrapInterval(n, c.Bootstrap, c.Confidence, source, func(drawn []int) float64 { return meanOf(differences, drawn) })
		reduction := (baseVar + changedVar) / variance
		e.VarianceReduction = &reduction
	}
	if e.Base != 0 {
		relative := e.Effect / math.Abs(e.Base)
		e.Relative = &relative
	}
	return e
}

func (r *CompareResult) write(w io.Writer) error {
	const header = "variant,column,unit,statistic,pairs,base,changed,effect,relative,sd,student_low,student_high,bootstrap_low,bootstrap_high,variance_reduction\n"
	if _, err := io.WriteString(w, header); err != nil {
		return err
	}
	var line []byte
	for _, e := range r.Effects {
		line = append(line[:0], e.Variant+","+e.Column+","+csvText(e.Unit)+","+string(e.Statistic)+","...)
		line = strconv.AppendInt(line, int64(e.Pairs), 10)
		line = appendFloats(line, []float64{e.Base, e.Changed, e.Effect})
		line = appendOptional(line, e.Relative)
		line = appendFloats(line, []float64{e.SD, e.Student.Low, e.Student.High, e.Bootstrap.Low, e.Bootstrap.High})
		line = append(appendOptional(line, e.VarianceReduction), '\n')
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func appendOptional(line []byte, v *float64) []byte {
	if v == nil {
		return append(line, ',')
	}
	return appendFloat(append(line, ','), *v)
}

func (f *folder) loadCompare(m Manifest) (*CompareResult, error) {
	r := &CompareResult{}
	if err := f.readJSON(SummaryFile, r); err != nil {
		return nil, err
	}
	r.Manifest = m
	for _, name := range m.Variants {
		o, err := Load(filepath.Join(f.dir, name))
		if err != nil {
			return nil, err
		}
		r.Results = append(r.Results, o.Run)
	}
	return r, nil
}
