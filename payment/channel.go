package payment

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Channel is the money of one payer for one payee, and the rules by which it
// moves. Its methods change it only where they return no error. A copy shares
// its lanes with the original; Clone does not.
type Channel struct {
	ID         uint64
	Netuid     uint32 // of the subnet in which the payee's neuron serves
	VoucherKey []byte // Ed25519 public key, 32 bytes
	Deposit    uint64 // nplx, all that was ever paid in
	Redeemed   uint64 // nplx, over all lanes
	Expires    uint64 // height at which it ends by itself
	ClosesAt   uint64 // height at which it ends because a side closed it; 0: nobody did
	Lanes      []Lane // those redeemed from, ascending
}

// Lane is what was redeemed of one lane.
type Lane struct {
	ID       uint32
	Nonce    uint64 // of the last voucher
	Redeemed uint64 // nplx
}

// Terms bound the channels that can be opened.
type Terms struct {
	MinDeposit  uint64 // nplx
	MaxDuration uint64 // blocks from now to the end
}

// Open checks what a channel is opened with, at a height. Errors: ErrInvalidKey,
// ErrInvalidTerms.
func (t Terms) Open(c Channel, height uint64) error {
	if err := CheckKey(c.VoucherKey); err != nil {
		return err
	}
	if c.Deposit < t.MinDeposit || c.Deposit == 0 {
		return fmt.Errorf("deposit is %d nplx, want at least %d: %w", c.Deposit, max(t.MinDeposit, 1), ErrInvalidTerms)
	}
	return t.checkExpiry(c.Expires, height)
}

func (t Terms) checkExpiry(expires, height uint64) error {
	if last := saturatingAdd(height, t.MaxDuration); expires <= height || expires > last {
		return fmt.Errorf("expires at height %d, want %d to %d: %w", expires, saturatingAdd(height, 1), last, ErrInvalidTerms)
	}
	return nil
}

// End returns the first height at which the channel may be collected and no
// longer redeemed from.
func (c *Channel) End() uint64 {
	if c.ClosesAt != 0 {
		return min(c.ClosesAt, c.Expires)
	}
	return c.Expires
}

// Left returns the nplx that no voucher has redeemed.
func (c *Channel) Left() uint64 { return c.Deposit - c.Redeemed }

// Lane returns what was redeemed of a lane; nothing of one not used yet.
func (c *Channel) Lane(id uint32) Lane {
	if i, found := c.find(id); found {
		return c.Lanes[i]
	}
	return Lane{ID: id}
}

func (c *Channel) find(lane uint32) (int, bool) {
	return slices.BinarySearchFunc(c.Lanes, lane, func(l Lane, id uint32) int { return cmp.Compare(l.ID, id) })
}

// Clone returns a copy that shares nothing with the channel.
func (c *Channel) Clone() Channel {
	clone := *c
	clone.VoucherKey, clone.Lanes = slices.Clone(c.VoucherKey), slices.Clone(c.Lanes)
	return clone
}

// Redeem takes a voucher at a height, and returns the nplx it adds to what was
// redeemed of its lane. Nonce and amount must both be above those of the lane's
// last voucher, the sum over all lanes stays within the deposit, and at most
// maxLanes lanes are ever used. Errors: ErrWrongChannel, ErrClosed, ErrReplayed,
// ErrOverspent, ErrTooManyLanes, ErrForged. The signature is looked at last,
// because it costs a hundred times the rest.
func (c *Channel) Redeem(chainID string, height uint64, v Voucher, maxLanes int) (amount uint64, err error) {
	if v.Channel != c.ID {
		return 0, fmt.Errorf("voucher of channel %d for channel %d: %w", v.Channel, c.ID, ErrWrongChannel)
	}
	if height >= c.End() {
		return 0, fmt.Errorf("channel %d ended at height %d, now is %d: %w", c.ID, c.End(), height, ErrClosed)
	}
	lane := c.Lane(v.Lane)
	if v.Nonce <= lane.Nonce || v.Amount <= lane.Redeemed {
		return 0, fmt.Errorf("lane %d stands at nonce %d and %d nplx, voucher at nonce %d and %d nplx: %w",
			v.Lane, lane.Nonce, lane.Redeemed, v.Nonce, v.Amount, ErrReplayed)
	}
	amount = v.Amount - lane.Redeemed
	if amount > c.Left() {
		return 0, fmt.Errorf("voucher adds %d nplx, %d of the deposit are left: %w", amount, c.Left(), ErrOverspent)
	}
	i, found := c.find(v.Lane)
	if !found && len(c.Lanes) >= maxLanes {
		return 0, fmt.Errorf("lane %d would be one more than %d: %w", v.Lane, maxLanes, ErrTooManyLanes)
	}
	if err := v.Verify(chainID, c.VoucherKey); err != nil {
		return 0, err
	}
	if !found {
		c.Lanes = slices.Insert(c.Lanes, i, Lane{ID: v.Lane})
	}
	c.Lanes[i].Nonce, c.Lanes[i].Redeemed = v.Nonce, v.Amount
	c.Redeemed += amount
	return amount, nil
}

// TopUp adds to the deposit, moves the expiry later (0: leaves it), or both.
// Errors: ErrClosed, ErrClosing, ErrInvalidTerms.
func (c *Channel) TopUp(height, amount, expires uint64, t Terms) error {
	if height >= c.End() {
		return fmt.Errorf("channel %d ended at height %d, now is %d: %w", c.ID, c.End(), height, ErrClosed)
	}
	if c.ClosesAt != 0 {
		return fmt.Errorf("channel %d ends at height %d, open another: %w", c.ID, c.End(), ErrClosing)
	}
	if amount == 0 && expires == 0 {
		return fmt.Errorf("neither an amount nor a new expiry: %w", ErrInvalidTerms)
	}
	if amount > math.MaxUint64-c.Deposit {
		return fmt.Errorf("deposit of %d nplx and %d more: %w", c.Deposit, amount, ErrInvalidTerms)
	}
	if expires != 0 {
		if expires <= c.Expires {
			return fmt.Errorf("expires at height %d already, can only be moved later than that, not to %d: %w", c.Expires, expires, ErrInvalidTerms)
		}
		if err := t.checkExpiry(expires, height); err != nil {
			return err
		}
		c.Expires = expires
	}
	c.Deposit += amount
	return nil
}

// Close ends the channel after a delay of blocks: none for the payee, who alone
// would lose by it; the delay that leaves the payee time to redeem for the
// payer. Errors: ErrClosed; ErrClosing, where it ends as early anyway.
func (c *Channel) Close(height, delay uint64) error {
	if height >= c.End() {
		return fmt.Errorf("channel %d ended at height %d, now is %d: %w", c.ID, c.End(), height, ErrClosed)
	}
	at := max(saturatingAdd(height, delay), 1) // height 0 is before the first block
	if at >= c.End() {
		return fmt.Errorf("channel %d ends at height %d already: %w", c.ID, c.End(), ErrClosing)
	}
	c.ClosesAt = at
	return nil
}

// Collect returns what goes back to the payer once the channel has ended, and
// takes it out of the channel: a second time it is nothing. Errors: ErrOpen.
func (c *Channel) Collect(height uint64) (refund uint64, err error) {
	if height < c.End() {
		return 0, fmt.Errorf("channel %d ends at height %d, now is %d: %w", c.ID, c.End(), height, ErrOpen)
	}
	refund = c.Left()
	c.Deposit = c.Redeemed
	return refund, nil
}

// Check says whether a channel that was stored somewhere can be one: a usable
// key, an expiry, lanes ascending, each redeemed from, and adding up to what was
// redeemed within the deposit. Errors: ErrInvalidKey, ErrInvalidTerms.
func (c *Channel) Check() error {
	if err := CheckKey(c.VoucherKey); err != nil {
		return err
	}
	if c.Expires == 0 {
		return fmt.Errorf("it never expires: %w", ErrInvalidTerms)
	}
	left := c.Deposit
	for i, l := range c.Lanes {
		if i > 0 && l.ID <= c.Lanes[i-1].ID {
			return fmt.Errorf("lane %d follows lane %d, they must ascend: %w", l.ID, c.Lanes[i-1].ID, ErrInvalidTerms)
		}
		if l.Nonce == 0 || l.Redeemed == 0 {
			return fmt.Errorf("nothing was redeemed of lane %d: %w", l.ID, ErrInvalidTerms)
		}
		if l.Redeemed > left {
			return fmt.Errorf("lane %d goes beyond the deposit of %d nplx: %w", l.ID, c.Deposit, ErrInvalidTerms)
		}
		left -= l.Redeemed
	}
	if redeemed := c.Deposit - left; redeemed != c.Redeemed {
		return fmt.Errorf("lanes add up to %d nplx, redeemed are %d: %w", redeemed, c.Redeemed, ErrInvalidTerms)
	}
	return nil
}
