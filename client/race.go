package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// budget bounds retries and hedges: each request earns a share of one, each of them costs one, and some are saved up.
type budget struct {
	share, most float64
	mu          sync.Mutex
	left        float64
}

func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(b.most, b.left+b.share)
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// race is one request and the calls to miners that are made for it. Only the goroutine of the request touches it, but for
// what is sent to it.
type race struct {
	client *Client
	subnet *subnet
	req    *Request
	input  uint64 // bytes of the inputs

	ctx     context.Context // of the calls: ends with the race
	tried   []*miner
	failed  []Failure
	cause   error // why no others are asked
	skipped int   // of those tried, that were too dear to be asked
	again   int   // calls that were to be tried once more
	running int
	results chan result // nobody waits for it once the race is over
	wake    chan error  // why another should be asked while one is in hand
}

// result is what came of one call.
type result struct {
	call   *call
	answer *Answer
	err    error
}

var (
	// errHedge: the answer takes long, and the caller wants another miner asked then.
	errHedge = errors.New("no answer yet")
	// errAgain: the miner can be asked once more, knowing better, and so can others.
	errAgain = errors.New("to be tried again")
)

func newRace(c *Client, s *subnet, req *Request) *race {
	r := &race{client: c, subnet: s, req: req, results: make(chan result), wake: make(chan error)}
	for _, t := range req.Inputs {
		r.input += uint64(len(t.Data))
	}
	return r
}

// run asks miners until one answers.
func (r *race) run(ctx context.Context) (*Answer, error) {
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	r.client.budget.earn()
	r.next(false)
	for r.running > 0 {
		select {
		case res := <-r.results:
			r.running--
			if res.err == nil {
				res.answer.Failed, res.answer.InHand = r.failed, r.running
				return res.answer, nil
			}
			if err := ended(ctx); err != nil {
				return nil, err
			}
			r.another(res)
		case reason := <-r.wake:
			if r.mayAsk() && r.client.budget.spend() {
				r.client.options.Log.Debug("asking another miner as well", "netuid", r.req.Netuid, "reason", reason)
				r.next(true)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.client.ctx.Done():
			return nil, ErrClosed
		}
	}
	return nil, r.none()
}

// ended returns why a context has ended, nil while it has not. A deadline that has passed counts before its timer fires, as
// it does for gRPC: what fails then is not the miner's failure.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, has := ctx.Deadline(); has && !deadline.After(time.Now()) {
		return context.DeadlineExceeded
	}
	return nil
}

// maxAgain bounds how often calls of one request are tried once more.
const maxAgain = 8

// another asks a miner after a call that failed, where that may be.
func (r *race) another(res result) {
	one := res.call.candidate
	if errors.Is(res.err, errAgain) && r.again < maxAgain {
		r.again++
		r.tried = slices.DeleteFunc(r.tried, func(m *miner) bool { return m == one.miner })
		r.next(false)
		return
	}
	r.client.options.Log.Info("miner failed", "uid", one.neuron.UID, "endpoint", one.neuron.Endpoint.Address(), "error", res.err)
	r.failed = append(r.failed, Failure{Miner: one.neuron, Err: res.err})
	switch {
	case !r.mayAsk():
	case res.call.sent && !r.client.budget.spend(): // what was not sent burdened nobody
		r.cause = ErrRetries
	default:
		r.next(false)
	}
}

// mayAsk reports whether one more miner may be asked.
func (r *race) mayAsk() bool { return len(r.tried)-r.skipped < r.client.options.Attempts }

// others reports whether one more miner could be asked.
func (r *race) others() bool { return r.mayAsk() && len(r.tried) < len(r.subnet.candidates) }

// next asks a miner, if there is one.
func (r *race) next(hedge bool) {
	for {
		one := r.choose()
		if one == nil {
			return
		}
		r.tried = append(r.tried, one.miner)
		if err := r.tooDear(one); err != nil {
			r.skipped++
			r.failed = append(r.failed, Failure{Miner: one.neuron, Err: err})
			continue
		}
		k := &call{race: r, candidate: one, number: len(r.tried) - r.skipped, hedge: hedge, alone: !r.others(), limit: r.limit(one)}
		one.miner.enter()
		if !r.client.spawn(k.run) {
			one.miner.leave()
			r.cause = ErrClosed
			return
		}
		r.running++
		return
	}
}

// none is the error where nobody answered.
func (r *race) none() error {
	if len(r.failed) == 0 && r.cause == nil {
		return fmt.Errorf("%w in subnet %d: none of its %d miners announces the model %q", ErrNoMiners, r.req.Netuid, len(r.subnet.candidates), r.req.Model)
	}
	return &NoAnswerError{Netuid: r.req.Netuid, Failed: r.failed, Cause: r.cause}
}

// spawn runs something that Close waits for; not at all once that was called.
func (c *Client) spawn(run func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.group.Go(run)
	return true
}
