package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/plexusnet/plexus/models/ort"
)

// OpenModel loads all versions of one model of the folder, lowest first. It fails with ErrModel where the folder has no
// such model, and where one version cannot be loaded; nothing stays loaded then.
func OpenModel(ctx context.Context, rt *ort.Runtime, path, name string, options Options) ([]*Model, error) {
	o := options.withDefaults()
	files, err := scan(path)
	files = slices.DeleteFunc(files, func(f file) bool { return f.name != name })
	if len(files) == 0 {
		return nil, errors.Join(fmt.Errorf("%w: %q in %s", ErrModel, name, path), err)
	}
	if len(files) > o.MaxModels {
		return nil, fmt.Errorf("%w: %q has %d versions, the limit is %d", ErrTooMany, name, len(files), o.MaxModels)
	}
	var loaded []*Model
	for _, f := range files {
		m, err := load(ctx, rt, f, o)
		if err != nil {
			for _, m := range loaded {
				err = errors.Join(err, m.Session.Close())
			}
			return nil, fmt.Errorf("model %s version %d (%s): %w", f.name, f.version, f.path, err)
		}
		loaded = append(loaded, m)
	}
	return loaded, nil
}

// With returns a repository in which those are the versions of the model of that name, none to leave it out. r and what
// it holds stay as they are; closing models that are in neither is the caller's.
func (r *Repository) With(name string, versions []*Model) *Repository {
	models := slices.DeleteFunc(slices.Clone(r.models), func(m *Model) bool { return m.Name == name })
	models = append(models, versions...)
	slices.SortFunc(models, func(a, b *Model) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return &Repository{models: models}
}

// Fingerprints tells, for each model of the folder, its files with their sizes and times, so that a change shows
// without reading them.
func Fingerprints(path string) (map[string]string, error) {
	files, err := scan(path)
	if err != nil && len(files) == 0 {
		return nil, err
	}
	parts := map[string][]string{}
	for _, f := range files {
		info, err := os.Stat(f.path)
		if err != nil {
			continue // it has just gone; the next look will tell
		}
		parts[f.name] = append(parts[f.name], fmt.Sprintf("%s %d %d", f.path, info.Size(), info.ModTime().UnixNano()))
	}
	out := make(map[string]string, len(parts))
	for name, lines := range parts {
		out[name] = strings.Join(lines, "\n")
	}
	return out, nil
}
