package wallet

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/plexusnet/plexus/client/oip"
)

// Payment is the payment of one call. End it by exactly one of Settle, Unknown and Release.
type Payment struct {
	channel *channel
	limit   uint64
	began   time.Time
	voucher string // to carry; empty: the miner has the best
	nonce   uint64 // of it
	asked   int    // times that the miner wanted more
	ended   bool
}

// maxAsked is how often one call may be refused for want of payment and sent again.
const maxAsked = 3

// Channel is the id of the channel that pays.
func (p *Payment) Channel() uint64 { return p.channel.id }

// Limit is the most that the call may cost, in nplx.
func (p *Payment) Limit() uint64 { return p.limit }

// Outgoing returns ctx with what a paid call carries.
func (p *Payment) Outgoing(ctx context.Context) context.Context {
	limit := strconv.FormatUint(p.limit, 10)
	if p.voucher == "" {
		return metadata.AppendToOutgoingContext(ctx, oip.HeaderChannel, p.channel.label, oip.HeaderLimit, limit)
	}
	return metadata.AppendToOutgoingContext(ctx, oip.HeaderChannel, p.channel.label, oip.HeaderLimit, limit, oip.HeaderVoucher, p.voucher)
}

// carry takes the best voucher along where the miner may not have it. The caller holds the channel's lock.
func (p *Payment) carry() {
	c := p.channel
	p.voucher, p.nonce = "", 0
	if c.acked < c.best {
		p.voucher, p.nonce = c.voucher, c.best
	}
}

// end takes the payment out of hand. The caller holds the channel's lock.
func (p *Payment) end() bool {
	ended := p.ended
	p.ended = true
	return !ended
}

// Settle ends the payment of a call that the miner answered, with an error or without: it charged so many nplx, and says
// that so many are owed in all. The error wraps ErrDispute where that cannot be; the miner is paid nothing more then.
func (p *Payment) Settle(charged, owed uint64) error {
	c := p.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.end() {
		return nil
	}
	c.acked = max(c.acked, p.nonce)
	err := c.lane.settle(p.limit, charged, owed, p.began)
	if err != nil {
		c.dispute(err)
	}
	return err
}

// Unknown ends the payment of a call that may have reached the miner and may have been charged for.
func (p *Payment) Unknown() {
	c := p.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.end() {
		c.lane.lose(p.limit, time.Now())
	}
}

// Release ends the payment of a call that cost nothing: it was not sent, or the miner refused it.
func (p *Payment) Release() {
	c := p.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.end() {
		c.lane.leave(p.limit)
	}
}

// Demand is what a miner answers that lets a call not in for want of payment.
type Demand struct {
	Owed   uint64 // nplx of the lane, in all
	Signed uint64 // nplx of the best voucher that it has
	Nonce  uint64 // of that voucher
	Needed uint64 // nplx to be signed
}

// Answer does what the miner asks for, if it may ask for it: after nil the same payment is good for another try. Else the
// payment has ended, and the error wraps ErrDispute, ErrRefused, ErrOverBudget or that of an ended ctx.
func (p *Payment) Answer(ctx context.Context, d Demand) error {
	c := p.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	err := p.answer(ctx, d)
	if err == nil {
		return nil
	}
	if p.end() {
		c.lane.leave(p.limit)
	}
	if errors.Is(err, ErrDispute) {
		c.dispute(err)
	}
	return err
}

// answer is Answer. The caller holds the channel's lock.
func (p *Payment) answer(ctx context.Context, d Demand) error {
	c := p.channel
	if p.asked++; p.asked > maxAsked {
		return fmt.Errorf("%w: it wants %d nplx signed, has been given %d and asked %d times", ErrRefused, d.Needed, c.lane.signed, p.asked)
	}
	if d.Signed > c.lane.signed && c.busy == nil {
		return fmt.Errorf("%w: it has a voucher of %d nplx, this wallet has signed for %d; was its file restored from an old copy?", ErrDispute, d.Signed, c.lane.signed)
	}
	if err := c.lane.demand(p.limit, d.Owed, d.Needed); err != nil {
		return err
	}
	if d.Signed <= c.lane.signed {
		c.lane.nonce = max(c.lane.nonce, d.Nonce)
	}
	err := c.cover(ctx, 0, func() (uint64, error) {
		return d.Needed, c.lane.demand(p.limit, d.Owed, d.Needed)
	})
	if err != nil {
		return err
	}
	p.voucher, p.nonce = c.voucher, c.best // whatever it said that it has
	return nil
}

// Closing ends the payment of a call that the miner refused because the channel is closing: it cost nothing, and no other
// call goes over the channel. A miner that never took a call over it gets no other channel for some time.
func (p *Payment) Closing() {
	p.Release()
	c := p.channel
	c.mu.Lock()
	fresh := c.lane.known == 0
	c.mu.Unlock()
	c.retire(StateClosing, "the miner says that it is")
	if fresh {
		c.wallet.shun(c.payee, fmt.Errorf("%w: it takes no channel of %d blocks", ErrRefused, c.wallet.options.Duration), time.Now().Add(shunnedFor))
	}
}

// shunnedFor is how long a miner that takes no channel is given none.
const shunnedFor = 5 * time.Minute

// retire takes the channel out of use.
func (c *channel) retire(state State, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.record.State != StateOpen {
		return
	}
	c.record.State, c.record.Reason = state, reason
	c.wallet.later(func(context.Context) {
		if err := c.save(); err != nil {
			c.wallet.options.Log.Error("wallet not written", "channel", c.id, "error", err)
		}
	})
}
