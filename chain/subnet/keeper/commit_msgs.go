package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// CommitWeights hides weights until a beacon's round opens them.
func (m MsgServer) CommitWeights(ctx context.Context, msg *subnetv1.MsgCommitWeights) (*subnetv1.MsgCommitWeightsResponse, error) {
	by, err := m.k.checkCommitWeights(ctx, msg)
	if err != nil {
		return nil, err
	}
	id, err := m.k.addCommit(ctx, by, msg.Hotkey, subnetv1.Commit{Round: msg.Round, Ciphertext: msg.Ciphertext})
	return &subnetv1.MsgCommitWeightsResponse{Id: id}, err
}

// CommitHash opens an earlier commit, if the message has an opening, and then
// commits to the next weights, if it has a hash.
func (m MsgServer) CommitHash(ctx context.Context, msg *subnetv1.MsgCommitHash) (*subnetv1.MsgCommitHashResponse, error) {
	if err := m.k.checkCommitHash(ctx, msg); err != nil {
		return nil, err
	}
	if msg.Opening != nil {
		o, err := m.k.checkOpening(ctx, msg)
		if err != nil {
			return nil, err
		}
		if err := m.k.reveal(ctx, o); err != nil {
			return nil, err
		}
	}
	if len(msg.Hash) == 0 {
		return &subnetv1.MsgCommitHashResponse{}, nil
	}
	by, err := m.k.committer(ctx, msg.Netuid, msg.Hotkey)
	if err != nil {
		return nil, err
	}
	id, err := m.k.addCommit(ctx, by, msg.Hotkey, subnetv1.Commit{Hash: msg.Hash})
	return &subnetv1.MsgCommitHashResponse{Id: id}, err
}

// pulseGas is what a pulse is charged for the two pairings of its check.
const pulseGas = 50_000

// SubmitPulse takes a round of the beacon that commits wait for.
func (m MsgServer) SubmitPulse(ctx context.Context, msg *subnetv1.MsgSubmitPulse) (*subnetv1.MsgSubmitPulseResponse, error) {
	awaited, err := m.k.isAwaited(ctx, msg.Round)
	if err != nil {
		return nil, err
	}
	if !awaited {
		return nil, ErrUselessPulse.Wrapf("round %d: see plexus query subnet pulse for those that are awaited", msg.Round)
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(pulseGas, "beacon signature")
	if err := m.k.verifyPulse(ctx, msg.Round, msg.Signature); err != nil {
		return nil, refuse(err)
	}
	return &subnetv1.MsgSubmitPulseResponse{}, m.k.addPulse(ctx, subnetv1.Pulse{
		Round: msg.Round, Signature: msg.Signature, Height: height(ctx),
	})
}
