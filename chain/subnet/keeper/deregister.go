package keeper

import (
	"context"

	"cosmossdk.io/collections"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// isVacant tells whether nobody has the uid of n.
func isVacant(n subnetv1.Neuron) bool { return n.Hotkey == "" }

// deregister gives up the uid of a hotkey, which its coldkey or itself may ask
// for.
func (k *Keeper) deregister(ctx context.Context, msg *subnetv1.MsgDeregister) error {
	s, err := k.subnet(ctx, msg.Netuid)
	if err != nil {
		return err
	}
	uid, err := k.uidOf(ctx, msg.Netuid, msg.Hotkey)
	if err != nil {
		return err
	}
	neuron, err := k.neurons.Get(ctx, rowKey(msg.Netuid, int(uid)))
	if err != nil {
		return err
	}
	if msg.Sender != neuron.Hotkey && msg.Sender != neuron.Coldkey {
		return ErrUnauthorized.Wrapf("hotkey %s is not yours: sign with its key or with its coldkey %s", neuron.Hotkey, neuron.Coldkey)
	}
	return k.vacate(ctx, &s, []subnetv1.Neuron{neuron})
}

// trim gives up the uids of as many neurons as a lowered max_uids asks for, and
// stores the subnet.
func (k *Keeper) trim(ctx context.Context, s *subnetv1.Subnet, hyper subnet.Hyperparams) error {
	if s.Neurons-s.Vacant <= hyper.MaxUIDs {
		return k.subnets.Set(ctx, s.Netuid, *s)
	}
	outcome, err := getOr(ctx, k.outcomes, s.Netuid)
	if err != nil {
		return err
	}
	seated, standing, err := k.standings(ctx, s.Netuid, outcome)
	if err != nil {
		return err
	}
	var leaving []subnetv1.Neuron
	for _, i := range hyper.Surplus(standing, height(ctx)) {
		leaving = append(leaving, seated[i])
	}
	return k.vacate(ctx, s, leaving)
}

// vacate makes the uids of neurons vacant and stores the subnet. A vacant uid
// keeps the height at which it became so as its registration. Epochs mask all
// weights and bonds toward it; new ones are refused.
func (k *Keeper) vacate(ctx context.Context, s *subnetv1.Subnet, leaving []subnetv1.Neuron) error {
	outcome, err := getOr(ctx, k.outcomes, s.Netuid)
	if err != nil {
		return err
	}
	for _, n := range leaving {
		if err := k.unseat(ctx, s.Netuid, n, at(outcome.Emission, int(n.Uid))); err != nil {
			return err
		}
		clearOutcome(&outcome, int(n.Uid))
		key := rowKey(s.Netuid, int(n.Uid))
		if err := k.neurons.Set(ctx, key, subnetv1.Neuron{Uid: n.Uid, Registered: height(ctx)}); err != nil {
			return err
		}
		if err := k.vacant.Set(ctx, key); err != nil {
			return err
		}
		s.Vacant++
	}
	if err := k.outcomes.Set(ctx, s.Netuid, outcome); err != nil {
		return err
	}
	return k.subnets.Set(ctx, s.Netuid, *s)
}

// unseat takes its uid from a neuron. Its own weights and bonds die with it;
// those of others toward its uid are masked by the height at which the uid
// changes hands. What its validator's streams still owe goes on to be paid.
func (k *Keeper) unseat(ctx context.Context, netuid uint32, n subnetv1.Neuron, emission uint64) error {
	if err := k.uids.Remove(ctx, collections.Join(n.Hotkey, netuid)); err != nil {
		return err
	}
	key := rowKey(netuid, int(n.Uid))
	if err := k.weights.Remove(ctx, key); err != nil {
		return err
	}
	if err := k.bonds.Remove(ctx, key); err != nil {
		return err
	}
	if err := k.dropCommits(ctx, netuid, n.Uid); err != nil {
		return err
	}
	emitEvent(ctx, "deregister", attr("netuid", netuid), attr("uid", n.Uid), attr("hotkey", n.Hotkey), attr("emission", emission))
	return nil
}

// vacantUIDs lists the vacant uids of a subnet, ascending.
func (k *Keeper) vacantUIDs(ctx context.Context, s subnetv1.Subnet) ([]uint16, error) {
	if s.Vacant == 0 {
		return nil, nil
	}
	uids := make([]uint16, 0, s.Vacant)
	err := k.vacant.Walk(ctx, inSubnet(s.Netuid), func(key uidKey) (bool, error) {
		uids = append(uids, uint16(key.K2()))
		return false, nil
	})
	return uids, err
}
