package replay

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plexusnet/plexus/models"
)

// Family is a way to draw numbers with fractions.
type Family string

// The families. Edges needs the model: a challenge is moved to within 2^-12 of points at which the outputs jump.
const (
	Normal Family = "normal" // mean 0, standard deviation 1
	Faint  Family = "faint"  // mean 0, standard deviation 0.1
	Loud   Family = "loud"   // mean 0, standard deviation 10
	Unit   Family = "unit"   // 0 to 1
	Pixels Family = "pixels" // 0 to 255
	Wide   Family = "wide"   // 0.1 to 1000, each decade as often
	Sound  Family = "sound"  // three tones in noise, -1 to 1
	Edges  Family = "edges"  // as Wide, then next to edges
)

// Families returns every family, in the order above.
func Families() []Family {
	return []Family{Normal, Faint, Loud, Unit, Pixels, Wide, Sound, Edges}
}

// runner is what the generator asks where the edges are.
type runner interface {
	Run(ctx context.Context, inputs []models.Tensor, outputs []string) ([]models.Tensor, error)
}

// generator draws challenges. It is not safe for concurrent use.
type generator struct {
	inputs []input
	draw   *rand.Rand
	model  runner
}

func (g *generator) next(ctx context.Context, f Family) ([]models.Tensor, error) {
	tensors := make([]models.Tensor, len(g.inputs))
	for i := range g.inputs {
		tensors[i] = g.tensor(&g.inputs[i], f)
	}
	if f != Edges {
		return tensors, nil
	}
	return tensors, g.toEdges(ctx, tensors)
}

func (g *generator) tensor(in *input, f Family) models.Tensor {
	elements, _ := models.Elements(in.shape) // inputOf has checked the shape
	t := models.Tensor{Name: in.spec.Name, Datatype: in.spec.Datatype, Shape: in.shape}
	if in.spec.Datatype == models.BYTES {
		return models.FromStrings(t.Name, t.Shape, g.texts(int(elements)))
	}
	if len(in.families) > 0 && !slices.Contains(in.families, f) {
		f = in.families[g.draw.IntN(len(in.families))]
	}
	size := t.Datatype.Size()
	t.Data = make([]byte, int(elements)*size)
	var sound []float64
	if f == Sound && in.fractional() {
		sound = g.sound(int(elements))
	}
	for i := range int(elements) {
		switch to := t.Data[i*size:]; {
		case len(in.values) > 0:
			putNumber(t.Datatype, to, in.values[g.draw.IntN(len(in.values))])
		case sound != nil:
			putNumber(t.Datatype, to, sound[i])
		case in.fractional():
			putNumber(t.Datatype, to, g.number(f))
		default:
			putInteger(size, to, in.min+g.draw.Int64N(in.max-in.min+1))
		}
	}
	return t
}

func (g *generator) number(f Family) float64 {
	switch f {
	case Faint:
		return g.draw.NormFloat64() / 10
	case Loud:
		return g.draw.NormFloat64() * 10
	case Unit:
		return g.draw.Float64()
	case Pixels:
		return g.draw.Float64() * 255
	case Wide, Edges:
		return math.Pow(10, 4*g.draw.Float64()-1)
	default:
		return g.draw.NormFloat64()
	}
}

// sound is three tones of any pitch in noise.
func (g *generator) sound(n int) []float64 {
	values := make([]float64, n)
	noise := 0.1 * g.draw.Float64()
	for i := range values {
		values[i] = noise * g.draw.NormFloat64()
	}
	for range 3 {
		pitch, phase, size := math.Pi*math.Pow(g.draw.Float64(), 2), 2*math.Pi*g.draw.Float64(), 0.3*g.draw.Float64()
		for i := range values {
			values[i] += size * math.Sin(pitch*float64(i)+phase)
		}
	}
	for i, v := range values {
		values[i] = max(-1, min(1, v))
	}
	return values
}

// texts draws words of small letters.
func (g *generator) texts(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		var text []byte
		for range 4 + g.draw.IntN(8) {
			for range 2 + g.draw.IntN(7) {
				text = append(text, byte('a'+g.draw.IntN(26)))
			}
			text = append(text, ' ')
		}
		texts[i] = string(text)
	}
	return texts
}

// What toEdges does to a challenge: how many numbers it moves, how often it looks for an edge of one, and how finely.
const (
	edgesPerChallenge = 3
	edgeTries         = 4
	edgeSteps         = 26
	edgeDistance      = 1.0 / (1 << 12) // half a unit in the last place of a half float, relative
)

// toEdges moves some numbers of a challenge to where the outputs jump, and then a little to either side.
func (g *generator) toEdges(ctx context.Context, tensors []models.Tensor) error {
	var movable []int
	for i := range g.inputs {
		if g.inputs[i].fractional() && g.inputs[i].spec.Datatype == models.FP32 {
			movable = append(movable, i)
		}
	}
	if len(movable) == 0 {
		return nil
	}
	for range edgesPerChallenge {
		t := &tensors[movable[g.draw.IntN(len(movable))]]
		at := t.Data[4*g.draw.IntN(len(t.Data)/4):][:4]
		for range edgeTries {
			found, err := g.bisect(ctx, tensors, at)
			if err != nil {
				return err
			}
			if found {
				break
			}
		}
	}
	return nil
}

// bisect looks for an edge between the number at a place and another one, and puts a number beside it there.
func (g *generator) bisect(ctx context.Context, tensors []models.Tensor, at []byte) (bool, error) {
	outputs := func(value float64) ([]models.Tensor, error) {
		putNumber(models.FP32, at, value)
		return g.model.Run(ctx, tensors, nil)
	}
	near := float64(math.Float32frombits(binary.LittleEndian.Uint32(at)))
	far := g.number(Wide)
	there, err := outputs(far)
	if err != nil {
		return false, err
	}
	here, err := outputs(near)
	if err != nil || equal(here, there) {
		return false, err
	}
	for range edgeSteps {
		middle := float64(float32((near + far) / 2))
		got, err := outputs(middle)
		if err != nil {
			return false, err
		}
		if equal(got, here) {
			near = middle
		} else {
			far = middle
		}
	}
	putNumber(models.FP32, at, far*(1+edgeDistance*(2*g.draw.Float64()-1)))
	return true, nil
}

func equal(a, b []models.Tensor) bool {
	for i := range a {
		if string(a[i].Data) != string(b[i].Data) {
			return false
		}
	}
	return true
}

// freeSizes are tried, in this order, for dimensions that the model leaves open and the owner does not fix.
var freeSizes = []int64{64, 16, 256, 512, 576, 1024, 4096, 16000, 8, 4, 2, 1}

// settle fixes dimensions that are still free, by the first size that the model runs on.
func settle(ctx context.Context, model runner, inputs []input, draw *rand.Rand) error {
	open := func(in input) bool { return slices.Contains(in.shape, models.Any) }
	sizes := freeSizes
	if !slices.ContainsFunc(inputs, open) {
		sizes = freeSizes[:1]
	}
	var first error
	for _, size := range sizes {
		tried := slices.Clone(inputs)
		for i := range tried {
			tried[i].shape = slices.Clone(tried[i].shape)
			for d, n := range tried[i].shape {
				if n == models.Any {
					tried[i].shape[d] = size
				}
			}
		}
		g := generator{inputs: tried, draw: draw, model: model}
		tensors, err := g.next(ctx, Normal)
		if err != nil {
			return err
		}
		if _, err = model.Run(ctx, tensors, nil); err == nil {
			copy(inputs, tried)
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("%w: the model fails on what was inferred; say what its inputs are like (shape, min, max, values): %w", ErrSpec, first)
}

func leUint64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func putInteger(size int, to []byte, v int64) {
	for i := range size {
		to[i] = byte(v >> (8 * i))
	}
}

// putNumber writes v as one element. Half floats are cut to their 11 or 8 bits, which is as random as rounding.
func putNumber(d models.Datatype, to []byte, v float64) {
	switch d {
	case models.FP64:
		binary.LittleEndian.PutUint64(to, math.Float64bits(v))
	case models.FP32:
		binary.LittleEndian.PutUint32(to, math.Float32bits(float32(v)))
	case models.BF16:
		binary.LittleEndian.PutUint16(to, uint16(math.Float32bits(float32(v))>>16))
	case models.FP16:
		binary.LittleEndian.PutUint16(to, cutToHalf(v))
	default:
		putInteger(d.Size(), to, int64(v))
	}
}

// cutToHalf returns the half float at or below the size of v; 0 below the normal ones, the largest above.
func cutToHalf(v float64) uint16 {
	bits := math.Float32bits(float32(v))
	sign, exponent := uint16(bits>>16&0x8000), int(bits>>23&0xff)-127+15
	switch {
	case exponent <= 0:
		return sign
	case exponent >= 31:
		return sign | 0x7bff
	}
	return sign | uint16(exponent)<<10 | uint16(bits>>13&0x3ff)
}
