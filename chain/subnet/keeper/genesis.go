package keeper

import (
	"context"
	"fmt"

	"cosmossdk.io/collections"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// DefaultGenesis is the state of a new network: parameters and no subnets.
func DefaultGenesis() *subnetv1.GenesisState {
	return &subnetv1.GenesisState{Params: DefaultParams()}
}

// ValidateGenesis reports what is wrong with a state before it is imported.
func ValidateGenesis(g *subnetv1.GenesisState) error {
	if err := ValidateParams(g.Params); err != nil {
		return fmt.Errorf("params: %w", err)
	}
	last := uint32(0)
	for _, s := range g.Subnets {
		netuid := s.Subnet.Netuid
		if netuid <= last {
			return fmt.Errorf("subnet %d follows subnet %d: netuids must ascend from 1", netuid, last)
		}
		last = netuid
		if err := validateSubnet(s); err != nil {
			return fmt.Errorf("subnet %d: %w", netuid, err)
		}
	}
	if last > 0 && g.Counter.NextNetuid <= last {
		return fmt.Errorf("next_netuid is %d, but subnet %d exists", g.Counter.NextNetuid, last)
	}
	if len(g.Pending.Netuids) != len(g.Pending.Amounts) {
		return fmt.Errorf("pending has %d netuids but %d amounts", len(g.Pending.Netuids), len(g.Pending.Amounts))
	}
	return validateCommits(g)
}

func validateSubnet(s subnetv1.GenesisSubnet) error {
	hyper, err := HyperparamsFromProto(s.Subnet.Hyperparams)
	if err != nil {
		return err
	}
	if err := hyper.Validate(); err != nil {
		return err
	}
	if int(s.Subnet.Neurons) != len(s.Neurons) {
		return fmt.Errorf("counts %d neurons but lists %d", s.Subnet.Neurons, len(s.Neurons))
	}
	hotkeys := map[string]bool{}
	for uid, n := range s.Neurons {
		if int(n.Uid) != uid {
			return fmt.Errorf("neuron %d has uid %d: uids must count up from 0", uid, n.Uid)
		}
		if hotkeys[n.Hotkey] {
			return fmt.Errorf("hotkey %s has two uids", n.Hotkey)
		}
		hotkeys[n.Hotkey] = true
	}
	for _, rows := range [][]subnetv1.UidRow{s.Weights, s.Bonds} {
		for _, r := range rows {
			row, err := unpackRow(r.Row)
			if err != nil {
				return fmt.Errorf("row of uid %d: %w", r.Uid, err)
			}
			if r.Uid >= s.Subnet.Neurons || (len(row) > 0 && uint32(row[len(row)-1].UID) >= s.Subnet.Neurons) {
				return fmt.Errorf("row of uid %d reaches past the %d neurons", r.Uid, s.Subnet.Neurons)
			}
		}
	}
	return nil
}

// InitGenesis stores a state, and refuses one whose money does not add up.
func (k *Keeper) InitGenesis(ctx context.Context, g *subnetv1.GenesisState) error {
	if err := ValidateGenesis(g); err != nil {
		return err
	}
	if err := k.params.Set(ctx, g.Params); err != nil {
		return err
	}
	if err := k.totals.Set(ctx, g.Totals); err != nil {
		return err
	}
	if err := k.pending.Set(ctx, g.Pending); err != nil {
		return err
	}
	if err := k.counter.Set(ctx, g.Counter); err != nil {
		return err
	}
	for _, h := range g.Hotkeys {
		if err := k.hotkeyOwners.Set(ctx, h.Hotkey, h.Coldkey); err != nil {
			return err
		}
	}
	for _, b := range g.Bindings {
		if err := k.bind(ctx, b.Hotkey, b.Validator); err != nil {
			return err
		}
	}
	for _, s := range g.Subnets {
		if err := k.initSubnet(ctx, s); err != nil {
			return fmt.Errorf("subnet %d: %w", s.Subnet.Netuid, err)
		}
	}
	if err := k.initCommits(ctx, g); err != nil {
		return err
	}
	return k.checkAccounts(ctx)
}

func (k *Keeper) initSubnet(ctx context.Context, s subnetv1.GenesisSubnet) error {
	netuid := s.Subnet.Netuid
	if err := k.subnets.Set(ctx, netuid, s.Subnet); err != nil {
		return err
	}
	if err := k.outcomes.Set(ctx, netuid, s.Outcome); err != nil {
		return err
	}
	if err := k.streams.Set(ctx, netuid, s.Streams); err != nil {
		return err
	}
	for uid, n := range s.Neurons {
		if err := k.neurons.Set(ctx, rowKey(netuid, uid), n); err != nil {
			return err
		}
		if err := k.uids.Set(ctx, collections.Join(n.Hotkey, netuid), n.Uid); err != nil {
			return err
		}
	}
	for _, r := range s.Weights {
		if err := k.weights.Set(ctx, rowKey(netuid, int(r.Uid)), r.Row); err != nil {
			return err
		}
	}
	for _, r := range s.Bonds {
		if err := k.bonds.Set(ctx, rowKey(netuid, int(r.Uid)), r.Row); err != nil {
			return err
		}
	}
	return nil
}

// checkAccounts compares what the module owes with what its accounts hold.
func (k *Keeper) checkAccounts(ctx context.Context) error {
	// A genesis is read as the block that is to come: the one before has paid.
	owed, err := k.owed(ctx, max(height(ctx), 1)-1)
	if err != nil {
		return err
	}
	if has, want := k.balance(ctx, EmissionAccount), owed.pending+owed.streaming; has != want {
		return fmt.Errorf("account %s holds %d nplx, but %d are pending and %d are owed by streams", EmissionAccount, has, owed.pending, owed.streaming)
	}
	if has := k.balance(ctx, LockAccount); has != owed.locked {
		return fmt.Errorf("account %s holds %d nplx, but %d are locked", LockAccount, has, owed.locked)
	}
	return nil
}

// ExportGenesis returns the whole state; importing it gives the same state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*subnetv1.GenesisState, error) {
	g := &subnetv1.GenesisState{}
	var err error
	if g.Params, err = k.params.Get(ctx); err != nil {
		return nil, err
	}
	if g.Totals, err = itemOr(ctx, k.totals); err != nil {
		return nil, err
	}
	if g.Pending, err = itemOr(ctx, k.pending); err != nil {
		return nil, err
	}
	if g.Counter, err = itemOr(ctx, k.counter); err != nil {
		return nil, err
	}
	err = k.hotkeyOwners.Walk(ctx, nil, func(hotkey, coldkey string) (bool, error) {
		g.Hotkeys = append(g.Hotkeys, subnetv1.HotkeyOwner{Hotkey: hotkey, Coldkey: coldkey})
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	err = k.bindings.Walk(ctx, nil, func(hotkey, operator string) (bool, error) {
		g.Bindings = append(g.Bindings, subnetv1.Binding{Hotkey: hotkey, Validator: operator})
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	all, err := k.allSubnets(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		exported, err := k.exportSubnet(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("subnet %d: %w", s.Netuid, err)
		}
		g.Subnets = append(g.Subnets, exported)
	}
	return g, k.exportCommits(ctx, g)
}

func (k *Keeper) exportSubnet(ctx context.Context, s subnetv1.Subnet) (subnetv1.GenesisSubnet, error) {
	g := subnetv1.GenesisSubnet{Subnet: s}
	var err error
	if g.Neurons, err = k.neuronsOf(ctx, s.Netuid); err != nil {
		return g, err
	}
	if g.Outcome, err = getOr(ctx, k.outcomes, s.Netuid); err != nil {
		return g, err
	}
	if g.Streams, err = getOr(ctx, k.streams, s.Netuid); err != nil {
		return g, err
	}
	if g.Weights, err = k.exportRows(ctx, k.weights, s.Netuid); err != nil {
		return g, err
	}
	g.Bonds, err = k.exportRows(ctx, k.bonds, s.Netuid)
	return g, err
}

func (k *Keeper) exportRows(ctx context.Context, rows collections.Map[uidKey, subnetv1.Row], netuid uint32) ([]subnetv1.UidRow, error) {
	var out []subnetv1.UidRow
	err := rows.Walk(ctx, inSubnet(netuid), func(key uidKey, row subnetv1.Row) (bool, error) {
		out = append(out, subnetv1.UidRow{Uid: key.K2(), Row: row})
		return false, nil
	})
	return out, err
}
