package nn

import (
	"fmt"
	"math/rand/v2"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
)

const (
	// alphabet is what a byte is taken modulo: in ASCII, capitals then equal small letters.
	alphabet = 32
	// gramBase spreads neighbouring letters over the rows of a table.
	gramBase = 1_000_003
)

// EmbedGrams replaces every run of so many letters in a line of bytes by as many numbers as it is told, learnt for each
// run. A run's row in the table is a hash of its letters; runs that share a row are told apart by their neighbours. It
// takes one line of whole numbers, 0 to 255, ignores the case of letters, and may only come before layers with weights.
func EmbedGrams(letters, rows, numbers int) Layer {
	return Layer{build: func(in Shape, random *rand.Rand) (stage, error) {
		if min(letters, rows, numbers) < 1 || in.Channels != 1 || in.Height != 1 || in.Width < letters {
			return nil, fmt.Errorf("an embedding of %d letters in %d numbers out of %d rows does not fit %d channels of %dx%d",
				letters, numbers, rows, in.Channels, in.Height, in.Width)
		}
		e := &embed{in: in, letters: letters, table: newWeight(rows, numbers)}
		for i := range e.table.value {
			e.table.value[i] = embedSpread * float32(random.NormFloat64())
		}
		return e, nil
	}}
}

// embedSpread is the standard deviation that the table starts with: small, so that what is learnt soon outweighs it.
const embedSpread = 0.1

type embed struct {
	in      Shape
	letters int
	table   *weight
	rows    []int32 // of the last batch, one per run
	result  activations
}

func (e *embed) output() Shape {
	return Shape{Channels: e.table.cols, Height: 1, Width: e.in.Width - e.letters + 1}
}
func (e *embed) weights() []*weight { return []*weight{e.table} }

func (e *embed) forward(x *activations) *activations {
	e.rows = e.rows[:0]
	for line := range x.batch {
		bytes := x.data[line*e.in.Width : (line+1)*e.in.Width]
		for at := range e.output().Width {
			e.rows = append(e.rows, e.row(bytes[at:at+e.letters]))
		}
	}
	y := e.result.sized(e.output(), x.batch)
	for c := range e.table.cols {
		channel := y.data[c*len(e.rows):]
		for i, row := range e.rows {
			channel[i] = e.table.value[int(row)*e.table.cols+c]
		}
	}
	return y
}

// row returns the row of a run of letters.
func (e *embed) row(letters []float32) int32 {
	hash := int64(0)
	for _, letter := range letters {
		hash = (hash*gramBase + int64(letter)%alphabet) % int64(e.table.rows)
	}
	return int32(hash)
}

func (e *embed) backward(gradient *activations, _ bool) *activations {
	for c := range e.table.cols {
		channel := gradient.data[c*len(e.rows):]
		for i, row := range e.rows {
			e.table.gradient[int(row)*e.table.cols+c] += channel[i]
		}
	}
	return nil
}

func (e *embed) export(b *onnx.Builder, name, in string) string {
	whole := func(suffix string, value int64) string {
		b.Int64s(name+suffix, nil, []int64{value})
		return name + suffix
	}
	base, rows := whole(".base", gramBase), whole(".rows", int64(e.table.rows))
	b.Node("Cast", []string{in}, []string{name + ".bytes"}, onnx.Int("to", int64(onnx.ElementType(models.INT64))))
	b.Node("Mod", []string{name + ".bytes", whole(".alphabet", alphabet)}, []string{name + ".letters"})
	hash := ""
	for i := range e.letters {
		step := fmt.Sprintf("%s.letter%d", name, i)
		b.Int64s(step+".start", []int64{1}, []int64{int64(i)})
		b.Int64s(step+".end", []int64{1}, []int64{int64(i + e.output().Width)})
		b.Int64s(step+".axis", []int64{1}, []int64{3})
		b.Node("Slice", []string{name + ".letters", step + ".start", step + ".end", step + ".axis"}, []string{step})
		sum := step
		if hash != "" {
			b.Node("Mul", []string{hash, base}, []string{step + ".shifted"})
			b.Node("Add", []string{step + ".shifted", step}, []string{step + ".sum"})
			sum = step + ".sum"
		}
		b.Node("Mod", []string{sum, rows}, []string{step + ".hash"})
		hash = step + ".hash"
	}
	b.Floats(name+".table", []int64{int64(e.table.rows), int64(e.table.cols)}, e.table.value)
	b.Node("Gather", []string{name + ".table", hash}, []string{name + ".found"}) // n 1 1 width numbers
	b.Node("Transpose", []string{name + ".found"}, []string{name + ".channels"}, onnx.Ints("perm", 0, 4, 1, 2, 3))
	b.Int64s(name+".shape", []int64{4}, []int64{0, int64(e.table.cols), 1, int64(e.output().Width)})
	b.Node("Reshape", []string{name + ".channels", name + ".shape"}, []string{name})
	return name
}
