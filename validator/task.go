package validator

import (
	"errors"
	"fmt"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
)

// ErrWrong is what a challenge's judge returns for an answer that is well formed and not right.
var ErrWrong = errors.New("wrong answer")

// Task draws challenges of one kind.
type Task interface {
	// Describe says what goes in and out.
	Describe() models.Task
	// Chance is the accuracy of guessing, 0 to 1.
	Chance() float64
	// Draw returns n challenges that nobody can foresee. It need not be safe for concurrent use.
	Draw(n int) ([]Challenge, error)
}

// Challenge is a question whose answer is known. Judge returns nil for a right answer, ErrWrong for a wrong one, and
// what is the matter with one that is malformed.
type Challenge struct {
	Inputs []models.Tensor
	Judge  func(outputs []models.Tensor) error
}

// Digits asks which digit an image shows.
type Digits struct {
	generator *digits.Generator
}

// NewDigits returns the task, seeded from the system's randomness.
func NewDigits() (*Digits, error) {
	drawer, err := digits.NewDrawer()
	if err != nil {
		return nil, fmt.Errorf("prepare the typefaces: %w", err)
	}
	seed, err := digits.RandomSeed()
	if err != nil {
		return nil, err
	}
	return &Digits{generator: drawer.Generator(seed)}, nil
}

// Describe implements Task.
func (d *Digits) Describe() models.Task { return digits.Task() }

// Chance implements Task.
func (d *Digits) Chance() float64 { return 1.0 / digits.Classes }

// Draw implements Task.
func (d *Digits) Draw(n int) ([]Challenge, error) {
	drawn := make([]Challenge, n)
	for i := range drawn {
		c := d.generator.Next()
		input, err := digits.Tensor(c.Image)
		if err != nil {
			return nil, fmt.Errorf("draw a challenge: %w", err)
		}
		drawn[i] = Challenge{Inputs: []models.Tensor{input}, Judge: judgeDigit(c.Label)}
	}
	return drawn, nil
}

func judgeDigit(label int) func([]models.Tensor) error {
	return func(outputs []models.Tensor) error {
		for _, output := range outputs {
			if output.Name != digits.OutputName {
				continue
			}
			answers, err := digits.Answers(output)
			if err != nil {
				return err
			}
			if len(answers) != 1 {
				return fmt.Errorf("%d answers to one question", len(answers))
			}
			if answers[0].Label != label {
				return ErrWrong
			}
			return nil
		}
		return fmt.Errorf("no output named %q", digits.OutputName)
	}
}
