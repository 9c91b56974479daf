package nn

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGradientsAreTheSlopesOfTheLoss moves single weights a little either way and compares the change of the loss with
// the gradient that the backward pass computed.
func TestGradientsAreTheSlopesOfTheLoss(t *testing.T) {
	for _, c := range []struct {
		name   string
		input  Shape
		layers []Layer
	}{
		{"dense", Shape{1, 3, 3}, []Layer{Dense(4)}},
		{"two dense", Shape{2, 3, 2}, []Layer{Dense(5), ReLU(), Dense(4)}},
		{"pooled", Shape{2, 5, 4}, []Layer{Conv(3, 1, 1), AveragePool(2), Dense(4)}},
		{"convolution", Shape{2, 6, 5}, []Layer{Standardize(), Conv(3, 3, 1), Dense(4)}},
		{"convolution and ReLU", Shape{2, 6, 5}, []Layer{Standardize(), Conv(3, 3, 1), ReLU(), Dense(4)}},
		{"convolution along rows", Shape{2, 3, 8}, []Layer{ConvAlong(3, 3, 2), ReLU(), AveragePoolAlong(3), Dense(4)}},
		{"largest of runs", Shape{2, 1, 9}, []Layer{ConvAlong(3, 2, 1), MaxPoolAlong(2), Dense(4)}},
		{"largest overall", Shape{1, 4, 5}, []Layer{ConvAlong(6, 2, 1), MaxOverall(), Dense(4)}},
		{"embedding", Shape{1, 1, 9}, []Layer{EmbedGrams(2, 7, 5), ConvAlong(4, 3, 1), Dense(4)}},
		{"spectrogram", Shape{1, 1, 64}, []Layer{Standardize(), Spectrogram(16, 8, 5), Standardize(), ConvAlong(4, 2, 1), ReLU(), Dense(4)}},
		{"strided convolutions", Shape{1, 9, 9}, []Layer{Standardize(), Conv(4, 3, 2), ReLU(), Conv(5, 2, 1), ReLU(), Dense(6), ReLU(), Dense(4)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := New(c.input, 1, c.layers...)
			require.NoError(t, err)
			const batch = 3
			random := rand.New(rand.NewPCG(2, 3))
			classes := []int{0, 3, 1}
			n.in.sized(c.input, batch)
			for i := range n.in.data {
				n.in.data[i] = 40 * random.Float32() // of letters too
				if c.name != "embedding" {
					n.in.data[i] /= 40
				}
			}
			for _, w := range allWeights(n) {
				for i := range w.value {
					w.value[i] += 0.1 * float32(random.NormFloat64()) // biases too are not 0
				}
			}
			n.step(classes)
			checked := 0
			for _, w := range allWeights(n) {
				for range min(8, len(w.value)) {
					i := random.IntN(len(w.value))
					want := slope(n, w, i, classes)
					require.InDelta(t, want, float64(w.gradient[i]), 1e-3+0.01*math.Abs(want))
					checked++
				}
			}
			require.Positive(t, checked)
		})
	}
}

func allWeights(n *Network) []*weight {
	var all []*weight
	for _, s := range n.stages {
		all = append(all, s.weights()...)
	}
	return all
}

func slope(n *Network, w *weight, i int, classes []int) float64 {
	const move = 5e-4 // small, so that hardly a ReLU turns on or off in between
	kept := w.value[i]
	w.value[i] = kept + move
	above := loss(n, classes)
	w.value[i] = kept - move
	below := loss(n, classes)
	w.value[i] = kept
	return (above - below) / (2 * move)
}

func loss(n *Network, classes []int) float64 {
	p := n.forward()
	sum := 0.0
	for b, class := range classes {
		sum -= math.Log(float64(p.data[class*len(classes)+b]))
	}
	return sum / float64(len(classes))
}

// corners is a task of 4x4 images, one corner of which is bright.
func corners(seed uint64) func() Example {
	random := rand.New(rand.NewPCG(seed, 0))
	return func() Example {
		e := Example{Pixels: make([]float32, 16), Class: random.IntN(4)}
		for i := range e.Pixels {
			e.Pixels[i] = 0.5 * random.Float32()
		}
		e.Pixels[[]int{0, 3, 12, 15}[e.Class]] += 0.5
		return e
	}
}

func TestTrainingLearns(t *testing.T) {
	n, err := New(Shape{1, 4, 4}, 1, Standardize(), Conv(6, 2, 1), ReLU(), Dense(8), ReLU(), Dense(4))
	require.NoError(t, err)
	require.Equal(t, 6*4+6+6*9*8+8+8*4+4, n.Parameters())
	first, last, reports := 0.0, 0.0, 0
	err = n.Train(t.Context(), corners(1), Training{Examples: 6400, Batch: 16, Rate: 0.01, Progress: func(seen int, loss float64) {
		reports++
		require.Equal(t, 16*reports, seen)
		if first == 0 {
			first = loss
		}
		last = loss
	}})
	require.NoError(t, err)
	require.Equal(t, 400, reports)
	require.InDelta(t, math.Log(4), first, 0.1)
	require.Less(t, last, 0.1)

	draw := corners(99)
	right := 0
	for range 200 {
		e := draw()
		rows, err := n.Probabilities([][]float32{e.Pixels})
		require.NoError(t, err)
		sum := float32(0)
		for _, p := range rows[0] {
			sum += p
		}
		require.InDelta(t, 1, sum, 1e-5)
		if rows[0][e.Class] > 0.5 {
			right++
		}
	}
	require.Greater(t, right, 190)
}

func TestAnswersDoNotDependOnTheBatch(t *testing.T) {
	n, err := New(Shape{2, 6, 6}, 5, Standardize(), AveragePool(2), Conv(3, 2, 1), ReLU(), Dense(4))
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(7, 7))
	images := make([][]float32, 5)
	for i := range images {
		images[i] = make([]float32, 72)
		for j := range images[i] {
			images[i][j] = random.Float32()
		}
	}
	together, err := n.Probabilities(images)
	require.NoError(t, err)
	for i, img := range images {
		alone, err := n.Probabilities([][]float32{img})
		require.NoError(t, err)
		for c := range alone[0] {
			require.InDelta(t, alone[0][c], together[i][c], 1e-6)
		}
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	shape := Shape{1, 4, 4}
	for _, c := range []struct {
		name   string
		layers []Layer
		says   string
	}{
		{"no layer", nil, "dense layer at its end"},
		{"no weights", []Layer{ReLU()}, "dense layer at its end"},
		{"image at the end", []Layer{Conv(2, 3, 1)}, "dense layer at its end"},
		{"filter larger than the image", []Layer{Conv(2, 5, 1), Dense(2)}, "layer 1: convolution of 2 filters, size 5x5"},
		{"no filter", []Layer{Conv(0, 3, 1), Dense(2)}, "layer 1"},
		{"pool larger than the image", []Layer{Conv(1, 1, 1), AveragePool(5), Dense(2)}, "layer 2: pooling by 5x5"},
		{"pool of 0", []Layer{AveragePool(0), Dense(2)}, "layer 1"},
		{"no outputs", []Layer{Dense(0)}, "layer 1"},
		{"late standardizing", []Layer{Dense(3), Standardize(), Dense(2)}, "layer 2: it may only come before"},
		{"late embedding", []Layer{AveragePool(4), Dense(1), EmbedGrams(1, 9, 2), Dense(2)}, "layer 3: it may only come before"},
		{"embedding in nothing", []Layer{EmbedGrams(1, 9, 0), Dense(2)}, "layer 1: an embedding of 1 letters in 0 numbers"},
		{"spectrogram of an image", []Layer{Spectrogram(4, 2, 1), Dense(2)}, "layer 1: a spectrogram needs one line"},
		{"line filter too wide", []Layer{ConvAlong(2, 5, 1), Dense(2)}, "size 1x5"},
		{"line pool too wide", []Layer{MaxPoolAlong(5), Dense(2)}, "pooling by 1x5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(shape, 1, c.layers...)
			require.ErrorContains(t, err, c.says)
		})
	}

	n, err := New(shape, 1, Dense(2))
	require.NoError(t, err)
	_, err = n.Probabilities([][]float32{make([]float32, 15)})
	require.ErrorContains(t, err, "15 pixels")
	require.ErrorContains(t, n.Train(t.Context(), func() Example { return Example{Pixels: make([]float32, 16), Class: 2} }, Training{Examples: 2, Batch: 1, Rate: 1}), "class 2")
	require.Error(t, n.Train(t.Context(), nil, Training{}))
	stopped, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, n.Train(stopped, nil, Training{Examples: 2, Batch: 1, Rate: 1}), context.Canceled)
	rows, err := n.Probabilities(nil)
	require.NoError(t, err)
	require.Empty(t, rows)
}
