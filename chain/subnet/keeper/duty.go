package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// Duty is what a message is as daily work: which hotkey does what kind of it
// where. Two messages of the same duty stand in each other's way, since the
// rate limit lets only one of them through.
type Duty struct {
	Hotkey string
	Kind   string
	Netuid uint32 // 0: the root
}

// DutyOf returns the duty that a message would be of a hotkey that has it.
func DutyOf(msg sdk.Msg) (Duty, bool) {
	switch m := msg.(type) {
	case *subnetv1.MsgServe:
		return Duty{m.Hotkey, "serve", m.Netuid}, true
	case *subnetv1.MsgSetWeights:
		return Duty{m.Hotkey, "weights", m.Netuid}, true
	case *subnetv1.MsgSetRootWeights:
		return Duty{m.Hotkey, "root-weights", 0}, true
	case *subnetv1.MsgCommitWeights:
		return Duty{m.Hotkey, "commit", m.Netuid}, true
	case *subnetv1.MsgCommitHash:
		return Duty{m.Hotkey, "commit", m.Netuid}, true
	default:
		return Duty{}, false
	}
}

// IsDuty tells whether a message is the daily work of a registered hotkey,
// which pays no fee: it is bounded by its rate limit instead. For root weights
// a hotkey counts as registered when it is bound to a staking validator. A
// beacon's pulse that commits wait for is free for whoever brings it.
// Source: protocol section 7.
func (k *Keeper) IsDuty(ctx context.Context, msg sdk.Msg) (bool, error) {
	if pulse, ok := msg.(*subnetv1.MsgSubmitPulse); ok {
		return k.IsUsefulPulse(ctx, pulse)
	}
	duty, ok := DutyOf(msg)
	if !ok {
		return false, nil
	}
	if duty.Netuid == 0 {
		return k.bindings.Has(ctx, duty.Hotkey)
	}
	return k.uids.Has(ctx, collections.Join(duty.Hotkey, duty.Netuid))
}

// CheckDuty refuses a duty message for every reason for which the message
// itself would be refused: registration, rate limit, size and contents. What
// passes here succeeds, so that no work without a fee fails at the expense of
// all nodes.
func (k *Keeper) CheckDuty(ctx context.Context, msg sdk.Msg) error {
	var err error
	switch m := msg.(type) {
	case *subnetv1.MsgServe:
		_, err = k.checkServe(ctx, m)
	case *subnetv1.MsgSetWeights:
		_, _, err = k.checkWeights(ctx, m)
	case *subnetv1.MsgSetRootWeights:
		_, err = k.checkRootWeights(ctx, m)
	case *subnetv1.MsgCommitWeights:
		_, err = k.checkCommitWeights(ctx, m)
	case *subnetv1.MsgCommitHash:
		err = k.checkCommitHash(ctx, m)
	}
	return err
}
