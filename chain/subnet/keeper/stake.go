package keeper

import (
	"context"
	"errors"
	"fmt"

	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// validator looks a staking validator up by operator address.
func (k *Keeper) validator(ctx context.Context, operator string) (stakingtypes.Validator, bool, error) {
	addr, err := k.staking.ValidatorAddressCodec().StringToBytes(operator)
	if err != nil {
		return stakingtypes.Validator{}, false, fmt.Errorf("operator address %q: %w", operator, err)
	}
	v, err := k.staking.GetValidator(ctx, addr)
	if errors.Is(err, stakingtypes.ErrNoValidatorFound) {
		return v, false, nil
	}
	return v, err == nil, err
}

// validatorOf returns the validator that a hotkey is bound to, if there is one.
func (k *Keeper) validatorOf(ctx context.Context, hotkey string) (stakingtypes.Validator, bool, error) {
	operator, err := getOr(ctx, k.bindings, hotkey)
	if err != nil || operator == "" {
		return stakingtypes.Validator{}, false, err
	}
	return k.validator(ctx, operator)
}

// stakeNplx returns the nplx that count for a validator: its tokens, 0 while it
// is jailed, whether or not it is in the set that makes blocks. Source:
// protocol section 6.
func stakeNplx(v stakingtypes.Validator) uint64 {
	if v.IsJailed() {
		return 0
	}
	return v.GetTokens().Uint64()
}

// stakeOf returns the operator that a hotkey is bound to, if any, and the nplx
// that count for it.
func (k *Keeper) stakeOf(ctx context.Context, hotkey string) (operator string, nplx uint64, err error) {
	operator, err = getOr(ctx, k.bindings, hotkey)
	if err != nil || operator == "" {
		return "", 0, err
	}
	v, found, err := k.validator(ctx, operator)
	if err != nil || !found {
		return operator, 0, err
	}
	return operator, stakeNplx(v), nil
}

// staker is a hotkey's validator and what counts for it.
type staker struct {
	operator string // "": none
	nplx     uint64
}

// stakers returns the stake of every neuron, by uid. It reads all bindings in
// one sweep: most neurons have none, and looking for each alone is dear.
func (k *Keeper) stakers(ctx context.Context, neurons []subnetv1.Neuron) ([]staker, error) {
	bound := map[string]string{}
	err := k.bindings.Walk(ctx, nil, func(hotkey, operator string) (bool, error) {
		bound[hotkey] = operator
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	all := make([]staker, len(neurons))
	for uid, n := range neurons {
		operator := bound[n.Hotkey]
		if operator == "" {
			continue
		}
		all[uid].operator = operator
		v, found, err := k.validator(ctx, operator)
		if err != nil {
			return nil, err
		}
		if found {
			all[uid].nplx = stakeNplx(v)
		}
	}
	return all, nil
}
