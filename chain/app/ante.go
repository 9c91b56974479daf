package app

import (
	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/x/auth/ante"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// maxDutyGas bounds a transaction that pays no fee: enough for a row of weights
// over the largest subnet.
const maxDutyGas = 2_000_000

// newAnteHandler returns the checks that every transaction passes before its
// messages run: the SDK's, in the SDK's order, and between them what duty
// messages owe for paying no fee. What costs no more than a lookup is checked
// before signatures are verified, so that nobody can make nodes work in the
// name of others; the rest after.
func (a *App) newAnteHandler() sdk.AnteHandler {
	pulses := &pulseGate{}
	return sdk.ChainAnteDecorators(
		ante.NewSetUpContextDecorator(),
		nextBlock{},
		ante.NewExtensionOptionsDecorator(nil),
		ante.NewValidateBasicDecorator(),
		ante.NewTxTimeoutHeightDecorator(),
		ante.NewValidateMemoDecorator(a.Accounts),
		dutySize{keeper: a.Subnet},
		ante.NewConsumeGasForTxSizeDecorator(a.Accounts),
		ante.NewDeductFeeDecorator(a.Accounts, a.Bank, a.FeeGrant, dutyFreeFees(a.Subnet, pulses)),
		ante.NewSetPubKeyDecorator(a.Accounts),
		ante.NewValidateSigCountDecorator(a.Accounts),
		ante.NewSigGasConsumeDecorator(a.Accounts, ante.DefaultSigVerificationGasConsumer),
		ante.NewSigVerificationDecorator(a.Accounts, a.encoding.TxConfig.SignModeHandler()),
		dutyCheck{keeper: a.Subnet},
		ante.NewIncrementSequenceDecorator(a.Accounts),
		dutyPlace{waiting: a.waiting},
		pulsePlace{keeper: a.Subnet, gate: pulses},
	)
}

// nextBlock judges a transaction that asks for a place in the mempool, or is
// only tried out, as of the block that it can be in at the earliest. Otherwise
// what its author may do in the next block would be refused until then.
type nextBlock struct{}

// AnteHandle implements sdk.AnteDecorator.
func (nextBlock) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	if simulate || ctx.IsCheckTx() {
		ctx = ctx.WithBlockHeight(ctx.BlockHeight() + 1)
	}
	return next(ctx, tx, simulate)
}

// dutyFreeFees lets the daily work of registered hotkeys through without a fee
// and asks the node's minimum gas price of everything else.
func dutyFreeFees(k *keeper.Keeper, pulses *pulseGate) ante.TxFeeChecker {
	return func(ctx sdk.Context, tx sdk.Tx) (sdk.Coins, int64, error) {
		feeTx, ok := tx.(sdk.FeeTx)
		if !ok {
			return nil, 0, errorsmod.Wrap(sdkerrors.ErrTxDecode, "not a transaction with a fee")
		}
		duty, err := onlyDuties(ctx, k, pulses, tx)
		if err != nil {
			return nil, 0, err
		}
		if duty {
			if feeTx.GetGas() > maxDutyGas {
				return nil, 0, errorsmod.Wrapf(sdkerrors.ErrOutOfGas, "a duty transaction may ask for %d gas, not %d", maxDutyGas, feeTx.GetGas())
			}
			return feeTx.GetFee(), 0, nil
		}
		if err := checkMinimum(ctx, feeTx); err != nil {
			return nil, 0, err
		}
		return feeTx.GetFee(), priority(feeTx), nil
	}
}

// onlyDuties tells whether every message of a transaction is free of fees.
// Pulses are free among themselves alone: beside duties they would take those
// past the checks that duties owe for paying nothing.
func onlyDuties(ctx sdk.Context, k *keeper.Keeper, pulses *pulseGate, tx sdk.Tx) (bool, error) {
	msgs := tx.GetMsgs()
	_, duties := dutiesOf(tx)
	for _, msg := range msgs {
		pulse, isPulse := msg.(*subnetv1.MsgSubmitPulse)
		if !duties && !(isPulse && pulses.admit(ctx, pulse)) {
			return false, nil
		}
		free, err := k.IsDuty(ctx, msg)
		if err != nil || !free {
			return false, err
		}
	}
	return len(msgs) > 0, nil
}

// checkMinimum applies this node's minimum gas price when a transaction enters
// its mempool; blocks of others are not judged by it.
func checkMinimum(ctx sdk.Context, tx sdk.FeeTx) error {
	prices := ctx.MinGasPrices()
	if !ctx.IsCheckTx() || prices.IsZero() {
		return nil
	}
	gas := sdkmath.LegacyNewDecFromInt(sdkmath.NewIntFromUint64(tx.GetGas()))
	required := make(sdk.Coins, len(prices))
	for i, price := range prices {
		required[i] = sdk.NewCoin(price.Denom, price.Amount.Mul(gas).Ceil().RoundInt())
	}
	if !tx.GetFee().IsAnyGTE(required) {
		return errorsmod.Wrapf(sdkerrors.ErrInsufficientFee, "fee is %q, this node asks for %q: raise --fees or --gas-prices", tx.GetFee(), required)
	}
	return nil
}

// priority is the lowest gas price that a transaction offers, in millionths of
// the base unit.
func priority(tx sdk.FeeTx) int64 {
	gas := sdkmath.NewIntFromUint64(max(tx.GetGas(), 1))
	lowest := int64(0)
	for i, coin := range tx.GetFee() {
		price := coin.Amount.MulRaw(1_000_000).Quo(gas)
		p := int64(1) << 62
		if price.IsInt64() {
			p = price.Int64()
		}
		if i == 0 || p < lowest {
			lowest = p
		}
	}
	return lowest
}
