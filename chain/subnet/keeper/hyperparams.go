package keeper

import (
	"context"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// setHyperparams replaces the rules of a subnet: governance any of them at any
// time, the owner those that are its own, at its pace.
func (k *Keeper) setHyperparams(ctx context.Context, msg *subnetv1.MsgSetHyperparams) error {
	s, err := k.ruledBy(ctx, msg.Netuid, msg.Sender)
	if err != nil {
		return err
	}
	to, err := HyperparamsFromProto(msg.Hyperparams)
	if err != nil {
		return refuse(err)
	}
	if err := to.Validate(); err != nil {
		return refuse(err)
	}
	from, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return err
	}
	if from == to {
		return ErrInvalidRequest.Wrapf("these are the hyperparameters of subnet %d already", s.Netuid)
	}
	if msg.Sender != k.authority {
		params, err := k.params.Get(ctx)
		if err != nil {
			return err
		}
		if err := ownerRulesOf(params).CheckChange(from, to, clockOf(s), s.HyperparamsHeight, height(ctx)); err != nil {
			return refuse(err)
		}
		s.HyperparamsHeight = height(ctx)
	}
	s.Hyperparams = msg.Hyperparams
	emitEvent(ctx, "hyperparams", attr("netuid", s.Netuid), attr("by", msg.Sender))
	return k.trim(ctx, &s, to)
}
