package beaconcmd

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/cosmos/gogoproto/jsonpb"
	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/beacon"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func execute(args ...string) (string, error) {
	cmd := Command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestKeygenPrintsWhatTheGenesisNeeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beacon.key")
	out, err := execute("keygen", "--out", path, "--period", "5")
	require.NoError(t, err)
	key, err := beacon.LoadKey(path)
	require.NoError(t, err)
	var b subnetv1.Beacon
	require.NoError(t, jsonpb.UnmarshalString(out, &b), "as the genesis is read")
	require.Equal(t, key.Public().Bytes(), b.PublicKey)
	require.EqualValues(t, 5, b.PeriodSeconds)
	require.NotZero(t, b.GenesisTime)

	_, err = execute("keygen", "--out", path)
	require.ErrorIs(t, err, fs.ErrExist)
	_, err = execute("keygen", "--out", path+"2", "--period", "0")
	require.ErrorContains(t, err, "--period")
}

func TestRunNamesWhatIsMissing(t *testing.T) {
	_, err := execute("run")
	require.ErrorContains(t, err, "from")
	_, err = execute("relay", "--from", "x")
	require.ErrorContains(t, err, "url")
	_, err = execute("run", "--from", "x", "--key", filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.WriteFile(open, nil, 0o644))
	_, err = execute("run", "--from", "x", "--key", open)
	require.ErrorIs(t, err, beacon.ErrOpenKey)
}
