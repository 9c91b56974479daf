package till

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/payment"
)

// Sale is a request that was let in. It must be settled, once.
type Sale struct {
	till    *Till
	channel *channel
	lane    *lane // nil: nothing was ever signed on it, and nothing is charged
	cover   *batch
	limit   uint64
	input   uint64
	done    bool
}

// Bill is what came of a request. Amounts are nplx.
type Bill struct {
	Charged uint64
	Owed    uint64 // of the lane, cumulative
}

// Outcome is how a request ended.
type Outcome int

// The outcomes.
const (
	Failed    Outcome = iota // it costs nothing
	Answered                 // it costs what it used, at most its limit
	Cancelled                // by its caller, after the model began: it costs request and input
)

// Admit lets a request in whose cost is covered, or says with a *Refusal why not, or returns the context's error. A
// voucher that comes along is taken even when the request is refused for want of more.
func (t *Till) Admit(ctx context.Context, who Caller, o Offer) (*Sale, error) {
	sale, err := t.admit(ctx, who, o)
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		t.refused(refusal)
	}
	return sale, err
}

func (t *Till) refused(r *Refusal) *Refusal {
	t.count.refuse(r.Reason)
	return r
}

func (t *Till) admit(ctx context.Context, who Caller, o Offer) (*Sale, error) {
	if who.Account == "" && len(who.NodeKey) == 0 {
		return nil, &Refusal{Code: codes.PermissionDenied, Reason: ReasonDenied,
			Message: "to spend a channel, show the node certificate of its payer, or one of its voucher key (docs/protocol.md section 8)"}
	}
	if err := t.sighted(); err != nil {
		return nil, err
	}
	c, err := t.find(ctx, o.Channel)
	if err != nil {
		return nil, err
	}
	if !c.spendableBy(who) {
		return nil, &Refusal{Code: codes.PermissionDenied, Reason: ReasonDenied,
			Message: fmt.Sprintf("channel %d is neither of account %s nor of this connection's node key", o.Channel, who.Account)}
	}
	if err := t.open(ctx, c); err != nil {
		return nil, err
	}
	if o.Voucher != nil {
		if err := t.take(ctx, c, o); err != nil {
			return nil, err
		}
	}
	return t.reserve(c, o)
}

// sighted refuses while the chain is not seen: a channel might end unnoticed.
func (t *Till) sighted() error {
	if t.height.Load() == 0 || t.terms.Load() == nil {
		return t.unavailable("the miner has not seen the chain yet; try again in a moment")
	}
	if blind := time.Since(time.Unix(0, t.looked.Load())); blind > t.cfg.MaxBlind {
		return t.unavailable(fmt.Sprintf("the miner has not seen the chain for %v and takes no payments meanwhile", blind.Round(time.Second)))
	}
	return nil
}

// open refuses a channel that ends too soon, by what the chain says or is asked now.
func (t *Till) open(ctx context.Context, c *channel) error {
	height := t.height.Load()
	old, end, collected := t.state(c, height)
	closing := height+t.cfg.Margin >= end
	if old || closing && !c.justAsked() {
		if err := t.refresh(ctx, c.id); err != nil {
			return t.lost(ctx, c.id, err)
		}
		_, end, collected = t.state(c, height)
		closing = height+t.cfg.Margin >= end
	}
	if !closing && !collected {
		return nil
	}
	return &Refusal{Code: codes.FailedPrecondition, Reason: oip.ReasonChannelClosing,
		Metadata: map[string]string{"end": decimal(end), "height": decimal(height), "margin": decimal(t.cfg.Margin)},
		Message: fmt.Sprintf("channel %d ends at height %d, now is %d: this miner stops %d blocks before the end; open another, or move its expiry",
			c.id, end, height, t.cfg.Margin)}
}

// state returns what decides who is let in, and whether that was read too long ago to go by it.
func (t *Till) state(c *channel, height uint64) (old bool, end uint64, collected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen == 0 || height > add(c.seen, t.stale(c)), c.known.End(), c.collected
}

func (c *channel) justAsked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.asked) < askAgain
}

// take takes a voucher in. One that brings nothing new, because it comes again or was overtaken, changes nothing.
func (t *Till) take(ctx context.Context, c *channel, o Offer) error {
	v := *o.Voucher
	if v.Channel != o.Channel || v.Lane != o.Lane {
		return BadVoucher(fmt.Errorf("it is of lane %d/%d, the request is on %d/%d: %w", v.Channel, v.Lane, o.Channel, o.Lane, payment.ErrWrongChannel))
	}
	err := t.accept(c, v)
	if errors.Is(err, payment.ErrOverspent) && !c.justAsked() { // there may be more in the channel by now
		if err := t.refresh(ctx, c.id); err != nil {
			return t.lost(ctx, c.id, err)
		}
		err = t.accept(c, v)
	}
	var refusal *Refusal
	switch {
	case err == nil, errors.As(err, &refusal):
		return err
	default:
		return BadVoucher(err)
	}
}

// accept takes a voucher that the chain would redeem, and has it stored. Its signature is verified while others use the
// channel.
func (t *Till) accept(c *channel, v payment.Voucher) error {
	height := t.height.Load()
	c.mu.Lock()
	known, err := c.fits(v, height)
	first := c.standing(v.Lane).signed == 0
	c.mu.Unlock()
	if known || err != nil {
		return err
	}
	if first {
		if err := t.room(c, v.Lane); err != nil {
			return err
		}
	}
	if err := c.verifier.verify(t.cfg.ChainID, c.key, v); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return t.forgotten(c)
	}
	if known, err := c.fits(v, height); known || err != nil {
		return err // another came in between
	}
	l := c.lanes[v.Lane]
	if l == nil {
		l = &lane{channel: c, id: v.Lane}
		c.lanes[v.Lane] = l
		t.lanes.Add(1)
	}
	l.signed, l.nonce, l.voucher, l.tries, l.backed = v.Amount, v.Nonce, v, 0, 0
	t.keep(c)
	l.cover = t.journal.press(l)
	t.count.vouchers.Add(1)
	return nil
}

func (t *Till) forgotten(c *channel) error {
	return t.unavailable(fmt.Sprintf("channel %d was about to be forgotten; try again", c.id))
}

// keep gives a channel that is paid on a place in the store. The caller holds its mu.
func (t *Till) keep(c *channel) {
	if c.keep() {
		t.mu.Lock()
		t.payers[c.payer]++
		t.mu.Unlock()
	}
}

// room refuses a lane that would be one too many.
func (t *Till) room(c *channel, id uint32) error {
	c.mu.Lock()
	known, kept := c.lanes[id] != nil, c.kept
	c.mu.Unlock()
	full := func(format string, args ...any) error {
		return &Refusal{Code: codes.ResourceExhausted, Reason: ReasonFull, Message: fmt.Sprintf(format, args...)}
	}
	if !known && t.lanes.Load() >= int64(t.cfg.MaxLanes) {
		return full("this miner keeps %d lanes and opens no more", t.cfg.MaxLanes)
	}
	if t.store.size() > t.cfg.MaxStoreBytes {
		return full("this miner's store is full and it opens no more lanes")
	}
	if kept {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.payers[c.payer] >= t.cfg.MaxChannelsPerPayer {
		return full("this miner takes vouchers of %d channels of one account at most", t.cfg.MaxChannelsPerPayer)
	}
	return nil
}

// reserve puts the request's limit aside.
func (t *Till) reserve(c *channel, o Offer) (*Sale, error) {
	if least := t.cfg.Price.Charge(payment.Usage{}); o.Limit < least {
		return nil, t.tooLow(o.Limit, least)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil, t.forgotten(c)
	}
	l := c.lanes[o.Lane]
	if l == nil && o.Limit == 0 {
		return &Sale{till: t, channel: c}, nil // free of charge, and nothing to keep
	}
	stands := c.standing(o.Lane)
	if o.Limit > stands.signed-stands.owed-stands.reserved {
		return nil, t.required(o, stands)
	}
	if stands.inHand >= t.cfg.MaxInHand {
		return nil, &Refusal{Code: codes.ResourceExhausted, Reason: ReasonFull, Retry: 50 * time.Millisecond,
			Message: fmt.Sprintf("lane %d/%d has %d requests in hand; wait for one, or use another lane", o.Channel, o.Lane, stands.inHand)}
	}
	l.reserved += o.Limit
	l.inHand++
	return &Sale{till: t, channel: c, lane: l, cover: l.cover, limit: o.Limit}, nil
}

func (t *Till) tooLow(limit, least uint64) *Refusal {
	metadata := PriceMetadata(t.cfg.Price)
	metadata["minimum"] = decimal(least)
	return &Refusal{Code: codes.FailedPrecondition, Reason: oip.ReasonLimitTooLow, Metadata: metadata,
		Message: fmt.Sprintf("the limit is %d nplx; request and input alone cost %d", limit, least)}
}

// Input says how large the request is, in bytes of raw tensor contents, and refuses it where that alone costs more than
// its limit. A sale that was refused must still be settled.
func (s *Sale) Input(bytes uint64) error {
	s.input = bytes
	if least := s.till.cfg.Price.Charge(payment.Usage{Input: bytes}); s.limit < least {
		return s.till.refused(s.till.tooLow(s.limit, least))
	}
	return nil
}

// Settle charges the request and returns once what covers it is on disk. Where that fails, and where the answer comes too
// late for the caller, it says so, and the answer must not be sent. Usage counts where the request was answered; its
// input is what Input said.
func (s *Sale) Settle(ctx context.Context, outcome Outcome, usage payment.Usage) (Bill, error) {
	usage.Input = s.input
	began := outcome != Failed
	err := s.covered(ctx, began)
	if outcome == Answered && err != nil {
		outcome = Failed
		if ctx.Err() != nil {
			outcome = Cancelled
		}
	}
	price, charge := s.till.cfg.Price, uint64(0)
	switch outcome {
	case Answered:
		charge = price.Charge(usage)
	case Cancelled:
		charge = price.Charge(payment.Usage{Input: usage.Input})
	case Failed:
	}
	return s.settle(min(s.limit, charge)), err
}

// covered waits until the voucher that covers the request is on disk.
func (s *Sale) covered(ctx context.Context, began bool) error {
	if !began || s.cover == nil {
		return nil
	}
	select {
	case <-s.cover.done:
		if s.cover.err != nil {
			return s.till.refused(&Refusal{Code: codes.Unavailable, Reason: ReasonStore, Retry: s.till.cfg.FlushInterval,
				Message: "the miner cannot keep the voucher that covers this request; nothing is charged, try again later"})
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Drop settles a sale at nothing that was not settled, for use with defer. A nil sale is none.
func (s *Sale) Drop() {
	if s != nil && !s.done {
		s.settle(0)
	}
}

func (s *Sale) settle(charge uint64) Bill {
	if s.lane == nil {
		s.done = true
		return Bill{}
	}
	c, l := s.channel, s.lane
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.done {
		s.done = true
		l.reserved -= s.limit
		l.inHand--
		l.owed += charge
		if charge > 0 {
			s.till.keep(c)
			s.till.journal.note(l)
			s.till.count.revenue.Add(charge)
		}
	}
	if l.cover.settled() {
		l.cover = nil
	}
	return Bill{Charged: charge, Owed: l.owed}
}

// Owed returns what is owed on a lane, where the caller may know.
func (t *Till) Owed(who Caller, o Offer) (nplx uint64, ok bool) {
	c := t.book.get(o.Channel)
	if c == nil || !c.spendableBy(who) {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.standing(o.Lane).owed, true
}
