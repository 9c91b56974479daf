package keeper

import (
	"context"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"

	"github.com/plexusnet/plexus/chain/network"
)

// coins returns an amount of nplx as the bank wants it.
func coins(nplx uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(network.Denom, sdkmath.NewIntFromUint64(nplx)))
}

// supply returns all nplx in existence.
func (k *Keeper) supply(ctx context.Context) uint64 {
	return k.bank.GetSupply(ctx, network.Denom).Amount.Uint64()
}

// balance returns the nplx of one of the module's accounts.
func (k *Keeper) balance(ctx context.Context, account string) uint64 {
	return k.bank.GetBalance(ctx, k.accounts.GetModuleAddress(account), network.Denom).Amount.Uint64()
}

// mint is the only place where nplx come into existence.
func (k *Keeper) mint(ctx context.Context, nplx uint64) error {
	totals, err := itemOr(ctx, k.totals)
	if err != nil {
		return err
	}
	totals.Minted += nplx
	if err := k.totals.Set(ctx, totals); err != nil {
		return err
	}
	if err := k.bank.MintCoins(ctx, EmissionAccount, coins(nplx)); err != nil {
		return errorsmod.Wrapf(err, "mint %d nplx", nplx)
	}
	return nil
}

// burn is the only place where the chain's own modules destroy nplx; the
// emission account must hold them.
func (k *Keeper) burn(ctx context.Context, nplx uint64) error {
	if nplx == 0 {
		return nil
	}
	totals, err := itemOr(ctx, k.totals)
	if err != nil {
		return err
	}
	totals.Burned += nplx
	if err := k.totals.Set(ctx, totals); err != nil {
		return err
	}
	if err := k.bank.BurnCoins(ctx, EmissionAccount, coins(nplx)); err != nil {
		return errorsmod.Wrapf(err, "burn %d nplx", nplx)
	}
	return nil
}

// burnFrom burns what an account pays for a registration.
func (k *Keeper) burnFrom(ctx context.Context, payer sdk.AccAddress, nplx uint64) error {
	if nplx == 0 {
		return nil
	}
	if err := k.bank.SendCoinsFromAccountToModule(ctx, payer, EmissionAccount, coins(nplx)); err != nil {
		return errorsmod.Wrapf(err, "pay %d nplx", nplx)
	}
	return k.burn(ctx, nplx)
}

// burnLocked burns a part of what the owners of subnets locked.
func (k *Keeper) burnLocked(ctx context.Context, nplx uint64) error {
	return k.BurnHeldBy(ctx, LockAccount, nplx)
}

// lock takes the price of a subnet from its owner.
func (k *Keeper) lock(ctx context.Context, owner sdk.AccAddress, nplx uint64) error {
	if nplx == 0 {
		return nil
	}
	if err := k.bank.SendCoinsFromAccountToModule(ctx, owner, LockAccount, coins(nplx)); err != nil {
		return errorsmod.Wrapf(err, "lock %d nplx", nplx)
	}
	return nil
}

// unlock returns a part of a lock to the subnet's owner.
func (k *Keeper) unlock(ctx context.Context, owner string, nplx uint64) error {
	if nplx == 0 {
		return nil
	}
	addr, err := k.accounts.AddressCodec().StringToBytes(owner)
	if err != nil {
		return errorsmod.Wrapf(err, "unlock for %s", owner)
	}
	if err := k.bank.SendCoinsFromModuleToAccount(ctx, LockAccount, addr, coins(nplx)); err != nil {
		return errorsmod.Wrapf(err, "unlock %d nplx for %s", nplx, owner)
	}
	return nil
}

// recipient reads the address of an account that is to be paid from now on.
// Accounts of modules are refused: the bank would not pay them, and an epoch
// that cannot pay one cannot pay anybody.
func (k *Keeper) recipient(role, account string) (sdk.AccAddress, error) {
	addr, err := k.accounts.AddressCodec().StringToBytes(account)
	if err != nil {
		return nil, ErrInvalidRequest.Wrapf("%s %q: %v", role, account, err)
	}
	if k.bank.BlockedAddr(addr) {
		return nil, ErrInvalidRequest.Wrapf("%s %s is the account of a module and cannot be paid: name an account that has a key", role, account)
	}
	return addr, nil
}

// pay sends emission to an account given by address.
func (k *Keeper) pay(ctx context.Context, account string, nplx uint64) error {
	if nplx == 0 {
		return nil
	}
	addr, err := k.accounts.AddressCodec().StringToBytes(account)
	if err != nil {
		return errorsmod.Wrapf(err, "pay %s", account)
	}
	if err := k.bank.SendCoinsFromModuleToAccount(ctx, EmissionAccount, addr, coins(nplx)); err != nil {
		return errorsmod.Wrapf(err, "pay %d nplx to %s", nplx, account)
	}
	return nil
}

// reward hands emission to a validator and its delegators. What a validator
// that no longer exists would have had is burned, to be minted again later.
func (k *Keeper) reward(ctx context.Context, operator string, nplx uint64) error {
	validator, found, err := k.validator(ctx, operator)
	if err != nil {
		return err
	}
	if !found {
		return k.burn(ctx, nplx)
	}
	amount := coins(nplx)
	if err := k.bank.SendCoinsFromModuleToModule(ctx, EmissionAccount, distrtypes.ModuleName, amount); err != nil {
		return errorsmod.Wrapf(err, "reward %d nplx to %s", nplx, operator)
	}
	return k.distr.AllocateTokensToValidator(ctx, validator, sdk.NewDecCoinsFromCoins(amount...))
}
