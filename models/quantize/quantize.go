package quantize

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models/onnx"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// Scheme is a way to make a model cheaper.
type Scheme string

// The schemes. Those of weights keep computing in 32-bit floats, on weights that have lost their last bits.
const (
	FP16Weights  Scheme = "fp16-weights"  // every weight rounded to a half float
	FP16         Scheme = "fp16"          // the whole graph in half floats, with casts at its ends; see below
	INT8Weights  Scheme = "int8-weights"  // matrices rounded to 255 steps, one scale per tensor
	INT8Channels Scheme = "int8-channels" // the same with one scale per output channel
	INT8Dynamic  Scheme = "int8-dynamic"  // products and convolutions in integers, all other matrices as INT8Weights
)

// FP16 and INT8Dynamic change the graph, the others only numbers in it. A graph of half floats with a recurrent operator
// crashes ONNX Runtime 1.27's CPU provider while it loads at the highest level of optimisation; ort.OptimizeExtended is
// safe. So a program that must stay up loads only the schemes of weights.

// Schemes returns every scheme, in the order above.
func Schemes() []Scheme { return []Scheme{FP16Weights, FP16, INT8Weights, INT8Channels, INT8Dynamic} }

// What can go wrong beside what models/onnx finds wrong with the file.
var (
	ErrScheme  = errors.New("no such scheme")
	ErrNothing = errors.New("nothing to make cheaper")
)

// Report says what was rewritten.
type Report struct {
	Weights int // tensors, and lists of numbers in nodes, of which at least one element changed
	Nodes   int // nodes that compute in cheaper numbers
}

// ParseScheme returns the scheme of that name, or an error that wraps ErrScheme and lists the names.
func ParseScheme(name string) (Scheme, error) {
	if s := Scheme(name); slices.Contains(Schemes(), s) {
		return s, nil
	}
	names := make([]string, 0, len(Schemes()))
	for _, s := range Schemes() {
		names = append(names, string(s))
	}
	return "", fmt.Errorf("%w: %q is none of %s", ErrScheme, name, strings.Join(names, " "))
}

// Apply returns the model rewritten by a scheme, the same bytes for the same model. It fails with ErrScheme, with
// ErrNothing when the model would stay as it is, with onnx.ErrCorrupt or onnx.ErrUnsupported for a file that cannot be
// served, and with onnx.ErrUnsupported for an operator that has no form in the scheme's numbers.
func Apply(model []byte, scheme Scheme) ([]byte, Report, error) {
	var rewrite func(*rewriter) error
	switch scheme {
	case FP16Weights:
		rewrite = func(r *rewriter) error { r.roundAll(halves); return nil }
	case FP16:
		rewrite = (*rewriter).toHalf
	case INT8Weights:
		rewrite = func(r *rewriter) error { r.roundAll(bytesPerTensor); return nil }
	case INT8Channels:
		rewrite = func(r *rewriter) error { r.roundAll(bytesPerChannel); return nil }
	case INT8Dynamic:
		rewrite = func(r *rewriter) error { r.toIntegers(); return nil }
	default:
		return nil, Report{}, fmt.Errorf("%w: %q", ErrScheme, scheme)
	}
	r, err := open(model)
	if err != nil {
		return nil, Report{}, err
	}
	if err := rewrite(r); err != nil {
		return nil, Report{}, fmt.Errorf("rewrite the model to %s: %w", scheme, err)
	}
	if r.report == (Report{}) {
		return nil, Report{}, fmt.Errorf("%w: %s would leave every weight as it is", ErrNothing, scheme)
	}
	data, err := r.bytes()
	return data, r.report, err
}

// Jitter returns the model with every 32-bit weight moved by up to that many units in its last place, up or down, as the
// seed draws it. Whole numbers stay, and so do single ones: they are no weights but exponents, masks and the like, where a
// last bit is another function. Errors are as for Apply.
func Jitter(model []byte, units int, seed uint64) ([]byte, error) {
	r, err := open(model)
	if err != nil {
		return nil, err
	}
	draw := rand.New(rand.NewPCG(seed, uint64(units)))
	r.roundAll(func(values []float32, _ layout) {
		for i, v := range values {
			if len(values) == 1 || v == float32(math.Trunc(float64(v))) {
				continue
			}
			moved := math.Float32frombits(math.Float32bits(v) + uint32(draw.IntN(2*units+1)-units))
			if moved*v > 0 { // not across 0
				values[i] = moved
			}
		}
	})
	if r.report.Weights == 0 {
		return nil, fmt.Errorf("%w: the model holds no 32-bit weights", ErrNothing)
	}
	return r.bytes()
}

// rewriter changes a decoded model in place.
type rewriter struct {
	model    *onnxpb.ModelProto
	channels map[string]int // by weight: the axis of its output channels
	report   Report
}

func open(data []byte) (*rewriter, error) {
	if _, err := onnx.Inspect(data); err != nil {
		return nil, err
	}
	r := &rewriter{model: new(onnxpb.ModelProto), channels: map[string]int{}}
	if err := proto.Unmarshal(data, r.model); err != nil {
		return nil, fmt.Errorf("%w: %w", onnx.ErrCorrupt, err)
	}
	if len(r.model.Functions) > 0 {
		return nil, fmt.Errorf("%w: the model defines functions of its own; inline them first", onnx.ErrUnsupported)
	}
	eachNode(r.model.Graph, r.noteChannels)
	return r, nil
}

// noteChannels remembers which axis of a node's weight holds its outputs. Elsewhere it is the first.
func (r *rewriter) noteChannels(_ *onnxpb.GraphProto, n *onnxpb.NodeProto) {
	matrix := n.GetOpType() == "MatMul" || n.GetOpType() == "Gemm" && intOf(n, "transB", 0) == 0
	if matrix && len(n.Input) > 1 {
		r.channels[n.Input[1]] = 1
	}
}

func (r *rewriter) bytes() ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.model)
	if err != nil {
		return nil, fmt.Errorf("encode the rewritten model: %w", err)
	}
	return data, nil
}

// layout is the shape of a weight and the axis of its output channels.
type layout struct {
	dims    []int64
	channel int
}

// rounding changes values in place.
type rounding func(values []float32, l layout)

func halves(values []float32, _ layout) {
	for i, v := range values {
		values[i] = roundToHalf(v)
	}
}

// bytesPerTensor rounds matrices; biases and scalars stay 32-bit, as in every 8-bit scheme.
func bytesPerTensor(values []float32, l layout) {
	if len(l.dims) >= 2 {
		roundToBytes(values)
	}
}

func bytesPerChannel(values []float32, l layout) {
	if len(l.dims) < 2 {
		return
	}
	axis := min(l.channel, len(l.dims)-1)
	inner := 1
	for _, d := range l.dims[axis+1:] {
		inner *= int(d)
	}
	count := int(l.dims[axis])
	if count == len(values) { // channels of one element lose nothing
		roundToBytes(values)
		return
	}
	for c := range count {
		// One channel is `inner` neighbours out of every count*inner.
		var channel []int
		for start := c * inner; start < len(values); start += count * inner {
			for i := range inner {
				channel = append(channel, start+i)
			}
		}
		picked := make([]float32, len(channel))
		for i, at := range channel {
			picked[i] = values[at]
		}
		roundToBytes(picked)
		for i, at := range channel {
			values[at] = picked[i]
		}
	}
}

// roundToBytes rounds values to -127…127 times one scale.
func roundToBytes(values []float32) {
	scale := byteScale(values)
	if scale == 0 {
		return
	}
	for i, v := range values {
		values[i] = float32(math.RoundToEven(float64(v/scale))) * scale
	}
}

func byteScale(values []float32) float32 {
	largest := float32(0)
	for _, v := range values {
		largest = max(largest, float32(math.Abs(float64(v))))
	}
	return largest / 127
}

// roundAll applies a rounding to every 32-bit weight of the model, wherever it is kept.
func (r *rewriter) roundAll(round rounding) {
	eachGraph(r.model.Graph, func(g *onnxpb.GraphProto) {
		for _, t := range g.Initializer {
			r.roundTensor(t, t.GetName(), round)
		}
		for _, n := range g.Node {
			r.roundNode(n, round)
		}
	})
}

func (r *rewriter) roundNode(n *onnxpb.NodeProto, round rounding) {
	for _, a := range n.Attribute {
		switch {
		case n.GetOpType() == "Constant" && n.GetDomain() == "" && a.T != nil:
			r.roundTensor(a.T, n.Output[0], round)
		case n.GetDomain() == mlDomain && len(a.Floats) > 0:
			// A list of the classical models: thresholds, leaves, coefficients. Every scheme takes it for a matrix.
			if r.changes(a.Floats, layout{dims: []int64{1, int64(len(a.Floats))}}, round) {
				r.report.Weights++
			}
		}
	}
}

func (r *rewriter) roundTensor(t *onnxpb.TensorProto, name string, round rounding) {
	values := floatsOf(t)
	if values == nil {
		return
	}
	if r.changes(values, layout{dims: t.Dims, channel: r.channels[name]}, round) {
		setFloats(t, values)
		r.report.Weights++
	}
}

func (r *rewriter) changes(values []float32, l layout, round rounding) bool {
	before := slices.Clone(values)
	round(values, l)
	return !slices.Equal(before, values)
}
