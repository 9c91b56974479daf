package repository

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// file is a model that the layout names: not yet read.
type file struct {
	name    string
	version int64
	path    string
	config  *Config
}

const modelFile = "model.onnx"

// namePattern is what a model may be called: it goes into URLs, metrics and file names.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// scan lists the models under path by name and then version. Its error names what looks like a model but is none; the
// models beside it are listed all the same.
func scan(path string) ([]file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return single(path, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	}
	if direct := filepath.Join(path, modelFile); isFile(direct) {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		return scanModel(path, filepath.Base(absolute))
	}
	return scanFolder(path)
}

func single(path, name string) ([]file, error) {
	if !strings.EqualFold(filepath.Ext(path), ".onnx") {
		return nil, fmt.Errorf("%s is no .onnx file and no folder", path)
	}
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return []file{{name: name, version: 1, path: path}}, nil
}

// scanFolder lists what is below a folder that is either a model, holding versions, or holds models.
func scanFolder(path string) ([]file, error) {
	folders, err := subfolders(path)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(folders, func(name string) bool { return isVersion(path, name, modelFile) }) || isFile(filepath.Join(path, configFile)) {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		return scanModel(path, filepath.Base(absolute))
	}
	var files []file
	var errs []error
	for _, name := range folders {
		versions, err := scanModel(filepath.Join(path, name), name)
		files = append(files, versions...)
		if err != nil {
			errs = append(errs, &LoadError{Name: name, Path: filepath.Join(path, name), Err: err})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return files, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: %s holds no <name>/<version>/%s and no %s", ErrEmpty, path, modelFile, modelFile)
	}
	return files, nil
}

func scanModel(path, name string) ([]file, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	config, err := readConfig(path, name)
	if err != nil {
		return nil, err
	}
	folders, err := subfolders(path)
	if err != nil {
		return nil, err
	}
	called := config.fileName()
	var files []file
	for _, folder := range folders {
		if isVersion(path, folder, called) { // Triton keeps other things beside the versions too
			version, _ := parseVersion(folder)
			files = append(files, file{name: name, version: version, path: filepath.Join(path, folder, called), config: config})
		}
	}
	if direct := filepath.Join(path, called); len(files) == 0 && isFile(direct) {
		files = []file{{name: name, version: 1, path: direct, config: config}}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: no <version>/%s, with a version such as 1", ErrEmpty, called)
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.version, b.version) })
	return config.served(files)
}

// isVersion reports whether the subfolder is named like a version and holds a model.
func isVersion(path, folder, called string) bool {
	_, ok := parseVersion(folder)
	return ok && isFile(filepath.Join(path, folder, called))
}

// parseVersion reads a version as Triton writes it: 1 or more, without leading zeros.
func parseVersion(text string) (int64, bool) {
	version, err := strconv.ParseInt(text, 10, 64)
	return version, err == nil && version >= 1 && strconv.FormatInt(version, 10) == text
}

// subfolders lists the folders in path by name, without hidden ones. A link to a folder counts.
func subfolders(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if info, err := os.Stat(filepath.Join(path, e.Name())); err == nil && info.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func checkName(name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%w: %q: use letters, digits, dot, dash and underscore, at most 128, starting with a letter or digit", ErrName, name)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
