package miner

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/plexusnet/plexus/miner/schedule"
	"github.com/plexusnet/plexus/models"
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
	orders []*order
	rows   int
	bytes  int64
	full   chan struct{} // closed when no more rows fit
	done   chan struct{} // closed when all orders have been answered
}

// join adds an order to the open group of that key. It returns nil when it has been run by another meanwhile, and
// otherwise the group that the caller now has to run and then to end, after waiting for it to fill.
func (g *gatherer) join(ctx context.Context, key string, o *order, maxRows int, delay time.Duration) *group {
	g.mu.Lock()
	open := g.groups[key]
	if open != nil && open.rows+o.rows <= maxRows {
		open.add(o)
		if open.rows == maxRows {
			g.shut(key, open)
		}
		g.mu.Unlock()
		<-open.done // its memory is read until then, whatever becomes of its caller
		return nil
	}
	if open != nil {
		g.shut(key, open) // what does not fit starts the next group
	}
	own := &group{full: make(chan struct{}), done: make(chan struct{})}
	own.add(o)
	if o.rows < maxRows {
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

// shut lets no more orders into a group. The caller holds the lock.
func (g *gatherer) shut(key string, open *group) {
	delete(g.groups, key)
	close(open.full)
}

func (o *group) add(one *order) {
	o.orders = append(o.orders, one)
	o.rows += one.rows
	o.bytes += bytesOf(one.Inputs)
}

// unpaid reports whether no order of the group is paid.
func (o *group) unpaid() bool {
	return !slices.ContainsFunc(o.orders, func(one *order) bool { return !one.unpaid })
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
		for _, c := range o.orders {
			c.Outputs, c.Err = nil, err
		}
	}
	close(o.done)
}

var errGroup = errors.New("the request that ran for this one broke off")

// runGathered runs an order together with those that come within the model's delay.
func (s *Server) runGathered(ctx context.Context, served Served, wanted []string, key string, o *order) ([]models.Tensor, error) {
	own := s.gatherer.join(ctx, key, o, served.MaxRows, served.Delay)
	if own == nil {
		return o.answer()
	}
	err := errGroup
	defer func() { own.end(err) }() // whatever happens, or the others wait forever
	if err = s.runGroup(ctx, served, wanted, own); err != nil {
		return nil, err
	}
	return o.Outputs, o.Err
}

// runGroup waits for a slot and runs the group, also when the caller who was first has gone.
func (s *Server) runGroup(ctx context.Context, served Served, wanted []string, own *group) error {
	who := callerOf(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.RequestTimeout)
	defer cancel()
	entered := time.Now()
	place, err := s.queue.Enter(ctx, schedule.Request{Caller: who.name, Weight: who.weight, After: own.unpaid(), Bytes: own.bytes})
	if err != nil {
		return err
	}
	defer place.Leave()
	own.orders[0].counts.queue.add(time.Since(entered))
	s.runTogether(served, wanted, own.orders, own.rows)
	return nil
}
