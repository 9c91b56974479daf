package ort

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
)

// Options says how a model is run. The zero value suits a server: one thread per run, no spinning, every optimisation.
type Options struct {
	IntraOpThreads int           // threads that share one operator; 1 when 0
	Spin           bool          // let idle threads spin: quicker answers, a busy machine
	Optimization   Optimization  // how far the graph is rewritten before it runs
	Limits         models.Limits // on each input
	Provider       Provider      // where it runs, as Runtime.Choose settled it; the CPU when zero
}

// Optimization is how far ONNX Runtime may rewrite a graph. Levels differ in rounding (by up to 4e-5 of the largest
// output), so two machines that compare outputs choose the same.
type Optimization string

// The levels; the zero value is OptimizeAll.
const (
	OptimizeAll      Optimization = ""
	OptimizeExtended Optimization = "extended"
	OptimizeBasic    Optimization = "basic"
	OptimizeNone     Optimization = "none"
)

var optimizationLevels = map[Optimization]ort.GraphOptimizationLevel{
	OptimizeAll:      ort.GraphOptimizationLevelEnableAll,
	OptimizeExtended: ort.GraphOptimizationLevelEnableExtended,
	OptimizeBasic:    ort.GraphOptimizationLevelEnableBasic,
	OptimizeNone:     ort.GraphOptimizationLevelDisableAll,
}

// Session is a loaded model. All methods are safe for concurrent use.
type Session struct {
	runtime *Runtime
	limits  models.Limits
	info    *onnx.Info
	inputs  []onnx.Input
	outputs []onnx.Output
	last    atomic.Pointer[shapes] // of the last run that the library allocated the outputs of
	varying atomic.Bool            // equal inputs' shapes have given outputs of different shapes

	mu     sync.RWMutex // held for reading during a run, for writing to close
	native *ort.DynamicAdvancedSession
}

// Load makes a session from the content of an ONNX file. It fails with onnx.ErrCorrupt or onnx.ErrUnsupported for what
// models/onnx finds wrong, and with ErrModel for what ONNX Runtime refuses. The data is not kept.
//
// Loading cannot be interrupted; a context that has ended before it starts is honoured.
func (r *Runtime) Load(ctx context.Context, data []byte, options Options) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	adapted, err := onnx.Adapt(data)
	if err != nil {
		return nil, err
	}
	if len(adapted.Inputs) == 0 {
		return nil, fmt.Errorf("%w: it takes no input, so it would always answer the same", onnx.ErrUnsupported)
	}
	s := &Session{runtime: r, limits: options.Limits, info: adapted.Info(), inputs: adapted.Inputs, outputs: adapted.Outputs}
	s.mu.Lock() // so that a Close of the runtime, from now on, waits until the session is whole
	defer s.mu.Unlock()
	if err := r.register(s); err != nil {
		return nil, err
	}
	s.native, err = create(adapted, options)
	if err != nil {
		r.forget(s)
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	return s, nil
}

func create(adapted *onnx.Adapted, options Options) (*ort.DynamicAdvancedSession, error) {
	native, err := sessionOptions(options)
	if err != nil {
		return nil, err
	}
	defer native.Destroy()
	inputs := make([]string, len(adapted.Inputs))
	for i, in := range adapted.Inputs {
		inputs[i] = in.Value
	}
	return ort.NewDynamicAdvancedSessionWithONNXData(adapted.Model, inputs, fetched(adapted.Outputs), native)
}

// fetched lists the values that one run fetches: each output, followed by its shape where that is a value of its own.
func fetched(outputs []onnx.Output) []string {
	var values []string
	for _, o := range outputs {
		values = append(values, o.Value)
		if o.Shape != "" {
			values = append(values, o.Shape)
		}
	}
	return values
}

func sessionOptions(o Options) (*ort.SessionOptions, error) {
	level, ok := optimizationLevels[o.Optimization]
	if !ok {
		return nil, fmt.Errorf("optimization %q is none of %q, %q, %q and empty for all", o.Optimization, OptimizeExtended, OptimizeBasic, OptimizeNone)
	}
	spin := "0"
	if o.Spin {
		spin = "1"
	}
	native, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		native.SetIntraOpNumThreads(max(1, o.IntraOpThreads)),
		native.SetInterOpNumThreads(1),
		native.SetGraphOptimizationLevel(level),
		native.SetLogSeverityLevel(ort.LoggingLevelFatal),
		native.AddSessionConfigEntry("session.intra_op.allow_spinning", spin),
		native.AddSessionConfigEntry("session.use_env_allocators", "1"), // the one that Open limited
		o.Provider.appendTo(native),
	)
	if err != nil {
		return nil, errors.Join(err, native.Destroy())
	}
	return native, nil
}

// Info returns what the model's file says about itself. Do not change it.
func (s *Session) Info() *onnx.Info { return s.info }

// Inputs returns what the model takes, in the graph's order.
func (s *Session) Inputs() []models.TensorSpec { return slices.Clone(s.info.Inputs) }

// Outputs returns what the model gives, in the graph's order. Outputs that cannot be given as tensors are left out;
// Info().Unsupported names them with the reason.
func (s *Session) Outputs() []models.TensorSpec { return slices.Clone(s.info.Outputs) }

// Metadata returns a copy of the model's metadata_props.
func (s *Session) Metadata() map[string]string { return maps.Clone(s.info.Metadata) }

// Close waits for the runs that go on and frees the model. Closing twice does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native == nil {
		return nil
	}
	native := s.native
	s.native = nil
	s.runtime.forget(s)
	return native.Destroy()
}
