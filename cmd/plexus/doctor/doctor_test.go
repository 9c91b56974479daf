package doctorcmd_test

import (
	"bytes"
	"encoding/json"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	doctorcmd "github.com/plexusnet/plexus/cmd/plexus/doctor"
	"github.com/plexusnet/plexus/models/ort/orttest"
)

func run(t *testing.T, args ...string) (map[string]doctorcmd.Finding, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := doctorcmd.Command()
	cmd.SetArgs(append([]string{"--output", "json", "--timeout", "200ms", "--node", "127.0.0.1:1"}, args...))
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	err := cmd.ExecuteContext(t.Context())
	var list []doctorcmd.Finding
	require.NoError(t, json.Unmarshal(out.Bytes(), &list), out.String())
	findings := map[string]doctorcmd.Finding{}
	for _, f := range list {
		findings[f.Check] = f
	}
	return findings, err
}

func TestDoctorSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	got, err := run(t, "--listen", taken.Addr().String(), "--onnxruntime", "/nowhere/lib.so",
		"--hotkey", "nobody", "--keyring-backend", "test", "--keyring-dir", t.TempDir())
	require.ErrorIs(t, err, doctorcmd.ErrBad)
	require.Equal(t, doctorcmd.Good, got["machine"].State)
	for check, remedy := range map[string]string{
		"runtime": "plexus runtime fetch", "chain": "--node", "key": "plexus keys add nobody", "port " + taken.Addr().String(): "--listen",
	} {
		require.Equal(t, doctorcmd.Bad, got[check].State, check)
		require.Contains(t, got[check].Remedy, remedy)
	}
}

func TestDoctorFindsTheRuntime(t *testing.T) {
	path, err := orttest.Library()
	if err != nil {
		t.Skip(err)
	}
	got, err := run(t, "--onnxruntime", path, "--listen", "127.0.0.1:0")
	require.ErrorIs(t, err, doctorcmd.ErrBad, "there is no chain")
	require.Equal(t, doctorcmd.Good, got["runtime"].State)
	require.Equal(t, doctorcmd.Good, got["provider cpu"].State)
	require.NotEqual(t, doctorcmd.Bad, got["provider cuda"].State, "a GPU is not needed")
	require.Equal(t, doctorcmd.Good, got["port 127.0.0.1:0"].State)
}
