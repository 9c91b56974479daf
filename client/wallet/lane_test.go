package wallet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// counted is an honest miner's till, as the protocol has it.
type counted struct {
	owed, reserved, signed uint64
}

func (m *counted) admits(limit uint64) bool { return m.signed >= m.owed+m.reserved+limit }

// inHand is a call that the caller has in hand, and what became of it at the miner.
type inHand struct {
	limit   uint64
	arrived bool
	charged uint64
	owed    uint64 // as the miner said when it was done
	done    bool
	began   time.Time
}

// TestALaneNeverSignsMoreThanMayBeOwedAndAStep: whatever order calls, answers, losses and crashes come in, each signature
// is within what was agreed to, what is in hand and one step; an honest miner lets every call in that is signed for, after
// one word where the caller lost count; and it is never taken for a liar.
func TestALaneNeverSignsMoreThanMayBeOwedAndAStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step, deposit := rapid.Uint64Range(0, 200).Draw(t, "step"), rapid.Uint64Range(100, 5000).Draw(t, "deposit")
		l, m := lane{step: step, deposit: deposit}, counted{}
		now := time.Unix(0, 0)
		var calls []*inHand
		agreed := uint64(0) // by the test's own count: charges accepted, and limits of calls of unknown outcome
		sign := func(need, limit uint64) {
			amount := l.ahead(need, limit)
			require.LessOrEqual(t, amount, agreed+l.inHand+limit+step)
			require.LessOrEqual(t, amount, deposit)
			require.GreaterOrEqual(t, amount, need)
			require.Greater(t, amount, l.signed)
			l.signed, m.signed = amount, amount
		}
		t.Repeat(map[string]func(*rapid.T){
			"call": func(t *rapid.T) {
				limit := rapid.Uint64Range(0, 100).Draw(t, "limit")
				if !l.fits(limit) {
					return
				}
				if due := l.due(limit); due > l.signed {
					sign(due, limit)
				}
				l.enter(limit)
				call := &inHand{limit: limit, began: now}
				calls = append(calls, call)
				if !m.admits(limit) { // it says what it needs
					if needed := m.owed + m.reserved + limit; needed > deposit {
						require.ErrorIs(t, l.demand(limit, m.owed, needed), ErrDry)
						l.leave(limit)
						calls = calls[:len(calls)-1]
						return
					}
					require.NoError(t, l.demand(limit, m.owed, m.owed+m.reserved+limit))
					sign(m.owed+m.reserved+limit, 0)
				}
				require.True(t, m.admits(limit))
				call.arrived = true
				m.reserved += limit
			},
			"serve": func(t *rapid.T) {
				if len(calls) == 0 {
					return
				}
				call := calls[rapid.IntRange(0, len(calls)-1).Draw(t, "which")]
				if !call.arrived || call.done {
					return
				}
				call.charged = rapid.Uint64Range(0, call.limit).Draw(t, "charge")
				m.reserved -= call.limit
				m.owed += call.charged
				call.owed, call.done = m.owed, true
			},
			"answer": func(t *rapid.T) {
				if len(calls) == 0 {
					return
				}
				at := rapid.IntRange(0, len(calls)-1).Draw(t, "which")
				call := calls[at]
				if !call.done {
					return
				}
				calls = append(calls[:at], calls[at+1:]...)
				require.NoError(t, l.settle(call.limit, call.charged, call.owed, call.began))
				agreed += call.charged
			},
			"lose": func(t *rapid.T) { // whatever becomes of it at the miner
				if len(calls) == 0 {
					return
				}
				at := rapid.IntRange(0, len(calls)-1).Draw(t, "which")
				call := calls[at]
				calls = append(calls[:at], calls[at+1:]...)
				if !call.done {
					m.reserved -= call.limit
					m.owed += rapid.Uint64Range(0, call.limit).Draw(t, "charge")
				}
				l.lose(call.limit, now)
				agreed += call.limit
			},
			"crash": func(*rapid.T) {
				for _, call := range calls {
					if !call.done {
						m.reserved -= call.limit
						m.owed += call.limit
					}
				}
				calls = nil
				l = crashed(l.signed, l.nonce, min(l.claimed, l.agreed()), step, deposit, now)
				agreed = l.signed
			},
			"wait": func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second) },
			"": func(t *rapid.T) {
				require.LessOrEqual(t, m.owed+m.reserved, m.signed, "the miner is covered")
				require.LessOrEqual(t, l.agreed(), agreed, "the wallet agreed to no more than there was to agree to")
				require.LessOrEqual(t, m.owed, l.most(), "what is owed is what the wallet knows of")
			},
		})
	})
}

// TestALyingMinerGainsNothing: whatever a miner says, each signature stays within what was agreed to, in hand, and a step.
func TestALyingMinerGainsNothing(t *testing.T) {
	const step = 50
	rapid.Check(t, func(t *rapid.T) {
		l := lane{step: step, deposit: 1 << 40}
		agreed := uint64(0)
		sign := func(amount, limit uint64) {
			require.LessOrEqual(t, amount, agreed+limit+step)
			l.signed = amount
		}
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			limit := rapid.Uint64Range(0, 100).Draw(t, "limit")
			if due := l.due(limit); due > l.signed {
				sign(l.ahead(due, limit), limit)
			}
			l.enter(limit)
			owed, needed := rapid.Uint64().Draw(t, "owed"), rapid.Uint64().Draw(t, "needed")
			if rapid.Bool().Draw(t, "near") {
				owed %= 4 * (agreed + limit + 1)
				needed %= 4 * (agreed + limit + 1)
			}
			if l.demand(limit, owed, needed) == nil && needed > l.signed {
				sign(l.ahead(needed, 0), limit)
			}
			charged := rapid.Uint64Range(0, 200).Draw(t, "charged")
			if l.settle(limit, charged, rapid.Uint64().Draw(t, "said"), time.Time{}) != nil {
				return // disputed: nothing more is signed
			}
			require.LessOrEqual(t, charged, limit)
			agreed += charged
		}
	})
}

func TestWhatIsClaimed(t *testing.T) {
	for name, c := range map[string]struct {
		charged, owed uint64
		want          error
	}{
		"what it cost":              {7, 7, nil},
		"less than it cost":         {7, 0, nil},
		"more than the limit":       {11, 11, ErrDispute},
		"more owed than was agreed": {7, 18, ErrDispute},
		"the other call as well":    {7, 17, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := lane{deposit: 1000}
			l.enter(10)
			l.enter(10)
			err := l.settle(10, c.charged, c.owed, time.Time{})
			require.ErrorIs(t, err, c.want)
			require.EqualValues(t, min(c.charged, 10), l.known)
		})
	}
}

func TestTheUnknownIsForgottenOnceTheMinerHasSpoken(t *testing.T) {
	start := time.Unix(1000, 0)
	l := lane{deposit: 1000, signed: 100}
	l.enter(40)
	l.lose(40, start)
	require.EqualValues(t, 40, l.agreed())
	l.enter(10)
	require.NoError(t, l.settle(10, 10, 15, start.Add(time.Second)))
	require.EqualValues(t, 50, l.agreed(), "the lost call may still be charged for")
	l.enter(10)
	require.NoError(t, l.settle(10, 10, 25, start.Add(forget+time.Second)))
	require.EqualValues(t, 25, l.agreed(), "5 of the 40 were charged")
}

func TestWindow(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var w window
	w.add(now, 24*time.Hour, 5)
	w.add(now.Add(12*time.Hour), 24*time.Hour, 7)
	require.EqualValues(t, 12, w.sum(now.Add(20*time.Hour), 24*time.Hour))
	require.EqualValues(t, 7, w.sum(now.Add(30*time.Hour), 24*time.Hour))
	require.EqualValues(t, 0, w.sum(now.Add(300*time.Hour), 24*time.Hour))
	w.add(now, 24*time.Hour, 9)
	require.EqualValues(t, 9, w.sum(now.Add(-time.Hour), 24*time.Hour), "a clock that was set back")
	require.EqualValues(t, 9, w.sum(now, time.Hour), "another length forgets nothing")
}
