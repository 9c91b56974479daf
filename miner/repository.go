package miner

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/repository"
)

// Models is a Library of the models in a folder.
type Models struct {
	repository *repository.Repository
}

// OpenModels loads the models under path, which is laid out as models/repository describes. What cannot be loaded is
// logged, file by file, and left out, as long as something is left to serve.
func OpenModels(ctx context.Context, rt *ort.Runtime, path string, options repository.Options, log *slog.Logger) (*Models, error) {
	options.LeaveOut = func(err error) { log.Error("a model is left out", "error", err) }
	r, err := repository.Open(ctx, rt, path, options)
	if err != nil {
		return nil, err
	}
	return &Models{repository: r}, nil
}

// Get implements Library.
func (m *Models) Get(name, version string) (Served, error) {
	model, err := m.repository.Get(name, version)
	if err != nil {
		return Served{}, fmt.Errorf("%w: %w", ErrUnknownModel, err)
	}
	return Served{Name: model.Name, Version: model.VersionString(), Model: model.Session}, nil
}

// SHA256 returns the hash of the file of a model's newest version.
func (m *Models) SHA256(name string) ([32]byte, error) {
	model, err := m.repository.Get(name, "")
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w: %w", ErrUnknownModel, err)
	}
	return model.SHA256, nil
}

// Versions implements Library: lowest first.
func (m *Models) Versions(name string) []string {
	var versions []string
	for _, model := range m.repository.Versions(name) {
		versions = append(versions, model.VersionString())
	}
	return versions
}

// Names returns the names of the models, each once, in order.
func (m *Models) Names() []string { return m.repository.Names() }

// Close waits for the runs that go on and unloads all models.
func (m *Models) Close() error { return m.repository.Close() }
