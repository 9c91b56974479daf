package keeper

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// QueryServer answers the module's queries.
type QueryServer struct {
	*subnetv1.UnimplementedQueryServer
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
	infos, page, err := query.CollectionPaginate(ctx, q.k.subnets, req.Pagination,
		func(_ uint32, s subnetv1.Subnet) (subnetv1.SubnetInfo, error) { return q.info(ctx, s) })
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
	info, err := q.info(ctx, s)
	return &subnetv1.QuerySubnetResponse{Subnet: info}, err
}

func (q QueryServer) info(ctx context.Context, s subnetv1.Subnet) (subnetv1.SubnetInfo, error) {
	hyper, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return subnetv1.SubnetInfo{}, err
	}
	pending, err := q.k.pendingOf(ctx, []subnetv1.Subnet{s})
	if err != nil {
		return subnetv1.SubnetInfo{}, err
	}
	return subnetv1.SubnetInfo{
		Subnet:            s,
		Pending:           pending[0],
		RegistrationPrice: hyper.RegistrationPrice(s.BurnPrice, s.BurnHeight, height(ctx)),
		NextEpoch:         clockOf(s).Next(),
	}, nil
}

// Metagraph returns everything about the neurons of one subnet.
func (q QueryServer) Metagraph(ctx context.Context, req *subnetv1.QueryMetagraphRequest) (*subnetv1.QueryMetagraphResponse, error) {
	s, err := q.k.subnet(ctx, req.Netuid)
	if err != nil {
		return nil, err
	}
	hyper, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return nil, err
	}
	g, err := q.k.loadGraph(ctx, s)
	if err != nil {
		return nil, err
	}
	outcome, err := getOr(ctx, q.k.outcomes, req.Netuid)
	if err != nil {
		return nil, err
	}
	m := &subnetv1.QueryMetagraphResponse{
		Netuid:         s.Netuid,
		Height:         height(ctx),
		LastEpoch:      s.LastEpoch,
		NextEpoch:      clockOf(s).Next(),
		Incentive:      outcome.Incentive,
		Dividends:      outcome.Dividends,
		Consensus:      outcome.Consensus,
		Trust:          outcome.Trust,
		ValidatorTrust: outcome.ValidatorTrust,
		Emission:       outcome.Emission,
		Permit:         outcome.Permit,
		Active:         outcome.Active,
	}
	for uid, n := range g.neurons {
		endpoint := subnetv1.Endpoint{}
		if n.Endpoint != nil {
			endpoint = *n.Endpoint
		}
		m.Hotkeys = append(m.Hotkeys, n.Hotkey)
		m.Coldkeys = append(m.Coldkeys, n.Coldkey)
		m.Endpoints = append(m.Endpoints, endpoint)
		m.Registered = append(m.Registered, n.Registered)
		m.Updated = append(m.Updated, g.state[uid].Updated)
		m.Stake = append(m.Stake, g.state[uid].Stake)
		m.Immune = append(m.Immune, hyper.Immune(n.Registered, height(ctx)))
	}
	return m, nil
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
	author, err := q.k.author(ctx, req.Netuid, uid, req.Hotkey)
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
	if _, err := q.k.subnet(ctx, req.Netuid); err != nil {
		return nil, err
	}
	resp := &subnetv1.QueryWeightsResponse{}
	err := q.k.weights.Walk(ctx, inSubnet(req.Netuid), func(key collections.Pair[uint32, uint32], stored subnetv1.Row) (bool, error) {
		row, err := unpackRow(stored)
		if err != nil {
			return true, err
		}
		shown := subnetv1.WeightRow{Uid: key.K2(), Updated: stored.Updated}
		for _, e := range row {
			shown.Uids = append(shown.Uids, uint32(e.UID))
			shown.Values = append(shown.Values, uint32(e.Value))
		}
		resp.Rows = append(resp.Rows, shown)
		return false, nil
	})
	return resp, err
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
