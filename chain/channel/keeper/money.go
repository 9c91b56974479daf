package keeper

import (
	"context"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/network"
)

// coins returns an amount of nplx as the bank wants it.
func coins(nplx uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(network.Denom, sdkmath.NewIntFromUint64(nplx)))
}

// escrowBalance returns the nplx that the module's account holds.
func (k *Keeper) escrowBalance(ctx context.Context) uint64 {
	return k.bank.GetBalance(ctx, k.accounts.GetModuleAddress(EscrowAccount), network.Denom).Amount.Uint64()
}

// deposit takes nplx from a payer into the escrow.
func (k *Keeper) deposit(ctx context.Context, payer string, nplx uint64) error {
	if nplx == 0 {
		return nil
	}
	addr, err := k.accounts.AddressCodec().StringToBytes(payer)
	if err != nil {
		return ErrInvalidRequest.Wrapf("payer %q: %v", payer, err)
	}
	if err := k.bank.SendCoinsFromAccountToModule(ctx, addr, EscrowAccount, coins(nplx)); err != nil {
		return errorsmod.Wrapf(err, "deposit %d nplx", nplx)
	}
	return nil
}

// release pays nplx of the escrow to an account.
func (k *Keeper) release(ctx context.Context, account string, nplx uint64) error {
	if nplx == 0 {
		return nil
	}
	addr, err := k.accounts.AddressCodec().StringToBytes(account)
	if err != nil {
		return errorsmod.Wrapf(err, "pay %s", account)
	}
	if err := k.bank.SendCoinsFromModuleToAccount(ctx, EscrowAccount, addr, coins(nplx)); err != nil {
		return errorsmod.Wrapf(err, "pay %d nplx to %s", nplx, account)
	}
	return nil
}

// payable refuses accounts of modules: the bank would not pay them, and what is
// in a channel of theirs could never leave it.
func (k *Keeper) payable(role, account string) error {
	addr, err := k.accounts.AddressCodec().StringToBytes(account)
	if err != nil {
		return ErrInvalidRequest.Wrapf("%s %q: %v", role, account, err)
	}
	if k.bank.BlockedAddr(addr) {
		return ErrInvalidRequest.Wrapf("%s %s is the account of a module and cannot be paid: name an account that has a key", role, account)
	}
	return nil
}
