// Package tilltest is a chain in memory, as far as a till needs one, for tests of whoever is paid by channels: it judges
// vouchers by package payment, as the chain does, and can be down, refuse, and answer late.
//
//	chain := tilltest.NewChain("plexus-test-1")
//	key := chain.Open(tilltest.Opening{Payer: address, Netuid: 1, Hotkey: hotkey, Deposit: 1000, Expires: 5000})
//	...
//	chain.Advance(10)
package tilltest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"

	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/payment"
)

// ErrDown is what a chain that is down answers.
var ErrDown = errors.New("the chain is down")

// Rules of a new chain.
const (
	CloseDelay  = 100
	MaxLanes    = 16
	MaxVouchers = 4
)

// Chain is a till.Chain. It is safe for concurrent use.
type Chain struct {
	id string

	mu       sync.Mutex
	height   uint64
	channels map[uint64]*till.Channel
	last     uint64
	down     bool
	mute     bool // transactions are carried out, and not answered
	refuse   func(payment.Voucher) error
	paid     uint64
	sent     [][]payment.Voucher
	asked    int
}

// NewChain returns a chain at height 1.
func NewChain(id string) *Chain {
	return &Chain{id: id, height: 1, channels: map[uint64]*till.Channel{}}
}

// Opening is what a channel is opened with.
type Opening struct {
	Payer   string
	Netuid  uint32
	Hotkey  string
	Key     ed25519.PublicKey // that signs vouchers
	Deposit uint64            // nplx
	Expires uint64            // height
}

// Open opens a channel and returns its number.
func (c *Chain) Open(o Opening) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	c.channels[c.last] = &till.Channel{
		Channel: payment.Channel{ID: c.last, Netuid: o.Netuid, VoucherKey: o.Key, Deposit: o.Deposit, Expires: o.Expires},
		Payer:   o.Payer, Hotkey: o.Hotkey, CloseDelay: CloseDelay, MaxLanes: MaxLanes,
	}
	return c.last
}

// Advance adds blocks.
func (c *Chain) Advance(blocks uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.height += blocks
}

// Close closes a channel in the name of its payer.
func (c *Chain) Close(id uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[id].Close(c.height, CloseDelay)
}

// TopUp adds to a channel's deposit, and prolongs it where expires is not 0.
func (c *Chain) TopUp(id, amount, expires uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[id].TopUp(c.height, amount, expires, payment.Terms{MinDeposit: 1, MaxDuration: 1 << 40})
}

// Collect ends a channel and returns the refund.
func (c *Chain) Collect(id uint64) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	refund, err := c.channels[id].Collect(c.height)
	if err == nil {
		delete(c.channels, id)
	}
	return refund, err
}

// SetDown lets every call fail from now on, or none.
func (c *Chain) SetDown(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

// SetMute lets transactions be carried out without an answer, as when a node dies in between.
func (c *Chain) SetMute(mute bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute = mute
}

// SetRefuse has vouchers refused for which refuse returns an error, and with them their transaction.
func (c *Chain) SetRefuse(refuse func(payment.Voucher) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = refuse
}

// Paid returns the nplx that were redeemed in all.
func (c *Chain) Paid() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paid
}

// Sent returns the vouchers of each transaction that was carried out.
func (c *Chain) Sent() [][]payment.Voucher {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([][]payment.Voucher(nil), c.sent...)
}

// Asked returns how often channels were asked about.
func (c *Chain) Asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// Height implements till.Chain.
func (c *Chain) Height(context.Context) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return 0, ErrDown
	}
	return c.height, nil
}

// Terms implements till.Chain.
func (c *Chain) Terms(context.Context) (till.Terms, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return till.Terms{}, ErrDown
	}
	return till.Terms{MaxVouchers: MaxVouchers}, nil
}

// Channel implements till.Chain.
func (c *Chain) Channel(_ context.Context, id uint64) (till.Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.down {
		return till.Channel{}, ErrDown
	}
	channel := c.channels[id]
	if channel == nil {
		return till.Channel{}, till.ErrNoChannel
	}
	answer := *channel
	answer.Channel, answer.Height = channel.Clone(), c.height
	return answer, nil
}

// Redeem implements till.Chain: vouchers that come too late are passed over, unless all do; any other that is refused has
// the whole transaction refused.
func (c *Chain) Redeem(_ context.Context, _ int, vouchers []payment.Voucher) ([]uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return nil, ErrDown
	}
	if len(vouchers) > MaxVouchers {
		return nil, fmt.Errorf("%w: %d vouchers, want %d at most", till.ErrRefused, len(vouchers), MaxVouchers)
	}
	after, amounts, sum := map[uint64]*till.Channel{}, make([]uint64, len(vouchers)), uint64(0)
	var late error
	for i, v := range vouchers {
		amount, err := c.redeem(after, v)
		if errors.Is(err, payment.ErrReplayed) || errors.Is(err, payment.ErrClosed) || errors.Is(err, till.ErrNoChannel) {
			late = err
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", till.ErrRefused, err)
		}
		amounts[i] = amount
		sum += amount
	}
	if sum == 0 {
		return nil, fmt.Errorf("%w: %w", till.ErrRefused, late)
	}
	for id, channel := range after {
		c.channels[id] = channel
	}
	c.height++
	c.paid += sum
	c.sent = append(c.sent, vouchers)
	if c.mute {
		return nil, ErrDown
	}
	return amounts, nil
}

func (c *Chain) redeem(after map[uint64]*till.Channel, v payment.Voucher) (uint64, error) {
	if c.refuse != nil {
		if err := c.refuse(v); err != nil {
			return 0, err
		}
	}
	channel := after[v.Channel]
	if channel == nil {
		known := c.channels[v.Channel]
		if known == nil {
			return 0, till.ErrNoChannel
		}
		copied := *known
		copied.Channel = known.Clone()
		channel = &copied
		after[v.Channel] = channel
	}
	return channel.Redeem(c.id, c.height, v, channel.MaxLanes)
}
