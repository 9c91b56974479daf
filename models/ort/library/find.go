package library

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// How an operator names the library.
const (
	Flag   = "onnxruntime"        // the command-line flag, without dashes
	EnvVar = "PLEXUS_ONNXRUNTIME" // the environment variable
)

// ErrNotFound is what Find returns, with the places it searched, when there is no library.
var ErrNotFound = errors.New("ONNX Runtime's shared library was not found")

// Source says why a place is searched.
type Source string

// The sources, in the order in which Find searches them.
const (
	FromFlag        Source = "flag --" + Flag
	FromEnvironment Source = "environment variable " + EnvVar
	FromExecutable  Source = "beside the executable"
	FromWorkingDir  Source = "./lib"
	FromCache       Source = "cache (plexus runtime fetch)"
	FromSystem      Source = "system"
)

// Place is a file that may be the library.
type Place struct {
	Source Source `json:"source"`
	Path   string `json:"path"`
	Exists bool   `json:"exists"`
}

// Find returns the library to use: the first place of Places that exists. A path that is named by flag or environment
// and is not there is an error, never passed over.
func Find(flag string) (Place, error) {
	places := Places(flag)
	for _, p := range places {
		if p.Exists {
			return p, nil
		}
		if p.Source == FromFlag || p.Source == FromEnvironment {
			return Place{}, fmt.Errorf("%w: %s names %s, and there is no such file", ErrNotFound, p.Source, p.Path)
		}
	}
	return Place{}, fmt.Errorf("%w: run 'plexus runtime fetch', or name one with --%s or %s; searched:\n%s", ErrNotFound, Flag, EnvVar, List(places))
}

// List writes places one a line, for an error or a log.
func List(places []Place) string {
	lines := make([]string, len(places))
	for i, p := range places {
		lines[i] = fmt.Sprintf("  %s: %s", p.Source, p.Path)
	}
	return strings.Join(lines, "\n")
}

// Places returns the files that Find looks for, in order. A path given by flag or environment may be a folder that
// holds the library.
func Places(flag string) []Place {
	var places []Place
	add := func(source Source, paths ...string) {
		for _, p := range paths {
			places = append(places, Place{Source: source, Path: p, Exists: isFile(p)})
		}
	}
	env := os.Getenv(EnvVar)
	if flag != "" && flag != env { // a command line that reads flags from the environment hands both
		add(FromFlag, named(flag))
	}
	if env != "" {
		add(FromEnvironment, named(env))
	}
	if executable, err := os.Executable(); err == nil {
		add(FromExecutable, inFolder(filepath.Dir(executable))...)
	}
	if working, err := filepath.Abs("lib"); err == nil {
		add(FromWorkingDir, inFolder(working)...)
	}
	if cached, err := CachePath(); err == nil {
		add(FromCache, cached)
	}
	for _, folder := range append(filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")), systemFolders()...) {
		add(FromSystem, inFolder(folder)...)
	}
	return places
}

// named returns the library's file for a path that a person gave: itself, or the library in that folder.
func named(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return path
	}
	candidates := inFolder(path)
	for _, c := range candidates {
		if isFile(c) {
			return c
		}
	}
	return candidates[0]
}

func inFolder(folder string) []string {
	if runtime.GOOS == "darwin" {
		return []string{filepath.Join(folder, "libonnxruntime.dylib")}
	}
	return []string{filepath.Join(folder, fileName), filepath.Join(folder, "libonnxruntime.so")}
}

func systemFolders() []string {
	if runtime.GOOS == "darwin" {
		return []string{"/opt/homebrew/lib", "/usr/local/lib"}
	}
	multiarch := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	folders := []string{"/usr/local/lib", "/usr/lib", "/usr/lib64", "/lib"}
	if multiarch != "" {
		folders = append([]string{"/usr/local/lib/" + multiarch, "/usr/lib/" + multiarch}, folders...)
	}
	return folders
}

// CachePath returns where Fetch keeps the library: <user cache>/plexus/onnxruntime/<version>/<platform>/.
func CachePath() (string, error) {
	folder, err := defaultCache()
	if err != nil {
		return "", err
	}
	return cachedFile(folder), nil
}

func defaultCache() (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache folder: %w", err)
	}
	return filepath.Join(user, "plexus", "onnxruntime"), nil
}

func cachedFile(folder string) string {
	return filepath.Join(folder, Version, runtime.GOOS+"-"+runtime.GOARCH, fileName)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
