package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/compare"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/quantize"
)

// lab holds a model, what an honest machine might make of it, and what a cheater would.
type lab struct {
	reference *ort.Session
	probes    []*ort.Session // honest, and as far from the reference as rounding takes them
	cheap     []cheapModel
	inputs    []input
	axes      []int // of each output, along which batches go; nil where the model takes none
}

// cheapModel is the model on cheaper weights.
type cheapModel struct {
	scheme  quantize.Scheme
	session *ort.Session
}

// jitterUnits is by how many units in the last place probes move weights. Sums of 1000 products differ by less between
// processors.
const (
	jitterUnits  = 4
	jitterProbes = 4
)

// cheapSchemes are those that only change numbers. They are the mildest of their kind, and they leave the graph as it is:
// a graph rewritten to half floats can crash the library.
func cheapSchemes() []quantize.Scheme {
	return []quantize.Scheme{quantize.FP16Weights, quantize.INT8Weights, quantize.INT8Channels}
}

// openLab loads everything. The caller closes the lab, also when it fails.
func openLab(ctx context.Context, rt *ort.Runtime, model []byte, spec Spec, seed uint64) (*lab, error) {
	l := &lab{}
	var err error
	if l.reference, err = rt.Load(ctx, model, ort.Options{}); err != nil {
		return l, fmt.Errorf("load the pinned model: %w", err)
	}
	unoptimised, err := rt.Load(ctx, model, ort.Options{Optimization: ort.OptimizeNone})
	if err != nil {
		return l, fmt.Errorf("load the pinned model without optimisation: %w", err)
	}
	l.probes = append(l.probes, unoptimised)
	for i := range uint64(jitterProbes) {
		moved, err := quantize.Jitter(model, jitterUnits, seed+i)
		if errors.Is(err, quantize.ErrNothing) {
			break
		}
		if err := l.add(ctx, rt, moved, err, func(s *ort.Session) { l.probes = append(l.probes, s) }); err != nil {
			return l, fmt.Errorf("load the model on moved weights: %w", err)
		}
	}
	for _, scheme := range cheapSchemes() {
		rounded, _, err := quantize.Apply(model, scheme)
		if errors.Is(err, quantize.ErrNothing) {
			continue
		}
		if err := l.add(ctx, rt, rounded, err, func(s *ort.Session) { l.cheap = append(l.cheap, cheapModel{scheme, s}) }); err != nil {
			return l, fmt.Errorf("load the model as %s: %w", scheme, err)
		}
	}
	if l.inputs, err = inputsOf(model, l.reference.Inputs(), spec); err != nil {
		return l, err
	}
	return l, l.settle(ctx, rand.New(rand.NewPCG(seed, 0)))
}

func (l *lab) add(ctx context.Context, rt *ort.Runtime, model []byte, err error, keep func(*ort.Session)) error {
	if err != nil {
		return err
	}
	s, err := rt.Load(ctx, model, ort.Options{})
	if err == nil {
		keep(s)
	}
	return err
}

// settle fixes the sizes of inputs and finds out whether the model takes batches.
func (l *lab) settle(ctx context.Context, draw *rand.Rand) error {
	if err := settle(ctx, l.reference, l.inputs, draw); err != nil {
		return err
	}
	if err := checkChance(l.inputs); err != nil {
		return err
	}
	g := generator{inputs: l.inputs, draw: draw, model: l.reference}
	var challenges [][]models.Tensor
	for range 2 {
		c, err := g.next(ctx, Normal)
		if err != nil {
			return err
		}
		challenges = append(challenges, c)
	}
	single, err := l.reference.Run(ctx, challenges[0], nil)
	if err != nil {
		return err
	}
	l.axes, _ = outputAxes(ctx, l.reference, l.inputs, challenges, single)
	return nil
}

func (l *lab) close() error {
	var closers []io.Closer
	if l.reference != nil {
		closers = append(closers, l.reference)
	}
	for _, p := range l.probes {
		closers = append(closers, p)
	}
	for _, c := range l.cheap {
		closers = append(closers, c.session)
	}
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// drawn is a challenge, the answer to it, and how far others are from that in units of the tolerance.
type drawn struct {
	inputs []models.Tensor
	ref    *compare.Reference
	cheap  []float64 // by cheap model
	score  float64
}

// showsEnough is where a cheaper version counts in full: further from the tolerance is no better.
const showsEnough = 4

// drawTries bounds the candidates for one challenge, as a multiple of Oversample.
const drawTries = 16

// ErrUnstable says that honest machines would disagree on nearly every challenge.
var ErrUnstable = errors.New("the model's outputs hang on its last bits")

// pick draws candidates and returns the one on which the cheaper versions show most, among those on which honest
// machines agree.
func (l *lab) pick(ctx context.Context, g *generator, families []Family, c *Calibration) (*drawn, error) {
	var best *drawn
	for tried := 0; tried < c.Oversample || best == nil; tried++ {
		if tried >= drawTries*c.Oversample {
			return nil, fmt.Errorf("%w: %d candidates in a row", ErrUnstable, tried)
		}
		tensors, err := g.next(ctx, families[g.draw.IntN(len(families))])
		if err != nil {
			return nil, err
		}
		d, err := l.try(ctx, tensors, c)
		if err != nil {
			return nil, err
		}
		if d != nil && (best == nil || d.score > best.score) {
			best = d
		}
	}
	return best, nil
}

// try runs a candidate on everything; it returns nil for one on which honest machines may disagree.
func (l *lab) try(ctx context.Context, tensors []models.Tensor, c *Calibration) (*drawn, error) {
	outputs, err := l.reference.Run(ctx, tensors, nil)
	if err != nil {
		return nil, err
	}
	ref, err := compare.New(outputs, c.scales())
	if err != nil {
		return nil, err
	}
	if c.tied(outputs) {
		return nil, nil
	}
	d := &drawn{inputs: tensors, ref: ref}
	for _, p := range l.probes {
		excess, err := l.excess(ctx, p, d, c)
		if err != nil || excess > 1.0/leastHeadRoom {
			return nil, err
		}
	}
	for _, m := range l.cheap {
		excess, err := l.excess(ctx, m.session, d, c)
		if err != nil {
			return nil, err
		}
		d.cheap = append(d.cheap, excess)
		d.score += min(excess, showsEnough)
	}
	return d, nil
}

// tied reports whether the two largest numbers of a row are so close that a label taken from them could go either way:
// trees of a forest that vote half and half leave it to the order of summation, which threads and batches change. Rows
// are those of an output that has one for each label.
func (c *Calibration) tied(outputs []models.Tensor) bool {
	labels := map[int64]bool{}
	for i, t := range outputs {
		if n, err := models.Elements(t.Shape); err == nil && c.Outputs[i].Scale.Measure == compare.Differing {
			labels[n] = true
		}
	}
	for i, t := range outputs {
		if len(t.Shape) == 0 || c.Outputs[i].Scale.Measure == compare.Differing {
			continue
		}
		rows, err := models.Elements(t.Shape[:len(t.Shape)-1])
		if err == nil && labels[rows] && compare.Gap(t) <= c.Outputs[i].Tolerance*compare.Size(t) {
			return true
		}
	}
	return false
}

// excess is how far a session's answer to a challenge is, as a multiple of the tolerance.
func (l *lab) excess(ctx context.Context, s *ort.Session, d *drawn, c *Calibration) (float64, error) {
	answer, err := s.Run(ctx, d.inputs, nil)
	if err != nil {
		return 0, err
	}
	distances, err := d.ref.Distances(answer)
	if errors.Is(err, compare.ErrShape) { // the model's outputs have other sizes on other weights
		return math.MaxFloat64, nil
	}
	if err != nil {
		return 0, err
	}
	_, excess := c.worst(distances)
	return excess, nil
}
