package keeper

import (
	"context"
	"slices"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// QueryServer answers the module's queries.
type QueryServer struct {
	k *Keeper
}

var _ subnetv1.QueryServer = QueryServer{}

// NewQueryServer returns the query service of a keeper.
func NewQueryServer(k *Keeper) QueryServer { return QueryServer{k: k} }

// Params returns the parameters.
func (q QueryServer) Params(ctx context.Context, _ *subnetv1.QueryParamsRequest) (*subnetv1.QueryParamsResponse, error) {
	params, err := q.k.params.Get(ctx)
	return &subnetv1.QueryParamsResponse{Params: params}, err
}

// Subnets returns all subnets, by page.
func (q QueryServer) Subnets(ctx context.Context, req *subnetv1.QuerySubnetsRequest) (*subnetv1.QuerySubnetsResponse, error) {
	market, err := q.market(ctx)
	if err != nil {
		return nil, err
	}
	infos, page, err := query.CollectionPaginate(ctx, q.k.subnets, req.Pagination,
		func(_ uint32, s subnetv1.Subnet) (subnetv1.SubnetInfo, error) { return market.info(s) })
	if err != nil {
		return nil, err
	}
	return &subnetv1.QuerySubnetsResponse{Subnets: infos, Pagination: page}, nil
}

// Subnet returns one subnet.
func (q QueryServer) Subnet(ctx context.Context, req *subnetv1.QuerySubnetRequest) (*subnetv1.QuerySubnetResponse, error) {
	s, err := q.k.subnet(ctx, req.Netuid)
	if err != nil {
		return nil, err
	}
	market, err := q.market(ctx)
	if err != nil {
		return nil, err
	}
	info, err := market.info(s)
	return &subnetv1.QuerySubnetResponse{Subnet: info}, err
}

// shareWhole is the whole that shares are shown of.
const shareWhole = 1_000_000_000

// market is what all subnets share in at one height.
type market struct {
	height   uint64
	netuids  []uint32          // ascending
	pending  []uint64          // nplx
	burned   []uint64          // nplx per block, smoothed
	emission []subnet.Emission // nplx per block
	shares   []subnet.Emission // per 1e9, adding up to it
}

func (q QueryServer) market(ctx context.Context) (market, error) {
	all, err := q.k.allSubnets(ctx)
	if err != nil {
		return market{}, err
	}
	m := market{height: height(ctx), netuids: netuidsOf(all)}
	if m.pending, err = q.k.pendingOf(ctx, all); err != nil {
		return market{}, err
	}
	root, err := q.k.rootShares(ctx, m.netuids)
	if err != nil {
		return market{}, err
	}
	reward := subnet.BlockReward(q.k.supply(ctx))
	if m.emission, err = q.k.divide(ctx, reward, m.netuids, root); err != nil {
		return market{}, err
	}
	if m.burned, err = q.k.burnedFor(ctx, m.netuids); err != nil {
		return market{}, err
	}
	m.shares = sharesOf(reward, root, m.emission)
	return m, nil
}

// sharesOf returns what the parts of a reward are of shareWhole. They add up to
// it: demand rounds down, root has the rest, by its own shares.
func sharesOf(reward uint64, root []uint64, parts []subnet.Emission) []subnet.Emission {
	shares, left := make([]subnet.Emission, len(parts)), uint64(shareWhole)
	for i, p := range parts {
		shares[i].Demand = shareWhole * p.Demand / max(reward, 1) // both are at most 1e9
		left -= shares[i].Demand
	}
	for i, s := range subnet.Apportion(left, root) {
		shares[i].Root = s
	}
	return shares
}

// info adds to a subnet what follows from it and the market.
func (m market) info(s subnetv1.Subnet) (subnetv1.SubnetInfo, error) {
	hyper, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return subnetv1.SubnetInfo{}, err
	}
	i, _ := slices.BinarySearch(m.netuids, s.Netuid)
	share, emission := at(m.shares, i), at(m.emission, i)
	return subnetv1.SubnetInfo{
		Subnet:            s,
		Pending:           at(m.pending, i),
		RegistrationPrice: hyper.RegistrationPrice(s.BurnPrice, s.BurnHeight, m.height),
		NextEpoch:         clockOf(s).Next(),
		Share:             share.Total(),
		Emission:          emission.Total(),
		RootShare:         share.Root,
		DemandShare:       share.Demand,
		RootEmission:      emission.Root,
		DemandEmission:    emission.Demand,
		BurnedPerBlock:    at(m.burned, i),
	}, nil
}

// Neuron returns one neuron and what it may do when.
func (q QueryServer) Neuron(ctx context.Context, req *subnetv1.QueryNeuronRequest) (*subnetv1.QueryNeuronResponse, error) {
	s, err := q.k.subnet(ctx, req.Netuid)
	if err != nil {
		return nil, err
	}
	hyper, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return nil, err
	}
	uid, err := q.k.uidOf(ctx, req.Netuid, req.Hotkey)
	if err != nil {
		return nil, err
	}
	neuron, err := q.k.neurons.Get(ctx, rowKey(req.Netuid, int(uid)))
	if err != nil {
		return nil, err
	}
	author, err := q.k.author(ctx, s, uid, req.Hotkey)
	if err != nil {
		return nil, err
	}
	outcome, err := getOr(ctx, q.k.outcomes, req.Netuid)
	if err != nil {
		return nil, err
	}
	// A transaction sent now is in the next block at the earliest.
	next := height(ctx) + 1
	return &subnetv1.QueryNeuronResponse{
		Neuron:             neuron,
		Stake:              author.Stake,
		Permit:             author.Permit,
		Updated:            author.Updated,
		BlocksUntilWeights: hyper.BlocksUntilWeights(author, next),
		BlocksUntilServe:   untilServe(s, neuron, next),
		Emission:           at(outcome.Emission, int(uid)),
	}, nil
}

// Weights returns the stored weights of a subnet, a row per validator.
func (q QueryServer) Weights(ctx context.Context, req *subnetv1.QueryWeightsRequest) (*subnetv1.QueryWeightsResponse, error) {
	rows, page, err := q.rows(ctx, q.k.weights, req.Netuid, req.Pagination)
	return &subnetv1.QueryWeightsResponse{Rows: rows, Pagination: page}, err
}

// Bonds returns the stored bonds of a subnet, a row per validator.
func (q QueryServer) Bonds(ctx context.Context, req *subnetv1.QueryBondsRequest) (*subnetv1.QueryBondsResponse, error) {
	rows, page, err := q.rows(ctx, q.k.bonds, req.Netuid, req.Pagination)
	return &subnetv1.QueryBondsResponse{Rows: rows, Pagination: page}, err
}

// rows returns the packed rows of a matrix, all of them if no page is asked for.
func (q QueryServer) rows(ctx context.Context, rows collections.Map[uidKey, subnetv1.Row], netuid uint32, page *query.PageRequest) ([]subnetv1.WeightRow, *query.PageResponse, error) {
	if _, err := q.k.subnet(ctx, netuid); err != nil {
		return nil, nil, err
	}
	if page == nil {
		page = &query.PageRequest{Limit: subnet.MaxMaxUIDs}
	}
	return query.CollectionPaginate(ctx, rows, page, func(key uidKey, stored subnetv1.Row) (subnetv1.WeightRow, error) {
		row, err := unpackRow(stored)
		shown := subnetv1.WeightRow{Uid: key.K2(), Updated: stored.Updated}
		shown.Uids, shown.Values = split(row)
		return shown, err
	}, query.WithCollectionPaginationPairPrefix[uint32, uint32](netuid))
}

// split returns the two columns of a row.
func split(row consensus.Row) (uids, values []uint32) {
	uids, values = make([]uint32, len(row)), make([]uint32, len(row))
	for i, e := range row {
		uids[i], values[i] = uint32(e.UID), uint32(e.Value)
	}
	return uids, values
}

// Emission returns the state of issuance, and the amounts that must agree with
// each other: an account that differs from what it should hold is a bug.
func (q QueryServer) Emission(ctx context.Context, _ *subnetv1.QueryEmissionRequest) (*subnetv1.QueryEmissionResponse, error) {
	totals, err := itemOr(ctx, q.k.totals)
	if err != nil {
		return nil, err
	}
	owed, err := q.k.owed(ctx, height(ctx))
	if err != nil {
		return nil, err
	}
	supply := q.k.supply(ctx)
	return &subnetv1.QueryEmissionResponse{
		Height:          height(ctx),
		Supply:          supply,
		Cap:             subnet.Cap,
		BlockReward:     subnet.BlockReward(supply),
		NextHalving:     subnet.NextHalving(supply),
		Totals:          totals,
		Pending:         owed.pending,
		Streaming:       owed.streaming,
		Locked:          owed.locked,
		EmissionAccount: q.k.balance(ctx, EmissionAccount),
		LockAccount:     q.k.balance(ctx, LockAccount),
	}, nil
}

// obligations are what the module's accounts must hold.
type obligations struct {
	pending, streaming, locked uint64 // nplx
}

// owed adds up what the module owes once the block at paidUntil has paid.
func (k *Keeper) owed(ctx context.Context, paidUntil uint64) (obligations, error) {
	var o obligations
	pending, err := itemOr(ctx, k.pending)
	if err != nil {
		return o, err
	}
	for _, nplx := range pending.Amounts {
		o.pending += nplx
	}
	err = k.streams.Walk(ctx, nil, func(_ uint32, s subnetv1.Streams) (bool, error) {
		for _, stream := range streamsFromProto(s) {
			o.streaming += stream.Left(paidUntil)
		}
		return false, nil
	})
	if err != nil {
		return o, err
	}
	err = k.subnets.Walk(ctx, nil, func(_ uint32, s subnetv1.Subnet) (bool, error) {
		o.locked += s.Lock
		return false, nil
	})
	return o, err
}
