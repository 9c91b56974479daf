package miner

import (
	"context"
	"errors"
	"time"

	"github.com/plexusnet/plexus/models"
)

// ErrUnknownModel is returned for a model or a version that is not served.
var ErrUnknownModel = errors.New("unknown model")

// Model is one version of a model, ready to run. Run is safe for concurrent use, checks its inputs itself (a
// *models.TensorError says what is wrong) and stops when ctx ends. Its outputs share no memory with its inputs.
type Model interface {
	Inputs() []models.TensorSpec
	Outputs() []models.TensorSpec
	Run(ctx context.Context, inputs []models.Tensor, outputs []string) ([]models.Tensor, error)
}

// Served is a model with its name.
type Served struct {
	Name    string
	Version string
	SHA256  [32]byte // of the model's file, where it has one
	Model   Model
	MaxRows int // rows of several requests that run best as one; 0 or 1: none do
	// MaxBatch bounds the rows of one request, where the operator has said so; 0: nothing does.
	MaxBatch int
	// Delay is how long a request may wait for others to fill MaxRows.
	Delay time.Duration
}

// Library is the models that a server answers for.
type Library interface {
	// Get returns a version of a model, the newest when version is empty. The error wraps ErrUnknownModel.
	Get(name, version string) (Served, error)
	// Versions returns the versions of a model that can be asked for.
	Versions(name string) []string
}
