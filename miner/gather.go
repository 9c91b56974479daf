package miner

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/plexusnet/plexus/miner/schedule"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/batching"
)

// gatherer holds requests back for others that may run with them, for models whose operator has asked for it
// (max_queue_delay_microseconds of config.pbtxt). The first request of a group waits for the rest and then runs for all.
// The zero value is useful.
type gatherer struct {
	mu     sync.Mutex
	groups map[string]*group
}

// group is requests that will run as one. It is open to more while it is in the gatherer.
type group struct {
	calls []*batching.Call
	rows  int
	bytes int64
	full  chan struct{} // closed when no more rows fit
	done  chan struct{} // closed when all calls have been answered
}

// join adds a call to the open group of that key. It returns nil when the call has been run by another meanwhile, and
// otherwise the group that the caller now has to run and then to end, after waiting for it to fill.
func (g *gatherer) join(ctx context.Context, key string, call *batching.Call, rows, maxRows int, delay time.Duration) *group {
	g.mu.Lock()
	open := g.groups[key]
	if open != nil && open.rows+rows <= maxRows {
		open.add(call, rows)
		if open.rows == maxRows {
			g.shut(key, open)
		}
		g.mu.Unlock()
		<-open.done // the call's memory is read until then, whatever becomes of its caller
		return nil
	}
	if open != nil {
		g.shut(key, open) // what does not fit starts the next group
	}
	own := &group{full: make(chan struct{}), done: make(chan struct{})}
	own.add(call, rows)
	if rows < maxRows {
		if g.groups == nil {
			g.groups = map[string]*group{}
		}
		g.groups[key] = own
	} else {
		close(own.full)
	}
	g.mu.Unlock()
	own.wait(ctx, delay)
	g.mu.Lock()
	if g.groups[key] == own {
		g.shut(key, own)
	}
	g.mu.Unlock()
	return own
}

// shut lets no more calls into a group. The caller holds the lock.
func (g *gatherer) shut(key string, open *group) {
	delete(g.groups, key)
	close(open.full)
}

func (o *group) add(call *batching.Call, rows int) {
	o.calls = append(o.calls, call)
	o.rows += rows
	o.bytes += bytesOf(call.Inputs)
}

func (o *group) wait(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-o.full:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// end lets the others of the group have their answers, or err where there are none.
func (o *group) end(err error) {
	if err != nil {
		for _, c := range o.calls {
			c.Outputs, c.Err = nil, err
		}
	}
	close(o.done)
}

var errGroup = errors.New("the request that ran for this one broke off")

// runGathered runs a call together with those that come within the model's delay.
func (s *Server) runGathered(ctx context.Context, served Served, wanted []string, key string, call *batching.Call, rows int, counts *modelStatistics) ([]models.Tensor, error) {
	own := s.gatherer.join(ctx, key, call, rows, served.MaxRows, served.Delay)
	if own == nil {
		return call.Outputs, call.Err
	}
	err := errGroup
	defer func() { own.end(err) }() // whatever happens, or the others wait forever
	if err = s.runGroup(ctx, served, wanted, own, counts); err != nil {
		return nil, err
	}
	return call.Outputs, call.Err
}

// runGroup waits for a slot and runs the group, also when the caller who was first has gone.
func (s *Server) runGroup(ctx context.Context, served Served, wanted []string, own *group, counts *modelStatistics) error {
	who := callerOf(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.RequestTimeout)
	defer cancel()
	entered := time.Now()
	place, err := s.queue.Enter(ctx, schedule.Request{Caller: who.name, Weight: who.weight, Bytes: own.bytes})
	if err != nil {
		return err
	}
	defer place.Leave()
	started := time.Now()
	counts.queue.add(started.Sub(entered))
	batching.Run(served.Model, wanted, own.calls)
	counts.ran(len(own.calls), own.rows, time.Since(started), nil)
	return nil
}
