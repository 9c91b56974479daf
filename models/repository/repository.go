package repository

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

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

// Options bounds what Open takes in. A zero field takes the default.
type Options struct {
	Session       ort.Options // how each model is run
	MaxModelBytes int64       // size of one file; DefaultMaxModelBytes when 0
	MaxModels     int         // models times versions; DefaultMaxModels when 0
	// LeaveOut, if not nil, is told of every model that cannot be loaded, and Open goes on without it as long as one
	// can. Nil: one bad model fails Open.
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
	Size    int64    // bytes of the file
	SHA256  [32]byte // of the file, as published on the chain
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
	if err != nil {
		errs = append(errs, err)
	}
	for _, f := range files {
		m, err := load(ctx, rt, f, o)
		if err != nil {
			errs = append(errs, fmt.Errorf("model %s version %d (%s): %w", f.name, f.version, f.path, err))
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

func load(ctx context.Context, rt *ort.Runtime, f file, o Options) (*Model, error) {
	data, err := read(f.path, o.MaxModelBytes)
	if err != nil {
		return nil, err
	}
	session, err := rt.Load(ctx, data, o.Session)
	if err != nil {
		return nil, err
	}
	return &Model{
		Name: f.name, Version: f.version, Path: f.path,
		Size: int64(len(data)), SHA256: sha256.Sum256(data), Session: session,
	}, nil
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
