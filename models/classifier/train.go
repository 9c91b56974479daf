package classifier

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/nn"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/models/text"
)

// Options says how a grade is trained. The zero value trains from seed 0 and is silent.
type Options struct {
	Seed    uint64 // the same seed gives the same model, bit for bit, on one machine
	HeldOut int    // challenges, never trained on, that the accuracy is taken on; DefaultHeldOut when 0

	// Progress, if not nil, is told now and then how many of the examples were seen and the loss in nats.
	Progress func(seen, examples int, loss float64)
}

// DefaultHeldOut gives an accuracy of 95 % a standard error of 0.3 percentage points.
const DefaultHeldOut = 4_000

const (
	batch         = 32
	progressSteps = 4 // reports per training
)

// Trained is a model, ready to be saved.
type Trained struct {
	Grade      Grade
	Network    *nn.Network
	ONNX       []byte
	Accuracy   float64 // on the held-out challenges, 0 to 1
	HeldOut    int
	Parameters int
}

// Train draws challenges of the grade's task and trains the grade on them. It stops with the context's error when ctx
// ends.
func Train(ctx context.Context, kind tasks.Kind, grade Grade, o Options) (*Trained, error) {
	task := kind.Task()
	if task.Name != grade.Task {
		return nil, fmt.Errorf("%w: grade %s is not for task %s", ErrGrade, grade.ModelName(), task.Name)
	}
	if o.HeldOut <= 0 {
		o.HeldOut = DefaultHeldOut
	}
	network, err := nn.New(inputShape(task.Inputs[0]), o.Seed, grade.layers...)
	if err != nil {
		return nil, fmt.Errorf("grade %s: %w", grade.ModelName(), err)
	}
	examples := newExamples(kind, "training "+grade.Name, o.Seed)
	err = network.Train(ctx, examples.next, nn.Training{Examples: grade.Examples, Batch: batch, Rate: grade.Rate, Progress: grade.report(o)})
	if err = errors.Join(err, examples.err); err != nil {
		return nil, fmt.Errorf("train grade %s: %w", grade.ModelName(), err)
	}
	t := &Trained{Grade: grade, Network: network, HeldOut: o.HeldOut, Parameters: network.Parameters()}
	if t.Accuracy, err = heldOut(ctx, network, newExamples(kind, "held out", o.Seed), o.HeldOut); err != nil {
		return nil, fmt.Errorf("measure grade %s: %w", grade.ModelName(), err)
	}
	t.ONNX, err = t.export(task, o.Seed)
	return t, err
}

// inputShape returns how a network sees an input: an image with its channels, or a line.
func inputShape(spec models.TensorSpec) nn.Shape {
	if s := spec.Shape; len(s) == 4 {
		return nn.Shape{Channels: int(s[1]), Height: int(s[2]), Width: int(s[3])}
	}
	return nn.Shape{Channels: 1, Height: 1, Width: int(spec.Shape[1])}
}

// examples turns the challenges of a fixed seed into numbers.
type examples struct {
	source  tasks.Source
	numbers []float32
	err     error // the first that was met; what came after is worthless
}

func newExamples(kind tasks.Kind, purpose string, seed uint64) *examples {
	return &examples{source: kind.Source(models.FixedSeed(kind.Task().Name, purpose, seed))}
}

// next returns an example; its numbers hold until the next call.
func (e *examples) next() nn.Example {
	c, err := e.source.Next()
	if err == nil {
		e.numbers, err = appendNumbers(e.numbers[:0], c.Inputs[0])
	}
	if e.err == nil {
		e.err = err
	}
	return nn.Example{Pixels: e.numbers, Class: c.Label}
}

// appendNumbers appends what a tensor holds, FP32 as it is and UINT8 as 0 to 255.
func appendNumbers(dst []float32, t models.Tensor) ([]float32, error) {
	if t.Datatype != models.UINT8 {
		values, err := t.Float32s()
		return append(dst, values...), err
	}
	for _, b := range t.Data {
		dst = append(dst, float32(b))
	}
	return dst, nil
}

// report passes on every step that completes a part of the training.
func (g Grade) report(o Options) func(int, float64) {
	if o.Progress == nil {
		return nil
	}
	told := 0
	return func(seen int, loss float64) {
		if part := seen * progressSteps / g.Examples; part > told {
			told = part
			o.Progress(seen, g.Examples, loss)
		}
	}
}

// heldOut returns the share of n challenges that the network labels rightly.
func heldOut(ctx context.Context, network *nn.Network, challenges *examples, n int) (float64, error) {
	right := 0
	for done := 0; done < n; {
		size := min(batch, n-done)
		inputs, labels := make([][]float32, size), make([]int, size)
		for i := range inputs {
			e := challenges.next()
			inputs[i], labels[i] = slices.Clone(e.Pixels), e.Class
		}
		if err := errors.Join(ctx.Err(), challenges.err); err != nil {
			return 0, err
		}
		rows, err := network.Probabilities(inputs)
		if err != nil {
			return 0, err
		}
		for i, row := range rows {
			if slices.Index(row, slices.Max(row)) == labels[i] {
				right++
			}
		}
		done += size
	}
	return float64(right) / float64(n), nil
}

func (t *Trained) export(task models.Task, seed uint64) ([]byte, error) {
	b := onnx.NewBuilder(t.Grade.ModelName())
	b.Doc(fmt.Sprintf("Tells %s: %s.", t.Grade.tells, t.Grade.About))
	b.Metadata(models.MetadataTask, task.Name)
	b.Metadata(models.MetadataMetric, task.Metric)
	b.Metadata(models.MetadataScore, strconv.FormatFloat(t.Accuracy, 'f', 4, 64))
	b.Metadata(models.MetadataHeldOut, strconv.Itoa(t.HeldOut))
	b.Metadata(models.MetadataSeed, strconv.FormatUint(seed, 10))
	b.Metadata(models.MetadataTrainingSize, strconv.Itoa(t.Grade.Examples))
	if input, output := task.Inputs[0], task.Outputs[0].Name; len(input.Shape) == 2 {
		t.Network.ExportLine(b, input.Datatype, input.Name, output, features(task))
	} else {
		t.Network.Export(b, input.Name, output)
	}
	return b.Bytes()
}

// features is the output that models of a task give beside their answer: texts are looked for by what they mean.
func features(task models.Task) string {
	if task.Name == text.Name {
		return text.EmbeddingName
	}
	return ""
}

// Path returns where Save puts a grade's model: <folder>/<model name>/<version>/model.onnx.
func Path(folder string, grade Grade, version int) string {
	return filepath.Join(folder, grade.ModelName(), strconv.Itoa(version), "model.onnx")
}

// Save writes the model to its Path and returns that. A file that is there is
// replaced as a whole, so nobody ever reads half a model.
func (t *Trained) Save(folder string, version int) (string, error) {
	path := Path(folder, t.Grade, version)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("make the model's folder: %w", err)
	}
	if err := writeWhole(path, t.ONNX); err != nil {
		return "", fmt.Errorf("save the model: %w", err)
	}
	return path, nil
}

func writeWhole(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".model-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // does nothing once renamed
	_, writeErr := f.Write(data)
	if err := errors.Join(writeErr, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
