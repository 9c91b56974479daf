package miner

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner/schedule"
	"github.com/plexusnet/plexus/proto/inference"
)

// gate lets a bounded number of requests in at a time.
type gate struct {
	limit int64
	in    atomic.Int64
}

// enter reports whether there is room, and takes it. What enters must leave.
func (g *gate) enter() bool {
	if g.in.Add(1) > g.limit {
		g.in.Add(-1)
		return false
	}
	return true
}

func (g *gate) leave() { g.in.Add(-1) }

// crowded reports whether so much is in hand that the rest is kept for those who pay.
func (g *gate) crowded() bool { return g.in.Load() > max(1, g.limit/2) }

// full says that there is no room.
func (g *gate) full() error {
	return fullStatus(&schedule.FullError{RetryAfter: 50 * time.Millisecond,
		Reason: fmt.Sprintf("the server has %d requests in hand and takes no more", g.in.Load())})
}

// admission decides about a request when its headers have come and before its message is read, so that neither a crowd
// nor a sender who stalls takes more memory and time than the limits allow. Questions about state have a gate of their
// own: a busy server still says that it lives.
type admission struct {
	infer    gate
	streams  gate
	other    gate
	timeout  time.Duration
	lifetime time.Duration // of a stream
	door     *doorkeeper
	refused  func()
}

// maxStateRequests is how many requests other than ModelInfer are in hand at once.
const maxStateRequests = 64

const servicePrefix = "/" + "inference.GRPCInferenceService" + "/"

// tap is called by the gRPC server for every request.
func (a *admission) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	if !strings.HasPrefix(info.FullMethodName, servicePrefix) {
		return ctx, nil // health and reflection: streams that may live long, bounded per connection
	}
	ctx, err := a.authenticated(ctx)
	if err != nil {
		return ctx, err
	}
	g, timeout, unpaid := &a.other, a.timeout, false
	switch info.FullMethodName {
	case inference.GRPCInferenceService_ModelInfer_FullMethodName:
		g = &a.infer
	case inference.GRPCInferenceService_ModelStreamInfer_FullMethodName:
		g, timeout = &a.streams, a.lifetime
	}
	if g != &a.other {
		if unpaid, err = a.door.toll(ctx, len(info.Header.Get(oip.HeaderChannel)) > 0); err != nil {
			return ctx, statusError(err)
		}
	}
	if !g.enter() {
		a.refused()
		return ctx, g.full()
	}
	if unpaid && g.crowded() {
		g.leave()
		a.refused()
		return ctx, g.full()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeUp)
	// The server ends the request's context when it is done with it, whatever came of it; a request that was answered
	// leaves by itself, which is quicker.
	stop := context.AfterFunc(ctx, func() { cancel(); g.leave() })
	return context.WithValue(ctx, leaveKey{}, func() {
		if stop() {
			g.leave()
		}
	}), nil
}

// leaveKey is where a request's context holds how to leave the gate that it came in by.
type leaveKey struct{}

// leave lets the next request in, if this one came by a gate.
func leave(ctx context.Context) {
	if out, ok := ctx.Value(leaveKey{}).(func()); ok {
		out()
	}
}

// authenticated finds out who asks before anything else is looked at.
func (a *admission) authenticated(ctx context.Context) (context.Context, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ctx, nil
	}
	auth, mutual := p.AuthInfo.(oip.AuthInfo)
	ctx, err := a.door.admit(ctx, auth, mutual)
	if err != nil {
		a.refused()
	}
	return ctx, err
}
