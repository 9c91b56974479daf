package wallet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/payment"
)

// keep looks at the chain again and again: it takes in what became of channels, extends those that are used and about to
// expire, and gets back what is left in those that have ended.
func (w *Wallet) keep() {
	for {
		if err := w.Look(w.ctx); err != nil && w.ctx.Err() == nil {
			w.options.Log.Warn("wallet: the chain does not say how its channels stand", "error", err)
		}
		select {
		case <-w.ctx.Done():
			return
		case <-time.After(w.options.Interval):
		}
	}
}

// Look takes in how the wallet's channels stand on the chain, and does what is due. The wallet does so by itself every
// Options.Interval.
func (w *Wallet) Look(ctx context.Context) error {
	if w.options.Chain == nil {
		return errNoChain
	}
	if err := w.count(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	list := w.list()
	w.mu.Unlock()
	var errs []error
	for _, c := range list {
		if err := w.tend(ctx, c); err != nil {
			errs = append(errs, fmt.Errorf("channel %d: %w", c.id, err))
		}
	}
	return errors.Join(errs...)
}

var errNoChain = errors.New("wallet: no chain given, nothing can be opened or closed")

// count takes in which channels the chain has.
func (w *Wallet) count(ctx context.Context) error {
	height, err := w.options.Chain.Height(ctx)
	if err != nil {
		return err
	}
	began := w.known()
	escrows, err := w.options.Chain.Channels(ctx)
	if err != nil {
		return err
	}
	w.height.Store(height)
	public := w.publicKey()
	escrows = slices.DeleteFunc(escrows, func(e Escrow) bool { return !slices.Equal(e.VoucherKey, public) })
	if err := w.before(escrows); err != nil {
		return err
	}
	for _, e := range escrows {
		if err := w.meet(e); err != nil {
			return err
		}
	}
	if err := w.forgetGone(began, escrows); err != nil {
		return err
	}
	w.mu.Lock()
	w.counted = true
	w.mu.Unlock()
	return w.forgetIntents(height)
}

// known returns the ids of the channels that the wallet has.
func (w *Wallet) known() []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []uint64
	for _, c := range w.list() {
		ids = append(ids, c.id)
	}
	return ids
}

// before notes the channels that are older than the wallet: what was signed for them is not known.
func (w *Wallet) before(escrows []Escrow) error {
	w.mu.Lock()
	if w.totals.Counted {
		w.mu.Unlock()
		return nil
	}
	for _, e := range escrows {
		if w.channels[e.ID] == nil {
			w.totals.Before = append(w.totals.Before, e.ID)
		}
	}
	w.totals.Counted = true
	w.mu.Unlock()
	return w.store.update(w.putTotals)
}

// putTotals writes what belongs to no channel, as it is at the time of writing.
func (w *Wallet) putTotals(tx *bbolt.Tx) error {
	w.mu.Lock()
	t := w.totals
	w.mu.Unlock()
	t.Window = w.fees.snapshot()
	return put(tx, bucketWallet(), keyTotals(), t)
}

// meet takes in a channel that the chain has.
func (w *Wallet) meet(e Escrow) error {
	w.mu.Lock()
	c := w.channels[e.ID]
	foreign := slices.Contains(w.totals.Before, e.ID)
	w.mu.Unlock()
	if c == nil {
		state := StateOpen
		if foreign {
			state = StateForeign
		}
		// One that this wallet asked for and never heard of again: nothing can have been signed for it.
		return w.adopt(record{ID: e.ID, Netuid: e.Netuid, Hotkey: e.Hotkey, Deposit: e.Deposit, Redeemed: e.Redeemed, Expires: e.Expires,
			Span: e.Expires - min(e.Expires, w.height.Load()), ClosesAt: e.ClosesAt, State: state, Opened: time.Now()})
	}
	if c.update(e) {
		return c.save()
	}
	return nil
}

// adopt adds a channel; where there is an intent for it, that is fulfilled.
func (w *Wallet) adopt(r record) error {
	c, err := restore(w, r)
	if err != nil {
		return err
	}
	payee := c.payee
	err = w.store.update(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(bucketIntents()).Delete(intentKey(payee)); err != nil {
			return err
		}
		return putRecord(tx, r)
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.intents, payee)
	if w.channels[r.ID] != nil {
		return nil // found on the chain while the answer was on its way
	}
	w.channels[r.ID] = c
	if r.State == StateOpen && w.current[payee] == nil {
		w.current[payee] = c
	}
	return nil
}

func intentKey(p Payee) []byte { return fmt.Appendf(nil, "%d/%s", p.Netuid, p.Hotkey) }

// update takes in what the chain says of a channel, and reports whether it is news.
func (c *channel) update(e Escrow) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &c.record
	deposit, expires := c.raise(e.Deposit), max(r.Expires, e.Expires)
	news := c.lane.deposit != deposit || r.Redeemed != e.Redeemed || r.Expires != expires || r.ClosesAt != e.ClosesAt
	c.lane.deposit, r.Redeemed, r.Expires, r.ClosesAt = deposit, e.Redeemed, expires, e.ClosesAt
	if e.ClosesAt != 0 && r.State == StateOpen {
		r.State, news = StateClosing, true
	}
	return news
}

// forgetGone drops the channels that were collected, by whomever.
func (w *Wallet) forgetGone(began []uint64, escrows []Escrow) error {
	for _, id := range began {
		if slices.ContainsFunc(escrows, func(e Escrow) bool { return e.ID == id }) {
			continue
		}
		w.mu.Lock()
		c := w.channels[id]
		w.mu.Unlock()
		if c == nil {
			continue
		}
		c.mu.Lock()
		cost := max(c.record.Redeemed, min(c.lane.signed, c.lane.deposit)) // the most that it can have come to
		c.mu.Unlock()
		if err := w.drop(c, cost); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets a channel that is gone from the chain and cost so many nplx.
func (w *Wallet) drop(c *channel, cost uint64) error {
	c.retire(StateClosing, "collected")
	w.mu.Lock()
	if w.channels[c.id] == nil {
		w.mu.Unlock()
		return nil
	}
	delete(w.channels, c.id)
	if w.current[c.payee] == c {
		delete(w.current, c.payee)
	}
	if at := slices.Index(w.totals.Before, c.id); at >= 0 {
		w.totals.Before = slices.Delete(slices.Clone(w.totals.Before), at, at+1)
	} else {
		w.totals.Spent = add(w.totals.Spent, cost)
	}
	w.mu.Unlock()
	return w.store.update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.Bucket(bucketChannels()).Delete(channelKey(c.id)), w.putTotals(tx))
	})
}

// intentBlocks is how long an opening that was asked for and not answered may still appear on the chain.
const intentBlocks = 30

// forgetIntents drops what was asked for long ago and never came.
func (w *Wallet) forgetIntents(height uint64) error {
	w.mu.Lock()
	var gone []Payee
	for p, i := range w.intents {
		if height > i.Height+intentBlocks && (w.opening[p] == nil || w.opening[p].ended) {
			gone = append(gone, p)
			delete(w.intents, p)
		}
	}
	w.mu.Unlock()
	if len(gone) == 0 {
		return nil
	}
	return w.store.update(func(tx *bbolt.Tx) error {
		for _, p := range gone {
			if err := tx.Bucket(bucketIntents()).Delete(intentKey(p)); err != nil {
				return err
			}
		}
		return nil
	})
}

// open opens a channel to a miner.
func (w *Wallet) open(ctx context.Context, to Payee) error {
	if w.options.Chain == nil {
		return errNoChain
	}
	if err := w.openOnce(ctx, to); err != nil {
		return fmt.Errorf("open a channel to %s in subnet %d: %w", to.Hotkey, to.Netuid, err)
	}
	return nil
}

func (w *Wallet) openOnce(ctx context.Context, to Payee) error {
	if err := w.count(ctx); err != nil { // there may be one already
		return err
	}
	w.mu.Lock()
	c := w.current[to]
	w.mu.Unlock()
	if c != nil && c.usable() {
		return nil
	}
	terms, err := w.options.Chain.Terms(ctx)
	if err != nil {
		return err
	}
	deposit, expires := max(w.options.Deposit, terms.MinDeposit), w.height.Load()+min(w.options.Duration, terms.MaxDuration)
	if err := w.intend(to, deposit); err != nil {
		return err
	}
	id, err := w.options.Chain.OpenChannel(ctx, Opening{Netuid: to.Netuid, Hotkey: to.Hotkey, VoucherKey: w.publicKey(), Deposit: deposit, Expires: expires})
	if err != nil {
		if !errors.Is(err, metagraph.ErrUnavailable) && ctx.Err() == nil { // it was refused; otherwise it may come yet
			err = errors.Join(err, w.abandon(to))
		}
		return err
	}
	w.options.Log.Info("channel opened", "channel", id, "netuid", to.Netuid, "hotkey", to.Hotkey, "deposit", amount.Format(deposit), "expires", expires)
	return w.adopt(record{ID: id, Netuid: to.Netuid, Hotkey: to.Hotkey, Deposit: deposit, Expires: expires,
		Span: expires - w.height.Load(), State: StateOpen, Opened: time.Now()})
}

// errPending: an opening was asked for, and the chain has not said what became of it.
var errPending = fmt.Errorf("%w: an opening that it did not answer may still come", metagraph.ErrUnavailable)

// intend notes, before it is asked for, that money goes out.
func (w *Wallet) intend(to Payee, deposit uint64) error {
	i := intent{Payee: to, Deposit: deposit, Height: w.height.Load()}
	w.mu.Lock()
	_, pending := w.intents[to]
	err := w.afford(deposit)
	if pending {
		err = errPending
	}
	if err == nil {
		w.intents[to] = i
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	return w.store.update(func(tx *bbolt.Tx) error { return put(tx, bucketIntents(), intentKey(to), i) })
}

func (w *Wallet) abandon(to Payee) error {
	w.mu.Lock()
	delete(w.intents, to)
	w.mu.Unlock()
	return w.store.update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketIntents()).Delete(intentKey(to)) })
}

// prepare tops up where that is due.
func (c *channel) prepare() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.low() {
		c.fillLater()
	}
}

// fillLater tops up in the background. The caller holds the lock.
func (c *channel) fillLater() {
	if c.filling != nil || time.Now().Before(c.retry) || c.wallet.options.Chain == nil {
		return
	}
	done := make(chan struct{})
	c.filling = done
	started := c.wallet.later(func(ctx context.Context) {
		err := c.fill(ctx)
		if err != nil {
			c.wallet.options.Log.Warn("channel not topped up", "channel", c.id, "hotkey", c.payee.Hotkey, "error", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.failed = err; err != nil {
			c.retry = time.Now().Add(failedFor)
		}
		c.filling = nil
		close(done)
	})
	if !started {
		c.filling = nil
	}
}

// refill waits until the channel is topped up.
func (c *channel) refill(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fillLater()
	if c.filling == nil {
		if c.failed != nil {
			return c.failed
		}
		return ErrClosed
	}
	if err := c.waitUnlocked(ctx, c.filling); err != nil {
		return fmt.Errorf("top up channel %d: %w", c.id, err)
	}
	return c.failed
}

// fill adds to the deposit what makes a whole deposit free again, or what is left of the budget.
func (c *channel) fill(ctx context.Context) error {
	w := c.wallet
	c.mu.Lock()
	used := c.lane.due(0)
	more := w.options.Deposit - min(w.options.Deposit, c.lane.deposit-min(c.lane.deposit, used))
	c.mu.Unlock()
	if more == 0 {
		return nil
	}
	w.mu.Lock()
	if left := w.options.Budget - min(w.options.Budget, w.out()); left > 0 {
		more = min(more, left)
	}
	w.mu.Unlock()
	return w.addTo(ctx, c, more, 0)
}

// addTo tops up a channel.
func (w *Wallet) addTo(ctx context.Context, c *channel, more, expires uint64) error {
	w.mu.Lock()
	err := w.afford(more)
	if err == nil {
		w.pending += more
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	before := c.deposit.Load() // nobody else tops up: the chain's deposit is this, and then more
	err = w.options.Chain.TopUp(ctx, c.id, more, expires)
	w.mu.Lock()
	w.pending -= more
	if err == nil {
		c.raise(before + more)
	}
	w.mu.Unlock()
	if err != nil {
		return fmt.Errorf("top up channel %d by %s: %w", c.id, amount.Format(more), err)
	}
	c.mu.Lock()
	c.lane.deposit = c.deposit.Load()
	if expires > c.record.Expires {
		c.record.Expires, c.record.Span = expires, expires-w.height.Load()
	}
	c.mu.Unlock()
	w.options.Log.Info("channel topped up", "channel", c.id, "hotkey", c.payee.Hotkey, "added", amount.Format(more), "expires", expires)
	return c.save()
}

// tend does what is due for a channel.
func (w *Wallet) tend(ctx context.Context, c *channel) error {
	height := w.height.Load()
	c.mu.Lock()
	r, used := c.record, c.used
	c.used = false
	c.mu.Unlock()
	end := r.Expires
	if r.ClosesAt != 0 {
		end = min(end, r.ClosesAt)
	}
	switch {
	case height >= end:
		_, err := w.Collect(ctx, c.id)
		return err
	case r.State == StateForeign, r.ClosesAt != 0, height+r.margin() >= end:
		return nil // it ends by itself
	case r.State != StateOpen:
		return w.CloseChannel(ctx, c.id)
	case used && end-height < r.Span/4:
		return w.extend(ctx, c)
	default:
		return nil
	}
}

// extend moves a channel's end as far away as that of a new one.
func (w *Wallet) extend(ctx context.Context, c *channel) error {
	terms, err := w.options.Chain.Terms(ctx)
	if err != nil {
		return err
	}
	expires := w.height.Load() + min(w.options.Duration, terms.MaxDuration)
	c.mu.Lock()
	later := expires > c.record.Expires
	c.mu.Unlock()
	if !later {
		return nil
	}
	return w.addTo(ctx, c, 0, expires)
}

// OpenChannel opens a channel to a miner, or returns the one there is.
func (w *Wallet) OpenChannel(ctx context.Context, to Payee) (Channel, error) {
	c, err := w.wait(ctx, to)
	if err != nil {
		return Channel{}, err
	}
	return c.view(), nil
}

// CloseChannel begins the closing of a channel: no call goes over it any more, the miner redeems what it has, and after
// the chain's delay the rest can be collected. Errors wrap ErrNoChannel or are the chain's.
func (w *Wallet) CloseChannel(ctx context.Context, id uint64) error {
	c, err := w.channel(id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.record.State == StateOpen {
		c.record.State, c.record.Reason = StateClosing, "asked for"
	}
	closed := c.record.ClosesAt != 0
	c.mu.Unlock()
	if err := c.save(); err != nil || closed {
		return err
	}
	err = w.options.Chain.CloseChannel(ctx, id)
	if errors.Is(err, payment.ErrClosing) || errors.Is(err, payment.ErrClosed) {
		return w.count(ctx) // the miner was faster, or a look at the chain that found it out of use
	}
	if err != nil {
		return fmt.Errorf("close channel %d: %w", id, err)
	}
	w.options.Log.Info("channel closing", "channel", id, "hotkey", c.payee.Hotkey)
	return w.count(ctx)
}

// Collect gets back what is left in a channel that has ended, and returns how many nplx.
func (w *Wallet) Collect(ctx context.Context, id uint64) (uint64, error) {
	c, err := w.channel(id)
	if err != nil {
		return 0, err
	}
	refund, err := w.options.Chain.Collect(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("collect channel %d: %w", id, err)
	}
	cost := c.deposit.Load() - min(c.deposit.Load(), refund)
	w.options.Log.Info("channel collected", "channel", id, "hotkey", c.payee.Hotkey, "refund", amount.Format(refund), "cost", amount.Format(cost))
	return refund, w.drop(c, cost)
}

func (w *Wallet) channel(id uint64) (*channel, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.options.Chain == nil {
		return nil, errNoChain
	}
	if c := w.channels[id]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%w: %d", ErrNoChannel, id)
}

// closeNow closes a channel in the background; what fails is tried again at the next look.
func (w *Wallet) closeNow(ctx context.Context, c *channel) {
	if w.options.Chain == nil {
		return
	}
	if err := w.CloseChannel(ctx, c.id); err != nil && ctx.Err() == nil {
		w.options.Log.Warn("channel not closed yet", "channel", c.id, "error", err)
	}
}
