package tasks

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/audio"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/text"
)

// ErrTask is what ByName returns for a name that no kind has, and Serving for a model of none.
var ErrTask = errors.New("no such task")

// Names returns the names of the kinds, the one meant when nobody names another first.
func Names() []string {
	return []string{digits.Name, text.Name, audio.Name}
}

// ByName prepares the kind of that name; it may take some ten milliseconds. The error is ErrTask with the names there
// are.
func ByName(name string) (Kind, error) {
	switch name {
	case digits.Name:
		return newDigits()
	case text.Name:
		return &kind{task: text.Task(), classes: text.Classes, source: texts}, nil
	case audio.Name:
		return &kind{task: audio.Task(), classes: audio.Classes, source: recordings}, nil
	default:
		return nil, fmt.Errorf("%w: %q; there are %s", ErrTask, name, strings.Join(Names(), ", "))
	}
}

// kind is a Kind of one output that holds probabilities.
type kind struct {
	task    models.Task
	classes int
	source  func(models.Seed) Source
}

func (k *kind) Task() models.Task           { return k.task }
func (k *kind) Classes() int                { return k.classes }
func (k *kind) Source(seed [32]byte) Source { return k.source(seed) }

func (k *kind) Probabilities(outputs []models.Tensor) ([][]float64, error) {
	spec := k.task.Outputs[0]
	for _, output := range outputs {
		if output.Name == spec.Name {
			return models.Probabilities(output, spec)
		}
	}
	return nil, fmt.Errorf("%w: no output named %q", models.ErrAnswer, spec.Name)
}

// source draws from a generator of a kind's own and makes each challenge a tensor.
type source func() (models.Tensor, int, error)

func (s source) Next() (Challenge, error) {
	input, label, err := s()
	return Challenge{Inputs: []models.Tensor{input}, Label: label}, err
}

func newDigits() (Kind, error) {
	drawer, err := digits.NewDrawer()
	if err != nil {
		return nil, fmt.Errorf("prepare the typefaces: %w", err)
	}
	return &kind{task: digits.Task(), classes: digits.Classes, source: func(seed models.Seed) Source {
		generator := drawer.Generator(seed)
		return source(func() (models.Tensor, int, error) {
			c := generator.Next()
			input, err := digits.Tensor(c.Image)
			return input, c.Label, err
		})
	}}, nil
}

func texts(seed models.Seed) Source {
	generator := text.NewGenerator(seed)
	return source(func() (models.Tensor, int, error) {
		c := generator.Next()
		input, err := text.Tensor(c.Text)
		return input, c.Label, err
	})
}

func recordings(seed models.Seed) Source {
	generator := audio.NewGenerator(seed)
	return source(func() (models.Tensor, int, error) {
		c := generator.Next()
		input, err := audio.Tensor(c.Samples)
		return input, c.Label, err
	})
}
