package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/plots"
)

// sweep draws every column's end over what was varied: a line with its band over one parameter, a heat map and contours
// over a grid of two, points over each parameter otherwise.
func (r *Report) sweep(result *experiment.SweepResult) error {
	if len(result.Points) == 0 {
		return fmt.Errorf("a sweep without points")
	}
	r.sections = append(r.sections, sweepTable(result))
	for i, output := range result.Points[0].Outputs {
		if output.Statistic != experiment.End {
			continue
		}
		if err := r.sweepColumn(result, i, output); err != nil {
			return err
		}
	}
	return nil
}

func sweepTable(result *experiment.SweepResult) section {
	const most = 2000
	s := section{Title: "At the end, at each point", Note: fmt.Sprintf("%d points; means over the runs at each.", len(result.Points))}
	for _, p := range result.Sweep.Parameters {
		s.Head = append(s.Head, p.Label())
	}
	ends := []int{}
	for i, o := range result.Points[0].Outputs {
		if o.Statistic == experiment.End {
			ends = append(ends, i)
			s.Head = append(s.Head, o.Column)
		}
	}
	for _, p := range result.Points[:min(len(result.Points), most)] {
		var row []string
		for _, v := range p.Values {
			row = append(row, experiment.ValueText(v))
		}
		for _, i := range ends {
			row = append(row, number(p.Outputs[i].Distribution.Mean))
		}
		s.Rows = append(s.Rows, row)
	}
	if len(result.Points) > most {
		s.Note += fmt.Sprintf(" The first %d are shown, all are in sweep.csv.", most)
	}
	return s
}

func (r *Report) sweepColumn(result *experiment.SweepResult, at int, output experiment.Output) error {
	var z []float64
	for _, p := range result.Points {
		z = append(z, p.Outputs[at].Distribution.Mean)
	}
	unit := axis(r.unit(output.Column))
	parameters := result.Sweep.Parameters
	if len(parameters) == 1 {
		if x, ok := axisOf(result, 0); ok {
			return r.sweepLine(result, at, output.Column, unit, parameters[0].Label(), x)
		}
	}
	if len(parameters) == 2 {
		if grid, ok := gridOf(result, z); ok {
			labels := plots.Labels{Title: output.Column, X: parameters[0].Label(), Y: parameters[1].Label()}
			f, err := plots.HeatMap(labels, unit, grid)
			if err := r.add(output.Column+".heat", output.Column+" at the end, mean over runs", plots.Width*2/3, f, err); err != nil {
				return err
			}
			if len(grid.X) < 3 || len(grid.Y) < 3 {
				return nil
			}
			f, err = plots.Contour(labels, unit, grid, 9)
			return r.add(output.Column+".contour", output.Column+" at the end, in bands of equal height", plots.Width*2/3, f, err)
		}
	}
	for k, p := range parameters {
		x, ok := axisOf(result, k)
		if !ok {
			continue
		}
		f, err := plots.Scatter(plots.Labels{Title: output.Column, X: p.Label(), Y: unit}, x, z)
		if err := r.add(output.Column+".over."+p.Label(), output.Column+" at the end over "+p.Label(), plots.Height, f, err); err != nil {
			return err
		}
	}
	return nil
}

// sweepLine draws the mean over one parameter, with the band between the outermost quantiles of the runs at each value.
func (r *Report) sweepLine(result *experiment.SweepResult, at int, column, unit, label string, x []float64) error {
	type place struct {
		x, mean, low, high float64
	}
	var places []place
	runs := 0
	for i, p := range result.Points {
		d := p.Outputs[at].Distribution
		runs = max(runs, d.Runs)
		one := place{x: x[i], mean: d.Mean, low: d.Mean, high: d.Mean}
		if n := len(d.Quantiles); n > 1 {
			one.low, one.high = d.Quantiles[0], d.Quantiles[n-1]
		}
		places = append(places, one)
	}
	slices.SortStableFunc(places, func(a, b place) int {
		switch {
		case a.x < b.x:
			return -1
		case a.x > b.x:
			return 1
		}
		return 0
	})
	var xs, mean, low, high []float64
	for _, p := range places {
		xs, mean, low, high = append(xs, p.x), append(mean, p.mean), append(low, p.low), append(high, p.high)
	}
	labels := plots.Labels{Title: column, X: label, Y: unit}
	var bands []plots.Band
	if q := result.Manifest.Quantiles; runs > 1 && len(q) > 1 {
		bands = append(bands, plots.Band{Name: percent(q[0]) + " to " + percent(q[len(q)-1]), Low: low, High: high})
	}
	f, err := plots.Fan(labels, xs, plots.Series{Name: "mean", Y: mean}, bands...)
	return r.add(column, column+" at the end over "+label, plots.Height, f, err)
}

// unit looks up a column.
func (r *Report) unit(column string) string {
	for _, c := range r.outcome.Manifest.Columns {
		if c.Name == column {
			return c.Unit
		}
	}
	return ""
}

// axisOf returns the values of a parameter at all points, if they are numbers.
func axisOf(result *experiment.SweepResult, parameter int) ([]float64, bool) {
	var x []float64
	for _, p := range result.Points {
		v, ok := asNumber(p.Values[parameter])
		if !ok {
			return nil, false
		}
		x = append(x, v)
	}
	return x, true
}

func asNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	}
	return 0, false
}

// gridOf arranges the points of a sweep over two parameters, if they are all combinations of at least two values each.
func gridOf(result *experiment.SweepResult, z []float64) (plots.Grid, bool) {
	xs, okX := axisOf(result, 0)
	ys, okY := axisOf(result, 1)
	if !okX || !okY {
		return plots.Grid{}, false
	}
	g := plots.Grid{X: distinct(xs), Y: distinct(ys)}
	if len(g.X) < 2 || len(g.Y) < 2 || len(g.X)*len(g.Y) != len(z) {
		return plots.Grid{}, false
	}
	for range g.Y {
		g.Z = append(g.Z, make([]float64, len(g.X)))
	}
	filled := map[[2]int]bool{}
	for i := range z {
		c, _ := slices.BinarySearch(g.X, xs[i])
		row, _ := slices.BinarySearch(g.Y, ys[i])
		g.Z[row][c] = z[i]
		filled[[2]int{row, c}] = true
	}
	return g, len(filled) == len(z)
}

func distinct(values []float64) []float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// compare shows what every variant changes.
func (r *Report) compare(result *experiment.CompareResult) error {
	confidence := result.Comparison.Confidence
	if confidence == 0 {
		confidence = experiment.DefaultConfidence
	}
	s := section{
		Title: "Effects",
		Note:  fmt.Sprintf("Changed less base, over pairs of runs with equal seeds, with intervals of %s. The last column says how many times as many runs with unrelated seeds would tell as much.", percent(confidence)),
		Head:  []string{"variant", "column", "of", "unit", "base", "changed", "effect", "relative", "t interval", "bootstrap interval", "worth"},
	}
	names := []string{}
	byColumn := map[string][]plots.Estimate{}
	for _, e := range result.Effects {
		row := []string{e.Variant, e.Column, string(e.Statistic), e.Unit, number(e.Base), number(e.Changed), number(e.Effect), "", interval(e.Student), interval(e.Bootstrap), ""}
		if e.Relative != nil {
			row[7] = percent(*e.Relative)
		}
		if e.VarianceReduction != nil {
			row[10] = number(*e.VarianceReduction)
		}
		s.Rows = append(s.Rows, row)
		if e.Statistic != experiment.End {
			continue
		}
		if byColumn[e.Column] == nil {
			names = append(names, e.Column)
		}
		byColumn[e.Column] = append(byColumn[e.Column], plots.Estimate{Name: e.Variant, Value: e.Effect, Low: e.Student.Low, High: e.Student.High})
	}
	r.sections = append(r.sections, s)
	for _, name := range names {
		estimates := byColumn[name]
		f, err := plots.Intervals(plots.Labels{Title: name, X: strings.TrimSpace("effect " + axis(r.unit(name)))}, estimates)
		if err := r.add("effect."+name, "What the variants change in "+name+" at the end, with t intervals", plots.TallEnough(len(estimates)), f, err); err != nil {
			return err
		}
	}
	return r.together(result)
}

// together draws the means of the base and its variants over time.
func (r *Report) together(result *experiment.CompareResult) error {
	if len(result.Results) == 0 || len(result.Results) != len(result.Manifest.Variants) {
		return nil
	}
	base := result.Results[0]
	x, unit := plots.TimeAxis(base.Seconds)
	for _, c := range base.Manifest.Columns {
		var series []plots.Series
		for i, one := range result.Results {
			if !slices.ContainsFunc(one.Manifest.Columns, func(o sims.Column) bool { return o.Name == c.Name }) || !slices.Equal(one.Steps, base.Steps) {
				continue
			}
			fan, err := one.Fan(c.Name)
			if err != nil {
				return err
			}
			series = append(series, plots.Series{Name: result.Manifest.Variants[i], Y: fan.Mean})
		}
		f, err := plots.Lines(plots.Labels{Title: c.Name, X: unit, Y: axis(c.Unit)}, x, series...)
		if err := r.add(c.Name, about(c)+" (mean over runs)", plots.Height, f, err); err != nil {
			return err
		}
	}
	return nil
}

func interval(i experiment.Interval) string { return number(i.Low) + " to " + number(i.High) }

// sensitivity shows which parameters matter: a tornado where one is changed at a time, the indices otherwise.
func (r *Report) sensitivity(result *experiment.SensitivityResult) error {
	s := section{
		Title: "Indices", Note: notes[result.Sensitivity.Method],
		Head: []string{"column", "of", "parameter", "index", "at", "value", "interval"},
	}
	for _, i := range result.Indices {
		s.Rows = append(s.Rows, []string{i.Column, string(i.Statistic), i.Parameter, string(i.Name), i.At, number(i.Value), interval(i.Interval)})
	}
	r.sections = append(r.sections, s)
	columns := []string{}
	for _, i := range result.Indices {
		if i.Statistic == experiment.End && !slices.Contains(columns, i.Column) {
			columns = append(columns, i.Column)
		}
	}
	for _, c := range columns {
		indices := slices.DeleteFunc(slices.Clone(result.Indices), func(i experiment.Index) bool { return i.Column != c || i.Statistic != experiment.End })
		if err := r.sensitivityColumn(result.Sensitivity.Method, c, indices); err != nil {
			return err
		}
	}
	return nil
}

var notes = map[experiment.Analysis]string{
	experiment.OneAtATime: "What each parameter alone changes, the others staying as they are.",
	experiment.Morris:     "mu_star: mean size of the elementary effects; sigma: how much they differ, by interactions or curvature.",
	experiment.Sobol:      "s1: share of the variance that a parameter explains alone; st: share that would be left if all others were known.",
}

func (r *Report) sensitivityColumn(method experiment.Analysis, column string, indices []experiment.Index) error {
	if method == experiment.OneAtATime {
		bars := tornado(indices)
		f, err := plots.Tornado(plots.Labels{Title: column, X: strings.TrimSpace("change " + axis(r.unit(column)))}, 0, bars)
		return r.add(column, "What each parameter alone changes in "+column+" at the end", plots.TallEnough(len(bars)), f, err)
	}
	for _, name := range []experiment.IndexName{experiment.MuStar, experiment.Sigma, experiment.First, experiment.Total} {
		var estimates []plots.Estimate
		for _, i := range indices {
			if i.Name == name {
				estimates = append(estimates, plots.Estimate{Name: i.Parameter, Value: i.Value, Low: i.Low, High: i.High})
			}
		}
		height := plots.TallEnough(len(estimates))
		f, err := plots.Intervals(plots.Labels{Title: column + ": " + string(name)}, estimates)
		if err := r.add(column+"."+string(name), string(name)+" of "+column+" at the end", height, f, err); err != nil {
			return err
		}
	}
	return nil
}

// tornado makes one bar of the least and the greatest change of each parameter.
func tornado(indices []experiment.Index) []plots.Bar {
	var bars []plots.Bar
	for _, i := range indices {
		if i.Name != experiment.Change {
			continue
		}
		at := slices.IndexFunc(bars, func(b plots.Bar) bool { return b.Name == i.Parameter })
		if at < 0 {
			bars = append(bars, plots.Bar{Name: i.Parameter})
			at = len(bars) - 1
		}
		bars[at].Low, bars[at].High = min(bars[at].Low, i.Value), max(bars[at].High, i.Value)
	}
	return bars
}
