package keeper

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/types/query"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// maxListedRounds bounds the rounds that query Pulse lists.
const maxListedRounds = 256

// Commits returns the commits of a subnet by uid and age, or those of one
// hotkey.
func (q QueryServer) Commits(ctx context.Context, req *subnetv1.QueryCommitsRequest) (*subnetv1.QueryCommitsResponse, error) {
	if _, err := q.k.subnet(ctx, req.Netuid); err != nil {
		return nil, err
	}
	prefix := collections.TriplePrefix[uint32, uint32, uint64](req.Netuid)
	if req.Hotkey != "" {
		uid, err := q.k.uidOf(ctx, req.Netuid, req.Hotkey)
		if err != nil {
			return nil, err
		}
		prefix = collections.TripleSuperPrefix[uint32, uint32, uint64](req.Netuid, uid)
	}
	commits, page, err := query.CollectionPaginate(ctx, q.k.hidden.commits, req.Pagination,
		func(_ commitKey, c subnetv1.Commit) (subnetv1.Commit, error) { return c, nil },
		func(o *query.CollectionsPaginateOptions[commitKey]) { o.Prefix = &prefix })
	if err != nil {
		return nil, err
	}
	return &subnetv1.QueryCommitsResponse{Commits: commits, Pagination: page}, nil
}

// Pulse returns the beacon, its last round here and the rounds that are
// awaited.
func (q QueryServer) Pulse(ctx context.Context, _ *subnetv1.QueryPulseRequest) (*subnetv1.QueryPulseResponse, error) {
	params, err := q.k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	last, err := itemOr(ctx, q.k.hidden.lastPulse)
	if err != nil {
		return nil, err
	}
	resp := &subnetv1.QueryPulseResponse{Beacon: params.Beacon, Last: last}
	seen := uint64(0)
	err = q.k.hidden.queue.Walk(ctx, nil, func(key collections.Pair[uint64, uint64], _ subnetv1.QueuedCommit) (bool, error) {
		resp.Waiting++
		round := key.K1()
		if round == seen || len(resp.Rounds) == maxListedRounds {
			return false, nil
		}
		seen = round
		known, err := q.k.hidden.pulses.Has(ctx, round)
		if err == nil && !known {
			resp.Rounds = append(resp.Rounds, round)
		}
		return false, err
	})
	return resp, err
}
