package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cosmossdk.io/collections"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// register gives a hotkey a uid and burns the price. Source: protocol section 6.
func (k *Keeper) register(ctx context.Context, msg *subnetv1.MsgRegister) (uid uint32, burned uint64, err error) {
	s, err := k.subnet(ctx, msg.Netuid)
	if err != nil {
		return 0, 0, err
	}
	hyper, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return 0, 0, err
	}
	if taken, err := k.uids.Has(ctx, collections.Join(msg.Hotkey, msg.Netuid)); err != nil || taken {
		if taken {
			err = ErrRegistered.Wrapf("hotkey %s in subnet %d", msg.Hotkey, msg.Netuid)
		}
		return 0, 0, err
	}
	price := hyper.RegistrationPrice(s.BurnPrice, s.BurnHeight, height(ctx))
	if price > msg.MaxBurn {
		return 0, 0, ErrPriceTooHigh.Wrapf("registration costs %d nplx, your maximum is %d: raise it or wait, the price halves every %d blocks",
			price, msg.MaxBurn, hyper.BurnHalfLife)
	}
	if err := k.claimHotkey(ctx, claim{msg.Hotkey, msg.Coldkey, msg.HotkeyProof}); err != nil {
		return 0, 0, err
	}
	payer, err := k.accounts.AddressCodec().StringToBytes(msg.Coldkey)
	if err != nil {
		return 0, 0, ErrInvalidRequest.Wrapf("coldkey %q: %v", msg.Coldkey, err)
	}
	if err := k.burnFrom(ctx, payer, price); err != nil {
		return 0, 0, err
	}
	uid, err = k.seat(ctx, &s, hyper)
	if err != nil {
		return 0, 0, err
	}
	neuron := subnetv1.Neuron{Uid: uid, Hotkey: msg.Hotkey, Coldkey: msg.Coldkey, Registered: height(ctx)}
	if err := k.neurons.Set(ctx, rowKey(s.Netuid, int(uid)), neuron); err != nil {
		return 0, 0, err
	}
	if err := k.uids.Set(ctx, collections.Join(msg.Hotkey, s.Netuid), uid); err != nil {
		return 0, 0, err
	}
	s.BurnPrice, s.BurnHeight = hyper.PriceAfter(price), height(ctx)
	s.Ledger.Registrations += price
	emitEvent(ctx, "register", attr("netuid", s.Netuid), attr("uid", uid),
		attr("hotkey", msg.Hotkey), attr("coldkey", msg.Coldkey), attr("burned", price))
	return uid, price, k.subnets.Set(ctx, s.Netuid, s)
}

// seat finds the uid of a new neuron: a vacant one, a new one, or in a full
// subnet that of the neuron which makes room. The vectors of the last epoch
// are left with nothing under that uid.
func (k *Keeper) seat(ctx context.Context, s *subnetv1.Subnet, hyper subnet.Hyperparams) (uint32, error) {
	outcome, err := getOr(ctx, k.outcomes, s.Netuid)
	if err != nil {
		return 0, err
	}
	uid := s.Neurons
	switch {
	case s.Neurons-s.Vacant >= hyper.MaxUIDs:
		uid, err = k.evict(ctx, s.Netuid, hyper, outcome)
	case s.Vacant > 0:
		uid, err = k.takeVacant(ctx, s)
	default:
		s.Neurons++
	}
	if err != nil {
		return 0, err
	}
	clearOutcome(&outcome, int(uid))
	return uid, k.outcomes.Set(ctx, s.Netuid, outcome)
}

// takeVacant returns the lowest vacant uid, which is vacant no more.
func (k *Keeper) takeVacant(ctx context.Context, s *subnetv1.Subnet) (uint32, error) {
	it, err := k.vacant.Iterate(ctx, inSubnet(s.Netuid))
	if err != nil {
		return 0, err
	}
	key, err := it.Key()
	if err := errors.Join(err, it.Close()); err != nil {
		return 0, fmt.Errorf("vacant uid of subnet %d: %w", s.Netuid, err)
	}
	s.Vacant--
	return key.K2(), k.vacant.Remove(ctx, key)
}

// evict removes the neuron that makes room for a new one.
func (k *Keeper) evict(ctx context.Context, netuid uint32, hyper subnet.Hyperparams, outcome subnetv1.Outcome) (uint32, error) {
	seated, standing, err := k.standings(ctx, netuid, outcome)
	if err != nil {
		return 0, err
	}
	i, err := hyper.Replaceable(standing, height(ctx))
	if err != nil {
		return 0, refuse(err)
	}
	return seated[i].Uid, k.unseat(ctx, netuid, seated[i], standing[i].Emission)
}

// standings returns the neurons of a subnet, in order of uid, with what decides
// which of them makes room.
func (k *Keeper) standings(ctx context.Context, netuid uint32, outcome subnetv1.Outcome) ([]subnetv1.Neuron, []subnet.Standing, error) {
	seats, err := k.neuronsOf(ctx, netuid)
	if err != nil {
		return nil, nil, err
	}
	seated := slices.DeleteFunc(seats, isVacant)
	standing := make([]subnet.Standing, len(seated))
	for i, n := range seated {
		standing[i] = subnet.Standing{Registered: n.Registered, Emission: at(outcome.Emission, int(n.Uid))}
	}
	return seated, standing, nil
}

// clearOutcome makes every vector reach the uid and hold nothing there.
func clearOutcome(o *subnetv1.Outcome, uid int) {
	reachOutcome(o, uid)
	for _, v := range [][]uint32{o.Incentive, o.Dividends, o.Consensus, o.Trust, o.ValidatorTrust, o.StakeWeight} {
		v[uid] = 0
	}
	o.Emission[uid], o.Tokens[uid] = 0, 0
	o.Permit[uid], o.Active[uid] = false, false
}

// reachOutcome makes every vector reach the uid.
func reachOutcome(o *subnetv1.Outcome, uid int) {
	for _, v := range []*[]uint32{&o.Incentive, &o.Dividends, &o.Consensus, &o.Trust, &o.ValidatorTrust, &o.StakeWeight} {
		*v = reach(*v, uid)
	}
	o.Emission, o.Tokens = reach(o.Emission, uid), reach(o.Tokens, uid)
	o.Permit, o.Active = reach(o.Permit, uid), reach(o.Active, uid)
}

func reach[T any](v []T, uid int) []T {
	if missing := uid + 1 - len(v); missing > 0 {
		v = append(v, make([]T, missing)...)
	}
	return v
}

// maxNetuid is the last netuid that root weights can name.
const maxNetuid = 65535

// createSubnet opens a subnet under the next netuid and locks its price.
func (k *Keeper) createSubnet(ctx context.Context, msg *subnetv1.MsgCreateSubnet) (netuid uint32, locked uint64, err error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return 0, 0, err
	}
	counter, err := itemOr(ctx, k.counter)
	if err != nil {
		return 0, 0, err
	}
	netuid = max(counter.NextNetuid, 1) // netuid 0 stands for the root
	if counter.Existing >= params.MaxSubnets {
		return 0, 0, ErrSubnetLimit.Wrapf("%d exist, the network allows %d: try again when one was removed", counter.Existing, params.MaxSubnets)
	}
	if netuid > maxNetuid {
		return 0, 0, ErrSubnetLimit.Wrapf("all %d netuids were given out, and none is used twice", maxNetuid)
	}
	now := height(ctx)
	locked = subnet.LockPrice(params.MinLock, counter.LastLock, now-min(counter.LastLockHeight, now), params.LockInterval)
	if locked > msg.MaxLock {
		return 0, 0, ErrPriceTooHigh.Wrapf("a subnet locks %d nplx now, your maximum is %d: raise it or wait, the price falls over %d blocks",
			locked, msg.MaxLock, params.LockInterval)
	}
	owner, err := k.accounts.AddressCodec().StringToBytes(msg.Owner)
	if err != nil {
		return 0, 0, ErrInvalidRequest.Wrapf("owner %q: %v", msg.Owner, err)
	}
	if msg.OwnerHotkey != "" {
		if err := k.claimHotkey(ctx, claim{msg.OwnerHotkey, msg.Owner, msg.OwnerHotkeyProof}); err != nil {
			return 0, 0, err
		}
	}
	if err := k.lock(ctx, owner, locked); err != nil {
		return 0, 0, err
	}
	counter = subnetv1.SubnetCounter{NextNetuid: netuid + 1, LastLock: locked, LastLockHeight: now, Existing: counter.Existing + 1}
	if err := k.counter.Set(ctx, counter); err != nil {
		return 0, 0, err
	}
	if err := k.owned.Set(ctx, collections.Join(msg.Owner, netuid)); err != nil {
		return 0, 0, err
	}
	emitEvent(ctx, "create", attr("netuid", netuid), attr("owner", msg.Owner), attr("locked", locked))
	return netuid, locked, k.subnets.Set(ctx, netuid, subnetv1.Subnet{
		Netuid:      netuid,
		Owner:       msg.Owner,
		OwnerHotkey: msg.OwnerHotkey,
		Name:        msg.Name,
		Created:     now,
		LastEpoch:   now,
		Lock:        locked,
		BurnPrice:   params.Defaults.BurnStart,
		BurnHeight:  now,
		Hyperparams: params.Defaults,
	})
}
