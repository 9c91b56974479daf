package economy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plexusnet/plexus/subnet"
)

// How a run advances. Both give the same figures to the unit.
const (
	ModeEpochs = "epochs" // jumps from event to event
	ModeBlocks = "blocks" // every block by itself
)

// Config describes a network, who takes part in it and what happens to it.
// Everything is a parameter: paths such as "subnets.0.hyperparams.kappa" or
// "miners.1.quality.mean" name what a shock or a sweep changes. Amounts of
// agents are PLX, of the protocol nplx as on the chain; money outside the
// network is USD; shares are 0 to 1 unless they say basis points (1/10000).
type Config struct {
	// Mode is "epochs" (default) or "blocks".
	Mode string `yaml:"mode"`
	// Blocks is the length of a run, 1 to 1e9.
	Blocks uint64 `yaml:"blocks"`
	// BlockSeconds is the time between blocks, above 0 to 86400; 12.
	BlockSeconds float64 `yaml:"block_seconds"`
	// RecordEvery is the number of blocks between two records, at least 1;
	// 7200, a day.
	RecordEvery uint64 `yaml:"record_every"`
	// MarketEvery is the number of blocks between two steps of the agents that
	// trade, stake, call, enter and leave, at least 1; 7200, a day.
	MarketEvery uint64 `yaml:"market_every"`

	// Workers is how many cores share the epochs of a block, 0 to 1024; 1. It
	// changes the speed of a run and nothing else; many runs at once are better
	// off with one each.
	Workers int `yaml:"workers"`

	Genesis Genesis `yaml:"genesis"`
	// Protocol are the parameters of the whole network.
	Protocol Protocol `yaml:"protocol"`
	// Hyperparams are those of subnets that do not say otherwise.
	Hyperparams Hyperparams `yaml:"hyperparams"`

	Subnets    []SubnetGroup    `yaml:"subnets"`
	Validators []ValidatorGroup `yaml:"validators"`
	Miners     []MinerGroup     `yaml:"miners"`
	Delegators []DelegatorGroup `yaml:"delegators"`
	Callers    []CallerGroup    `yaml:"callers"`

	Price  Price   `yaml:"price"`
	Shocks []Shock `yaml:"shocks"`
}

// Genesis is what there is before the first block.
type Genesis struct {
	// Height is that of the last block before the run, 0 to 1e12; 0.
	Height uint64 `yaml:"height"`
	// Supply is the PLX that exist, 0 to 21e6; 1e6. What the agents do not
	// hold is the market's.
	Supply float64 `yaml:"supply"`
}

// Protocol are the parameters of docs/protocol.md, by their names on the chain.
type Protocol struct {
	// OwnerBps, MinerBps and ValidatorBps split an epoch's emission, in basis
	// points that sum to 10000; 1800, 4100, 4100.
	OwnerBps     uint32 `yaml:"owner_bps"`
	MinerBps     uint32 `yaml:"miner_bps"`
	ValidatorBps uint32 `yaml:"validator_bps"`
	// MaxEpochsPerBlock bounds the epochs in one block, 1 to 65535; 16.
	MaxEpochsPerBlock uint32 `yaml:"max_epochs_per_block"`
	// MaxRevealsPerBlock bounds the hidden weights that one block opens, 1 to
	// 256; 32.
	MaxRevealsPerBlock uint32 `yaml:"max_reveals_per_block"`
	// MinLock is the least that a subnet locks, nplx, up to the cap; 100e9.
	MinLock uint64 `yaml:"min_lock"`
	// LockInterval is the number of blocks in which the price of a subnet falls
	// from twice the last to the last, 1 to 1e8; 100800.
	LockInterval uint64 `yaml:"lock_interval"`
	// StakeThreshold is the stake under which none counts, nplx, up to the cap; 0.
	StakeThreshold uint64 `yaml:"stake_threshold"`
	// RootWeightsRateLimit is the number of blocks between two root opinions of
	// a hotkey, 1 to 1e8; 100.
	RootWeightsRateLimit uint64 `yaml:"root_weights_rate_limit"`
	// UnbondingBlocks pass before undelegated stake is paid out, 0 to 1e8;
	// 151200, 21 days.
	UnbondingBlocks uint64 `yaml:"unbonding_blocks"`
	// FeeBurn is the part of redeemed payments that is burned, basis points, 0
	// to 5000; 500.
	FeeBurn uint32 `yaml:"fee_burn"`
	// DemandMix is the most of the block reward that follows demand instead of
	// root weights, basis points, 0 to 10000; 0.
	DemandMix uint32 `yaml:"demand_mix"`
	// DemandCap is the most of the fees burned for a subnet that comes back to
	// it, basis points, 0 to 10000; 5000.
	DemandCap uint32 `yaml:"demand_cap"`
	// DemandWindow is the number of blocks in which demand is added up before it
	// is smoothed, 1 to 1e6; 300.
	DemandWindow uint64 `yaml:"demand_window"`
	// DemandSmoothing is the number of windows over which what was burned counts,
	// 1 to 100; 24.
	DemandSmoothing uint32 `yaml:"demand_smoothing"`
}

// Hyperparams are subnet.Hyperparams; in YAML every field has its name on the
// chain: tempo, kappa, max_uids, burn_half_life and so on, amounts in nplx,
// periods in blocks.
type Hyperparams subnet.Hyperparams

// SubnetGroup is a number of like subnets.
type SubnetGroup struct {
	// Name is that of the columns of the group; empty: "subnets<i>".
	Name string `yaml:"name"`
	// Count is how many there are, 0 to 1024; 1.
	Count int `yaml:"count"`
	// Hyperparams start from those of the network.
	Hyperparams Hyperparams `yaml:"hyperparams"`
	// Value is what honest root weights and callers hold of each, at least 0; 1.
	Value float64 `yaml:"value"`
	// Sell is the part of its owner's income that is sold at once, 0 to 1; 0.5.
	Sell float64 `yaml:"sell"`
	// Party names whose they are; empty: the group's own.
	Party string `yaml:"party"`
}

// What a group of validators does when it sets weights.
const (
	Honest = "honest" // measures quality and says what it measured
	Equal  = "equal"  // gives every miner the same, unmeasured
	Lazy   = "lazy"   // measures once and repeats it ever after
	Copier = "copier" // repeats what the others can be seen to have said
	Cabal  = "cabal"  // gives everything to the miners of its party
	Self   = "self"   // gives everything to its own uid
)

// Whom root weights of a group of validators favour.
const (
	RootValue = "value" // subnets by their value
	RootEqual = "equal" // all the same
	RootOwn   = "own"   // those of its party only
	RootNone  = "none"  // sets none
)

// ValidatorGroup is a number of like validators, each of which has a hotkey in
// every subnet that it serves.
type ValidatorGroup struct {
	Name  string `yaml:"name"`  // of its columns; empty: "validators<i>"
	Party string `yaml:"party"` // whose they are; empty: the group's own
	// Count is how many there are, 0 to 4096; 1.
	Count int `yaml:"count"`
	// Subnets are the indexes of the subnets that they serve; empty: all.
	Subnets []int `yaml:"subnets"`
	// Stake is what each has delegated to itself, PLX; 1000.
	Stake Dist `yaml:"stake"`
	// Balance is what each holds besides, PLX; 100.
	Balance Dist `yaml:"balance"`
	// Commission is what each takes of its delegators' rewards, basis points, 0
	// to 10000; 1800.
	Commission uint32 `yaml:"commission"`
	// Strategy is honest (default), equal, lazy, copier, cabal or self.
	Strategy string `yaml:"strategy"`
	// Root is value (default), equal, own or none.
	Root string `yaml:"root"`
	// Noise is the standard deviation of one measurement of a quality, at least
	// 0; 0.05.
	Noise Dist `yaml:"noise"`
	// Power makes weights quality^power, 0 to 100; 1.
	Power float64 `yaml:"power"`
	// DetectCopies is the chance that copies of one miner are known as such, 0
	// to 1; the first is then weighed alone; 0.
	DetectCopies float64 `yaml:"detect_copies"`
	// WeightsEvery is the number of epochs between two opinions, at least 1; 1.
	WeightsEvery uint64 `yaml:"weights_every"`
	// MeasureEvery is the number of opinions between two measurements, at least
	// 1; 1.
	MeasureEvery uint64 `yaml:"measure_every"`
	// Cost is what running one costs, USD a day, at least 0; 0.
	Cost Dist `yaml:"cost"`
	// Compound is the part of its rewards that each delegates to itself, 0 to
	// 1, and Sell the part that it sells, 0 to 1 - compound; 0.5 and 0.
	Compound float64 `yaml:"compound"`
	Sell     float64 `yaml:"sell"`
	// Absent keeps the group out until a shock lets it enter; false.
	Absent bool `yaml:"absent"`
}

// When a group of miners comes and goes.
const (
	EntryFixed  = "fixed"  // registers once, and again when it was replaced
	EntryProfit = "profit" // registers while it pays, and leaves when it does not
	EntryBots   = "bots"   // registers as often as it can, whatever it earns
)

// MinerGroup is a number of like miners, each in one subnet.
type MinerGroup struct {
	Name  string `yaml:"name"`  // of its columns; empty: "miners<i>"
	Party string `yaml:"party"` // whose they are; empty: the group's own
	// Count is how many there are, 0 to 1e6, dealt out to Subnets in turn; 1.
	Count int `yaml:"count"`
	// Subnets are the indexes of the subnets in which they mine; empty: all.
	Subnets []int `yaml:"subnets"`
	// Quality is how good each is, as validators measure it, 0 to 1; normal 0.6,
	// 0.15 within 0 and 1.
	Quality Dist `yaml:"quality"`
	// Drift is how far a quality wanders, as the standard deviation after a day,
	// within 0 and 1, at least 0; 0.
	Drift float64 `yaml:"drift"`
	// Copies is how many uids each registers for the same work, 1 to 256; 1.
	Copies int `yaml:"copies"`
	// Balance is what each holds at first, PLX; 200.
	Balance Dist `yaml:"balance"`
	// Power is what running one costs, USD a day, at least 0; 0.
	Power Dist `yaml:"power"`
	// Hardware is what one needs before it can begin, USD, at least 0, worn out
	// after HardwareDays, above 0; 0 and 1095.
	Hardware     Dist    `yaml:"hardware"`
	HardwareDays float64 `yaml:"hardware_days"`
	// Entry is fixed (default), profit or bots.
	Entry string `yaml:"entry"`
	// Start is the part of them that is registered before the first block, 0 to
	// 1; 1.
	Start float64 `yaml:"start"`
	// Payback is in how many days an entry must earn its registration, above 0;
	// 30.
	Payback float64 `yaml:"payback"`
	// Patience is after how many market steps at a loss it leaves, at least 1; 7.
	Patience int `yaml:"patience"`
	// MaxBurn is the most that a registration may cost, PLX, at least 0; 100.
	MaxBurn float64 `yaml:"max_burn"`
	// Sell is the part of its income that each sells, 0 to 1; 0.5.
	Sell float64 `yaml:"sell"`
	// Absent keeps the group out until a shock lets it enter; false.
	Absent bool `yaml:"absent"`
}

// DelegatorGroup is a number of like delegators.
type DelegatorGroup struct {
	Name  string `yaml:"name"`  // of its columns; empty: "delegators<i>"
	Party string `yaml:"party"` // whose they are; empty: the group's own
	// Count is how many there are, 0 to 1e8; 1.
	Count int `yaml:"count"`
	// Stake is what each delegates at first, PLX; lognormal 100, 100.
	Stake Dist `yaml:"stake"`
	// Inertia is the chance that one lets a market step pass without looking, 0
	// to 1; 0.99.
	Inertia float64 `yaml:"inertia"`
	// Sensitivity is how strongly one that looks prefers higher yields: e to the
	// sensitivity times the yearly yield, at least 0; 20.
	Sensitivity float64 `yaml:"sensitivity"`
	// Compound is the part of its rewards that one that looks delegates again, 0
	// to 1, and Sell the part that it sells, 0 to 1 - compound; 0.5 and 0.
	Compound float64 `yaml:"compound"`
	Sell     float64 `yaml:"sell"`
	// Absent keeps the group out until a shock lets it enter; false.
	Absent bool `yaml:"absent"`
}

// CallerGroup is a number of like callers, who rent models and pay through
// channels.
type CallerGroup struct {
	Name  string `yaml:"name"`  // of its columns; empty: "callers<i>"
	Party string `yaml:"party"` // whose they are; empty: the group's own
	// Count is how many there are, 0 to 1e8; 1.
	Count int `yaml:"count"`
	// Subnets are the indexes of the subnets whose models they call; empty: all,
	// by value.
	Subnets []int `yaml:"subnets"`
	// Requests is what each asks for at the reference price, requests a day, at
	// least 0; lognormal 1000, 1000.
	Requests Dist `yaml:"requests"`
	// RequestPrice is what a request costs now and ReferencePrice what Requests
	// assumes, USD above 0; 0.001 both.
	RequestPrice   float64 `yaml:"request_price"`
	ReferencePrice float64 `yaml:"reference_price"`
	// Elasticity is that of demand by price, at most 0; -1.
	Elasticity Dist `yaml:"elasticity"`
	// Growth of demand, a year; 0.1 is 10 %, above -1; 0.
	Growth float64 `yaml:"growth"`
	// Payees is the party whose miners they pay; empty: all miners of the
	// subnet, by incentive.
	Payees string `yaml:"payees"`
	// Balance is what each holds at first, PLX; 0. Where Own is set they pay of
	// that alone; else they buy what they pay with.
	Balance Dist `yaml:"balance"`
	Own     bool `yaml:"own"`
	// Absent keeps the group out until a shock lets it enter; false.
	Absent bool `yaml:"absent"`
}

// How the price of a PLX moves.
const (
	PriceConstant      = "constant"
	PriceGBM           = "gbm"            // geometric Brownian motion
	PriceMeanReverting = "mean_reverting" // Ornstein-Uhlenbeck process of the logarithm
	PriceFlows         = "flows"          // what is bought and sold moves it, with noise
)

// Price is the process of the price of a PLX in USD.
type Price struct {
	Process string  `yaml:"process"` // constant (default), gbm, mean_reverting or flows
	Start   float64 `yaml:"start"`   // USD, above 0; 1
	// Drift is that of the logarithm, a year; 0.
	Drift float64 `yaml:"drift"`
	// Volatility is the standard deviation of the logarithm after a year, at
	// least 0; 0.8.
	Volatility float64 `yaml:"volatility"`
	// Level is what a mean-reverting price returns to, USD, above 0, and
	// Reversion how fast, a year, at least 0; 1 and 1.
	Level     float64 `yaml:"level"`
	Reversion float64 `yaml:"reversion"`
	// Depth is the USD of net buying that raises a price by flows e-fold, above
	// 0; 1e6.
	Depth float64 `yaml:"depth"`
}

// Shock is something that happens once, before the block at Height, or after
// so many Years of the run where Height is 0. What is empty does not happen.
type Shock struct {
	Height uint64  `yaml:"height"` // blocks since the run began
	Years  float64 `yaml:"years"`  // at least 0
	// Set gives parameters new values, by path: those of protocol, hyperparams
	// (for all subnets), subnets.<i>.hyperparams, price, and the groups.
	Set map[string]any `yaml:"set"`
	// Price multiplies the price; 0 leaves it.
	Price float64 `yaml:"price"`
	// Demand multiplies what all callers ask for; 0 leaves it.
	Demand float64 `yaml:"demand"`
	// Leave and Enter name a group that leaves the network (miners deregister,
	// validators and delegators withdraw their stake, callers stop) or comes in.
	Leave string `yaml:"leave"`
	Enter string `yaml:"enter"`
	// Stake moves stake of a group of validators to and from the market.
	Stake *StakeMove `yaml:"stake"`
}

// StakeMove changes what every validator of a group has delegated to itself.
type StakeMove struct {
	Group string  `yaml:"group"`
	PLX   float64 `yaml:"plx"` // bought and staked; below 0: withdrawn
}

// Default is a network of one subnet with four honest validators, 32 miners
// and some delegators, for 30 days.
func Default() Config {
	return Config{
		Mode:         ModeEpochs,
		Blocks:       30 * 7200,
		BlockSeconds: 12,
		RecordEvery:  7200,
		MarketEvery:  7200,
		Workers:      1,
		Genesis:      Genesis{Supply: 1e6},
		Protocol: Protocol{
			OwnerBps: 1800, MinerBps: 4100, ValidatorBps: 4100,
			MaxEpochsPerBlock: 16, MaxRevealsPerBlock: 32,
			MinLock: 100 * subnet.PLX, LockInterval: 100_800, RootWeightsRateLimit: 100,
			UnbondingBlocks: 151_200, FeeBurn: 500, DemandCap: 5000, DemandWindow: 300, DemandSmoothing: 24,
		},
		Hyperparams: Hyperparams(subnet.DefaultHyperparams()),
		Subnets:     []SubnetGroup{DefaultSubnet()},
		Validators:  []ValidatorGroup{withCount(DefaultValidators(), 4)},
		Miners:      []MinerGroup{minersOf(32)},
		Delegators:  []DelegatorGroup{delegatorsOf(100)},
		Price:       Price{Process: PriceConstant, Start: 1, Volatility: 0.8, Level: 1, Reversion: 1, Depth: 1e6},
	}
}

func withCount(g ValidatorGroup, n int) ValidatorGroup { g.Count = n; return g }

func minersOf(n int) MinerGroup { g := DefaultMiners(); g.Count = n; return g }

func delegatorsOf(n int) DelegatorGroup { g := DefaultDelegators(); g.Count = n; return g }

// DefaultSubnet is a subnet group as a scenario that says nothing of it has it.
func DefaultSubnet() SubnetGroup {
	return SubnetGroup{Count: 1, Hyperparams: Hyperparams(subnet.DefaultHyperparams()), Value: 1, Sell: 0.5}
}

// DefaultValidators is a group of one honest validator.
func DefaultValidators() ValidatorGroup {
	return ValidatorGroup{
		Count: 1, Stake: Fixed(1000), Balance: Fixed(100), Commission: 1800, Strategy: Honest, Root: RootValue,
		Noise: Fixed(0.05), Power: 1, WeightsEvery: 1, MeasureEvery: 1, Compound: 0.5,
	}
}

// DefaultMiners is a group of one miner without costs.
func DefaultMiners() MinerGroup {
	return MinerGroup{
		Count: 1, Quality: Dist{Kind: DistNormal, Mean: 0.6, SD: 0.15, Max: 1}, Copies: 1, Balance: Fixed(200),
		HardwareDays: 1095, Entry: EntryFixed, Start: 1, Payback: 30, Patience: 7, MaxBurn: 100, Sell: 0.5,
	}
}

// DefaultDelegators is a group of one delegator.
func DefaultDelegators() DelegatorGroup {
	return DelegatorGroup{
		Count: 1, Stake: Dist{Kind: DistLognormal, Mean: 100, SD: 100}, Inertia: 0.99, Sensitivity: 20, Compound: 0.5,
	}
}

// DefaultCallers is a group of one caller.
func DefaultCallers() CallerGroup {
	return CallerGroup{
		Count: 1, Requests: Dist{Kind: DistLognormal, Mean: 1000, SD: 1000},
		RequestPrice: 0.001, ReferencePrice: 0.001, Elasticity: Fixed(-1),
	}
}

// Validate reports everything that is out of range, each with its path.
func (c *Config) Validate() error {
	var v checks
	c.check(&v)
	c.checkSeats(&v)
	return v.err()
}

// check is Validate for what also holds in the middle of a run.
func (c *Config) check(v *checks) {
	v.oneOf("mode", c.Mode, ModeEpochs, ModeBlocks)
	v.within("blocks", float64(c.Blocks), 1, 1e9)
	v.above("block_seconds", c.BlockSeconds, 0, 86400)
	v.within("record_every", float64(c.RecordEvery), 1, 1e9)
	v.within("market_every", float64(c.MarketEvery), 1, 1e9)
	v.within("workers", float64(c.Workers), 0, 1024)
	v.within("genesis.height", float64(c.Genesis.Height), 0, 1e12)
	v.within("genesis.supply", c.Genesis.Supply, 0, 21e6)
	c.Protocol.validate(v)
	v.wrap("hyperparams", subnet.Hyperparams(c.Hyperparams).Validate())
	subnets := 0
	for i := range c.Subnets {
		subnets += max(c.Subnets[i].Count, 0)
		c.Subnets[i].validate(v, fmt.Sprintf("subnets.%d", i))
	}
	v.within("subnets (all counts)", float64(subnets), 1, 1024)
	for i := range c.Validators {
		c.Validators[i].validate(v, fmt.Sprintf("validators.%d", i), subnets)
	}
	for i := range c.Miners {
		c.Miners[i].validate(v, fmt.Sprintf("miners.%d", i), subnets)
	}
	for i := range c.Delegators {
		c.Delegators[i].validate(v, fmt.Sprintf("delegators.%d", i))
	}
	for i := range c.Callers {
		c.Callers[i].validate(v, fmt.Sprintf("callers.%d", i), subnets)
	}
	c.Price.validate(v)
	names := c.groupNames()
	v.distinct(names)
	if slices.Contains(c.parties(), marketParty) {
		v.failf("party", "%q is the market's own name", marketParty)
	}
	for i := range c.Shocks {
		c.Shocks[i].validate(v, fmt.Sprintf("shocks.%d", i), c, names)
	}
}

// checkSeats refuses more neurons at the beginning than a subnet has uids.
func (c *Config) checkSeats(v *checks) {
	var seats, room []int
	for i := range c.Subnets {
		for range max(c.Subnets[i].Count, 0) {
			seats, room = append(seats, 0), append(room, int(c.Subnets[i].Hyperparams.MaxUIDs))
		}
	}
	all := make([]int, len(seats))
	for i := range all {
		all[i] = i
	}
	served := func(indexes []int) []int {
		if len(indexes) == 0 {
			return all
		}
		return slices.DeleteFunc(slices.Clone(indexes), func(at int) bool { return at < 0 || at >= len(all) })
	}
	for i := range c.Validators {
		if c.Validators[i].Absent {
			continue
		}
		for _, at := range served(c.Validators[i].Subnets) {
			seats[at] += c.Validators[i].Count
		}
	}
	for i := range c.Miners {
		g := &c.Miners[i]
		if nets := served(g.Subnets); len(nets) > 0 && g.Count <= 1e6 && !g.Absent {
			for k := range int(g.Start * float64(g.Count)) {
				seats[nets[k%len(nets)]] += g.Copies
			}
		}
	}
	for at := range seats {
		if seats[at] > room[at] {
			v.failf("subnets", "subnet %d has %d uids (max_uids), and %d neurons are to begin there: give it more or let fewer begin (count, start)",
				at, room[at], seats[at])
			return
		}
	}
}

func (p *Protocol) validate(v *checks) {
	v.wrap("protocol", p.split().Validate())
	v.within("protocol.max_epochs_per_block", float64(p.MaxEpochsPerBlock), 1, 65535)
	v.within("protocol.max_reveals_per_block", float64(p.MaxRevealsPerBlock), 1, 256)
	v.within("protocol.min_lock", float64(p.MinLock), 0, float64(subnet.Cap))
	v.within("protocol.lock_interval", float64(p.LockInterval), 1, 1e8)
	v.within("protocol.stake_threshold", float64(p.StakeThreshold), 0, float64(subnet.Cap))
	v.within("protocol.root_weights_rate_limit", float64(p.RootWeightsRateLimit), 1, 1e8)
	v.within("protocol.unbonding_blocks", float64(p.UnbondingBlocks), 0, 1e8)
	v.within("protocol.fee_burn", float64(p.FeeBurn), 0, 5000)
	v.wrap("protocol", p.demand().Validate())
	v.within("protocol.demand_window", float64(p.DemandWindow), 1, 1e6)
	v.within("protocol.demand_smoothing", float64(p.DemandSmoothing), 1, 100)
}

func (p *Protocol) split() subnet.Split {
	return subnet.Split{Owner: p.OwnerBps, Miners: p.MinerBps, Validators: p.ValidatorBps}
}

func (p *Protocol) demand() subnet.DemandRules {
	return subnet.DemandRules{Mix: p.DemandMix, Cap: p.DemandCap}
}

func (g *SubnetGroup) validate(v *checks, at string) {
	v.within(at+".count", float64(g.Count), 0, 1024)
	v.wrap(at+".hyperparams", subnet.Hyperparams(g.Hyperparams).Validate())
	v.within(at+".value", g.Value, 0, 1e12)
	v.within(at+".sell", g.Sell, 0, 1)
}

func (g *ValidatorGroup) validate(v *checks, at string, subnets int) {
	v.within(at+".count", float64(g.Count), 0, 4096)
	v.indexes(at+".subnets", g.Subnets, subnets)
	v.dist(at+".stake", g.Stake, 0, 21e6)
	v.dist(at+".balance", g.Balance, 0, 21e6)
	v.within(at+".commission", float64(g.Commission), 0, 10_000)
	v.oneOf(at+".strategy", g.Strategy, Honest, Equal, Lazy, Copier, Cabal, Self)
	v.oneOf(at+".root", g.Root, RootValue, RootEqual, RootOwn, RootNone)
	v.dist(at+".noise", g.Noise, 0, 1e6)
	v.within(at+".power", g.Power, 0, 100)
	v.within(at+".detect_copies", g.DetectCopies, 0, 1)
	v.within(at+".weights_every", float64(g.WeightsEvery), 1, 1e6)
	v.within(at+".measure_every", float64(g.MeasureEvery), 1, 1e6)
	v.dist(at+".cost", g.Cost, 0, 1e12)
	v.within(at+".compound", g.Compound, 0, 1)
	v.within(at+".sell", g.Sell, 0, 1-g.Compound)
}

func (g *MinerGroup) validate(v *checks, at string, subnets int) {
	v.within(at+".count", float64(g.Count), 0, 1e6)
	v.indexes(at+".subnets", g.Subnets, subnets)
	v.dist(at+".quality", g.Quality, 0, 1)
	v.within(at+".drift", g.Drift, 0, 1e3)
	v.within(at+".copies", float64(g.Copies), 1, 256)
	v.dist(at+".balance", g.Balance, 0, 21e6)
	v.dist(at+".power", g.Power, 0, 1e12)
	v.dist(at+".hardware", g.Hardware, 0, 1e12)
	v.above(at+".hardware_days", g.HardwareDays, 0, 1e6)
	v.oneOf(at+".entry", g.Entry, EntryFixed, EntryProfit, EntryBots)
	v.within(at+".start", g.Start, 0, 1)
	v.above(at+".payback", g.Payback, 0, 1e6)
	v.within(at+".patience", float64(g.Patience), 1, 1e6)
	v.within(at+".max_burn", g.MaxBurn, 0, 21e6)
	v.within(at+".sell", g.Sell, 0, 1)
}

func (g *DelegatorGroup) validate(v *checks, at string) {
	v.within(at+".count", float64(g.Count), 0, 1e8)
	v.dist(at+".stake", g.Stake, 0, 21e6)
	v.within(at+".inertia", g.Inertia, 0, 1)
	v.within(at+".sensitivity", g.Sensitivity, 0, 1e6)
	v.within(at+".compound", g.Compound, 0, 1)
	v.within(at+".sell", g.Sell, 0, 1-g.Compound)
}

func (g *CallerGroup) validate(v *checks, at string, subnets int) {
	v.within(at+".count", float64(g.Count), 0, 1e8)
	v.indexes(at+".subnets", g.Subnets, subnets)
	v.dist(at+".requests", g.Requests, 0, 1e15)
	v.above(at+".request_price", g.RequestPrice, 0, 1e9)
	v.above(at+".reference_price", g.ReferencePrice, 0, 1e9)
	v.dist(at+".elasticity", g.Elasticity, -100, 0)
	v.above(at+".growth", g.Growth, -1, 100)
	v.dist(at+".balance", g.Balance, 0, 21e6)
}

func (p *Price) validate(v *checks) {
	v.oneOf("price.process", p.Process, PriceConstant, PriceGBM, PriceMeanReverting, PriceFlows)
	v.above("price.start", p.Start, 0, 1e12)
	v.within("price.drift", p.Drift, -100, 100)
	v.within("price.volatility", p.Volatility, 0, 100)
	v.above("price.level", p.Level, 0, 1e12)
	v.within("price.reversion", p.Reversion, 0, 1e4)
	v.above("price.depth", p.Depth, 0, 1e15)
}

func (s *Shock) validate(v *checks, at string, c *Config, names []string) {
	v.within(at+".years", s.Years, 0, 1e6)
	v.within(at+".price", s.Price, 0, 1e6)
	v.within(at+".demand", s.Demand, 0, 1e6)
	for _, named := range []struct{ field, group string }{{"leave", s.Leave}, {"enter", s.Enter}} {
		if named.group != "" && !slices.Contains(names, named.group) {
			v.failf(at+"."+named.field, "no group is named %q: there are %v", named.group, names)
		}
	}
	if s.Stake != nil {
		v.within(at+".stake.plx", s.Stake.PLX, -21e6, 21e6)
		if !slices.ContainsFunc(c.Validators, func(g ValidatorGroup) bool { return g.Name == s.Stake.Group }) {
			v.failf(at+".stake.group", "no group of validators is named %q", s.Stake.Group)
		}
	}
	if len(s.Set) == 0 {
		return
	}
	changed := c.Clone()
	for _, path := range sortedKeys(s.Set) {
		if err := changed.setLive(path, s.Set[path]); err != nil {
			v.failf(at+".set", "%s", strings.ReplaceAll(err.Error(), ErrConfig.Error()+": ", ""))
		}
	}
	changed.Shocks = nil
	var then checks
	changed.check(&then)
	if err := then.err(); err != nil {
		v.failf(at+".set", "%s", strings.ReplaceAll(err.Error(), ErrConfig.Error()+": ", ""))
	}
}

// groupNames lists the names of all groups after fillNames has given those
// without one theirs.
func (c *Config) groupNames() []string {
	c.fillNames()
	var names []string
	for i := range c.Subnets {
		names = append(names, c.Subnets[i].Name)
	}
	for i := range c.Validators {
		names = append(names, c.Validators[i].Name)
	}
	for i := range c.Miners {
		names = append(names, c.Miners[i].Name)
	}
	for i := range c.Delegators {
		names = append(names, c.Delegators[i].Name)
	}
	for i := range c.Callers {
		names = append(names, c.Callers[i].Name)
	}
	return names
}

// fillNames names groups that have none, and their parties.
func (c *Config) fillNames() {
	name := func(kind string, i int, name, party *string) {
		if *name == "" {
			*name = fmt.Sprintf("%s%d", kind, i)
		}
		if *party == "" {
			*party = *name
		}
	}
	for i := range c.Subnets {
		name("subnets", i, &c.Subnets[i].Name, &c.Subnets[i].Party)
	}
	for i := range c.Validators {
		name("validators", i, &c.Validators[i].Name, &c.Validators[i].Party)
	}
	for i := range c.Miners {
		name("miners", i, &c.Miners[i].Name, &c.Miners[i].Party)
	}
	for i := range c.Delegators {
		name("delegators", i, &c.Delegators[i].Name, &c.Delegators[i].Party)
	}
	for i := range c.Callers {
		name("callers", i, &c.Callers[i].Name, &c.Callers[i].Party)
	}
}

// Clone returns a copy that shares nothing with c.
func (c *Config) Clone() Config {
	d := *c
	d.Subnets, d.Validators = slices.Clone(c.Subnets), slices.Clone(c.Validators)
	d.Miners, d.Delegators = slices.Clone(c.Miners), slices.Clone(c.Delegators)
	d.Callers, d.Shocks = slices.Clone(c.Callers), slices.Clone(c.Shocks)
	for i := range d.Validators {
		d.Validators[i].Subnets = slices.Clone(d.Validators[i].Subnets)
	}
	for i := range d.Miners {
		d.Miners[i].Subnets = slices.Clone(d.Miners[i].Subnets)
	}
	for i := range d.Callers {
		d.Callers[i].Subnets = slices.Clone(d.Callers[i].Subnets)
	}
	return d
}
