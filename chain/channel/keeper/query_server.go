package keeper

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// QueryServer answers the module's queries.
type QueryServer struct {
	k *Keeper
}

var _ channelv1.QueryServer = QueryServer{}

// NewQueryServer returns the query service of a keeper.
func NewQueryServer(k *Keeper) QueryServer { return QueryServer{k: k} }

// Params returns the parameters.
func (q QueryServer) Params(ctx context.Context, _ *channelv1.QueryParamsRequest) (*channelv1.QueryParamsResponse, error) {
	params, err := q.k.params.Get(ctx)
	return &channelv1.QueryParamsResponse{Params: params}, err
}

// Channel returns one channel.
func (q QueryServer) Channel(ctx context.Context, req *channelv1.QueryChannelRequest) (*channelv1.QueryChannelResponse, error) {
	c, err := q.k.channel(ctx, req.Channel)
	if err != nil {
		return nil, err
	}
	rules := c.Rules()
	return &channelv1.QueryChannelResponse{Channel: c, End: rules.End(), Height: height(ctx)}, nil
}

// Channels returns the channels of one payer, payee or hotkey, or all, by page.
func (q QueryServer) Channels(ctx context.Context, req *channelv1.QueryChannelsRequest) (*channelv1.QueryChannelsResponse, error) {
	resp := &channelv1.QueryChannelsResponse{Height: height(ctx)}
	of, err := q.indexOf(req)
	if err != nil {
		return nil, err
	}
	if of.account == "" {
		resp.Channels, resp.Pagination, err = query.CollectionPaginate(ctx, q.k.channels, req.Pagination,
			func(_ uint64, c channelv1.Channel) (channelv1.Channel, error) { return c, nil })
		return resp, err
	}
	resp.Channels, resp.Pagination, err = query.CollectionPaginate(ctx, of.keys, req.Pagination,
		func(key ofAccount, _ collections.NoValue) (channelv1.Channel, error) {
			return q.k.channels.Get(ctx, key.K2())
		},
		query.WithCollectionPaginationPairPrefix[string, uint64](of.account))
	return resp, err
}

// indexOf returns where the channels of a request are found: nowhere if it asks
// for all.
func (q QueryServer) indexOf(req *channelv1.QueryChannelsRequest) (index, error) {
	var of index
	for _, i := range []struct {
		role string
		index
	}{
		{"payer", index{q.k.byPayer, req.Payer}},
		{"payee", index{q.k.byPayee, req.Payee}},
		{"hotkey", index{q.k.byHotkey, req.Hotkey}},
	} {
		if i.account == "" {
			continue
		}
		if of.account != "" {
			return of, ErrInvalidRequest.Wrap("more than one of payer, payee and hotkey: name one")
		}
		if _, err := q.k.accounts.AddressCodec().StringToBytes(i.account); err != nil {
			return of, ErrInvalidRequest.Wrapf("%s %q: %v", i.role, i.account, err)
		}
		of = i.index
	}
	return of, nil
}

// Demand returns what was redeemed of the channels to a subnet's miners; nothing
// of a subnet that nobody paid.
func (q QueryServer) Demand(ctx context.Context, req *channelv1.QueryDemandRequest) (*channelv1.QueryDemandResponse, error) {
	params, err := q.k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	total, err := getOr(ctx, q.k.revenue, req.Netuid)
	if err != nil {
		return nil, err
	}
	counting, err := q.k.beginCount(ctx, params)
	if err != nil {
		return nil, err
	}
	window := *counting.window(req.Netuid)
	return &channelv1.QueryDemandResponse{Demand: demandOf(params, counting.clock, total, window)}, nil
}

// MinerDemand returns what was redeemed of the channels to one miner.
func (q QueryServer) MinerDemand(ctx context.Context, req *channelv1.QueryMinerDemandRequest) (*channelv1.QueryMinerDemandResponse, error) {
	if _, err := q.k.accounts.AddressCodec().StringToBytes(req.Hotkey); err != nil {
		return nil, ErrInvalidRequest.Wrapf("hotkey %q: %v", req.Hotkey, err)
	}
	params, err := q.k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	clock, err := q.k.present(ctx, params)
	if err != nil {
		return nil, err
	}
	miner, err := getOr(ctx, q.k.miners, collections.Join(req.Netuid, req.Hotkey))
	if err != nil {
		return nil, err
	}
	bring(&miner.Window, clock.Number, params.DemandSmoothing)
	return &channelv1.QueryMinerDemandResponse{Demand: demandOf(params, clock, miner.Total, miner.Window)}, nil
}

func demandOf(params channelv1.Params, clock channelv1.Clock, total channelv1.Revenue, w channelv1.Window) channelv1.Demand {
	return channelv1.Demand{
		Total:          total,
		WindowStart:    clock.Start,
		WindowBlocks:   params.DemandWindow,
		WindowRedeemed: w.Redeemed,
		WindowBurned:   w.Burned,
		SmoothedBurned: windowOf(w).Smoothed(params.DemandSmoothing),
	}
}

// Totals returns what moved through all channels, and the amounts that must
// agree with each other: an account that differs from what it should hold is a
// bug.
func (q QueryServer) Totals(ctx context.Context, _ *channelv1.QueryTotalsRequest) (*channelv1.QueryTotalsResponse, error) {
	totals, err := itemOr(ctx, q.k.totals)
	if err != nil {
		return nil, err
	}
	return &channelv1.QueryTotalsResponse{
		Totals:        totals,
		Open:          totals.Opened - totals.Collected,
		EscrowAccount: q.k.escrowBalance(ctx),
		Height:        height(ctx),
	}, nil
}
