package sims

import "context"

// Model is something that can be simulated. It is immutable: any number of runs share it, each on its own goroutine.
type Model interface {
	// Columns are what a run records, in the order of the recorded values. Names are unique.
	Columns() []Column
	// Run simulates once. Equal seeds give equal records, bit for bit. It returns soon after ctx is done, with the
	// context's error, and whatever the recorder returned as soon as that is an error.
	Run(ctx context.Context, seed uint64, rec Recorder) error
}

// Column describes one recorded quantity.
type Column struct {
	Name string `json:"name"` // lower case with underscores and dots, such as "subnet.1.price"
	Unit string `json:"unit"` // such as "PLX", "PLX/block", or "1" for a plain number
	Doc  string `json:"doc"`  // what it is, in a sentence
}

// Recorder takes what a run observes.
type Recorder interface {
	// Record notes the values of all columns at a step. Steps rise within a run; seconds are simulated time since the
	// start and do not fall. The values stay the caller's and are read only during the call.
	Record(step uint64, seconds float64, values []float64) error
}

// RecorderFunc is a function as a Recorder.
type RecorderFunc func(step uint64, seconds float64, values []float64) error

// Record calls the function.
func (f RecorderFunc) Record(step uint64, seconds float64, values []float64) error {
	return f(step, seconds, values)
}

// Sizer is a Model that knows before it runs how often a run calls Record, so that an experiment which would not fit
// is refused at once rather than on the way.
type Sizer interface {
	Records() uint64
}
