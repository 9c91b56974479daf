package plots

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Grid is a number over two parameters. Z[r][c] belongs to X[c] and Y[r], which rise. What is not finite is unknown.
type Grid struct {
	X, Y []float64
	Z    [][]float64
}

func (g Grid) check() (low, high float64, err error) {
	if len(g.X) < 2 || len(g.Y) < 2 || len(g.Z) != len(g.Y) {
		return 0, 0, fmt.Errorf("%w: a grid of %d by %d with %d rows; give at least 2 by 2", ErrData, len(g.X), len(g.Y), len(g.Z))
	}
	for _, axis := range [][]float64{g.X, g.Y} {
		for i := 1; i < len(axis); i++ {
			if !(axis[i] > axis[i-1]) {
				return 0, 0, fmt.Errorf("%w: the axes of a grid rise; %g comes after %g", ErrData, axis[i], axis[i-1])
			}
		}
	}
	low, high = math.Inf(1), math.Inf(-1)
	for r, row := range g.Z {
		if len(row) != len(g.X) {
			return 0, 0, fmt.Errorf("%w: row %d of a grid has %d values for %d columns", ErrData, r, len(row), len(g.X))
		}
		for _, z := range row {
			if finite(z) {
				low, high = min(low, z), max(high, z)
			}
		}
	}
	if low > high {
		return 0, 0, ErrEmpty
	}
	return low, high, nil
}

// indexed lays a grid out by index, so that all cells are equally large however the values lie.
type indexed struct{ Grid }

func (g indexed) Dims() (c, r int)   { return len(g.Grid.X), len(g.Grid.Y) }
func (g indexed) X(c int) float64    { return float64(c) }
func (g indexed) Y(r int) float64    { return float64(r) }
func (g indexed) Z(c, r int) float64 { return known(g.Grid.Z[r][c]) }

// placed lays a grid out by its values.
type placed struct{ Grid }

func (g placed) Dims() (c, r int)   { return len(g.Grid.X), len(g.Grid.Y) }
func (g placed) X(c int) float64    { return g.Grid.X[c] }
func (g placed) Y(r int) float64    { return g.Grid.Y[r] }
func (g placed) Z(c, r int) float64 { return known(g.Grid.Z[r][c]) }

// known maps everything that is not a finite number to NaN, which gonum leaves blank.
func known(z float64) float64 {
	if !finite(z) {
		return math.NaN()
	}
	return z
}

// HeatMap draws a grid in colours, with a bar that says what they mean. Cells are equally large and labelled with the
// values of the parameters.
func HeatMap(l Labels, unit string, g Grid) (*Figure, error) {
	low, high, err := g.check()
	if err != nil {
		return nil, err
	}
	low, high = apart(low, high)
	colours := scale(low, high)
	p := newPlot(l)
	heat := plotter.NewHeatMap(indexed{g}, colours.Palette(255))
	heat.Min, heat.Max, heat.NaN = low, high, color.NRGBA{230, 230, 230, 255}
	p.Add(heat)
	p.X.Tick.Marker, p.Y.Tick.Marker = labelled(g.X), labelled(g.Y)
	return beside(p, colours, unit), nil
}

// Contour draws a grid as bands between equal heights, placed by the values of the parameters and interpolated between
// them in straight lines.
func Contour(l Labels, unit string, g Grid, bands int) (*Figure, error) {
	low, high, err := g.check()
	if err != nil {
		return nil, err
	}
	if low == high {
		return nil, fmt.Errorf("%w: every cell of the grid is %g, so that no height divides it", ErrEmpty, low)
	}
	colours := scale(low, high)
	p := newPlot(l)
	heat := plotter.NewHeatMap(placed{refine(g, 240)}, colours.Palette(max(2, bands)))
	heat.Rasterized = true // cells side by side would show seams
	heat.Min, heat.Max, heat.NaN = low, high, color.NRGBA{230, 230, 230, 255}
	p.Add(heat)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = g.X[0], g.X[len(g.X)-1], g.Y[0], g.Y[len(g.Y)-1]
	return beside(p, colours, unit), nil
}

// refine interpolates a grid at n by n points that lie evenly between its corners.
func refine(g Grid, n int) Grid {
	fine := Grid{X: even(g.X, n), Y: even(g.Y, n)}
	for _, y := range fine.Y {
		r, v := seek(g.Y, y)
		row := make([]float64, n)
		for i, x := range fine.X {
			c, u := seek(g.X, x)
			row[i] = (1-v)*((1-u)*g.Z[r][c]+u*g.Z[r][c+1]) + v*((1-u)*g.Z[r+1][c]+u*g.Z[r+1][c+1])
		}
		fine.Z = append(fine.Z, row)
	}
	return fine
}

func even(axis []float64, n int) []float64 {
	out := make([]float64, n)
	from, to := axis[0], axis[len(axis)-1]
	for i := range out {
		out[i] = from + (to-from)*float64(i)/float64(n-1)
	}
	return out
}

// seek returns the interval of an axis that holds x, and how far into it x lies.
func seek(axis []float64, x float64) (interval int, part float64) {
	for interval = 0; interval < len(axis)-2 && x > axis[interval+1]; {
		interval++
	}
	return interval, (x - axis[interval]) / (axis[interval+1] - axis[interval])
}

// apart widens a range of no width, which colours could not divide.
func apart(low, high float64) (float64, float64) {
	if low == high {
		wide := max(math.Abs(low)*1e-6, 1e-12)
		return low - wide, high + wide
	}
	return low, high
}

func scale(low, high float64) palette.ColorMap {
	colours := moreland.SmoothBlueRed()
	colours.SetMin(low)
	colours.SetMax(high)
	return colours
}

// beside puts a bar of colours to the right of a plot.
func beside(p *plot.Plot, colours palette.ColorMap, unit string) *Figure {
	const width = 2.4 * vg.Centimeter
	bar := newPlot(Labels{Y: unit})
	bar.HideX()
	bar.Add(&plotter.ColorBar{ColorMap: colours, Vertical: true})
	bar.Y.Min, bar.Y.Max = colours.Min(), colours.Max()
	return &Figure{draw: func(c draw.Canvas) {
		p.Draw(draw.Crop(c, 0, -width, 0, 0))
		space := c.Max.Y - c.Min.Y
		bar.Draw(draw.Crop(c, c.Max.X-c.Min.X-width, 0, 0.12*space, -0.12*space))
	}}
}

// labelled marks equal steps with values, leaving some out where there are many.
func labelled(values []float64) plot.ConstantTicks {
	every := (len(values) + 9) / 10
	var marks plot.ConstantTicks
	for i, v := range values {
		if i%every == 0 {
			marks = append(marks, plot.Tick{Value: float64(i), Label: Number(v)})
		}
	}
	return marks
}
