package external

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/plexusnet/plexus/models"
	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// What proto/plexus/mechanism/v1 allows.
const (
	maxSpecs     = 16
	maxName      = 128
	maxMetric    = 256
	maxRound     = 4096
	maxReason    = 512
	maxDimension = 10 // bytes of one on the wire
)

var taskRule = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// description reads what a program says of itself. most is how many bytes a tensor may take.
func description(d *mechanismv1.DescribeResponse, most int) (mechanism.Description, error) {
	var none mechanism.Description
	if !taskRule.MatchString(d.GetTask()) {
		return none, fmt.Errorf("task %q: want 1 to 64 of a-z, 0-9, '.', '_' and '-', the first one a letter or digit", cut(d.GetTask(), maxName))
	}
	if len(d.GetMetric()) > maxMetric {
		return none, fmt.Errorf("metric of %d bytes: want at most %d", len(d.GetMetric()), maxMetric)
	}
	if chance := d.GetChance(); !(chance >= 0 && chance < 1) { // NaN, too
		return none, fmt.Errorf("chance %v: want 0 up to but not including 1", chance)
	}
	inputs, err := specs(d.GetInputs(), most)
	if err != nil {
		return none, fmt.Errorf("inputs: %w", err)
	}
	outputs, err := specs(d.GetOutputs(), most)
	if err != nil {
		return none, fmt.Errorf("outputs: %w", err)
	}
	return mechanism.Description{Name: Name, Chance: d.GetChance(), Distinct: d.GetDistinct(),
		Task: models.Task{Name: d.GetTask(), Inputs: inputs, Outputs: outputs, Metric: d.GetMetric()}}, nil
}

func specs(wire []*mechanismv1.TensorSpec, most int) ([]models.TensorSpec, error) {
	if len(wire) == 0 || len(wire) > maxSpecs {
		return nil, fmt.Errorf("%d tensors: want 1 to %d", len(wire), maxSpecs)
	}
	out := make([]models.TensorSpec, 0, len(wire))
	for _, w := range wire {
		// The empty shape is a scalar, a nil one would leave the rank open.
		spec := models.TensorSpec{Name: w.GetName(), Datatype: models.Datatype(w.GetDatatype()), Shape: append([]int64{}, w.GetShape()...)}
		if spec.Name == "" || len(spec.Name) > maxName {
			return nil, fmt.Errorf("tensor name of %d bytes: want 1 to %d", len(spec.Name), maxName)
		}
		if slices.ContainsFunc(out, func(o models.TensorSpec) bool { return o.Name == spec.Name }) {
			return nil, &models.TensorError{Tensor: spec.Name, Err: models.ErrDuplicate, Want: "each once"}
		}
		if err := checkSpec(spec, most); err != nil {
			return nil, err
		}
		out = append(out, spec)
	}
	return out, nil
}

func checkSpec(spec models.TensorSpec, most int) error {
	if _, err := models.ParseDatatype(string(spec.Datatype)); err != nil {
		return fmt.Errorf("tensor %q: %w", spec.Name, err)
	}
	if len(spec.Shape) > models.DefaultMaxRank {
		return &models.TensorError{Tensor: spec.Name, Err: models.ErrShape, Want: fmt.Sprintf("at most %d dimensions", models.DefaultMaxRank), Got: fmt.Sprint(len(spec.Shape))}
	}
	for _, size := range spec.Shape {
		if size < 1 && size != models.Any {
			return &models.TensorError{Tensor: spec.Name, Err: models.ErrShape, Want: "dimensions of 1 or more, or -1 where free", Got: fmt.Sprint(spec.Shape)}
		}
	}
	if need := least(spec); need > int64(most) {
		return &models.TensorError{Tensor: spec.Name, Err: models.ErrTooLarge, Want: fmt.Sprintf("at most %d bytes, a message's", most), Got: spec.String()}
	}
	return nil
}

// least is how many bytes a tensor takes at least, every free dimension being 1. BYTES take a length per element.
func least(spec models.TensorSpec) int64 {
	shape := slices.Clone(spec.Shape)
	for i := range shape {
		shape[i] = max(shape[i], 1)
	}
	elements, err := models.Elements(shape)
	size := int64(or(spec.Datatype.Size(), 4))
	if err != nil || elements > math.MaxInt64/size {
		return math.MaxInt64
	}
	return elements * size
}

// challenges reads n challenges, each with its inputs in the order of the task's.
func challenges(wire []*mechanismv1.Question, task models.Task, n, most int) ([][]models.Tensor, error) {
	if len(wire) != n {
		return nil, fmt.Errorf("%d challenges: want %d", len(wire), n)
	}
	out := make([][]models.Tensor, n)
	for i, q := range wire {
		if len(q.GetInputs()) != len(task.Inputs) {
			return nil, fmt.Errorf("challenge %d: %d inputs: want %d", i, len(q.GetInputs()), len(task.Inputs))
		}
		inputs := make([]models.Tensor, len(q.GetInputs()))
		for k, t := range q.GetInputs() {
			inputs[k] = models.Tensor{Name: t.GetName(), Datatype: models.Datatype(t.GetDatatype()), Shape: t.GetShape(), Data: t.GetContents()}
		}
		if err := models.ValidateInputs(task.Inputs, inputs, models.Limits{MaxTensorBytes: int64(most)}); err != nil {
			return nil, fmt.Errorf("challenge %d: %w", i, err)
		}
		out[i] = make([]models.Tensor, 0, len(inputs))
		for _, spec := range task.Inputs {
			out[i] = append(out[i], inputs[slices.IndexFunc(inputs, func(t models.Tensor) bool { return t.Name == spec.Name })])
		}
	}
	return out, nil
}

// digest is the same for two challenges that hold the same.
func digest(inputs []models.Tensor) [sha256.Size]byte {
	hash := sha256.New()
	var head []byte
	for _, t := range inputs {
		head = binary.AppendUvarint(head[:0], uint64(len(t.Shape)))
		for _, size := range t.Shape {
			head = binary.AppendUvarint(head, uint64(size))
		}
		hash.Write(binary.AppendUvarint(head, uint64(len(t.Data))))
		hash.Write(t.Data)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// errNoAnswer is a miner's fault: what it sent is not of the task's form.
var errNoAnswer = errors.New("not an answer")

// outputs picks the task's outputs from what a miner gave, in the order of the task's. All of them together may take most
// bytes.
func outputs(given []models.Tensor, task models.Task, most int) ([]*mechanismv1.Tensor, error) {
	wire := make([]*mechanismv1.Tensor, 0, len(task.Outputs))
	for _, spec := range task.Outputs {
		at := slices.IndexFunc(given, func(t models.Tensor) bool { return t.Name == spec.Name })
		if at < 0 {
			return nil, fmt.Errorf("%w: %w", errNoAnswer, &models.TensorError{Tensor: spec.Name, Err: models.ErrMissingTensor})
		}
		t := given[at]
		if slices.ContainsFunc(given[at+1:], func(o models.Tensor) bool { return o.Name == spec.Name }) {
			return nil, fmt.Errorf("%w: %w", errNoAnswer, &models.TensorError{Tensor: spec.Name, Err: models.ErrDuplicate})
		}
		if err := t.ValidateAs(spec, models.Limits{MaxTensorBytes: int64(max(most, 1))}); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		if most -= len(t.Data); most < 0 {
			return nil, fmt.Errorf("%w: %w", errNoAnswer, &models.TensorError{Tensor: spec.Name, Err: models.ErrTooLarge})
		}
		wire = append(wire, &mechanismv1.Tensor{Name: t.Name, Datatype: string(t.Datatype), Shape: t.Shape, Contents: t.Data})
	}
	return wire, nil
}

// share is how many bytes of outputs each of n answers may take, so that all of them fit one message.
func share(task models.Task, n, message int) int {
	const tag = 12                  // of a field, with its length
	each := 2*tag + tag + maxReason // the answer itself, its latency and its error
	for _, spec := range task.Outputs {
		each += 5*tag + len(spec.Name) + len(spec.Datatype) + maxDimension*len(spec.Shape)
	}
	return (message-maxRound-2*tag)/n - each
}

// marks reads one mark per answer. answered says which there were.
func marks(wire []*mechanismv1.Mark, answered []bool) ([]mechanism.Mark, error) {
	if len(wire) != len(answered) {
		return nil, fmt.Errorf("%d marks: want %d", len(wire), len(answered))
	}
	out := make([]mechanism.Mark, len(wire))
	for i, m := range wire {
		score := m.GetScore()
		switch {
		case !(score >= 0 && score <= 1): // NaN, too
			return nil, fmt.Errorf("mark %d: score %v: want 0 to 1", i, score)
		case !answered[i] && (score != 0 || m.GetDishonest()):
			return nil, fmt.Errorf("mark %d: score %v, dishonest %t: there is no answer, so want 0 and false", i, score, m.GetDishonest())
		case score != 0 && (m.GetDishonest() || m.GetReason() != ""):
			return nil, fmt.Errorf("mark %d: score %v, dishonest %t, reason %q: want 0 where an answer is dishonest or has a reason against it",
				i, score, m.GetDishonest(), cut(m.GetReason(), maxReason))
		}
		out[i] = mechanism.Mark{Score: score, Dishonest: m.GetDishonest()}
		if m.GetReason() != "" && answered[i] {
			out[i].Reason = errors.New(cut(m.GetReason(), maxReason))
		}
	}
	return out, nil
}

// cut returns the first bytes of a text, as whole and printable characters.
func cut(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
