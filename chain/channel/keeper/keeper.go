package keeper

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/collections"
	"cosmossdk.io/core/store"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// Names under which the module stores its state and holds money.
const (
	ModuleName = "channel"
	StoreKey   = ModuleName

	// EscrowAccount holds the deposits of all channels, less what was redeemed.
	EscrowAccount = "channel_escrow"
)

// ofAccount is (account, channel): an entry of the indexes by payer, payee and
// hotkey.
type ofAccount = collections.Pair[string, uint64]

// ofMiner is (netuid, hotkey).
type ofMiner = collections.Pair[uint32, string]

// Keeper stores all channels and applies the rules of package payment to them.
type Keeper struct {
	authority string // may change the parameters
	accounts  AccountKeeper
	bank      BankKeeper
	subnets   SubnetKeeper

	schema   collections.Schema
	params   collections.Item[channelv1.Params]
	totals   collections.Item[channelv1.Totals]
	clock    collections.Item[channelv1.Clock]
	channels collections.Map[uint64, channelv1.Channel]
	byPayer  collections.KeySet[ofAccount]
	byPayee  collections.KeySet[ofAccount]
	byHotkey collections.KeySet[ofAccount]
	revenue  collections.Map[uint32, channelv1.Revenue]
	miners   collections.Map[ofMiner, channelv1.MinerRevenue]
}

// New returns a keeper over a store. The authority is the address that may
// change the parameters, governance's.
func New(cdc codec.BinaryCodec, service store.KVStoreService, authority string,
	accounts AccountKeeper, bank BankKeeper, subnets SubnetKeeper,
) (*Keeper, error) {
	sb := collections.NewSchemaBuilder(service)
	byAccount := collections.PairKeyCodec(collections.StringKey, collections.Uint64Key)
	byMiner := collections.PairKeyCodec(collections.Uint32Key, collections.StringKey)
	k := &Keeper{
		authority: authority,
		accounts:  accounts,
		bank:      bank,
		subnets:   subnets,

		params:   collections.NewItem(sb, collections.NewPrefix(0), "params", codec.CollValue[channelv1.Params](cdc)),
		totals:   collections.NewItem(sb, collections.NewPrefix(1), "totals", codec.CollValue[channelv1.Totals](cdc)),
		clock:    collections.NewItem(sb, collections.NewPrefix(2), "clock", codec.CollValue[channelv1.Clock](cdc)),
		channels: collections.NewMap(sb, collections.NewPrefix(10), "channels", collections.Uint64Key, codec.CollValue[channelv1.Channel](cdc)),
		byPayer:  collections.NewKeySet(sb, collections.NewPrefix(11), "by_payer", byAccount),
		byPayee:  collections.NewKeySet(sb, collections.NewPrefix(12), "by_payee", byAccount),
		byHotkey: collections.NewKeySet(sb, collections.NewPrefix(13), "by_hotkey", byAccount),
		revenue:  collections.NewMap(sb, collections.NewPrefix(20), "revenue", collections.Uint32Key, codec.CollValue[channelv1.Revenue](cdc)),
		miners:   collections.NewMap(sb, collections.NewPrefix(21), "miners", byMiner, codec.CollValue[channelv1.MinerRevenue](cdc)),
	}
	if accounts.GetModuleAddress(EscrowAccount) == nil {
		return nil, fmt.Errorf("module account %s has not been set", EscrowAccount)
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

// channel reads one channel, or refuses with ErrUnknownChannel.
func (k *Keeper) channel(ctx context.Context, id uint64) (channelv1.Channel, error) {
	c, err := k.channels.Get(ctx, id)
	if errors.Is(err, collections.ErrNotFound) {
		return c, ErrUnknownChannel.Wrapf("channel %d: it was never opened, or it was collected", id)
	}
	return c, err
}

// add stores a new channel under all its keys.
func (k *Keeper) add(ctx context.Context, c channelv1.Channel) error {
	for _, index := range k.indexes(c) {
		if err := index.keys.Set(ctx, collections.Join(index.account, c.Id)); err != nil {
			return err
		}
	}
	return k.channels.Set(ctx, c.Id, c)
}

// remove deletes a channel under all its keys.
func (k *Keeper) remove(ctx context.Context, c channelv1.Channel) error {
	for _, index := range k.indexes(c) {
		if err := index.keys.Remove(ctx, collections.Join(index.account, c.Id)); err != nil {
			return err
		}
	}
	return k.channels.Remove(ctx, c.Id)
}

// index is where a channel is found by one of its accounts.
type index struct {
	keys    collections.KeySet[ofAccount]
	account string
}

func (k *Keeper) indexes(c channelv1.Channel) []index {
	return []index{{k.byPayer, c.Payer}, {k.byPayee, c.Payee}, {k.byHotkey, c.Hotkey}}
}

// changeTotals reads the totals, lets edit change them, and stores them.
func (k *Keeper) changeTotals(ctx context.Context, edit func(*channelv1.Totals)) error {
	totals, err := itemOr(ctx, k.totals)
	if err != nil {
		return err
	}
	edit(&totals)
	return k.totals.Set(ctx, totals)
}
