package ort

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	Providers      []Provider    // where it runs, a copy on each, as Runtime.Choose settled them; the CPU when empty
	MaxRuns        int           // runs of the model at once on each device; only the device's own bound when 0
	Folder         string        // where weights lie that the model keeps in other files; there may be none when empty
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

	device *device
	own    chan struct{} // bounds the runs of this model on the device; nil: only the device does
	twins  []*Session    // the same model on other devices; nil in the twins themselves

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
	if err := checkFolder(adapted.Info().External, options.Folder); err != nil {
		return nil, err
	}
	providers := options.Providers
	if len(providers) == 0 {
		providers = []Provider{{Kind: CPU}}
	}
	first, err := r.loadOn(adapted, options, providers[0])
	if err != nil {
		return nil, err
	}
	for _, p := range providers[1:] {
		twin, err := r.loadOn(adapted, options, p)
		if err != nil {
			return nil, errors.Join(err, first.Close())
		}
		first.twins = append(first.twins, twin)
	}
	return first, nil
}

// loadOn makes a session on one device.
func (r *Runtime) loadOn(adapted *onnx.Adapted, options Options, provider Provider) (*Session, error) {
	s := &Session{runtime: r, limits: options.Limits, info: adapted.Info(), inputs: adapted.Inputs, outputs: adapted.Outputs, device: r.deviceOf(provider)}
	if options.MaxRuns > 0 {
		s.own = make(chan struct{}, options.MaxRuns)
	}
	s.mu.Lock() // so that a Close of the runtime, from now on, waits until the session is whole
	defer s.mu.Unlock()
	if err := r.register(s); err != nil {
		return nil, err
	}
	var err error
	s.native, err = create(adapted, options, provider)
	if err != nil {
		r.forget(s)
		return nil, fmt.Errorf("%w: %w", ErrModel, err)
	}
	return s, nil
}

// checkFolder makes sure that weights in other files are where the library will look for them.
func checkFolder(external []string, folder string) error {
	if len(external) > 0 && folder == "" {
		return fmt.Errorf("%w: its weights are kept in other files (%s), and it was not loaded from a folder", onnx.ErrUnsupported, strings.Join(external, ", "))
	}
	for _, name := range external {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("%w: weights are kept in another file, which must lie beside the model: %w", onnx.ErrUnsupported, err)
		} else if !info.Mode().IsRegular() {
			return fmt.Errorf("%w: weights are kept in %s, which is no file", onnx.ErrUnsupported, name)
		}
	}
	return nil
}

func create(adapted *onnx.Adapted, options Options, provider Provider) (*ort.DynamicAdvancedSession, error) {
	if provider.onGPU() {
		defer keepSignals()()
	}
	native, err := sessionOptions(options, provider)
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

func sessionOptions(o Options, provider Provider) (*ort.SessionOptions, error) {
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
		provider.appendTo(native),
	)
	if o.Folder != "" {
		err = errors.Join(err, native.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", o.Folder))
	}
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
	var errs []error
	for _, twin := range s.twins {
		errs = append(errs, twin.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native == nil {
		return errors.Join(errs...)
	}
	native := s.native
	s.native = nil
	s.runtime.forget(s)
	return errors.Join(append(errs, native.Destroy())...)
}
