package economy

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/economy/machine"
	"github.com/plexusnet/plexus/sims/random"
	"github.com/plexusnet/plexus/subnet"
)

const secondsPerYear = 365.25 * 86400

// marketParty is the name of whom all others trade with.
const marketParty = "market"

// run is one run of a model.
type run struct {
	cfg    Config // shocks change it
	m      *machine.Machine
	source random.Source
	end    uint64 // height of the last block
	start  uint64 // height before the first

	columns    []column
	market     machine.Account // whom all others trade with
	price      price
	parties    []party
	partyOf    []int // by account
	subnets    []*net
	validators []*validatorGroup
	miners     []*minerGroup
	delegators []*delegatorGroup
	callers    []*callerGroup

	shocks     []Shock // to come, by height
	nextMarket uint64
	nextRecord uint64
	demand     float64 // multiplies what callers ask for
	rootStale  bool
	rootAt     uint64
	rec        record
}

// party is whoever groups belong to.
type party struct {
	name   string
	first  uint64  // holdings at the beginning, nplx
	bought uint64  // from the market, nplx
	sold   uint64  // to it, nplx
	usd    float64 // proceeds less purchases and costs
}

// net is a subnet with what agents know of it.
type net struct {
	group   int
	chain   *machine.Subnet // nil once it was removed
	owner   machine.Account
	seats   []seat // by uid
	votes   uint64 // height of the next opinions
	epochs  uint64 // of the chain when votes was set
	income  uint64 // balance of the owner after its last step
	serving []*validator
}

// seat is which agent has a uid.
type seat struct {
	miner     *miner     // nil: none
	validator *validator // nil: none
	copy      int        // of the miner's uids, which one
}

func newRun(cfg Config, columns []column, seed uint64) (*run, error) {
	r := &run{
		cfg: cfg.Clone(), columns: columns, source: random.New(seed), demand: 1, rootStale: true,
		start: cfg.Genesis.Height, end: cfg.Genesis.Height + cfg.Blocks,
	}
	r.m = machine.New(r.params(), r.start)
	r.m.SetWorkers(cfg.Workers)
	r.nextMarket, r.nextRecord = r.start+cfg.MarketEvery, r.start+cfg.RecordEvery
	r.price = newPrice(&r.cfg, r.source)
	r.shocks = slices.Clone(cfg.Shocks)
	slices.SortStableFunc(r.shocks, func(a, b Shock) int { return cmp.Compare(r.shockAt(a), r.shockAt(b)) })
	if err := r.populate(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *run) params() machine.Params {
	p := r.cfg.Protocol
	return machine.Params{
		Split: p.split(), MaxEpochsPerBlock: int(p.MaxEpochsPerBlock), MaxRevealsPerBlock: int(p.MaxRevealsPerBlock),
		MinLock: p.MinLock, LockInterval: p.LockInterval, StakeThreshold: p.StakeThreshold,
		RootWeightsRateLimit: p.RootWeightsRateLimit, UnbondingBlocks: p.UnbondingBlocks, FeeBurn: p.FeeBurn,
		Demand: p.demand(), DemandWindow: p.DemandWindow, DemandSmoothing: p.DemandSmoothing,
	}
}

// nplx turns PLX into nplx.
func nplx(plx float64) uint64 { return uint64(math.Round(max(plx, 0) * float64(subnet.PLX))) }

// plx turns nplx into PLX.
func plx(nplx uint64) float64 { return float64(nplx) / float64(subnet.PLX) }

// populate lets everybody in who is there at the beginning.
func (r *run) populate() error {
	r.market = r.open(marketParty, 0)
	r.addSubnets()
	r.addValidators()
	r.addMiners()
	r.addDelegators()
	r.addCallers()
	supply, held := nplx(r.cfg.Genesis.Supply), r.m.Supply()
	if held > supply {
		return fmt.Errorf("%w: genesis.supply: the agents hold %v PLX of %v: raise it or give them less", ErrConfig, plx(held), plx(supply))
	}
	rest := r.m.NewAccount(supply - held)
	r.partyOf = append(r.partyOf, 0)
	if err := r.m.Send(rest, r.market, supply-held); err != nil {
		return err
	}
	if err := r.settleIn(); err != nil {
		return err
	}
	holdings := r.holdings()
	for a, h := range holdings {
		r.parties[r.partyOf[a]].first += h
	}
	return nil
}

// open opens an account of a party.
func (r *run) open(name string, amount uint64) machine.Account {
	at := slices.IndexFunc(r.parties, func(p party) bool { return p.name == name })
	if at < 0 {
		at = len(r.parties)
		r.parties = append(r.parties, party{name: name})
	}
	r.partyOf = append(r.partyOf, at)
	return r.m.NewAccount(amount)
}

// owns tells whether an account is of the party of that name.
func (r *run) owns(name string, a machine.Account) bool { return r.parties[r.partyOf[a]].name == name }

func (r *run) addSubnets() {
	for g := range r.cfg.Subnets {
		cfg := &r.cfg.Subnets[g]
		for range cfg.Count {
			owner := r.open(cfg.Party, r.cfg.Protocol.MinLock)
			r.subnets = append(r.subnets, &net{group: g, owner: owner})
		}
	}
}

// settleIn opens the subnets and seats and stakes those who begin there.
func (r *run) settleIn() error {
	for _, n := range r.subnets {
		s, err := r.m.AddSubnet(n.owner, r.cfg.Protocol.MinLock, subnet.Hyperparams(r.cfg.Subnets[n.group].Hyperparams))
		if err != nil {
			return err
		}
		n.chain = s
		r.scheduleVotes(n)
	}
	for _, g := range r.validators {
		for _, v := range g.members {
			if err := r.seatValidator(v, true); err != nil {
				return err
			}
		}
	}
	for _, g := range r.miners {
		if err := g.seatFirst(r); err != nil {
			return err
		}
	}
	for _, g := range r.delegators {
		if err := g.settleIn(r); err != nil {
			return err
		}
	}
	return nil
}

// sit notes who has a uid, and tells who had it that it is out.
func (n *net) sit(uid int, s seat) {
	for len(n.seats) <= uid {
		n.seats = append(n.seats, seat{})
	}
	n.rise(uid)
	n.seats[uid] = s
	if s.miner != nil {
		s.miner.uids[s.copy] = uid
	}
	if s.validator != nil {
		s.validator.uids[n] = uid
	}
}

func (n *net) rise(uid int) {
	before := n.seats[uid]
	if before.miner != nil {
		before.miner.uids[before.copy] = machine.None
	}
	if before.validator != nil {
		delete(before.validator.uids, n)
	}
	n.seats[uid] = seat{}
}

// scheduleVotes lets the validators of a subnet speak in the middle between two
// epochs.
func (r *run) scheduleVotes(n *net) {
	n.epochs = n.chain.Epochs
	n.votes = n.chain.LastEpoch + max(n.chain.Hyper.Tempo/2, 1)
}

func (r *run) shockAt(s Shock) uint64 {
	if s.Height > 0 {
		return r.start + s.Height
	}
	return r.start + uint64(s.Years*secondsPerYear/r.cfg.BlockSeconds)
}

// Run implements sims.Model.
func (m *Model) Run(ctx context.Context, seed uint64, rec sims.Recorder) error {
	r, err := newRun(m.cfg, m.columns, seed)
	if err != nil {
		return err
	}
	if err := r.record(rec); err != nil {
		return err
	}
	for r.m.Height() < r.end {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.next(rec); err != nil {
			return fmt.Errorf("block %d: %w", r.m.Height()-r.start, err)
		}
	}
	return nil
}

// next advances to the next event and lets it happen.
func (r *run) next(rec sims.Recorder) error {
	stop := min(r.end, r.nextMarket, r.nextRecord, max(r.m.NextEpoch(), r.m.Now()))
	if len(r.shocks) > 0 {
		stop = min(stop, max(r.shockAt(r.shocks[0]), r.m.Height()))
	}
	for _, n := range r.subnets {
		if n.chain != nil {
			stop = min(stop, n.votes-1)
		}
	}
	if stop > r.m.Height() {
		if err := r.advance(stop - r.m.Height()); err != nil {
			return err
		}
	}
	return r.happen(rec)
}

func (r *run) advance(blocks uint64) error {
	if r.cfg.Mode == ModeEpochs {
		return r.m.Advance(blocks)
	}
	for range blocks {
		if err := r.m.Block(); err != nil {
			return err
		}
	}
	return nil
}

// happen lets everything happen that is due after the last block.
func (r *run) happen(rec sims.Recorder) error {
	now := r.m.Height()
	for len(r.shocks) > 0 && r.shockAt(r.shocks[0]) <= now {
		s := r.shocks[0]
		r.shocks = r.shocks[1:]
		if err := r.shock(s); err != nil {
			return fmt.Errorf("shock: %w", err)
		}
	}
	if now >= r.nextMarket {
		r.nextMarket += r.cfg.MarketEvery
		if err := r.trade(); err != nil {
			return err
		}
	}
	if r.rootStale || now >= r.rootAt {
		r.voteOnSubnets()
	}
	for _, n := range r.subnets {
		if n.chain == nil {
			continue
		}
		if n.epochs != n.chain.Epochs {
			r.scheduleVotes(n)
		}
		if now+1 >= n.votes {
			r.vote(n)
			n.votes = math.MaxUint64
		}
	}
	if now >= r.nextRecord || now == r.end {
		if now >= r.nextRecord {
			r.nextRecord += r.cfg.RecordEvery
		}
		return r.record(rec)
	}
	return nil
}

// trade is one step of everybody who trades, stakes, calls, enters or leaves.
func (r *run) trade() error {
	days := float64(r.cfg.MarketEvery) * r.cfg.BlockSeconds / 86400
	r.price.step(&r.cfg.Price, days/365.25)
	for _, n := range r.subnets {
		if n.chain != nil {
			r.ownerStep(n)
		}
	}
	for _, g := range r.validators {
		g.step(r, days)
	}
	for _, g := range r.callers {
		if err := g.step(r, days); err != nil {
			return err
		}
	}
	for _, g := range r.miners {
		g.step(r, days)
	}
	for _, g := range r.delegators {
		g.step(r, days)
	}
	return nil
}

func (r *run) ownerStep(n *net) {
	income := r.m.Balance(n.owner) - min(n.income, r.m.Balance(n.owner))
	r.sell(n.owner, uint64(float64(income)*r.cfg.Subnets[n.group].Sell))
	n.income = r.m.Balance(n.owner)
}

// sell sends nplx to the market, for USD at the current price.
func (r *run) sell(a machine.Account, amount uint64) {
	amount = min(amount, r.m.Balance(a))
	if amount == 0 || r.m.Send(a, r.market, amount) != nil {
		return
	}
	p := &r.parties[r.partyOf[a]]
	p.sold += amount
	usd := plx(amount) * r.price.now
	p.usd += usd
	r.price.flow -= usd
}

// buy takes as many of the nplx from the market as it has, for USD.
func (r *run) buy(a machine.Account, amount uint64) uint64 {
	amount = min(amount, r.m.Balance(r.market))
	if amount == 0 || r.m.Send(r.market, a, amount) != nil {
		return 0
	}
	p := &r.parties[r.partyOf[a]]
	p.bought += amount
	usd := plx(amount) * r.price.now
	p.usd -= usd
	r.price.flow += usd
	return amount
}

// spend is what an account's party pays outside of the network.
func (r *run) spend(a machine.Account, usd float64) { r.parties[r.partyOf[a]].usd -= usd }

// afford buys what an account lacks of an amount.
func (r *run) afford(a machine.Account, amount uint64) bool {
	if has := r.m.Balance(a); has < amount {
		r.buy(a, amount-has)
	}
	return r.m.Balance(a) >= amount
}

// served returns the subnets of the given indexes, or all.
func (r *run) served(indexes []int) []*net {
	if len(indexes) == 0 {
		return r.subnets
	}
	nets := make([]*net, len(indexes))
	for i, at := range indexes {
		nets[i] = r.subnets[at]
	}
	return nets
}
