package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"

	"github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// keys is a keyring with the keys of some names, and their addresses.
func keys(t *testing.T, names ...string) (keyring.Keyring, map[string]string) {
	network.ConfigureAddresses()
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	ring, addresses := keyring.NewInMemory(codec.NewProtoCodec(registry)), map[string]string{}
	for _, name := range names {
		record, _, err := ring.NewMnemonic(name, keyring.English, "m/44'/118'/0'/0/0", "", hd.Secp256k1)
		require.NoError(t, err)
		addr, err := record.GetAddress()
		require.NoError(t, err)
		addresses[name] = addr.String()
	}
	return ring, addresses
}

// TestHotkeysInTheKeyringProveThemselves, named or given by address; a proof
// from elsewhere is sent along as it is.
func TestHotkeysInTheKeyringProveThemselves(t *testing.T) {
	ring, address := keys(t, "miner", "owner")
	_, elsewhere := keys(t, "other")
	h := hotkeys{Context: client.Context{Keyring: ring, ChainID: "plexus-1"}}
	for _, named := range []string{"miner", address["miner"]} {
		got, proof, err := h.claim(named, address["owner"])
		require.NoError(t, err)
		require.Equal(t, address["miner"], got)
		key := &secp256k1.PubKey{Key: proof.PublicKey}
		require.True(t, key.VerifySignature(subnetv1.HotkeyClaim("plexus-1", address["owner"]), proof.Signature))

		text, err := encodeProof(proof)
		require.NoError(t, err)
		given := hotkeys{Context: client.Context{Keyring: ring, ChainID: "plexus-1"}, proof: text}
		got, sent, err := given.claim(elsewhere["other"], address["owner"])
		require.NoError(t, err)
		require.Equal(t, elsewhere["other"], got)
		require.Equal(t, proof, sent)
	}
	got, proof, err := h.claim(elsewhere["other"], address["owner"])
	require.NoError(t, err)
	require.Equal(t, elsewhere["other"], got)
	require.Nil(t, proof, "nobody here can sign; the chain says whether it must be")

	_, proof, err = h.claim("owner", address["owner"])
	require.NoError(t, err)
	require.Nil(t, proof, "who signs the transaction has the key")

	_, _, err = hotkeys{Context: client.Context{Keyring: ring}}.claim("miner", address["owner"])
	require.ErrorContains(t, err, "--chain-id")
	_, _, err = hotkeys{Context: client.Context{Keyring: ring}, proof: "?"}.claim("miner", address["owner"])
	require.ErrorContains(t, err, "--hotkey-proof")
	_, _, err = hotkeys{Context: client.Context{Keyring: ring}, proof: "AAAA"}.claim("miner", address["owner"])
	require.ErrorContains(t, err, "prove-hotkey")
}
