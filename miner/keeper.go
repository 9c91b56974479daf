package miner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
)

// Chain is what a miner needs of the chain.
type Chain interface {
	membership.Chain
	// Serve announces where the hotkey's neuron answers.
	Serve(ctx context.Context, netuid uint32, endpoint metagraph.Endpoint) error
}

// DefaultWatchInterval is how often a keeper looks at the chain.
const DefaultWatchInterval = 5 * time.Second

// Keeper registers a miner's hotkey and keeps the chain's record of its endpoint true.
type Keeper struct {
	Member   membership.Member
	Chain    Chain
	Endpoint metagraph.Endpoint // what to announce
	// Current, if not nil, brings the endpoint up to date before each look: a model may have been swapped for another.
	Current  func(metagraph.Endpoint) metagraph.Endpoint
	Interval time.Duration // between looks at the chain; DefaultWatchInterval when 0
	Metrics  *Metrics      // counted for nobody when nil
	Log      *slog.Logger

	seen metagraph.Standing // as of the last look
	lost bool               // deregistered, and said so
	held bool               // waiting for the serving rate limit, and said so
}

// Run joins the subnet, announces the endpoint, and watches both until ctx ends. A chain that is down is waited for. The
// error says why the miner cannot join; what happens after it has joined is logged and mended, and ends nothing.
func (k *Keeper) Run(ctx context.Context) error {
	if k.Interval <= 0 {
		k.Interval = DefaultWatchInterval
	}
	if k.Metrics == nil {
		k.Metrics = NewMetrics()
	}
	standing, err := k.Member.Join(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	k.Log.Info("joined", "netuid", k.Member.Netuid, "uid", standing.UID, "hotkey", k.Member.Hotkey)
	k.note(standing)
	for {
		next := k.Interval
		if k.Current != nil {
			k.Endpoint = k.Current(k.Endpoint)
		}
		if err := k.announce(ctx); err != nil && ctx.Err() == nil {
			k.Log.Error("announcing the endpoint failed, trying again", "error", err, "in", next)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next):
		}
		if err := k.look(ctx); err != nil && ctx.Err() == nil {
			k.Log.Error("looking at the chain failed, trying again", "error", err, "in", next)
		}
	}
}

// ended leaves out errors that only say that the program was told to end.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// announce tells the chain where the miner answers, if it says otherwise and may be told.
func (k *Keeper) announce(ctx context.Context) error {
	if k.lost || k.seen.Endpoint.Equal(k.Endpoint) {
		return nil
	}
	if k.seen.BlocksUntilServe > 0 {
		if !k.held {
			k.Log.Warn("the chain has another endpoint and takes a new one only later", "blocks", k.seen.BlocksUntilServe)
		}
		k.held = true
		return nil
	}
	k.held = false
	err := k.Chain.Retry(ctx, "announce the endpoint", func(ctx context.Context) error {
		return k.Chain.Serve(ctx, k.Member.Netuid, k.Endpoint)
	})
	if err != nil {
		return err
	}
	k.seen.Endpoint = k.Endpoint
	k.Log.Info("announced", "netuid", k.Member.Netuid, "uid", k.seen.UID, "endpoint", k.Endpoint.Address(),
		"model", k.Endpoint.Model, "sha256", fmt.Sprintf("%x", k.Endpoint.ModelSHA256))
	return nil
}

// look reads how the neuron stands and says what has changed.
func (k *Keeper) look(ctx context.Context) error {
	var standing metagraph.Standing
	err := k.Chain.Retry(ctx, "watch the chain", func(ctx context.Context) (err error) {
		standing, err = k.Member.Check(ctx)
		return err
	})
	if errors.Is(err, membership.ErrDeregistered) {
		if !k.lost {
			k.Log.Error("deregistered: still serving, earning nothing", "error", err)
		}
		k.lost = true
		k.Metrics.uid.Set(-1)
		k.Metrics.emission.Set(0)
		return nil
	}
	if err != nil {
		return err
	}
	if k.lost {
		k.Log.Info("registered again", "netuid", k.Member.Netuid, "uid", standing.UID)
		k.lost = false
	}
	k.note(standing)
	return nil
}

func (k *Keeper) note(standing metagraph.Standing) {
	if standing.Emission != k.seen.Emission {
		k.Log.Info("emission of the last epoch", "uid", standing.UID, "emission", amount.Format(standing.Emission))
	}
	k.Metrics.uid.Set(float64(standing.UID))
	k.Metrics.emission.Set(float64(standing.Emission))
	k.seen = standing
}
