package gateway

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/gateway/keys"
	"github.com/plexusnet/plexus/gateway/ledger"
)

// principal is who asks.
type principal struct{ keys.Key }

// account is whose money is spent.
func (p principal) account() ledger.Account {
	return ledger.Account{KeyID: p.ID, Key: p.Name, Total: p.BudgetTotal, Day: p.BudgetDay}
}

type principalKey struct{}

// callerOf is who asks in this context. There is always somebody: the door lets nobody else in.
func callerOf(ctx context.Context) principal {
	p, _ := ctx.Value(principalKey{}).(principal)
	return p
}

// door decides about a request when its headers have come and before its body is read: who asks, whether that one may now,
// and whether there is room.
type door struct {
	cfg      Config
	metrics  *metrics
	slots    chan struct{}
	waiting  atomic.Int64
	draining atomic.Bool

	mu       sync.Mutex
	visitors map[string]*visitor
}

// visitor is what a key does now.
type visitor struct {
	limiter  *rate.Limiter
	inFlight int
}

func newDoor(cfg Config, m *metrics) *door {
	return &door{cfg: cfg, metrics: m, slots: make(chan struct{}, cfg.MaxInFlight), visitors: map[string]*visitor{}}
}

// refusal writes an error in the words of a protocol.
type refusal func(http.ResponseWriter, *http.Request, error)

// guard lets requests through to next, in the name of who asks and for a bounded time.
func (d *door) guard(protocol string, refuse refusal, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen := &watched{ResponseWriter: w}
		defer func() { d.metrics.answered(protocol, seen, time.Since(start)) }()
		who, err := d.enter(r)
		if err != nil {
			d.metrics.refused.WithLabelValues(fault.Of(err).Reason).Inc()
			refuse(seen, r, err)
			return
		}
		defer d.leave(who)
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), principalKey{}, who), d.cfg.RequestTimeout)
		defer cancel()
		defer func() {
			cause := recover()
			if cause == nil || cause == http.ErrAbortHandler {
				return
			}
			d.metrics.panics.Inc()
			d.cfg.Log.Error("panic while answering", "path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
			if seen.status == 0 {
				refuse(seen, r, fault.New(codes.Internal, fault.ReasonInternal, "internal error; the gateway's log has the details"))
			}
		}()
		next.ServeHTTP(seen, r.WithContext(ctx))
	})
}

// enter lets a request in. What enters must leave.
func (d *door) enter(r *http.Request) (principal, error) {
	if d.draining.Load() {
		return principal{}, fault.New(codes.Unavailable, fault.ReasonBusy, "shutting down").After(time.Second)
	}
	who, err := d.authenticate(r)
	if err != nil {
		return principal{}, err
	}
	if err := d.admit(who); err != nil {
		return principal{}, err
	}
	if err := d.takeSlot(r.Context()); err != nil {
		d.release(who)
		return principal{}, err
	}
	return who, nil
}

func (d *door) leave(who principal) {
	<-d.slots
	d.release(who)
}

// secretOf is the key that a request shows, empty for none.
func secretOf(h http.Header) string {
	if scheme, secret, found := strings.Cut(h.Get("Authorization"), " "); found && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(secret)
	}
	return h.Get("X-Api-Key")
}

// authenticate finds out who asks. Where strangers may call, so may those who show something that is no key of ours, for
// there are programs that do not run without one; a key of ours must be good.
func (d *door) authenticate(r *http.Request) (principal, error) {
	secret := secretOf(r.Header)
	if d.cfg.Open != nil && !strings.HasPrefix(secret, keys.Prefix+"_") {
		return principal{*d.cfg.Open}, nil
	}
	if secret == "" {
		return principal{}, fault.New(codes.Unauthenticated, fault.ReasonKey, "no API key: send it as the header Authorization: Bearer KEY; make one with: plexus gateway keys create NAME")
	}
	if d.cfg.Keys == nil {
		return principal{}, fault.New(codes.Unauthenticated, fault.ReasonKey, "no such API key")
	}
	key, err := d.cfg.Keys.Authenticate(secret, time.Now())
	switch {
	case errors.Is(err, keys.ErrFile):
		d.cfg.Log.Error("keys cannot be read: nobody is let in", "error", err)
		return principal{}, fault.New(codes.Unavailable, fault.ReasonInternal, "the gateway cannot read its keys").After(time.Second)
	case errors.Is(err, keys.ErrRevoked), errors.Is(err, keys.ErrExpired):
		return principal{}, fault.New(codes.Unauthenticated, fault.ReasonKey, "the API %v", err)
	case err != nil:
		return principal{}, fault.New(codes.Unauthenticated, fault.ReasonKey, "no such API key")
	}
	return principal{key}, nil
}

// admit keeps a key to its rate and to its requests in hand.
func (d *door) admit(who principal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.visitors[who.ID]
	if v == nil {
		v = &visitor{limiter: rate.NewLimiter(rate.Inf, 0)}
		d.visitors[who.ID] = v
	}
	if who.MaxInFlight > 0 && v.inFlight >= who.MaxInFlight {
		return fault.New(codes.ResourceExhausted, fault.ReasonRate, "key %q has %d requests in hand and may have no more", who.Name, v.inFlight).After(100 * time.Millisecond)
	}
	if err := v.allow(who.Key); err != nil {
		return err
	}
	v.inFlight++
	return nil
}

// allow takes a request off the key's rate, which may be another than a moment ago.
func (v *visitor) allow(k keys.Key) error {
	if k.Rate <= 0 {
		return nil
	}
	if v.limiter.Limit() != rate.Limit(k.Rate) || v.limiter.Burst() != max(k.Burst, 1) {
		v.limiter = rate.NewLimiter(rate.Limit(k.Rate), max(k.Burst, 1))
	}
	reservation := v.limiter.Reserve()
	if wait := reservation.Delay(); wait > 0 {
		reservation.Cancel()
		return fault.New(codes.ResourceExhausted, fault.ReasonRate, "key %q may make %v requests per second", k.Name, k.Rate).After(wait)
	}
	return nil
}

func (d *door) release(who principal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.visitors[who.ID]
	v.inFlight--
	if v.inFlight == 0 && v.limiter.Limit() == rate.Inf {
		delete(d.visitors, who.ID) // there is nothing to remember
	}
}

// takeSlot waits for room, where not too many wait already.
func (d *door) takeSlot(ctx context.Context) error {
	select {
	case d.slots <- struct{}{}:
		return nil
	default:
	}
	if d.waiting.Add(1) > int64(d.cfg.Queue) {
		d.waiting.Add(-1)
		return fault.New(codes.ResourceExhausted, fault.ReasonBusy, "the gateway has %d requests in hand and %d waiting", d.cfg.MaxInFlight, d.cfg.Queue).After(d.cfg.QueueTimeout)
	}
	defer d.waiting.Add(-1)
	timer := time.NewTimer(d.cfg.QueueTimeout)
	defer timer.Stop()
	select {
	case d.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return fault.New(codes.ResourceExhausted, fault.ReasonBusy, "no turn within %v: the gateway has %d requests in hand", d.cfg.QueueTimeout, d.cfg.MaxInFlight).After(d.cfg.QueueTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inFlight is how many requests are in hand.
func (d *door) inFlight() int { return len(d.slots) }

// watched is a response of which it is known how it went.
type watched struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watched) Write(data []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(data)
}

// Flush implements http.Flusher.
func (w *watched) Flush() {
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
