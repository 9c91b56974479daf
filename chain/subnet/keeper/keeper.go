package keeper

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// Names under which the module stores its state and holds money.
const (
	ModuleName = "subnet"
	StoreKey   = ModuleName

	// EmissionAccount holds what was minted and not yet paid: the pending
	// emission of the subnets and what validator streams still owe.
	EmissionAccount = "subnet_emission"
	// LockAccount holds what the owners of subnets locked.
	LockAccount = "subnet_lock"
)

// uidKey is (netuid, uid).
type uidKey = collections.Pair[uint32, uint32]

// Keeper stores the state of all subnets and applies the rules of package
// subnet to it.
type Keeper struct {
	authority string // may change the parameters
	accounts  AccountKeeper
	bank      BankKeeper
	staking   StakingKeeper
	distr     DistributionKeeper
	demand    DemandKeeper      // nil: nobody counts demand
	engine    *consensus.Engine // its memory serves one epoch after the other

	schema       collections.Schema
	params       collections.Item[subnetv1.Params]
	totals       collections.Item[subnetv1.Totals]
	pending      collections.Item[subnetv1.Pending]
	counter      collections.Item[subnetv1.SubnetCounter]
	subnets      collections.Map[uint32, subnetv1.Subnet]
	outcomes     collections.Map[uint32, subnetv1.Outcome]
	streams      collections.Map[uint32, subnetv1.Streams]
	neurons      collections.Map[uidKey, subnetv1.Neuron]
	weights      collections.Map[uidKey, subnetv1.Row]
	bonds        collections.Map[uidKey, subnetv1.Row]
	uids         collections.Map[collections.Pair[string, uint32], uint32] // (hotkey, netuid) -> uid
	hotkeyOwners collections.Map[string, string]                           // hotkey -> coldkey
	bindings     collections.Map[string, string]                           // hotkey -> operator
	boundHotkeys collections.Map[string, string]                           // operator -> hotkey
	vacant       collections.KeySet[uidKey]                                // uids that nobody has
	owned        collections.KeySet[collections.Pair[string, uint32]]      // (owner, netuid)
	hotkeysOf    collections.KeySet[collections.Pair[string, string]]      // (coldkey, hotkey)
	identities   collections.Map[string, subnetv1.Identity]                // account or netuid
	rootWeights  collections.Map[string, subnetv1.Row]                     // hotkey -> row over netuids
	history      collections.Map[uidKey, subnetv1.EpochRecord]             // (netuid, epoch modulo max_history)

	hidden   commitState
	verified verifier
}

// New returns a keeper over a store. The authority is the address that may
// change the parameters, governance's.
func New(cdc codec.BinaryCodec, service store.KVStoreService, authority string,
	accounts AccountKeeper, bank BankKeeper, staking StakingKeeper, distr DistributionKeeper,
) (*Keeper, error) {
	sb := collections.NewSchemaBuilder(service)
	byUID := collections.PairKeyCodec(collections.Uint32Key, collections.Uint32Key)
	byHotkey := collections.PairKeyCodec(collections.StringKey, collections.Uint32Key)
	k := &Keeper{
		authority: authority,
		accounts:  accounts,
		bank:      bank,
		staking:   staking,
		distr:     distr,
		engine:    &consensus.Engine{},

		params:       collections.NewItem(sb, collections.NewPrefix(0), "params", codec.CollValue[subnetv1.Params](cdc)),
		totals:       collections.NewItem(sb, collections.NewPrefix(1), "totals", codec.CollValue[subnetv1.Totals](cdc)),
		pending:      collections.NewItem(sb, collections.NewPrefix(2), "pending", codec.CollValue[subnetv1.Pending](cdc)),
		counter:      collections.NewItem(sb, collections.NewPrefix(3), "counter", codec.CollValue[subnetv1.SubnetCounter](cdc)),
		subnets:      collections.NewMap(sb, collections.NewPrefix(4), "subnets", collections.Uint32Key, codec.CollValue[subnetv1.Subnet](cdc)),
		outcomes:     collections.NewMap(sb, collections.NewPrefix(5), "outcomes", collections.Uint32Key, codec.CollValue[subnetv1.Outcome](cdc)),
		streams:      collections.NewMap(sb, collections.NewPrefix(6), "streams", collections.Uint32Key, codec.CollValue[subnetv1.Streams](cdc)),
		neurons:      collections.NewMap(sb, collections.NewPrefix(7), "neurons", byUID, codec.CollValue[subnetv1.Neuron](cdc)),
		weights:      collections.NewMap(sb, collections.NewPrefix(8), "weights", byUID, codec.CollValue[subnetv1.Row](cdc)),
		bonds:        collections.NewMap(sb, collections.NewPrefix(9), "bonds", byUID, codec.CollValue[subnetv1.Row](cdc)),
		uids:         collections.NewMap(sb, collections.NewPrefix(10), "uids", byHotkey, collections.Uint32Value),
		hotkeyOwners: collections.NewMap(sb, collections.NewPrefix(11), "hotkey_owners", collections.StringKey, collections.StringValue),
		bindings:     collections.NewMap(sb, collections.NewPrefix(12), "bindings", collections.StringKey, collections.StringValue),
		boundHotkeys: collections.NewMap(sb, collections.NewPrefix(13), "bound_hotkeys", collections.StringKey, collections.StringValue),
	}
	k.vacant = collections.NewKeySet(sb, collections.NewPrefix(20), "vacant", byUID)
	k.owned = collections.NewKeySet(sb, collections.NewPrefix(21), "owned", byHotkey)
	k.hotkeysOf = collections.NewKeySet(sb, collections.NewPrefix(22), "hotkeys_of",
		collections.PairKeyCodec(collections.StringKey, collections.StringKey))
	k.identities = collections.NewMap(sb, collections.NewPrefix(23), "identities", collections.StringKey, codec.CollValue[subnetv1.Identity](cdc))
	k.rootWeights = collections.NewMap(sb, collections.NewPrefix(24), "root_weights", collections.StringKey, codec.CollValue[subnetv1.Row](cdc))
	k.history = collections.NewMap(sb, collections.NewPrefix(25), "history", byUID, codec.CollValue[subnetv1.EpochRecord](cdc))
	k.hidden = newCommitState(sb, cdc)
	for _, name := range []string{EmissionAccount, LockAccount} {
		if accounts.GetModuleAddress(name) == nil {
			return nil, fmt.Errorf("module account %s has not been set", name)
		}
	}
	schema, err := sb.Build()
	if err != nil {
		return nil, fmt.Errorf("state schema: %w", err)
	}
	k.schema = schema
	return k, nil
}

// Schema describes the stored state, for tools that decode it.
func (k *Keeper) Schema() collections.Schema { return k.schema }

// height returns the height of the block being built, or of the state queried.
func height(ctx context.Context) uint64 {
	return uint64(max(sdk.UnwrapSDKContext(ctx).BlockHeight(), 0))
}

// getOr reads a value that may be absent, in which case it is the zero value.
func getOr[K, V any](ctx context.Context, m collections.Map[K, V], key K) (V, error) {
	v, err := m.Get(ctx, key)
	if errors.Is(err, collections.ErrNotFound) {
		var zero V
		return zero, nil
	}
	return v, err
}

// itemOr is getOr for a single item.
func itemOr[V any](ctx context.Context, item collections.Item[V]) (V, error) {
	v, err := item.Get(ctx)
	if errors.Is(err, collections.ErrNotFound) {
		var zero V
		return zero, nil
	}
	return v, err
}

// inSubnet ranges over the keys (netuid, uid) of one subnet, by uid.
func inSubnet(netuid uint32) collections.Ranger[uidKey] {
	return collections.NewPrefixedPairRange[uint32, uint32](netuid)
}

// subnet reads one subnet, or refuses with ErrUnknownSubnet.
func (k *Keeper) subnet(ctx context.Context, netuid uint32) (subnetv1.Subnet, error) {
	s, err := k.subnets.Get(ctx, netuid)
	if errors.Is(err, collections.ErrNotFound) {
		return s, ErrUnknownSubnet.Wrapf("netuid %d", netuid)
	}
	return s, err
}

// uidOf returns the uid of a hotkey, or refuses with ErrNotRegistered.
func (k *Keeper) uidOf(ctx context.Context, netuid uint32, hotkey string) (uint32, error) {
	uid, err := k.uids.Get(ctx, collections.Join(hotkey, netuid))
	if errors.Is(err, collections.ErrNotFound) {
		return 0, ErrNotRegistered.Wrapf("hotkey %s in subnet %d: register it first (plexus tx subnet register)", hotkey, netuid)
	}
	return uid, err
}
