package keeper

import (
	"context"
	"fmt"

	"github.com/plexusnet/plexus/chain/sealing"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// maxRevealEpochs is the longest reveal_period that a commit can be from.
const maxRevealEpochs = 100

// validateCommits reports what is wrong with the commits of a genesis.
func validateCommits(g *subnetv1.GenesisState) error {
	subnets := map[uint32]subnetv1.Subnet{}
	for _, s := range g.Subnets {
		subnets[s.Subnet.Netuid] = s.Subnet
	}
	seen := map[uint64]bool{}
	for _, c := range g.Commits {
		if c.Id == 0 || c.Id >= g.NextCommit || seen[c.Id] {
			return fmt.Errorf("commit %d: ids must differ, start at 1 and be less than next_commit, %d", c.Id, g.NextCommit)
		}
		seen[c.Id] = true
		if err := validateCommit(c, subnets[c.Netuid]); err != nil {
			return fmt.Errorf("commit %d: %w", c.Id, err)
		}
	}
	for _, p := range g.Pulses {
		if p.Round == 0 || len(p.Signature) != timelock.SignatureBytes {
			return fmt.Errorf("pulse of round %d has a signature of %d bytes, want a round from 1 and %d bytes", p.Round, len(p.Signature), timelock.SignatureBytes)
		}
	}
	return nil
}

func validateCommit(c subnetv1.Commit, s subnetv1.Subnet) error {
	if c.Uid >= s.Neurons {
		return fmt.Errorf("uid %d does not exist in subnet %d", c.Uid, c.Netuid)
	}
	if c.Epoch > s.Epochs || c.Due < c.Epoch || c.Due-c.Epoch > maxRevealEpochs {
		return fmt.Errorf("it is of epoch %d and due in epoch %d, the subnet is in epoch %d", c.Epoch, c.Due, s.Epochs)
	}
	if err := validHeights(c.Height, c.Settled); err != nil {
		return err
	}
	switch c.Status {
	case subnetv1.CommitStatus_COMMIT_STATUS_REVEALED, subnetv1.CommitStatus_COMMIT_STATUS_FAILED, subnetv1.CommitStatus_COMMIT_STATUS_EXPIRED:
		return nil
	case subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN:
	default:
		return fmt.Errorf("status is %s", c.Status)
	}
	if !isTimelocked(c) {
		if len(c.Hash) != 32 || c.Round != 0 {
			return fmt.Errorf("hash has %d bytes and round is %d, want 32 and 0", len(c.Hash), c.Round)
		}
		return nil
	}
	if n := len(c.Ciphertext); c.Round == 0 || n <= timelock.Overhead || n > sealing.MaxCiphertext(1<<16) {
		return fmt.Errorf("round is %d and the ciphertext has %d bytes", c.Round, n)
	}
	return nil
}

// initCommits stores the commits of a genesis, after its subnets.
func (k *Keeper) initCommits(ctx context.Context, g *subnetv1.GenesisState) error {
	if g.NextCommit > 0 {
		if err := k.hidden.nextID.Set(ctx, g.NextCommit); err != nil {
			return err
		}
	}
	for _, c := range g.Commits {
		if err := k.initCommit(ctx, c); err != nil {
			return fmt.Errorf("commit %d: %w", c.Id, err)
		}
	}
	for i, p := range g.Pulses {
		queued, err := k.hasQueued(ctx, p.Round)
		if err != nil {
			return err
		}
		if queued {
			if err := k.hidden.pulses.Set(ctx, p.Round, p); err != nil {
				return err
			}
		}
		if i == len(g.Pulses)-1 {
			if err := k.hidden.lastPulse.Set(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *Keeper) initCommit(ctx context.Context, c subnetv1.Commit) error {
	if err := k.hidden.commits.Set(ctx, commitKeyOf(c), c); err != nil {
		return err
	}
	key := rowKey(c.Netuid, int(c.Uid))
	last, err := getOr(ctx, k.hidden.committed, key)
	if err != nil {
		return err
	}
	if err := k.hidden.committed.Set(ctx, key, max(last, c.Height)); err != nil {
		return err
	}
	if !isHidden(c) || !isTimelocked(c) {
		return nil
	}
	return k.enqueue(ctx, c)
}

// exportCommits adds the commits, with the last pulse at the end of the pulses.
func (k *Keeper) exportCommits(ctx context.Context, g *subnetv1.GenesisState) error {
	var err error
	if g.Commits, err = k.commitsOf(ctx, nil); err != nil {
		return err
	}
	if g.NextCommit, err = itemOr(ctx, k.hidden.nextID); err != nil {
		return err
	}
	last, err := itemOr(ctx, k.hidden.lastPulse)
	if err != nil || last.Round == 0 {
		return err
	}
	pulses, err := k.storedPulses(ctx)
	if err != nil {
		return err
	}
	for _, p := range pulses {
		if p.Round != last.Round {
			g.Pulses = append(g.Pulses, p)
		}
	}
	g.Pulses = append(g.Pulses, last)
	return nil
}
