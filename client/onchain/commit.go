package onchain

import (
	"context"
	"fmt"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/sealing"
	"github.com/plexusnet/plexus/client/metagraph"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// CommitWeights hides the hotkey's opinion until a round of the network's beacon opens it, and returns the epoch that it
// was committed in. When an epoch goes by meanwhile it is built again.
func (c *Chain) CommitWeights(ctx context.Context, netuid uint32, weights []metagraph.Weight) (epoch uint64, err error) {
	if c.keys.Hotkey == nil {
		return 0, fmt.Errorf("%w: committing weights needs a hotkey", ErrNoKey)
	}
	done, err := c.node.CommitWeights(ctx, c.keys.Hotkey, netuid, fromWeights(weights))
	return done.Epoch, signing(c.keys.Hotkey, err)
}

// SealWeights prepares a commit to the hash of the hotkey's opinion, in the subnet's present epoch. It is to be kept
// before CommitHash sends the hash.
func (c *Chain) SealWeights(ctx context.Context, netuid uint32, weights []metagraph.Weight) (metagraph.Sealed, error) {
	if c.keys.Hotkey == nil {
		return metagraph.Sealed{}, fmt.Errorf("%w: committing weights needs a hotkey", ErrNoKey)
	}
	sealed, err := c.node.SealWeights(ctx, c.keys.Hotkey, netuid, fromWeights(weights))
	if err != nil {
		return metagraph.Sealed{}, translate(err)
	}
	record, err := sealed.Marshal()
	if err != nil {
		return metagraph.Sealed{}, fmt.Errorf("encode the weights: %w", err)
	}
	return metagraph.Sealed{Epoch: sealed.Epoch, Record: record}, nil
}

// CommitHash commits to the hash of a sealed opinion.
func (c *Chain) CommitHash(ctx context.Context, netuid uint32, sealed metagraph.Sealed) error {
	return c.hash(ctx, netuid, sealed, func(s *subnetv1.SealedWeights) (next, opening *subnetv1.SealedWeights) { return s, nil })
}

// OpenHash opens what CommitHash committed to.
func (c *Chain) OpenHash(ctx context.Context, netuid uint32, sealed metagraph.Sealed) error {
	return c.hash(ctx, netuid, sealed, func(s *subnetv1.SealedWeights) (next, opening *subnetv1.SealedWeights) { return nil, s })
}

func (c *Chain) hash(ctx context.Context, netuid uint32, sealed metagraph.Sealed, as func(*subnetv1.SealedWeights) (next, opening *subnetv1.SealedWeights)) error {
	if c.keys.Hotkey == nil {
		return fmt.Errorf("%w: committing weights needs a hotkey", ErrNoKey)
	}
	record, err := unseal(sealed)
	if err != nil {
		return err
	}
	next, opening := as(record)
	_, err = c.node.CommitHash(ctx, c.keys.Hotkey, netuid, next, opening)
	return signing(c.keys.Hotkey, err)
}

// SealHash returns what the chain knows a sealed opinion by.
func (c *Chain) SealHash(sealed metagraph.Sealed) ([]byte, error) {
	record, err := unseal(sealed)
	if err != nil {
		return nil, err
	}
	return sealing.Hash(record)
}

func unseal(sealed metagraph.Sealed) (*subnetv1.SealedWeights, error) {
	var record subnetv1.SealedWeights
	if err := record.Unmarshal(sealed.Record); err != nil {
		return nil, fmt.Errorf("the weights sealed in epoch %d cannot be read: %w", sealed.Epoch, err)
	}
	return &record, nil
}

// Commits returns the hidden commits of a hotkey, and those that were settled not long ago.
func (c *Chain) Commits(ctx context.Context, netuid uint32, hotkey string) ([]metagraph.Commit, error) {
	all, err := c.node.Commits(ctx, netuid, hotkey)
	if err != nil {
		return nil, translate(err)
	}
	out := make([]metagraph.Commit, len(all))
	for i, one := range all {
		state, err := fromStatus(one.Status)
		if err != nil {
			return nil, err
		}
		out[i] = metagraph.Commit{Epoch: one.Epoch, Due: one.Due, Hash: one.Hash, State: state, Reason: one.Reason}
	}
	return out, nil
}

func fromStatus(status subnetv1.CommitStatus) (metagraph.CommitState, error) {
	switch status {
	case subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN:
		return metagraph.CommitHidden, nil
	case subnetv1.CommitStatus_COMMIT_STATUS_REVEALED:
		return metagraph.CommitRevealed, nil
	case subnetv1.CommitStatus_COMMIT_STATUS_FAILED:
		return metagraph.CommitFailed, nil
	case subnetv1.CommitStatus_COMMIT_STATUS_EXPIRED:
		return metagraph.CommitExpired, nil
	default:
		return "", fmt.Errorf("%w: commit with status %v", ErrMalformed, status)
	}
}

func fromWeights(weights []metagraph.Weight) chainclient.Weights {
	var row chainclient.Weights
	for _, w := range weights {
		row.UIDs = append(row.UIDs, uint32(w.UID))
		row.Values = append(row.Values, uint32(w.Value))
	}
	return row
}
