package ort

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
)

// Run computes the outputs of those names, or all of them for none, in the order asked. Inputs may come in any order.
//
// Errors: a *models.TensorError for an input that is not what the model takes, ErrOutput for an output it does not give,
// ErrRun with ONNX Runtime's reason when the model fails on these values, ErrClosed, or the context's error when it ended
// before the run or stopped it.
//
// The inputs' data is read during the call only, and the outputs' data belongs to the caller.
func (s *Session) Run(ctx context.Context, inputs []models.Tensor, outputNames []string) ([]models.Tensor, error) {
	if err := models.ValidateInputs(s.info.Inputs, inputs, s.limits); err != nil {
		return nil, err
	}
	wanted, err := s.wanted(outputNames)
	if err != nil {
		return nil, err
	}
	s = s.leastBusy()
	if err := s.enter(ctx); err != nil {
		return nil, fmt.Errorf("wait for a free slot to run the model: %w", err)
	}
	defer s.leave()

	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.native == nil {
		return nil, fmt.Errorf("the model's session is %w", ErrClosed)
	}
	return s.run(ctx, inputs, wanted)
}

// wanted returns the positions of the outputs of those names.
func (s *Session) wanted(names []string) ([]int, error) {
	positions := make([]int, 0, len(s.outputs))
	if len(names) == 0 {
		for i := range s.outputs {
			positions = append(positions, i)
		}
		return positions, nil
	}
	for _, name := range names {
		at := slices.IndexFunc(s.outputs, func(o onnx.Output) bool { return o.Spec.Name == name })
		if at < 0 {
			return nil, s.noOutput(name)
		}
		if slices.Contains(positions, at) {
			return nil, fmt.Errorf("%w: %q is asked for twice", ErrOutput, name)
		}
		positions = append(positions, at)
	}
	return positions, nil
}

func (s *Session) noOutput(name string) error {
	for _, u := range s.info.Unsupported {
		if u.Name == name {
			return fmt.Errorf("%w: %q: %s", ErrOutput, name, u.Reason)
		}
	}
	given := make([]string, len(s.outputs))
	for i, o := range s.outputs {
		given[i] = fmt.Sprintf("%q", o.Spec.Name)
	}
	return fmt.Errorf("%w: want one of %s, got %q", ErrOutput, strings.Join(given, ", "), name)
}

// run goes through the library; the caller holds the session open.
func (s *Session) run(ctx context.Context, inputs []models.Tensor, wanted []int) (_ []models.Tensor, err error) {
	var pinner runtime.Pinner // the library keeps pointers into the inputs' data for the length of the call
	defer pinner.Unpin()
	values := make([]ort.Value, 0, len(s.inputs))
	defer func() { destroy(values) }()
	for _, in := range s.inputs {
		at := slices.IndexFunc(inputs, func(t models.Tensor) bool { return t.Name == in.Spec.Name })
		v, err := toValue(inputs[at], in.Unsqueezed, &pinner)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}

	if expected := s.expected(inputs); expected != nil {
		err := s.write(ctx, values, expected, &pinner)
		if err == nil {
			return pick(expected, wanted), nil
		}
		if !isOtherShape(err) {
			return nil, err
		}
		s.varying.Store(true)
	}
	outputs, err := s.fetch(ctx, values, wanted)
	if err == nil {
		s.remember(inputs, outputs)
	}
	return outputs, err
}

// write runs the graph on memory that its outputs are known to fit.
func (s *Session) write(ctx context.Context, inputs []ort.Value, outputs []models.Tensor, pinner *runtime.Pinner) error {
	results, err := wrap(outputs, pinner)
	if err != nil {
		return err
	}
	defer destroy(results)
	return s.call(ctx, inputs, results)
}

func pick(all []models.Tensor, wanted []int) []models.Tensor {
	tensors := make([]models.Tensor, len(wanted))
	for i, at := range wanted {
		tensors[i] = all[at]
	}
	return tensors
}

// fetch runs the graph and lets the library allocate what comes out.
func (s *Session) fetch(ctx context.Context, inputs []ort.Value, wanted []int) ([]models.Tensor, error) {
	results := make([]ort.Value, s.fetches())
	defer func() { destroy(results) }()
	if err := s.call(ctx, inputs, results); err != nil {
		return nil, err
	}
	return s.collect(results, wanted)
}

func (s *Session) fetches() int {
	n := len(s.outputs)
	for _, o := range s.outputs {
		if o.Shape != "" {
			n++
		}
	}
	return n
}

// call runs the graph, and stops it between two nodes when ctx ends.
func (s *Session) call(ctx context.Context, inputs, outputs []ort.Value) error {
	brake, err := s.runtime.brake(ctx)
	if err != nil {
		return err
	}
	err = s.native.RunWithOptions(inputs, outputs, brake.runOptions())
	s.runtime.releaseBrake(brake)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("the run was stopped: %w", ctx.Err())
	default:
		return fmt.Errorf("%w: %s", ErrRun, strings.TrimPrefix(err.Error(), "Error running network: "))
	}
}

// collect turns the fetched values that are wanted into tensors.
func (s *Session) collect(results []ort.Value, wanted []int) ([]models.Tensor, error) {
	starts := make([]int, len(s.outputs))
	for i, at := 0, 0; i < len(s.outputs); i++ {
		starts[i] = at
		at++
		if s.outputs[i].Shape != "" {
			at++
		}
	}
	tensors := make([]models.Tensor, 0, len(wanted))
	for _, i := range wanted {
		t, err := fromValues(s.outputs[i], results[starts[i]:])
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", s.outputs[i].Spec.Name, err)
		}
		tensors = append(tensors, t)
	}
	return tensors, nil
}

func destroy(values []ort.Value) {
	for _, v := range values {
		if v != nil {
			_ = v.Destroy()
		}
	}
}
