package validator

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/validator/store"
)

// hiding is a chain of one validator that hides weights, and a committer on it.
func hiding(t *testing.T, scheme string) (*chaintest.Chain, *flaky, *committer) {
	t.Helper()
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Hotkey: "validator", Stake: 1, Permit: true})
	chain.Change(func(_ *metagraph.Metagraph, r *metagraph.Rules) { r.CommitReveal = scheme })
	logger, _ := log()
	view := &flaky{View: chain.As("validator")}
	return chain, view, &committer{chain: view, book: newBook(t), netuid: 1, hotkey: "validator", log: logger}
}

// flaky is a chain whose answers can be lost: before a message arrives, or after.
type flaky struct {
	*chaintest.View
	lost error // what CommitHash returns
	late bool  // and the message arrives all the same
}

func (f *flaky) CommitHash(ctx context.Context, netuid uint32, s metagraph.Sealed) error {
	if f.lost == nil || f.late {
		if err := f.View.CommitHash(ctx, netuid, s); err != nil {
			return err
		}
	}
	return f.lost
}

func (c *committer) kept(t *testing.T) (kept []metagraph.Sealed) {
	t.Helper()
	require.NoError(t, c.book.View(func(tx *store.Tx) error {
		return sealedRows().Each(tx, "", func(_ string, s metagraph.Sealed) error { kept = append(kept, s); return nil })
	}))
	return kept
}

func rulesOf(t *testing.T, chain Chain) metagraph.Rules {
	t.Helper()
	rules, err := chain.Rules(t.Context(), 1)
	require.NoError(t, err)
	return rules
}

var sole = []metagraph.Weight{{UID: 0, Value: 65535}}

func inForce(chain *chaintest.Chain) []metagraph.Weight {
	weights, _ := chain.Weights(0)
	return weights
}

func TestWeightsGoTheWayThatTheSubnetAsksFor(t *testing.T) {
	for _, scheme := range []string{metagraph.RevealOff, metagraph.RevealTimelock, metagraph.RevealHash} {
		t.Run(scheme, func(t *testing.T) {
			chain, view, c := hiding(t, scheme)
			require.NoError(t, c.send(t.Context(), rulesOf(t, view), sole))
			if scheme == metagraph.RevealOff {
				require.Equal(t, sole, inForce(chain))
				return
			}
			require.Empty(t, inForce(chain), "hidden for an epoch")
			require.NoError(t, c.open(t.Context(), rulesOf(t, view)), "and not due yet")
			require.Equal(t, metagraph.CommitHidden, chain.Committed("validator")[0].State)
			chain.Mine(10)
			require.NoError(t, c.open(t.Context(), rulesOf(t, view)))
			require.Equal(t, sole, inForce(chain))
			require.NoError(t, c.open(t.Context(), rulesOf(t, view)))
			require.Empty(t, c.kept(t), "what is settled is forgotten")
		})
	}
	_, view, c := hiding(t, "telepathy")
	require.ErrorContains(t, c.send(t.Context(), rulesOf(t, view), sole), "telepathy")
}

// TestARowBehindAHashIsNeverLost: whether the message or the answer to it was lost, the same record is sent again, and
// what the chain has can be opened.
func TestARowBehindAHashIsNeverLost(t *testing.T) {
	for name, late := range map[string]bool{"the message was lost": false, "the answer was lost": true} {
		t.Run(name, func(t *testing.T) {
			chain, view, c := hiding(t, metagraph.RevealHash)
			view.lost, view.late = errors.New("no answer"), late
			require.Error(t, c.send(t.Context(), rulesOf(t, view), sole))
			first := c.kept(t)
			require.Len(t, first, 1, "kept before it was sent")

			view.lost = nil
			again := &committer{chain: view, book: c.book, netuid: 1, hotkey: "validator", log: c.log} // after a crash
			err := again.send(t.Context(), rulesOf(t, view), []metagraph.Weight{{UID: 0, Value: 1}})
			require.Equal(t, late, errors.Is(err, chaintest.ErrRefused), "there is one commit in an epoch")
			require.Equal(t, first, c.kept(t))
			require.Len(t, chain.Committed("validator"), 1)
			chain.Mine(10)
			require.NoError(t, again.open(t.Context(), rulesOf(t, view)))
			require.Equal(t, sole, inForce(chain))
		})
	}
}

func TestWhatNeverArrivedIsForgottenWhenItsEpochIsOver(t *testing.T) {
	chain, view, c := hiding(t, metagraph.RevealHash)
	view.lost = errors.New("no answer")
	require.Error(t, c.send(t.Context(), rulesOf(t, view), sole))
	chain.Mine(10)
	require.NoError(t, c.open(t.Context(), rulesOf(t, view)))
	require.Empty(t, c.kept(t))
	view.lost = nil
	require.NoError(t, c.send(t.Context(), rulesOf(t, view), sole))
	chain.Mine(20)
	require.NoError(t, c.open(t.Context(), rulesOf(t, view)), "nobody was there in the epoch in which it was due")
	require.Empty(t, c.kept(t))
	require.Equal(t, metagraph.CommitExpired, chain.Committed("validator")[0].State)
}

func TestOpeningIsTriedAgain(t *testing.T) {
	chain, view, c := hiding(t, metagraph.RevealHash)
	require.NoError(t, c.send(t.Context(), rulesOf(t, view), sole))
	chain.Mine(10)
	chain.Refuse(chaintest.ErrRefused)
	require.ErrorIs(t, c.open(t.Context(), rulesOf(t, view)), chaintest.ErrRefused)
	chain.Refuse(nil)
	require.NoError(t, c.open(t.Context(), rulesOf(t, view)))
	require.Equal(t, sole, inForce(chain))
}

// TestValidatorCommits: a whole validator in subnets that hide weights.
func TestValidatorCommits(t *testing.T) {
	for _, scheme := range []string{metagraph.RevealTimelock, metagraph.RevealHash} {
		t.Run(scheme, func(t *testing.T) {
			chain := chaintest.New(1)
			chain.Change(func(_ *metagraph.Metagraph, r *metagraph.Rules) { r.CommitReveal = scheme })
			neurons, _ := miners(t, minertest.Classifier(t, 4000))
			chain.Add(neurons...)
			text, stop := start(t, chain, nil)
			committed := func(n int) func() bool {
				return func() bool { return len(chain.Committed("validator")) == n }
			}
			require.Eventually(t, committed(1), soon, often)
			require.Empty(t, weights(chain))
			chain.Mine(10)
			require.Eventually(t, func() bool { return weights(chain)[0] == 65535 }, soon, often, "opened in time")
			chain.Mine(6)
			require.Eventually(t, committed(2), soon, often, "one commit per epoch")
			calls := chain.Calls()
			require.Eventually(t, func() bool { return chain.Calls() > calls+20 }, soon, often)
			require.Len(t, chain.Committed("validator"), 2)
			require.NoError(t, stop())
			require.Zero(t, text.count("level=ERROR"))
		})
	}
}
