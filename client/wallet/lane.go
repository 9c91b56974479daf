package wallet

import (
	"fmt"
	"math"
	"time"
)

// lane is what one lane comes to, as far as the caller knows: pure arithmetic in nplx. See the package's documentation
// for the rules that it keeps.
type lane struct {
	known   uint64    // charges that answers named, each within its call's limit
	unknown uint64    // limits of calls whose outcome is not known: up to that may be owed for them
	unsure  time.Time // when the last such call ended
	inHand  uint64    // limits of the calls in hand
	calls   int       // in hand
	claimed uint64    // the most that the miner has said is owed
	signed  uint64    // of the best voucher
	nonce   uint64    // of that voucher
	step    uint64    // signed ahead
	deposit uint64
}

// forget is how long a call of unknown outcome may still be charged for. Miners end requests long before.
const forget = 30 * time.Second

// agreed is the most that may be owed for calls that have ended.
func (l *lane) agreed() uint64 { return add(l.known, l.unknown) }

// most is the most that may be owed at all.
func (l *lane) most() uint64 { return add(l.agreed(), l.inHand) }

// due is what must be signed for another call of that limit to be let in.
func (l *lane) due(limit uint64) uint64 {
	return add(add(min(l.claimed, l.agreed()), l.inHand), limit)
}

// fits reports whether a call of that limit is within the deposit.
func (l *lane) fits(limit uint64) bool { return l.due(limit) <= l.deposit }

// enter takes a call in hand that is signed for.
func (l *lane) enter(limit uint64) {
	l.inHand += limit
	l.calls++
}

// ahead is what to sign where so much must be: a step more, within what may be signed at all when a call of that limit
// comes in.
func (l *lane) ahead(need, limit uint64) uint64 {
	return min(add(need, l.step), add(add(l.most(), limit), l.step), l.deposit)
}

// leave takes a call out of hand.
func (l *lane) leave(limit uint64) {
	l.inHand -= limit
	l.calls--
}

// settle ends a call for which the miner charged so much, which then was owed in all. The call began at that time.
func (l *lane) settle(limit, charged, owed uint64, began time.Time) error {
	l.leave(limit)
	l.known = add(l.known, min(charged, limit))
	if charged > limit {
		return fmt.Errorf("%w: charged %d nplx for a call of at most %d", ErrDispute, charged, limit)
	}
	if err := l.claim(owed, l.most()); err != nil {
		return err
	}
	if l.calls == 0 && l.unknown > 0 && began.After(l.unsure.Add(forget)) {
		// Nothing is in hand, and what had no answer is long over: what the miner says now is all there is.
		l.unknown = min(l.unknown, owed-min(owed, l.known))
	}
	return nil
}

// claim takes in what the miner says is owed, where so much can be.
func (l *lane) claim(owed, most uint64) error {
	if owed > most {
		return fmt.Errorf("%w: it claims %d nplx, at most %d can be owed", ErrDispute, owed, most)
	}
	l.claimed = max(l.claimed, owed)
	return nil
}

// lose ends a call whose outcome is not known.
func (l *lane) lose(limit uint64, now time.Time) {
	l.leave(limit)
	l.unknown = add(l.unknown, limit)
	l.unsure = now
}

// demand takes in why a miner does not let a call in hand in: so much is owed, and so much needs to be signed.
func (l *lane) demand(limit, owed, needed uint64) error {
	most := l.most()
	if err := l.claim(owed, most-limit); err != nil {
		return err
	}
	if needed > most {
		return fmt.Errorf("%w: it wants %d nplx signed, at most %d can be owed", ErrRefused, needed, most)
	}
	if needed > l.deposit {
		return ErrDry
	}
	return nil
}

// crashed is the lane of one who knows only what was signed, and what had been owed some time before.
func crashed(signed, nonce, owed, step, deposit uint64, now time.Time) lane {
	owed = min(owed, signed)
	return lane{known: owed, unknown: signed - owed, unsure: now, claimed: owed, signed: signed, nonce: nonce, step: step, deposit: deposit}
}

// add saturates.
func add(a, b uint64) uint64 {
	if b > math.MaxUint64-a {
		return math.MaxUint64
	}
	return a + b
}
