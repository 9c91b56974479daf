package gateway

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/gateway/ledger"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

const (
	// defaultAttempts is how many miners are asked where the options do not say.
	defaultAttempts = 3
	// linger is how long money stays set aside for calls that were still in hand when the request was over. They are
	// broken off then, and it is freed as soon as they are known to be over; this is for what is never told.
	linger = 5 * time.Second
)

// question is what to ask of a model.
type question struct {
	target
	id         string
	parameters map[string]*inference.InferParameter
	inputs     []models.Tensor
	outputs    []string                            // none: all
	check      func(outputs []models.Tensor) error // finds what is wrong with an answer; may be nil
}

// ask asks the subnets of the question's target, one after the other while nobody in one answers, and pays for it.
func (g *Gateway) ask(ctx context.Context, q question) (*client.Answer, error) {
	var failed error
	for _, netuid := range q.netuids {
		answer, err := g.askSubnet(ctx, netuid, q)
		if err == nil {
			return answer, nil
		}
		failed = err
		if f := fault.Of(err); ctx.Err() != nil || f.Code != codes.Unavailable || f.Reason == fault.ReasonInternal {
			break
		}
	}
	return nil, failed
}

// askSubnet makes one request of a subnet: what it may cost is set aside before, and entered into the ledger after.
func (g *Gateway) askSubnet(ctx context.Context, netuid uint32, q question) (*client.Answer, error) {
	start := time.Now()
	hold, price, err := g.setAside(ctx)
	if err != nil {
		return nil, err
	}
	p := g.begin(hold, q.name)
	answer, err := g.network.Infer(ctx, client.Request{Netuid: netuid, Model: q.model, Inputs: q.inputs, Outputs: q.outputs,
		ID: q.id, Parameters: q.parameters, Check: q.check, MaxPrice: price, Tag: p.tag})
	o := outcome{netuid: netuid, in: size(q.inputs), answer: answer, took: time.Since(start)}
	var none *client.NoAnswerError
	switch {
	case err == nil:
		o.failed = answer.Failed
	case errors.As(err, &none):
		o.failed = none.Failed
	}
	if err != nil {
		err = g.explain(ctx, err, price)
	}
	o.code = codeOf(err)
	g.finish(p, o)
	return answer, err
}

// setAside takes what a request may cost from the budget of who asks, and returns what one call of a miner may cost
// then: there may be several, of which each may be charged.
func (g *Gateway) setAside(ctx context.Context) (*ledger.Hold, uint64, error) {
	who := callerOf(ctx)
	calls := uint64(g.attempts)
	least := min(g.maxPrice, 1) * calls
	hold, err := g.cfg.Ledger.Begin(who.account(), least, g.maxPrice*calls)
	switch {
	case errors.Is(err, ledger.ErrBudget):
		return nil, 0, fault.New(codes.ResourceExhausted, fault.ReasonBudget, "%v", err)
	case err != nil:
		g.cfg.Log.Error("ledger", "error", err)
		return nil, 0, fault.New(codes.Unavailable, fault.ReasonInternal, "the gateway cannot write its ledger, and spends nothing meanwhile").After(time.Second)
	}
	return hold, hold.Limit() / calls, nil
}

// pending is a request whose calls are not all known to be over.
type pending struct {
	tag   string
	model string
	hold  *ledger.Hold
	more  chan struct{} // there is another in calls

	mu       sync.Mutex
	finished bool
	calls    []client.Call // before the request was finished
	late     int           // calls that are still to be told of, after; below 0: nobody knows how many
	give     *time.Timer   // frees what is set aside for them in the end
}

// begin lets calls with a new tag be told apart.
func (g *Gateway) begin(hold *ledger.Hold, model string) *pending {
	p := &pending{tag: strconv.FormatUint(hold.Seq(), 10), model: model, hold: hold, more: make(chan struct{}, 1)}
	g.mu.Lock()
	g.pending[p.tag] = p
	g.mu.Unlock()
	return p
}

// observe is told of each call that is over, also of those that were broken off when another had answered.
func (g *Gateway) observe(c client.Call) {
	g.mu.Lock()
	p := g.pending[c.Tag]
	g.mu.Unlock()
	if p == nil {
		g.cfg.Log.Error("a call was over long after its request, and is not in the ledger", "netuid", c.Netuid, "uid", c.Miner.UID, "charged", c.Charged)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.finished {
		p.calls = append(p.calls, c)
		select {
		case p.more <- struct{}{}:
		default:
		}
		return
	}
	if e := entryOf(c, p.model); e.Charged > 0 || e.Uncertain > 0 {
		e.Latency = c.Elapsed.Microseconds()
		g.enter(p.hold, e)
	}
	if p.late--; p.late == 0 && p.give.Stop() {
		g.free(p)
	}
}

// outcome is how a request ended.
type outcome struct {
	netuid uint32
	code   codes.Code
	in     int64 // bytes of the inputs
	answer *client.Answer
	failed []client.Failure
	took   time.Duration
}

// over is how many calls came back before the request was over. Those that would have cost too much were never made.
func (o outcome) over() int {
	n := 0
	if o.answer != nil {
		n++
	}
	for _, f := range o.failed {
		if !errors.Is(f.Err, client.ErrPrice) {
			n++
		}
	}
	return n
}

// finish enters a request into the ledger: a line for each call that cost something or answered, and one at least.
func (g *Gateway) finish(p *pending, o outcome) {
	p.wait(o.over())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finished = true
	var entries []ledger.Entry
	for i, c := range p.calls {
		if e := entryOf(c, p.model); c.Won || e.Charged > 0 || e.Uncertain > 0 || (len(entries) == 0 && i == len(p.calls)-1) {
			entries = append(entries, e)
		}
	}
	if len(entries) == 0 {
		entries = []ledger.Entry{{Model: p.model, Netuid: o.netuid, Status: o.code.String()}}
	}
	for i := range entries {
		e := &entries[i]
		e.Latency, e.BytesIn = o.took.Microseconds(), o.in
		if o.answer != nil && e.Status == codes.OK.String() {
			e.BytesOut = size(o.answer.Outputs)
		}
	}
	g.metrics.calls.WithLabelValues(strconv.FormatUint(uint64(o.netuid), 10), o.code.String()).Inc()
	if o.answer != nil {
		g.metrics.elapsed.WithLabelValues(strconv.FormatUint(uint64(o.netuid), 10)).Observe(o.answer.Elapsed.Seconds())
	}
	g.enter(p.hold, entries...)
	if p.late = o.late(len(p.calls)); p.late == 0 {
		g.free(p)
		return
	}
	p.give = time.AfterFunc(linger, func() { g.free(p) })
}

// tellTime is how long the end of a call that came back may take to be told of. It is told of right after.
const tellTime = 100 * time.Millisecond

// wait returns once so many calls were told of.
func (p *pending) wait(calls int) {
	timer := time.NewTimer(tellTime)
	defer timer.Stop()
	for {
		p.mu.Lock()
		told := len(p.calls)
		p.mu.Unlock()
		if told >= calls {
			return
		}
		select {
		case <-p.more:
		case <-timer.C:
			return
		}
	}
}

// late is how many calls are still to be told of, of a request of which some were told. The client says how many were in
// hand when one answered; where none answered all are over, unless it was the caller who gave up.
func (o outcome) late(told int) int {
	switch {
	case o.answer != nil:
		return max(0, o.over()+o.answer.InHand-told)
	case o.code == codes.Canceled, o.code == codes.DeadlineExceeded:
		return -1
	default:
		return max(0, o.over()-told)
	}
}

func (g *Gateway) enter(hold *ledger.Hold, entries ...ledger.Entry) {
	if err := hold.Enter(entries...); err != nil {
		g.cfg.Log.Error("ledger: written as soon as the disk takes it", "error", err, "entries", entries)
	}
	for _, e := range entries {
		g.metrics.charged.WithLabelValues(strconv.FormatUint(uint64(e.Netuid), 10)).Add(float64(e.Charged))
	}
}

// free ends a request of which no call is in hand any more.
func (g *Gateway) free(p *pending) {
	g.mu.Lock()
	delete(g.pending, p.tag)
	g.mu.Unlock()
	p.hold.Free()
}

// freeAll ends all requests, when the client is closed and every call is over.
func (g *Gateway) freeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for tag, p := range g.pending {
		delete(g.pending, tag)
		p.hold.Free()
	}
}

// entryOf is a call as the ledger has it.
func entryOf(c client.Call, model string) ledger.Entry {
	e := ledger.Entry{Model: model, Netuid: c.Netuid, UID: c.Miner.UID, Hotkey: c.Miner.Hotkey, Channel: c.Channel, Charged: c.Charged, Status: status.Code(c.Err).String()}
	if c.Unsure {
		e.Uncertain = c.Limit - min(c.Limit, c.Charged)
	}
	return e
}

func size(tensors []models.Tensor) int64 {
	n := 0
	for _, t := range tensors {
		n += len(t.Data)
	}
	return int64(n)
}

// explain makes of a client's error what a caller can do something with.
func (g *Gateway) explain(ctx context.Context, err error, price uint64) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var none *client.NoAnswerError
	if errors.As(err, &none) && g.maxPrice > 0 && price < g.maxPrice && allTooDear(none) {
		return fault.New(codes.ResourceExhausted, fault.ReasonBudget, "budget is spent: key %q has %d nplx left for this call, and every miner asks for more", callerOf(ctx).Name, price)
	}
	return faultOf(err)
}

func allTooDear(e *client.NoAnswerError) bool {
	for _, f := range e.Failed {
		if !errors.Is(f.Err, client.ErrPrice) {
			return false
		}
	}
	return len(e.Failed) > 0
}

// faultOf maps an error of a client's.
func faultOf(err error) error {
	var f *fault.Error
	var none *client.NoAnswerError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &none):
		return noAnswer(none)
	case errors.Is(err, metagraph.ErrNotFound):
		return fault.New(codes.NotFound, fault.ReasonModel, "%v", err)
	case errors.Is(err, metagraph.ErrUnavailable), errors.Is(err, client.ErrNoMiners):
		return fault.New(codes.Unavailable, fault.ReasonMiners, "%v", err).After(time.Second)
	case errors.Is(err, client.ErrClosed):
		return fault.New(codes.Unavailable, fault.ReasonBusy, "shutting down").After(time.Second)
	default:
		return fault.Of(err)
	}
}

// noAnswer says why no miner answered. What the caller did wrong comes first: there is no use in trying it again.
func noAnswer(e *client.NoAnswerError) *fault.Error {
	for _, f := range e.Failed {
		if st, ok := status.FromError(f.Err); ok && st.Code() == codes.InvalidArgument {
			return fault.New(st.Code(), fault.ReasonMalformed, "%s", st.Message())
		}
	}
	for _, reason := range []error{wallet.ErrNoFunds, wallet.ErrOverBudget, wallet.ErrLimit, client.ErrPayment, client.ErrPrice} {
		if errors.Is(e, reason) {
			return fault.New(codes.Unavailable, fault.ReasonWallet, "the gateway cannot pay for the call: %v", e)
		}
	}
	for _, f := range e.Failed {
		if status.Code(f.Err) == codes.ResourceExhausted {
			return fault.New(codes.ResourceExhausted, fault.ReasonBusy, "%v", e).After(time.Second)
		}
	}
	return fault.New(codes.Unavailable, fault.ReasonMiners, "%v", e).After(time.Second)
}

func codeOf(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	return fault.Of(err).Code
}
