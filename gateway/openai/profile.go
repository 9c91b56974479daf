package openai

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/text"
)

// Settings say what a model's tensors are for where their names do not. The zero value is useful.
type Settings struct {
	Embedding      string   // output with embeddings; "embedding"
	Classification string   // output with probabilities; "probabilities"
	Generation     string   // output with text; "text_output"
	Labels         []string // of the classes, in order; those of the text task for its models, else "0", "1", ...
	Flagged        []string // labels that a moderation flags; without any the model does not moderate
}

// Profile is what a model does with texts.
type Profile struct {
	Model    string
	settings Settings

	input  models.TensorSpec
	length int // bytes of a text at most; 0: the model takes strings of any length
	rows   int // that one call must have; 0: any number

	classes    *models.TensorSpec
	embedding  *models.TensorSpec
	generation *models.TensorSpec
}

// NewProfile reads what a model does with texts from its tensors. It fails with fault.ReasonUnable for a model that takes
// something else.
func NewProfile(model string, inputs, outputs []models.TensorSpec, s Settings) (*Profile, error) {
	p := &Profile{Model: model, settings: s}
	if len(inputs) != 1 || !p.takes(inputs[0]) {
		return nil, fault.New(codes.InvalidArgument, fault.ReasonUnable,
			"model %q takes no texts but %v: call it over the Open Inference Protocol, /v2/models/%s/infer", model, inputs, model)
	}
	p.classes = find(outputs, or(s.Classification, text.OutputName), matrix)
	p.embedding = find(outputs, or(s.Embedding, text.EmbeddingName), matrix)
	p.generation = find(outputs, or(s.Generation, "text_output"), writes)
	if p.classes != nil {
		p.label(inputs, outputs)
	}
	return p, nil
}

// label gives the classes names where none were set, or not as many as there are.
func (p *Profile) label(inputs, outputs []models.TensorSpec) {
	classes := int(p.classes.Shape[1])
	if len(p.settings.Labels) == classes {
		return
	}
	if p.settings.Labels == nil && text.Task().Serves(inputs, outputs) {
		p.settings.Labels = text.Labels()
		return
	}
	p.settings.Labels = nil
	for i := range max(classes, 0) {
		p.settings.Labels = append(p.settings.Labels, strconv.Itoa(i))
	}
}

func or(name, fallback string) string {
	if name == "" {
		return fallback
	}
	return name
}

func find(specs []models.TensorSpec, name string, fits func(models.TensorSpec) bool) *models.TensorSpec {
	i := slices.IndexFunc(specs, func(s models.TensorSpec) bool { return s.Name == name && fits(s) })
	if i < 0 {
		return nil
	}
	return &specs[i]
}

// matrix: a row of numbers for each text.
func matrix(s models.TensorSpec) bool {
	return s.Datatype == models.FP32 && len(s.Shape) == 2 && s.Shape[1] > 0
}

// writes: a text for each text.
func writes(s models.TensorSpec) bool {
	return isStrings(s) || (s.Datatype == models.UINT8 && len(s.Shape) == 2)
}

func isStrings(s models.TensorSpec) bool {
	return s.Datatype == models.BYTES && (len(s.Shape) == 1 || (len(s.Shape) == 2 && s.Shape[1] == 1))
}

// takes reports whether texts can be written as that input, and how.
func (p *Profile) takes(s models.TensorSpec) bool {
	p.input = s
	switch {
	case s.Datatype == models.UINT8 && len(s.Shape) == 2 && s.Shape[1] > 0:
		p.length = int(s.Shape[1])
	case isStrings(s):
	default:
		return false
	}
	p.rows = int(max(s.Shape[0], 0))
	return true
}

// check finds what the model cannot be asked about. A zero byte is where a text ends for models that take bytes.
func (p *Profile) check(param string, texts []string) error {
	for i, t := range texts {
		switch {
		case t == "":
			return fault.Malformed(param, "text %d is empty", i)
		case p.length > 0 && len(t) > p.length:
			f := fault.Malformed(param, "text %d has %d bytes; the context of model %q is %d tokens, which are bytes of UTF-8", i, len(t), p.Model, p.length)
			f.Reason = fault.ReasonLong
			return f
		case strings.IndexByte(t, 0) >= 0:
			return fault.Malformed(param, "text %d holds a zero byte, at which texts end", i)
		}
	}
	return nil
}

// tensor writes texts as the model takes them, with empty ones after them where it takes a certain number.
func (p *Profile) tensor(texts []string) models.Tensor {
	rows := max(len(texts), p.rows)
	shape := slices.Clone(p.input.Shape)
	shape[0] = int64(rows)
	if p.length == 0 {
		padded := append(slices.Clone(texts), make([]string, rows-len(texts))...)
		return models.FromStrings(p.input.Name, shape, padded)
	}
	data := make([]byte, rows*p.length)
	for i, t := range texts {
		copy(data[i*p.length:], t)
	}
	return models.Tensor{Name: p.input.Name, Datatype: models.UINT8, Shape: shape, Data: data}
}

// numbers reads the rows of an answer for so many texts.
func numbers(outputs []models.Tensor, spec *models.TensorSpec, texts int) ([][]float32, error) {
	output, err := pick(outputs, spec, texts)
	if err != nil {
		return nil, err
	}
	values, err := output.Float32s()
	if err != nil {
		return nil, fmt.Errorf("output %q: %w", spec.Name, err)
	}
	width := int(spec.Shape[1])
	rows := make([][]float32, texts)
	for i := range rows {
		rows[i] = values[i*width : (i+1)*width]
	}
	return rows, nil
}

// written reads the texts of an answer, and whether each was ended by the model or filled all that it had.
func written(outputs []models.Tensor, spec *models.TensorSpec, texts int) (list []string, ended []bool, err error) {
	output, err := pick(outputs, spec, texts)
	if err != nil {
		return nil, nil, err
	}
	if output.Datatype == models.BYTES {
		if list, err = output.Strings(); err != nil {
			return nil, nil, fmt.Errorf("output %q: %w", spec.Name, err)
		}
		list = list[:texts]
		for range list {
			ended = append(ended, true)
		}
	} else {
		width := len(output.Data) / int(output.Shape[0])
		for i := range texts {
			row, _, stopped := bytes.Cut(output.Data[i*width:(i+1)*width], []byte{0})
			list, ended = append(list, string(row)), append(ended, stopped)
		}
	}
	for i := range list {
		list[i] = strings.ToValidUTF8(list[i], string(utf8.RuneError)) // JSON has no form for anything else
	}
	return list, ended, nil
}

// pick returns the output that a spec describes, with rows for so many texts at least.
func pick(outputs []models.Tensor, spec *models.TensorSpec, texts int) (models.Tensor, error) {
	for _, o := range outputs {
		if o.Name != spec.Name {
			continue
		}
		if err := o.ValidateAs(*spec, models.Limits{}); err != nil {
			return o, err
		}
		if o.Shape[0] < int64(texts) || o.Shape[0] < 1 {
			return o, fmt.Errorf("output %q has %d rows for %d texts", spec.Name, o.Shape[0], texts)
		}
		return o, nil
	}
	return models.Tensor{}, fmt.Errorf("no output named %q", spec.Name)
}
