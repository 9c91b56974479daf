package apptest

import (
	"crypto/sha256"

	"github.com/cosmos/cosmos-sdk/crypto/keys/ed25519"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// Account is a key pair that can sign. The same name gives the same keys.
type Account struct {
	Name string
	Key  *secp256k1.PrivKey
}

// NewAccount returns the account of a name.
func NewAccount(name string) Account {
	network.ConfigureAddresses()
	return Account{Name: name, Key: secp256k1.GenPrivKeyFromSecret([]byte("account " + name))}
}

// Address returns the account's address.
func (a Account) Address() sdk.AccAddress { return sdk.AccAddress(a.Key.PubKey().Address()) }

// Operator returns the address of the validator that the account operates.
func (a Account) Operator() sdk.ValAddress { return sdk.ValAddress(a.Address()) }

// String returns the address in the form that messages carry.
func (a Account) String() string { return a.Address().String() }

// Proof shows that the account's key is there, for a coldkey that claims the
// account as a hotkey.
func (a Account) Proof(coldkey Account) *subnetv1.HotkeyProof {
	signature, err := a.Key.Sign(subnetv1.HotkeyClaim(ChainID, coldkey.String()))
	if err != nil {
		panic(err) // no key of ours
	}
	return &subnetv1.HotkeyProof{PublicKey: a.Key.PubKey().Bytes(), Signature: signature}
}

// consensusKey returns the key with which the validator of a name would sign
// blocks.
func consensusKey(name string) *ed25519.PrivKey {
	seed := sha256.Sum256([]byte("consensus " + name))
	return ed25519.GenPrivKeyFromSecret(seed[:])
}
