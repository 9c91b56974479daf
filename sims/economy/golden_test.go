package economy

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/subnet"
)

var update = flag.Bool("update", false, "write the golden figures anew")

// goldenConfigs are networks whose figures are kept: a change of them is a
// change of what was simulated, and must be meant.
func goldenConfigs() map[string]Config {
	everybody := Default()
	everybody.Subnets[0].Count = 3
	everybody.Protocol.DemandMix = 3000
	everybody.Callers = []CallerGroup{DefaultCallers()}
	everybody.Callers[0].Count, everybody.Callers[0].Requests = 10, Fixed(1e5)
	everybody.Price.Process = PriceFlows
	everybody.Validators = append(everybody.Validators, DefaultValidators(), DefaultValidators())
	everybody.Validators[1].Strategy, everybody.Validators[2].Strategy = Copier, Lazy
	everybody.Miners[0].Entry, everybody.Miners[0].Power, everybody.Miners[0].Start = EntryProfit, Dist{Kind: DistUniform, Min: 10, Max: 300}, 0.5
	everybody.Miners[0].Drift = 0.05
	everybody.Shocks = []Shock{{Years: 0.02, Price: 0.5, Set: map[string]any{"hyperparams.kappa": 40000}}, {Years: 0.04, Leave: "validators1"}}

	halving := Default()
	halving.Genesis.Supply = 10_400_000
	halving.Blocks = 60 * 7200
	return map[string]Config{"default": Default(), "everybody": everybody, "halving": halving}
}

func TestGoldenFigures(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("agents think in floats, which other processors fuse: the figures kept are amd64's")
	}
	file := filepath.Join("testdata", "golden.json")
	got := map[string]map[string]string{}
	for name, cfg := range goldenConfigs() {
		out := simulate(t, cfg, 42)
		got[name] = map[string]string{}
		for i, c := range out.columns {
			got[name][c.Name] = strconv.FormatFloat(out.rows[len(out.rows)-1][i], 'g', -1, 64)
		}
	}
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o644))
		return
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var want map[string]map[string]string
	require.NoError(t, json.Unmarshal(text, &want))
	require.Equal(t, want, got, "go test ./sims/economy -run Golden -update writes them anew")
}

// TestHalvingOfALivingNetwork: with agents that burn, the reward halves in the
// block in which all but half of the cap exist, and not before.
func TestHalvingOfALivingNetwork(t *testing.T) {
	cfg := goldenConfigs()["halving"]
	cfg.RecordEvery = 360
	out := simulate(t, cfg, 1)
	halved := false
	for i := range out.rows {
		supply, reward := out.at(t, i, "supply"), out.at(t, i, "reward")
		if supply >= 10_500_000 {
			halved = true
			require.Equal(t, 0.5, reward)
		} else {
			require.Equal(t, 1.0, reward)
		}
		genesis := 10_400_000.0
		require.InDelta(t, genesis+out.at(t, i, "minted")-out.at(t, i, "burned"), supply, 1e-6)
	}
	require.True(t, halved)
}

// TestSharesOfEmission: what the split gives to owners, miners and validators
// is theirs to a part in a thousand: the rest waits or streams.
func TestSharesOfEmission(t *testing.T) {
	cfg := Default()
	cfg.Blocks = 100 * 7200
	cfg.Genesis.Supply = 30_000
	out := simulate(t, cfg, 1)
	minted := out.last(t, "minted")
	require.InEpsilon(t, 0.18*minted, out.last(t, "subnets0.owner_paid"), 0.002)
	require.InEpsilon(t, 0.41*minted, out.last(t, "miners0.income"), 0.015) // the first epochs burn it
	require.Less(t, out.last(t, "supply"), float64(subnet.Cap/subnet.PLX))
}

func TestShocks(t *testing.T) {
	at := func(s Shock) *table {
		cfg := Default()
		s.Height = 15 * 7200
		cfg.Shocks = []Shock{s}
		return simulate(t, cfg, 3)
	}
	plain := simulate(t, Default(), 3)
	for _, c := range []struct {
		name  string
		shock Shock
		holds func(out *table) bool
	}{
		{"the price falls", Shock{Price: 0.25}, func(out *table) bool { return out.last(t, "price") == 0.25 }},
		{"half of the miners' part goes to owners", Shock{Set: map[string]any{"protocol.owner_bps": 3850, "protocol.miner_bps": 2050}}, func(out *table) bool {
			return out.last(t, "miners0.income") < 0.8*plain.last(t, "miners0.income")
		}},
		{"miners leave", Shock{Leave: "miners0"}, func(out *table) bool { return out.last(t, "miners0.uids") == 0 }},
		{"stake is bought", Shock{Stake: &StakeMove{Group: "validators0", PLX: 5000}}, func(out *table) bool {
			return out.last(t, "validators0.stake") > plain.last(t, "validators0.stake")+19_000
		}},
		{"stake is withdrawn", Shock{Stake: &StakeMove{Group: "validators0", PLX: -900}}, func(out *table) bool {
			return out.last(t, "validators0.stake") < plain.last(t, "validators0.stake")-3000
		}},
		{"a subnet ends", Shock{Leave: "subnets0"}, func(out *table) bool { return out.last(t, "subnets0.share") == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := at(c.shock)
			require.True(t, c.holds(out))
			for row := range 15 { // what comes later moves nothing before
				require.Equal(t, plain.rows[row], out.rows[row])
			}
		})
	}
}

// TestMinersComeAndGoByProfit: dear power drives the worse half out, and a
// higher price brings them back.
func TestMinersComeAndGoByProfit(t *testing.T) {
	cfg := Default()
	cfg.Blocks = 90 * 7200
	cfg.Miners[0].Entry, cfg.Miners[0].Patience = EntryProfit, 3
	cfg.Miners[0].Power = Fixed(80)
	cfg.Hyperparams.BurnMax = 10 * subnet.PLX
	cfg.Subnets[0].Hyperparams = cfg.Hyperparams
	cfg.Shocks = []Shock{{Height: 30 * 7200, Price: 0.5}, {Height: 60 * 7200, Price: 4}}
	out := simulate(t, cfg, 5)
	dear, cheap, high := out.at(t, 29, "miners0.uids"), out.at(t, 59, "miners0.uids"), out.at(t, 90, "miners0.uids")
	require.Less(t, cheap, dear)
	require.Greater(t, high, cheap)
}

// TestDelegatorsGoWhereYieldIs: of two groups of validators the one that takes
// no commission ends with more of the stake.
func TestDelegatorsGoWhereYieldIs(t *testing.T) {
	cfg := Default()
	cfg.Blocks = 60 * 7200
	cfg.Validators = []ValidatorGroup{DefaultValidators(), DefaultValidators()}
	cfg.Validators[0].Name, cfg.Validators[1].Name = "dear", "cheap"
	cfg.Validators[0].Commission, cfg.Validators[1].Commission = 9000, 0
	cfg.Validators[0].Compound, cfg.Validators[1].Compound = 0, 0
	cfg.Delegators[0].Count, cfg.Delegators[0].Inertia, cfg.Delegators[0].Stake = 500, 0.9, Fixed(10)
	out := simulate(t, cfg, 1)
	require.Greater(t, out.last(t, "cheap.stake"), 2*out.last(t, "dear.stake"))
}

// TestElasticityMovesDemand: at elasticity -2 twice the price halves what is
// spent.
func TestElasticityMovesDemand(t *testing.T) {
	spent := func(price float64) float64 {
		cfg := Default()
		callers := DefaultCallers()
		callers.Count, callers.Elasticity, callers.RequestPrice = 20, Fixed(-2), price
		cfg.Callers = []CallerGroup{callers}
		return simulate(t, cfg, 1).last(t, "callers0.spent")
	}
	require.InEpsilon(t, spent(0.001)/2, spent(0.002), 1e-6)
}

// TestAddingAgentsLeavesTheLuckOfOthers: common random numbers.
func TestAddingAgentsLeavesTheLuckOfOthers(t *testing.T) {
	cfg := Default()
	cfg.Price.Process = PriceGBM
	before := simulate(t, cfg, 9)
	cfg.Delegators = append(cfg.Delegators, delegatorsOf(50))
	cfg.Miners[0].Count++
	after := simulate(t, cfg, 9)
	for i := range before.rows {
		require.Equal(t, before.at(t, i, "price"), after.at(t, i, "price"))
	}
}
