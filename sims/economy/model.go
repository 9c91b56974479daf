package economy

import (
	"github.com/plexusnet/plexus/sims"
)

// Model is a network that can be run, any number of times at once.
type Model struct {
	cfg     Config
	columns []sims.Column
}

// New checks a configuration and returns its model. Errors wrap ErrConfig and
// name the paths of the fields that are wrong.
func New(cfg Config) (*Model, error) {
	cfg = cfg.Clone()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Model{cfg: cfg}, nil
}

// Config returns a copy of what the model was made of.
func (m *Model) Config() Config { return m.cfg.Clone() }
