package digits

import (
	"fmt"
	"image"
	"image/draw"

	"codeberg.org/go-fonts/latin-modern/lmmono10italic"
	"codeberg.org/go-fonts/latin-modern/lmmono10regular"
	"codeberg.org/go-fonts/latin-modern/lmmonolt10bold"
	"codeberg.org/go-fonts/latin-modern/lmroman10bold"
	"codeberg.org/go-fonts/latin-modern/lmroman10italic"
	"codeberg.org/go-fonts/latin-modern/lmroman10regular"
	"codeberg.org/go-fonts/latin-modern/lmromandunh10regular"
	"codeberg.org/go-fonts/latin-modern/lmromanunsl10regular"
	"codeberg.org/go-fonts/latin-modern/lmsans10bold"
	"codeberg.org/go-fonts/latin-modern/lmsans10oblique"
	"codeberg.org/go-fonts/latin-modern/lmsans10regular"
	"codeberg.org/go-fonts/latin-modern/lmsansdemicond10regular"
	"codeberg.org/go-fonts/latin-modern/lmsansquot8bold"
	"codeberg.org/go-fonts/liberation/liberationmonobold"
	"codeberg.org/go-fonts/liberation/liberationmonoitalic"
	"codeberg.org/go-fonts/liberation/liberationmonoregular"
	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansitalic"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"codeberg.org/go-fonts/liberation/liberationserifbold"
	"codeberg.org/go-fonts/liberation/liberationserifbolditalic"
	"codeberg.org/go-fonts/liberation/liberationserifregular"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/gomonoitalic"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// typefaces are TrueType and OpenType files whose licences allow them to travel inside a program: the Go fonts (BSD),
// Liberation (SIL Open Font License), Latin Modern (GUST Font License).
func typefaces() [][]byte {
	return [][]byte{
		goregular.TTF, gobold.TTF, goitalic.TTF, gomonobold.TTF, gomonoitalic.TTF,
		liberationsansregular.TTF, liberationsansbold.TTF, liberationsansitalic.TTF,
		liberationserifregular.TTF, liberationserifbold.TTF, liberationserifbolditalic.TTF,
		liberationmonoregular.TTF, liberationmonobold.TTF, liberationmonoitalic.TTF,
		lmroman10regular.TTF, lmroman10bold.TTF, lmroman10italic.TTF, lmromanunsl10regular.TTF, lmromandunh10regular.TTF,
		lmsans10regular.TTF, lmsans10bold.TTF, lmsans10oblique.TTF, lmsansdemicond10regular.TTF, lmsansquot8bold.TTF,
		lmmono10regular.TTF, lmmono10italic.TTF, lmmonolt10bold.TTF,
	}
}

const (
	maskSize   = 40 // pixels across and down of a glyph's mask
	maskHeight = 24 // pixels that a digit is high in it: about what it is in an image, so that one look per pixel is enough
)

// mask is a digit in one typeface: coverage 0 to 1 per pixel, centred.
type mask [maskSize * maskSize]float32

// Drawer holds the digits of every typeface, ready to be drawn. It does not change, so goroutines may share it; make one
// per program.
type Drawer struct {
	masks [][Classes]mask // by typeface
}

// NewDrawer prepares the typefaces; it takes some ten milliseconds.
func NewDrawer() (*Drawer, error) {
	d := &Drawer{}
	for i, data := range typefaces() {
		face, err := sfnt.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("typeface %d: %w", i, err)
		}
		var masks [Classes]mask
		for digit := range masks {
			if err := masks[digit].rasterize(face, rune('0'+digit)); err != nil {
				return nil, fmt.Errorf("typeface %d, digit %d: %w", i, digit, err)
			}
		}
		d.masks = append(d.masks, masks)
	}
	return d, nil
}

func (m *mask) rasterize(face *sfnt.Font, r rune) error {
	var buffer sfnt.Buffer
	index, err := face.GlyphIndex(&buffer, r)
	if err != nil {
		return err
	}
	if index == 0 {
		return fmt.Errorf("the typeface has no %q", r)
	}
	segments, err := face.LoadGlyph(&buffer, index, fixed.I(1024), nil)
	if err != nil {
		return err
	}
	bounds := segments.Bounds()
	height := float32(bounds.Max.Y - bounds.Min.Y)
	if height <= 0 {
		return fmt.Errorf("%q is empty", r)
	}
	// The glyph is scaled to its height and its middle put in the middle.
	scale := maskHeight / height
	centerX, centerY := float32(bounds.Min.X+bounds.Max.X)/2, float32(bounds.Min.Y+bounds.Max.Y)/2
	at := func(p fixed.Point26_6) (x, y float32) {
		return (float32(p.X)-centerX)*scale + maskSize/2, (float32(p.Y)-centerY)*scale + maskSize/2
	}
	m.fill(segments, at)
	return nil
}

func (m *mask) fill(segments sfnt.Segments, at func(fixed.Point26_6) (x, y float32)) {
	raster := vector.NewRasterizer(maskSize, maskSize)
	for _, s := range segments {
		x, y := at(s.Args[0])
		x1, y1 := at(s.Args[1])
		x2, y2 := at(s.Args[2])
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			raster.ClosePath()
			raster.MoveTo(x, y)
		case sfnt.SegmentOpLineTo:
			raster.LineTo(x, y)
		case sfnt.SegmentOpQuadTo:
			raster.QuadTo(x, y, x1, y1)
		case sfnt.SegmentOpCubeTo:
			raster.CubeTo(x, y, x1, y1, x2, y2)
		}
	}
	raster.ClosePath()
	coverage := image.NewAlpha(image.Rect(0, 0, maskSize, maskSize))
	raster.DrawOp = draw.Src
	raster.Draw(coverage, coverage.Bounds(), image.Opaque, image.Point{})
	for i, c := range coverage.Pix {
		m[i] = float32(c) / 255
	}
}

// sample returns the coverage at a point by bilinear interpolation; 0 outside.
func (m *mask) sample(x, y float32) float32 {
	if x < 0 || y < 0 || x >= maskSize-1 || y >= maskSize-1 {
		return 0
	}
	column, row := int(x), int(y)
	fx, fy := x-float32(column), y-float32(row)
	p := m[row*maskSize+column:]
	top := p[0] + fx*(p[1]-p[0])
	bottom := p[maskSize] + fx*(p[maskSize+1]-p[maskSize])
	return top + fy*(bottom-top)
}
