package subnet

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/consensus"
)

// breach is one reason to refuse weights; make brings it about.
type breach struct {
	name string
	err  error
	make func(*Hyperparams, *Author, *Opinion)
}

// breaches are the checks of protocol section 7, in its order, from where the
// author is known to be registered.
func breaches() []breach {
	return []breach{
		{"stake below the threshold", ErrStakeTooLow, func(_ *Hyperparams, a *Author, _ *Opinion) { a.Stake = 99 }},
		{"wrong version", ErrWrongVersion, func(_ *Hyperparams, _ *Author, o *Opinion) { o.Version = 8 }},
		{"too early", ErrRateLimited, func(_ *Hyperparams, a *Author, _ *Opinion) { a.HasSet, a.Updated = true, 995 }},
		{"no permit", ErrNoPermit, func(_ *Hyperparams, a *Author, _ *Opinion) { a.Permit = false }},
		{"a uid given twice", ErrInvalidWeights, func(_ *Hyperparams, _ *Author, o *Opinion) { o.UIDs[1] = o.UIDs[0] }},
		{"an unknown uid", ErrUnknownUID, func(_ *Hyperparams, _ *Author, o *Opinion) { o.UIDs[2] = 10 }},
		{"too few weights", ErrTooFewWeights, func(h *Hyperparams, _ *Author, _ *Opinion) { h.MinAllowedWeights = 4 }},
		{"more than 16 bits", ErrInvalidWeights, func(_ *Hyperparams, _ *Author, o *Opinion) { o.Values[0] = 65536 }},
		{"a weight above the maximum", ErrWeightTooLarge, func(h *Hyperparams, _ *Author, _ *Opinion) { h.MaxWeight = 100 }},
	}
}

func goodWeights() (Hyperparams, Author, Opinion) {
	h := DefaultHyperparams()
	h.WeightsVersion, h.WeightsRateLimit = 7, 10
	return h, Author{UID: 3, Stake: 100, Permit: true}, Opinion{UIDs: []uint32{4, 1, 2}, Values: []uint32{10, 20, 5}, Version: 7}
}

func TestCheckWeightsRefusesForEachReason(t *testing.T) {
	for _, b := range breaches() {
		t.Run(b.name, func(t *testing.T) {
			h, author, opinion := goodWeights()
			b.make(&h, &author, &opinion)
			_, err := h.CheckWeights(100, 10, 1000, author, opinion)
			require.ErrorIs(t, err, b.err)
		})
	}
}

// TestCheckWeightsInOrder breaks two rules at once: the earlier one is named.
func TestCheckWeightsInOrder(t *testing.T) {
	all := breaches()
	for i, first := range all {
		for _, second := range all[i+1:] {
			t.Run(first.name+", "+second.name, func(t *testing.T) {
				h, author, opinion := goodWeights()
				second.make(&h, &author, &opinion)
				first.make(&h, &author, &opinion)
				_, err := h.CheckWeights(100, 10, 1000, author, opinion)
				require.ErrorIs(t, err, first.err)
			})
		}
	}
}

func TestCheckWeights(t *testing.T) {
	entries := func(pairs ...uint16) consensus.Row {
		row := consensus.Row{}
		for i := 0; i < len(pairs); i += 2 {
			row = append(row, consensus.Entry{UID: pairs[i], Value: pairs[i+1]})
		}
		return row
	}
	for _, c := range []struct {
		name   string
		change func(*Hyperparams, *Author, *Opinion)
		want   consensus.Row
		err    error
	}{
		{"sorted and scaled so that the largest is 65535", func(*Hyperparams, *Author, *Opinion) {}, entries(1, 65535, 2, 16384, 4, 32768), nil},
		{"only ratios count", func(_ *Hyperparams, _ *Author, o *Opinion) { o.Values = []uint32{2000, 4000, 1000} }, entries(1, 65535, 2, 16384, 4, 32768), nil},
		{"an explicit zero is kept", func(_ *Hyperparams, _ *Author, o *Opinion) { o.Values[0] = 0 }, entries(1, 65535, 2, 16384, 4, 0), nil},
		{"all zeros", func(_ *Hyperparams, _ *Author, o *Opinion) { o.Values = []uint32{0, 0, 0} }, entries(1, 0, 2, 0, 4, 0), nil},
		{"exactly the threshold", func(_ *Hyperparams, a *Author, _ *Opinion) { a.Stake = 100 }, entries(1, 65535, 2, 16384, 4, 32768), nil},
		{"the first weights need not wait", func(_ *Hyperparams, a *Author, _ *Opinion) { a.Updated = 999 }, entries(1, 65535, 2, 16384, 4, 32768), nil},
		{"the first block in which they may be set again", func(_ *Hyperparams, a *Author, _ *Opinion) { a.HasSet, a.Updated = true, 990 }, entries(1, 65535, 2, 16384, 4, 32768), nil},
		{"the block before it", func(_ *Hyperparams, a *Author, _ *Opinion) { a.HasSet, a.Updated = true, 991 }, nil, ErrRateLimited},
		{"a lone self-weight without a permit", func(_ *Hyperparams, a *Author, o *Opinion) {
			a.Permit, o.UIDs, o.Values = false, []uint32{3}, []uint32{1}
		}, entries(3, 65535), nil},
		{"a lone weight for another without a permit", func(_ *Hyperparams, a *Author, o *Opinion) {
			a.Permit, o.UIDs, o.Values = false, []uint32{4}, []uint32{1}
		}, nil, ErrNoPermit},
		{"a self-weight beside another without a permit", func(_ *Hyperparams, a *Author, o *Opinion) {
			a.Permit, o.UIDs, o.Values = false, []uint32{3, 4}, []uint32{1, 1}
		}, nil, ErrNoPermit},
		{"values missing", func(_ *Hyperparams, _ *Author, o *Opinion) { o.Values = o.Values[:2] }, nil, ErrInvalidWeights},
		{"an unknown uid given twice is a duplicate first", func(_ *Hyperparams, _ *Author, o *Opinion) { o.UIDs = []uint32{99, 99, 1} }, nil, ErrInvalidWeights},
		{"more uids than neurons, all different", func(_ *Hyperparams, _ *Author, o *Opinion) {
			o.UIDs, o.Values = []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, make([]uint32, 11)
		}, nil, ErrUnknownUID},
		{"the largest uid there is", func(_ *Hyperparams, _ *Author, o *Opinion) { o.UIDs[0] = math.MaxUint32 }, nil, ErrUnknownUID},
		{"no weights where none are asked for", func(h *Hyperparams, _ *Author, o *Opinion) {
			h.MinAllowedWeights, o.UIDs, o.Values = 0, nil, nil
		}, entries(), nil},
		{"exactly the largest weight", func(h *Hyperparams, _ *Author, o *Opinion) {
			h.MaxWeight, o.UIDs, o.Values = 32768, []uint32{0, 1}, []uint32{9, 9}
		}, entries(0, 65535, 1, 65535), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, author, opinion := goodWeights()
			c.change(&h, &author, &opinion)
			row, err := h.CheckWeights(100, 10, 1000, author, opinion)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, row)
		})
	}
}

// TestBlocksUntilWeightsIsWhenTheyPass ties the answer of a query to the check.
func TestBlocksUntilWeightsIsWhenTheyPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Hyperparams{WeightsRateLimit: rapid.Uint64Range(0, maxPeriod).Draw(t, "limit")}
		author := Author{HasSet: true, Updated: rapid.Uint64().Draw(t, "updated")}
		height := rapid.Uint64().Draw(t, "height")
		wait := h.BlocksUntilWeights(author, height)
		if wait > h.WeightsRateLimit {
			t.Fatalf("waits %d, the limit is %d", wait, h.WeightsRateLimit)
		}
		if author.Updated <= height && height < math.MaxUint64-maxPeriod && h.BlocksUntilWeights(author, height+wait) != 0 {
			t.Fatalf("%d blocks later it must still wait", wait)
		}
	})
}

// checkRow states what a stored row promises.
func checkRow(t require.TestingT, h Hyperparams, n int, o Opinion, row consensus.Row) {
	require.Len(t, row, len(o.UIDs))
	top := uint16(0)
	for i, e := range row {
		require.Less(t, int(e.UID), n)
		if i > 0 {
			require.Less(t, row[i-1].UID, e.UID)
		}
		top = max(top, e.Value)
		require.Contains(t, o.UIDs, uint32(e.UID))
	}
	if len(o.Values) > 0 && slices.Max(o.Values) > 0 {
		require.EqualValues(t, math.MaxUint16, top)
	} else {
		require.Zero(t, top)
	}
	require.True(t, consensus.WithinMaxWeight(row, h.MaxWeight))
}

func FuzzCheckWeights(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, 0, 0}, uint16(10), uint32(1), uint16(65535), true, uint64(7))
	f.Add([]byte{0, 0, 0, 3, 0, 0, 0, 9}, uint16(4), uint32(0), uint16(1), false, uint64(0))
	f.Fuzz(func(t *testing.T, raw []byte, n uint16, minimum uint32, maxWeight uint16, permit bool, version uint64) {
		var o Opinion
		for ; len(raw) >= 8; raw = raw[8:] {
			o.UIDs = append(o.UIDs, binary.BigEndian.Uint32(raw))
			o.Values = append(o.Values, binary.BigEndian.Uint32(raw[4:]))
		}
		o.Version = version
		h := Hyperparams{MinAllowedWeights: minimum, MaxWeight: maxWeight, WeightsVersion: 7}
		neurons := int(n % (MaxMaxUIDs + 1))
		row, err := h.CheckWeights(0, neurons, 100, Author{UID: 3, Permit: permit}, o)
		if err != nil {
			require.Nil(t, row)
			return
		}
		checkRow(t, h, neurons, o, row)
	})
}
