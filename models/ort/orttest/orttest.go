// Package orttest opens ONNX Runtime for tests, fetching the pinned library into the user's cache the first time.
//
//	rt := orttest.Open(t)
//	session, err := rt.Load(t.Context(), data, ort.Options{})
package orttest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
)

// open is shared by a package's tests: a process has one ONNX Runtime.
var open = sync.OnceValues(func() (*ort.Runtime, error) {
	path, err := Library()
	if err != nil {
		return nil, err
	}
	return ort.Open(path, ort.RuntimeOptions{})
})

// Open returns the process's ONNX Runtime, which stays open until the test binary ends. It skips the test when the
// library is not here and cannot be fetched, and fails it for anything else that is wrong.
func Open(t testing.TB) *ort.Runtime {
	t.Helper()
	rt, err := open()
	if errors.Is(err, library.ErrNpm) || errors.Is(err, library.ErrDownload) || errors.Is(err, library.ErrPlatform) {
		t.Skipf("no ONNX Runtime to test with: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// Library returns the path of the library that tests use: the one that PLEXUS_ONNXRUNTIME names, or else the pinned one.
func Library() (string, error) {
	if os.Getenv(library.EnvVar) != "" {
		place, err := library.Find("")
		return place.Path, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return library.Fetch(ctx, library.FetchOptions{})
}

// RealModels returns the folder of models trained by others that may lie beside the repository (../shared/models), and
// skips the test when it does not.
func RealModels(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; filepath.Dir(folder) != folder; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err != nil {
			continue
		}
		found := filepath.Join(filepath.Dir(folder), "shared", "models")
		if info, err := os.Stat(found); err == nil && info.IsDir() {
			return found
		}
		t.Skipf("no folder of real models at %s", found)
	}
	t.Skip("not inside a Go module")
	return ""
}
