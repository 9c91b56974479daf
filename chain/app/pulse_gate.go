package app

import (
	"sync"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// maxPulseChecks bounds the beacon signatures that this node checks for nothing
// between two blocks. Each costs it some 3 ms; whoever sends more offers a fee.
const maxPulseChecks = 32

// pulseGate bounds the pulses that come in without a fee. A useful pulse is
// free, and its signature is public, so without a bound anybody could send the
// same one from a thousand accounts, or make the node check a thousand that are
// wrong. The gate lets one pulse of a round into this node's mempool per block.
// It guards the mempool only: blocks are judged by the state alone.
type pulseGate struct {
	mu     sync.Mutex
	height int64
	rounds map[uint64]bool
	checks int
}

// admit tells whether a pulse may ask to be free: by default, and in the
// mempool if no other of its round is there and the node has not checked too
// many.
func (g *pulseGate) admit(ctx sdk.Context, p *subnetv1.MsgSubmitPulse) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.ExecMode() == sdk.ExecModeReCheck {
		g.reset(ctx)
		g.rounds[p.Round] = true
		return true
	}
	if ctx.ExecMode() != sdk.ExecModeCheck {
		return true
	}
	g.reset(ctx)
	if g.rounds[p.Round] || g.checks >= maxPulseChecks {
		return false
	}
	g.checks++
	return true
}

// accepted notes that a free pulse of a round is in the mempool.
func (g *pulseGate) accepted(ctx sdk.Context, p *subnetv1.MsgSubmitPulse) {
	if ctx.ExecMode() != sdk.ExecModeCheck {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rounds[p.Round] = true
}

// reset starts anew with every block.
func (g *pulseGate) reset(ctx sdk.Context) {
	if g.rounds != nil && g.height == ctx.BlockHeight() {
		return
	}
	g.height, g.rounds, g.checks = ctx.BlockHeight(), map[uint64]bool{}, 0
}

// pulsePlace notes the free pulses of the transactions that the mempool takes
// in. It comes last, so that only who signs keeps others out.
type pulsePlace struct {
	keeper *keeper.Keeper
	gate   *pulseGate
}

// AnteHandle implements sdk.AnteDecorator.
func (p pulsePlace) AnteHandle(ctx sdk.Context, tx sdk.Tx, simulate bool, next sdk.AnteHandler) (sdk.Context, error) {
	if !ctx.IsCheckTx() || simulate {
		return next(ctx, tx, simulate)
	}
	for _, msg := range tx.GetMsgs() {
		pulse, ok := msg.(*subnetv1.MsgSubmitPulse)
		if !ok {
			continue
		}
		useful, err := p.keeper.IsUsefulPulse(unmetered(ctx), pulse)
		if err != nil {
			return ctx, err
		}
		if useful {
			p.gate.accepted(ctx, pulse)
		}
	}
	return next(ctx, tx, simulate)
}
