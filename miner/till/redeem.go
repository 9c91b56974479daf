package till

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/plexusnet/plexus/payment"
)

// claim is a voucher that is to be redeemed.
type claim struct {
	lane    *lane
	voucher payment.Voucher
	amount  uint64 // nplx that it brings
	end     uint64 // height
}

// maxBackoff bounds the time, and the blocks, between tries at a redemption that does not succeed.
const (
	maxBackoff       = time.Minute
	maxBackoffBlocks = 64
)

// Redeem redeems what it is time to redeem: all of a channel that ends within Margin blocks, and of the others what makes
// a transaction worth Threshold, not more often than RedeemEvery.
func (t *Till) Redeem(ctx context.Context) {
	t.redeeming.Lock()
	defer t.redeeming.Unlock()
	if t.terms.Load() == nil || time.Now().Before(t.retry) {
		return
	}
	urgent, rest := t.claims()
	if _, ok := t.send(ctx, urgent, 0); !ok || time.Since(t.regular) < t.cfg.RedeemEvery {
		return
	}
	if sent, _ := t.send(ctx, rest, t.cfg.Threshold); sent > 0 {
		t.regular = time.Now()
	}
}

// Finish redeems all that is left, before the program ends; nobody may come any more who would miss it.
func (t *Till) Finish(ctx context.Context) {
	t.redeeming.Lock()
	defer t.redeeming.Unlock()
	if t.terms.Load() == nil {
		return
	}
	urgent, rest := t.claims()
	if _, ok := t.send(ctx, append(urgent, rest...), 0); !ok {
		t.cfg.Log.Warn("not all could be redeemed: start the miner again before the channels end", "pending_nplx", t.Earnings().Pending)
	}
}

// claims returns the vouchers that bring something: those of channels about to end, the first to end first; and the
// others, the largest first. It says aloud which channels are late.
func (t *Till) claims() (urgent, rest []claim) {
	height := t.height.Load()
	for _, c := range t.book.all() {
		c.mu.Lock()
		end := c.known.End()
		pending := c.pending()
		over := c.gone || c.collected || height >= end
		if late := pending > 0 && !over && height+t.cfg.Margin/2 >= end; late != c.late {
			c.late = late
			if late {
				t.cfg.Log.Error("vouchers are not redeemed and their channel is about to end", "channel", c.id, "nplx", pending, "end", end, "height", height)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(c.lanes)) {
			l := c.lanes[id]
			amount := l.pending()
			if over || amount == 0 || height < l.backed {
				continue
			}
			one := claim{lane: l, voucher: l.voucher, amount: amount, end: end}
			if height+t.cfg.Margin >= end {
				urgent = append(urgent, one)
			} else {
				rest = append(rest, one)
			}
		}
		c.mu.Unlock()
	}
	slices.SortStableFunc(urgent, func(a, b claim) int { return cmp.Compare(a.end, b.end) })
	slices.SortStableFunc(rest, func(a, b claim) int { return cmp.Compare(b.amount, a.amount) })
	return urgent, rest
}

// send redeems claims, as many per transaction as the chain takes, until a transaction would bring less than least. It
// returns how many were sent, and whether none failed in a way that calls for waiting.
func (t *Till) send(ctx context.Context, claims []claim, least uint64) (sent int, ok bool) {
	for some := range slices.Chunk(claims, max(1, t.terms.Load().MaxVouchers)) {
		sum := uint64(0)
		for _, c := range some {
			sum = add(sum, c.amount)
		}
		if sum < least {
			return sent, true
		}
		if ctx.Err() != nil || !t.redeem(ctx, some) {
			return sent, false
		}
		sent++
	}
	return sent, true
}

// redeem sends one transaction. It reports false where it is better to wait before the next.
func (t *Till) redeem(ctx context.Context, claims []claim) bool {
	vouchers := make([]payment.Voucher, len(claims))
	for i, c := range claims {
		vouchers[i] = c.voucher
	}
	sending, cancel := context.WithTimeout(ctx, t.cfg.RedeemTimeout)
	amounts, err := t.cfg.Chain.Redeem(sending, t.attempt, vouchers)
	cancel()
	switch {
	case err == nil:
		t.attempt = 0
		t.paid(claims, amounts)
		t.recheck(ctx, claims)
		return true
	case errors.Is(err, ErrRefused):
		t.count.redemption("refused")
		return t.dispute(ctx, claims, err)
	default: // it may have been redeemed or not; what the chain says at the next look decides
		t.count.redemption("failed")
		t.attempt++
		wait := min(t.cfg.Interval<<min(t.attempt-1, 8), maxBackoff)
		t.retry = time.Now().Add(wait)
		if ctx.Err() == nil {
			t.cfg.Log.Warn("redeeming failed, trying again", "vouchers", len(claims), "attempt", t.attempt, "in", wait, "error", err)
			t.recheck(ctx, claims)
		}
		return false
	}
}

// paid takes down what was redeemed. A voucher that brought nothing came too late: the chain will say how.
func (t *Till) paid(claims []claim, amounts []uint64) {
	sum := uint64(0)
	for i, one := range claims {
		if i >= len(amounts) || amounts[i] == 0 {
			continue
		}
		sum = add(sum, amounts[i])
		c, l := one.lane.channel, one.lane
		c.mu.Lock()
		if one.voucher.Nonce > l.settled {
			l.redeemed, l.settled = max(l.redeemed, one.voucher.Amount), one.voucher.Nonce
			if !c.gone {
				t.journal.note(l)
			}
		}
		c.mu.Unlock()
	}
	t.count.redemption("done")
	t.count.redeemed.Add(sum)
	t.cfg.Log.Info("redeemed", "vouchers", len(claims), "nplx", sum)
}

// recheck asks the chain how the channels of claims stand.
func (t *Till) recheck(ctx context.Context, claims []claim) {
	asked := map[uint64]bool{}
	for _, one := range claims {
		id := one.lane.channel.id
		if asked[id] || ctx.Err() != nil {
			continue
		}
		asked[id] = true
		if err := t.refresh(ctx, id); err != nil && !errors.Is(err, ErrNoChannel) {
			t.cfg.Log.Warn("the chain does not say how a channel stands", "channel", id, "error", err)
		}
	}
}

// dispute finds out which of the claims the chain refused. One that was redeemed already, by a transaction that this till
// knew nothing of or had no answer to, is fine; the others are sent one by one, so that a bad one does not hold back the
// rest; one that is refused by itself waits ever longer.
func (t *Till) dispute(ctx context.Context, claims []claim, reason error) bool {
	t.recheck(ctx, claims)
	open := slices.DeleteFunc(slices.Clone(claims), func(one claim) bool {
		c := one.lane.channel
		c.mu.Lock()
		defer c.mu.Unlock()
		return one.lane.settled >= one.voucher.Nonce || c.collected
	})
	if len(claims) > 1 {
		for _, one := range open {
			if ctx.Err() != nil || !t.redeem(ctx, []claim{one}) {
				return false
			}
		}
		return true
	}
	for _, one := range open {
		c, l := one.lane.channel, one.lane
		c.mu.Lock()
		l.tries++
		l.backed = t.height.Load() + min(uint64(1)<<min(l.tries-1, 16), maxBackoffBlocks)
		tries := l.tries
		c.mu.Unlock()
		t.cfg.Log.Error("the chain refuses a voucher", "channel", c.id, "lane", l.id, "nonce", one.voucher.Nonce, "nplx", one.amount, "tries", tries, "error", reason)
	}
	return true
}

// forget removes the channels that have ended and from which nothing can be had any more.
func (t *Till) forget() {
	height := t.height.Load()
	var ended []*channel
	t.mu.Lock()
	totals := t.past
	t.mu.Unlock()
	for _, c := range t.book.all() {
		c.mu.Lock()
		if c.kept && !c.used() && (c.collected || c.seen > 0 && c.seen >= c.known.End() && height >= c.known.End()) {
			ended = append(ended, c)
			totals.take(c)
		}
		c.mu.Unlock()
	}
	if len(ended) == 0 {
		return
	}
	if err := t.journal.forget(ended, totals); err != nil {
		t.cfg.Log.Error("channels that have ended cannot be removed from the store, trying again", "error", err)
		return
	}
	t.mu.Lock()
	t.past = totals
	for _, c := range ended {
		if t.payers[c.payer]--; t.payers[c.payer] <= 0 {
			delete(t.payers, c.payer)
		}
	}
	t.mu.Unlock()
	for _, c := range t.book.drop(func(c *channel) bool { return slices.Contains(ended, c) }) {
		t.lanes.Add(-int64(c.count()))
		c.mu.Lock()
		lost := c.pending()
		c.mu.Unlock()
		if lost > 0 {
			t.cfg.Log.Error("a channel ended before its vouchers were redeemed: the money is lost", "channel", c.id, "nplx", lost)
		} else {
			t.cfg.Log.Info("channel ended", "channel", c.id)
		}
	}
}

// take adds up a channel that has ended. The caller holds its mu.
func (p *past) take(c *channel) {
	p.Channels++
	for _, l := range c.lanes {
		p.Signed, p.Owed = add(p.Signed, l.signed), add(p.Owed, l.owed)
		p.Redeemed, p.Lost = add(p.Redeemed, l.redeemed), add(p.Lost, l.pending())
	}
}
