package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// History returns what the last epochs meant for whoever has a uid now.
func (q QueryServer) History(ctx context.Context, req *subnetv1.QueryHistoryRequest) (*subnetv1.QueryHistoryResponse, error) {
	s, err := q.k.subnet(ctx, req.Netuid)
	if err != nil {
		return nil, err
	}
	neuron, err := q.k.neurons.Get(ctx, rowKey(req.Netuid, int(req.Uid)))
	if errors.Is(err, collections.ErrNotFound) {
		return nil, ErrUnknownUID.Wrapf("uid %d, subnet %d has given out %d", req.Uid, s.Netuid, s.Neurons)
	}
	if err != nil {
		return nil, err
	}
	entries, err := q.k.historyOf(ctx, neuron, req.Netuid)
	return &subnetv1.QueryHistoryResponse{Hotkey: neuron.Hotkey, Entries: entries}, err
}

// Positions returns all neurons and subnets of a coldkey, or the neurons of a
// hotkey.
func (q QueryServer) Positions(ctx context.Context, req *subnetv1.QueryPositionsRequest) (*subnetv1.QueryPositionsResponse, error) {
	if _, err := q.k.accounts.AddressCodec().StringToBytes(req.Account); err != nil {
		return nil, ErrInvalidRequest.Wrapf("account %q: %v", req.Account, err)
	}
	hotkeys, page, err := query.CollectionPaginate(ctx, q.k.hotkeysOf, req.Pagination,
		func(key collections.Pair[string, string], _ collections.NoValue) (string, error) {
			return key.K2(), nil
		},
		query.WithCollectionPaginationPairPrefix[string, string](req.Account))
	if err != nil {
		return nil, err
	}
	resp := &subnetv1.QueryPositionsResponse{Pagination: page}
	if resp.Subnets, err = q.k.subnetsOf(ctx, req.Account); err != nil {
		return nil, err
	}
	if len(hotkeys) == 0 && (req.Pagination == nil || len(req.Pagination.Key) == 0 && req.Pagination.Offset == 0) {
		hotkeys = []string{req.Account}
	}
	outcomes := map[uint32]subnetv1.Outcome{} // large, and shared by the neurons of a subnet
	for _, hotkey := range hotkeys {
		if resp.Positions, err = q.appendPositions(ctx, resp.Positions, hotkey, outcomes); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

func (q QueryServer) appendPositions(ctx context.Context, positions []subnetv1.Position, hotkey string, outcomes map[uint32]subnetv1.Outcome) ([]subnetv1.Position, error) {
	keys, err := q.k.positionsOf(ctx, hotkey)
	if err != nil || len(keys) == 0 {
		return positions, err
	}
	_, stake, err := q.k.stakeOf(ctx, hotkey)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		netuid, uid := key.K1(), int(key.K2())
		neuron, err := q.k.neurons.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		o, read := outcomes[netuid]
		if !read {
			if o, err = getOr(ctx, q.k.outcomes, netuid); err != nil {
				return nil, err
			}
			outcomes[netuid] = o
		}
		positions = append(positions, subnetv1.Position{
			Netuid:    netuid,
			Neuron:    neuron,
			Stake:     stake,
			Incentive: at(o.Incentive, uid),
			Dividends: at(o.Dividends, uid),
			Emission:  at(o.Emission, uid),
			Permit:    at(o.Permit, uid),
		})
	}
	return positions, nil
}

// Identity returns what an account, or the owner of a subnet, says of itself.
func (q QueryServer) Identity(ctx context.Context, req *subnetv1.QueryIdentityRequest) (*subnetv1.QueryIdentityResponse, error) {
	identity, err := q.k.identities.Get(ctx, req.Subject)
	if errors.Is(err, collections.ErrNotFound) {
		return nil, ErrNoIdentity.Wrapf("%q: want the address of an account or a netuid that said something of itself", req.Subject)
	}
	return &subnetv1.QueryIdentityResponse{Identity: identity}, err
}

// RootWeights returns who says what the subnets are worth, and the shares that
// follow from all of it, before demand moves them.
func (q QueryServer) RootWeights(ctx context.Context, req *subnetv1.QueryRootWeightsRequest) (*subnetv1.QueryRootWeightsResponse, error) {
	votes, page, err := query.CollectionPaginate(ctx, q.k.rootWeights, req.Pagination, func(hotkey string, stored subnetv1.Row) (subnetv1.RootVote, error) {
		row, err := unpackRow(stored)
		if err != nil {
			return subnetv1.RootVote{}, err
		}
		_, stake, err := q.k.stakeOf(ctx, hotkey)
		vote := subnetv1.RootVote{Hotkey: hotkey, Stake: stake, Updated: stored.Updated}
		vote.Netuids, vote.Values = split(row)
		return vote, err
	})
	if err != nil {
		return nil, err
	}
	all, err := q.k.allSubnets(ctx)
	if err != nil {
		return nil, err
	}
	netuids := netuidsOf(all)
	shares, err := q.k.rootShares(ctx, netuids)
	return &subnetv1.QueryRootWeightsResponse{
		Votes: votes, Netuids: netuids, Shares: subnet.Apportion(shareWhole, shares), Pagination: page,
	}, err
}
