package machine

import "github.com/plexusnet/plexus/consensus"

// NextEpoch returns the height of the earliest epoch, math.MaxUint64 without a
// subnet.
func (m *Machine) NextEpoch() uint64 { return m.nextEpoch }

// Accounts returns how many accounts there are.
func (m *Machine) Accounts() int { return len(m.balances) }

// Places are where all nplx are; they sum to the supply.
type Places struct {
	Liquid    uint64 // balances of accounts
	Staked    uint64 // delegated or unbonding
	Locked    uint64 // by owners of subnets
	Escrow    uint64 // in payment channels
	Rewards   uint64 // paid to validators and delegators, and not withdrawn
	Streaming uint64 // owed by streams
	Pending   uint64 // emission that waits for epochs
}

// Places returns where the nplx are after the last block.
func (m *Machine) Places() Places {
	m.settle()
	b := &m.books
	return Places{Liquid: b.held, Staked: b.staked, Locked: b.locked, Escrow: b.escrow, Rewards: b.rewards, Streaming: b.streaming, Pending: b.pending}
}

// RewardPerStake returns all that one nplx delegated to a validator from the
// beginning would have earned, in nplx. Differences of it are yields.
func (m *Machine) RewardPerStake(v Operator) float64 {
	m.settle()
	o := &m.operators[v]
	ratio := o.ratio
	if o.tokens > 0 {
		ratio = ratio.plus(o.current.over(o.tokens))
	}
	return (float64(ratio.hi)*(1<<64) + float64(ratio.lo)) / unit
}

// Commission returns the whole nplx of commission that a validator could
// withdraw.
func (m *Machine) Commission(v Operator) uint64 {
	m.settle()
	nplx, _ := m.operators[v].taken.split()
	return nplx
}

// Holdings writes to dst what each account has in all, in nplx: its balance,
// its stake, bonded or not, the rewards and commission it could withdraw, its
// locks and its deposits. It returns dst, grown to the number of accounts.
func (m *Machine) Holdings(dst []uint64) []uint64 {
	m.settle()
	dst = append(dst[:0], m.balances...)
	for d, stake := range m.dels.stake {
		if stake == 0 {
			continue
		}
		o := &m.operators[m.dels.operator[d]]
		ratio := o.ratio
		if o.tokens > 0 {
			ratio = ratio.plus(o.current.over(o.tokens))
		}
		owed, _ := ratio.minus(m.dels.ratio[d]).times(stake).split()
		dst[m.dels.account[d]] += stake + owed
	}
	for i := range m.operators {
		nplx, _ := m.operators[i].taken.split()
		dst[m.operators[i].account] += nplx
	}
	for _, u := range m.unbonding {
		dst[u.account] += u.nplx
	}
	for _, s := range m.subnets {
		dst[s.Owner] += s.Lock
	}
	for i := range m.channels {
		dst[m.channels[i].payer] += m.channels[i].left
	}
	return dst
}

// Rewards are what the distribution module holds for a validator and its
// delegators, and the part of it that is commission not withdrawn, in nplx with
// 18 decimals as the SDK writes them.
func (m *Machine) Rewards(v Operator) (outstanding, commission string) {
	m.settle()
	o := &m.operators[v]
	return o.outstanding.String(), o.taken.String()
}

// CommunityPool is where fractions of nplx end, written like Rewards.
func (m *Machine) CommunityPool() string { return m.pool.String() }

// BurnPrice is the price that the last registration left behind, and when, from
// which Price follows.
func (s *Subnet) BurnPrice() (nplx, height uint64) { return s.burnPrice, s.burnHeight }

// RootRow returns the root weights of a hotkey, over netuids, and the height at
// which they were set; false where there are none.
func (m *Machine) RootRow(h Hotkey) (row consensus.Row, height uint64, set bool) {
	k := &m.hotkeys[h]
	return k.root, k.rootAt, k.rootIsSet
}

// Hidden returns how many commits wait to be opened.
func (m *Machine) Hidden() int { return len(m.hidden) }
