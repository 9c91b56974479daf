package reference_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/consensus/fixed"
	"github.com/plexusnet/plexus/consensus/reference"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// subnet draws a subnet whose stakes are generic: no coalition sits exactly at the majority, where exact and float
// arithmetic may take different sides of a jump.
func subnet(t *rapid.T) *consensus.Input {
	n := rapid.IntRange(2, 48).Draw(t, "neurons")
	validators := rapid.IntRange(1, n).Draw(t, "validators")
	in := &consensus.Input{
		Params: consensus.DefaultParams(), Height: 1000, LastEpoch: 640, OwnerUID: rapid.IntRange(-1, n-1).Draw(t, "owner"),
		Stake: make([]uint64, n), LastUpdate: make([]uint64, n), Registered: make([]uint64, n),
		Permit: make([]bool, n), Weights: make([]consensus.Row, n), Bonds: make([]consensus.Row, n),
	}
	p := &in.Params
	p.Yuma3 = rapid.Bool().Draw(t, "yuma3")
	p.LiquidAlpha = rapid.Bool().Draw(t, "liquid alpha")
	p.Kappa = rapid.Uint16Range(10_000, 55_000).Draw(t, "kappa")
	p.BondsPenalty = rapid.SampledFrom([]uint16{0, 65535, 30_000}).Draw(t, "penalty")
	p.BondsMovingAverage = rapid.Uint32Range(0, 990_000).Draw(t, "average")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	for i := range n {
		in.LastUpdate[i] = 500 + r.Uint64N(500)
		in.Registered[i] = r.Uint64N(700)
		if i >= validators {
			continue
		}
		in.Permit[i] = true
		in.Stake[i] = 1e9 + r.Uint64N(1e12)
		for j := range n {
			if r.IntN(4) > 0 {
				in.Weights[i] = append(in.Weights[i], consensus.Entry{UID: uint16(j), Value: uint16(r.Uint32())})
			}
			if r.IntN(2) == 0 {
				in.Bonds[i] = append(in.Bonds[i], consensus.Entry{UID: uint16(j), Value: uint16(r.Uint32())})
			}
		}
	}
	return in
}

func near(t *rapid.T, name string, want []float64, got []fixed.I32F32) {
	require.Len(t, got, len(want))
	for i, w := range want {
		if d := math.Abs(w - got[i].Float64()); d > reference.Bound {
			t.Fatalf("%s of uid %d: float %.9f, exact %.9f", name, i, w, got[i].Float64())
		}
	}
}

func TestReferenceAgreesWithTheEngine(t *testing.T) {
	var engine consensus.Engine
	rapid.Check(t, func(t *rapid.T) {
		in := subnet(t)
		exact, err := engine.Epoch(in)
		require.NoError(t, err)
		float, err := reference.Epoch(in)
		require.NoError(t, err)
		near(t, "stake", float.Stake, exact.Stake)
		near(t, "active stake", float.ActiveStake, exact.ActiveStake)
		near(t, "consensus", float.Consensus, exact.Consensus)
		near(t, "validator trust", float.ValidatorTrust, exact.ValidatorTrust)
		near(t, "rank", float.Rank, exact.Rank)
		near(t, "incentive", float.Incentive, exact.Incentive)
		near(t, "dividends", float.Dividends, exact.Dividends)
		near(t, "miner share", float.MinerShare, exact.MinerShare)
		near(t, "validator share", float.ValidatorShare, exact.ValidatorShare)
		near(t, "combined share", float.CombinedShare, exact.CombinedShare)
		require.Equal(t, float.Active, exact.Active)
		require.Equal(t, float.Permit, exact.Permit)
		for i, row := range exact.Bonds {
			stored := make([]float64, len(in.Stake))
			for _, b := range row {
				stored[b.UID] = float64(b.Value) / math.MaxUint16
			}
			for j, b := range stored {
				if !in.Params.Yuma3 && float.Rank[j] < 1e-3 {
					continue // shares of so small a column are coarse in steps of 2^-32
				}
				// Stored bonds are floored to u16, and Yuma2 magnifies what was floored before.
				require.InDelta(t, float.Bonds.At(i, j), b, 2./math.MaxUint16, "bond %d to %d", i, j)
			}
		}
	})
}

func TestReferenceRefusesBadInput(t *testing.T) {
	_, err := reference.Epoch(&consensus.Input{OwnerUID: 3})
	require.ErrorIs(t, err, consensus.ErrInput)
	out, err := reference.Epoch(&consensus.Input{OwnerUID: -1})
	require.NoError(t, err)
	require.Empty(t, out.Stake)
}
