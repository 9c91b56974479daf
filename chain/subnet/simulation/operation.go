package simulation

import (
	"errors"
	"fmt"
	"math/rand"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/baseapp"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"

	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// Gas of a transaction: what a duty may ask for, and more than anything needs.
const (
	dutyGas = 2_000_000
	feeGas  = 10_000_000
)

// errNothing says that the state has no room for a message at the moment.
var errNothing = errors.New("nothing to do")

// draft is a message that an operation wants to send.
type draft struct {
	signer simtypes.Account
	msg    sdk.Msg
	wrong  bool // it must be refused
	// then are operations that follow if the message is accepted.
	then []simtypes.FutureOperation
}

// draw decides who does what. It returns errNothing where nobody can.
type draw func(*world) (draft, error)

// operation returns a draw as the simulator wants it: it fails where the module
// does, and not where it refuses.
func (m *Module) operation(d draw) simtypes.Operation {
	return func(r *rand.Rand, app *baseapp.BaseApp, ctx sdk.Context, accs []simtypes.Account, chainID string) (simtypes.OperationMsg, []simtypes.FutureOperation, error) {
		w, err := m.look(r, ctx, accs, chainID)
		if err != nil {
			return simtypes.NoOpMsg(keeper.ModuleName, "look", err.Error()), nil, err
		}
		draft, err := d(w)
		if errors.Is(err, errNothing) {
			return simtypes.NoOpMsg(keeper.ModuleName, "", err.Error()), nil, nil
		}
		if err != nil {
			return simtypes.NoOpMsg(keeper.ModuleName, "draw", err.Error()), nil, err
		}
		refusal := m.deliver(w, app, draft)
		m.tally.Count(draft.msg, draft.wrong, refusal)
		name := sdk.MsgTypeURL(draft.msg)
		switch {
		case refusal == nil && draft.wrong:
			err := fmt.Errorf("height %d: accepted what must be refused: %s %v", ctx.BlockHeight(), name, draft.msg)
			return simtypes.NewOperationMsg(draft.msg, true, err.Error()), nil, err
		case refusal == nil:
			m.known = nil
			return simtypes.NewOperationMsg(draft.msg, true, ""), draft.then, nil
		case IsFault(refusal):
			err := fmt.Errorf("height %d: %s %v: %w", ctx.BlockHeight(), name, draft.msg, refusal)
			return simtypes.NewOperationMsg(draft.msg, false, err.Error()), nil, err
		default:
			return simtypes.NewOperationMsg(draft.msg, false, refusal.Error()), nil, nil
		}
	}
}

// IsFault tells refusals by rule from a panic and from errors that nobody gave a
// code: those are faults of the chain.
func IsFault(err error) bool {
	codespace, _, _ := errorsmod.ABCIInfo(err, false)
	return codespace == errorsmod.UndefinedCodespace || errors.Is(err, sdkerrors.ErrPanic)
}

// deliver signs a message and gives it to the application, without a fee where
// it is a duty.
func (m *Module) deliver(w *world, app *baseapp.BaseApp, d draft) error {
	account := m.cfg.Accounts.GetAccount(w.ctx, d.signer.Address)
	if account == nil {
		return sdkerrors.ErrUnknownAddress.Wrap(d.signer.AddressBech32)
	}
	fee, gas := w.fee(d.signer.Address), uint64(feeGas)
	if isFree(d.msg) {
		fee, gas = nil, dutyGas
	}
	tx, err := simtestutil.GenSignedMockTx(w.r, m.cfg.TxConfig, []sdk.Msg{d.msg}, fee, gas, w.chainID,
		[]uint64{account.GetAccountNumber()}, []uint64{account.GetSequence()}, d.signer.PrivKey)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	_, _, err = app.SimDeliver(m.cfg.TxConfig.TxEncoder(), tx)
	return err
}

// isFree tells whether messages of a kind may come without a fee.
func isFree(msg sdk.Msg) bool {
	_, duty := keeper.DutyOf(msg)
	_, pulse := msg.(*subnetv1.MsgSubmitPulse)
	return duty || pulse
}

// fee draws a fee that leaves an account most of what it has.
func (w *world) fee(payer sdk.AccAddress) sdk.Coins {
	most := w.balance(payer) / 1_000
	if most == 0 {
		return nil
	}
	return sdk.NewCoins(sdk.NewCoin(network.Denom, sdkmath.NewIntFromUint64(between(w.r, 0, min(most, 10_000)))))
}

// at plans a draw for the block at a height.
func (w *world) at(height uint64, d draw) simtypes.FutureOperation {
	return simtypes.FutureOperation{BlockHeight: int(max(height, w.height()+1)), Op: w.m.operation(d)}
}
