package validator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/validator/store"
)

// committer hands a row in, by the way that the subnet takes weights: docs/commit-reveal.md.
//
// Behind a hash, a row is worth nothing without its record. So the record is saved before its hash is sent, there is one
// per epoch, which a retry sends again, and it is forgotten only when the chain says what became of the commit.
type committer struct {
	chain  Chain
	book   *store.Book
	netuid uint32
	hotkey string
	log    *slog.Logger
	at     func(point string) // for tests; may be nil
}

func (c *committer) reached(point string) {
	if c.at != nil {
		c.at(point)
	}
}

// sealedRows are the records of commits behind a hash that are not settled, by epoch.
func sealedRows() store.Kind[metagraph.Sealed] {
	return store.Kind[metagraph.Sealed]{Name: "sealed", Version: 1}
}

func sealedKey(epoch uint64) string { return fmt.Sprintf("%020d", epoch) }

// send hands a row in.
func (c *committer) send(ctx context.Context, rules metagraph.Rules, row []metagraph.Weight) error {
	switch rules.CommitReveal {
	case metagraph.RevealOff:
		return c.chain.SetWeights(ctx, c.netuid, rules.WeightsVersion, row)
	case metagraph.RevealTimelock:
		_, err := c.chain.CommitWeights(ctx, c.netuid, row)
		return err
	case metagraph.RevealHash:
		return c.sendHash(ctx, row)
	default:
		return fmt.Errorf("subnet %d takes weights by commit_reveal %q, which this program does not know: update it", c.netuid, rules.CommitReveal)
	}
}

func (c *committer) sendHash(ctx context.Context, row []metagraph.Weight) error {
	fresh, err := c.chain.SealWeights(ctx, c.netuid, row)
	if err != nil {
		return err
	}
	sealed, err := c.keep(fresh)
	if err != nil {
		return err
	}
	c.reached("sealed")
	err = c.chain.CommitHash(ctx, c.netuid, sealed)
	c.reached("committed")
	return err
}

// keep saves the record of an epoch, and returns the one that was saved first: its hash may be on its way, and a second
// one would be of no use.
func (c *committer) keep(fresh metagraph.Sealed) (sealed metagraph.Sealed, err error) {
	err = c.book.Update(func(tx *store.Tx) error {
		before, ok, err := sealedRows().Get(tx, sealedKey(fresh.Epoch))
		if err != nil || ok {
			sealed = before
			return err
		}
		sealed = fresh
		return sealedRows().Put(tx, sealedKey(fresh.Epoch), fresh)
	})
	return sealed, err
}

// open opens the commits behind a hash that are due, and forgets those that are settled. rules were read before.
func (c *committer) open(ctx context.Context, rules metagraph.Rules) error {
	var kept []metagraph.Sealed
	err := c.book.View(func(tx *store.Tx) error {
		return sealedRows().Each(tx, "", func(_ string, s metagraph.Sealed) error {
			if s.Epoch < rules.Epochs { // none of the present epoch can be due
				kept = append(kept, s)
			}
			return nil
		})
	})
	if err != nil || len(kept) == 0 {
		return err
	}
	commits, err := c.chain.Commits(ctx, c.netuid, c.hotkey)
	if err != nil {
		return err
	}
	var errs []error
	for _, sealed := range kept {
		errs = append(errs, c.settle(ctx, rules, sealed, commits))
	}
	return errors.Join(errs...)
}

// settle opens one commit if it is due, or forgets it if it is settled.
func (c *committer) settle(ctx context.Context, rules metagraph.Rules, sealed metagraph.Sealed, commits []metagraph.Commit) error {
	hash, err := c.chain.SealHash(sealed)
	if err != nil {
		return err
	}
	for _, commit := range commits {
		if !bytes.Equal(commit.Hash, hash) {
			continue
		}
		switch {
		case commit.State != metagraph.CommitHidden:
			return c.forget(sealed, commit)
		case commit.Due > rules.Epochs:
			return nil
		}
		c.reached("due")
		if err := c.chain.OpenHash(ctx, c.netuid, sealed); err != nil {
			return fmt.Errorf("open the weights committed in epoch %d: %w", sealed.Epoch, err)
		}
		c.reached("opened")
		c.log.Info("committed weights opened", "netuid", c.netuid, "epoch", sealed.Epoch)
		return nil // forgotten when the chain says that they are in force
	}
	// Its epoch is over and the chain has no such commit: it never arrived, and cannot any more.
	return c.forget(sealed, metagraph.Commit{State: "never arrived"})
}

func (c *committer) forget(sealed metagraph.Sealed, commit metagraph.Commit) error {
	if commit.State != metagraph.CommitRevealed {
		c.log.Warn("committed weights came to nothing", "netuid", c.netuid, "epoch", sealed.Epoch, "state", commit.State, "reason", commit.Reason)
	}
	return c.book.Update(func(tx *store.Tx) error { return sealedRows().Delete(tx, sealedKey(sealed.Epoch)) })
}
