package subnet

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/consensus/fixed"
)

func TestRootShares(t *testing.T) {
	all := func(n int) []uint64 { return RootShares(nil, n) }
	require.Empty(t, all(0))
	require.Equal(t, []uint64{1, 1, 1}, all(3), "equal while nobody votes")

	row := consensus.Row{{UID: 0, Value: 65535}}
	require.Equal(t, []uint64{1, 1}, RootShares([]RootVote{{Stake: 0, Weights: row}}, 2), "a vote without stake is none")
	require.Equal(t, []uint64{1, 1}, RootShares([]RootVote{{Stake: 5}}, 2), "stake without a vote is none")
	require.Equal(t, []uint64{1, 1}, RootShares([]RootVote{{Stake: 5, Weights: consensus.Row{{UID: 7, Value: 9}}}}, 2), "a vote for no subnet is none")

	shares := RootShares([]RootVote{{Stake: 5, Weights: row}}, 2)
	require.Positive(t, shares[0])
	require.Zero(t, shares[1], "who has no vote gets nothing once there are votes")

	split := RootShares([]RootVote{{Stake: 5, Weights: consensus.Row{{UID: 0, Value: 2}, {UID: 1, Value: 2}}}}, 2)
	require.Equal(t, split[0], split[1])
}

// TestRootSharesDampMinorities: a subnet that only a minority of stake trusts
// gets less than in proportion, one that the majority trusts about that.
func TestRootSharesDampMinorities(t *testing.T) {
	shares := RootShares([]RootVote{
		{Stake: 30, Weights: consensus.Row{{UID: 0, Value: 1}}},
		{Stake: 70, Weights: consensus.Row{{UID: 1, Value: 1}}},
	}, 2)
	ratio := float64(shares[0]) / float64(shares[1])
	exact := 0.3 / (1 + math.Exp(2)) / (0.7 / (1 + math.Exp(-2)))
	require.InDelta(t, exact, ratio, 1e-8)
	require.Less(t, ratio, 0.3/0.7/5)
}

// TestRootSharesFollowTheFormula compares with 200-bit sums (and the logistic in
// float64, which is exact enough by far). Every term
// of a rank is floored three times and every term of a trust once; the logistic
// curve rises by at most rho/4 = 2.5 and its series floors some dozens of
// times. So the shares, which are at most 1, are off by at most
// (5.5 votes + 256) * 2^-32.
func TestRootSharesFollowTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "subnets")
		votes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) RootVote {
			v := RootVote{Stake: rapid.Uint64Range(0, Cap/64).Draw(t, "stake")}
			for j := range n {
				if rapid.Bool().Draw(t, "named") {
					v.Weights = append(v.Weights, consensus.Entry{UID: uint16(j), Value: rapid.Uint16().Draw(t, "weight")})
				}
			}
			return v
		}), 1, 64).Draw(t, "votes")
		exact := exactShares(votes, n)
		if exact == nil {
			return
		}
		bound := (5.5*float64(len(votes)) + 256) / float64(fixed.One)
		for j, s := range RootShares(votes, n) {
			got := float64(s) / float64(fixed.One)
			if math.Abs(got-exact[j]) > bound {
				t.Fatalf("share of subnet %d is %v, exactly %v, bound %v", j, got, exact[j], bound)
			}
		}
	})
}

// exactShares is the formula of protocol section 2; nil where nobody votes.
func exactShares(votes []RootVote, n int) []float64 {
	total := float(0)
	for _, v := range votes {
		total.Add(total, float(v.Stake))
	}
	rank, trust := make([]*big.Float, n), make([]*big.Float, n)
	for j := range n {
		rank[j], trust[j] = float(0), float(0)
	}
	voted := false
	for _, v := range votes {
		sum := uint64(0)
		for _, e := range v.Weights {
			sum += uint64(e.Value)
		}
		if sum == 0 || v.Stake == 0 {
			continue
		}
		voted = true
		stake := new(big.Float).Quo(float(v.Stake), total)
		for _, e := range v.Weights {
			w := new(big.Float).Quo(float(uint64(e.Value)), float(sum))
			rank[e.UID].Add(rank[e.UID], w.Mul(w, stake))
			if e.Value > 0 {
				trust[e.UID].Add(trust[e.UID], stake)
			}
		}
	}
	if !voted {
		return nil
	}
	shares := make([]float64, n)
	for j := range n {
		r, _ := rank[j].Float64()
		s, _ := trust[j].Float64()
		shares[j] = r / (1 + math.Exp(-10*(s-0.5)))
	}
	return shares
}

func BenchmarkRootShares(b *testing.B) {
	for _, n := range []int{64, 1024} {
		votes := make([]RootVote, 64)
		for i := range votes {
			votes[i].Stake = uint64(i+1) * PLX
			for j := range n {
				votes[i].Weights = append(votes[i].Weights, consensus.Entry{UID: uint16(j), Value: uint16(i*j + 1)})
			}
		}
		b.Run("64 validators, "+benchName("subnets", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				RootShares(votes, n)
			}
		})
	}
}
