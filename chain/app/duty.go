package app

import (
	"crypto/sha256"
	"sync"

	errorsmod "cosmossdk.io/errors"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
)

// Bounds of what pays no fee.
const (
	maxDutyBytes    = 48 << 10 // a row over the largest subnet, encrypted, and its signature
	maxDutyMessages = 16
	maxWaiting      = 100_000 // duties in the mempool
)

// dutiesOf returns the duties of a transaction that is nothing but duties.
func dutiesOf(tx sdk.Tx) ([]keeper.Duty, bool) {
	msgs := tx.GetMsgs()
	duties := make([]keeper.Duty, 0, len(msgs))
	for _, msg := range msgs {
		duty, ok := keeper.DutyOf(msg)
		if !ok {
			return nil, false
		}
		duties = append(duties, duty)
	}
	return duties, len(duties) > 0
}

// dutySize refuses duty transactions that are too large, or that come from who
// has no such duty. A transaction that pays a fee for other messages too is
// left to its messages.
type dutySize struct {
	keeper *keeper.Keeper
}

// AnteHandle implements sdk.AnteDecorator.
func (d dutySize) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	duties, ok := dutiesOf(tx)
	if !ok {
		return next(ctx, tx, simulate)
	}
	if err := checkDutySize(len(ctx.TxBytes()), duties); err != nil {
		return ctx, err
	}
	for _, msg := range tx.GetMsgs() {
		registered, err := d.keeper.IsDuty(unmetered(ctx), msg)
		if err == nil && !registered {
			err = d.keeper.CheckDuty(unmetered(ctx), msg)
		}
		if err != nil {
			return ctx, err
		}
	}
	return next(ctx, tx, simulate)
}

// dutyCheck refuses duty transactions before they cost anything, for every
// reason for which their messages would be refused: rate limit and contents.
type dutyCheck struct {
	keeper *keeper.Keeper
}

// AnteHandle implements sdk.AnteDecorator.
func (d dutyCheck) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	if _, ok := dutiesOf(tx); !ok {
		return next(ctx, tx, simulate)
	}
	for _, msg := range tx.GetMsgs() {
		if err := d.keeper.CheckDuty(unmetered(ctx), msg); err != nil {
			return ctx, err
		}
	}
	return next(ctx, tx, simulate)
}

// unmetered returns ctx for reads that the messages pay for when they do them
// again.
func unmetered(ctx sdk.Context) sdk.Context {
	return ctx.WithGasMeter(storetypes.NewInfiniteGasMeter())
}

func checkDutySize(size int, duties []keeper.Duty) error {
	if size > maxDutyBytes {
		return errorsmod.Wrapf(sdkerrors.ErrTxTooLarge, "%d bytes, a duty transaction may have %d", size, maxDutyBytes)
	}
	if len(duties) > maxDutyMessages {
		return errorsmod.Wrapf(sdkerrors.ErrTxTooLarge, "%d messages, a duty transaction may have %d", len(duties), maxDutyMessages)
	}
	for i, duty := range duties {
		for _, before := range duties[:i] {
			if duty == before {
				return keeper.ErrRateLimited.Wrapf("two messages of kind %s of hotkey %s in one transaction: send one", duty.Kind, duty.Hotkey)
			}
		}
	}
	return nil
}

// waiting are the duties in this node's mempool, at most one of each. It only
// decides what the mempool takes in: blocks do not depend on it, and a block
// by another node may hold what this one would have refused.
type waiting struct {
	mu     sync.Mutex
	duties map[keeper.Duty][sha256.Size]byte // hash of the transaction
}

// take gives a transaction the places of its duties, all or none.
func (w *waiting) take(duties []keeper.Duty, tx []byte) error {
	hash := sha256.Sum256(tx)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, duty := range duties {
		if other, taken := w.duties[duty]; taken && other != hash {
			return keeper.ErrRateLimited.Wrapf("a %s transaction of hotkey %s is in the mempool already: wait for the next block", duty.Kind, duty.Hotkey)
		}
	}
	if len(w.duties)+len(duties) > maxWaiting {
		return errorsmod.Wrapf(sdkerrors.ErrMempoolIsFull, "%d duty transactions are waiting: try again after the next block", len(w.duties))
	}
	if w.duties == nil {
		w.duties = map[keeper.Duty][sha256.Size]byte{}
	}
	for _, duty := range duties {
		w.duties[duty] = hash
	}
	return nil
}

// clear frees all places. After each block the mempool asks again for those of
// the transactions that it keeps.
func (w *waiting) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.duties)
}

// dutyPlace holds the mempool to one transaction per duty. It comes last, so
// that only who can sign for a hotkey takes its places.
type dutyPlace struct {
	waiting *waiting
}

// AnteHandle implements sdk.AnteDecorator.
func (d dutyPlace) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	duties, ok := dutiesOf(tx)
	if ok && ctx.IsCheckTx() && !simulate {
		if err := d.waiting.take(duties, ctx.TxBytes()); err != nil {
			return ctx, err
		}
	}
	return next(ctx, tx, simulate)
}
