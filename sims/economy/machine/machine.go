package machine

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/payment"
	"github.com/plexusnet/plexus/subnet"
)

// What can go wrong.
var (
	ErrBooks        = errors.New("machine: the books do not balance")
	ErrFunds        = errors.New("machine: not enough nplx")
	ErrUnknown      = errors.New("machine: no such thing")
	ErrTaken        = errors.New("machine: already registered")
	ErrUnauthorized = errors.New("machine: not allowed")
)

// Account, Hotkey, Operator, Delegation and Channel are indexes, given out in
// the order of creation.
type (
	Account    int32
	Hotkey     int32
	Operator   int32 // a staking validator
	Delegation int32
	Channel    int32
)

// None is no hotkey, or no validator.
const None = -1

// Params are the parameters of the network, as on the chain.
type Params struct {
	Split                subnet.Split
	MaxEpochsPerBlock    int
	MaxRevealsPerBlock   int
	MinLock              uint64 // nplx
	LockInterval         uint64 // blocks
	StakeThreshold       uint64 // nplx
	RootWeightsRateLimit uint64 // blocks
	UnbondingBlocks      uint64 // from undelegating to being paid
	FeeBurn              uint32 // basis points of what is redeemed
	Demand               subnet.DemandRules
	DemandWindow         uint64 // blocks of a window of demand, at least 1
	DemandSmoothing      uint32 // windows over which what is burned counts, at least 1
}

// DefaultParams are the chain's defaults; 21 days of unbonding in blocks of 12 s.
func DefaultParams() Params {
	return Params{
		Split: subnet.DefaultSplit(), MaxEpochsPerBlock: 16, MaxRevealsPerBlock: 32,
		MinLock: 100 * subnet.PLX, LockInterval: 100_800, RootWeightsRateLimit: 100,
		UnbondingBlocks: 151_200, FeeBurn: 500,
		Demand: subnet.DefaultDemandRules(), DemandWindow: 300, DemandSmoothing: 24,
	}
}

// books are the running totals of where nplx are.
type books struct {
	supply    uint64
	held      uint64 // balances of accounts
	pending   uint64 // of subnets, until their epochs
	streaming uint64 // owed by streams
	rewards   uint64 // held by distribution for validators, delegators and its pool
	staked    uint64 // delegated or unbonding
	locked    uint64 // by owners of subnets
	escrow    uint64 // in channels
}

func (b *books) balanced() bool {
	return b.supply == b.held+b.pending+b.streaming+b.rewards+b.staked+b.locked+b.escrow && b.supply <= subnet.Cap
}

// Machine is a network. It is not safe for concurrent use.
type Machine struct {
	params  Params
	height  uint64 // of the last finished block
	books   books
	minted  uint64
	burned  uint64
	engines []*consensus.Engine
	workers int

	balances  []uint64
	hotkeys   []hotkey
	operators []operator
	dels      delegations
	unbonding []unbonding
	pool      wide // community pool
	channels  []channel

	subnets    []*Subnet // that exist, by netuid
	removed    []*Subnet // whose streams still run
	nextNetuid uint32
	lastLock   uint64
	lockHeight uint64
	clocks     []subnet.Clock

	hidden    []*commit
	commitsAt uint64 // block in which hidden weights want attention
	nextEpoch uint64 // earliest block with an epoch
	settled   uint64 // height up to which all streams are paid

	shares     []uint64 // of the subnets in the reward, until something changes them
	parts      []uint64 // of one block's reward
	partsOf    uint64
	sharesGood bool
	counted    []uint64 // of each subnet's burned fees, in this block
	windowAt   uint64   // first block of the present window of demand
	orphaned   bool     // a stream may owe to a validator that is gone
}

// New returns a network without anybody in it, after the block at height.
func New(p Params, height uint64) *Machine {
	m := &Machine{params: p, height: height, settled: height, nextNetuid: 1, nextEpoch: math.MaxUint64, commitsAt: math.MaxUint64}
	m.windowAt = m.Now() - m.Now()%max(p.DemandWindow, 1)
	return m
}

// Params returns the parameters.
func (m *Machine) Params() Params { return m.params }

// SetWorkers lets so many goroutines share the epochs of a block, 0 and 1
// meaning none besides the caller's. The results do not depend on it.
func (m *Machine) SetWorkers(n int) { m.workers = n }

// SetParams replaces the parameters from the next block on. The present window
// of demand ends where one of the channel module's changes, as on the chain.
func (m *Machine) SetParams(p Params) {
	if p.FeeBurn != m.params.FeeBurn || p.DemandWindow != m.params.DemandWindow || p.DemandSmoothing != m.params.DemandSmoothing {
		m.passWindows()
		m.endWindows(1)
		m.windowAt = m.Now()
	}
	m.params = p
	m.endWindows(0)
	m.sharesGood = false
}

// Height returns the height of the last block.
func (m *Machine) Height() uint64 { return m.height }

// Now returns the height of the block that is being made.
func (m *Machine) Now() uint64 { return m.height + 1 }

// Supply returns all nplx there are.
func (m *Machine) Supply() uint64 { return m.books.supply }

// Minted and Burned return the nplx of all rewards, and of all burns.
func (m *Machine) Minted() uint64 { return m.minted }

// Burned returns the nplx destroyed so far.
func (m *Machine) Burned() uint64 { return m.burned }

// Staked returns the nplx delegated or unbonding.
func (m *Machine) Staked() uint64 { return m.books.staked }

// Pending returns the emission that waits for epochs, nplx.
func (m *Machine) Pending() uint64 { return m.books.pending }

// Streaming returns what streams still owe, nplx.
func (m *Machine) Streaming() uint64 { m.settle(); return m.books.streaming }

// Locked returns what the owners of subnets have locked, nplx.
func (m *Machine) Locked() uint64 { return m.books.locked }

// Reward returns what the next block mints, nplx.
func (m *Machine) Reward() uint64 { return subnet.BlockReward(m.books.supply) }

// NewAccount opens an account with nplx that exist from the beginning: genesis
// is the only place where nplx come from elsewhere than rewards.
func (m *Machine) NewAccount(nplx uint64) Account {
	m.balances = append(m.balances, nplx)
	m.books.held += nplx
	m.books.supply += nplx
	return Account(len(m.balances) - 1)
}

// Balance returns the nplx of an account.
func (m *Machine) Balance(a Account) uint64 { return m.balances[a] }

// Send moves nplx between accounts.
func (m *Machine) Send(from, to Account, nplx uint64) error {
	if m.balances[from] < nplx {
		return fmt.Errorf("account %d has %d nplx, %d are to be sent: %w", from, m.balances[from], nplx, ErrFunds)
	}
	m.balances[from] -= nplx
	m.balances[to] += nplx
	return nil
}

// take takes nplx off an account, for somewhere else in the books.
func (m *Machine) take(from Account, nplx uint64) error {
	if m.balances[from] < nplx {
		return fmt.Errorf("account %d has %d nplx, it takes %d: %w", from, m.balances[from], nplx, ErrFunds)
	}
	m.balances[from] -= nplx
	m.books.held -= nplx
	return nil
}

// give puts nplx that left another part of the books into an account.
func (m *Machine) give(to Account, nplx uint64) {
	m.balances[to] += nplx
	m.books.held += nplx
}

// burn destroys nplx that have left another part of the books.
func (m *Machine) burn(nplx uint64) {
	m.books.supply -= nplx
	m.burned += nplx
}

// hotkey is who signs for a coldkey, with the stake of a validator or none.
type hotkey struct {
	coldkey   Account
	operator  Operator
	root      consensus.Row // over netuids
	rootAt    uint64
	rootIsSet bool
}

// NewHotkey returns a hotkey that belongs to a coldkey.
func (m *Machine) NewHotkey(coldkey Account) Hotkey {
	m.hotkeys = append(m.hotkeys, hotkey{coldkey: coldkey, operator: None})
	return Hotkey(len(m.hotkeys) - 1)
}

// Bind makes a validator's stake count for a hotkey, and for no other.
func (m *Machine) Bind(o Operator, h Hotkey) {
	if before := m.operators[o].hotkey; before != None && before != h {
		k := &m.hotkeys[before]
		k.operator, k.root, k.rootIsSet = None, nil, false
	}
	if elsewhere := m.hotkeys[h].operator; elsewhere != None && elsewhere != o {
		m.operators[elsewhere].hotkey = None
	}
	m.hotkeys[h].operator, m.operators[o].hotkey = o, h
	m.sharesGood = false
}

// StakeOf returns the nplx that count for a hotkey.
func (m *Machine) StakeOf(h Hotkey) uint64 {
	if h == None || m.hotkeys[h].operator == None {
		return 0
	}
	return m.operators[m.hotkeys[h].operator].stake()
}

// SetRootWeights stores what a hotkey says the subnets are worth.
func (m *Machine) SetRootWeights(h Hotkey, o subnet.RootOpinion) error {
	k := &m.hotkeys[h]
	if k.operator == None {
		return fmt.Errorf("hotkey %d has no validator: %w", h, ErrUnauthorized)
	}
	rules := subnet.RootRules{StakeThreshold: m.params.StakeThreshold, RateLimit: m.params.RootWeightsRateLimit, Netuids: m.netuids()}
	author := subnet.Author{Stake: m.StakeOf(h), HasSet: k.rootIsSet, Updated: k.rootAt}
	row, err := rules.Check(m.Now(), author, o)
	if err != nil {
		return err
	}
	k.root, k.rootAt, k.rootIsSet = row, m.Now(), true
	m.sharesGood = false
	return nil
}

func (m *Machine) netuids() []uint32 {
	netuids := make([]uint32, len(m.subnets))
	for i, s := range m.subnets {
		netuids[i] = s.Netuid
	}
	return netuids
}

// rewardShares returns the share of each subnet in the reward.
func (m *Machine) rewardShares() []uint64 {
	if m.sharesGood {
		return m.shares
	}
	netuids := m.netuids()
	var votes []subnet.RootVote
	for i := range m.hotkeys {
		k := &m.hotkeys[i]
		if !k.rootIsSet || k.operator == None {
			continue
		}
		o := &m.operators[k.operator]
		if o.gone {
			k.root, k.rootIsSet = nil, false
			continue
		}
		if stake := o.stake(); stake > 0 && stake >= m.params.StakeThreshold {
			if row := subnet.ByIndex(k.root, netuids); len(row) > 0 {
				votes = append(votes, subnet.RootVote{Stake: stake, Weights: row})
			}
		}
	}
	m.shares = subnet.RootShares(votes, len(netuids))
	m.sharesGood, m.parts = true, nil
	return m.shares
}

// Shares returns the share of each subnet in the block reward, 0 to 1, by
// netuid.
func (m *Machine) Shares() []float64 {
	of := make([]float64, len(m.subnets))
	reward := m.Reward()
	if reward == 0 {
		reward = subnet.PLX // as it would be
	}
	m.count()
	for i, e := range subnet.MixDemand(reward, m.rewardShares(), m.counted, m.params.Demand) {
		of[i] = float64(e.Total()) / float64(reward)
	}
	return of
}

// passWindows ends the windows of demand that are over in this block.
func (m *Machine) passWindows() {
	passed := (m.Now() - m.windowAt) / m.params.DemandWindow
	if passed == 0 {
		return
	}
	m.windowAt += passed * m.params.DemandWindow
	m.endWindows(passed)
}

// endWindows ends so many windows. Of a subnet without demand it then forgets
// what is too little for a window to credit any of it, as the chain does.
func (m *Machine) endWindows(n uint64) {
	for _, s := range m.subnets {
		s.demand.Pass(n, m.params.DemandSmoothing)
		if s.demand.Idle(m.params.DemandSmoothing) {
			s.demand = payment.Window{}
		}
	}
}

// count fills counted with what counts as burned in every block of the present
// window.
func (m *Machine) count() {
	m.passWindows()
	m.counted = m.counted[:0]
	for _, s := range m.subnets {
		m.counted = append(m.counted, s.demand.Smoothed(m.params.DemandSmoothing)/m.params.DemandWindow)
	}
}

// followsDemand tells whether demand moves the rewards of the present window.
func (m *Machine) followsDemand() bool {
	if m.params.Demand.Mix == 0 {
		return false
	}
	m.count()
	return slices.ContainsFunc(m.counted, func(nplx uint64) bool { return nplx > 0 })
}

// rewardParts returns what each subnet gets of one block's reward.
func (m *Machine) rewardParts(reward uint64) []uint64 {
	shares := m.rewardShares()
	if m.parts == nil || m.partsOf != reward {
		m.parts, m.partsOf = subnet.Apportion(reward, shares), reward
	}
	return m.parts
}

// Advance makes n blocks, jumping over those without an event.
func (m *Machine) Advance(n uint64) error {
	for target := m.height + n; m.height < target; {
		next := min(target, m.nextEpoch, m.commitsAt)
		if quiet := next - min(next, m.Now()); quiet > 0 {
			if err := m.jump(quiet); err != nil {
				return err
			}
			continue
		}
		if err := m.Block(); err != nil {
			return err
		}
	}
	return nil
}

// jump makes at most n blocks in which no epoch runs and no hidden weights are
// opened: those up to the next halving, since all of them mint the same.
func (m *Machine) jump(n uint64) error {
	if m.orphaned {
		n = 1 // what is paid to nobody is burned, and moves the supply
	}
	n = m.emit(n)
	m.height += n
	if m.orphaned {
		m.settle()
	}
	m.payUnbonded()
	return m.check()
}

// emit mints the rewards of at most n blocks, all the same, and returns of how
// many.
func (m *Machine) emit(n uint64) uint64 {
	supply := m.books.supply
	reward := subnet.BlockReward(supply)
	if reward == 0 || len(m.subnets) == 0 {
		return n
	}
	n = min(n, (subnet.NextHalving(supply)-supply+reward-1)/reward)
	if m.params.Demand.Mix > 0 { // the blocks of a window are alike
		m.passWindows()
		n = min(n, m.windowAt+m.params.DemandWindow-m.Now())
	}
	if m.followsDemand() {
		for i, e := range subnet.MixDemand(reward, m.rewardShares(), m.counted, m.params.Demand) {
			m.subnets[i].Pending += e.Total() * n
		}
	} else {
		for i, part := range m.rewardParts(reward) {
			m.subnets[i].Pending += part * n
		}
	}
	m.books.pending += reward * n
	m.books.supply += reward * n
	m.minted += reward * n
	return n
}

// Block makes one block: rewards, streams, hidden weights, epochs, in the
// order of the chain.
func (m *Machine) Block() error {
	m.emit(1)
	m.height++
	if m.orphaned {
		m.settle()
	}
	m.settleCommits()
	m.payUnbonded()
	ran, err := m.runEpochs()
	if err != nil {
		return err
	}
	if ran {
		if len(m.hidden) > 0 {
			m.commitsAt = m.height + 1
		}
		if err := m.Audit(); err != nil {
			return err
		}
	}
	return m.check()
}

// check compares the running totals.
func (m *Machine) check() error {
	if b := &m.books; !b.balanced() {
		return fmt.Errorf("height %d: supply %d, but balances %d + pending %d + streams %d + rewards %d + stake %d + locks %d + escrow %d: %w",
			m.height, b.supply, b.held, b.pending, b.streaming, b.rewards, b.staked, b.locked, b.escrow, ErrBooks)
	}
	return nil
}

// Audit adds up every amount there is and compares it with the running totals.
func (m *Machine) Audit() error {
	var b books
	b.supply = m.books.supply
	for _, nplx := range m.balances {
		b.held += nplx
	}
	for _, s := range m.subnets {
		b.pending += s.Pending
		b.locked += s.Lock
		b.streaming += s.owed()
	}
	for _, s := range m.removed {
		b.streaming += s.owed()
	}
	decimals := m.pool
	for i := range m.operators {
		decimals = decimals.plus(m.operators[i].outstanding)
		b.staked += m.operators[i].tokens
	}
	rewards, dust := decimals.split()
	b.rewards = rewards
	for _, u := range m.unbonding {
		b.staked += u.nplx
	}
	for i := range m.channels {
		b.escrow += m.channels[i].left
	}
	if b != m.books || !dust.isZero() {
		return fmt.Errorf("height %d: counted %+v (and %v of 1e-18), booked %+v: %w", m.height, b, dust, m.books, ErrBooks)
	}
	return nil
}
