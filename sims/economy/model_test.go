package economy

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/subnet"
)

var _ interface {
	sims.Model
	sims.Sizer
} = (*Model)(nil)

// table is what a run recorded.
type table struct {
	columns []sims.Column
	steps   []uint64
	rows    [][]float64
}

func (t *table) Record(step uint64, _ float64, values []float64) error {
	t.steps = append(t.steps, step)
	t.rows = append(t.rows, slices.Clone(values))
	return nil
}

// last returns a column's last value.
func (t *table) last(tb testing.TB, name string) float64 {
	tb.Helper()
	return t.at(tb, len(t.rows)-1, name)
}

func (t *table) at(tb testing.TB, row int, name string) float64 {
	tb.Helper()
	at := slices.IndexFunc(t.columns, func(c sims.Column) bool { return c.Name == name })
	require.GreaterOrEqual(tb, at, 0, "no column %s", name)
	return t.rows[row][at]
}

func simulate(t require.TestingT, cfg Config, seed uint64) *table {
	model, err := New(cfg)
	require.NoError(t, err)
	rec := &table{columns: model.Columns()}
	require.NoError(t, model.Run(context.Background(), seed, rec))
	require.EqualValues(t, model.Records(), len(rec.rows))
	return rec
}

func TestDefaultNetworkPaysQuality(t *testing.T) {
	out := simulate(t, Default(), 1)
	require.Greater(t, out.last(t, "merit"), 0.95)
	require.Greater(t, out.last(t, "vtrust"), 0.9)
	require.Greater(t, out.last(t, "miners0.income"), 50_000.0)
	require.Greater(t, out.last(t, "validators0.income"), 1000.0)
	require.InDelta(t, 1, out.last(t, "reward"), 0)
	require.InDelta(t, 1e6+30*7200, out.last(t, "supply")+out.last(t, "burned"), 1e-3)
	for i, c := range out.columns {
		for _, row := range out.rows {
			require.False(t, math.IsNaN(row[i]) || math.IsInf(row[i], 0), "%s is %v", c.Name, row[i])
		}
	}
}

// randomConfig draws a small network in which everything may happen.
func randomConfig(t *rapid.T) Config {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	n := func(label string, low, high int) int { return rapid.IntRange(low, high).Draw(t, label) }
	c := Default()
	c.Blocks = uint64(n("blocks", 1, 3000))
	c.RecordEvery, c.MarketEvery = uint64(n("record", 50, 900)), uint64(n("market", 20, 400))
	c.Genesis.Supply = rapid.SampledFrom([]float64{1e6, 10_500_000 - 500, 20_999_000}).Draw(t, "supply")
	c.Genesis.Height = uint64(n("height", 0, 1000))
	c.Hyperparams = Hyperparams(subnet.Hyperparams(c.Hyperparams).Scaled(uint64(n("scale", 5, 60))))
	c.Hyperparams.MaxUIDs, c.Hyperparams.MaxValidators = uint32(n("uids", 24, 40)), 8
	c.Hyperparams.CommitReveal = pick("scheme", subnet.CommitRevealOff, subnet.CommitRevealHash, subnet.CommitRevealTimelock)
	c.Protocol.UnbondingBlocks, c.Protocol.RootWeightsRateLimit = 100, 20
	c.Protocol.MaxEpochsPerBlock, c.Protocol.MaxRevealsPerBlock = 1, uint32(n("reveals", 1, 9))
	c.Protocol.DemandMix, c.Protocol.DemandWindow, c.Protocol.DemandSmoothing = uint32(n("mix", 0, 10_000)), uint64(n("window", 1, 300)), 5
	c.Subnets[0].Count = n("subnets", 1, 3)
	c.Subnets[0].Hyperparams = c.Hyperparams
	c.Validators = nil
	for range n("validator groups", 1, 3) {
		g := DefaultValidators()
		g.Count = n("validators", 1, 3)
		g.Strategy = pick("strategy", Honest, Equal, Lazy, Copier, Cabal, Self)
		g.Root = pick("root", RootValue, RootEqual, RootOwn, RootNone)
		g.Party = pick("party", "", "gang")
		g.Cost, g.Sell, g.DetectCopies = Fixed(1), 0.2, 0.5
		g.Absent = rapid.Bool().Draw(t, "absent")
		c.Validators = append(c.Validators, g)
	}
	c.Miners = nil
	for range n("miner groups", 1, 3) {
		g := DefaultMiners()
		g.Count, g.Copies = n("miners", 0, 6), n("copies", 1, 2)
		g.Entry = pick("entry", EntryFixed, EntryProfit, EntryBots)
		g.Party = pick("party", "", "gang")
		g.Drift = 0.1
		g.Power, g.Hardware = Fixed(2), Dist{Kind: DistUniform, Min: 1, Max: 50}
		g.Absent = rapid.Bool().Draw(t, "absent")
		c.Miners = append(c.Miners, g)
	}
	c.Delegators[0].Count, c.Delegators[0].Inertia = n("delegators", 0, 40), 0.5
	callers := DefaultCallers()
	callers.Count, callers.Requests = n("callers", 0, 5), Dist{Kind: DistLognormal, Mean: 1e5, SD: 1e5}
	callers.Payees = pick("payees", "", "gang")
	c.Callers = []CallerGroup{callers}
	c.Price.Process = pick("price", PriceConstant, PriceGBM, PriceMeanReverting, PriceFlows)
	c.Shocks = []Shock{
		{Height: uint64(n("shock", 1, 3000)), Set: map[string]any{"hyperparams.max_uids": n("fewer uids", 22, 24), "hyperparams.kappa": 40000, "protocol.fee_burn": 5000}},
		{Height: uint64(n("shock", 1, 3000)), Leave: "miners0", Price: 0.5, Demand: 3},
		{Height: uint64(n("shock", 1, 3000)), Enter: "miners0"},
		{Height: uint64(n("shock", 1, 3000)), Leave: "validators0", Enter: "delegators0"},
		{Height: uint64(n("shock", 1, 3000)), Enter: "validators0", Leave: "delegators0"},
		{Height: uint64(n("shock", 1, 3000)), Stake: &StakeMove{Group: "validators0", PLX: float64(n("stake", -900, 900))}},
	}
	if rapid.Bool().Draw(t, "remove") {
		c.Shocks = append(c.Shocks, Shock{Height: 1500, Leave: "subnets0"})
	}
	return c
}

// TestBothModesAndAllRunsAgree: a run is the same block by block and by jumps,
// and each time; and its books balance, or it would have ended in an error.
func TestBothModesAndAllRunsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := randomConfig(t)
		seed := rapid.Uint64().Draw(t, "seed")
		jumps := simulate(t, cfg, seed)
		cfg.Workers = 2
		again := simulate(t, cfg, seed)
		cfg.Mode = ModeBlocks
		blocks := simulate(t, cfg, seed)
		require.Equal(t, blocks.steps, jumps.steps)
		for i := range jumps.rows {
			for k, c := range jumps.columns {
				require.Equal(t, math.Float64bits(blocks.rows[i][k]), math.Float64bits(jumps.rows[i][k]), "%s at step %d", c.Name, jumps.steps[i])
				require.Equal(t, math.Float64bits(again.rows[i][k]), math.Float64bits(jumps.rows[i][k]), "%s again at step %d", c.Name, jumps.steps[i])
			}
		}
	})
}
