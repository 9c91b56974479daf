package simcmd

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/plexusnet/plexus/sims/experiment"
)

// mostLines are printed of a long table; the files have all.
const mostLines = 60

// tableTo prints rows below a header, numbers to the right, and not all of very many.
func tableTo(w io.Writer, header []string, rows [][]string) error {
	left := 0
	if len(rows) > mostLines {
		left, rows = len(rows)-mostLines, rows[:mostLines]
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(header, "\t"))
	for _, row := range rows {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if left > 0 {
		fmt.Fprintf(w, "and %d lines more: --out writes them all, --columns chooses\n", left)
	}
	return nil
}

// short writes a number for people.
func short(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e7 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 5, 64)
}

func optional(v *float64, format func(float64) string) string {
	if v == nil {
		return "-"
	}
	return format(*v)
}

func percent(v float64) string { return fmt.Sprintf("%+.2f %%", 100*v) }

// probability names a quantile: 0.05 is "5 %".
func probability(p float64) string {
	return strconv.FormatFloat(math.Round(p*1e6)/1e4, 'g', -1, 64) + " %"
}

func span(seconds float64) string {
	const day = 86400
	if seconds >= day {
		return short(seconds/day) + " days"
	}
	return time.Duration(seconds * float64(time.Second)).String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func printRun(w io.Writer, r *experiment.Result) error {
	s := r.Summary
	fmt.Fprintf(w, "%s: %s from seed %d, %s until step %d (%s)\n", s.Name, plural(s.Runs, "run"), r.Manifest.Seed, plural(s.Steps, "record"), s.Last, span(s.Span))
	if s.Sketch.Method != experiment.SketchExact {
		fmt.Fprintf(w, "quantiles over time by %s of %d centroids\n", s.Sketch.Method, s.Sketch.Centroids)
	}
	fmt.Fprintln(w)
	header := []string{"at the end", "unit", "mean"}
	if s.Runs > 1 {
		header = append(header, "sd")
		for _, p := range r.Manifest.Quantiles {
			header = append(header, probability(p))
		}
	}
	header = append(header, "mean over time")
	var rows [][]string
	for _, c := range s.Column {
		row := []string{c.Name, c.Unit, short(c.End.Mean)}
		if s.Runs > 1 {
			row = append(row, short(c.End.SD))
			for _, q := range c.End.Quantiles {
				row = append(row, short(q))
			}
		}
		rows = append(rows, append(row, short(c.Mean.Mean)))
	}
	return tableTo(w, header, rows)
}

func printSweep(w io.Writer, r *experiment.SweepResult) error {
	fmt.Fprintf(w, "%s: %s, %s each from seed %d\n\n", r.Manifest.Name, plural(len(r.Points), "point"), plural(r.Manifest.Runs, "run"), r.Manifest.Seed)
	var header []string
	for _, p := range r.Sweep.Parameters {
		header = append(header, p.Label())
	}
	header = append(header, "column", "at the end", "sd", "mean over time", "sd")
	var rows [][]string
	for _, p := range r.Points {
		for pair := range slices.Chunk(p.Outputs, len(experiment.Statistics())) {
			var row []string
			for _, v := range p.Values {
				row = append(row, experiment.ValueText(v))
			}
			row = append(row, pair[0].Column)
			for _, o := range pair {
				row = append(row, short(o.Mean), short(o.SD))
			}
			rows = append(rows, row)
		}
	}
	return tableTo(w, header, rows)
}

func printCompare(w io.Writer, r *experiment.CompareResult) error {
	fmt.Fprintf(w, "%s: %s of equal luck from seed %d, intervals of %g %%\n\n", r.Manifest.Name, plural(r.Manifest.Runs, "pair"), r.Manifest.Seed, 100*r.Comparison.Confidence)
	header := []string{"variant", "column", "", r.Comparison.Base.Name, "changed", "effect", "", "t-interval", "bootstrap", "as good as runs"}
	var rows [][]string
	same := 0
	for _, e := range r.Effects {
		if rounding := 1e-12 * math.Abs(e.Base); math.Abs(e.Effect) <= rounding && e.SD <= 10*rounding {
			same++
			continue
		}
		rows = append(rows, []string{e.Variant, e.Column, string(e.Statistic), short(e.Base), short(e.Changed), short(e.Effect),
			optional(e.Relative, percent), interval(e.Student), interval(e.Bootstrap),
			optional(e.VarianceReduction, func(v float64) string { return "x " + short(v) })})
	}
	if err := tableTo(w, header, rows); err != nil {
		return err
	}
	if same > 0 {
		fmt.Fprintf(w, "%s did not change\n", plural(same, "number"))
	}
	return nil
}

func interval(i experiment.Interval) string { return short(i.Low) + " to " + short(i.High) }

func printSensitivity(w io.Writer, r *experiment.SensitivityResult) error {
	fmt.Fprintf(w, "%s: %s, %s, %s each from seed %d, intervals of %g %%\n\n", r.Manifest.Name, r.Sensitivity.Method,
		plural(r.Points, "point"), plural(r.Manifest.Runs, "run"), r.Manifest.Seed, 100*r.Sensitivity.Confidence)
	var rows [][]string
	for _, x := range r.Indices {
		name := string(x.Name)
		if x.At != "" {
			name += " at " + x.At
		}
		rows = append(rows, []string{x.Column, string(x.Statistic), x.Parameter, name, short(x.Value), interval(x.Interval)})
	}
	return tableTo(w, []string{"column", "", "parameter", "index", "value", "interval"}, rows)
}
