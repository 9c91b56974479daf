package till

import (
	"cmp"
	"crypto/ed25519"
	"crypto/subtle"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/plexusnet/plexus/payment"
)

// channel is what the till knows of a channel.
type channel struct {
	id       uint64
	payer    string
	key      ed25519.PublicKey
	verifier verifier

	mu        sync.Mutex
	known     Channel   // as it was on the chain
	seen      uint64    // at which height; 0: not since the program started
	asked     time.Time // when that was
	lanes     map[uint32]*lane
	kept      bool // it has a place in the store
	moved     bool // the store's record of it is old
	collected bool // the chain no longer has it
	gone      bool // forgotten: whoever still holds it must look it up again
	late      bool // money is left in it when little time is, and that was said
}

// lane is an independent counter of a channel, guarded by the channel's mu. All amounts are nplx.
type lane struct {
	channel *channel
	id      uint32

	signed   uint64 // by the best voucher, or redeemed
	nonce    uint64 // that goes with it
	owed     uint64 // cumulative
	reserved uint64 // limits of requests in hand
	inHand   int
	redeemed uint64          // on the chain, as last seen
	settled  uint64          // nonce that goes with it
	voucher  payment.Voucher // the best one; no signature: none

	dirty  bool   // the store's record of it is old
	cover  *batch // the write that brings what is signed to disk; nil or done: it is there
	backed uint64 // height before which a redemption that was refused is not tried again
	tries  int    // redemptions that were refused
}

// pending returns what the best voucher still brings.
func (l *lane) pending() uint64 {
	if l.voucher.Nonce <= l.settled || l.voucher.Amount <= l.redeemed {
		return 0
	}
	return l.voucher.Amount - l.redeemed
}

// spendableBy reports whether a caller is the payer, or holds the voucher key.
func (c *channel) spendableBy(who Caller) bool {
	if who.Account != "" && who.Account == c.payer {
		return true
	}
	return len(who.NodeKey) > 0 && subtle.ConstantTimeCompare(who.NodeKey, c.key) == 1
}

// update takes in how the channel stands on the chain.
func (c *channel) update(known Channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen > known.Height {
		return // an answer that was overtaken
	}
	c.moved = c.moved || known.Deposit != c.known.Deposit || known.Redeemed != c.known.Redeemed || known.End() != c.known.End()
	c.known, c.seen, c.asked = known, known.Height, time.Now()
	for _, on := range known.Lanes {
		l := c.lanes[on.ID]
		if l == nil { // what was redeemed without this till's knowledge was owed, for all it knows
			l = &lane{channel: c, id: on.ID, owed: on.Redeemed}
			c.lanes[on.ID] = l
		}
		l.redeemed, l.settled = max(l.redeemed, on.Redeemed), max(l.settled, on.Nonce)
		l.signed, l.nonce = max(l.signed, on.Redeemed), max(l.nonce, on.Nonce)
	}
}

// fits says, as payment.Channel.Redeem does, whether a voucher can be redeemed of the channel if all vouchers in hand are
// redeemed before. known reports one that brings nothing new, because it comes again or was overtaken by a later one. The
// signature is another matter. The caller holds mu.
func (c *channel) fits(v payment.Voucher, height uint64) (known bool, err error) {
	l, total, used := c.standing(v.Lane), uint64(0), 0
	for _, one := range c.lanes {
		if one.signed > 0 {
			total = add(total, one.signed)
			used++
		}
	}
	deposit := c.known.Deposit
	switch end := c.known.End(); {
	case v.Nonce <= l.nonce && v.Amount <= l.signed && (v.Nonce == l.nonce) == (v.Amount == l.signed):
		return true, nil
	case height >= end:
		return false, fmt.Errorf("channel %d ended at height %d, now is %d: %w", c.id, end, height, payment.ErrClosed)
	case v.Nonce <= l.nonce || v.Amount <= l.signed:
		return false, fmt.Errorf("lane %d stands at nonce %d and %d nplx, voucher at nonce %d and %d nplx: %w",
			v.Lane, l.nonce, l.signed, v.Nonce, v.Amount, payment.ErrReplayed)
	case v.Amount-l.signed > deposit-min(deposit, total):
		return false, fmt.Errorf("voucher adds %d nplx, %d of the deposit of %d are signed for: %w", v.Amount-l.signed, total, deposit, payment.ErrOverspent)
	case l.signed == 0 && used >= c.known.MaxLanes:
		return false, fmt.Errorf("lane %d would be one more than %d: %w", v.Lane, c.known.MaxLanes, payment.ErrTooManyLanes)
	}
	return false, nil
}

// keep gives the channel a place in the store, and reports whether it had none. The caller holds mu.
func (c *channel) keep() bool {
	if c.kept {
		return false
	}
	c.kept, c.moved = true, true
	return true
}

// used reports whether requests are in hand, or something is still to be written. The caller holds mu.
func (c *channel) used() bool {
	for _, l := range c.lanes {
		if l.inHand > 0 || l.dirty {
			return true
		}
	}
	return false
}

// pending returns what the vouchers in hand still bring. The caller holds mu.
func (c *channel) pending() uint64 {
	sum := uint64(0)
	for _, l := range c.lanes {
		sum = add(sum, l.pending())
	}
	return sum
}

// count returns the number of lanes.
func (c *channel) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.lanes)
}

// standing returns a copy of a lane, empty where nobody used it.
func (c *channel) standing(id uint32) lane {
	if l := c.lanes[id]; l != nil {
		return *l
	}
	return lane{}
}

const shards = 64

// book holds the channels that the till knows, in parts with a lock each. The zero value is empty.
type book struct {
	parts [shards]struct {
		mu       sync.RWMutex
		channels map[uint64]*channel
	}
}

func (b *book) get(id uint64) *channel {
	p := &b.parts[id%shards]
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.channels[id]
}

// put adds a channel unless it is there, and returns the one that is.
func (b *book) put(c *channel) *channel {
	p := &b.parts[c.id%shards]
	p.mu.Lock()
	defer p.mu.Unlock()
	if there := p.channels[c.id]; there != nil {
		return there
	}
	if p.channels == nil {
		p.channels = map[uint64]*channel{}
	}
	p.channels[c.id] = c
	return c
}

// drop removes the channels that gone says, and returns them. gone is called with the part locked.
func (b *book) drop(gone func(*channel) bool) []*channel {
	var dropped []*channel
	for i := range b.parts {
		p := &b.parts[i]
		p.mu.Lock()
		for id, c := range p.channels {
			if gone(c) {
				delete(p.channels, id)
				dropped = append(dropped, c)
			}
		}
		p.mu.Unlock()
	}
	return dropped
}

// all returns the channels in order of their numbers.
func (b *book) all() []*channel {
	var all []*channel
	for i := range b.parts {
		p := &b.parts[i]
		p.mu.RLock()
		for _, c := range p.channels {
			all = append(all, c)
		}
		p.mu.RUnlock()
	}
	slices.SortFunc(all, func(a, b *channel) int { return cmp.Compare(a.id, b.id) })
	return all
}
