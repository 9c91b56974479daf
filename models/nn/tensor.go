package nn

import "gonum.org/v1/gonum/blas/blas32"

// Shape is one image or one stage of it inside a network.
type Shape struct {
	Channels, Height, Width int
}

// Size returns the number of values.
func (s Shape) Size() int { return s.Channels * s.Height * s.Width }

func (s Shape) pixels() int { return s.Height * s.Width }

// activations are a batch of images, channel by channel: data[((c*batch+b)*height+y)*width+x]. A channel of the whole
// batch is one row of a matrix, so that a convolution is one multiplication and the long axis is the inner one.
type activations struct {
	shape Shape
	batch int
	data  []float32
}

// sized returns a with room for a batch of that shape, reusing its memory. What it holds is left as it is.
func (a *activations) sized(shape Shape, batch int) *activations {
	n := shape.Size() * batch
	if cap(a.data) < n {
		a.data = make([]float32, n)
	}
	a.shape, a.batch, a.data = shape, batch, a.data[:n]
	return a
}

// rows returns a as a matrix with one row per channel.
func (a *activations) rows() blas32.General {
	return matrix(a.shape.Channels, a.batch*a.shape.pixels(), a.data)
}

func matrix(rows, cols int, data []float32) blas32.General {
	return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: data[:rows*cols]}
}
