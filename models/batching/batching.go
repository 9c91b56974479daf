// Package batching runs several requests for a model as one, where that has been measured to help.
//
// A plan is made once per model, when it is loaded:
//
//	plan := batching.Measure(ctx, session, batching.Options{})
//	if plan.MaxRows > 1 {
//		batching.Run(session, nil, calls) // outputs or an error in each
//	}
//
// A model can be batched when the first dimension of every input and output is free, and when running rows together
// gives what running them one by one gives. How many rows at once are worth it is measured: on a CPU a batch makes a
// recurrent network three times as fast and a model that is bound by memory slower, so no rule will do.
package batching

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexusnet/plexus/models"
)

// Model is what can be batched.
type Model interface {
	Inputs() []models.TensorSpec
	Outputs() []models.TensorSpec
	Run(ctx context.Context, inputs []models.Tensor, outputs []string) ([]models.Tensor, error)
}

// Options bounds a measurement. A zero field takes the default.
type Options struct {
	MaxRows int           // largest batch that is tried; 32
	Fixed   int           // rows to use without measuring, if rows do not influence each other; measured when 0
	Budget  time.Duration // for measuring one model, in all; 400 ms
	Gain    float64       // how much faster per row a batch must be to be used; 1.1
	Saving  time.Duration // how much less time a row must take in a batch for that: about what gathering costs; 10 us
	Free    int64         // size of dimensions, other than the first, that the model leaves open; 16
}

func (o Options) withDefaults() Options {
	o.MaxRows = cmp.Or(o.MaxRows, 32)
	o.Budget = cmp.Or(o.Budget, 400*time.Millisecond)
	o.Gain = cmp.Or(o.Gain, 1.1)
	o.Saving = cmp.Or(o.Saving, 10*time.Microsecond)
	o.Free = cmp.Or(o.Free, 16)
	return o
}

// Plan says how a model is batched. The zero value says that it is not.
type Plan struct {
	MaxRows int     // rows in one run; 0 or 1: no batching
	Reason  string  // why, in words
	Points  []Point // what was measured
}

// Point is the time of one run of so many rows.
type Point struct {
	Rows int
	Time time.Duration // the shortest of several runs, joining and splitting included
}

// PerRow returns the time that one row takes.
func (m Point) PerRow() time.Duration { return m.Time / time.Duration(m.Rows) }

// Tolerance is how far, of the largest output, a row of a batch may be from the same row alone.
const Tolerance = 1e-4

// Measure finds out how many rows the model runs best at once. It never fails: a model that cannot be batched has a
// plan that says so. It takes the machine for as long as Budget.
func Measure(ctx context.Context, model Model, options Options) Plan {
	o := options.withDefaults()
	if reason := unbatchable(model); reason != "" {
		return Plan{Reason: reason}
	}
	random := rand.New(rand.NewPCG(1, 1))
	calls := make([]*Call, max(o.MaxRows, min(o.Fixed, 4)))
	for i := range calls {
		calls[i] = &Call{Inputs: sample(model.Inputs(), o.Free, random)}
	}
	if o.Fixed > 0 {
		if err := agrees(ctx, model, calls[:min(o.Fixed, 4)]); err != nil {
			return Plan{Reason: err.Error()}
		}
		return Plan{MaxRows: o.Fixed, Reason: fmt.Sprintf("%d rows at once were asked for", o.Fixed)}
	}
	plan := Plan{}
	deadline := time.Now().Add(o.Budget)
	for rows := 1; rows <= o.MaxRows && (rows <= 2 || time.Now().Before(deadline)); rows *= 2 {
		point, err := measure(ctx, model, calls[:rows], time.Until(deadline)/4)
		if err != nil {
			return Plan{Reason: fmt.Sprintf("a batch of %d failed: %v", rows, err), Points: plan.Points}
		}
		plan.Points = append(plan.Points, point)
		if err := agrees(ctx, model, calls[:min(rows, 4)]); err != nil {
			return Plan{Reason: err.Error(), Points: plan.Points}
		}
	}
	plan.choose(o.Gain, o.Saving)
	return plan
}

// choose takes the smallest batch that is within 5 % of the best time per row, if that is gain times as fast as one row
// and takes that much less time.
func (p *Plan) choose(gain float64, saving time.Duration) {
	best := slices.MinFunc(p.Points, func(a, b Point) int { return cmp.Compare(a.PerRow(), b.PerRow()) })
	for _, m := range p.Points {
		if float64(m.PerRow()) <= 1.05*float64(best.PerRow()) {
			best = m
			break
		}
	}
	speedup := float64(p.Points[0].PerRow()) / float64(max(1, best.PerRow()))
	if best.Rows == 1 || speedup < gain {
		p.Reason = fmt.Sprintf("no batch is faster by %.0f %%", 100*(gain-1))
		return
	}
	if saved := p.Points[0].PerRow() - best.PerRow(); saved < saving {
		p.Reason = fmt.Sprintf("a batch saves %v per row, less than gathering one costs", saved)
		return
	}
	p.MaxRows = best.Rows
	p.Reason = fmt.Sprintf("%d rows at once run %.1f times as fast per row", best.Rows, speedup)
}

// unbatchable says why a model cannot be batched by what it says of itself.
func unbatchable(model Model) string {
	for _, specs := range [][]models.TensorSpec{model.Inputs(), model.Outputs()} {
		for _, s := range specs {
			if len(s.Shape) == 0 || s.Shape[0] != models.Any {
				return fmt.Sprintf("the first dimension of %s is not free", s)
			}
			if s.Datatype == models.BYTES {
				return fmt.Sprintf("%s has elements of no fixed size", s)
			}
		}
	}
	return ""
}

// sample makes one row for every input.
func sample(specs []models.TensorSpec, free int64, random *rand.Rand) []models.Tensor {
	inputs := make([]models.Tensor, len(specs))
	for i, s := range specs {
		shape := slices.Clone(s.Shape)
		shape[0] = 1
		elements := int64(1)
		for d := range shape {
			if shape[d] < 0 {
				shape[d] = free
			}
			elements *= shape[d]
		}
		inputs[i] = models.Tensor{Name: s.Name, Datatype: s.Datatype, Shape: shape, Data: values(s.Datatype, elements, random)}
	}
	return inputs
}

func values(datatype models.Datatype, n int64, random *rand.Rand) []byte {
	data := make([]byte, 0, n*int64(datatype.Size()))
	for range n {
		v := random.Float32()
		switch datatype {
		case models.FP32:
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		case models.FP64:
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(float64(v)))
		case models.FP16:
			data = binary.LittleEndian.AppendUint16(data, 0x3000|uint16(random.IntN(0x400))) // 0.125 to 0.25
		case models.BF16:
			data = binary.LittleEndian.AppendUint16(data, uint16(math.Float32bits(v)>>16))
		default: // whole numbers small enough to be an index or a truth value
			data = append(data, byte(random.IntN(2)))
			data = append(data, make([]byte, datatype.Size()-1)...)
		}
	}
	return data
}

// measure times runs of all calls together: at least three, and more for as long as there is time.
func measure(ctx context.Context, model Model, calls []*Call, budget time.Duration) (Point, error) {
	best := time.Duration(math.MaxInt64)
	end := time.Now().Add(budget)
	for n := 0; n < 4 || (n < 100 && time.Now().Before(end)); n++ {
		start := time.Now()
		if err := runJoined(ctx, model, nil, calls); err != nil {
			return Point{}, err
		}
		if took := time.Since(start); n > 0 { // the first one prepares memory
			best = min(best, took)
		}
	}
	return Point{Rows: len(calls), Time: best}, nil
}

var errRows = errors.New("rows of a batch influence each other")

// agrees checks that each call gives in a batch what it gives alone.
func agrees(ctx context.Context, model Model, calls []*Call) error {
	if err := runJoined(ctx, model, nil, calls); err != nil {
		return err
	}
	for _, c := range calls {
		alone, err := model.Run(ctx, c.Inputs, nil)
		if err != nil {
			return err
		}
		for i := range alone {
			if !slices.Equal(alone[i].Shape, c.Outputs[i].Shape) || !near(alone[i], c.Outputs[i]) {
				return fmt.Errorf("%w: output %q", errRows, alone[i].Name)
			}
		}
	}
	return nil
}

// near reports whether two outputs agree: floats within Tolerance, anything else to the bit.
func near(a, b models.Tensor) bool {
	x, y := floats(a), floats(b)
	if x == nil {
		return slices.Equal(a.Data, b.Data)
	}
	largest, off := 0.0, 0.0
	for i := range x {
		if x[i] == y[i] || (math.IsNaN(x[i]) && math.IsNaN(y[i])) {
			continue
		}
		largest = max(largest, math.Abs(x[i]))
		off = max(off, math.Abs(x[i]-y[i]))
	}
	return off <= tolerance(a.Datatype)*max(largest, 1e-6)
}

// tolerance is Tolerance, or one unit in the last place of a type that is coarser.
func tolerance(d models.Datatype) float64 {
	switch d {
	case models.FP16:
		return 1.0 / (1 << 10)
	case models.BF16:
		return 1.0 / (1 << 7)
	default:
		return Tolerance
	}
}

// floats returns the elements of a tensor of floats, nil for any other.
func floats(t models.Tensor) []float64 {
	size := t.Datatype.Size()
	var read func([]byte) float64
	switch t.Datatype {
	case models.FP64:
		read = func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
	case models.FP32:
		read = func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }
	case models.BF16:
		read = func(b []byte) float64 {
			return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
		}
	case models.FP16:
		read = half
	default:
		return nil
	}
	out := make([]float64, 0, len(t.Data)/size)
	for at := 0; at+size <= len(t.Data); at += size {
		out = append(out, read(t.Data[at:]))
	}
	return out
}

// half reads an IEEE 754 half float.
func half(b []byte) float64 {
	bits := binary.LittleEndian.Uint16(b)
	sign := 1 - 2*float64(bits>>15)
	exponent, fraction := int(bits>>10)&0x1f, float64(bits&0x3ff)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 0x1f:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	default:
		return sign * math.Ldexp(1024+fraction, exponent-25)
	}
}

// Call is one request's part of a batch.
type Call struct {
	Ctx     context.Context // nil: never ends
	Inputs  []models.Tensor
	Outputs []models.Tensor // after Run
	Err     error           // after Run
}

// Rows returns how many rows a request has: the size of the first dimension of its inputs, where the model leaves that
// open and they agree; 1 elsewhere.
func Rows(specs []models.TensorSpec, inputs []models.Tensor) int {
	rows := int64(0)
	for _, s := range specs {
		if len(s.Shape) == 0 || s.Shape[0] != models.Any {
			return 1
		}
	}
	for _, t := range inputs {
		if len(t.Shape) == 0 || t.Shape[0] < 1 || (rows > 0 && t.Shape[0] != rows) {
			return 1
		}
		rows = t.Shape[0]
	}
	return int(max(1, rows))
}

// Key returns what two requests must have in common to be run together, and the rows of this one. It is empty where the
// request cannot be part of a batch: its inputs must be valid, and of one and the same number of rows, 1 or more.
func Key(model string, inputs []models.Tensor, outputs []string) (key string, rows int) {
	var b strings.Builder
	b.WriteString(model)
	for i, t := range inputs {
		if len(t.Shape) == 0 || t.Shape[0] < 1 || (i > 0 && int(t.Shape[0]) != rows) {
			return "", 0
		}
		rows = int(t.Shape[0])
		b.WriteByte('|')
		b.WriteString(t.Name)
		for _, d := range t.Shape[1:] {
			b.WriteByte(',')
			b.WriteString(strconv.FormatInt(d, 10))
		}
	}
	for _, o := range outputs {
		b.WriteByte('>')
		b.WriteString(o)
	}
	return b.String(), rows
}

// Run runs calls of one Key together and leaves outputs or an error in each. Where the batch fails, each call is run
// alone, so that one with bad values does not spoil the others. The run stops when all of the calls' contexts have ended.
func Run(model Model, outputs []string, calls []*Call) {
	calls = slices.DeleteFunc(slices.Clone(calls), func(c *Call) bool {
		if c.Ctx != nil {
			c.Err = c.Ctx.Err()
		}
		return c.Err != nil
	})
	ctx, cancel := untilAll(calls)
	defer cancel()
	if len(calls) > 1 && runJoined(ctx, model, outputs, calls) == nil {
		return
	}
	for _, c := range calls {
		own := c.Ctx
		if own == nil {
			own = context.Background()
		}
		c.Outputs, c.Err = model.Run(own, c.Inputs, outputs)
	}
}

// untilAll returns a context that ends when the last of the calls' contexts does.
func untilAll(calls []*Call) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}, len(calls))
	var stops []func() bool
	for _, c := range calls {
		if c.Ctx == nil {
			return ctx, cancel
		}
		stops = append(stops, context.AfterFunc(c.Ctx, func() {
			ended <- struct{}{}
			if len(ended) == cap(ended) {
				cancel()
			}
		}))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// runJoined runs calls as one batch.
func runJoined(ctx context.Context, model Model, outputs []string, calls []*Call) error {
	joined := join(calls)
	results, err := model.Run(ctx, joined, outputs)
	if err != nil {
		return err
	}
	total := joined[0].Shape[0]
	for _, r := range results {
		if len(r.Shape) == 0 || r.Shape[0] != total || int64(len(r.Data))%total != 0 {
			return fmt.Errorf("output %q has shape %v for %d rows", r.Name, r.Shape, total)
		}
	}
	at := int64(0)
	for _, c := range calls {
		rows := c.Inputs[0].Shape[0]
		c.Outputs, c.Err = make([]models.Tensor, len(results)), nil
		for i, r := range results {
			size := int64(len(r.Data)) / total
			shape := slices.Clone(r.Shape)
			shape[0] = rows
			c.Outputs[i] = models.Tensor{Name: r.Name, Datatype: r.Datatype, Shape: shape, Data: r.Data[at*size : (at+rows)*size : (at+rows)*size]}
		}
		at += rows
	}
	return nil
}

// join puts the rows of all calls one after another, in the order of the first call's inputs.
func join(calls []*Call) []models.Tensor {
	if len(calls) == 1 {
		return calls[0].Inputs
	}
	joined := make([]models.Tensor, len(calls[0].Inputs))
	for i, first := range calls[0].Inputs {
		shape := slices.Clone(first.Shape)
		shape[0] = 0
		var size int
		for _, c := range calls {
			shape[0] += c.Inputs[i].Shape[0]
			size += len(c.Inputs[i].Data)
		}
		data := make([]byte, 0, size)
		for _, c := range calls {
			data = append(data, c.Inputs[i].Data...)
		}
		joined[i] = models.Tensor{Name: first.Name, Datatype: first.Datatype, Shape: shape, Data: data}
	}
	return joined
}
