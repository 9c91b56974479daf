package schedule

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// ErrFull is wrapped by the error for a request that finds no room, or is turned away for one that is due earlier.
var ErrFull = errors.New("the queue is full")

// FullError says how long the queue is likely to need until it has room.
type FullError struct {
	Waiting    int
	RetryAfter time.Duration
	Reason     string
}

// Error implements error.
func (e *FullError) Error() string {
	return fmt.Sprintf("%v: %s; try again in %v or elsewhere", ErrFull, e.Reason, e.RetryAfter)
}

// Unwrap returns ErrFull.
func (e *FullError) Unwrap() error { return ErrFull }

// Options bounds a queue. Slots and Queue are taken as they are, but at least 1 slot.
type Options struct {
	Slots    int   // requests that run at once
	Queue    int   // requests that wait; 0: none
	MaxBytes int64 // of all requests that wait or run; no bound when 0
}

// Request is what asks for a slot.
type Request struct {
	Caller  string // whose clock it goes by
	Weight  uint64 // share of the caller against others, 1 or more; 0 is 1
	After   bool   // goes after all that wait and do not
	Bytes   int64  // memory held while it waits and runs
	Batch   string // what it may run together with; empty: nothing
	Rows    int    // its part of a batch
	Payload any    // for whoever takes it along
}

// Queue hands out slots. It is safe for concurrent use.
type Queue struct {
	options Options

	mu      sync.Mutex
	free    int
	bytes   int64
	clock   float64            // virtual time: of the request that started last
	clocks  map[string]float64 // of callers ahead of the clock: when their next request is due
	waiting waiters
	mean    time.Duration // of a slot's use, moving average
	serial  uint64
}

// New returns a queue with all slots free.
func New(o Options) *Queue {
	o.Slots, o.Queue = max(1, o.Slots), max(0, o.Queue)
	return &Queue{options: o, free: o.Slots, clocks: map[string]float64{}}
}

// Place is a request's slot, or the news that another has run it.
type Place struct {
	queue  *Queue
	taken  *Taken // not nil: another ran the request
	due    float64
	bytes  int64
	batch  string
	start  time.Time
	joined bool
}

// Taken is a request that another runs along with its own.
type Taken struct {
	Payload any
	Rows    int
	done    chan struct{}
}

// Done tells the request's owner that it has been run.
func (t *Taken) Done() { close(t.done) }

type waiter struct {
	request Request
	due     float64
	serial  uint64 // among equals, first come first served
	index   int    // in the heap; -1: no longer in it
	ready   chan struct{}
	err     error
	taken   *Taken
}

// Enter waits for a slot. It fails with a *FullError when there is no room to wait, and with the context's error when
// that ends first. A place must be left. When place.Joined, another has run the request meanwhile.
func (q *Queue) Enter(ctx context.Context, r Request) (Place, error) {
	if err := ctx.Err(); err != nil {
		return Place{}, err
	}
	q.mu.Lock()
	if q.options.MaxBytes > 0 && q.bytes+r.Bytes > q.options.MaxBytes {
		err := q.full(fmt.Sprintf("requests in hand hold %d of %d bytes", q.bytes, q.options.MaxBytes))
		q.mu.Unlock()
		return Place{}, err
	}
	due := q.tick(r)
	if q.free > 0 && len(q.waiting) == 0 {
		q.free--
		q.bytes += r.Bytes
		q.clock = max(q.clock, due)
		q.mu.Unlock()
		return Place{queue: q, due: due, bytes: r.Bytes, batch: r.Batch, start: time.Now()}, nil
	}
	w, err := q.wait(r, due)
	q.mu.Unlock()
	if err != nil {
		return Place{}, err
	}
	select {
	case <-w.ready:
	case <-ctx.Done():
		if q.withdraw(w) {
			return Place{}, ctx.Err()
		}
		<-w.ready // it was granted, taken or refused in the meantime
	}
	return q.granted(ctx, w)
}

// granted turns the end of waiting into a place.
func (q *Queue) granted(ctx context.Context, w *waiter) (Place, error) {
	if w.err != nil {
		return Place{}, w.err
	}
	if w.taken != nil {
		<-w.taken.done // its memory is read until then, whatever becomes of the caller
		return Place{queue: q, taken: w.taken, bytes: w.request.Bytes, joined: true}, nil
	}
	place := Place{queue: q, due: w.due, bytes: w.request.Bytes, batch: w.request.Batch, start: time.Now()}
	if err := ctx.Err(); err != nil {
		place.Leave()
		return Place{}, err
	}
	return place, nil
}

// tick returns when a request is due and moves its caller's clock on. A caller that has been away starts at the present.
func (q *Queue) tick(r Request) float64 {
	due := max(q.clock, q.clocks[r.Caller])
	q.clocks[r.Caller] = due + 1/float64(max(1, r.Weight))
	if len(q.clocks) > 2*(len(q.waiting)+q.options.Slots)+64 {
		for caller, at := range q.clocks {
			if at <= q.clock {
				delete(q.clocks, caller)
			}
		}
	}
	return due
}

// wait puts a request into the queue, in place of the one that is due last where the queue is full.
func (q *Queue) wait(r Request, due float64) (*waiter, error) {
	if len(q.waiting) >= q.options.Queue {
		last := q.waiting.last()
		if last == nil || !before(r.After, due, last.request.After, last.due) {
			q.clocks[r.Caller] -= 1 / float64(max(1, r.Weight)) // what is refused costs nothing
			return nil, q.full(fmt.Sprintf("%d requests wait", len(q.waiting)))
		}
		heap.Remove(&q.waiting, last.index)
		q.bytes -= last.request.Bytes
		last.err = q.full(fmt.Sprintf("%d requests wait that are due earlier", len(q.waiting)+1))
		close(last.ready)
	}
	q.serial++
	q.bytes += r.Bytes
	w := &waiter{request: r, due: due, serial: q.serial, ready: make(chan struct{})}
	heap.Push(&q.waiting, w)
	return w, nil
}

// full estimates from the slots' use when there is room again.
func (q *Queue) full(reason string) *FullError {
	rounds := time.Duration(len(q.waiting)/q.options.Slots + 1)
	return &FullError{Waiting: len(q.waiting), RetryAfter: min(max(rounds*q.mean/2, time.Millisecond), 10*time.Second), Reason: reason}
}

// withdraw takes a waiter out of the queue and reports whether it was still in it.
func (q *Queue) withdraw(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.index < 0 {
		return false
	}
	heap.Remove(&q.waiting, w.index)
	q.bytes -= w.request.Bytes
	return true
}

// Joined reports whether another has run the request.
func (p Place) Joined() bool { return p.joined }

// Take returns waiting requests of the same Batch, those due first, of so many rows in all at most. The caller runs them
// and calls Done on each.
func (p Place) Take(rows int) []*Taken {
	if p.batch == "" || p.joined || rows <= 0 {
		return nil
	}
	q := p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	var taken []*Taken
	for rows > 0 {
		w := q.waiting.first(p.batch, rows)
		if w == nil {
			break
		}
		heap.Remove(&q.waiting, w.index)
		rows -= w.request.Rows
		q.clock = max(q.clock, w.due)
		w.taken = &Taken{Payload: w.request.Payload, Rows: w.request.Rows, done: make(chan struct{})}
		taken = append(taken, w.taken)
		close(w.ready)
	}
	return taken
}

// Leave gives the slot to whoever is due next, who starts at once: what the caller still has to do can be done beside it.
func (p Place) Leave() {
	if p.leave() {
		runtime.Gosched()
	}
}

// leave reports whether another has got the slot.
func (p Place) leave() bool {
	q := p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= p.bytes
	if p.joined {
		return false // the slot is another's
	}
	took := time.Since(p.start)
	if q.mean == 0 {
		q.mean = took
	}
	q.mean += (took - q.mean) / 16
	if len(q.waiting) == 0 {
		q.free++
		return false
	}
	w := heap.Pop(&q.waiting).(*waiter)
	q.clock = max(q.clock, w.due)
	close(w.ready)
	return true
}

// Waiting returns how many requests wait.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Bytes returns what the requests that wait or run hold.
func (q *Queue) Bytes() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// waiters is a heap, the request due first on top.
type waiters []*waiter

func (h waiters) Len() int { return len(h) }
func (h waiters) Less(i, j int) bool {
	a, b := h[i], h[j]
	if before(a.request.After, a.due, b.request.After, b.due) {
		return true
	}
	return a.request.After == b.request.After && a.due == b.due && a.serial < b.serial
}

// before reports whether a request goes before another.
func before(after bool, due float64, otherAfter bool, otherDue float64) bool {
	if after != otherAfter {
		return otherAfter
	}
	return due < otherDue
}

func (h waiters) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *waiters) Push(x any) {
	w := x.(*waiter)
	w.index = len(*h)
	*h = append(*h, w)
}

// Pop implements heap.Interface.
func (h *waiters) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	w.index = -1
	return w
}

// last returns the request that is due last, nil for none. It is among the leaves, and asked for when full only.
func (h waiters) last() *waiter {
	var last *waiter
	for i := len(h) / 2; i < len(h); i++ {
		if last == nil || h.Less(last.index, i) {
			last = h[i]
		}
	}
	return last
}

// first returns the request of that batch that is due first and has no more than so many rows.
func (h waiters) first(batch string, rows int) *waiter {
	var first *waiter
	for i, w := range h {
		if w.request.Batch == batch && w.request.Rows <= rows && (first == nil || h.Less(i, first.index)) {
			first = w
		}
	}
	return first
}
