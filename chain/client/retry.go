package chainclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	retryFirst = 250 * time.Millisecond
	retryMax   = 10 * time.Second
	pollFirst  = 100 * time.Millisecond
	pollMax    = time.Second
)

// Retry runs fn until it succeeds or fails for another reason than
// ErrUnavailable, waiting longer each time (from 0.25 s to 10 s, with jitter).
// It logs once when the chain went away and once when it is back; a nil log
// says nothing. The error is fn's, or ctx's when it ended the wait.
func Retry(ctx context.Context, what string, log *slog.Logger, fn func(context.Context) error) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var since time.Time
	for delay := retryFirst; ; delay = min(2*delay, retryMax) {
		err := fn(ctx)
		if !errors.Is(err, ErrUnavailable) {
			if !since.IsZero() && err == nil {
				log.Info("chain is back", "task", what, "away", time.Since(since).Round(time.Millisecond))
			}
			return err
		}
		if since.IsZero() {
			since = time.Now()
			log.Warn("chain unavailable, retrying", "task", what, "error", err)
		}
		if pause(ctx, jitter(delay)) != nil {
			return fmt.Errorf("%s: %w (last answer: %w)", what, ctx.Err(), err)
		}
	}
}

// jitter is between half of d and d, so that programs that lost the chain
// together do not return together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll spaces questions whose answer is expected within a block: quick at
// first, for test networks, then once per second.
type poll struct{ next time.Duration }

func newPoll() *poll { return &poll{next: pollFirst} }

func (p *poll) wait(ctx context.Context) error {
	d := p.next
	p.next = min(d+d/2, pollMax)
	return pause(ctx, d)
}
