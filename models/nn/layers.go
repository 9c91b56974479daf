package nn

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/plexusnet/plexus/models/onnx"
)

// Layer describes a stage of a network. Make one with Standardize, AveragePool, Conv, ReLU or Dense.
type Layer struct {
	build func(in Shape, random *rand.Rand) (stage, error)
}

// stage is a layer for a known shape, with its weights and the memory of its last batch.
type stage interface {
	output() Shape
	forward(x *activations) *activations
	// backward takes the loss's gradient by the stage's output, adds to its weights' gradients, and returns the gradient
	// by its input; nil when wanted is false.
	backward(gradient *activations, wanted bool) *activations
	weights() []*weight
	export(b *onnx.Builder, name, in string) (out string)
}

// weight is a matrix that training changes.
type weight struct {
	rows, cols int
	value      []float32
	gradient   []float32
}

func newWeight(rows, cols int) *weight {
	return &weight{rows: rows, cols: cols, value: make([]float32, rows*cols), gradient: make([]float32, rows*cols)}
}

// spread fills w with normal numbers of variance 2/inputs, which keeps the size of signals through ReLU (He et al. 2015).
func (w *weight) spread(random *rand.Rand, inputs int) {
	deviation := math.Sqrt(2 / float64(inputs))
	for i := range w.value {
		w.value[i] = float32(deviation * random.NormFloat64())
	}
}

func (w *weight) matrix() blas32.General { return matrix(w.rows, w.cols, w.value) }
func (w *weight) slope() blas32.General  { return matrix(w.rows, w.cols, w.gradient) }

// setRows puts bias[row] into every value of a row, as the start of a sum.
func setRows(m blas32.General, bias []float32) {
	for r := range m.Rows {
		row := m.Data[r*m.Stride : r*m.Stride+m.Cols]
		for i := range row {
			row[i] = bias[r]
		}
	}
}

// addRowSums adds the sum of each row of m to sums.
func addRowSums(sums []float32, m blas32.General) {
	for r := range m.Rows {
		sum := float32(0)
		for _, v := range m.Data[r*m.Stride : r*m.Stride+m.Cols] {
			sum += v
		}
		sums[r] += sum
	}
}

// window is a rectangle of pixels and how far it moves, alike in both directions that it can move in.
type window struct{ height, width, strideY, strideX int }

func square(size, stride int) window { return window{size, size, stride, stride} }

// along is a window that moves over the width only, one row high.
func along(size, stride int) window { return window{1, size, 1, stride} }

// places returns how often the window fits, down and across: 0 when it does not.
func (w window) places(in Shape) (down, across int) {
	if min(w.height, w.width, w.strideY, w.strideX) < 1 || in.Height < w.height || in.Width < w.width {
		return 0, 0
	}
	return (in.Height-w.height)/w.strideY + 1, (in.Width-w.width)/w.strideX + 1
}

func (w window) attributes() []onnx.Attribute {
	return []onnx.Attribute{
		onnx.Ints("kernel_shape", int64(w.height), int64(w.width)),
		onnx.Ints("strides", int64(w.strideY), int64(w.strideX)),
	}
}

// Conv is a convolution without padding: so many filters of size by size, moved by stride.
func Conv(filters, size, stride int) Layer {
	return Layer{build: func(in Shape, random *rand.Rand) (stage, error) {
		return newConv(in, filters, square(size, stride), random)
	}}
}

// ConvAlong is a convolution over the width alone, for a line of letters or samples: so many filters of 1 by size.
func ConvAlong(filters, size, stride int) Layer {
	return Layer{build: func(in Shape, random *rand.Rand) (stage, error) {
		return newConv(in, filters, along(size, stride), random)
	}}
}

// newConv returns a convolution; its weights are 0 when random is nil.
func newConv(in Shape, filters int, w window, random *rand.Rand) (*conv, error) {
	down, across := w.places(in)
	if filters < 1 || down < 1 {
		return nil, fmt.Errorf("convolution of %d filters, size %dx%d, stride %d does not fit %dx%d", filters, w.height, w.width, w.strideX, in.Height, in.Width)
	}
	c := &conv{
		in: in, out: Shape{Channels: filters, Height: down, Width: across}, window: w,
		kernel: newWeight(filters, in.Channels*w.height*w.width), bias: newWeight(filters, 1),
	}
	if random != nil {
		c.kernel.spread(random, c.kernel.cols)
	}
	return c, nil
}

type conv struct {
	in, out      Shape
	window       window
	kernel, bias *weight

	patches, patchGradient []float32 // one row per value of a patch, one column per place
	result, back           activations
}

func (c *conv) output() Shape      { return c.out }
func (c *conv) weights() []*weight { return []*weight{c.kernel, c.bias} }

func (c *conv) forward(x *activations) *activations {
	c.patches = c.unfold(x, c.patches)
	y := c.result.sized(c.out, x.batch)
	setRows(y.rows(), c.bias.value)
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, c.kernel.matrix(), c.patchMatrix(c.patches, x.batch), 1, y.rows())
	return y
}

func (c *conv) backward(gradient *activations, wanted bool) *activations {
	patches := c.patchMatrix(c.patches, gradient.batch)
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, gradient.rows(), patches, 1, c.kernel.slope())
	addRowSums(c.bias.gradient, gradient.rows())
	if !wanted {
		return nil
	}
	if cap(c.patchGradient) < len(patches.Data) {
		c.patchGradient = make([]float32, len(patches.Data))
	}
	blas32.Gemm(blas.Trans, blas.NoTrans, 1, c.kernel.matrix(), gradient.rows(), 0, c.patchMatrix(c.patchGradient[:len(patches.Data)], gradient.batch))
	back := c.back.sized(c.in, gradient.batch)
	c.fold(back)
	return back
}

func (c *conv) patchMatrix(data []float32, batch int) blas32.General {
	return matrix(c.kernel.cols, batch*c.out.pixels(), data)
}

// unfold copies each patch of x into a column: row (channel, dy, dx) holds the pixel at that offset for every place.
func (c *conv) unfold(x *activations, patches []float32) []float32 {
	if n := c.kernel.cols * x.batch * c.out.pixels(); cap(patches) < n {
		patches = make([]float32, n)
	} else {
		patches = patches[:n]
	}
	c.eachRun(x.batch, func(image, patch int) {
		for i := range c.out.Width {
			patches[patch+i] = x.data[image+i*c.window.strideX]
		}
	})
	return patches
}

// fold adds each column of the patches' gradient back to the pixels that it came from.
func (c *conv) fold(x *activations) {
	clear(x.data)
	c.eachRun(x.batch, func(image, patch int) {
		for i := range c.out.Width {
			x.data[image+i*c.window.strideX] += c.patchGradient[patch+i]
		}
	})
}

// eachRun calls do for each run of out.Width places in a row of patches: image is the index of the run's first pixel in
// the activations, patch its index in the patches.
func (c *conv) eachRun(batch int, do func(image, patch int)) {
	patch := 0
	for channel := range c.in.Channels {
		for dy := range c.window.height {
			for dx := range c.window.width {
				for b := range batch {
					for y := range c.out.Height {
						do(((channel*batch+b)*c.in.Height+y*c.window.strideY+dy)*c.in.Width+dx, patch)
						patch += c.out.Width
					}
				}
			}
		}
	}
}

func (c *conv) export(b *onnx.Builder, name, in string) string {
	kernel := []int64{int64(c.out.Channels), int64(c.in.Channels), int64(c.window.height), int64(c.window.width)}
	b.Floats(name+".kernel", kernel, c.kernel.value)
	b.Floats(name+".bias", []int64{int64(c.out.Channels)}, c.bias.value)
	b.Node("Conv", []string{in, name + ".kernel", name + ".bias"}, []string{name}, c.window.attributes()...)
	return name
}

// Dense connects every value with each of so many outputs.
func Dense(outputs int) Layer {
	return Layer{build: func(in Shape, random *rand.Rand) (stage, error) {
		if outputs < 1 {
			return nil, fmt.Errorf("a dense layer of %d outputs", outputs)
		}
		d := &dense{in: in, matrix: newWeight(outputs, in.Size()), bias: newWeight(outputs, 1)}
		d.matrix.spread(random, in.Size())
		return d, nil
	}}
}

type dense struct {
	in           Shape
	matrix, bias *weight

	flat, flatGradient, result, back activations
}

func (d *dense) output() Shape      { return Shape{Channels: d.matrix.rows, Height: 1, Width: 1} }
func (d *dense) weights() []*weight { return []*weight{d.matrix, d.bias} }

func (d *dense) flatShape() Shape { return Shape{Channels: d.in.Size(), Height: 1, Width: 1} }

func (d *dense) forward(x *activations) *activations {
	flat := d.flat.sized(d.flatShape(), x.batch)
	transposePixels(flat.data, x.data, d.in, x.batch, false)
	y := d.result.sized(d.output(), x.batch)
	setRows(y.rows(), d.bias.value)
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, d.matrix.matrix(), flat.rows(), 1, y.rows())
	return y
}

func (d *dense) backward(gradient *activations, wanted bool) *activations {
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, gradient.rows(), d.flat.rows(), 1, d.matrix.slope())
	addRowSums(d.bias.gradient, gradient.rows())
	if !wanted {
		return nil
	}
	flat := d.flatGradient.sized(d.flatShape(), gradient.batch)
	blas32.Gemm(blas.Trans, blas.NoTrans, 1, d.matrix.matrix(), gradient.rows(), 0, flat.rows())
	back := d.back.sized(d.in, gradient.batch)
	transposePixels(back.data, flat.data, d.in, gradient.batch, true)
	return back
}

// transposePixels turns channel, image, pixel into channel, pixel, image (one row per value of an image), or back.
func transposePixels(dst, src []float32, shape Shape, batch int, back bool) {
	pixels := shape.pixels()
	for channel := range shape.Channels {
		from := channel * batch * pixels
		for b := range batch {
			for p := range pixels {
				i, j := from+b*pixels+p, from+p*batch+b
				if back {
					i, j = j, i
				}
				dst[j] = src[i]
			}
		}
	}
}

func (d *dense) export(b *onnx.Builder, name, in string) string {
	b.Floats(name+".matrix", []int64{int64(d.matrix.rows), int64(d.matrix.cols)}, d.matrix.value)
	b.Floats(name+".bias", []int64{int64(d.matrix.rows)}, d.bias.value)
	b.Node("Flatten", []string{in}, []string{name + ".flat"}, onnx.Int("axis", 1))
	b.Node("Gemm", []string{name + ".flat", name + ".matrix", name + ".bias"}, []string{name}, onnx.Int("transB", 1))
	return name
}

// ReLU replaces negative values by 0.
func ReLU() Layer {
	return Layer{build: func(in Shape, _ *rand.Rand) (stage, error) { return &relu{shape: in}, nil }}
}

type relu struct {
	shape        Shape
	result, back activations
}

func (r *relu) output() Shape      { return r.shape }
func (r *relu) weights() []*weight { return nil }

func (r *relu) forward(x *activations) *activations {
	y := r.result.sized(r.shape, x.batch)
	for i, v := range x.data {
		y.data[i] = max(0, v)
	}
	return y
}

func (r *relu) backward(gradient *activations, _ bool) *activations {
	back := r.back.sized(r.shape, gradient.batch)
	for i, g := range gradient.data {
		back.data[i] = 0
		if r.result.data[i] > 0 {
			back.data[i] = g
		}
	}
	return back
}

func (r *relu) export(b *onnx.Builder, name, in string) string {
	b.Node("Relu", []string{in}, []string{name})
	return name
}

// varianceFloor keeps Standardize from dividing by the noise of an even image.
const varianceFloor = 1e-3

// Standardize gives every channel of every image mean 0 and variance 1, so that neither brightness nor contrast matter.
// No layer before it may have weights: it passes no gradient back.
func Standardize() Layer {
	return Layer{build: func(in Shape, _ *rand.Rand) (stage, error) { return &standardize{shape: in}, nil }}
}

type standardize struct {
	shape  Shape
	result activations
}

func (s *standardize) output() Shape                            { return s.shape }
func (s *standardize) weights() []*weight                       { return nil }
func (s *standardize) backward(*activations, bool) *activations { return nil }

func (s *standardize) forward(x *activations) *activations {
	y := s.result.sized(s.shape, x.batch)
	pixels := s.shape.pixels()
	for first := 0; first < len(x.data); first += pixels {
		standardizePlane(y.data[first:first+pixels], x.data[first:first+pixels])
	}
	return y
}

func standardizePlane(dst, src []float32) {
	sum := 0.0
	for _, v := range src {
		sum += float64(v)
	}
	mean := float32(sum / float64(len(src)))
	squares := 0.0
	for i, v := range src {
		dst[i] = v - mean
		squares += float64(dst[i] * dst[i])
	}
	scale := float32(1 / math.Sqrt(squares/float64(len(src))+varianceFloor))
	for i := range dst {
		dst[i] *= scale
	}
}

func (s *standardize) export(b *onnx.Builder, name, in string) string {
	b.Floats(name+".floor", nil, []float32{varianceFloor})
	axes := onnx.Ints("axes", 2, 3)
	b.Node("ReduceMean", []string{in}, []string{name + ".mean"}, axes)
	b.Node("Sub", []string{in, name + ".mean"}, []string{name + ".centred"})
	b.Node("Mul", []string{name + ".centred", name + ".centred"}, []string{name + ".squares"})
	b.Node("ReduceMean", []string{name + ".squares"}, []string{name + ".variance"}, axes)
	b.Node("Add", []string{name + ".variance", name + ".floor"}, []string{name + ".floored"})
	b.Node("Sqrt", []string{name + ".floored"}, []string{name + ".deviation"})
	b.Node("Div", []string{name + ".centred", name + ".deviation"}, []string{name})
	return name
}
