package keeper

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"cosmossdk.io/collections"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// ownedBy reads a subnet and refuses who is not its owner.
func (k *Keeper) ownedBy(ctx context.Context, netuid uint32, sender string) (subnetv1.Subnet, error) {
	s, err := k.subnet(ctx, netuid)
	if err == nil && s.Owner != sender {
		err = ErrUnauthorized.Wrapf("subnet %d belongs to %s: sign with its key", netuid, s.Owner)
	}
	return s, err
}

// ruledBy reads a subnet and refuses who is neither its owner nor governance.
func (k *Keeper) ruledBy(ctx context.Context, netuid uint32, sender string) (subnetv1.Subnet, error) {
	if sender == k.authority {
		return k.subnet(ctx, netuid)
	}
	return k.ownedBy(ctx, netuid, sender)
}

// transferSubnet gives a subnet to another account. The hotkey that is exempt
// from the stake threshold must be the new owner's; only an owner that stays
// may claim a new one, since nobody may claim a hotkey for somebody else.
func (k *Keeper) transferSubnet(ctx context.Context, msg *subnetv1.MsgTransferSubnet) error {
	s, err := k.ownedBy(ctx, msg.Netuid, msg.Owner)
	if err != nil {
		return err
	}
	if _, err := k.recipient("new owner", msg.NewOwner); err != nil {
		return err
	}
	if msg.NewOwnerHotkey != "" {
		if msg.NewOwner == msg.Owner {
			err = k.claimHotkey(ctx, claim{msg.NewOwnerHotkey, msg.Owner, msg.NewOwnerHotkeyProof})
		} else {
			err = k.ownsHotkey(ctx, msg.NewOwner, msg.NewOwnerHotkey)
		}
		if err != nil {
			return err
		}
	}
	s.OwnerHotkey = msg.NewOwnerHotkey
	emitEvent(ctx, "transfer", attr("netuid", s.Netuid), attr("from", msg.Owner), attr("to", msg.NewOwner), attr("owner_hotkey", s.OwnerHotkey))
	return k.setOwner(ctx, s, msg.NewOwner)
}

// setOwner stores a subnet with another owner.
func (k *Keeper) setOwner(ctx context.Context, s subnetv1.Subnet, owner string) error {
	if err := k.owned.Remove(ctx, collections.Join(s.Owner, s.Netuid)); err != nil {
		return err
	}
	s.Owner = owner
	if err := k.owned.Set(ctx, collections.Join(owner, s.Netuid)); err != nil {
		return err
	}
	return k.subnets.Set(ctx, s.Netuid, s)
}

// subnetsOf lists the netuids that an account owns, ascending.
func (k *Keeper) subnetsOf(ctx context.Context, owner string) ([]uint32, error) {
	var netuids []uint32
	err := k.owned.Walk(ctx, collections.NewPrefixedPairRange[string, uint32](owner), func(key collections.Pair[string, uint32]) (bool, error) {
		netuids = append(netuids, key.K2())
		return false, nil
	})
	return netuids, err
}

// removeSubnet ends a subnet. What is pending is burned, and of the lock as
// much as its owners were paid; the rest of the lock goes back. Streams of its
// validators go on to their end. The netuid is never used again. Source:
// protocol section 6.
func (k *Keeper) removeSubnet(ctx context.Context, s subnetv1.Subnet) (returned, burned uint64, err error) {
	pending, err := k.takePending(ctx, s.Netuid)
	if err != nil {
		return 0, 0, err
	}
	returned, burned = subnet.LockReturn(s.Lock, s.Ledger.OwnerPaid)
	if err := k.unlock(ctx, s.Owner, returned); err != nil {
		return 0, 0, err
	}
	if err := k.burnLocked(ctx, burned); err != nil {
		return 0, 0, err
	}
	if err := k.burn(ctx, pending); err != nil {
		return 0, 0, err
	}
	s.Ledger.Burned += pending
	if err := k.closeLedger(ctx, s.Ledger); err != nil {
		return 0, 0, err
	}
	if err := k.forget(ctx, s); err != nil {
		return 0, 0, fmt.Errorf("remove subnet %d: %w", s.Netuid, err)
	}
	burned += pending
	emitEvent(ctx, "remove", attr("netuid", s.Netuid), attr("owner", s.Owner), attr("returned", returned), attr("burned", burned))
	return returned, burned, nil
}

// takePending takes a subnet out of the record of pending emission.
func (k *Keeper) takePending(ctx context.Context, netuid uint32) (uint64, error) {
	p, err := itemOr(ctx, k.pending)
	if err != nil {
		return 0, err
	}
	at, found := slices.BinarySearch(p.Netuids, netuid)
	if !found {
		return 0, nil
	}
	nplx := p.Amounts[at]
	p.Netuids, p.Amounts = slices.Delete(p.Netuids, at, at+1), slices.Delete(p.Amounts, at, at+1)
	return nplx, k.pending.Set(ctx, p)
}

// closeLedger adds the ledger of a removed subnet to that of all removed ones,
// so that everything minted stays accounted for.
func (k *Keeper) closeLedger(ctx context.Context, l subnetv1.Ledger) error {
	totals, err := itemOr(ctx, k.totals)
	if err != nil {
		return err
	}
	r := &totals.Removed
	r.OwnerPaid += l.OwnerPaid
	r.MinersPaid += l.MinersPaid
	r.ValidatorsPaid += l.ValidatorsPaid
	r.Burned += l.Burned
	r.Registrations += l.Registrations
	return k.totals.Set(ctx, totals)
}

// forget deletes everything that is stored of a subnet except the streams that
// still run.
func (k *Keeper) forget(ctx context.Context, s subnetv1.Subnet) error {
	neurons, err := k.neuronsOf(ctx, s.Netuid)
	if err != nil {
		return err
	}
	for _, n := range neurons {
		if isVacant(n) {
			continue
		}
		if err := k.uids.Remove(ctx, collections.Join(n.Hotkey, s.Netuid)); err != nil {
			return err
		}
	}
	for _, clear := range []func(context.Context, collections.Ranger[uidKey]) error{
		k.neurons.Clear, k.vacant.Clear, k.weights.Clear, k.bonds.Clear, k.history.Clear,
	} {
		if err := clear(ctx, inSubnet(s.Netuid)); err != nil {
			return err
		}
	}
	if err := k.dropSubnetCommits(ctx, s.Netuid); err != nil {
		return err
	}
	if err := k.outcomes.Remove(ctx, s.Netuid); err != nil {
		return err
	}
	if err := k.identities.Remove(ctx, subjectOf(s.Netuid)); err != nil {
		return err
	}
	if err := k.owned.Remove(ctx, collections.Join(s.Owner, s.Netuid)); err != nil {
		return err
	}
	if err := k.subnets.Remove(ctx, s.Netuid); err != nil {
		return err
	}
	counter, err := k.counter.Get(ctx)
	if err != nil {
		return err
	}
	counter.Existing--
	if err := k.counter.Set(ctx, counter); err != nil {
		return err
	}
	stored, err := getOr(ctx, k.streams, s.Netuid)
	if err != nil {
		return err
	}
	// The block that removes the subnet still pays at its end.
	return k.keepRunning(ctx, s.Netuid, stored, height(ctx)-1)
}

// keepRunning drops the streams that have nothing left to pay after the block
// at paidUntil, and their record when none is left.
func (k *Keeper) keepRunning(ctx context.Context, netuid uint32, stored subnetv1.Streams, paidUntil uint64) error {
	running := subnet.Running(streamsFromProto(stored), paidUntil)
	if len(running) > 0 && len(running) == len(stored.Streams) {
		return nil
	}
	return k.setStreams(ctx, netuid, running)
}

// subjectOf is the key under which the identity of a subnet is stored.
func subjectOf(netuid uint32) string { return strconv.FormatUint(uint64(netuid), 10) }
