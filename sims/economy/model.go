package economy

// Model is a network that can be run, any number of times at once.
type Model struct {
	cfg     Config
	columns []column
}

// New checks a configuration and returns its model. Errors wrap ErrConfig and
// name the paths of the fields that are wrong.
func New(cfg Config) (*Model, error) {
	cfg = cfg.Clone()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Model{cfg: cfg, columns: columnsOf(&cfg)}, nil
}

// Config returns a copy of what the model was made of.
func (m *Model) Config() Config { return m.cfg.Clone() }

// Records returns how often a run records: at the beginning, every RecordEvery
// blocks, and at the end.
func (m *Model) Records() uint64 {
	return 1 + (m.cfg.Blocks+m.cfg.RecordEvery-1)/m.cfg.RecordEvery
}
