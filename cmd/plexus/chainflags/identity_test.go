package chainflags_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
)

// TestTheKeyringVouchesForTheNode: what an account of the real keyring signs, a peer takes.
func TestTheKeyringVouchesForTheNode(t *testing.T) {
	network.ConfigureAddresses()
	folder := t.TempDir()
	kr, err := chainclient.OpenKeyring(folder, keyring.BackendTest, strings.NewReader(""))
	require.NoError(t, err)
	_, _, err = kr.NewMnemonic("miner1", keyring.English, "", keyring.DefaultBIP39Passphrase, hd.Secp256k1)
	require.NoError(t, err)
	signer, err := chainclient.NewSigner(kr, "miner1")
	require.NoError(t, err)

	start := func(args ...string) (mutual bool, cert string, err error) {
		cmd := &cobra.Command{RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := chainflags.Identity(cmd, signer)
			if err != nil || !id.Mutual() {
				return err
			}
			mutual = true
			shown, err := id.TLS().GetCertificate(nil)
			if err != nil {
				return err
			}
			peer, err := identity.Verify(shown.Leaf, "plexus-1", time.Now())
			cert = peer.Address
			return err
		}, SilenceErrors: true, SilenceUsage: true}
		chainflags.Add(cmd)
		chainflags.AddIdentity(cmd)
		cmd.SetArgs(args)
		err = cmd.Execute()
		return mutual, cert, err
	}
	path := filepath.Join(folder, "node.pem")
	mutual, address, err := start("--node-key", path, "--chain-id", "plexus-1")
	require.NoError(t, err)
	require.True(t, mutual)
	require.Equal(t, signer.Address(), address)
	mutual, _, err = start()
	require.NoError(t, err)
	require.False(t, mutual)
	_, _, err = start("--node-key", path)
	require.ErrorContains(t, err, "--chain-id")
}
