package keeper

import (
	"context"

	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// MsgServer answers the module's transactions.
type MsgServer struct {
	k *Keeper
}

var _ channelv1.MsgServer = MsgServer{}

// NewMsgServer returns the message service of a keeper.
func NewMsgServer(k *Keeper) MsgServer { return MsgServer{k: k} }

// Open puts a deposit into a new channel.
func (m MsgServer) Open(ctx context.Context, msg *channelv1.MsgOpen) (*channelv1.MsgOpenResponse, error) {
	c, err := m.k.open(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &channelv1.MsgOpenResponse{Channel: c.Id, Payee: c.Payee}, nil
}

// TopUp adds to the deposit of a channel, or moves its expiry later.
func (m MsgServer) TopUp(ctx context.Context, msg *channelv1.MsgTopUp) (*channelv1.MsgTopUpResponse, error) {
	c, err := m.k.topUp(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &channelv1.MsgTopUpResponse{Deposit: c.Deposit, Expires: c.Expires}, nil
}

// Redeem pays vouchers to their payees.
func (m MsgServer) Redeem(ctx context.Context, msg *channelv1.MsgRedeem) (*channelv1.MsgRedeemResponse, error) {
	return m.k.redeem(ctx, msg)
}

// Close ends a channel.
func (m MsgServer) Close(ctx context.Context, msg *channelv1.MsgClose) (*channelv1.MsgCloseResponse, error) {
	end, err := m.k.close(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &channelv1.MsgCloseResponse{End: end}, nil
}

// Collect returns what is left of an ended channel to its payer.
func (m MsgServer) Collect(ctx context.Context, msg *channelv1.MsgCollect) (*channelv1.MsgCollectResponse, error) {
	refund, err := m.k.collect(ctx, msg)
	if err != nil {
		return nil, err
	}
	return &channelv1.MsgCollectResponse{Refund: refund}, nil
}

// UpdateParams replaces the parameters.
func (m MsgServer) UpdateParams(ctx context.Context, msg *channelv1.MsgUpdateParams) (*channelv1.MsgUpdateParamsResponse, error) {
	if err := m.k.updateParams(ctx, msg.Authority, msg.Params); err != nil {
		return nil, err
	}
	return &channelv1.MsgUpdateParamsResponse{}, nil
}
