package keeper

import (
	"context"
	"errors"
	"fmt"

	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
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

// stakeOf returns the operator that a hotkey is bound to, if any, and the nplx
// that count for it: the validator's tokens, 0 while it is jailed, whether or
// not it is in the set that makes blocks. Source: protocol section 6.
func (k *Keeper) stakeOf(ctx context.Context, hotkey string) (operator string, nplx uint64, err error) {
	operator, err = getOr(ctx, k.bindings, hotkey)
	if err != nil || operator == "" {
		return "", 0, err
	}
	v, found, err := k.validator(ctx, operator)
	if err != nil || !found || v.IsJailed() {
		return operator, 0, err
	}
	return operator, v.GetTokens().Uint64(), nil
}
