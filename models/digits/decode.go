package digits

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // formats that Decode accepts
	_ "image/png"
	"io"
	"slices"

	"golang.org/x/image/draw"
)

// DecodeLimits bounds what Decode reads. A zero field takes the default.
type DecodeLimits struct {
	MaxBytes  int64 // of the file; DefaultMaxBytes when 0
	MaxPixels int   // of the picture; DefaultMaxPixels when 0
}

// The limits of a zero DecodeLimits.
const (
	DefaultMaxBytes  int64 = 8 << 20
	DefaultMaxPixels       = 16 << 20
)

func (l DecodeLimits) withDefaults() DecodeLimits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = DefaultMaxBytes
	}
	if l.MaxPixels <= 0 {
		l.MaxPixels = DefaultMaxPixels
	}
	return l
}

// Decode reads a PNG or JPEG of a digit and makes it an image of the task: grey, light ink on dark, 28 by 28, the digit
// in the middle and about 20 pixels high. A picture that is 28 by 28 already keeps its pixels, and is inverted if its
// border is light. It fails with ErrImage for what is no picture, is too large, or shows nothing.
func Decode(r io.Reader, limits DecodeLimits) (*image.Gray, error) {
	l := limits.withDefaults()
	data, err := io.ReadAll(io.LimitReader(r, l.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the picture: %w", err)
	}
	if int64(len(data)) > l.MaxBytes {
		return nil, fmt.Errorf("%w: the file has more than %d bytes", ErrImage, l.MaxBytes)
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(data)) // before decoding, which would allocate the picture
	if err != nil {
		return nil, fmt.Errorf("%w: want a PNG or JPEG: %w", ErrImage, err)
	}
	if config.Width < 1 || config.Height < 1 || config.Width > l.MaxPixels/config.Height {
		return nil, fmt.Errorf("%w: it is %d by %d, want at most %d pixels", ErrImage, config.Width, config.Height, l.MaxPixels)
	}
	picture, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	return Normalize(picture)
}

// Normalize makes any picture an image of the task, as Decode does.
func Normalize(picture image.Image) (*image.Gray, error) {
	grey := toGray(picture)
	if grey.Rect.Empty() {
		return nil, fmt.Errorf("%w: it is empty", ErrImage)
	}
	if borderMedian(grey) > 127 {
		invert(grey)
	}
	if grey.Rect.Dx() == Size && grey.Rect.Dy() == Size {
		return grey, nil
	}
	if !stretchContrast(grey) {
		return nil, fmt.Errorf("%w: it is of one brightness all over", ErrImage)
	}
	return fit(grey, inkBounds(grey)), nil
}

// toGray flattens a picture onto white, so that ink on a transparent background reads as ink on paper.
func toGray(picture image.Image) *image.Gray {
	b := picture.Bounds()
	flat := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(flat, flat.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(flat, flat.Rect, picture, b.Min, draw.Over)
	grey := image.NewGray(flat.Rect)
	draw.Draw(grey, grey.Rect, flat, image.Point{}, draw.Src)
	return grey
}

func borderMedian(g *image.Gray) uint8 {
	var border []uint8
	b := g.Rect
	for x := b.Min.X; x < b.Max.X; x++ {
		border = append(border, g.GrayAt(x, b.Min.Y).Y, g.GrayAt(x, b.Max.Y-1).Y)
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		border = append(border, g.GrayAt(b.Min.X, y).Y, g.GrayAt(b.Max.X-1, y).Y)
	}
	slices.Sort(border)
	return border[len(border)/2]
}

func invert(g *image.Gray) {
	for i, p := range g.Pix {
		g.Pix[i] = 255 - p
	}
}

// stretchContrast maps the darkest pixel to black and the brightest to white, and reports whether they differ.
func stretchContrast(g *image.Gray) bool {
	low, high := slices.Min(g.Pix), slices.Max(g.Pix)
	if high-low < 8 {
		return false
	}
	for i, p := range g.Pix {
		g.Pix[i] = uint8(255 * (int(p) - int(low)) / int(high-low))
	}
	return true
}

// inkBounds returns the smallest rectangle around the pixels of the brighter half.
func inkBounds(g *image.Gray) image.Rectangle {
	var ink image.Rectangle
	for y := g.Rect.Min.Y; y < g.Rect.Max.Y; y++ {
		for x := g.Rect.Min.X; x < g.Rect.Max.X; x++ {
			if g.GrayAt(x, y).Y > 127 {
				ink = ink.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return ink
}

// fit scales what is inside ink to a box of 20 by 20 and puts it in the middle.
func fit(g *image.Gray, ink image.Rectangle) *image.Gray {
	const box = 20
	scale := float64(box) / float64(max(ink.Dx(), ink.Dy()))
	width, height := max(1, int(float64(ink.Dx())*scale+0.5)), max(1, int(float64(ink.Dy())*scale+0.5))
	out := image.NewGray(image.Rect(0, 0, Size, Size))
	left, top := (Size-width)/2, (Size-height)/2
	draw.CatmullRom.Scale(out, image.Rect(left, top, left+width, top+height), g, ink, draw.Src, nil)
	return out
}
