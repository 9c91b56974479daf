package testnetcmd

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/beacon"
	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/subnet"
)

// write runs the command, and returns what it printed and how new subnets of its genesis hide weights.
func write(t *testing.T, dir string, args ...string) (out, scheme string, beaconKey []byte) {
	t.Helper()
	network.ConfigureAddresses()
	cmd := Command()
	var printed bytes.Buffer
	cmd.SetOut(&printed)
	cmd.SetArgs(append([]string{"--nodes", "1", "--dir", dir}, args...))
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	raw, err := os.ReadFile(filepath.Join(dir, "node0", "config", "genesis.json"))
	require.NoError(t, err)
	var genesis struct {
		AppState struct {
			Subnet struct {
				Params struct {
					Defaults struct {
						CommitReveal string `json:"commit_reveal"`
					}
					Beacon struct {
						PublicKey []byte `json:"public_key"`
					}
				}
			}
		} `json:"app_state"`
	}
	require.NoError(t, json.Unmarshal(raw, &genesis))
	p := genesis.AppState.Subnet.Params
	return printed.String(), p.Defaults.CommitReveal, p.Beacon.PublicKey
}

func TestWeightsAreHiddenUnlessToldOtherwise(t *testing.T) {
	quicknet := keeper.DefaultParams().Beacon.PublicKey
	t.Run("by a beacon of its own", func(t *testing.T) {
		dir := t.TempDir()
		out, scheme, public := write(t, dir)
		require.Equal(t, subnet.CommitRevealTimelock, scheme)
		key, err := beacon.LoadKey(filepath.Join(dir, "beacon.key"))
		require.NoError(t, err)
		require.Equal(t, key.Public().Bytes(), public)
		require.Contains(t, out, "plexus beacon run --key "+filepath.Join(dir, "beacon.key")+" --from account0 ")
	})
	t.Run("by drand", func(t *testing.T) {
		out, scheme, public := write(t, t.TempDir(), "--beacon-key", "drand")
		require.Equal(t, subnet.CommitRevealTimelock, scheme)
		require.Equal(t, quicknet, public)
		require.NotContains(t, out, "beacon run")
	})
	t.Run("not at all", func(t *testing.T) {
		dir := t.TempDir()
		_, scheme, public := write(t, dir, "--commit-reveal", "off")
		require.Equal(t, subnet.CommitRevealOff, scheme)
		require.Equal(t, quicknet, public)
		require.NoFileExists(t, filepath.Join(dir, "beacon.key"))
	})
}
