package keeper

import (
	"bytes"
	"context"
	"errors"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// claim is a message's word that a hotkey is its signer's.
type claim struct {
	hotkey, coldkey string
	proof           *subnetv1.HotkeyProof // may be nil
}

// claimHotkey makes a coldkey the owner of a hotkey that nobody owns yet, and
// gives the hotkey an account to sign with. A hotkey keeps its first owner, so
// the first must show that it has the key: else anybody could take the hotkey
// of another before it is used, and hold it for ever.
func (k *Keeper) claimHotkey(ctx context.Context, c claim) error {
	addr, err := k.accounts.AddressCodec().StringToBytes(c.hotkey)
	if err != nil {
		return ErrInvalidRequest.Wrapf("hotkey %q: %v", c.hotkey, err)
	}
	// Its ordinary account would take the place of the module's own.
	if k.bank.BlockedAddr(addr) {
		return ErrInvalidRequest.Wrapf("hotkey %s is the account of a module", c.hotkey)
	}
	owner, err := k.hotkeyOwners.Get(ctx, c.hotkey)
	if err == nil && owner != c.coldkey {
		return ErrHotkeyTaken.Wrapf("hotkey %s: use a hotkey of your own", c.hotkey)
	}
	if !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if err := c.check(ctx, addr); err != nil {
		return err
	}
	if !k.accounts.HasAccount(ctx, addr) {
		k.accounts.SetAccount(ctx, k.accounts.NewAccountWithAddress(ctx, addr))
	}
	return k.setHotkeyOwner(ctx, c.hotkey, c.coldkey)
}

// proofGas is what the check of a proof costs, as of a transaction's signature.
const proofGas = 1000

// check refuses a claim by somebody who does not show to have the hotkey. Who
// claims its own address has signed the transaction with it.
func (c claim) check(ctx context.Context, hotkey sdk.AccAddress) error {
	switch {
	case c.hotkey == c.coldkey:
		return nil
	case c.proof == nil:
		return ErrUnprovenHotkey.Wrapf("hotkey %s was never used: send its proof along (plexus tx subnet prove-hotkey)", c.hotkey)
	case len(c.proof.PublicKey) != secp256k1.PubKeySize:
		return ErrUnprovenHotkey.Wrapf("public key has %d bytes, want %d", len(c.proof.PublicKey), secp256k1.PubKeySize)
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	sdkCtx.GasMeter().ConsumeGas(proofGas, "hotkey proof")
	key := &secp256k1.PubKey{Key: c.proof.PublicKey}
	if !bytes.Equal(key.Address(), hotkey) {
		return ErrUnprovenHotkey.Wrapf("the proof is of another key than that of hotkey %s", c.hotkey)
	}
	if !key.VerifySignature(subnetv1.HotkeyClaim(sdkCtx.ChainID(), c.coldkey), c.proof.Signature) {
		return ErrUnprovenHotkey.Wrapf("signature is not hotkey %s's over chain id %s and coldkey %s", c.hotkey, sdkCtx.ChainID(), c.coldkey)
	}
	return nil
}

// setHotkeyOwner gives a hotkey to a coldkey.
func (k *Keeper) setHotkeyOwner(ctx context.Context, hotkey, coldkey string) error {
	if err := k.hotkeysOf.Set(ctx, collections.Join(coldkey, hotkey)); err != nil {
		return err
	}
	return k.hotkeyOwners.Set(ctx, hotkey, coldkey)
}
