package beacon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/plexusnet/plexus/chain/sealing"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// What a zero Runner means.
const (
	DefaultInterval = 2 * time.Second
	// giveUpFor is how long a round that the chain refused is left alone.
	giveUpFor = 30 * time.Second
)

// ErrNoBeacon is returned where the chain's parameters name no beacon.
var ErrNoBeacon = errors.New("the chain has no beacon")

// Chain is what a Runner asks of the chain.
type Chain interface {
	// Pulse returns the beacon and the rounds that commits wait for.
	Pulse(ctx context.Context) (*subnetv1.QueryPulseResponse, error)
	// SubmitPulse returns once the pulse stands in a block.
	SubmitPulse(ctx context.Context, round uint64, signature []byte) error
}

// Source gives the signatures of rounds.
type Source interface {
	// Check fails where the source is not the chain's beacon: ErrWrongBeacon.
	Check(ctx context.Context, publicKey []byte, s timelock.Schedule) error
	// Round returns the signature of a round whose time has come.
	Round(ctx context.Context, round uint64) ([]byte, error)
}

// Runner brings awaited rounds from a source to a chain.
type Runner struct {
	Chain    Chain
	Source   Source
	Log      *slog.Logger
	Interval time.Duration    // between two questions to the chain; 0: DefaultInterval
	Now      func() time.Time // nil: time.Now

	refused map[uint64]time.Time // rounds that failed, and when
	checked timelock.PublicKey
	raw     []byte // of checked
}

// Run works until ctx ends and then returns nil. It goes on through failures of
// the chain and the source, which it logs; only a source that is not the
// chain's beacon ends it, with ErrWrongBeacon, or a chain without one, with
// ErrNoBeacon.
func (r *Runner) Run(ctx context.Context) error {
	interval := r.Interval
	if interval == 0 {
		interval = DefaultInterval
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := false
	for {
		err := r.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrWrongBeacon) || errors.Is(err, ErrNoBeacon):
			return err
		case err != nil && !failing:
			r.Log.Warn("no pulse for now, trying on", "error", err)
		case err == nil && failing:
			r.Log.Info("pulses are back")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Step asks once and submits every awaited round whose time has come.
func (r *Runner) Step(ctx context.Context) error {
	state, err := r.Chain.Pulse(ctx)
	if err != nil {
		return err
	}
	if err := r.check(ctx, state.Beacon); err != nil {
		return err
	}
	now := r.now()
	out := sealing.Schedule(state.Beacon).RoundAt(now.Unix())
	var failed error
	for _, round := range state.Rounds {
		if round > out {
			break // they ascend
		}
		if at, found := r.refused[round]; found && now.Sub(at) < giveUpFor {
			continue
		}
		if err := r.bring(ctx, round); err != nil {
			r.note(round, now)
			failed = errors.Join(failed, fmt.Errorf("round %d: %w", round, err))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return failed
}

// check looks at the beacon when it is new.
func (r *Runner) check(ctx context.Context, b subnetv1.Beacon) error {
	if len(b.PublicKey) == 0 {
		return ErrNoBeacon
	}
	if string(b.PublicKey) == string(r.raw) {
		return nil
	}
	key, err := timelock.ParsePublicKey(b.PublicKey)
	if err != nil {
		return fmt.Errorf("the chain's beacon: %w", err)
	}
	if err := r.Source.Check(ctx, b.PublicKey, sealing.Schedule(b)); err != nil {
		return err
	}
	r.checked, r.raw = key, b.PublicKey
	r.Log.Info("serving the chain's beacon", "public_key", fmt.Sprintf("%x", b.PublicKey), "period_seconds", b.PeriodSeconds)
	return nil
}

func (r *Runner) bring(ctx context.Context, round uint64) error {
	signature, err := r.Source.Round(ctx, round)
	if err != nil {
		return err
	}
	// What the chain would refuse is not worth a transaction.
	if err := r.checked.Verify(round, signature); err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	if err := r.Chain.SubmitPulse(ctx, round, signature); err != nil {
		return err
	}
	r.Log.Info("brought a round", "round", round)
	return nil
}

// note remembers a failure, and forgets those that are over.
func (r *Runner) note(round uint64, now time.Time) {
	if r.refused == nil {
		r.refused = map[uint64]time.Time{}
	}
	for other, at := range r.refused {
		if now.Sub(at) >= giveUpFor {
			delete(r.refused, other)
		}
	}
	r.refused[round] = now
}

func (r *Runner) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}
