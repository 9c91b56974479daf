package models

// Task describes a kind of work that models are compared on: what goes in, what comes out, and how an answer is
// measured. A task's own package (such as models/digits) returns its Task and draws its challenges.
type Task struct {
	Name    string       // as models carry it in their metadata under MetadataTask
	Inputs  []TensorSpec // what every model of the task takes
	Outputs []TensorSpec // what every model of the task gives
	Metric  string       // what is measured, in words; higher is better
}

// Keys of a model's metadata_props that Plexus writes and reads.
const (
	MetadataTask         = "plexus.task"          // Task.Name
	MetadataMetric       = "plexus.metric"        // Task.Metric
	MetadataScore        = "plexus.score"         // the metric on held-out challenges, a decimal fraction
	MetadataHeldOut      = "plexus.held_out"      // how many challenges the score was taken on
	MetadataSeed         = "plexus.seed"          // the seed that the training started from
	MetadataTrainingSize = "plexus.training_size" // how many examples were drawn for training
)

// Serves reports whether a model with these inputs and outputs can be asked the task's challenges: every input of the
// task is taken, no other is needed, and every output is given, with the same datatypes and shapes that fit.
func (t Task) Serves(inputs, outputs []TensorSpec) bool {
	return len(inputs) == len(t.Inputs) && covers(inputs, t.Inputs) && covers(outputs, t.Outputs)
}

func covers(have, want []TensorSpec) bool {
	for _, w := range want {
		if !hasCompatible(have, w) {
			return false
		}
	}
	return true
}

func hasCompatible(have []TensorSpec, want TensorSpec) bool {
	for _, h := range have {
		if h.Name == want.Name && h.Datatype == want.Datatype && shapesMeet(h.Shape, want.Shape) {
			return true
		}
	}
	return false
}

// shapesMeet reports whether some tensor satisfies both shapes.
func shapesMeet(a, b []int64) bool {
	if a == nil || b == nil {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] >= 0 && b[i] >= 0 && a[i] != b[i] {
			return false
		}
	}
	return true
}
