package subnet

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/consensus"
)

func TestCheckScheme(t *testing.T) {
	for _, have := range []string{CommitRevealTimelock, CommitRevealHash, CommitRevealOff} {
		for _, want := range []string{CommitRevealTimelock, CommitRevealHash, CommitRevealOff} {
			err := Hyperparams{CommitReveal: want}.CheckScheme(have)
			if have == want {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, ErrCommitReveal)
			command := map[string]string{CommitRevealTimelock: "commit-weights", CommitRevealHash: "commit-hash", CommitRevealOff: "set-weights"}
			require.ErrorContains(t, err, command[want])
		}
	}
}

func TestCheckCommitInItsOrder(t *testing.T) {
	h := DefaultHyperparams()
	author := Author{UID: 3, Stake: 10, Permit: true, HasSet: true, Updated: 100}
	window := Window{Epochs: 5, Named: 5}
	// Every case keeps the faults of those after it, so the order shows.
	check := func(scheme string, height uint64) error { return h.CheckCommit(scheme, 10, height, author, window) }
	author.Permit, author.Stake, window.Committed, window.Named = false, 9, true, 4
	require.ErrorIs(t, check(CommitRevealHash, 199), ErrCommitReveal)
	require.ErrorIs(t, check(CommitRevealTimelock, 199), ErrWrongEpoch)
	window.Named = 5
	require.ErrorIs(t, check(CommitRevealTimelock, 199), ErrStakeTooLow)
	author.Stake = 10
	require.ErrorIs(t, check(CommitRevealTimelock, 199), ErrRateLimited)
	require.ErrorIs(t, check(CommitRevealTimelock, 200), ErrNoPermit)
	author.Permit = true
	require.ErrorIs(t, check(CommitRevealTimelock, 200), ErrCommitted)
	window.Committed = false
	require.NoError(t, check(CommitRevealTimelock, 200))
	author.HasSet = false
	require.NoError(t, check(CommitRevealTimelock, 101), "the first commit need not wait")
}

func TestCommitIsDueAndLapses(t *testing.T) {
	h := DefaultHyperparams()
	h.RevealPeriod = 3
	due := h.CommitDue(7)
	require.EqualValues(t, 10, due)
	hash := Commit{Scheme: CommitRevealHash, Due: due}
	lock := Commit{Scheme: CommitRevealTimelock, Due: due}
	for _, c := range []struct {
		epochs     uint64
		hash, lock error
	}{
		{0, ErrNotDue, ErrNotDue},
		{9, ErrNotDue, ErrNotDue},
		{10, nil, nil},
		{11, ErrExpired, nil},
		{10 + RevealGrace, ErrExpired, nil},
		{11 + RevealGrace, ErrExpired, ErrExpired},
		{math.MaxUint64, ErrExpired, ErrExpired},
	} {
		require.ErrorIs(t, hash.CheckDue(c.epochs), c.hash, "hash at %d", c.epochs)
		require.ErrorIs(t, lock.CheckDue(c.epochs), c.lock, "timelock at %d", c.epochs)
		require.Equal(t, c.hash == ErrExpired, hash.Lapsed(c.epochs))
		require.Equal(t, c.lock == ErrExpired, lock.Lapsed(c.epochs))
	}
}

func TestCheckBinding(t *testing.T) {
	c := Commit{ChainID: "plexus-1", Netuid: 2, Hotkey: "plx1me", Epoch: 9}
	good := Opening{ChainID: "plexus-1", Netuid: 2, Hotkey: "plx1me", Epoch: 9, Salt: make([]byte, 16)}
	require.NoError(t, c.CheckBinding(good))
	for name, edit := range map[string]func(*Opening){
		"chain":       func(o *Opening) { o.ChainID = "plexus-2" },
		"subnet":      func(o *Opening) { o.Netuid = 3 },
		"hotkey":      func(o *Opening) { o.Hotkey = "plx1you" },
		"epoch":       func(o *Opening) { o.Epoch = 8 },
		"no salt":     func(o *Opening) { o.Salt = nil },
		"short salt":  func(o *Opening) { o.Salt = o.Salt[:15] },
		"long salt":   func(o *Opening) { o.Salt = make([]byte, 33) },
		"hostile key": func(o *Opening) { o.Hotkey = string(make([]byte, 1<<16)) },
	} {
		o := good
		edit(&o)
		err := c.CheckBinding(o)
		require.ErrorIs(t, err, ErrWrongBinding, name)
		require.Less(t, len(err.Error()), 1000, "errors stay short whatever was sent")
	}
}

func TestCheckHolder(t *testing.T) {
	c := Commit{Hotkey: "me", Height: 100}
	for name, tc := range map[string]struct {
		holder Holder
		want   error
	}{
		"as it was":                               {Holder{Hotkey: "me", Registered: 50}, nil},
		"registered in the same block":            {Holder{Hotkey: "me", Registered: 100}, nil},
		"swapped its hotkey":                      {Holder{Hotkey: "new", Registered: 50}, nil},
		"vacant":                                  {Holder{Registered: 120}, ErrChangedHands},
		"vacant since long ago":                   {Holder{Registered: 50}, ErrChangedHands},
		"somebody else":                           {Holder{Hotkey: "you", Registered: 101}, ErrChangedHands},
		"somebody else in the same block":         {Holder{Hotkey: "you", Registered: 100}, ErrChangedHands},
		"registered anew":                         {Holder{Hotkey: "me", Registered: 101}, ErrChangedHands},
		"older weights in force":                  {Holder{Hotkey: "me", HasRow: true, RowHeight: 99}, nil},
		"weights of the same height":              {Holder{Hotkey: "me", HasRow: true, RowHeight: 100}, nil},
		"newer weights in force":                  {Holder{Hotkey: "me", HasRow: true, RowHeight: 101}, ErrSuperseded},
		"a row height without a row says nothing": {Holder{Hotkey: "me", RowHeight: 101}, nil},
	} {
		require.ErrorIs(t, c.CheckHolder(tc.holder), tc.want, name)
	}
}

// TestOpenedRowsAreThoseOfPlainWeights: what may be hidden, and the row that
// comes of it, is what CheckWeights lets through, stake and permits apart.
func TestOpenedRowsAreThoseOfPlainWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := DefaultHyperparams()
		h.MinAllowedWeights = rapid.Uint32Range(0, 4).Draw(t, "min")
		h.MaxWeight = rapid.Uint16Min(1).Draw(t, "max")
		n := rapid.IntRange(1, 6).Draw(t, "neurons")
		o := Opinion{
			UIDs:    rapid.SliceOfN(rapid.Uint32Range(0, 7), 0, 8).Draw(t, "uids"),
			Values:  rapid.SliceOfN(rapid.Uint32Range(0, 65600), 0, 8).Draw(t, "values"),
			Version: rapid.Uint64Range(0, 1).Draw(t, "version"),
		}
		plain, plainErr := h.CheckWeights(0, n, 1, Author{Permit: true}, o)
		hidden, hiddenErr := h.CheckOpened(n, nil, o)
		require.Equal(t, plain, hidden)
		require.Equal(t, plainErr == nil, hiddenErr == nil)
	})
}

// TestCommitHeightMasks: weights committed before a neuron registered have no
// say on it, however recent the author's last commit is.
func TestCommitHeightMasks(t *testing.T) {
	epoch := func(commitHeight uint64) *Result {
		neuron := func(registered uint64) Neuron {
			return Neuron{Registered: registered, Updated: registered, Stake: PLX, LastStake: PLX, Permit: true}
		}
		e := Epoch{Height: 1000, LastEpoch: 640, Pending: 1000, OwnerUID: -1, Split: DefaultSplit(), Hyperparams: DefaultHyperparams(),
			Neurons: []Neuron{neuron(1), neuron(1), neuron(500), neuron(1)}}
		for i := range 2 {
			e.Neurons[i].Updated, e.Neurons[i].CommitHeight = 900, commitHeight
			e.Neurons[i].Weights = consensus.Row{{UID: 2, Value: 65535}, {UID: 3, Value: 65535}}
		}
		r, err := e.Run(&consensus.Engine{})
		require.NoError(t, err)
		return r
	}
	require.NotZero(t, epoch(0).Miners[2], "plain weights of height 900")
	require.NotZero(t, epoch(500).Miners[2])
	require.Zero(t, epoch(499).Miners[2])
	require.NotZero(t, epoch(499).Miners[3])
}

func TestOpenedRowsLeaveOutWhoIsGone(t *testing.T) {
	h := DefaultHyperparams()
	row, err := h.CheckOpened(4, []uint16{2}, Opinion{UIDs: []uint32{3, 2, 0}, Values: []uint32{10, 20, 5}})
	require.NoError(t, err)
	require.Equal(t, consensus.Row{{UID: 0, Value: 16384}, {UID: 3, Value: 32768}}, row, "scaled as it was committed")
}
