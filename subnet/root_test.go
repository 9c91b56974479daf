package subnet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/subnet"
)

func TestRootRules(t *testing.T) {
	rules := subnet.RootRules{StakeThreshold: 10, RateLimit: 5, Netuids: []uint32{1, 3, 65535}}
	author := subnet.Author{Stake: 10}
	for _, c := range []struct {
		name    string
		author  subnet.Author
		opinion subnet.RootOpinion
		want    error
	}{
		{"no stake", subnet.Author{Stake: 9}, subnet.RootOpinion{}, subnet.ErrStakeTooLow},
		{"too early", subnet.Author{Stake: 10, HasSet: true, Updated: 96}, subnet.RootOpinion{}, subnet.ErrRateLimited},
		{"in time", subnet.Author{Stake: 10, HasSet: true, Updated: 95}, subnet.RootOpinion{}, nil},
		{"a height of nonsense", subnet.Author{Stake: 10, HasSet: true, Updated: 1 << 63}, subnet.RootOpinion{}, subnet.ErrRateLimited},
		{"uneven", author, subnet.RootOpinion{Netuids: []uint32{1}}, subnet.ErrInvalidWeights},
		{"unknown", author, subnet.RootOpinion{Netuids: []uint32{2}, Values: []uint32{1}}, subnet.ErrUnknownNetuid},
		{"twice", author, subnet.RootOpinion{Netuids: []uint32{3, 3}, Values: []uint32{1, 1}}, subnet.ErrInvalidWeights},
		{"too large", author, subnet.RootOpinion{Netuids: []uint32{3}, Values: []uint32{65536}}, subnet.ErrInvalidWeights},
		{"all zero", author, subnet.RootOpinion{Netuids: []uint32{3}, Values: []uint32{0}}, subnet.ErrInvalidWeights},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := rules.Check(100, c.author, c.opinion)
			require.ErrorIs(t, err, c.want)
		})
	}
	row, err := rules.Check(100, author, subnet.RootOpinion{Netuids: []uint32{65535, 1, 3}, Values: []uint32{1, 0, 2}})
	require.NoError(t, err)
	require.Equal(t, consensus.Row{{UID: 3, Value: 65535}, {UID: 65535, Value: 32768}}, row)
	row, err = rules.Check(100, author, subnet.RootOpinion{})
	require.NoError(t, err)
	require.Empty(t, row)

	// Without a threshold it still takes some stake.
	_, err = subnet.RootRules{}.Check(1, subnet.Author{}, subnet.RootOpinion{})
	require.ErrorIs(t, err, subnet.ErrStakeTooLow)
}

func TestByIndex(t *testing.T) {
	row := consensus.Row{{UID: 1, Value: 7}, {UID: 2, Value: 8}, {UID: 9, Value: 9}}
	require.Equal(t, consensus.Row{{UID: 0, Value: 7}, {UID: 2, Value: 9}}, subnet.ByIndex(row, []uint32{1, 5, 9}))
	require.Empty(t, subnet.ByIndex(row, nil))
}

func TestNoWeightsTowardVacantUIDs(t *testing.T) {
	h := subnet.DefaultHyperparams()
	author := subnet.Author{Permit: true, Vacant: []uint16{1, 3}}
	check := func(uids ...uint32) error {
		_, err := h.CheckWeights(0, 4, 1, author, subnet.Opinion{UIDs: uids, Values: make([]uint32, len(uids))})
		return err
	}
	require.NoError(t, check(2, 0))
	require.ErrorIs(t, check(2, 3), subnet.ErrUnknownUID)
	require.ErrorIs(t, check(1), subnet.ErrUnknownUID)
	require.ErrorIs(t, check(1, 1), subnet.ErrInvalidWeights, "duplicates are looked for first")
}
