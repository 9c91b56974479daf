package repository

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
)

// What can be wrong with a repository or a request for a model.
var (
	ErrEmpty    = errors.New("no model")
	ErrName     = errors.New("not a name for a model")
	ErrTooLarge = errors.New("model file is too large")
	ErrTooMany  = errors.New("too many models")
	ErrModel    = errors.New("no such model")
	ErrVersion  = errors.New("no such version")
)

// LoadError says which model cannot be served.
type LoadError struct {
	Name    string
	Version int64 // 0: no version of it
	Path    string
	Err     error
}

// Error reads like: model digits version 3 (models/digits/3/model.onnx): not a readable ONNX model.
func (e *LoadError) Error() string {
	if e.Version == 0 {
		return fmt.Sprintf("model %s (%s): %v", e.Name, e.Path, e.Err)
	}
	return fmt.Sprintf("model %s version %d (%s): %v", e.Name, e.Version, e.Path, e.Err)
}

// Unwrap returns the reason.
func (e *LoadError) Unwrap() error { return e.Err }

// Options bounds what Open takes in. A zero field takes the default.
type Options struct {
	Session       ort.Options // how each model is run
	Machine       Machine     // what a model's configuration may ask for instead
	MaxModelBytes int64       // of a model's files together; DefaultMaxModelBytes when 0
	MaxModels     int         // models times versions; DefaultMaxModels when 0
	// LeaveOut, if not nil, is told of every model that cannot be loaded, as a *LoadError, and Open goes on without it
	// as long as one can. Nil: one bad model fails Open.
	LeaveOut func(error)
}

// The limits of a zero Options.
const (
	DefaultMaxModelBytes int64 = 1 << 30
	DefaultMaxModels           = 256
)

func (o Options) withDefaults() Options {
	if o.MaxModelBytes <= 0 {
		o.MaxModelBytes = DefaultMaxModelBytes
	}
	if o.MaxModels <= 0 {
		o.MaxModels = DefaultMaxModels
	}
	return o
}

// Model is one version of one model, loaded.
type Model struct {
	Name    string
	Version int64
	Path    string
	Size    int64    // bytes of its files
	SHA256  [32]byte // as published on the chain: of the file, or of all of them as docs/models.md says
	Config  *Config  // nil where it has no config.pbtxt
	Session *ort.Session
}

// VersionString returns the version as the Open Inference Protocol names it.
func (m *Model) VersionString() string { return strconv.FormatInt(m.Version, 10) }

// Hash returns the file's SHA-256 in hex.
func (m *Model) Hash() string { return hex.EncodeToString(m.SHA256[:]) }

// Repository is a set of loaded models. It does not change, so its methods are safe for concurrent use.
type Repository struct {
	models []*Model // by name, then version
}

// Open scans path and loads what it finds. One model that cannot be loaded fails it, unless it may be left out, with an
// error that names every file that is at fault; nothing stays loaded then.
func Open(ctx context.Context, rt *ort.Runtime, path string, options Options) (*Repository, error) {
	o := options.withDefaults()
	files, err := scan(path)
	if err != nil && (o.LeaveOut == nil || len(files) == 0) {
		return nil, fmt.Errorf("model repository: %w", err)
	}
	if len(files) > o.MaxModels {
		return nil, fmt.Errorf("model repository: %w: %s holds %d, the limit is %d", ErrTooMany, path, len(files), o.MaxModels)
	}
	r := &Repository{}
	var errs []error
	errs = append(errs, parts(err)...)
	for _, f := range files {
		m, err := load(ctx, rt, f, o)
		if err != nil {
			errs = append(errs, &LoadError{Name: f.name, Version: f.version, Path: f.path, Err: err})
			continue
		}
		r.models = append(r.models, m)
	}
	if len(errs) > 0 && (o.LeaveOut == nil || len(r.models) == 0 || ctx.Err() != nil) {
		return nil, errors.Join(append(errs, r.Close())...)
	}
	for _, err := range errs {
		o.LeaveOut(err)
	}
	return r, nil
}

// parts returns the errors that were joined in err.
func parts(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func load(ctx context.Context, rt *ort.Runtime, f file, o Options) (*Model, error) {
	data, err := read(f.path, o.MaxModelBytes)
	if err != nil {
		return nil, err
	}
	info, err := onnx.Inspect(data)
	if err != nil {
		return nil, err
	}
	if err := f.config.fits(info.Inputs, info.Outputs); err != nil {
		return nil, err
	}
	session, err := f.config.place(rt, o.Machine, o.Session)
	if err != nil {
		return nil, err
	}
	session.Folder = filepath.Dir(f.path)
	m := &Model{Name: f.name, Version: f.version, Path: f.path, Size: int64(len(data)), SHA256: sha256.Sum256(data), Config: f.config}
	if err := m.addWeights(info.External, o.MaxModelBytes); err != nil {
		return nil, err
	}
	if m.Session, err = rt.Load(ctx, data, session); err != nil {
		return nil, err
	}
	return m, nil
}

// addWeights makes size and hash those of all files, where weights are kept outside the model's own.
func (m *Model) addWeights(files []string, limit int64) error {
	if len(files) == 0 {
		return nil
	}
	whole := sha256.New()
	whole.Write(m.SHA256[:])
	for _, name := range files {
		hash, size, err := hashFile(filepath.Join(filepath.Dir(m.Path), name), limit-m.Size)
		if err != nil {
			return fmt.Errorf("weights in another file: %w", err)
		}
		m.Size += size
		whole.Write(binary.BigEndian.AppendUint32(nil, uint32(len(name))))
		whole.Write([]byte(filepath.ToSlash(name)))
		whole.Write(hash)
	}
	whole.Sum(m.SHA256[:0])
	return nil
}

func hashFile(path string, limit int64) ([]byte, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, io.LimitReader(f, limit+1))
	if err == nil && size > limit {
		err = fmt.Errorf("%w: %s takes the model over the limit", ErrTooLarge, path)
	}
	return hash.Sum(nil), size, err
}

// read returns a file's content, so that what is hashed is what is loaded even if the file changes meanwhile.
func read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, info.Size(), limit)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("read the whole file: %w", err)
	}
	return data, nil
}

// Get returns the model of that name and version; the highest version for "". It fails with ErrModel or ErrVersion,
// naming what there is.
func (r *Repository) Get(name, version string) (*Model, error) {
	versions := r.Versions(name)
	if len(versions) == 0 {
		return nil, fmt.Errorf("%w: %q; there are %s", ErrModel, name, strings.Join(r.Names(), ", "))
	}
	if version == "" {
		return versions[len(versions)-1], nil
	}
	have := make([]string, len(versions))
	for i, m := range versions {
		if have[i] = m.VersionString(); have[i] == version {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%w: %q of model %q; there are %s", ErrVersion, version, name, strings.Join(have, ", "))
}

// Versions returns every version of the model of that name, lowest first.
func (r *Repository) Versions(name string) []*Model {
	var versions []*Model
	for _, m := range r.models {
		if m.Name == name {
			versions = append(versions, m)
		}
	}
	return versions
}

// Index returns every version of every model, by name and then version.
func (r *Repository) Index() []*Model { return slices.Clone(r.models) }

// Names returns the models' names in order, each once.
func (r *Repository) Names() []string {
	var names []string
	for _, m := range r.models {
		names = append(names, m.Name)
	}
	return slices.Compact(names)
}

// Close waits for the runs that go on and unloads every model.
func (r *Repository) Close() error {
	var errs []error
	for _, m := range r.models {
		errs = append(errs, m.Session.Close())
	}
	return errors.Join(errs...)
}
