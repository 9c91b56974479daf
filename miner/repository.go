package miner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/repository"
)

// Models is a Library of the models in a folder.
type Models struct {
	repositories []*repository.Repository
	entries      []entry // by name, then version
}

type entry struct {
	name    string
	version int64
	model   *repository.Model
}

// OpenModels loads the models under path, which is laid out as models/repository describes. What cannot be loaded is
// logged, file by file, and left out, as long as something is left to serve.
func OpenModels(ctx context.Context, rt *ort.Runtime, path string, options repository.Options, log *slog.Logger) (*Models, error) {
	whole, err := repository.Open(ctx, rt, path, options)
	if err == nil {
		m := &Models{}
		for _, model := range whole.Index() {
			m.add(whole, entry{name: model.Name, version: model.Version, model: model})
		}
		return m, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	good := openEach(ctx, rt, path, options)
	if len(good.entries) == 0 {
		return nil, err
	}
	log.Error("a part of the models is left out", "served", strings.Join(good.Names(), " "), "error", err)
	return good, nil
}

// openEach loads what can be loaded, one version at a time.
func openEach(ctx context.Context, rt *ort.Runtime, path string, options repository.Options) *Models {
	m := &Models{}
	files, _ := filepath.Glob(filepath.Join(path, "[^.]*", "*", "model.onnx"))
	for _, file := range files {
		folder := filepath.Dir(file)
		version, err := strconv.ParseInt(filepath.Base(folder), 10, 64)
		if err != nil || version < 1 {
			continue
		}
		if one, err := repository.Open(ctx, rt, folder, options); err == nil {
			m.add(one, entry{name: filepath.Base(filepath.Dir(folder)), version: version, model: one.Index()[0]})
		}
	}
	slices.SortFunc(m.entries, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.version, b.version))
	})
	return m
}

func (m *Models) add(from *repository.Repository, e entry) {
	if !slices.Contains(m.repositories, from) {
		m.repositories = append(m.repositories, from)
	}
	m.entries = append(m.entries, e)
}

// Get implements Library.
func (m *Models) Get(name, version string) (Served, error) {
	e, err := m.find(name, version)
	if err != nil {
		return Served{}, err
	}
	return Served{Name: e.name, Version: strconv.FormatInt(e.version, 10), Model: e.model.Session}, nil
}

// SHA256 returns the hash of the file of a model's newest version.
func (m *Models) SHA256(name string) ([32]byte, error) {
	e, err := m.find(name, "")
	if err != nil {
		return [32]byte{}, err
	}
	return e.model.SHA256, nil
}

func (m *Models) find(name, version string) (entry, error) {
	versions := m.Versions(name)
	if len(versions) == 0 {
		return entry{}, fmt.Errorf("%w: %q; served are %s", ErrUnknownModel, name, strings.Join(m.Names(), ", "))
	}
	if version == "" {
		version = versions[len(versions)-1]
	}
	for _, e := range m.entries {
		if e.name == name && strconv.FormatInt(e.version, 10) == version {
			return e, nil
		}
	}
	return entry{}, fmt.Errorf("%w: version %q of %q; served are %s", ErrUnknownModel, version, name, strings.Join(versions, ", "))
}

// Versions implements Library: lowest first.
func (m *Models) Versions(name string) []string {
	var versions []string
	for _, e := range m.entries {
		if e.name == name {
			versions = append(versions, strconv.FormatInt(e.version, 10))
		}
	}
	return versions
}

// Names returns the names of the models, each once, in order.
func (m *Models) Names() []string {
	var names []string
	for _, e := range m.entries {
		names = append(names, e.name)
	}
	return slices.Compact(names)
}

// Close waits for the runs that go on and unloads all models.
func (m *Models) Close() error {
	var errs []error
	for _, r := range m.repositories {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}
