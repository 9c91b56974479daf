package wallet

import (
	"errors"
	"slices"
)

// Read returns what a wallet's file holds, without its key and without the chain. The error wraps ErrInUse while another
// process has it open.
func Read(path string) (Balance, []Channel, error) {
	s, err := openStore(path, true)
	if err != nil {
		return Balance{}, nil, err
	}
	c, err := s.read()
	if err := errors.Join(err, s.db.Close()); err != nil {
		return Balance{}, nil, err
	}
	b := Balance{Out: c.totals.Spent, Spent: c.totals.Spent}
	for _, n := range c.totals.Window.Sums {
		b.Recent = add(b.Recent, n)
	}
	for _, i := range c.intents {
		b.Out = add(b.Out, i.Deposit)
	}
	channels := make([]Channel, len(c.records))
	for i, r := range c.records {
		channels[i] = Channel{ID: r.ID, Netuid: r.Netuid, Hotkey: r.Hotkey, State: r.State, Reason: r.Reason, Deposit: r.Deposit,
			Redeemed: r.Redeemed, Signed: r.Signed, Owed: r.Owed, Expires: r.Expires, ClosesAt: r.ClosesAt}
		b.Signed, b.Owed = add(b.Signed, r.Signed), add(b.Owed, r.Owed)
		if !slices.Contains(c.totals.Before, r.ID) {
			b.Out = add(b.Out, r.Deposit)
		}
	}
	return b, channels, nil
}
