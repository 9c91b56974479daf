package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/experiment"
	"github.com/plexusnet/plexus/sims/plots"
)

func (r *Report) run(result *experiment.Result) error {
	r.sections = append(r.sections, summaryTable(result))
	groups := grouped(result.Manifest.Columns)
	x, unit := plots.TimeAxis(result.Seconds)
	for _, name := range groups.stacks {
		if err := r.stack(result, name, groups.parts[name], x, unit); err != nil {
			return err
		}
	}
	for _, name := range groups.lorenz {
		if err := r.lorenz(result, name, groups.points[name]); err != nil {
			return err
		}
	}
	for _, column := range groups.plain {
		if err := r.fan(result, column, x, unit); err != nil {
			return err
		}
	}
	return nil
}

// summaryTable says how each column ended.
func summaryTable(result *experiment.Result) section {
	s := section{
		Title: "At the end",
		Note:  fmt.Sprintf("%d runs of %d recorded steps.", result.Summary.Runs, result.Summary.Steps),
		Head:  []string{"column", "unit", "mean", "sd", "least"},
	}
	for _, q := range result.Manifest.Quantiles {
		s.Head = append(s.Head, percent(q))
	}
	s.Head = append(s.Head, "greatest", "mean over time")
	for _, c := range result.Summary.Column {
		row := []string{c.Name, c.Unit, number(c.End.Mean), number(c.End.SD), number(c.End.Min)}
		for _, q := range c.End.Quantiles {
			row = append(row, number(q))
		}
		s.Rows = append(s.Rows, append(row, number(c.End.Max), number(c.Mean.Mean)))
	}
	return s
}

// fan draws one column: bands of quantiles over many runs, one line of a single run.
func (r *Report) fan(result *experiment.Result, column sims.Column, x []float64, unit string) error {
	fan, err := result.Fan(column.Name)
	if err != nil {
		return err
	}
	labels := plots.Labels{Title: column.Name, X: unit, Y: axis(column.Unit)}
	if result.Summary.Runs == 1 {
		f, err := plots.Lines(labels, x, plots.Series{Y: fan.Mean})
		return r.add(column.Name, about(column), plots.Height, f, err)
	}
	middle, bands := pairs(fan, result.Manifest.Quantiles)
	f, err := plots.Fan(labels, x, middle, bands...)
	return r.add(column.Name, about(column), plots.Height, f, err)
}

// pairs makes bands of the quantiles that lie symmetrically, the outermost first, and a line of the one in the middle,
// or of the mean.
func pairs(fan experiment.Fan, probabilities []float64) (middle plots.Series, bands []plots.Band) {
	n := len(probabilities)
	for i := range n / 2 {
		low, high := probabilities[i], probabilities[n-1-i]
		bands = append(bands, plots.Band{Name: percent(low) + " to " + percent(high), Low: fan.Quantiles[i], High: fan.Quantiles[n-1-i]})
	}
	if n%2 == 1 {
		return plots.Series{Name: percent(probabilities[n/2]), Y: fan.Quantiles[n/2]}, bands
	}
	return plots.Series{Name: "mean", Y: fan.Mean}, bands
}

func percent(q float64) string { return strconv.FormatFloat(100*q, 'g', 4, 64) + " %" }

// columnGroups are columns by how they are drawn.
type columnGroups struct {
	plain          []sims.Column
	stacks, lorenz []string // names, in order of appearance
	parts          map[string][]sims.Column
	points         map[string][]point
}

// point is a column of a Lorenz curve.
type point struct {
	percent float64
	column  sims.Column
}

func grouped(columns []sims.Column) columnGroups {
	g := columnGroups{parts: map[string][]sims.Column{}, points: map[string][]point{}}
	for _, c := range columns {
		kind, rest, _ := strings.Cut(c.Name, ".")
		at := strings.LastIndexByte(rest, '.')
		if at <= 0 {
			g.plain = append(g.plain, c)
			continue
		}
		name, last := rest[:at], rest[at+1:]
		share, err := strconv.ParseFloat(last, 64)
		switch {
		case kind == "stack":
			if g.parts[name] == nil {
				g.stacks = append(g.stacks, name)
			}
			g.parts[name] = append(g.parts[name], c)
		case kind == "lorenz" && err == nil && share > 0 && share < 100:
			if g.points[name] == nil {
				g.lorenz = append(g.lorenz, name)
			}
			g.points[name] = append(g.points[name], point{share, c})
		default:
			g.plain = append(g.plain, c)
		}
	}
	return g
}

// stack draws the means of the parts of a whole on top of each other.
func (r *Report) stack(result *experiment.Result, name string, parts []sims.Column, x []float64, unit string) error {
	var series []plots.Series
	for _, c := range parts {
		fan, err := result.Fan(c.Name)
		if err != nil {
			return err
		}
		series = append(series, plots.Series{Name: strings.TrimPrefix(c.Name, "stack."+name+"."), Y: fan.Mean})
	}
	f, err := plots.Stacked(plots.Labels{Title: name, X: unit, Y: axis(parts[0].Unit)}, x, series...)
	return r.add("stack."+name, name+": mean over runs, parts of the whole", plots.Height, f, err)
}

// lorenz draws who holds how much at the end, as the mean over runs.
func (r *Report) lorenz(result *experiment.Result, name string, points []point) error {
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.percent, b.percent) })
	population, held := []float64{0}, []float64{0}
	for _, p := range points {
		fan, err := result.Fan(p.column.Name)
		if err != nil {
			return err
		}
		population, held = append(population, p.percent/100), append(held, fan.Mean[len(fan.Mean)-1])
	}
	population, held = append(population, 1), append(held, 1)
	f, err := plots.Lorenz(plots.Labels{Title: name + " at the end", X: "share of holders, the poorest first", Y: "share of the whole"}, population, held)
	return r.add("lorenz."+name, name+": Lorenz curve at the end, mean over runs; the straight line is equality", plots.Width*2/3, f, err)
}
