package keeper

import (
	"context"

	errorsmod "cosmossdk.io/errors"
)

// PayeeOf returns the coldkey that receives what the neuron of a hotkey earns.
// Errors: ErrUnknownSubnet, ErrNotRegistered.
func (k *Keeper) PayeeOf(ctx context.Context, netuid uint32, hotkey string) (coldkey string, err error) {
	if _, err := k.subnet(ctx, netuid); err != nil {
		return "", err
	}
	uid, err := k.uidOf(ctx, netuid, hotkey)
	if err != nil {
		return "", err
	}
	neuron, err := k.neurons.Get(ctx, rowKey(netuid, int(uid)))
	return neuron.Coldkey, err
}

// BurnHeldBy burns nplx that the account of another module holds.
func (k *Keeper) BurnHeldBy(ctx context.Context, account string, nplx uint64) error {
	if nplx == 0 {
		return nil
	}
	if err := k.bank.SendCoinsFromModuleToModule(ctx, account, EmissionAccount, coins(nplx)); err != nil {
		return errorsmod.Wrapf(err, "take %d nplx of %s", nplx, account)
	}
	return k.burn(ctx, nplx)
}
