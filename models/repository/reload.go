package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/plexusnet/plexus/models/ort"
)

// OpenModel loads all versions of one model of the folder, lowest first. It fails with ErrModel where the folder has no
// such model, and where one version cannot be loaded; nothing stays loaded then.
func OpenModel(ctx context.Context, rt *ort.Runtime, path, name string, options Options) ([]*Model, error) {
	o := options.withDefaults()
	files, err := scan(path)
	files = slices.DeleteFunc(files, func(f file) bool { return f.name != name })
	if len(files) == 0 {
		for _, part := range parts(err) {
			var failed *LoadError
			if errors.As(part, &failed) && failed.Name == name {
				return nil, part // it is there, and cannot be served
			}
		}
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
			return nil, &LoadError{Name: f.name, Version: f.version, Path: f.path, Err: err}
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
// without reading them. Models that cannot be served are among them: they may have become whole meanwhile.
func Fingerprints(path string) (map[string]string, error) {
	files, err := scan(path)
	if err != nil && len(files) == 0 {
		return nil, err
	}
	found := fingerprints{}
	for _, part := range parts(err) {
		var failed *LoadError
		if errors.As(part, &failed) && !errors.Is(part, ErrEmpty) && !errors.Is(part, ErrName) {
			found[failed.Name] = part.Error()
		}
	}
	for _, f := range files {
		found.add(f.name, f.path)
		if filepath.Base(f.path) == f.config.fileName() {
			found.addBeside(f.name, filepath.Dir(f.path))
		}
		found.add(f.name, filepath.Join(filepath.Dir(filepath.Dir(f.path)), configFile))
	}
	return found, nil
}

type fingerprints map[string]string

// add takes in a file, if there is one.
func (p fingerprints) add(name, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		p[name] += fmt.Sprintf("%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
	}
}

// addBeside takes in what lies in a folder, such as weights in files of their own.
func (p fingerprints) addBeside(name, folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // it has just gone; the next look will tell
	}
	for _, e := range entries {
		p.add(name, filepath.Join(folder, e.Name()))
	}
}

// OnDisk returns the versions of a model that lie in the folder and that its configuration lets serve, lowest first.
func OnDisk(path, name string) []string {
	files, _ := scan(path)
	var versions []string
	for _, f := range files {
		if f.name == name {
			versions = append(versions, strconv.FormatInt(f.version, 10))
		}
	}
	return versions
}
