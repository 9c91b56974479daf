package machine

import (
	"fmt"

	"github.com/plexusnet/plexus/payment"
)

// channel holds what a payer set aside for the miners of a subnet. On the chain
// there is one for each payee; here one stands for all of them, since what
// moves is the same.
type channel struct {
	payer  Account
	subnet *Subnet
	left   uint64
}

// OpenChannel opens a channel without a deposit.
func (m *Machine) OpenChannel(payer Account, s *Subnet) Channel {
	m.channels = append(m.channels, channel{payer: payer, subnet: s})
	return Channel(len(m.channels) - 1)
}

// TopUp adds to the deposit of a channel.
func (m *Machine) TopUp(c Channel, nplx uint64) error {
	if err := m.take(m.channels[c].payer, nplx); err != nil {
		return err
	}
	m.channels[c].left += nplx
	m.books.escrow += nplx
	return nil
}

// Redeem pays a payee out of a channel: of the amount, fee_burn is burned and
// the rest paid. What is burned counts as demand for the subnet in the windows
// that follow.
func (m *Machine) Redeem(c Channel, payee Account, nplx uint64) (burned uint64, err error) {
	ch := &m.channels[c]
	if ch.left < nplx {
		return 0, fmt.Errorf("channel %d has %d nplx left, %d are redeemed: %w", c, ch.left, nplx, ErrFunds)
	}
	burned, paid := payment.Divide(nplx, m.params.FeeBurn)
	ch.left -= nplx
	m.books.escrow -= nplx
	m.burn(burned)
	m.passWindows()
	ch.subnet.demand.Add(nplx, burned)
	m.give(payee, paid)
	return burned, nil
}

// Collect returns what is left in a channel to its payer.
func (m *Machine) Collect(c Channel) uint64 {
	nplx := m.channels[c].left
	m.channels[c].left = 0
	m.books.escrow -= nplx
	m.give(m.channels[c].payer, nplx)
	return nplx
}
