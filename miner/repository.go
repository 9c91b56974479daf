package miner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexusnet/plexus/models/batching"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/repository"
	"github.com/plexusnet/plexus/proto/inference"
)

// Models is a Library of the models in a folder. Its models are loaded, swapped and unloaded while it is used.
type Models struct {
	runtime *ort.Runtime
	path    string
	options repository.Options
	log     *slog.Logger
	current atomic.Pointer[shelf]

	absent absences

	mu       sync.Mutex // held to change the shelf
	seen     map[string]string
	batching *batching.Options // measured for new models; nil: no batching
}

// shelf is what is served at one time. It does not change.
type shelf struct {
	repository *repository.Repository
	plans      map[*repository.Model]batching.Plan
}

// OpenModels loads the models under path, which is laid out as models/repository describes. What cannot be loaded is
// logged, file by file, and left out, as long as something is left to serve.
func OpenModels(ctx context.Context, rt *ort.Runtime, path string, options repository.Options, log *slog.Logger) (*Models, error) {
	m := &Models{runtime: rt, path: path, options: options, log: log}
	var err error
	if m.seen, err = repository.Fingerprints(path); err != nil {
		return nil, fmt.Errorf("model repository: %w", err)
	}
	options.LeaveOut = func(err error) {
		log.Error("a model is left out", "error", err)
		m.absent.failed(err)
	}
	r, err := repository.Open(ctx, rt, path, options)
	if err != nil {
		return nil, err
	}
	m.current.Store(&shelf{repository: r})
	m.warn(r.Index())
	return m, nil
}

// warn says what configurations ask for in vain, once for each time that they are read.
func (m *Models) warn(loaded []*repository.Model) {
	said := map[string]bool{}
	for _, model := range loaded {
		if c := model.Config; c != nil && len(c.Ignored) > 0 && !said[model.Name] {
			said[model.Name] = true
			m.log.Warn("config.pbtxt: fields that make no difference here", "model", model.Name, "fields", strings.Join(c.Ignored, " "))
		}
	}
}

// MeasureBatches finds out for every model how many rows run best at once, and serves it so from then on, as it does
// models that are loaded later. It wants the machine for itself for up to half a second per model.
func (m *Models) MeasureBatches(ctx context.Context, options batching.Options) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batching = &options
	now := m.current.Load()
	m.current.Store(&shelf{repository: now.repository, plans: m.measure(ctx, now.repository.Index())})
}

func (m *Models) measure(ctx context.Context, loaded []*repository.Model) map[*repository.Model]batching.Plan {
	plans := map[*repository.Model]batching.Plan{}
	if m.batching == nil {
		return plans
	}
	for _, model := range loaded {
		plan := m.plan(ctx, model)
		plans[model] = plan
		m.log.Info("batching", "model", model.Name, "version", model.Version, "rows", max(1, plan.MaxRows), "reason", plan.Reason)
	}
	return plans
}

// plan measures a model, within what its configuration says.
func (m *Models) plan(ctx context.Context, model *repository.Model) batching.Plan {
	said, options := model.Config.Batch(), *m.batching
	switch {
	case said.Never:
		return batching.Plan{Reason: "config.pbtxt says max_batch_size: 0"}
	case said.Fixed > 0:
		options.Fixed = said.Fixed
	case said.MaxRows > 0:
		options.MaxRows = said.MaxRows
	}
	return batching.Measure(ctx, model.Session, options)
}

// Load implements Loader: requests in hand finish on what was loaded before.
func (m *Models) Load(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.absent.set(name, StateLoading, "", repository.OnDisk(m.path, name)...)
	loaded, err := repository.OpenModel(ctx, m.runtime, m.path, name, m.options)
	if errors.Is(err, repository.ErrModel) {
		m.absent.set(name, "", "")
		return fmt.Errorf("%w: %w", ErrUnknownModel, err)
	}
	if err != nil {
		m.absent.set(name, StateUnavailable, err.Error(), repository.OnDisk(m.path, name)...)
		m.absent.failed(err)
		return err
	}
	m.warn(loaded)
	defer m.absent.set(name, "", "")
	return m.swap(name, loaded, m.measure(ctx, loaded))
}

// Unload implements Loader.
func (m *Models) Unload(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.current.Load().repository.Versions(name)) == 0 {
		return fmt.Errorf("%w: %q", ErrUnknownModel, name)
	}
	versions := m.Versions(name)
	m.absent.set(name, StateUnloading, "", versions...)
	defer m.absent.set(name, StateUnavailable, "unloaded", versions...)
	return m.swap(name, nil, nil)
}

// swap puts other versions of a model into service and then closes those that were in it.
func (m *Models) swap(name string, versions []*repository.Model, plans map[*repository.Model]batching.Plan) error {
	now := m.current.Load()
	next := &shelf{repository: now.repository.With(name, versions), plans: maps.Clone(now.plans)}
	if next.plans == nil {
		next.plans = map[*repository.Model]batching.Plan{}
	}
	maps.Copy(next.plans, plans)
	old := now.repository.Versions(name)
	for _, model := range old {
		delete(next.plans, model)
	}
	m.current.Store(next)
	var errs []error
	for _, model := range old {
		errs = append(errs, model.Session.Close())
	}
	return errors.Join(errs...)
}

// Watch looks at the folder again and again until ctx ends: a model whose files have changed is loaded anew, one that
// has gone is unloaded. What cannot be loaded is logged, and what was served of it before stays. Put a new version into
// place by renaming, so that it is never seen half written.
func (m *Models) Watch(ctx context.Context, interval time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
		if err := m.Refresh(ctx); err != nil && ctx.Err() == nil {
			m.log.Error("reloading models", "error", err)
		}
	}
}

// Refresh looks at the folder once.
func (m *Models) Refresh(ctx context.Context) error {
	found, err := repository.Fingerprints(m.path)
	if err != nil {
		return fmt.Errorf("look at the model folder: %w", err) // what is loaded stays
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if m.seen[name] == found[name] {
			continue
		}
		if err := m.Load(ctx, name); err != nil {
			errs = append(errs, err)
		} else {
			m.log.Info("loaded", "model", name, "versions", m.Versions(name))
		}
	}
	for _, name := range m.Names() {
		if _, ok := found[name]; !ok {
			errs = append(errs, m.Unload(name))
			m.log.Info("unloaded", "model", name)
		}
	}
	m.absent.keep(found)
	m.seen = found // what could not be loaded is tried again when it changes
	return errors.Join(errs...)
}

// Get implements Library.
func (m *Models) Get(name, version string) (Served, error) {
	now := m.current.Load()
	model, err := now.repository.Get(name, version)
	if err != nil {
		return Served{}, fmt.Errorf("%w: %w", ErrUnknownModel, err)
	}
	served := Served{Name: model.Name, Version: model.VersionString(), SHA256: model.SHA256, Model: model.Session, MaxRows: now.plans[model].MaxRows}
	if model.Config != nil {
		said := model.Config.Batch()
		served.MaxBatch = said.MaxRows
		if served.MaxRows > 1 {
			served.Delay = said.Delay
		}
	}
	return served, nil
}

// Config implements Configured.
func (m *Models) Config(name, version string) *inference.ModelConfig {
	model, err := m.current.Load().repository.Get(name, version)
	if err != nil || model.Config == nil {
		return nil
	}
	return model.Config.Message
}

// Index implements Catalogue.
func (m *Models) Index() []Entry {
	entries := m.absent.list()
	for _, model := range m.current.Load().repository.Index() {
		e := Entry{Name: model.Name, Version: model.VersionString(), State: StateReady}
		at := slices.IndexFunc(entries, func(o Entry) bool { return o.Name == e.Name && o.Version == e.Version })
		switch {
		case at < 0:
			entries = append(entries, e)
		case entries[at].State != StateUnloading: // what is served until its next load is served
			entries[at] = e
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(len(a.Version), len(b.Version)), cmp.Compare(a.Version, b.Version))
	})
	return entries
}

// SHA256 returns the hash of the file of a model's newest version.
func (m *Models) SHA256(name string) ([32]byte, error) {
	served, err := m.Get(name, "")
	return served.SHA256, err
}

// Versions implements Library: lowest first.
func (m *Models) Versions(name string) []string {
	var versions []string
	for _, model := range m.current.Load().repository.Versions(name) {
		versions = append(versions, model.VersionString())
	}
	return versions
}

// Names returns the names of the models, each once, in order.
func (m *Models) Names() []string { return m.current.Load().repository.Names() }

// Close waits for the runs that go on and unloads all models.
func (m *Models) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current.Load().repository.Close()
}
