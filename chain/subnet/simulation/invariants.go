package simulation

import (
	"bytes"
	"errors"
	"fmt"

	"cosmossdk.io/collections"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/kv"

	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// CheckMoney reports where the money does not add up: the supply is what all
// accounts hold and within the cap, the module's accounts hold what is pending,
// streaming and locked, and everything minted is in a ledger. It holds at any
// time.
func (m *Module) CheckMoney(ctx sdk.Context) error {
	e, err := keeper.NewQueryServer(m.cfg.Keeper).Emission(ctx, &subnetv1.QueryEmissionRequest{})
	if err != nil {
		return err
	}
	held := uint64(0)
	m.cfg.Bank.IterateAllBalances(ctx, func(_ sdk.AccAddress, coin sdk.Coin) bool {
		if coin.Denom == network.Denom {
			held += coin.Amount.Uint64()
		}
		return false
	})
	return errors.Join(
		equal("supply, and the sum of all balances", e.Supply, held),
		equal("account of emission, and what is pending and streaming", e.EmissionAccount, e.Pending+e.Streaming),
		equal("account of locks, and what is locked", e.LockAccount, e.Locked),
		atMost("supply", e.Supply, e.Cap),
	)
}

func equal(what string, a, b uint64) error {
	if a == b {
		return nil
	}
	return fmt.Errorf("%s: %d and %d", what, a, b)
}

func atMost(what string, v, most uint64) error {
	if v <= most {
		return nil
	}
	return fmt.Errorf("%s: %d, the most is %d", what, v, most)
}

// Check reports what does not hold at the end of a block: the money, the
// structure of the state, and that an export of it imports to the same state,
// key by key, which no index survives that does not follow from the rest.
func (m *Module) Check(ctx sdk.Context) error {
	state, err := m.cfg.Keeper.ExportGenesis(ctx)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return errors.Join(m.CheckMoney(ctx), CheckState(state, uint64(ctx.BlockHeight())), m.roundTrip(ctx, state))
}

// CheckState reports what does not hold in an exported state after the block at
// a height.
func CheckState(g *subnetv1.GenesisState, height uint64) error {
	errs := []error{keeper.ValidateGenesis(g)}
	sum := g.Totals.Removed
	for _, nplx := range g.Pending.Amounts {
		sum.OwnerPaid += nplx
	}
	for _, s := range g.Subnets {
		l := s.Subnet.Ledger
		sum.OwnerPaid += l.OwnerPaid + l.MinersPaid + l.ValidatorsPaid + l.Burned
		if err := checkSubnet(s, height); err != nil {
			errs = append(errs, fmt.Errorf("subnet %d: %w", s.Subnet.Netuid, err))
		}
	}
	errs = append(errs,
		equal("minted, and pending, paid and burned", g.Totals.Minted, sum.OwnerPaid+sum.MinersPaid+sum.ValidatorsPaid+sum.Burned),
		equal("existing subnets, and those there are", uint64(g.Counter.Existing), uint64(len(g.Subnets))),
		checkKeys(g), checkCommits(g, height),
	)
	return errors.Join(errs...)
}

// checkKeys wants hotkeys with stake, a role or an opinion to be somebody's.
func checkKeys(g *subnetv1.GenesisState) error {
	owned, bound := map[string]bool{}, map[string]bool{}
	for _, h := range g.Hotkeys {
		owned[h.Hotkey] = true
	}
	var errs []error
	for _, b := range g.Bindings {
		bound[b.Hotkey] = true
		if !owned[b.Hotkey] {
			errs = append(errs, fmt.Errorf("hotkey %s is bound and nobody's", b.Hotkey))
		}
	}
	for _, r := range g.RootWeights {
		if !bound[r.Hotkey] {
			errs = append(errs, fmt.Errorf("hotkey %s has root weights and no validator", r.Hotkey))
		}
	}
	for _, s := range g.Subnets {
		if h := s.Subnet.OwnerHotkey; h != "" && !owned[h] {
			errs = append(errs, fmt.Errorf("subnet %d: owner hotkey %s is nobody's", s.Subnet.Netuid, h))
		}
	}
	return errors.Join(errs...)
}

func checkSubnet(s subnetv1.GenesisSubnet, height uint64) error {
	taken := map[uint32]bool{}
	var errs []error
	for _, n := range s.Neurons {
		taken[n.Uid] = n.Hotkey != ""
		errs = append(errs, atMost(fmt.Sprintf("registration of uid %d", n.Uid), n.Registered, height))
	}
	seats := s.Subnet.Neurons - s.Subnet.Vacant
	errs = append(errs,
		atMost("neurons", uint64(seats), uint64(s.Subnet.Hyperparams.MaxUids)),
		atMost("last epoch", s.Subnet.LastEpoch, height),
		atMost("lock", s.Subnet.Lock, subnet.Cap),
	)
	for _, rows := range [][]subnetv1.UidRow{s.Weights, s.Bonds} {
		for _, r := range rows {
			errs = append(errs, atMost(fmt.Sprintf("row of uid %d", r.Uid), r.Row.Updated, height))
			if !taken[r.Uid] {
				errs = append(errs, fmt.Errorf("uid %d has a row and is vacant", r.Uid))
			}
		}
	}
	return errors.Join(append(errs, checkOutcome(s, taken))...)
}

// checkOutcome wants one element per uid, and nothing for vacant ones.
func checkOutcome(s subnetv1.GenesisSubnet, taken map[uint32]bool) error {
	o, n := s.Outcome, len(s.Neurons)
	var errs []error
	for _, v := range []int{
		len(o.Incentive), len(o.Dividends), len(o.Consensus), len(o.Trust), len(o.ValidatorTrust), len(o.StakeWeight),
		len(o.Emission), len(o.Tokens), len(o.Permit), len(o.Active),
	} {
		if v != n {
			errs = append(errs, fmt.Errorf("outcome: a vector has %d elements, there are %d uids", v, n))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for uid := range n {
		if !taken[uint32(uid)] && (o.Permit[uid] || o.Emission[uid] > 0) {
			errs = append(errs, fmt.Errorf("outcome: uid %d is vacant and has a permit or pay", uid))
		}
	}
	return errors.Join(errs...)
}

// checkCommits wants every commit to be of the neuron that has its uid, one
// hidden per epoch, and few settled ones.
func checkCommits(g *subnetv1.GenesisState, height uint64) error {
	type seat struct{ netuid, uid uint32 }
	type hidden struct {
		seat
		epoch uint64
	}
	neurons := map[seat]subnetv1.Neuron{}
	for _, s := range g.Subnets {
		for _, n := range s.Neurons {
			neurons[seat{s.Subnet.Netuid, n.Uid}] = n
		}
	}
	var errs []error
	settled, waiting := map[seat]int{}, map[hidden]bool{}
	for _, c := range g.Commits {
		at := seat{c.Netuid, c.Uid}
		n := neurons[at]
		if n.Hotkey == "" || n.Registered > c.Height || c.Height > height {
			errs = append(errs, fmt.Errorf("commit %d of height %d: uid %d of subnet %d was given out at %d to %q", c.Id, c.Height, c.Uid, c.Netuid, n.Registered, n.Hotkey))
		}
		if c.Status != subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN {
			settled[at]++
			if settled[at] > subnet.KeptCommits || len(c.Ciphertext) > 0 {
				errs = append(errs, fmt.Errorf("commit %d: uid %d of subnet %d keeps more settled commits than it should", c.Id, c.Uid, c.Netuid))
			}
			continue
		}
		if waiting[hidden{at, c.Epoch}] {
			errs = append(errs, fmt.Errorf("commit %d: uid %d of subnet %d has two of epoch %d", c.Id, c.Uid, c.Netuid, c.Epoch))
		}
		waiting[hidden{at, c.Epoch}] = true
	}
	return errors.Join(errs...)
}

// roundTrip imports an export over a branch of the state without the module.
func (m *Module) roundTrip(ctx sdk.Context, state *subnetv1.GenesisState) error {
	return RoundTrip(ctx, m.cfg.StoreKey, m.cfg.Keeper.Schema(), func(branch sdk.Context) error {
		return m.cfg.Keeper.InitGenesis(branch, state)
	})
}

// RoundTrip lets a module import its export over a branch of the state without
// the module's store, and compares that with what was there.
func RoundTrip(ctx sdk.Context, key storetypes.StoreKey, schema collections.Schema, importState func(sdk.Context) error) error {
	branch, _ := ctx.CacheContext()
	branch = branch.WithBlockHeight(ctx.BlockHeight() + 1)
	store := branch.KVStore(key)
	before := entries(store)
	for _, e := range before {
		store.Delete(e.Key)
	}
	if err := importState(branch); err != nil {
		return fmt.Errorf("import of the export: %w", err)
	}
	decode := NewDecoder(schema)
	var errs []error
	for _, d := range differences(before, entries(store)) {
		errs = append(errs, fmt.Errorf("exported (A) and imported (B) differ: %s", decode(d[0], d[1])))
	}
	return errors.Join(errs...)
}

func entries(store storetypes.KVStore) []kv.Pair {
	it := store.Iterator(nil, nil)
	defer it.Close()
	var all []kv.Pair
	for ; it.Valid(); it.Next() {
		all = append(all, kv.Pair{Key: it.Key(), Value: it.Value()})
	}
	return all
}

// differences pairs the entries of two sorted lists that are not in both; what
// is absent has a nil value.
func differences(a, b []kv.Pair) [][2]kv.Pair {
	var pairs [][2]kv.Pair
	for len(a) > 0 || len(b) > 0 {
		order := 0
		switch {
		case len(b) == 0:
			order = -1
		case len(a) == 0:
			order = 1
		default:
			order = bytes.Compare(a[0].Key, b[0].Key)
		}
		switch {
		case order < 0:
			pairs, a = append(pairs, [2]kv.Pair{a[0], {Key: a[0].Key}}), a[1:]
		case order > 0:
			pairs, b = append(pairs, [2]kv.Pair{{Key: b[0].Key}, b[0]}), b[1:]
		default:
			if !bytes.Equal(a[0].Value, b[0].Value) {
				pairs = append(pairs, [2]kv.Pair{a[0], b[0]})
			}
			a, b = a[1:], b[1:]
		}
	}
	return pairs
}
