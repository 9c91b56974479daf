package classifier

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plexusnet/plexus/models/audio"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/nn"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/models/text"
)

// ErrGrade is what ByName returns for a name that no grade has.
var ErrGrade = errors.New("no such grade")

// Grade is a recipe for a model.
type Grade struct {
	Task     string // a name of tasks.Names
	Name     string // small, medium or large
	About    string // one line for people
	Examples int    // challenges drawn for training
	Rate     float64
	tells    string // what its answers say
	layers   []nn.Layer
}

// ModelName is what the grade's model is called in a repository, such as "digits-large".
func (g Grade) ModelName() string { return g.Task + "-" + g.Name }

// Grades returns the recipes of the digits task, from the worst model to the best.
func Grades() []Grade {
	return of(digits.Name, fmt.Sprintf("which digit a %dx%d image shows", digits.Size, digits.Size),
		Grade{
			Name: "small", About: "32 hidden units on half the resolution", Examples: 15_360, Rate: 0.005,
			layers: []nn.Layer{nn.Standardize(), nn.AveragePool(2), nn.Dense(32), nn.ReLU(), nn.Dense(digits.Classes)},
		},
		Grade{
			Name: "medium", About: "128 hidden units on half the resolution", Examples: 24_000, Rate: 0.004,
			layers: []nn.Layer{nn.Standardize(), nn.AveragePool(2), nn.Dense(128), nn.ReLU(), nn.Dense(digits.Classes)},
		},
		Grade{
			Name: "large", About: "two convolutions and 64 hidden units", Examples: 32_000, Rate: 0.004,
			layers: []nn.Layer{
				nn.Standardize(),
				nn.Conv(12, 5, 2), nn.ReLU(),
				nn.Conv(24, 3, 2), nn.ReLU(),
				nn.Dense(64), nn.ReLU(), nn.Dense(digits.Classes),
			},
		},
	)
}

func textGrades() []Grade {
	return of(text.Name, fmt.Sprintf("what a message of up to %d bytes asks for", text.Length),
		Grade{
			Name: "small", About: "the largest of 12 numbers learnt for every 3 letters", Examples: 24_000, Rate: 0.01,
			layers: []nn.Layer{nn.EmbedGrams(3, 2039, 12), nn.MaxOverall(), nn.Dense(text.Classes)},
		},
		Grade{
			Name: "medium", About: "the largest of 32 numbers learnt for every 4 letters", Examples: 32_000, Rate: 0.005,
			layers: []nn.Layer{nn.EmbedGrams(4, 4093, 32), nn.MaxOverall(), nn.Dense(32), nn.ReLU(), nn.Dense(text.Classes)},
		},
		Grade{
			Name: "large", About: "two convolutions over what is learnt for every 4 letters", Examples: 48_000, Rate: 0.003,
			layers: []nn.Layer{
				nn.EmbedGrams(4, 4093, 24), nn.MaxPoolAlong(4),
				nn.ConvAlong(48, 5, 1), nn.ReLU(), nn.MaxPoolAlong(2),
				nn.ConvAlong(64, 5, 1), nn.ReLU(), nn.MaxOverall(), nn.Dense(32), nn.ReLU(), nn.Dense(text.Classes),
			},
		},
	)
}

func audioGrades() []Grade {
	const window, hop, bands = 128, 96, 20 // 16 ms, moved by 12 ms
	hear := func(layers ...nn.Layer) []nn.Layer {
		return append([]nn.Layer{nn.Standardize(), nn.Spectrogram(window, hop, bands)}, layers...)
	}
	return of(audio.Name, "which word a recording of half a second says",
		Grade{
			Name: "small", About: "24 hidden units on the spectrum of each quarter of the time", Examples: 6_400, Rate: 0.005,
			layers: hear(nn.AveragePoolAlong(10), nn.Dense(24), nn.ReLU(), nn.Dense(audio.Classes)),
		},
		Grade{
			Name: "medium", About: "64 hidden units on the spectrum of each fifth of the time", Examples: 9_600, Rate: 0.004,
			layers: hear(nn.AveragePoolAlong(7), nn.Dense(64), nn.ReLU(), nn.Dense(audio.Classes)),
		},
		Grade{
			Name: "large", About: "two convolutions over time", Examples: 20_000, Rate: 0.004,
			layers: hear(
				nn.ConvAlong(32, 5, 1), nn.ReLU(), nn.MaxPoolAlong(2),
				nn.ConvAlong(48, 7, 1), nn.ReLU(), nn.MaxOverall(),
				nn.Dense(32), nn.ReLU(), nn.Dense(audio.Classes)),
		},
	)
}

// of puts the task into its grades.
func of(task, tells string, grades ...Grade) []Grade {
	for i := range grades {
		grades[i].Task, grades[i].tells = task, tells
	}
	return grades
}

// GradesOf returns the recipes of a task, from the worst model to the best, or tasks.ErrTask with the tasks there are.
func GradesOf(task string) ([]Grade, error) {
	switch task {
	case digits.Name:
		return Grades(), nil
	case text.Name:
		return textGrades(), nil
	case audio.Name:
		return audioGrades(), nil
	default:
		return nil, fmt.Errorf("%w: %q; there are %s", tasks.ErrTask, task, strings.Join(tasks.Names(), ", "))
	}
}

// ByName returns the grade of a task by its name or its model's, or ErrGrade with the names there are.
func ByName(task, name string) (Grade, error) {
	grades, err := GradesOf(task)
	if err != nil {
		return Grade{}, err
	}
	names := make([]string, len(grades))
	for i, g := range grades {
		if g.Name == name || g.ModelName() == name {
			return g, nil
		}
		names[i] = g.Name
	}
	return Grade{}, fmt.Errorf("%w of task %s: %q; there are %s", ErrGrade, task, name, strings.Join(names, ", "))
}
