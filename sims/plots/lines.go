package plots

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Series is a named line.
type Series struct {
	Name string
	Y    []float64
}

// Band is the space between two quantiles, such as 5 % and 95 %.
type Band struct {
	Name      string
	Low, High []float64
}

// Fan draws how a number is distributed over time: bands, the widest first, under a line in the middle.
func Fan(l Labels, x []float64, middle Series, bands ...Band) (*Figure, error) {
	p := newPlot(l)
	p.Add(plotter.NewGrid())
	p.Legend.Top = true
	for i, band := range bands {
		area, err := between(x, band.Low, band.High)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", band.Name, err)
		}
		if area == nil {
			continue
		}
		area.Color, area.LineStyle.Width = shade(hue(0), uint8(50+60*i/max(1, len(bands)-1))), 0
		p.Add(area)
		if band.Name != "" {
			p.Legend.Add(band.Name, area)
		}
	}
	if err := addLines(p, x, []Series{middle}); err != nil {
		return nil, err
	}
	return ofPlot(p), nil
}

// Lines draws several series over each other.
func Lines(l Labels, x []float64, series ...Series) (*Figure, error) {
	p := newPlot(l)
	p.Add(plotter.NewGrid())
	p.Legend.Top, p.Legend.Left = true, true
	if err := addLines(p, x, series); err != nil {
		return nil, err
	}
	return ofPlot(p), nil
}

func addLines(p *plot.Plot, x []float64, series []Series) error {
	drawn := 0
	for i, s := range series {
		if len(s.Y) != len(x) {
			return fmt.Errorf("%w: %s has %d values for %d of x", ErrData, s.Name, len(s.Y), len(x))
		}
		style := draw.LineStyle{Width: vg.Points(1.4), Color: hue(i)}
		named := false
		for _, stretch := range stretches(x, s.Y) {
			line := &plotter.Line{XYs: thin(stretch), LineStyle: style}
			p.Add(line)
			drawn += len(stretch)
			if s.Name != "" && !named {
				p.Legend.Add(s.Name, line)
				named = true
			}
		}
	}
	if drawn == 0 {
		return ErrEmpty
	}
	return nil
}

// Stacked draws amounts on top of each other, the first at the bottom. Amounts that are not finite or less than nothing
// count as nothing.
func Stacked(l Labels, x []float64, series ...Series) (*Figure, error) {
	p := newPlot(l)
	p.Legend.Top, p.Legend.Left = true, true
	floor := make([]float64, len(x))
	var areas []plot.Plotter
	for i, s := range series {
		if len(s.Y) != len(x) {
			return nil, fmt.Errorf("%w: %s has %d values for %d of x", ErrData, s.Name, len(s.Y), len(x))
		}
		top := make([]float64, len(x))
		for k, y := range s.Y {
			top[k] = floor[k]
			if finite(y) {
				top[k] += max(0, y)
			}
		}
		area, err := between(x, floor, top)
		if err != nil {
			return nil, err
		}
		if area == nil {
			return nil, ErrEmpty
		}
		area.Color, area.LineStyle.Width = shade(hue(i), 210), 0
		areas = append(areas, area)
		p.Legend.Add(s.Name, area)
		floor = top
	}
	if len(areas) == 0 {
		return nil, ErrEmpty
	}
	p.Add(areas...)
	p.Add(plotter.NewGrid())
	p.Y.Min = 0
	return ofPlot(p), nil
}

// between is the area between two lines where both are finite, nil if that is nowhere.
func between(x, low, high []float64) (*plotter.Polygon, error) {
	if len(low) != len(x) || len(high) != len(x) {
		return nil, fmt.Errorf("%w: %d and %d values for %d of x", ErrData, len(low), len(high), len(x))
	}
	var rings []plotter.XYer
	begin := 0
	flush := func(end int) {
		if end-begin >= 2 {
			up, down := make(plotter.XYs, 0, end-begin), make(plotter.XYs, 0, end-begin)
			for i := begin; i < end; i++ {
				up, down = append(up, plotter.XY{X: x[i], Y: high[i]}), append(down, plotter.XY{X: x[i], Y: low[i]})
			}
			up, down = thin(up), thin(down)
			slices.Reverse(down)
			rings = append(rings, append(up, down...))
		}
		begin = end + 1
	}
	for i := range x {
		if !finite(x[i]) || !finite(low[i]) || !finite(high[i]) {
			flush(i)
		}
	}
	flush(len(x))
	if len(rings) == 0 {
		return nil, nil
	}
	return plotter.NewPolygon(rings...)
}

// stretches cuts a line where it is not finite.
func stretches(x, y []float64) []plotter.XYs {
	var all []plotter.XYs
	var now plotter.XYs
	for i := range x {
		if finite(x[i]) && finite(y[i]) {
			now = append(now, plotter.XY{X: x[i], Y: y[i]})
			continue
		}
		if len(now) > 0 {
			all, now = append(all, now), nil
		}
	}
	if len(now) > 0 {
		all = append(all, now)
	}
	return all
}

// maxPoints is how many points of a line are drawn: twice as many as a page has dots across.
const maxPoints = 2000

// thin keeps the shape of a long line: of each bucket of points its first, lowest, highest and last, in order.
func thin(line plotter.XYs) plotter.XYs {
	if len(line) <= maxPoints {
		return line
	}
	const kept = 4
	buckets := maxPoints / kept
	out := make(plotter.XYs, 0, maxPoints)
	for b := range buckets {
		from, to := b*len(line)/buckets, (b+1)*len(line)/buckets
		least, greatest := from, from
		for i := from; i < to; i++ {
			if line[i].Y < line[least].Y {
				least = i
			}
			if line[i].Y > line[greatest].Y {
				greatest = i
			}
		}
		picked := []int{from, least, greatest, to - 1}
		slices.Sort(picked)
		for _, i := range slices.Compact(picked) {
			out = append(out, line[i])
		}
	}
	return out
}

// Lorenz draws which share of the whole the poorest share holds, beside equality. Population and held rise from 0 to 1;
// the title is completed with the Gini coefficient, which Gini computes.
func Lorenz(l Labels, population, held []float64) (*Figure, error) {
	gini, err := Gini(population, held)
	if err != nil {
		return nil, err
	}
	l.Title = fmt.Sprintf("%s: Gini %.3f", l.Title, gini)
	p := newPlot(l)
	p.Add(plotter.NewGrid())
	area, err := between(population, held, population)
	if err != nil {
		return nil, err
	}
	area.Color, area.LineStyle.Width = shade(hue(0), 50), 0
	p.Add(area)
	if err := addLines(p, population, []Series{{"", held}}); err != nil {
		return nil, err
	}
	equal := &plotter.Line{XYs: plotter.XYs{{X: 0, Y: 0}, {X: 1, Y: 1}}, LineStyle: draw.LineStyle{Width: vg.Points(1), Color: color.NRGBA{90, 90, 90, 255}}}
	p.Add(equal)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1
	return ofPlot(p), nil
}

// Gini computes the coefficient of a Lorenz curve that is straight between its points: 1 less twice the area under it.
func Gini(population, held []float64) (float64, error) {
	if len(population) != len(held) || len(held) < 2 {
		return 0, fmt.Errorf("%w: a Lorenz curve of %d and %d points; give as many of both, 2 at least", ErrData, len(population), len(held))
	}
	last := len(held) - 1
	if population[0] != 0 || held[0] != 0 || math.Abs(population[last]-1) > 1e-9 || math.Abs(held[last]-1) > 1e-9 {
		return 0, fmt.Errorf("%w: a Lorenz curve runs from (0, 0) to (1, 1)", ErrData)
	}
	under := 0.0
	for i := 1; i <= last; i++ {
		if !(population[i] >= population[i-1]) {
			return 0, fmt.Errorf("%w: the population of a Lorenz curve falls at point %d", ErrData, i)
		}
		under += (population[i] - population[i-1]) * (held[i] + held[i-1]) / 2
	}
	return 1 - 2*under, nil
}
