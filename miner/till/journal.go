package till

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// journal brings changed lanes to disk, many in one transaction. What somebody waits for is written as soon as the disk
// is free; the rest with it, or once in the interval.
type journal struct {
	commit   func([]record) error // brings records to disk, all or none
	interval time.Duration        // between writes that nobody waits for
	gather   time.Duration        // what a write waits for others, where there are others
	log      *slog.Logger
	wrote    func(lanes int, took time.Duration, err error)

	saving sync.Mutex // held from reading what to write until it is written

	mu    sync.Mutex
	dirty []*lane
	open  *batch // that the next write serves; nil: nobody waits
	wake  chan struct{}
}

// batch is those who wait for one write.
type batch struct {
	waiting int
	done    chan struct{} // closed after the write
	err     error         // of the write
}

// settled reports whether the write is done and went well.
func (b *batch) settled() bool {
	if b == nil {
		return true
	}
	select {
	case <-b.done:
		return b.err == nil
	default:
		return false
	}
}

func newJournal(s *store, interval, gather time.Duration, log *slog.Logger) *journal {
	return &journal{commit: s.save, interval: interval, gather: gather, log: log, wake: make(chan struct{}, 1)}
}

// note has a lane written some time soon. The caller holds the channel's mu.
func (j *journal) note(l *lane) {
	if l.dirty {
		return
	}
	l.dirty = true
	j.mu.Lock()
	j.dirty = append(j.dirty, l)
	j.mu.Unlock()
}

// press has a lane written at once, and returns what to wait for. The caller holds the channel's mu.
func (j *journal) press(l *lane) *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !l.dirty {
		l.dirty = true
		j.dirty = append(j.dirty, l)
	}
	if j.open == nil {
		j.open = &batch{done: make(chan struct{})}
	}
	j.open.waiting++
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return j.open
}

// run writes until ctx ends, and then what is left.
func (j *journal) run(ctx context.Context) {
	tick := time.NewTicker(j.interval)
	defer tick.Stop()
	var next time.Time
	for {
		select {
		case <-ctx.Done():
			j.write()
			return
		case <-tick.C:
		case <-j.wake:
			if wait := time.Until(next); wait > 0 { // whoever comes within this time costs no fsync of his own
				pause(ctx, wait)
			}
		}
		served, err := j.write()
		next = time.Time{}
		if served > 1 {
			next = time.Now().Add(j.gather)
		}
		if err != nil {
			j.log.Error("vouchers cannot be kept: paid requests are refused until they can", "error", err)
			pause(ctx, j.interval)
		}
	}
}

// write writes all changed lanes and tells those who wait. It returns how many did.
func (j *journal) write() (served int, err error) {
	j.mu.Lock()
	lanes, b := j.dirty, j.open
	j.dirty, j.open = nil, nil
	j.mu.Unlock()
	if b != nil {
		served = b.waiting
	}
	if len(lanes) == 0 {
		b.end(nil)
		return served, nil
	}
	start := time.Now()
	err = j.save(lanes)
	if j.wrote != nil {
		j.wrote(len(lanes), time.Since(start), err)
	}
	if err != nil {
		j.restore(lanes, b)
	}
	b.end(err)
	return served, err
}

func (b *batch) end(err error) {
	if b != nil {
		b.err = err
		close(b.done)
	}
}

func (j *journal) save(lanes []*lane) error {
	j.saving.Lock()
	defer j.saving.Unlock()
	records := make([]record, 0, len(lanes)+1)
	for _, l := range lanes {
		var err error
		if records, err = l.append(records); err != nil {
			return fmt.Errorf("lane %d/%d: %w", l.channel.id, l.id, err)
		}
	}
	return j.commit(records)
}

// forget removes channels and their lanes from the store, and writes the totals of those that ended.
func (j *journal) forget(channels []*channel, totals past) error {
	j.saving.Lock()
	defer j.saving.Unlock()
	value, err := json.Marshal(totals)
	if err != nil {
		return err
	}
	records := []record{{bucketTill, keyPast, value}}
	for _, c := range channels {
		c.mu.Lock()
		c.gone = true
		records = append(records, record{bucketChannels, channelKey(c.id), nil})
		for id := range c.lanes {
			records = append(records, record{bucketLanes, laneKey(c.id, id), nil})
		}
		c.mu.Unlock()
	}
	err = j.commit(records)
	if err != nil {
		for _, c := range channels {
			c.mu.Lock()
			c.gone = false
			c.mu.Unlock()
		}
	}
	return err
}

// append adds the lane's record, and its channel's where that has changed.
func (l *lane) append(records []record) ([]record, error) {
	c := l.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	l.dirty = false
	if c.gone {
		return records, nil
	}
	if c.moved {
		r, err := c.record()
		if err != nil {
			return records, err
		}
		records, c.moved = append(records, r), false
	}
	r, err := l.record()
	return append(records, r), err
}

// restore puts back what could not be written, and has those who come from now on wait for the next write.
func (j *journal) restore(lanes []*lane, failed *batch) {
	for _, l := range lanes {
		l.channel.mu.Lock()
		l.channel.moved = l.channel.kept
		if l.cover == failed && failed != nil {
			l.cover = j.press(l)
		} else {
			j.note(l)
		}
		l.channel.mu.Unlock()
	}
}

// pause waits, and reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
