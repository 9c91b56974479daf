package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/plexusnet/plexus/models/ort/library"
)

// What can go wrong with the library and with sessions.
var (
	ErrLibrary = errors.New("ONNX Runtime cannot be used")
	ErrTooOld  = errors.New("ONNX Runtime is too old")
	ErrInUse   = errors.New("another ONNX Runtime is already open in this process")
	ErrClosed  = errors.New("closed")
	ErrModel   = errors.New("ONNX Runtime refused the model")
	ErrRun     = errors.New("the model failed")
	ErrOutput  = errors.New("no such output")
)

// RuntimeOptions are the limits that all sessions share. A zero field takes the default.
type RuntimeOptions struct {
	MaxConcurrentRuns int   // runs at once on the CPU, over all sessions; the number of CPUs when 0
	MaxRunsPerGPU     int   // runs at once on each GPU, over all sessions; DefaultMaxRunsPerGPU when 0
	MaxMemoryBytes    int64 // what all sessions together may hold for weights and tensors; DefaultMaxMemoryBytes when 0
}

// The limits of a zero RuntimeOptions.
const (
	DefaultMaxMemoryBytes int64 = 4 << 30
	DefaultMaxRunsPerGPU        = 2 // one computes while the other's tensors are on their way
)

func (o RuntimeOptions) withDefaults() RuntimeOptions {
	if o.MaxConcurrentRuns <= 0 {
		o.MaxConcurrentRuns = runtime.NumCPU()
	}
	if o.MaxRunsPerGPU <= 0 {
		o.MaxRunsPerGPU = DefaultMaxRunsPerGPU
	}
	if o.MaxMemoryBytes <= 0 {
		o.MaxMemoryBytes = DefaultMaxMemoryBytes
	}
	return o
}

// Runtime is ONNX Runtime's library, open in this process. All methods are safe for concurrent use.
type Runtime struct {
	path    string
	version string
	options RuntimeOptions
	brakes  chan *brake // that no run uses

	mu       sync.Mutex
	devices  map[string]*device
	sessions map[*Session]struct{}
	closed   bool
}

// process guards the binding's own state, which exists once per process whatever we do.
var process struct {
	sync.Mutex
	open *Runtime
}

// Open loads the shared library at path. While it is open, another Open fails with ErrInUse: the library keeps
// process-wide state, so a program opens it once and hands the Runtime around. Open fails with ErrTooOld for a release
// older than library.MinVersion and with ErrLibrary for a file that is no usable library.
func Open(path string, options RuntimeOptions) (*Runtime, error) {
	process.Lock()
	defer process.Unlock()
	if process.open != nil {
		return nil, fmt.Errorf("%w: %s", ErrInUse, process.open.path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLibrary, path, err)
	}
	if info, err := os.Stat(absolute); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLibrary, err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a file; name the library itself with --%s or %s", ErrLibrary, absolute, library.Flag, library.EnvVar)
	}
	ort.SetSharedLibraryPath(absolute)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil { // what fails comes back as an error value
		return nil, explain(absolute, err)
	}
	options = options.withDefaults()
	if err := limitMemory(options.MaxMemoryBytes); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: set its memory limit: %w", ErrLibrary, err), ort.DestroyEnvironment())
	}
	process.open = &Runtime{
		path: absolute, version: ort.GetVersion(), options: options,
		devices:  map[string]*device{},
		brakes:   make(chan *brake, options.MaxConcurrentRuns),
		sessions: map[*Session]struct{}{},
	}
	return process.open, nil
}

// limitMemory makes one allocator that sessions share and that refuses to grow past the limit.
func limitMemory(bytes int64) error {
	arena, err := ort.NewArenaCfg(int(bytes), -1, -1, -1)
	if err != nil {
		return err
	}
	defer arena.Destroy()
	where, err := ort.GetMemoryInfo()
	if err != nil {
		return err
	}
	return ort.CreateAndRegisterAllocator(where, arena)
}

// explain turns the binding's and the dynamic linker's words into what to do about them.
func explain(path string, err error) error {
	text := err.Error()
	remedy := fmt.Sprintf("run 'plexus runtime fetch', or name another with --%s or %s", library.Flag, library.EnvVar)
	switch {
	case strings.Contains(text, "Error setting ORT API base: 2"):
		return fmt.Errorf("%w: %s is older than %s; %s", ErrTooOld, path, library.MinVersion, remedy)
	case strings.Contains(text, "GLIBC"), strings.Contains(text, "GLIBCXX"):
		return fmt.Errorf("%w: %s needs a newer C library than this system has (%s); use a newer system or a library built for it", ErrLibrary, path, text)
	case strings.Contains(text, "OrtGetApiBase"):
		return fmt.Errorf("%w: %s is a shared library, but not ONNX Runtime's; %s", ErrLibrary, path, remedy)
	default:
		return fmt.Errorf("%w: %s: %s; %s", ErrLibrary, path, text, remedy)
	}
}

// Path returns the library's file.
func (r *Runtime) Path() string { return r.path }

// Version returns the library's version, such as "1.27.0".
func (r *Runtime) Version() string { return r.version }

// Options returns the limits in force, defaults filled in.
func (r *Runtime) Options() RuntimeOptions { return r.options }

// Close waits for the runs that go on, closes every session, and unloads the library; Open may then be called again.
// Closing twice does nothing.
func (r *Runtime) Close() error {
	process.Lock()
	defer process.Unlock()
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	sessions := r.sessions
	r.sessions = nil
	r.mu.Unlock()

	var errs []error
	for s := range sessions {
		errs = append(errs, s.Close())
	}
	process.open = nil
	errs = append(errs, r.freeBrakes())
	return errors.Join(append(errs, ort.DestroyEnvironment())...)
}

// register adds a session that Close has to close, unless the runtime is closed.
func (r *Runtime) register(s *Session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("ONNX Runtime is %w", ErrClosed)
	}
	r.sessions[s] = struct{}{}
	return nil
}

func (r *Runtime) forget(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s)
}

// OpenFound finds the library as library.Find does and opens it. The error for one that is missing or too old names the
// flag, the variable and the places searched.
func OpenFound(flag string, options RuntimeOptions) (*Runtime, error) {
	place, err := library.Find(flag)
	if err != nil {
		return nil, err
	}
	r, err := Open(place.Path, options)
	if errors.Is(err, ErrTooOld) || errors.Is(err, ErrLibrary) {
		return nil, fmt.Errorf("%w (chosen by: %s); searched:\n%s", err, place.Source, library.List(library.Places(flag)))
	}
	return r, err
}
