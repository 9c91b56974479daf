package retention

import (
	"encoding/csv"
	"fmt"
	"image/color"
	"io"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	honestAxis = "honest utility W_H (weight of honest validators on honest servers)"
	cabalAxis  = "cabal utility W_C (weight of cabal validators on their own servers)"
)

// Dims, X, Y and Z make a map a plotter.GridXYZ with W_H along x and W_C along y.
func (m *Map) Dims() (c, r int)   { return m.Grid, m.Grid }
func (m *Map) X(c int) float64    { return m.Utility(c) }
func (m *Map) Y(r int) float64    { return m.Utility(r) }
func (m *Map) Z(c, r int) float64 { return m.Retained[r][c] }

func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text, p.Y.Label.Text = honestAxis, cabalAxis
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 1, 0, 1
	p.Add(plotter.NewGrid())
	return p
}

// PlotLines draws the retention lines of several maps over each other: right of a line the honest group keeps its
// share.
func PlotLines(maps []*Map) *plot.Plot {
	p := newPlot("Retention lines: emission of the honest = stake of the honest")
	colors := shades(len(maps))
	for i, m := range maps {
		points := make(plotter.XYs, m.Grid)
		for c, h := range m.Line() {
			points[c] = plotter.XY{X: h, Y: m.Utility(c)}
		}
		line := &plotter.Line{XYs: points, LineStyle: draw.LineStyle{Width: vg.Points(1.5), Color: colors[i]}}
		p.Add(line)
		p.Legend.Add(fmt.Sprintf("S_H %.2f: W_H %.3f", m.Setting.HonestStake, m.Needed()), line)
	}
	p.Legend.Top, p.Legend.Left = true, true
	return p
}

// shades gives n clearly different colours from blue to red.
func shades(n int) []color.Color {
	return palette.Rainbow(max(n, 2), palette.Blue, palette.Red, 1, 0.85, 1).Colors()
}

type listed []color.Color

func (l listed) Colors() []color.Color { return l }

// PlotContours draws E_H of one map as contours in steps of a tenth, with the retention line.
func PlotContours(m *Map) *plot.Plot {
	p := newPlot(fmt.Sprintf("Emission of the honest in tenths; stake %.2f, sigma %g, kappa %g, beta %g, xi %g",
		m.Setting.HonestStake, m.Setting.Sigma, m.Setting.Kappa, m.Setting.Penalty, m.Setting.Xi))
	levels := []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}
	contour := plotter.NewContour(m, levels, listed(shades(len(levels))))
	contour.LineStyles = []draw.LineStyle{{Width: vg.Points(0.8)}}
	p.Add(contour)
	points := make(plotter.XYs, m.Grid)
	for c, h := range m.Line() {
		points[c] = plotter.XY{X: h, Y: m.Utility(c)}
	}
	line := &plotter.Line{XYs: points, LineStyle: draw.LineStyle{Width: vg.Points(2), Color: color.Black}}
	p.Add(line)
	p.Legend.Add(fmt.Sprintf("E_H = S_H, W_H %.3f suffices", m.Needed()), line)
	p.Legend.Top, p.Legend.Left = true, true
	return p
}

// WriteCSV writes every cell of the maps: setting, seed, utilities and what the honest retain.
func WriteCSV(w io.Writer, maps []*Map) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{
		"honest_stake", "sigma", "kappa", "bonds_penalty", "xi", "seed", "cabal_utility", "honest_utility", "honest_emission",
	}); err != nil {
		return fmt.Errorf("retention: write csv: %w", err)
	}
	text := func(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }
	for _, m := range maps {
		s := m.Setting
		for c, row := range m.Retained {
			for h, e := range row {
				record := []string{text(s.HonestStake, -1), text(s.Sigma, -1), text(s.Kappa, -1), text(s.Penalty, -1), text(s.Xi, -1),
					strconv.FormatUint(s.Seed, 10), text(m.Utility(c), 4), text(m.Utility(h), 4), text(e, 6)}
				if err := out.Write(record); err != nil {
					return fmt.Errorf("retention: write csv: %w", err)
				}
			}
		}
	}
	out.Flush()
	return out.Error()
}
