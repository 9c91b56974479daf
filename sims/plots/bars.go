package plots

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Bar is what a number may become: from Low to High.
type Bar struct {
	Name      string
	Low, High float64
}

// Tornado draws how far each of several parameters moves a number away from its base, the one that moves it most on top.
func Tornado(l Labels, base float64, bars []Bar) (*Figure, error) {
	bars = slices.DeleteFunc(slices.Clone(bars), func(b Bar) bool { return !finite(b.Low) || !finite(b.High) })
	if len(bars) == 0 || !finite(base) {
		return nil, ErrEmpty
	}
	slices.SortStableFunc(bars, func(a, b Bar) int { // the widest last, which is on top
		switch wa, wb := math.Abs(a.High-a.Low), math.Abs(b.High-b.Low); {
		case wa < wb:
			return -1
		case wa > wb:
			return 1
		}
		return 0
	})
	p := newPlot(l)
	p.Add(plotter.NewGrid())
	for i, bar := range bars {
		for side, end := range []float64{bar.Low, bar.High} {
			y := float64(i)
			box, err := plotter.NewPolygon(plotter.XYs{{X: base, Y: y - 0.35}, {X: end, Y: y - 0.35}, {X: end, Y: y + 0.35}, {X: base, Y: y + 0.35}})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", bar.Name, err)
			}
			box.Color, box.LineStyle.Width = hue(side), 0
			p.Add(box)
		}
	}
	p.Add(vertical(base, len(bars)))
	named(p, len(bars), func(i int) string { return bars[i].Name })
	return ofPlot(p), nil
}

// Estimate is a number with its interval of confidence.
type Estimate struct {
	Name             string
	Value, Low, High float64
}

// Intervals draws estimates beside each other, the first on top, with a line at zero.
func Intervals(l Labels, estimates []Estimate) (*Figure, error) {
	estimates = slices.DeleteFunc(slices.Clone(estimates), func(e Estimate) bool { return !finite(e.Value) })
	if len(estimates) == 0 {
		return nil, ErrEmpty
	}
	slices.Reverse(estimates)
	p := newPlot(l)
	p.Add(plotter.NewGrid(), vertical(0, len(estimates)))
	values := make(plotter.XYs, len(estimates))
	for i, e := range estimates {
		values[i] = plotter.XY{X: e.Value, Y: float64(i)}
		if finite(e.Low) && finite(e.High) {
			p.Add(&plotter.Line{XYs: plotter.XYs{{X: e.Low, Y: float64(i)}, {X: e.High, Y: float64(i)}}, LineStyle: draw.LineStyle{Width: vg.Points(2), Color: hue(0)}})
		}
	}
	dots, err := plotter.NewScatter(values)
	if err != nil {
		return nil, err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: hue(1), Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
	p.Add(dots)
	named(p, len(estimates), func(i int) string { return estimates[i].Name })
	return ofPlot(p), nil
}

// Scatter draws points, such as what came out at each value of a parameter.
func Scatter(l Labels, x, y []float64) (*Figure, error) {
	if len(x) != len(y) {
		return nil, fmt.Errorf("%w: %d values of x for %d of y", ErrData, len(x), len(y))
	}
	var points plotter.XYs
	for _, stretch := range stretches(x, y) {
		points = append(points, stretch...)
	}
	if len(points) == 0 {
		return nil, ErrEmpty
	}
	p := newPlot(l)
	dots, err := plotter.NewScatter(points)
	if err != nil {
		return nil, err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: shade(hue(0), 170), Radius: vg.Points(2), Shape: draw.CircleGlyph{}}
	p.Add(plotter.NewGrid(), dots)
	return ofPlot(p), nil
}

func vertical(x float64, n int) *plotter.Line {
	return &plotter.Line{XYs: plotter.XYs{{X: x, Y: -0.6}, {X: x, Y: float64(n) - 0.4}}, LineStyle: draw.LineStyle{Width: vg.Points(1), Color: ink(60)}}
}

// named labels the rows 0 to n-1 of the Y axis.
func named(p *plot.Plot, n int, name func(int) string) {
	var marks plot.ConstantTicks
	for i := range n {
		marks = append(marks, plot.Tick{Value: float64(i), Label: name(i)})
	}
	p.Y.Tick.Marker = marks
	p.Y.Tick.LineStyle.Width = 0
	p.Y.Min, p.Y.Max = -0.6, float64(n)-0.4
}

// TallEnough is a height that leaves every one of n rows its space.
func TallEnough(n int) vg.Length {
	return max(Height/2, vg.Length(n)*0.65*vg.Centimeter+3*vg.Centimeter)
}
