package nn

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
)

// Network is a classifier of images, or of lines of letters or samples. It is not safe for concurrent use.
type Network struct {
	input  Shape
	stages []stage
	first  int // stages before it have no weights, so no gradient needs to reach them

	in, probabilities activations
}

// New returns a network for images of that shape, with weights drawn from the seed. The last layer's outputs are the
// classes. It fails when a layer does not fit what the one before it gives.
func New(input Shape, seed uint64, layers ...Layer) (*Network, error) {
	n := &Network{input: input, first: -1}
	random := rand.New(rand.NewPCG(seed, 0))
	shape := input
	for i, l := range layers {
		s, err := l.build(shape, random)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		if stopsGradients(s) && n.first >= 0 {
			return nil, fmt.Errorf("layer %d: it may only come before layers with weights (standardizing, embedding, spectrogram)", i+1)
		}
		if n.first < 0 && len(s.weights()) > 0 {
			n.first = i
		}
		n.stages = append(n.stages, s)
		shape = s.output()
	}
	if n.first < 0 || shape.pixels() != 1 {
		return nil, errors.New("a network needs a dense layer at its end")
	}
	return n, nil
}

// stopsGradients reports whether no layer before s could learn.
func stopsGradients(s stage) bool {
	switch s.(type) {
	case *standardize, *spectrogram, *embed:
		return true
	default:
		return false
	}
}

// Classes returns the number of classes.
func (n *Network) Classes() int { return n.stages[len(n.stages)-1].output().Channels }

// Parameters returns the number of trained values.
func (n *Network) Parameters() int {
	count := 0
	for _, s := range n.stages {
		for _, w := range s.weights() {
			count += len(w.value)
		}
	}
	return count
}

// Example is one image, its pixels channel by channel and row by row, and its class.
type Example struct {
	Pixels []float32
	Class  int
}

// Training says how to train. Every field must be given.
type Training struct {
	Examples int     // how many are drawn in all
	Batch    int     // examples per step
	Rate     float64 // step size at the start; it falls to 0 along half a cosine

	// Progress, if not nil, is told after each step how many examples were seen and the mean loss, in nats, lately.
	Progress func(seen int, loss float64)
}

func (t Training) validate() error {
	if t.Examples < t.Batch || t.Batch < 1 || t.Rate <= 0 {
		return fmt.Errorf("training on %d examples in batches of %d with rate %v: want 1 or more per batch, a batch or more, a rate above 0", t.Examples, t.Batch, t.Rate)
	}
	return nil
}

// Train draws examples and moves the weights toward telling their classes, by Adam (Kingma and Ba 2015) on the
// cross-entropy. It stops with the context's error when ctx ends.
func (n *Network) Train(ctx context.Context, draw func() Example, t Training) error {
	if err := t.validate(); err != nil {
		return err
	}
	optimizer := newAdam(n.stages)
	classes := make([]int, t.Batch)
	steps := t.Examples / t.Batch
	loss := math.Log(float64(n.Classes()))
	for step := range steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("training stopped after %d examples: %w", step*t.Batch, err)
		}
		n.in.sized(n.input, t.Batch)
		for b := range t.Batch {
			e := draw()
			if err := n.place(b, e); err != nil {
				return err
			}
			classes[b] = e.Class
		}
		loss += (n.step(classes) - loss) * 0.02
		optimizer.step(t.Rate * (1 + math.Cos(math.Pi*float64(step)/float64(steps))) / 2)
		if t.Progress != nil {
			t.Progress((step+1)*t.Batch, loss)
		}
	}
	return nil
}

// place puts an example into the batch.
func (n *Network) place(b int, e Example) error {
	if len(e.Pixels) != n.input.Size() || e.Class < 0 || e.Class >= n.Classes() {
		return fmt.Errorf("an example of %d pixels and class %d, want %d pixels and a class below %d", len(e.Pixels), e.Class, n.input.Size(), n.Classes())
	}
	pixels := n.input.pixels()
	for c := range n.input.Channels {
		copy(n.in.data[(c*n.in.batch+b)*pixels:], e.Pixels[c*pixels:(c+1)*pixels])
	}
	return nil
}

// step runs the batch forward and back, and returns its mean loss.
func (n *Network) step(classes []int) float64 {
	p := n.forward()
	loss := 0.0
	batch := len(classes)
	for b, class := range classes {
		at := class*batch + b
		loss -= math.Log(max(float64(p.data[at]), 1e-30))
		p.data[at]-- // the gradient of cross-entropy after softmax is probability minus truth
	}
	for i := range p.data {
		p.data[i] /= float32(batch)
	}
	gradient := p
	for i := len(n.stages) - 1; i >= n.first; i-- {
		gradient = n.stages[i].backward(gradient, i > n.first)
	}
	return loss / float64(batch)
}

// forward returns the probabilities for the batch in n.in, one row per class.
func (n *Network) forward() *activations {
	x := &n.in
	for _, s := range n.stages {
		x = s.forward(x)
	}
	p := n.probabilities.sized(x.shape, x.batch)
	softmax(p.data, x.data, n.Classes(), x.batch)
	return p
}

func softmax(dst, src []float32, classes, batch int) {
	for b := range batch {
		highest := src[b]
		for c := range classes {
			highest = max(highest, src[c*batch+b])
		}
		sum := float32(0)
		for c := range classes {
			e := float32(math.Exp(float64(src[c*batch+b] - highest)))
			dst[c*batch+b] = e
			sum += e
		}
		for c := range classes {
			dst[c*batch+b] /= sum
		}
	}
}

// Probabilities returns how probable each class is for each of some images: a row of Classes numbers per image.
func (n *Network) Probabilities(images [][]float32) ([][]float32, error) {
	n.in.sized(n.input, len(images))
	for b, pixels := range images {
		if err := n.place(b, Example{Pixels: pixels}); err != nil {
			return nil, err
		}
	}
	if len(images) == 0 {
		return nil, nil
	}
	p := n.forward()
	rows := make([][]float32, len(images))
	for b := range rows {
		rows[b] = make([]float32, n.Classes())
		for c := range rows[b] {
			rows[b][c] = p.data[c*len(images)+b]
		}
	}
	return rows, nil
}

// Export adds the network to a model as a graph from input, FP32[-1 channels height width], to output, FP32[-1 classes].
func (n *Network) Export(b *onnx.Builder, input, output string) {
	b.Input(input, models.FP32, models.Any, int64(n.input.Channels), int64(n.input.Height), int64(n.input.Width))
	n.exportFrom(b, input, output, "")
}

// ExportLine is Export for a network of one line, from input, datatype[-1 width], where datatype is FP32 or UINT8. With a
// name for features the model also gives what its last layer tells the classes by, FP32[-1 numbers]: lines that mean
// much the same are near each other there.
func (n *Network) ExportLine(b *onnx.Builder, datatype models.Datatype, input, output, features string) {
	b.Input(input, datatype, models.Any, int64(n.input.Size()))
	value := input
	if datatype != models.FP32 {
		b.Node("Cast", []string{value}, []string{"numbers"}, onnx.Int("to", int64(onnx.ElementType(models.FP32))))
		value = "numbers"
	}
	b.Int64s("line.shape", []int64{4}, []int64{0, int64(n.input.Channels), int64(n.input.Height), int64(n.input.Width)})
	b.Node("Reshape", []string{value, "line.shape"}, []string{"line"})
	n.exportFrom(b, "line", output, features)
}

func (n *Network) exportFrom(b *onnx.Builder, value, output, features string) {
	last := len(n.stages) - 1
	for i, s := range n.stages {
		if i == last && i > 0 && features != "" {
			b.Node("Flatten", []string{value}, []string{features}, onnx.Int("axis", 1))
			defer b.Output(features, models.FP32, models.Any, int64(n.stages[i-1].output().Size())) // after the answer
		}
		value = s.export(b, fmt.Sprintf("stage%d", i+1), value)
	}
	b.Node("Softmax", []string{value}, []string{output}, onnx.Int("axis", 1))
	b.Output(output, models.FP32, models.Any, int64(n.Classes()))
}

// adam keeps a running mean and a running square of each weight's gradient.
type adam struct {
	weights      []*weight
	mean, square [][]float32
	steps        int
}

const (
	adamMean   = 0.9
	adamSquare = 0.999
	adamFloor  = 1e-8
)

func newAdam(stages []stage) *adam {
	a := &adam{}
	for _, s := range stages {
		for _, w := range s.weights() {
			a.weights = append(a.weights, w)
			a.mean = append(a.mean, make([]float32, len(w.value)))
			a.square = append(a.square, make([]float32, len(w.value)))
		}
	}
	return a
}

// step moves every weight and clears its gradient.
func (a *adam) step(rate float64) {
	a.steps++
	meanScale := 1 / (1 - math.Pow(adamMean, float64(a.steps)))
	squareScale := float32(1 / (1 - math.Pow(adamSquare, float64(a.steps))))
	size := float32(rate * meanScale)
	for i, w := range a.weights {
		mean, square := a.mean[i], a.square[i]
		for j, g := range w.gradient {
			mean[j] = adamMean*mean[j] + (1-adamMean)*g
			square[j] = adamSquare*square[j] + (1-adamSquare)*g*g
			w.value[j] -= size * mean[j] / (float32(math.Sqrt(float64(squareScale*square[j]))) + adamFloor)
		}
		clear(w.gradient)
	}
}
