package nn

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/models/onnx"
)

// AveragePool replaces each square of size by size pixels by its mean; what does not fill a square is left out.
func AveragePool(size int) Layer { return averagePool(square(size, size)) }

// AveragePoolAlong replaces each run of size pixels of a row by its mean; what does not fill a run is left out.
func AveragePoolAlong(size int) Layer { return averagePool(along(size, size)) }

func averagePool(w window) Layer {
	return Layer{build: func(in Shape, _ *rand.Rand) (stage, error) {
		t, err := newTiles(in, w)
		return &mean{tiles: t}, err
	}}
}

// MaxPoolAlong replaces each run of size pixels of a row by the largest; what does not fill a run is left out.
func MaxPoolAlong(size int) Layer {
	return Layer{build: func(in Shape, _ *rand.Rand) (stage, error) {
		t, err := newTiles(in, along(size, size))
		return &largest{tiles: t}, err
	}}
}

// MaxOverall replaces every channel by its largest pixel, wherever that is.
func MaxOverall() Layer {
	return Layer{build: func(in Shape, _ *rand.Rand) (stage, error) {
		t, err := newTiles(in, window{in.Height, in.Width, in.Height, in.Width})
		return &largest{tiles: t}, err
	}}
}

// tiles are windows that lie side by side, and the memory of a layer that makes one value of each.
type tiles struct {
	in, out      Shape
	window       window
	result, back activations
}

func newTiles(in Shape, w window) (tiles, error) {
	down, across := w.places(in)
	if down < 1 {
		return tiles{}, fmt.Errorf("pooling by %dx%d does not fit %dx%d", w.height, w.width, in.Height, in.Width)
	}
	return tiles{in: in, out: Shape{Channels: in.Channels, Height: down, Width: across}, window: w}, nil
}

func (t *tiles) output() Shape      { return t.out }
func (t *tiles) weights() []*weight { return nil }

// each calls do with the index of a pixel and that of the tile it belongs to.
func (t *tiles) each(batch int, do func(pixel, tile int)) {
	for plane := range t.in.Channels * batch {
		for y := range t.out.Height * t.window.height {
			for x := range t.out.Width * t.window.width {
				do((plane*t.in.Height+y)*t.in.Width+x, (plane*t.out.Height+y/t.window.height)*t.out.Width+x/t.window.width)
			}
		}
	}
}

type mean struct{ tiles }

func (m *mean) share() float32 { return 1 / float32(m.window.height*m.window.width) }

func (m *mean) forward(x *activations) *activations {
	y := m.result.sized(m.out, x.batch)
	clear(y.data)
	share := m.share()
	m.each(x.batch, func(pixel, tile int) { y.data[tile] += share * x.data[pixel] })
	return y
}

func (m *mean) backward(gradient *activations, _ bool) *activations {
	back := m.back.sized(m.in, gradient.batch)
	clear(back.data)
	share := m.share()
	m.each(gradient.batch, func(pixel, tile int) { back.data[pixel] = share * gradient.data[tile] })
	return back
}

func (m *mean) export(b *onnx.Builder, name, in string) string {
	b.Node("AveragePool", []string{in}, []string{name}, m.window.attributes()...)
	return name
}

type largest struct {
	tiles
	from []int // the pixel that each tile's value came from, the first of equals
}

func (l *largest) forward(x *activations) *activations {
	y := l.result.sized(l.out, x.batch)
	for i := range y.data {
		y.data[i] = float32(math.Inf(-1))
	}
	if cap(l.from) < len(y.data) {
		l.from = make([]int, len(y.data))
	}
	l.from = l.from[:len(y.data)]
	l.each(x.batch, func(pixel, tile int) {
		if v := x.data[pixel]; v > y.data[tile] {
			y.data[tile], l.from[tile] = v, pixel
		}
	})
	return y
}

func (l *largest) backward(gradient *activations, _ bool) *activations {
	back := l.back.sized(l.in, gradient.batch)
	clear(back.data)
	for tile, pixel := range l.from {
		back.data[pixel] = gradient.data[tile]
	}
	return back
}

func (l *largest) export(b *onnx.Builder, name, in string) string {
	b.Node("MaxPool", []string{in}, []string{name}, l.window.attributes()...)
	return name
}
