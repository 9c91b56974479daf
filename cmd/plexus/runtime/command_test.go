package runtimecmd_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	runtimecmd "github.com/plexusnet/plexus/cmd/plexus/runtime"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/ort/orttest"
)

func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var stdout bytes.Buffer
	cmd := runtimecmd.Command()
	cmd.SetContext(t.Context())
	cmd.SetArgs(args)
	cmd.SetOut(&stdout)
	cmd.SetErr(new(bytes.Buffer))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	return stdout.String(), err
}

func TestInfo(t *testing.T) {
	path, err := orttest.Library()
	if err != nil {
		t.Skipf("no ONNX Runtime to test with: %v", err)
	}
	out, err := run(t, "info", "--"+library.Flag, path)
	require.NoError(t, err)
	require.Contains(t, out, path)
	require.Contains(t, out, "searched, in this order")

	out, err = run(t, "info", "--"+library.Flag, path, "-o", "json")
	require.NoError(t, err)
	var info struct {
		Library, Version, Source string
		Searched                 []library.Place
	}
	require.NoError(t, json.Unmarshal([]byte(out), &info))
	require.Equal(t, path, info.Library)
	require.Regexp(t, `^1\.\d+\.\d+`, info.Version)
	require.Greater(t, len(info.Searched), 5)
}

func TestInfoWithoutALibrarySaysWhereItLooked(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.so")
	out, err := run(t, "info", "--"+library.Flag, missing)
	require.ErrorIs(t, err, library.ErrNotFound)
	require.Contains(t, out, missing)
	require.Contains(t, out, "system")

	text := filepath.Join(t.TempDir(), "text.so")
	require.NoError(t, os.WriteFile(text, []byte("text"), 0o600))
	out, err = run(t, "info", "--"+library.Flag, text, "-o", "json")
	require.Error(t, err)
	require.Contains(t, out, `"problem"`)
}

func TestFetchWithoutNpmSaysSo(t *testing.T) {
	_, err := run(t, "fetch", "--npm", "/no/such/npm", "--folder", t.TempDir())
	require.ErrorIs(t, err, library.ErrNpm)
	_, err = run(t, "info", "-o", "xml")
	require.ErrorContains(t, err, "text or json")
}
