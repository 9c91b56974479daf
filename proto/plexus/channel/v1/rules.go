package channelv1

import (
	"github.com/plexusnet/plexus/payment"
)

// Rules returns the channel as package payment judges it.
func (c *Channel) Rules() payment.Channel {
	rules := payment.Channel{
		ID:         c.Id,
		Netuid:     c.Netuid,
		VoucherKey: c.VoucherKey,
		Deposit:    c.Deposit,
		Redeemed:   c.Redeemed,
		Expires:    c.Expires,
		ClosesAt:   c.ClosesAt,
	}
	for _, l := range c.Lanes {
		rules.Lanes = append(rules.Lanes, payment.Lane{ID: l.Id, Nonce: l.Nonce, Redeemed: l.Redeemed})
	}
	return rules
}
