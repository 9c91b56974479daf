package plots_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"

	"github.com/plexusnet/plexus/sims/plots"
)

// all returns one figure of each kind.
func all(t testing.TB) map[string]*plots.Figure {
	t.Helper()
	const n = 400
	x, middle, low, high, wide := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range x {
		x[i] = float64(i) / 20
		middle[i] = 21e6 * (1 - math.Exp2(-x[i]/4))
		low[i], high[i] = middle[i]*0.9, middle[i]*1.1
		wide[i] = middle[i] * 1.2
	}
	grid := plots.Grid{X: []float64{0, 0.25, 0.5, 0.75, 1}, Y: []float64{100, 200, 400, 800}}
	for r := range grid.Y {
		row := make([]float64, len(grid.X))
		for c := range row {
			row[c] = math.Sin(3*grid.X[c]) + float64(r)/3
		}
		grid.Z = append(grid.Z, row)
	}
	population, held := make([]float64, 11), make([]float64, 11)
	for i := range population {
		population[i] = float64(i) / 10
		held[i] = population[i] * population[i]
	}
	figures := map[string]*plots.Figure{}
	add := func(name string, f *plots.Figure, err error) {
		require.NoError(t, err, name)
		figures[name] = f
	}
	f, err := plots.Fan(plots.Labels{Title: "Supply", X: "years", Y: "PLX"}, x, plots.Series{Name: "median", Y: middle},
		plots.Band{Name: "5 to 95 %", Low: low, High: wide}, plots.Band{Name: "25 to 75 %", Low: low, High: high})
	add("fan", f, err)
	f, err = plots.Lines(plots.Labels{Title: "Two", X: "years", Y: "PLX"}, x, plots.Series{Name: "a", Y: middle}, plots.Series{Name: "b", Y: low})
	add("lines", f, err)
	f, err = plots.Stacked(plots.Labels{Title: "Supply by holder", X: "years", Y: "PLX"}, x, plots.Series{Name: "miners", Y: low}, plots.Series{Name: "validators", Y: low})
	add("stacked", f, err)
	f, err = plots.HeatMap(plots.Labels{Title: "Income", X: "kappa", Y: "stake"}, "PLX", grid)
	add("heat", f, err)
	f, err = plots.Contour(plots.Labels{Title: "Income", X: "kappa", Y: "stake"}, "PLX", grid, 7)
	add("contour", f, err)
	f, err = plots.Lorenz(plots.Labels{Title: "Stake", X: "share of validators", Y: "share of stake"}, population, held)
	add("lorenz", f, err)
	f, err = plots.Tornado(plots.Labels{Title: "Income", X: "PLX"}, 10, []plots.Bar{{"kappa", 9, 11}, {"tempo", 4, 12}, {"quality of miners", 9.9, 10.2}})
	add("tornado", f, err)
	f, err = plots.Intervals(plots.Labels{Title: "Effects", X: "PLX"}, []plots.Estimate{{"cabal", -3, -4, -2}, {"copier", 0.5, -1, 2}})
	add("intervals", f, err)
	f, err = plots.Scatter(plots.Labels{Title: "Sample", X: "kappa", Y: "PLX"}, x, middle)
	add("scatter", f, err)
	return figures
}

func TestFiguresAreDrawn(t *testing.T) {
	for name, figure := range all(t) {
		t.Run(name, func(t *testing.T) {
			var raster, vector bytes.Buffer
			require.NoError(t, figure.Write(&raster, plots.PNG, plots.Width, plots.Height))
			require.NoError(t, figure.Write(&vector, plots.SVG, plots.Width, plots.Height))
			if dir := os.Getenv("PLEXUS_PLOTS_OUT"); dir != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), raster.Bytes(), 0o644))
			}
			img, err := png.Decode(&raster)
			require.NoError(t, err)
			inches := float64(plots.Width / vg.Inch)
			require.InDelta(t, 144*inches, img.Bounds().Dx(), 1)
			colours := map[color.Color]bool{}
			for y := range img.Bounds().Dy() {
				for x := range img.Bounds().Dx() {
					colours[img.At(x, y)] = true
				}
			}
			require.Greater(t, len(colours), 20, "something is drawn")
			decoder := xml.NewDecoder(&vector)
			for {
				if _, err := decoder.Token(); errors.Is(err, io.EOF) {
					break
				} else {
					require.NoError(t, err)
				}
			}
		})
	}
}

func TestSameDataSameBytes(t *testing.T) {
	again := all(t)
	for name, figure := range all(t) {
		for _, format := range []plots.Format{plots.PNG, plots.SVG} {
			var a, b bytes.Buffer
			require.NoError(t, figure.Write(&a, format, plots.Width, plots.Height))
			require.NoError(t, again[name].Write(&b, format, plots.Width, plots.Height))
			require.True(t, bytes.Equal(a.Bytes(), b.Bytes()), "%s as %s", name, format)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	f, err := plots.Scatter(plots.Labels{}, []float64{1}, []float64{1})
	require.NoError(t, err)
	require.ErrorIs(t, f.Write(io.Discard, "gif", plots.Width, plots.Height), plots.ErrData)
}

func TestWhatCannotBeDrawn(t *testing.T) {
	nan := math.NaN()
	grid := func(x, y []float64, z ...[]float64) func() error {
		return func() error {
			_, err := plots.HeatMap(plots.Labels{}, "", plots.Grid{X: x, Y: y, Z: z})
			return err
		}
	}
	two := []float64{1, 2}
	for name, c := range map[string]struct {
		draw func() error
		want error
	}{
		"fan of nothing": {func() error { _, err := plots.Fan(plots.Labels{}, nil, plots.Series{}); return err }, plots.ErrEmpty},
		"only NaN": {func() error {
			_, err := plots.Lines(plots.Labels{}, two, plots.Series{Y: []float64{nan, nan}})
			return err
		}, plots.ErrEmpty},
		"lengths": {func() error { _, err := plots.Lines(plots.Labels{}, two, plots.Series{Y: two[:1]}); return err }, plots.ErrData},
		"band lengths": {func() error {
			_, err := plots.Fan(plots.Labels{}, two, plots.Series{Y: two}, plots.Band{Low: two, High: two[:1]})
			return err
		}, plots.ErrData},
		"stack of nothing": {func() error { _, err := plots.Stacked(plots.Labels{}, two); return err }, plots.ErrEmpty},
		"scatter lengths":  {func() error { _, err := plots.Scatter(plots.Labels{}, two, nil); return err }, plots.ErrData},
		"tornado of NaN": {func() error {
			_, err := plots.Tornado(plots.Labels{}, 0, []plots.Bar{{"a", nan, 1}})
			return err
		}, plots.ErrEmpty},
		"no intervals": {func() error { _, err := plots.Intervals(plots.Labels{}, nil); return err }, plots.ErrEmpty},
		"small grid":   {grid([]float64{1}, two, []float64{1}, []float64{1}), plots.ErrData},
		"falling axis": {grid([]float64{2, 1}, two, two, two), plots.ErrData},
		"ragged grid":  {grid(two, two, two, two[:1]), plots.ErrData},
		"unknown grid": {grid(two, two, []float64{nan, nan}, []float64{nan, nan}), plots.ErrEmpty},
		"flat contours": {func() error {
			_, err := plots.Contour(plots.Labels{}, "", plots.Grid{X: two, Y: two, Z: [][]float64{{1, 1}, {1, 1}}}, 3)
			return err
		}, plots.ErrEmpty},
		"Lorenz": {func() error { _, err := plots.Lorenz(plots.Labels{}, []float64{0, 1}, []float64{0, 0.5}); return err }, plots.ErrData},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, c.draw(), c.want) })
	}
}

func TestGapsAndFlatMapsAreDrawn(t *testing.T) {
	nan := math.NaN()
	line, err := plots.Fan(plots.Labels{}, []float64{0, 1, 2, 3, 4}, plots.Series{Y: []float64{1, 2, nan, 3, 4}}, plots.Band{Low: []float64{0, 1, nan, 2, 3}, High: []float64{2, 3, nan, 4, math.Inf(1)}})
	require.NoError(t, err)
	require.NoError(t, line.Write(io.Discard, plots.SVG, plots.Width, plots.Height))
	flat, err := plots.HeatMap(plots.Labels{}, "", plots.Grid{X: []float64{0, 1}, Y: []float64{0, 1}, Z: [][]float64{{5, 5}, {nan, 5}}})
	require.NoError(t, err)
	require.NoError(t, flat.Write(io.Discard, plots.SVG, plots.Width, plots.Height))
}

func TestGini(t *testing.T) {
	for name, c := range map[string]struct {
		population, held []float64
		gini             float64
	}{
		"equal":             {[]float64{0, 1}, []float64{0, 1}, 0},
		"one has it all":    {[]float64{0, 0.9, 1}, []float64{0, 0, 1}, 0.9},
		"half have a third": {[]float64{0, 0.5, 1}, []float64{0, 1.0 / 3, 1}, 1.0 / 6},
	} {
		t.Run(name, func(t *testing.T) {
			gini, err := plots.Gini(c.population, c.held)
			require.NoError(t, err)
			require.InDelta(t, c.gini, gini, 1e-12)
		})
	}
}

func TestNumber(t *testing.T) {
	for x, text := range map[float64]string{
		0: "0", 1: "1", 0.5: "0.5", 9_999: "9999", 10_000: "10 k", 12_345: "12.35 k", 999_999: "1 M", 21e6: "21 M", -2.5e9: "-2.5 G",
		0.001: "0.001", 0.0000012: "1.2 µ", 1e-9: "1e-09",
	} {
		require.Equal(t, text, plots.Number(x))
	}
}

func TestTimeAxis(t *testing.T) {
	for name, c := range map[string]struct {
		span float64
		unit string
		last float64
	}{
		"years":   {10 * 365.25 * 86400, "years", 10},
		"days":    {86400 * 30, "days", 30},
		"hours":   {3600 * 12, "hours", 12},
		"seconds": {90, "seconds", 90},
	} {
		t.Run(name, func(t *testing.T) {
			x, unit := plots.TimeAxis([]float64{0, c.span})
			require.Equal(t, c.unit, unit)
			require.InDelta(t, c.last, x[1], 1e-9)
		})
	}
}

// A line of a million points is drawn from few of them, and keeps its one spike.
func TestLongLinesKeepTheirSpikes(t *testing.T) {
	x, y := make([]float64, 1_000_000), make([]float64, 1_000_000)
	for i := range x {
		x[i] = float64(i)
	}
	var flat, spiked bytes.Buffer
	for _, c := range []struct {
		out   *bytes.Buffer
		spike float64
	}{{&flat, 0}, {&spiked, 1}} {
		y[123_456] = c.spike
		f, err := plots.Lines(plots.Labels{}, x, plots.Series{Y: y})
		require.NoError(t, err)
		require.NoError(t, f.Write(c.out, plots.SVG, plots.Width, plots.Height))
		require.Less(t, c.out.Len(), 200_000)
	}
	require.NotEqual(t, flat.String(), spiked.String())
}
