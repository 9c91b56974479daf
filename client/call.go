package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/proto/inference"
)

// call is one call to one miner.
type call struct {
	race      *race
	candidate *candidate
	number    int    // among those of the request, from 1
	hedge     bool   // another was in hand
	alone     bool   // nobody else is left to be asked
	limit     uint64 // nplx

	over     atomic.Bool
	conn     *grpc.ClientConn
	payment  *wallet.Payment // nil: not paid
	sent     bool            // it may have reached the miner
	charged  uint64
	unsure   bool   // whether it was charged for is not known
	disputed error  // the answer is good, but not what it is said to cost
	paying   bool   // it was paid for
	channel  uint64 // out of which
	elapsed  time.Duration
}

// run makes the call and hands its result to the race, if that still goes on.
func (k *call) run() {
	began := time.Now()
	answer, err := k.ask()
	k.over.Store(true)
	if err != nil {
		k.elapsed = time.Since(began)
	}
	k.note(err)
	k.candidate.miner.leave()
	k.endPayment()
	if answer != nil {
		answer.Charged = k.charged
	}
	won := false
	select {
	case k.race.results <- result{call: k, answer: answer, err: err}:
		won = err == nil
	case <-k.race.ctx.Done():
	}
	k.observe(won, err)
}

// endPayment sees to it that no call leaves its payment open.
func (k *call) endPayment() {
	if k.payment != nil {
		k.payment.Unknown()
		k.payment, k.unsure = nil, true
	}
}

func (k *call) observe(won bool, err error) {
	observe := k.race.client.options.Observe
	if observe == nil || errors.Is(err, errAgain) {
		return
	}
	done := Call{Tag: k.race.req.Tag, Netuid: k.race.req.Netuid, Miner: k.candidate.neuron, Attempt: k.number, Hedge: k.hedge, Won: won,
		Charged: k.charged, Unsure: k.unsure, Elapsed: k.elapsed, Err: err}
	if k.paying {
		done.Limit, done.Channel = k.limit, k.channel
	}
	observe(done)
}

// note takes in what the call says about the miner.
func (k *call) note(err error) {
	m, now := k.candidate.miner, time.Now()
	if err == nil && k.disputed != nil {
		err = k.disputed // the answer counts all the same: it was paid for, within its limit
	}
	switch {
	case err == nil || errors.Is(err, errAgain): // an answer was noted where it was checked
	case ended(k.race.ctx) != nil: // nobody waits for it any more
		m.outlasted(k.elapsed, now)
	default:
		if wait := retryAfter(err); wait > 0 {
			m.later(wait, now)
		}
		m.failed(judge(err), now, &k.race.client.options)
		k.race.client.wakeUp()
	}
}

// judge says what a failure says about the miner.
func judge(err error) verdict {
	switch {
	case errors.Is(err, ErrReceipt), errors.Is(err, ErrAnswer), errors.Is(err, wallet.ErrDispute):
		return verdictLied
	case errors.Is(err, ErrUnreached), errors.Is(err, errUnsent), errors.Is(err, ErrPayment), errors.Is(err, wallet.ErrRefused):
		return verdictGone
	case errors.Is(err, ErrPrice), errors.Is(err, wallet.ErrNoFunds), errors.Is(err, wallet.ErrOverBudget), errors.Is(err, wallet.ErrLimit), errors.Is(err, wallet.ErrClosed), errors.Is(err, oip.ErrPlaintext):
		return verdictInnocent
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.ResourceExhausted:
		return verdictInnocent
	case codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.Unimplemented:
		return verdictGone
	default:
		return verdictFailed
	}
}

// errUnsent: the call never went out.
var errUnsent = errors.New("not sent")

// ask makes the call.
func (k *call) ask() (*Answer, error) {
	c := k.race.client
	conn, err := c.pool.conn(k.candidate.poolKey, k.candidate.neuron.Endpoint)
	if err != nil {
		return nil, err
	}
	k.conn = conn
	if err := k.connect(); err != nil {
		return nil, err
	}
	if err := k.reserve(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(k.race.ctx, c.options.Timeout)
	defer cancel()
	stop := k.watch()
	defer stop()
	start := time.Now()
	resp, err := k.invoke(ctx)
	if err != nil {
		return nil, err
	}
	k.elapsed = time.Since(start)
	return k.answer(resp)
}

// connect waits for the connection, but not for long where others can be asked: it goes on being made meanwhile.
func (k *call) connect() error {
	if k.conn.GetState() == connectivity.Ready {
		return nil
	}
	wait := k.race.client.options.Timeout
	if suspect := k.race.client.options.Suspect; suspect > 0 && !k.alone {
		wait = 2 * suspect
	}
	ctx, cancel := context.WithTimeout(k.race.ctx, wait)
	defer cancel()
	for {
		state := k.conn.GetState()
		switch state {
		case connectivity.Ready, connectivity.TransientFailure, connectivity.Shutdown:
			return nil // the call will say what is wrong
		case connectivity.Idle:
			k.conn.Connect()
		}
		if !k.conn.WaitForStateChange(ctx, state) {
			if err := k.race.ctx.Err(); err != nil {
				return err
			}
			return fmt.Errorf("%w: %v", ErrUnreached, wait)
		}
	}
}

// reserve takes the call in hand at the wallet, where it is paid for.
func (k *call) reserve() error {
	c := k.race.client
	if !c.pays(k.candidate) {
		return nil
	}
	p, err := c.options.Wallet.Reserve(k.race.ctx, k.candidate.payee, k.limit)
	if err != nil {
		return err
	}
	k.payment, k.paying, k.channel = p, true, p.Channel()
	return nil
}

// message is the request as this miner is sent it.
func (k *call) message() *inference.ModelInferRequest {
	req := k.race.req
	m := oip.Request{Model: k.candidate.neuron.Endpoint.Model, ID: req.ID, Inputs: req.Inputs, Outputs: req.Outputs}.Message()
	m.Parameters = req.Parameters
	if req.Receipt {
		m.Parameters = withReceipt(req.Parameters)
	}
	return m
}

// invoke sends the call, again where the miner asks for more to be signed and may.
func (k *call) invoke(ctx context.Context) (*inference.ModelInferResponse, error) {
	service, message := inference.NewGRPCInferenceServiceClient(k.conn), k.message()
	for tries := 0; ; tries++ {
		out := ctx
		if k.payment != nil {
			out = k.payment.Outgoing(ctx)
		}
		var trailer metadata.MD
		var remote peer.Peer
		resp, err := service.ModelInfer(out, message, grpc.Trailer(&trailer), grpc.Peer(&remote))
		if k.sent = remote.Addr != nil || status.Code(err) != codes.Unavailable; !k.sent {
			k.release()
			return nil, fmt.Errorf("%w: %w", errUnsent, err)
		}
		if err == nil {
			k.disputed = k.settle(trailer, nil)
			return resp, nil
		}
		retry, err := k.refused(ctx, err, tries)
		if retry {
			continue
		}
		if disputed := k.settle(trailer, err); disputed != nil {
			return nil, fmt.Errorf("%w (after: %w)", disputed, err)
		}
		return nil, err
	}
}

// settle ends the payment of a call that was sent and came back, with an error or without.
func (k *call) settle(trailer metadata.MD, err error) error {
	p := k.payment
	if p == nil {
		return nil
	}
	k.payment = nil
	charged, owed, told := bill(trailer)
	switch {
	case told && charged == 0 && len(trailer.Get(oip.TrailerOwed)) == 0: // not let in, and not told more
		p.Release()
	case told:
		if err != nil && !brokenOff(err) {
			charged = 0 // nobody pays for a failure: if the miner counts it, its claim will be too high
		}
		k.charged = min(charged, p.Limit())
		return p.Settle(charged, owed)
	case err == nil:
		return p.Settle(0, 0)
	case saysMiner(err):
		p.Release()
	default:
		k.unsure = true
		p.Unknown()
	}
	return nil
}

func (k *call) release() {
	if k.payment != nil {
		k.payment.Release()
		k.payment = nil
	}
}

// bill reads what a call cost and what is owed in all.
func bill(trailer metadata.MD) (charged, owed uint64, told bool) {
	read := func(name string) (uint64, bool) {
		values := trailer.Get(name)
		if len(values) != 1 {
			return 0, false
		}
		n, err := strconv.ParseUint(values[0], 10, 64)
		return n, err == nil
	}
	charged, told = read(oip.TrailerCharged)
	owed, known := read(oip.TrailerOwed)
	return charged, owed, told && (known || charged == 0)
}

// brokenOff reports whether it was the caller's side that ended the call.
func brokenOff(err error) bool {
	code := status.Code(err)
	return code == codes.Canceled || code == codes.DeadlineExceeded
}

// saysMiner reports whether an error can only come from the miner itself, which charges nothing then.
func saysMiner(err error) bool {
	if reason, _ := reasonOf(err); reason != "" {
		return true
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.FailedPrecondition,
		codes.Aborted, codes.OutOfRange, codes.Unimplemented, codes.Unauthenticated:
		return true
	default:
		return false
	}
}

// maxUnknown is how often a miner is asked again that does not know a channel: its node may be a block behind.
const maxUnknown = 20

// refused does what a refusal asks for. It says whether to send the call again, or else what the error is.
func (k *call) refused(ctx context.Context, err error, tries int) (retry bool, _ error) {
	reason, meta := reasonOf(err)
	c := k.race.client
	switch reason {
	case oip.ReasonPaymentRequired:
		if k.payment == nil {
			return false, k.asked(err)
		}
		if again := k.payment.Answer(ctx, demandOf(meta)); again != nil {
			k.payment = nil
			if errors.Is(again, wallet.ErrDry) {
				return false, fmt.Errorf("%w: %w", errAgain, again)
			}
			return false, fmt.Errorf("%w (the miner: %w)", again, err)
		}
		return true, nil
	case oip.ReasonChannelClosing:
		if k.payment == nil {
			return false, err
		}
		k.payment.Closing()
		k.payment = nil
		return false, fmt.Errorf("%w: %w", errAgain, err)
	case oip.ReasonChannelUnknown:
		if k.payment == nil || tries >= maxUnknown {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(100 * time.Millisecond):
			return true, nil
		}
	case oip.ReasonLimitTooLow:
		return false, fmt.Errorf("%w of %d nplx: %w", ErrPrice, k.limit, err)
	case oip.ReasonVoucherRefused:
		c.options.Log.Warn("voucher refused", "uid", k.candidate.neuron.UID, "error", err)
		return false, fmt.Errorf("%w: %w", wallet.ErrRefused, err)
	default:
		return false, err
	}
}

// asked takes in that a miner wants to be paid for a call that was not.
func (k *call) asked(err error) error {
	if k.race.client.options.Pay == PayNever {
		return fmt.Errorf("%w: %w", ErrPayment, err)
	}
	k.candidate.miner.asks.Store(true)
	k.race.subnet.askToPay()
	k.race.client.wakeUp()
	return fmt.Errorf("%w: %w", errAgain, err)
}

// reasonOf returns why a call was refused that has to do with payment, and the numbers that come with it.
func reasonOf(err error) (reason string, meta map[string]string) {
	if err == nil {
		return "", nil
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Domain == oip.ErrorDomain {
			return info.Reason, info.Metadata
		}
	}
	return "", nil
}

// demandOf reads what a miner wants. What is missing is 0, and asks for nothing.
func demandOf(meta map[string]string) wallet.Demand {
	number := func(name string) uint64 {
		n, _ := strconv.ParseUint(meta[name], 10, 64)
		return n
	}
	return wallet.Demand{Owed: number(oip.MetaOwed), Signed: number(oip.MetaSigned), Nonce: number(oip.MetaNonce), Needed: number(oip.MetaNeeded)}
}

// retryAfter is when a miner that takes no more calls wants to be asked again.
func retryAfter(err error) time.Duration {
	if status.Code(err) != codes.ResourceExhausted {
		return 0
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// watch sees to it that another miner is asked where this one takes too long, or gives no sign of life. What it returns
// ends it.
func (k *call) watch() (stop func()) {
	o := &k.race.client.options
	var hedge, suspect *time.Timer
	if delay := k.hedgeAfter(); delay > 0 {
		hedge = time.AfterFunc(delay, func() { k.ring(errHedge) })
	}
	if o.Suspect > 0 && !k.alone {
		suspect = time.AfterFunc(o.Suspect, func() { k.race.client.spawn(func() { k.suspect(o.Suspect) }) })
	}
	return func() {
		k.over.Store(true)
		if hedge != nil {
			hedge.Stop()
		}
		if suspect != nil {
			suspect.Stop()
		}
	}
}

func (k *call) hedgeAfter() time.Duration {
	hedge := k.race.req.Hedge
	if hedge == 0 {
		hedge = k.race.client.options.Hedge
	}
	if hedge == HedgeP95 {
		return k.candidate.miner.slow()
	}
	return hedge
}

// ring tells the race why another miner should be asked.
func (k *call) ring(reason error) {
	if k.over.Load() {
		return
	}
	select {
	case k.race.wake <- reason:
	case <-k.race.ctx.Done():
	}
}

// suspect asks the miner for a sign of life, again and again while it does not answer the call.
func (k *call) suspect(wait time.Duration) {
	c, m := k.race.client, k.candidate.miner
	for !k.over.Load() {
		if alive := c.alive(k.race.ctx, k.conn, m); !alive && k.race.ctx.Err() == nil && !k.over.Load() {
			m.failed(verdictGone, time.Now(), &c.options)
			c.wakeUp()
			k.ring(fmt.Errorf("uid %d: %w", k.candidate.neuron.UID, ErrDead))
			return
		}
		select {
		case <-k.race.ctx.Done():
			return
		case <-time.After(wait):
			wait *= 2
		}
	}
}

// alive asks a miner for a sign of life. Any answer is one.
func (c *Client) alive(ctx context.Context, conn *grpc.ClientConn, m *miner) bool {
	ctx, cancel := context.WithTimeout(ctx, m.patience(&c.options))
	defer cancel()
	start := time.Now()
	_, err := inference.NewGRPCInferenceServiceClient(conn).ServerLive(ctx, &inference.ServerLiveRequest{})
	code := status.Code(err)
	alive := code != codes.Unavailable && code != codes.DeadlineExceeded && code != codes.Canceled
	m.probed(alive, time.Since(start), time.Now(), &c.options)
	return alive
}
