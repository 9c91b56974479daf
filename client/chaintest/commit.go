package chaintest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/plexusnet/plexus/client/metagraph"
)

// commit is a hidden row. Its period is one epoch.
type commit struct {
	metagraph.Commit
	hotkey string
	uid    uint16
	height uint64
	row    []metagraph.Weight // known to the chain only if timelocked, or once opened
}

// settle opens what is timelocked and due, and lets expire what its author did not open. The caller holds the lock.
func (c *Chain) settle() {
	for i := range c.commits {
		one := &c.commits[i]
		switch {
		case one.State != metagraph.CommitHidden:
		case one.Hash == nil && c.rules.Epochs >= one.Due:
			c.reveal(one)
		case one.Hash != nil && c.rules.Epochs > one.Due:
			one.State = metagraph.CommitExpired
		}
	}
}

func (c *Chain) reveal(one *commit) {
	one.State = metagraph.CommitRevealed
	c.weights[one.uid] = one.row
}

// hide adds a commit, of which a neuron may have one per epoch. The caller holds the lock.
func (v *View) hide(netuid uint32, scheme string, epoch uint64, one commit) error {
	n, err := v.author(netuid, scheme)
	if err != nil {
		return err
	}
	for _, other := range v.commits {
		if other.hotkey == v.hotkey && other.Epoch == v.rules.Epochs {
			return fmt.Errorf("%w: committed in epoch %d already", ErrRefused, other.Epoch)
		}
	}
	if epoch != v.rules.Epochs {
		return fmt.Errorf("%w: a commit of epoch %d in epoch %d", ErrRefused, epoch, v.rules.Epochs)
	}
	one.Epoch, one.Due, one.State = epoch, epoch+1, metagraph.CommitHidden
	one.hotkey, one.uid, one.height = v.hotkey, n.UID, v.graph.Height
	v.commits = append(v.commits, one)
	v.updated[n.UID] = v.graph.Height
	return nil
}

// CommitWeights hides a row for an epoch.
func (v *View) CommitWeights(_ context.Context, netuid uint32, row []metagraph.Weight) (uint64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.check(row); err != nil {
		return 0, err
	}
	return v.rules.Epochs, v.hide(netuid, metagraph.RevealTimelock, v.rules.Epochs, commit{row: row})
}

// sealed is the record of a row behind a hash.
type sealed struct {
	Row  []metagraph.Weight
	Salt int
}

// SealWeights prepares a commit to a hash.
func (v *View) SealWeights(_ context.Context, netuid uint32, row []metagraph.Weight) (metagraph.Sealed, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.subnet(netuid); err != nil {
		return metagraph.Sealed{}, err
	}
	record, err := json.Marshal(sealed{Row: row, Salt: v.calls})
	return metagraph.Sealed{Epoch: v.rules.Epochs, Record: record}, err
}

// SealHash returns the hash that the chain knows a sealed row by.
func (v *View) SealHash(s metagraph.Sealed) ([]byte, error) {
	sum := sha256.Sum256(s.Record)
	return sum[:], nil
}

// CommitHash commits to a hash.
func (v *View) CommitHash(_ context.Context, netuid uint32, s metagraph.Sealed) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	hash, err := v.SealHash(s)
	if err != nil {
		return err
	}
	return v.hide(netuid, metagraph.RevealHash, s.Epoch, commit{Commit: metagraph.Commit{Hash: hash}})
}

// OpenHash opens a commit to a hash, in the epoch in which it is due.
func (v *View) OpenHash(_ context.Context, netuid uint32, s metagraph.Sealed) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.transaction(netuid); err != nil {
		return err
	}
	hash, err := v.SealHash(s)
	if err != nil {
		return err
	}
	var opening sealed
	if err := json.Unmarshal(s.Record, &opening); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	for i := range v.commits {
		one := &v.commits[i]
		if one.hotkey == v.hotkey && one.State == metagraph.CommitHidden && one.Due == v.rules.Epochs && bytes.Equal(one.Hash, hash) {
			one.row = opening.Row
			v.reveal(one)
			return nil
		}
	}
	return fmt.Errorf("%w: no such commit is due", ErrRefused)
}

// Commits returns the commits of a hotkey.
func (v *View) Commits(_ context.Context, netuid uint32, hotkey string) ([]metagraph.Commit, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.subnet(netuid); err != nil {
		return nil, err
	}
	return v.committed(hotkey), nil
}

// Committed returns the commits of a hotkey, at any time.
func (c *Chain) Committed(hotkey string) []metagraph.Commit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.committed(hotkey)
}

func (c *Chain) committed(hotkey string) []metagraph.Commit {
	var out []metagraph.Commit
	for _, one := range c.commits {
		if one.hotkey == hotkey {
			out = append(out, one.Commit)
		}
	}
	return out
}
