// Package tasks lists the kinds of work that Plexus has endless challenges for. Each kind lives in a package of its own
// and knows nothing of the others; this one gives all of them one face.
package tasks

import "github.com/plexusnet/plexus/models"

// Kind is a kind of work: what goes in and out of its models, where its challenges come from and how its answers read.
// It is safe for concurrent use; what it returns is not.
type Kind interface {
	// Task describes the inputs and outputs. Task().Name is the kind's name.
	Task() models.Task
	// Classes is how many answers there are to a challenge.
	Classes() int
	// Source returns the endless challenges that start from a seed: the same for the same seed.
	Source(seed [32]byte) Source
	// Probabilities reads a model's outputs: one probability distribution over the classes for each challenge of the
	// batch. The error says what is wrong with an answer, and where.
	Probabilities(outputs []models.Tensor) ([][]float64, error)
}

// Source draws one challenge after the other.
type Source interface {
	Next() (Challenge, error)
}

// Challenge is what a model is asked, a batch of one, and the answer that is true.
type Challenge struct {
	Inputs []models.Tensor
	Label  int // 0 to Classes-1
}
