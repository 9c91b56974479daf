package keeper

import (
	"context"

	"cosmossdk.io/collections"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// ownsHotkey refuses a coldkey that does not own a hotkey.
func (k *Keeper) ownsHotkey(ctx context.Context, coldkey, hotkey string) error {
	owner, err := getOr(ctx, k.hotkeyOwners, hotkey)
	if err != nil {
		return err
	}
	if owner == "" {
		return ErrNotRegistered.Wrapf("hotkey %s is unknown: it was never registered or bound", hotkey)
	}
	if owner != coldkey {
		return ErrUnauthorized.Wrapf("hotkey %s belongs to %s", hotkey, owner)
	}
	return nil
}

// paySwap burns what changing a key costs.
func (k *Keeper) paySwap(ctx context.Context, coldkey string) (uint64, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return 0, err
	}
	payer, err := k.accounts.AddressCodec().StringToBytes(coldkey)
	if err != nil {
		return 0, ErrInvalidRequest.Wrapf("coldkey %q: %v", coldkey, err)
	}
	return params.SwapCost, k.burnFrom(ctx, payer, params.SwapCost)
}

// positionsOf lists the keys of a hotkey's neurons, by netuid.
func (k *Keeper) positionsOf(ctx context.Context, hotkey string) ([]uidKey, error) {
	var keys []uidKey
	err := k.uids.Walk(ctx, collections.NewPrefixedPairRange[string, uint32](hotkey),
		func(key collections.Pair[string, uint32], uid uint32) (bool, error) {
			keys = append(keys, collections.Join(key.K2(), uid))
			return false, nil
		})
	return keys, err
}

// editNeurons changes every neuron of a hotkey.
func (k *Keeper) editNeurons(ctx context.Context, hotkey string, edit func(*subnetv1.Neuron)) error {
	keys, err := k.positionsOf(ctx, hotkey)
	if err != nil {
		return err
	}
	for _, key := range keys {
		neuron, err := k.neurons.Get(ctx, key)
		if err != nil {
			return err
		}
		edit(&neuron)
		if err := k.neurons.Set(ctx, key, neuron); err != nil {
			return err
		}
	}
	return nil
}

// swapHotkey moves everything that a hotkey has to one that nobody has used:
// its uids with all that belongs to them, the stake bound to it, its root
// weights, identity and role as a subnet owner's hotkey. Rate limits move too.
// The old hotkey stays its coldkey's, so that nobody else can pose as it.
func (k *Keeper) swapHotkey(ctx context.Context, msg *subnetv1.MsgSwapHotkey) error {
	from, to := msg.Hotkey, msg.NewHotkey
	if err := k.ownsHotkey(ctx, msg.Coldkey, from); err != nil {
		return err
	}
	if used, err := k.hotkeyOwners.Has(ctx, to); err != nil || used {
		if used {
			err = ErrHotkeyTaken.Wrapf("hotkey %s is in use: take one that never was", to)
		}
		return err
	}
	cost, err := k.paySwap(ctx, msg.Coldkey)
	if err != nil {
		return err
	}
	if err := k.claimHotkey(ctx, claim{to, msg.Coldkey, msg.NewHotkeyProof}); err != nil {
		return err
	}
	if err := k.moveUIDs(ctx, from, to); err != nil {
		return err
	}
	if err := k.moveOwnerHotkey(ctx, msg.Coldkey, from, to); err != nil {
		return err
	}
	if err := k.moveBinding(ctx, from, to); err != nil {
		return err
	}
	if err := move(ctx, k.rootWeights, from, to); err != nil {
		return err
	}
	if err := move(ctx, k.identities, from, to); err != nil {
		return err
	}
	emitEvent(ctx, "swap_hotkey", attr("coldkey", msg.Coldkey), attr("hotkey", from), attr("new_hotkey", to), attr("burned", cost))
	return nil
}

func (k *Keeper) moveUIDs(ctx context.Context, from, to string) error {
	if err := k.editNeurons(ctx, from, func(n *subnetv1.Neuron) { n.Hotkey = to }); err != nil {
		return err
	}
	keys, err := k.positionsOf(ctx, from)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := k.uids.Remove(ctx, collections.Join(from, key.K1())); err != nil {
			return err
		}
		if err := k.uids.Set(ctx, collections.Join(to, key.K1()), key.K2()); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) moveOwnerHotkey(ctx context.Context, owner, from, to string) error {
	netuids, err := k.subnetsOf(ctx, owner)
	if err != nil {
		return err
	}
	for _, netuid := range netuids {
		s, err := k.subnet(ctx, netuid)
		if err != nil {
			return err
		}
		if s.OwnerHotkey != from {
			continue
		}
		s.OwnerHotkey = to
		if err := k.subnets.Set(ctx, netuid, s); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) moveBinding(ctx context.Context, from, to string) error {
	operator, err := getOr(ctx, k.bindings, from)
	if err != nil || operator == "" {
		return err
	}
	if err := k.bindings.Remove(ctx, from); err != nil {
		return err
	}
	if err := k.bindings.Set(ctx, to, operator); err != nil {
		return err
	}
	return k.boundHotkeys.Set(ctx, operator, to)
}

// move takes a value to another key, if there is one and the other has none.
func move[V any](ctx context.Context, m collections.Map[string, V], from, to string) error {
	has, err := m.Has(ctx, from)
	if err != nil || !has {
		return err
	}
	if taken, err := m.Has(ctx, to); err != nil || taken {
		return err
	}
	v, err := m.Get(ctx, from)
	if err != nil {
		return err
	}
	if err := m.Remove(ctx, from); err != nil {
		return err
	}
	return m.Set(ctx, to, v)
}

// swapColdkey moves the hotkeys, neurons, subnets and identity of a coldkey to
// another, which may have its own already. Balances and delegations are the
// bank's and staking's and stay; so do validators, and with them the stake
// bound to the hotkeys.
func (k *Keeper) swapColdkey(ctx context.Context, msg *subnetv1.MsgSwapColdkey) error {
	from, to := msg.Coldkey, msg.NewColdkey
	if from == to {
		return ErrInvalidRequest.Wrap("the new coldkey is the old one")
	}
	if _, err := k.recipient("new coldkey", to); err != nil {
		return err
	}
	hotkeys, err := k.hotkeysOwnedBy(ctx, from)
	if err != nil {
		return err
	}
	netuids, err := k.subnetsOf(ctx, from)
	if err != nil {
		return err
	}
	if len(hotkeys) == 0 && len(netuids) == 0 {
		return ErrInvalidRequest.Wrapf("coldkey %s has no hotkeys and no subnets to move", from)
	}
	cost, err := k.paySwap(ctx, from)
	if err != nil {
		return err
	}
	for _, hotkey := range hotkeys {
		if err := k.hotkeysOf.Remove(ctx, collections.Join(from, hotkey)); err != nil {
			return err
		}
		if err := k.setHotkeyOwner(ctx, hotkey, to); err != nil {
			return err
		}
		if err := k.editNeurons(ctx, hotkey, func(n *subnetv1.Neuron) { n.Coldkey = to }); err != nil {
			return err
		}
	}
	for _, netuid := range netuids {
		s, err := k.subnet(ctx, netuid)
		if err != nil {
			return err
		}
		if err := k.setOwner(ctx, s, to); err != nil {
			return err
		}
	}
	emitEvent(ctx, "swap_coldkey", attr("coldkey", from), attr("new_coldkey", to),
		attr("hotkeys", len(hotkeys)), attr("subnets", len(netuids)), attr("burned", cost))
	return move(ctx, k.identities, from, to)
}

func (k *Keeper) hotkeysOwnedBy(ctx context.Context, coldkey string) ([]string, error) {
	var hotkeys []string
	err := k.hotkeysOf.Walk(ctx, collections.NewPrefixedPairRange[string, string](coldkey), func(key collections.Pair[string, string]) (bool, error) {
		hotkeys = append(hotkeys, key.K2())
		return false, nil
	})
	return hotkeys, err
}
