package plots

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

var (
	// ErrEmpty means that there is nothing to draw.
	ErrEmpty = errors.New("nothing to draw")
	// ErrData is wrapped where the data of a figure contradicts itself.
	ErrData = errors.New("bad data for a figure")
)

// Format is how a figure is written.
type Format string

// The formats, which are also what files end in.
const (
	PNG Format = "png"
	SVG Format = "svg"
)

// Sizes that suit a page.
const (
	Width  = 18 * vg.Centimeter
	Height = 9 * vg.Centimeter
)

const dotsPerInch = 144

// Labels are the texts of a figure.
type Labels struct {
	Title, X, Y string
}

// Figure is something that can be drawn on any canvas.
type Figure struct {
	draw func(draw.Canvas)
}

// Write draws the figure.
func (f *Figure) Write(w io.Writer, format Format, width, height vg.Length) error {
	switch format {
	case PNG:
		canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dotsPerInch))
		f.draw(inside(canvas))
		_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
		return err
	case SVG:
		canvas := vgsvg.New(width, height)
		f.draw(inside(canvas))
		_, err := canvas.WriteTo(w)
		return err
	}
	return fmt.Errorf("%w: format %q; give %s or %s", ErrData, format, PNG, SVG)
}

// inside leaves a margin for the halves of labels that stick out.
func inside(canvas vg.CanvasSizer) draw.Canvas {
	const margin = 3 * vg.Millimeter
	return draw.Crop(draw.New(canvas), margin, -margin, margin, -margin)
}

// ofPlot is a figure that is one plot.
func ofPlot(p *plot.Plot) *Figure { return &Figure{draw: p.Draw} }

// newPlot is an empty plot in the style of all figures.
func newPlot(l Labels) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = l.Title, l.X, l.Y
	p.Title.Padding = vg.Points(6)
	sans := func(f *font.Font, size vg.Length) { f.Variant, f.Size = "Sans", size }
	sans(&p.Title.TextStyle.Font, 12)
	sans(&p.Legend.TextStyle.Font, 9)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		sans(&axis.Label.TextStyle.Font, 10)
		sans(&axis.Tick.Label.Font, 9)
		axis.Tick.Marker = ticks{}
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = ink(110), ink(110)
	}
	return p
}

// ticks are gonum's, with labels that people read: 2.5 M rather than 2.5e+06.
type ticks struct{}

func (ticks) Ticks(low, high float64) []plot.Tick {
	marks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range marks {
		if !marks[i].IsMinor() {
			marks[i].Label = Number(marks[i].Value)
		}
	}
	return marks
}

// Number writes a number in at most four significant digits with a prefix: 21 M, 0.025, 1.2 µ.
func Number(x float64) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return strings.TrimPrefix(fmt.Sprintf("%g", x), "-0") + zero(x)
	}
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e4, " k"}, {1e-3, ""}, {1e-6, " µ"}} {
		if math.Abs(x) < unit.size*0.99995 {
			continue
		}
		scale := unit.size
		switch unit.name {
		case " k":
			scale = 1e3
		case "":
			scale = 1
		}
		return fmt.Sprintf("%.4g", x/scale) + unit.name
	}
	return fmt.Sprintf("%.3g", x)
}

func zero(x float64) string {
	if x == 0 && math.Signbit(x) {
		return "0"
	}
	return ""
}

func ink(grey uint8) color.Color { return color.NRGBA{grey, grey, grey, 255} }

// shade is a colour that others show through.
func shade(c color.NRGBA, alpha uint8) color.NRGBA {
	c.A = alpha
	return c
}

// hue returns clearly different colours, told apart by the colour-blind as well (after Okabe and Ito).
func hue(i int) color.NRGBA {
	hues := [...]color.NRGBA{
		{0x00, 0x72, 0xb2, 255}, {0xd5, 0x5e, 0x00, 255}, {0x00, 0x9e, 0x73, 255}, {0xcc, 0x79, 0xa7, 255},
		{0xe6, 0x9f, 0x00, 255}, {0x56, 0xb4, 0xe9, 255}, {0x66, 0x66, 0x66, 255}, {0x99, 0x44, 0x55, 255},
	}
	return hues[i%len(hues)]
}

// TimeAxis turns seconds into the unit that suits their span, and names it.
func TimeAxis(seconds []float64) (scaled []float64, unit string) {
	span := 0.0
	for _, s := range seconds {
		span = max(span, s)
	}
	const day = 86_400.0
	size, unit := 1.0, "seconds"
	switch {
	case span >= 2*365.25*day:
		size, unit = 365.25*day, "years"
	case span >= 2*day:
		size, unit = day, "days"
	case span >= 2*3600:
		size, unit = 3600, "hours"
	}
	scaled = make([]float64, len(seconds))
	for i, s := range seconds {
		scaled[i] = s / size
	}
	return scaled, unit
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
