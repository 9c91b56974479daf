package wallet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/plexusnet/plexus/payment"
)

// channel is a channel and its one lane.
type channel struct {
	wallet  *Wallet
	id      uint64
	payee   Payee
	label   string
	deposit atomic.Uint64 // as the chain last said

	mu      sync.Mutex
	lane    lane
	record  record          // but for what lane knows
	latest  payment.Voucher // the last that was signed; it may not be on disk yet
	voucher string          // the best that is on disk, in binary
	best    uint64          // its nonce
	acked   uint64          // nonce of the best voucher that the miner is known to have
	busy    chan struct{}   // closed when the signing under way has ended; nil: none is
	filling chan struct{}   // closed when the top-up under way has ended; nil: none is
	failed  error           // why the last top-up failed
	retry   time.Time       // before which no other is tried
	used    bool            // since the wallet last looked
}

// restore makes the channel of a record.
func restore(w *Wallet, r record) (*channel, error) {
	c := &channel{wallet: w, id: r.ID, payee: Payee{r.Netuid, r.Hotkey}, label: label(r.ID), record: r}
	c.deposit.Store(r.Deposit)
	c.lane = crashed(r.Signed, r.Nonce, r.Owed, w.options.Step, r.Deposit, time.Now())
	if r.Signed == 0 {
		return c, nil
	}
	c.latest = payment.Voucher{Channel: r.ID, Lane: laneID, Nonce: r.Nonce, Amount: r.Signed, Signature: r.Signature}
	if err := c.latest.Verify(w.options.ChainID, w.publicKey()); err != nil {
		return nil, fmt.Errorf("wallet %s: channel %d: %w", w.options.Path, r.ID, err)
	}
	return c, c.useLatest()
}

// useLatest makes the last voucher the one that calls carry.
func (c *channel) useLatest() error {
	raw, err := c.latest.MarshalBinary()
	if err != nil {
		return fmt.Errorf("channel %d: %w", c.id, err)
	}
	c.voucher, c.best, c.lane.signed = string(raw), c.latest.Nonce, c.latest.Amount
	return nil
}

// put writes the channel as it is at the time of writing, so that of two writes the later is the newer.
func (c *channel) put(tx *bbolt.Tx) error {
	c.wallet.mu.Lock()
	gone := c.wallet.channels[c.id] != c
	c.wallet.mu.Unlock()
	if gone {
		return nil
	}
	c.mu.Lock()
	r := c.record
	r.Deposit, r.Owed = c.lane.deposit, min(c.lane.claimed, c.lane.agreed())
	r.Signed, r.Nonce, r.Signature = c.latest.Amount, c.latest.Nonce, c.latest.Signature
	c.mu.Unlock()
	return putRecord(tx, r)
}

// save writes the channel.
func (c *channel) save() error { return c.wallet.store.update(c.put) }

func (c *channel) view() Channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Channel{ID: c.id, Netuid: c.payee.Netuid, Hotkey: c.payee.Hotkey, State: c.record.State, Reason: c.record.Reason,
		Deposit: c.lane.deposit, Redeemed: c.record.Redeemed, Signed: c.lane.signed, Owed: min(c.lane.claimed, c.lane.most()),
		InHand: c.lane.inHand, Expires: c.record.Expires, ClosesAt: c.record.ClosesAt}
}

// usable reports whether new calls may go over the channel: it is open and does not end soon.
func (c *channel) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isUsable()
}

// isUsable is usable. The caller holds the lock.
func (c *channel) isUsable() bool {
	return c.record.State == StateOpen && c.wallet.height.Load()+c.record.margin() < c.record.Expires
}

// margin is how many blocks before its end a channel is no longer used.
func (r *record) margin() uint64 { return r.Span / 16 }

// raise makes the deposit at least so many nplx; the chain's only grows.
func (c *channel) raise(nplx uint64) uint64 {
	for {
		old := c.deposit.Load()
		if nplx <= old || c.deposit.CompareAndSwap(old, nplx) {
			return max(old, nplx)
		}
	}
}

func (c *channel) ready(limit uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isUsable() && c.lane.fits(limit)
}

// reserve takes a call in hand, signing for it where too little is signed. Errors wrap ErrDry and ErrClosing, which are
// mended by waiting, ErrOverBudget, and those of the disk.
func (c *channel) reserve(ctx context.Context, limit uint64) (*Payment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.cover(ctx, limit, func() (uint64, error) {
		if !c.isUsable() {
			return 0, fmt.Errorf("channel %d: %w", c.id, ErrClosing)
		}
		if !c.lane.fits(limit) {
			return 0, ErrDry
		}
		return c.lane.due(limit), nil
	})
	if err != nil {
		return nil, err
	}
	c.lane.enter(limit)
	c.used = true
	p := &Payment{channel: c, limit: limit, began: time.Now()}
	p.carry()
	if c.low() {
		c.fillLater()
	}
	return p, nil
}

// cover returns once as much is signed as need says; a call of that limit is about to come in. Those who need no new
// voucher do not wait for one that is being written. The caller holds the lock, which is let go of meanwhile.
func (c *channel) cover(ctx context.Context, limit uint64, need func() (uint64, error)) error {
	for {
		least, err := need()
		if err != nil || least <= c.lane.signed {
			return err
		}
		if busy := c.busy; busy != nil {
			if err := c.waitUnlocked(ctx, busy); err != nil {
				return err
			}
			continue
		}
		if err := c.sign(least, c.lane.ahead(least, limit)); err != nil {
			return err
		}
	}
}

// waitUnlocked waits without the lock, which the caller holds before and after.
func (c *channel) waitUnlocked(ctx context.Context, done <-chan struct{}) error {
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sign makes a voucher of least to wanted nplx the best, once it is on disk. The caller holds the lock, which is let go
// of meanwhile.
func (c *channel) sign(least, wanted uint64) error {
	fees := &c.wallet.fees
	granted, err := fees.take(least-c.lane.signed, wanted-c.lane.signed)
	if err != nil {
		return err
	}
	c.busy = make(chan struct{})
	c.lane.nonce++ // not used again, whatever comes of it
	next := payment.Voucher{Channel: c.id, Lane: laneID, Nonce: c.lane.nonce, Amount: c.lane.signed + granted}
	c.mu.Unlock()
	next = payment.Sign(c.wallet.options.ChainID, c.wallet.options.Key, next)
	c.mu.Lock()
	c.latest = next
	c.mu.Unlock()
	err = c.wallet.store.update(func(tx *bbolt.Tx) error { return errors.Join(c.put(tx), c.wallet.putTotals(tx)) })
	c.mu.Lock()
	close(c.busy)
	c.busy = nil
	if err != nil {
		fees.undo(granted)
		return err
	}
	return c.useLatest()
}

// low reports whether the deposit is about to be used up. The caller holds the lock.
func (c *channel) low() bool {
	return c.lane.deposit-min(c.lane.deposit, c.lane.due(0)) < c.wallet.options.Deposit/4
}

// dispute ends the use of the channel. The caller holds the lock.
func (c *channel) dispute(err error) {
	if c.record.State != StateOpen {
		return
	}
	c.record.State, c.record.Reason = StateDisputed, err.Error()
	c.wallet.options.Log.Warn("channel disputed: nothing more is signed for this miner", "channel", c.id, "netuid", c.payee.Netuid, "hotkey", c.payee.Hotkey, "reason", err)
	c.wallet.later(func(ctx context.Context) {
		if err := c.save(); err != nil {
			c.wallet.options.Log.Error("wallet not written", "channel", c.id, "error", err)
		}
		c.wallet.closeNow(ctx, c)
	})
}
