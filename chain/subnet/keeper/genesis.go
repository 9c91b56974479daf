package keeper

import (
	"context"
	"errors"
	"fmt"
	"math"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	"github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
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
	if err := validateAround(g); err != nil {
		return err
	}
	if g.Counter.LastLock > subnet.Cap {
		return fmt.Errorf("last_lock is %d nplx, there can be %d", g.Counter.LastLock, subnet.Cap)
	}
	if err := validHeights(g.Counter.LastLockHeight); err != nil {
		return fmt.Errorf("last_lock_height: %w", err)
	}
	if err := validatePending(g); err != nil {
		return err
	}
	if err := validateOwners(g); err != nil {
		return err
	}
	if err := validateCommits(g); err != nil {
		return err
	}
	return validateAmounts(g)
}

// validatePending wants the pending amounts of subnets that exist, in order.
func validatePending(g *subnetv1.GenesisState) error {
	if len(g.Pending.Netuids) != len(g.Pending.Amounts) {
		return fmt.Errorf("pending has %d netuids but %d amounts", len(g.Pending.Netuids), len(g.Pending.Amounts))
	}
	known := map[uint32]bool{}
	for _, s := range g.Subnets {
		known[s.Subnet.Netuid] = true
	}
	for i, netuid := range g.Pending.Netuids {
		if i > 0 && netuid <= g.Pending.Netuids[i-1] {
			return fmt.Errorf("pending: netuid %d follows %d, they must ascend", netuid, g.Pending.Netuids[i-1])
		}
		if !known[netuid] {
			return fmt.Errorf("pending: there is no subnet %d", netuid)
		}
	}
	return nil
}

// validateOwners wants every hotkey to have one owner and one validator, and
// every neuron to belong to the owner of its hotkey.
func validateOwners(g *subnetv1.GenesisState) error {
	owners := map[string]string{}
	for _, h := range g.Hotkeys {
		if _, found := owners[h.Hotkey]; found {
			return fmt.Errorf("hotkey %s has two owners", h.Hotkey)
		}
		owners[h.Hotkey] = h.Coldkey
	}
	bound := map[string]bool{}
	for _, b := range g.Bindings {
		if bound[b.Hotkey] || bound[b.Validator] {
			return fmt.Errorf("hotkey %s or validator %s is bound twice", b.Hotkey, b.Validator)
		}
		bound[b.Hotkey], bound[b.Validator] = true, true
	}
	for _, s := range g.Subnets {
		for _, n := range s.Neurons {
			if owner := owners[n.Hotkey]; owner != n.Coldkey && !isVacant(n) {
				return fmt.Errorf("subnet %d: uid %d belongs to %s, but its hotkey to %q", s.Subnet.Netuid, n.Uid, n.Coldkey, owner)
			}
		}
	}
	return nil
}

// validateAmounts refuses an amount larger than there can be, and sums that
// overflow.
func validateAmounts(g *subnetv1.GenesisState) error {
	sum := uint64(0)
	add := func(what string, nplx uint64) error {
		if nplx > subnet.Cap || nplx > math.MaxUint64-sum {
			return fmt.Errorf("%s of %d nplx: with it more is owed than the %d that there can be", what, nplx, subnet.Cap)
		}
		sum += nplx
		return nil
	}
	for _, nplx := range g.Pending.Amounts {
		if err := add("pending emission", nplx); err != nil {
			return err
		}
	}
	for _, s := range g.Subnets {
		if err := add("lock", s.Subnet.Lock); err != nil {
			return err
		}
		if err := addStreams(add, s.Streams); err != nil {
			return err
		}
	}
	for _, s := range g.Streams {
		if err := addStreams(add, s.Streams); err != nil {
			return err
		}
	}
	return nil
}

func addStreams(add func(string, uint64) error, s subnetv1.Streams) error {
	for _, stream := range s.Streams {
		if err := add("stream", stream.Total); err != nil {
			return err
		}
	}
	return nil
}

// validHeights refuses heights that no block can have.
func validHeights(heights ...uint64) error {
	for _, h := range heights {
		if h > math.MaxInt64 {
			return fmt.Errorf("height %d is beyond the last that a block can have", h)
		}
	}
	return nil
}

// validateAround checks what belongs to no single subnet that exists.
func validateAround(g *subnetv1.GenesisState) error {
	exists := map[uint32]bool{}
	for _, s := range g.Subnets {
		exists[s.Subnet.Netuid] = true
	}
	for _, s := range g.Streams {
		if exists[s.Netuid] || s.Netuid == 0 || s.Netuid >= g.Counter.NextNetuid {
			return fmt.Errorf("streams of netuid %d: it is not a removed subnet", s.Netuid)
		}
		if err := validateStreams(s.Streams); err != nil {
			return fmt.Errorf("streams of removed subnet %d: %w", s.Netuid, err)
		}
	}
	for _, i := range g.Identities {
		if err := identityOf(i.Identity).Validate(); err != nil {
			return fmt.Errorf("identity of %s: %w", i.Subject, err)
		}
	}
	for _, r := range g.RootWeights {
		if _, err := unpackRow(r.Row); err != nil {
			return fmt.Errorf("root weights of %s: %w", r.Hotkey, err)
		}
	}
	return nil
}

func validateStreams(s subnetv1.Streams) error {
	for _, stream := range s.Streams {
		if err := validHeights(stream.Start); err != nil {
			return fmt.Errorf("stream of %s: %w", stream.Validator, err)
		}
		if stream.Length < 1 || stream.Length > subnet.MaxTempo {
			return fmt.Errorf("stream of %s: length is %d blocks, want 1 to %d", stream.Validator, stream.Length, subnet.MaxTempo)
		}
	}
	return nil
}

func validateSubnet(s subnetv1.GenesisSubnet) error {
	hyper, err := HyperparamsFromProto(s.Subnet.Hyperparams)
	if err != nil {
		return err
	}
	if err := hyper.Validate(); err != nil {
		return err
	}
	if s.Subnet.Neurons > subnet.MaxMaxUIDs {
		return fmt.Errorf("counts %d neurons, at most %d are possible", s.Subnet.Neurons, subnet.MaxMaxUIDs)
	}
	if err := validHeights(s.Subnet.Created, s.Subnet.LastEpoch, s.Subnet.BurnHeight, s.Subnet.HyperparamsHeight, s.Outcome.Height); err != nil {
		return err
	}
	if err := validateStreams(s.Streams); err != nil {
		return err
	}
	if int(s.Subnet.Neurons) != len(s.Neurons) {
		return fmt.Errorf("counts %d neurons but lists %d", s.Subnet.Neurons, len(s.Neurons))
	}
	hotkeys := map[string]bool{}
	vacant := uint32(0)
	for uid, n := range s.Neurons {
		if int(n.Uid) != uid {
			return fmt.Errorf("neuron %d has uid %d: uids must count up from 0", uid, n.Uid)
		}
		if err := validHeights(n.Registered); err != nil {
			return fmt.Errorf("uid %d: %w", uid, err)
		}
		if isVacant(n) {
			vacant++
			continue
		}
		if hotkeys[n.Hotkey] {
			return fmt.Errorf("hotkey %s has two uids", n.Hotkey)
		}
		hotkeys[n.Hotkey] = true
		if n.Endpoint == nil {
			continue
		}
		if err := errors.Join(endpointOf(*n.Endpoint).Validate(), validHeights(n.Endpoint.Height)); err != nil {
			return fmt.Errorf("endpoint of uid %d: %w", uid, err)
		}
	}
	if vacant != s.Subnet.Vacant {
		return fmt.Errorf("counts %d vacant uids but lists %d", s.Subnet.Vacant, vacant)
	}
	if err := validateHistory(s); err != nil {
		return err
	}
	for _, rows := range [][]subnetv1.UidRow{s.Weights, s.Bonds} {
		for i, r := range rows {
			if i > 0 && r.Uid <= rows[i-1].Uid {
				return fmt.Errorf("row of uid %d follows that of uid %d: uids must ascend", r.Uid, rows[i-1].Uid)
			}
			if err := validHeights(r.Row.Updated); err != nil {
				return fmt.Errorf("row of uid %d: %w", r.Uid, err)
			}
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
	if err := k.checkAddresses(g); err != nil {
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
	counter := g.Counter
	counter.Existing = uint32(len(g.Subnets))
	if err := k.counter.Set(ctx, counter); err != nil {
		return err
	}
	for _, h := range g.Hotkeys {
		if err := k.setHotkeyOwner(ctx, h.Hotkey, h.Coldkey); err != nil {
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
	for _, s := range g.Streams {
		if err := k.streams.Set(ctx, s.Netuid, s.Streams); err != nil {
			return err
		}
	}
	for _, i := range g.Identities {
		if err := k.identities.Set(ctx, i.Subject, i.Identity); err != nil {
			return err
		}
	}
	for _, r := range g.RootWeights {
		if err := k.rootWeights.Set(ctx, r.Hotkey, r.Row); err != nil {
			return err
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
	if err := k.initOutcome(ctx, s); err != nil {
		return err
	}
	if err := k.setStreams(ctx, netuid, streamsFromProto(s.Streams)); err != nil {
		return err
	}
	if err := k.owned.Set(ctx, collections.Join(s.Subnet.Owner, netuid)); err != nil {
		return err
	}
	for _, r := range s.History {
		if err := k.storeRecord(ctx, s.Subnet, r); err != nil {
			return err
		}
	}
	for uid, n := range s.Neurons {
		if err := k.neurons.Set(ctx, rowKey(netuid, uid), n); err != nil {
			return err
		}
		if isVacant(n) {
			if err := k.vacant.Set(ctx, rowKey(netuid, uid)); err != nil {
				return err
			}
			continue
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

// initOutcome stores what the last epoch left behind. A subnet that had no epoch
// and no neuron yet has no record of it.
func (k *Keeper) initOutcome(ctx context.Context, s subnetv1.GenesisSubnet) error {
	n := len(s.Neurons)
	if n == 0 && s.Outcome.Height == 0 {
		return nil
	}
	if n > 0 {
		reachOutcome(&s.Outcome, n-1)
	}
	return k.outcomes.Set(ctx, s.Subnet.Netuid, s.Outcome)
}

// checkAddresses refuses what is no address: paying to it would fail for ever.
func (k *Keeper) checkAddresses(g *subnetv1.GenesisState) error {
	var accounts, operators []string
	for _, h := range g.Hotkeys {
		accounts = append(accounts, h.Hotkey, h.Coldkey)
	}
	for _, b := range g.Bindings {
		accounts, operators = append(accounts, b.Hotkey), append(operators, b.Validator)
	}
	for _, s := range g.Subnets {
		accounts = append(accounts, s.Subnet.Owner)
		if s.Subnet.OwnerHotkey != "" {
			accounts = append(accounts, s.Subnet.OwnerHotkey)
		}
		for _, stream := range s.Streams.Streams {
			operators = append(operators, stream.Validator)
		}
	}
	for _, s := range g.Streams {
		for _, stream := range s.Streams.Streams {
			operators = append(operators, stream.Validator)
		}
	}
	for _, r := range g.RootWeights {
		accounts = append(accounts, r.Hotkey)
	}
	for _, a := range accounts {
		if _, err := k.accounts.AddressCodec().StringToBytes(a); err != nil {
			return fmt.Errorf("account %q: %w", a, err)
		}
	}
	for _, o := range operators {
		if _, err := k.staking.ValidatorAddressCodec().StringToBytes(o); err != nil {
			return fmt.Errorf("operator %q: %w", o, err)
		}
	}
	return nil
}

// checkAccounts makes the module's accounts and compares what the module owes
// with what they hold.
func (k *Keeper) checkAccounts(ctx context.Context) error {
	for _, name := range []string{EmissionAccount, LockAccount} {
		if k.accounts.GetModuleAccount(ctx, name) == nil {
			return fmt.Errorf("account %s is missing", name)
		}
	}
	if supply := k.bank.GetSupply(ctx, network.Denom).Amount; supply.GT(sdkmath.NewIntFromUint64(subnet.Cap)) {
		return fmt.Errorf("the genesis gives out %s nplx, there can be %d", supply, subnet.Cap)
	}
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
	if err := k.exportCommits(ctx, g); err != nil {
		return nil, err
	}
	return g, k.exportAround(ctx, g)
}

// exportAround adds what belongs to no single subnet that exists.
func (k *Keeper) exportAround(ctx context.Context, g *subnetv1.GenesisState) error {
	err := k.streams.Walk(ctx, nil, func(netuid uint32, s subnetv1.Streams) (bool, error) {
		if exists, err := k.subnets.Has(ctx, netuid); err != nil || exists {
			return false, err
		}
		g.Streams = append(g.Streams, subnetv1.GenesisStreams{Netuid: netuid, Streams: s})
		return false, nil
	})
	if err != nil {
		return err
	}
	err = k.identities.Walk(ctx, nil, func(subject string, i subnetv1.Identity) (bool, error) {
		g.Identities = append(g.Identities, subnetv1.GenesisIdentity{Subject: subject, Identity: i})
		return false, nil
	})
	if err != nil {
		return err
	}
	return k.rootWeights.Walk(ctx, nil, func(hotkey string, row subnetv1.Row) (bool, error) {
		g.RootWeights = append(g.RootWeights, subnetv1.GenesisRootRow{Hotkey: hotkey, Row: row})
		return false, nil
	})
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
	if g.History, err = k.recordsOf(ctx, s.Netuid); err != nil {
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
