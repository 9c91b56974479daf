package library_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/ort/orttest"
)

// npmThat makes a program that stands where npm stands: it runs a shell script with the destination folder as $dest.
func npmThat(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "npm")
	text := "#!/bin/sh\nwhile [ \"$1\" != --pack-destination ]; do shift; done\ndest=$2\n" + script + "\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	return path
}

func TestFetchSaysWhatIsWrong(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are pinned libraries for linux only")
	}
	for _, c := range []struct {
		name string
		npm  string
		is   error
		says string
	}{
		{"no npm", filepath.Join(t.TempDir(), "npm"), library.ErrNpm, "--onnxruntime or PLEXUS_ONNXRUNTIME"},
		{"npm fails", npmThat(t, "echo code E404 >&2; echo no such package >&2; exit 1"), library.ErrDownload, "code E404; no such package"},
		{"npm brings nothing", npmThat(t, "exit 0"), library.ErrDownload, "left 0 tarballs"},
		{"another package", npmThat(t, `echo other > "$dest/onnxruntime-node-1.27.0.tgz"`), library.ErrChecksum, "SHA-512 of the package onnxruntime-node@1.27.0 is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			killed := filepath.Join(folder, library.Version, strings.ReplaceAll(library.Platform(), "/", "-"), "fetch-1", "half.tgz")
			if c.is != library.ErrNpm { // without npm nothing is begun, so nothing is cleaned up either
				require.NoError(t, os.MkdirAll(filepath.Dir(killed), 0o755))
				require.NoError(t, os.WriteFile(killed, []byte("an earlier fetch was killed"), 0o600))
			}
			_, err := library.Fetch(t.Context(), library.FetchOptions{Folder: folder, Npm: c.npm})
			require.ErrorIs(t, err, c.is)
			require.ErrorContains(t, err, c.says)
			var left []string
			require.NoError(t, filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
				if err == nil && info.Mode().IsRegular() && filepath.Ext(path) != ".lock" {
					left = append(left, path)
				}
				return err
			}))
			require.Empty(t, left, "nothing half done stays behind")
		})
	}
}

func TestFetchStopsWithItsContext(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are pinned libraries for linux only")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	folder := t.TempDir()
	slow := npmThat(t, "exec sleep 60")
	var first, second error
	var group sync.WaitGroup
	group.Go(func() { _, first = library.Fetch(ctx, library.FetchOptions{Folder: folder, Npm: slow}) })
	group.Go(func() { _, second = library.Fetch(ctx, library.FetchOptions{Folder: folder, Npm: slow}) })
	group.Wait()
	require.ErrorIs(t, first, context.DeadlineExceeded)
	require.ErrorIs(t, second, context.DeadlineExceeded)
	require.Contains(t, first.Error()+second.Error(), "wait for another process", "one held the lock")
}

// TestFetchedLibraryIsKeptAndRepaired uses the library that is in the cache already as what a stand-in for npm would
// bring, so nothing is downloaded twice.
func TestFetchedLibraryIsKeptAndRepaired(t *testing.T) {
	orttest.Open(t) // skips without a library
	t.Setenv(library.EnvVar, "")
	real, err := library.Fetch(t.Context(), library.FetchOptions{Npm: "/no/npm/is/needed"})
	require.NoError(t, err, "idempotent")
	require.NoError(t, library.Verify(real))

	folder := t.TempDir()
	copied := filepath.Join(folder, library.Version, strings.ReplaceAll(library.Platform(), "/", "-"), filepath.Base(real))
	require.NoError(t, os.MkdirAll(filepath.Dir(copied), 0o755))
	data, err := os.ReadFile(real)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copied, data, 0o600))
	got, err := library.Fetch(t.Context(), library.FetchOptions{Folder: folder, Npm: "/no/npm/is/needed"})
	require.NoError(t, err)
	require.Equal(t, copied, got)

	data[len(data)/2] ^= 1
	require.NoError(t, os.WriteFile(copied, data, 0o600))
	require.ErrorIs(t, library.Verify(copied), library.ErrChecksum)
	_, err = library.Fetch(t.Context(), library.FetchOptions{Folder: folder, Npm: "/no/npm/is/needed"})
	require.ErrorIs(t, err, library.ErrNpm, "a damaged library is fetched again")
	require.NoError(t, os.Truncate(copied, 100))
	require.ErrorContains(t, library.Verify(copied), "100 bytes")
}

func TestFindTakesTheFirstPlaceInOrder(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("file names differ")
	}
	const name = "libonnxruntime.so.1"
	flagged, named, working, cache := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv(library.EnvVar, "")
	t.Setenv("LD_LIBRARY_PATH", "")
	t.Chdir(working)
	put := func(parts ...string) string {
		path := filepath.Join(parts...)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		return path
	}
	found := func(flag string, source library.Source, path string) {
		t.Helper()
		place, err := library.Find(flag)
		require.NoError(t, err)
		require.Equal(t, library.Place{Source: source, Path: path, Exists: true}, place)
	}
	inSystem := t.TempDir()
	t.Setenv("LD_LIBRARY_PATH", inSystem)
	found("", library.FromSystem, put(inSystem, name))
	cached, err := library.CachePath()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(cached, cache))
	found("", library.FromCache, put(cached))
	found("", library.FromWorkingDir, put(working, "lib", name))
	executable, err := os.Executable()
	require.NoError(t, err)
	beside := put(filepath.Dir(executable), name)
	defer os.Remove(beside)
	found("", library.FromExecutable, beside)
	t.Setenv(library.EnvVar, put(named, "own.so"))
	found("", library.FromEnvironment, filepath.Join(named, "own.so"))
	found(put(flagged, name), library.FromFlag, filepath.Join(flagged, name))
	found(flagged, library.FromFlag, filepath.Join(flagged, name)) // a folder that holds it
	found(filepath.Join(named, "own.so"), library.FromEnvironment, filepath.Join(named, "own.so"))

	_, err = library.Find(filepath.Join(flagged, "typo.so"))
	require.ErrorIs(t, err, library.ErrNotFound, "what a person names is never passed over")
	require.ErrorContains(t, err, "flag --onnxruntime names")
}

func TestNotFoundNamesFlagVariableAndPlaces(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv(library.EnvVar, "")
	t.Setenv("LD_LIBRARY_PATH", "")
	t.Chdir(t.TempDir())
	_, err := library.Find("")
	if err == nil {
		t.Skip("this system has an ONNX Runtime installed")
	}
	require.ErrorIs(t, err, library.ErrNotFound)
	for _, says := range []string{"plexus runtime fetch", "--onnxruntime", "PLEXUS_ONNXRUNTIME", "beside the executable", "./lib", "/usr/local/lib"} {
		require.ErrorContains(t, err, says)
	}
}

// ExampleFind shows what a program does at its start.
func ExampleFind() {
	place, err := library.Find("")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = place.Path // give it to ort.Open
}
