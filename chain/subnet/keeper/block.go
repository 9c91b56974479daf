package keeper

import (
	"context"
	"fmt"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// EndBlock mints the block's reward and shares it out, pays the streams of the
// validators, opens hidden weights and runs the epochs that are due.
func (k *Keeper) EndBlock(ctx context.Context) error {
	all, err := k.allSubnets(ctx)
	if err != nil {
		return err
	}
	if err := k.emit(ctx, all); err != nil {
		return fmt.Errorf("emission: %w", err)
	}
	if err := k.payStreams(ctx, netuidsOf(all)); err != nil {
		return fmt.Errorf("validator streams: %w", err)
	}
	if err := k.settleCommits(ctx, all); err != nil {
		return fmt.Errorf("hidden weights: %w", err)
	}
	return k.runEpochs(ctx, all)
}

// allSubnets reads every subnet, in order of netuid.
func (k *Keeper) allSubnets(ctx context.Context) ([]subnetv1.Subnet, error) {
	it, err := k.subnets.Iterate(ctx, nil)
	if err != nil {
		return nil, err
	}
	return it.Values()
}

// emit mints one block's reward and adds it to the pending emission of the
// subnets in proportion to their shares, which demand may move. Without a subnet nothing is minted.
func (k *Keeper) emit(ctx context.Context, all []subnetv1.Subnet) error {
	reward := subnet.BlockReward(k.supply(ctx))
	if reward == 0 || len(all) == 0 {
		return nil
	}
	shares, err := k.countRootVotes(ctx, netuidsOf(all))
	if err != nil {
		return err
	}
	parts, err := k.divide(ctx, reward, netuidsOf(all), shares)
	if err != nil {
		return err
	}
	if err := k.mint(ctx, reward); err != nil {
		return err
	}
	amounts, err := k.pendingOf(ctx, all)
	if err != nil {
		return err
	}
	for i, part := range parts {
		amounts[i] += part.Total()
	}
	return k.setPending(ctx, all, amounts)
}

// pendingOf returns the pending emission of the given subnets, in their order.
func (k *Keeper) pendingOf(ctx context.Context, all []subnetv1.Subnet) ([]uint64, error) {
	p, err := itemOr(ctx, k.pending)
	if err != nil {
		return nil, err
	}
	amounts := make([]uint64, len(all))
	for i, s := range all {
		if at, found := slices.BinarySearch(p.Netuids, s.Netuid); found {
			amounts[i] = p.Amounts[at]
		}
	}
	return amounts, nil
}

func (k *Keeper) setPending(ctx context.Context, all []subnetv1.Subnet, amounts []uint64) error {
	return k.pending.Set(ctx, subnetv1.Pending{Netuids: netuidsOf(all), Amounts: amounts})
}

// payStreams pays every validator what its streams owe it in this block. What
// a stream has paid follows from the height, so nothing is written back; only
// the record of a removed subnet is deleted with its last payment.
func (k *Keeper) payStreams(ctx context.Context, netuids []uint32) error {
	now := height(ctx)
	owed := map[string]uint64{} // by operator
	var operators []string
	var ended []uint32
	err := k.streams.Walk(ctx, nil, func(netuid uint32, s subnetv1.Streams) (bool, error) {
		streams := streamsFromProto(s)
		for _, stream := range streams {
			due := stream.Due(now)
			if due == 0 {
				continue
			}
			if owed[stream.Validator] == 0 {
				operators = append(operators, stream.Validator)
			}
			owed[stream.Validator] += due
		}
		if _, exists := slices.BinarySearch(netuids, netuid); !exists && len(subnet.Running(streams, now)) == 0 {
			ended = append(ended, netuid)
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	for _, netuid := range ended {
		if err := k.streams.Remove(ctx, netuid); err != nil {
			return err
		}
	}
	slices.Sort(operators)
	for _, operator := range operators {
		if err := k.reward(ctx, operator, owed[operator]); err != nil {
			return err
		}
	}
	return nil
}

// runEpochs runs the epochs that are due, at most max_epochs_per_block of
// them; the others follow in the next blocks.
func (k *Keeper) runEpochs(ctx context.Context, all []subnetv1.Subnet) error {
	params, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	clocks := make([]subnet.Clock, len(all))
	for i, s := range all {
		clocks[i] = clockOf(s)
	}
	for _, i := range subnet.DueEpochs(clocks, height(ctx), int(params.MaxEpochsPerBlock)) {
		if err := k.runEpochSafely(ctx, params, all[i]); err != nil {
			return err
		}
	}
	return nil
}

func clockOf(s subnetv1.Subnet) subnet.Clock {
	return subnet.Clock{LastEpoch: s.LastEpoch, Tempo: s.Hyperparams.Tempo}
}

// runEpochSafely keeps a fault in one subnet from stopping the chain: the
// epoch is undone, said in an event, and tried again a tempo later. Nothing is
// lost, its emission stays pending.
func (k *Keeper) runEpochSafely(ctx context.Context, params subnetv1.Params, s subnetv1.Subnet) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	epochCtx, commit := sdkCtx.CacheContext()
	err := k.runEpoch(epochCtx, params, s)
	if err == nil {
		commit()
		return nil
	}
	sdkCtx.Logger().Error("epoch failed", "netuid", s.Netuid, "error", err)
	emitEvent(ctx, "epoch_failed", attr("netuid", s.Netuid), attr("reason", err))
	s.LastEpoch = height(ctx)
	return k.subnets.Set(ctx, s.Netuid, s)
}
