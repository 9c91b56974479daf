package consensus

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plexusnet/plexus/consensus/fixed"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawInput wraps randomInput for rapid: the shape is drawn, the rest follows from a seed.
func drawInput(t *rapid.T, maxNeurons int) *Input {
	n := rapid.IntRange(1, maxNeurons).Draw(t, "neurons")
	return randomInput(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2)), n)
}

func epoch(t require.TestingT, in *Input) *Output {
	var e Engine
	out, err := e.Epoch(in)
	require.NoError(t, err)
	return out
}

// TestSharesSumToOne: shares are floors of an exact division, so n of them miss one by less than n steps of 2^-32.
func TestSharesSumToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, 80)
		out := epoch(t, in)
		n := fixed.I32F32(len(in.Stake))
		for name, v := range map[string][]fixed.I32F32{
			"stake": out.Stake, "active stake": out.ActiveStake, "incentive": out.Incentive,
			"dividends": out.Dividends, "combined": out.CombinedShare, "payout": out.ValidatorPayout(),
		} {
			s := sum(v)
			require.True(t, s == 0 || (s <= fixed.One && s > fixed.One-n), "%s sums to %v", name, s)
			for i, x := range v {
				require.GreaterOrEqual(t, x, fixed.Zero, "%s of %d", name, i)
			}
		}
		require.LessOrEqual(t, sum(out.MinerShare)+sum(out.ValidatorShare), fixed.One)
		for i, row := range out.Bonds {
			require.NoError(t, badRow("bonds", i, row, len(in.Stake)))
			require.True(t, len(row) == 0 || out.Permit[i])
		}
	})
}

func permuteRow(row Row, to []int) Row {
	out := make(Row, 0, len(row))
	at := make(map[int]uint16, len(row))
	for _, e := range row {
		at[to[e.UID]] = e.Value
	}
	for j := range to {
		if v, ok := at[j]; ok {
			out = append(out, Entry{uint16(j), v})
		}
	}
	return out
}

// permute renumbers every neuron i to[i].
func permute(in *Input, to []int) *Input {
	n := len(to)
	out := &Input{Params: in.Params, Height: in.Height, LastEpoch: in.LastEpoch, OwnerUID: -1,
		Stake: make([]uint64, n), LastUpdate: make([]uint64, n), Registered: make([]uint64, n),
		Permit: make([]bool, n), Weights: make([]Row, n), Bonds: make([]Row, n)}
	if in.CommitHeight != nil {
		out.CommitHeight = make([]uint64, n)
	}
	if in.OwnerUID >= 0 {
		out.OwnerUID = to[in.OwnerUID]
	}
	for i, k := range to {
		out.Stake[k], out.LastUpdate[k], out.Registered[k], out.Permit[k] = in.Stake[i], in.LastUpdate[i], in.Registered[i], in.Permit[i]
		out.Weights[k], out.Bonds[k] = permuteRow(in.Weights[i], to), permuteRow(in.Bonds[i], to)
		if in.CommitHeight != nil {
			out.CommitHeight[k] = in.CommitHeight[i]
		}
	}
	return out
}

func TestPermutingUIDsPermutesResults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, 60)
		n := len(in.Stake)
		// Uids break ties of stake for permits: give every permit, so that there are none to break.
		in.Params.MaxValidators = uint16(n)
		to := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 3)).Perm(n)
		want, got := epoch(t, in), epoch(t, permute(in, to))
		for i, k := range to {
			for name, v := range map[string][2][]fixed.I32F32{
				"stake": {want.Stake, got.Stake}, "active stake": {want.ActiveStake, got.ActiveStake},
				"consensus": {want.Consensus, got.Consensus}, "rank": {want.Rank, got.Rank}, "trust": {want.Trust, got.Trust},
				"validator trust": {want.ValidatorTrust, got.ValidatorTrust}, "incentive": {want.Incentive, got.Incentive},
				"dividends": {want.Dividends, got.Dividends}, "combined": {want.CombinedShare, got.CombinedShare},
			} {
				require.Equal(t, v[0][i], v[1][k], "%s of %d, now %d", name, i, k)
			}
			require.Equal(t, want.Permit[i], got.Permit[k])
			require.Equal(t, permuteRow(want.Bonds[i], to), append(Row{}, got.Bonds[k]...))
		}
	})
}

func TestScalingStakesChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, 60)
		in.Params.StakeThreshold = 0
		for i := range in.Stake {
			in.Stake[i] >>= 20
		}
		want := epoch(t, in)
		factor := rapid.Uint64Range(1, 1<<20).Draw(t, "factor")
		for i := range in.Stake {
			in.Stake[i] *= factor
		}
		same(t, want, epoch(t, in), "changed")
	})
}

// TestSelfWeightGainsNothing: a validator's weight on itself counts for nothing, and the owner's, which does count,
// earns nothing without a majority.
func TestSelfWeightGainsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, 60)
		in.OwnerUID = -1
		i := rapid.IntRange(0, len(in.Stake)-1).Draw(t, "validator")
		without := Row{}
		for _, e := range in.Weights[i] {
			if int(e.UID) != i {
				without = append(without, e)
			}
		}
		in.Weights[i] = without
		want := epoch(t, in)
		with := append(Row{}, without...)
		at := int(seek(with, i))
		with = append(with[:at], append(Row{{uint16(i), rapid.Uint16().Draw(t, "self-weight")}}, with[at:]...)...)
		in.Weights[i] = with
		same(t, want, epoch(t, in), "changed")
	})
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, 60)
		n := len(in.Stake)
		owner := rapid.IntRange(0, n-1).Draw(t, "owner")
		in.OwnerUID = owner
		in.Params.Kappa = 32767
		for i := range in.Weights {
			row := Row{}
			for _, e := range in.Weights[i] {
				if int(e.UID) != owner {
					row = append(row, e)
				}
			}
			in.Weights[i] = row
		}
		in.Weights[owner] = Row{{uint16(owner), math.MaxUint16}}
		out := epoch(t, in)
		if out.ActiveStake[owner] < fixed.FromU16(in.Params.Kappa) {
			require.Zero(t, out.Incentive[owner])
			require.Zero(t, out.ValidatorTrust[owner])
		}
	})
}

func TestZeroStakeNeuronsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, 60)
		n := len(in.Stake)
		want := epoch(t, in)
		for range rapid.IntRange(1, 20).Draw(t, "more") {
			in.Stake, in.LastUpdate = append(in.Stake, 0), append(in.LastUpdate, in.Height)
			in.Registered, in.Permit = append(in.Registered, 0), append(in.Permit, rapid.Bool().Draw(t, "permit"))
			in.Weights, in.Bonds = append(in.Weights, nil), append(in.Bonds, nil)
			if in.CommitHeight != nil {
				in.CommitHeight = append(in.CommitHeight, math.MaxUint64)
			}
		}
		got := epoch(t, in)
		for _, v := range [][2][]fixed.I32F32{
			{want.Stake, got.Stake}, {want.ActiveStake, got.ActiveStake}, {want.Consensus, got.Consensus},
			{want.Rank, got.Rank}, {want.Trust, got.Trust}, {want.ValidatorTrust, got.ValidatorTrust},
			{want.Incentive, got.Incentive}, {want.Dividends, got.Dividends}, {want.CombinedShare, got.CombinedShare},
		} {
			require.Equal(t, v[0], v[1][:n])
			require.Zero(t, sum(v[1][n:]))
		}
		require.Equal(t, want.Permit, got.Permit[:n])
		for i, row := range want.Bonds {
			require.Equal(t, append(Row{}, row...), append(Row{}, got.Bonds[i]...))
		}
	})
}

func TestEpochAllocatesNothingAfterWarmUp(t *testing.T) {
	for _, density := range []float64{1, 0.1} {
		for _, workers := range []int{1, 3} {
			in := benchInput(256, 32, density, DefaultParams())
			e := Engine{Workers: workers}
			run := func() {
				if _, err := e.Epoch(in); err != nil {
					t.Fatal(err)
				}
			}
			run()
			require.Zero(t, testing.AllocsPerRun(20, run), "density %v, %d workers", density, workers)
		}
	}
}

func TestEpochLeavesItsInputAlone(t *testing.T) {
	draw := func() *Input { return randomInput(rand.New(rand.NewPCG(5, 5)), 50) }
	in := draw()
	epoch(t, in)
	require.Equal(t, draw(), in)
}

func TestBadInputIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Input)
		says  string
	}{
		"short slice":      {func(in *Input) { in.LastUpdate = in.LastUpdate[1:] }, "last update has 3 items for 4 neurons"},
		"no permits":       {func(in *Input) { in.Permit = nil }, "permit has 0 items"},
		"commit heights":   {func(in *Input) { in.CommitHeight = make([]uint64, 3) }, "commit height has 3 items"},
		"owner":            {func(in *Input) { in.OwnerUID = 4 }, "owner uid 4 of 4"},
		"owner below none": {func(in *Input) { in.OwnerUID = -2 }, "owner uid -2"},
		"uid outside":      {func(in *Input) { in.Weights[1] = Row{{4, 1}} }, "weights of uid 1 point at uid 4"},
		"twice":            {func(in *Input) { in.Bonds[2] = Row{{1, 1}, {1, 2}} }, "bonds of uid 2 name uid 1 twice"},
		"unsorted":         {func(in *Input) { in.Weights[0] = Row{{2, 1}, {1, 2}} }, "not sorted: uid 1 after 2"},
		"moving average":   {func(in *Input) { in.Params.BondsMovingAverage = 1_000_001 }, "moving average 1000001"},
		"alpha":            {func(in *Input) { in.Params.LiquidAlpha, in.Params.AlphaLow = true, 60_000 }, "alpha low 60000 is above"},
		"too many":         {func(in *Input) { in.Stake = make([]uint64, MaxNeurons+1) }, "65537 neurons"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &Input{Params: DefaultParams(), OwnerUID: -1, Stake: make([]uint64, 4), LastUpdate: make([]uint64, 4),
				Registered: make([]uint64, 4), Permit: make([]bool, 4), Weights: make([]Row, 4), Bonds: make([]Row, 4)}
			require.NoError(t, in.Validate())
			c.spoil(in)
			var e Engine
			_, err := e.Epoch(in)
			require.ErrorIs(t, err, ErrInput)
			require.ErrorContains(t, err, c.says)
			require.ErrorIs(t, in.Validate(), ErrInput)
		})
	}
}

func TestEmptySubnet(t *testing.T) {
	out := epoch(t, &Input{OwnerUID: -1})
	require.Empty(t, out.Stake)
	require.True(t, out.Fallback)
}

func TestLastEpoch(t *testing.T) {
	require.Equal(t, uint64(361), LastEpoch(360, 360, 720))
	require.Equal(t, uint64(360), LastEpoch(0, 360, 720))
	require.Zero(t, LastEpoch(0, 360, 10))
}
