package chainflags

import (
	"errors"

	"github.com/spf13/cobra"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/client/oip"
)

// NodeKey is the flag that names the file of a node key.
const NodeKey = "node-key"

// AddIdentity defines the flag that gives a program a node key of its own.
func AddIdentity(cmd *cobra.Command) {
	cmd.Flags().String(NodeKey, "", "file of the node key, made where there is none: connections are then mutual TLS 1.3, in the name of the hotkey (needs --chain-id)")
}

// Identity returns the node identity in which the account vouches for the node key; the zero value where no node key
// was asked for.
func Identity(cmd *cobra.Command, account *chainclient.Signer) (oip.Identity, error) {
	path, chainID := text(cmd, NodeKey), text(cmd, flagChainID)
	if path == "" {
		return oip.Identity{}, nil
	}
	if chainID == "" {
		return oip.Identity{}, errors.New("--node-key: give --chain-id too, the chain that the identity is for")
	}
	key, err := identity.LoadOrCreateKey(path)
	if err != nil {
		return oip.Identity{}, err
	}
	return oip.NodeIdentity(key, chainID, account)
}
