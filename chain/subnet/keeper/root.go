package keeper

import (
	"context"
	"slices"

	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// checkRootWeights decides whether a validator may say now what the subnets
// are worth, and returns the row to store.
func (k *Keeper) checkRootWeights(ctx context.Context, msg *subnetv1.MsgSetRootWeights) (consensus.Row, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	operator, stake, err := k.stakeOf(ctx, msg.Hotkey)
	if err != nil {
		return nil, err
	}
	if operator == "" {
		return nil, ErrNotRegistered.Wrapf("hotkey %s has no staking validator: bind it first (plexus tx subnet bind-hotkey)", msg.Hotkey)
	}
	netuids, err := k.existing(ctx, msg.Netuids)
	if err != nil {
		return nil, err
	}
	author, err := k.rootAuthor(ctx, msg.Hotkey, stake)
	if err != nil {
		return nil, err
	}
	row, err := rootRules(params, netuids).Check(height(ctx), author, subnet.RootOpinion{Netuids: msg.Netuids, Values: msg.Values})
	return row, refuse(err)
}

func rootRules(p subnetv1.Params, netuids []uint32) subnet.RootRules {
	return subnet.RootRules{StakeThreshold: p.StakeThreshold, RateLimit: p.RootWeightsRateLimit, Netuids: netuids}
}

func (k *Keeper) rootAuthor(ctx context.Context, hotkey string, stake uint64) (subnet.Author, error) {
	has, err := k.rootWeights.Has(ctx, hotkey)
	if err != nil || !has {
		return subnet.Author{Stake: stake}, err
	}
	last, err := k.rootWeights.Get(ctx, hotkey)
	return subnet.Author{Stake: stake, HasSet: true, Updated: last.Updated}, err
}

// setRootWeights stores an opinion. One taken back is stored as an empty row,
// so that taking it back and giving it again is bounded by the rate limit.
func (k *Keeper) setRootWeights(ctx context.Context, msg *subnetv1.MsgSetRootWeights) error {
	row, err := k.checkRootWeights(ctx, msg)
	if err != nil {
		return err
	}
	emitEvent(ctx, "root_weights", attr("hotkey", msg.Hotkey), attr("count", len(row)))
	return k.rootWeights.Set(ctx, msg.Hotkey, packRow(row, height(ctx)))
}

// existing returns which of the named subnets exist, ascending, up to the first
// that does not: after it the rest makes no difference, and is not looked up.
func (k *Keeper) existing(ctx context.Context, named []uint32) ([]uint32, error) {
	sorted := slices.Compact(slices.Sorted(slices.Values(named)))
	for i, netuid := range sorted {
		if exists, err := k.subnets.Has(ctx, netuid); err != nil || !exists {
			return sorted[:i], err
		}
	}
	return sorted, nil
}

func netuidsOf(all []subnetv1.Subnet) []uint32 {
	netuids := make([]uint32, len(all))
	for i, s := range all {
		netuids[i] = s.Netuid
	}
	return netuids
}

// rootVotes reads every opinion with the stake that its author has now, and
// lists the authors whose validator is gone.
func (k *Keeper) rootVotes(ctx context.Context, netuids []uint32) (votes []subnet.RootVote, dead []string, err error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, nil, err
	}
	err = k.rootWeights.Walk(ctx, nil, func(hotkey string, stored subnetv1.Row) (bool, error) {
		v, found, err := k.validatorOf(ctx, hotkey)
		if err != nil {
			return true, err
		}
		if !found {
			dead = append(dead, hotkey)
			return false, nil
		}
		stake := stakeNplx(v)
		if stake == 0 || stake < params.StakeThreshold {
			return false, nil
		}
		row, err := unpackRow(stored)
		if err != nil {
			return true, err
		}
		if row = subnet.ByIndex(row, netuids); len(row) > 0 {
			votes = append(votes, subnet.RootVote{Stake: stake, Weights: row})
		}
		return false, nil
	})
	return votes, dead, err
}

// rootShares returns the share of each subnet in the block reward, in the order
// of the given netuids.
func (k *Keeper) rootShares(ctx context.Context, netuids []uint32) ([]uint64, error) {
	votes, _, err := k.rootVotes(ctx, netuids)
	return subnet.RootShares(votes, len(netuids)), err
}

// countRootVotes is rootShares for the block that pays by them. It forgets the
// root weights of hotkeys whose validator is gone, so that what every block
// has to read stays bounded by the validators there are.
func (k *Keeper) countRootVotes(ctx context.Context, netuids []uint32) ([]uint64, error) {
	votes, dead, err := k.rootVotes(ctx, netuids)
	if err != nil {
		return nil, err
	}
	for _, hotkey := range dead {
		if err := k.rootWeights.Remove(ctx, hotkey); err != nil {
			return nil, err
		}
	}
	return subnet.RootShares(votes, len(netuids)), nil
}
