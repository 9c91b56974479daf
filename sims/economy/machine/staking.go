package machine

import (
	"fmt"

	"github.com/plexusnet/plexus/subnet"
)

// operator is a staking validator with its part of the distribution module. A
// share of it is always one nplx: nothing here slashes.
type operator struct {
	account    Account
	hotkey     Hotkey
	tokens     uint64 // delegated to it
	commission uint64 // its take in 1e-18
	jailed     bool
	gone       bool

	taken       wide // commission not withdrawn
	current     wide // rewards of the current period
	ratio       wide // rewards per nplx of all periods that ended
	outstanding wide // all that distribution holds for it and its delegators
}

func (o *operator) stake() uint64 {
	if o.jailed {
		return 0
	}
	return o.tokens
}

// delegations are a struct of arrays: there may be millions.
type delegations struct {
	operator []Operator
	account  []Account
	stake    []uint64
	ratio    []wide // of the operator when the stake last changed
}

type unbonding struct {
	height  uint64
	account Account
	nplx    uint64
}

// NewOperator registers a staking validator without stake. Its commission is in
// basis points, at most 10000.
func (m *Machine) NewOperator(account Account, commissionBps uint32) Operator {
	m.operators = append(m.operators, operator{
		account: account, hotkey: None, commission: uint64(commissionBps) * (unit / subnet.BasisPoints),
	})
	return Operator(len(m.operators) - 1)
}

// SetCommission changes what a validator takes of its delegators' rewards from
// now on, basis points.
func (m *Machine) SetCommission(o Operator, bps uint32) {
	m.settle()
	m.operators[o].commission = uint64(bps) * (unit / subnet.BasisPoints)
}

// Jail takes the say of a validator's stake away, or gives it back.
func (m *Machine) Jail(o Operator, jailed bool) {
	m.operators[o].jailed = jailed
	m.sharesGood = false
}

// Tokens returns the nplx delegated to a validator.
func (m *Machine) Tokens(o Operator) uint64 { return m.operators[o].tokens }

// NewDelegation opens a delegation without stake.
func (m *Machine) NewDelegation(account Account, o Operator) Delegation {
	d := &m.dels
	d.operator, d.account = append(d.operator, o), append(d.account, account)
	d.stake, d.ratio = append(d.stake, 0), append(d.ratio, wide{})
	return Delegation(len(d.stake) - 1)
}

// Stake returns the nplx of a delegation, and Delegate's validator of it.
func (m *Machine) Stake(d Delegation) (uint64, Operator) { return m.dels.stake[d], m.dels.operator[d] }

// endPeriod closes an operator's period of rewards: they are now owed by the
// nplx delegated. What rounding leaves stays outstanding.
func (m *Machine) endPeriod(o *operator) {
	if o.tokens == 0 {
		m.pool = m.pool.plus(o.current)
		o.outstanding = o.outstanding.minus(o.current)
	} else {
		o.ratio = o.ratio.plus(o.current.over(o.tokens))
	}
	o.current = wide{}
}

// Owed returns the nplx that a delegation could withdraw.
func (m *Machine) Owed(d Delegation) uint64 {
	m.settle()
	o := &m.operators[m.dels.operator[d]]
	ratio := o.ratio
	if o.tokens > 0 {
		ratio = ratio.plus(o.current.over(o.tokens))
	}
	nplx, _ := ratio.minus(m.dels.ratio[d]).times(m.dels.stake[d]).split()
	return nplx
}

// Withdraw pays a delegation its rewards, in whole nplx, to its account; the
// fraction goes to the community pool, as the SDK has it.
func (m *Machine) Withdraw(d Delegation) uint64 {
	if m.dels.stake[d] == 0 {
		return 0
	}
	m.settle()
	o := &m.operators[m.dels.operator[d]]
	m.endPeriod(o)
	return m.withdraw(d, o)
}

func (m *Machine) withdraw(d Delegation, o *operator) uint64 {
	rewards := o.ratio.minus(m.dels.ratio[d]).times(m.dels.stake[d])
	if o.outstanding.less(rewards) {
		rewards = o.outstanding
	}
	m.dels.ratio[d] = o.ratio
	o.outstanding = o.outstanding.minus(rewards)
	nplx, dust := rewards.split()
	m.pool = m.pool.plus(dust)
	m.books.rewards -= nplx
	m.give(m.dels.account[d], nplx)
	return nplx
}

// Delegate adds to a delegation from its account. It withdraws its rewards.
func (m *Machine) Delegate(d Delegation, nplx uint64) error {
	o := &m.operators[m.dels.operator[d]]
	if o.gone {
		return fmt.Errorf("validator %d: %w", m.dels.operator[d], ErrUnknown)
	}
	if nplx == 0 {
		return nil
	}
	if has := m.balances[m.dels.account[d]]; has < nplx {
		return fmt.Errorf("account %d has %d nplx, it delegates %d: %w", m.dels.account[d], has, nplx, ErrFunds)
	}
	m.settle()
	m.endPeriod(o)
	m.withdraw(d, o)
	if err := m.take(m.dels.account[d], nplx); err != nil {
		return err
	}
	m.books.staked += nplx
	m.addStake(d, o, nplx)
	return nil
}

func (m *Machine) addStake(d Delegation, o *operator, nplx uint64) {
	m.dels.stake[d] += nplx
	m.dels.ratio[d] = o.ratio
	o.tokens += nplx
	m.sharesGood = false
}

// Undelegate takes from a delegation, at most what it has; the nplx reach its
// account after the unbonding period. It withdraws its rewards.
func (m *Machine) Undelegate(d Delegation, nplx uint64) uint64 {
	nplx = m.removeStake(d, nplx)
	if nplx > 0 {
		m.unbonding = append(m.unbonding, unbonding{height: m.Now() + m.params.UnbondingBlocks, account: m.dels.account[d], nplx: nplx})
	}
	return nplx
}

func (m *Machine) removeStake(d Delegation, nplx uint64) uint64 {
	if nplx = min(nplx, m.dels.stake[d]); nplx == 0 {
		return 0
	}
	o := &m.operators[m.dels.operator[d]]
	m.settle()
	m.endPeriod(o)
	m.withdraw(d, o)
	m.dels.stake[d] -= nplx
	o.tokens -= nplx
	m.sharesGood = false
	return nplx
}

// Redelegate moves a whole delegation to another validator at once.
func (m *Machine) Redelegate(d Delegation, to Operator) error {
	if m.operators[to].gone {
		return fmt.Errorf("validator %d: %w", to, ErrUnknown)
	}
	nplx := m.removeStake(d, m.dels.stake[d])
	m.dels.operator[d] = to
	if nplx == 0 {
		return nil
	}
	o := &m.operators[to]
	m.endPeriod(o)
	m.addStake(d, o, nplx)
	return nil
}

// WithdrawCommission pays a validator the whole nplx of its commission.
func (m *Machine) WithdrawCommission(v Operator) uint64 {
	m.settle()
	o := &m.operators[v]
	nplx, rest := o.taken.split()
	o.taken = rest
	o.outstanding = o.outstanding.minus(whole(nplx))
	m.books.rewards -= nplx
	m.give(o.account, nplx)
	return nplx
}

// RemoveOperator ends a validator that has no stake left. Its commission is
// paid, the dust of its rewards goes to the pool, and what its streams still
// owe is burned block by block.
func (m *Machine) RemoveOperator(v Operator) error {
	o := &m.operators[v]
	if o.tokens > 0 {
		return fmt.Errorf("validator %d still has %d nplx: %w", v, o.tokens, ErrUnauthorized)
	}
	m.WithdrawCommission(v)
	m.pool = m.pool.plus(o.outstanding)
	o.outstanding, o.taken, o.current = wide{}, wide{}, wide{}
	o.gone, m.orphaned = true, true
	m.sharesGood = false
	return nil
}

// reward hands emission to a validator and its delegators.
func (m *Machine) reward(v Operator, nplx uint64) {
	o := &m.operators[v]
	if o.gone {
		m.burn(nplx)
		return
	}
	amount := whole(nplx)
	take := wide{lo: nplx}.times(o.commission)
	o.taken = o.taken.plus(take)
	o.current = o.current.plus(amount.minus(take))
	o.outstanding = o.outstanding.plus(amount)
	m.books.rewards += nplx
}

// payUnbonded pays what has finished unbonding.
func (m *Machine) payUnbonded() {
	n := 0
	for ; n < len(m.unbonding) && m.unbonding[n].height <= m.height; n++ {
		u := m.unbonding[n]
		m.books.staked -= u.nplx
		m.give(u.account, u.nplx)
	}
	m.unbonding = m.unbonding[n:]
}

// stream pays a validator evenly over the blocks of a tempo. What of it has
// been paid is written down only when somebody looks.
type stream struct {
	subnet.Stream
	operator Operator
	paid     uint64
}

// settle pays all streams up to the last block.
func (m *Machine) settle() {
	if m.settled == m.height {
		return
	}
	m.settled = m.height
	for _, s := range m.subnets {
		m.payStreams(s)
	}
	for i := 0; i < len(m.removed); i++ {
		if s := m.removed[i]; m.payStreams(s) == 0 {
			m.removed = append(m.removed[:i], m.removed[i+1:]...)
			i--
		}
	}
}

// payStreams pays the streams of a subnet up to the last block and returns what
// they still owe.
func (m *Machine) payStreams(s *Subnet) (left uint64) {
	for i := range s.streams {
		st := &s.streams[i]
		if due := st.PaidBy(m.height) - st.paid; due > 0 {
			st.paid += due
			m.books.streaming -= due
			m.reward(st.operator, due)
		}
		left += st.Total - st.paid
	}
	return left
}
