package machine

import (
	"fmt"
	"math"
	"slices"

	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/payment"
	"github.com/plexusnet/plexus/subnet"
)

// Neuron is who has a uid, and what the last epoch said of it. Proportions are
// of 65535, amounts nplx.
type Neuron struct {
	Hotkey     Hotkey // None: the uid is vacant
	Registered uint64 // height; of a vacant uid the one at which it became so
	Weights    consensus.Row
	WeightsAt  uint64 // height of the weights or of their commit, 0: never set
	Bonds      consensus.Row

	Incentive, Dividends, Consensus   uint16
	Trust, ValidatorTrust, StakeShare uint16
	Emission                          uint64
	Tokens                            uint64 // stake at the last epoch
	Permit, Active                    bool

	committed   uint64 // height of its last commit, 0: none
	committedIn uint64 // epochs that the subnet had run by then
}

// Ledger is what a subnet has paid since it began, nplx.
type Ledger struct {
	OwnerPaid, MinersPaid, ValidatorsPaid, Burned, Registrations uint64
}

// Subnet is one subnet. Its fields are for reading.
type Subnet struct {
	Netuid      uint32
	Owner       Account
	OwnerHotkey Hotkey
	Hyper       subnet.Hyperparams
	LastEpoch   uint64 // height of the last epoch, or of the creation
	Epochs      uint64
	Lock        uint64
	Pending     uint64
	Ledger      Ledger
	Neurons     []Neuron // by uid

	demand     payment.Window // fees burned for it
	vacant     int
	outcomeAt  uint64 // height of the last epoch, 0 if there was none
	burnPrice  uint64
	burnHeight uint64
	streams    []stream
	input      subnet.Epoch
}

// Streams returns the streams that still owe something, with their validators.
func (m *Machine) Streams(s *Subnet) ([]subnet.Stream, []Operator) {
	m.settle()
	var streams []subnet.Stream
	var operators []Operator
	for _, st := range s.streams {
		if st.paid < st.Total {
			streams, operators = append(streams, st.Stream), append(operators, st.operator)
		}
	}
	return streams, operators
}

// owed is what the books say the streams owe.
func (s *Subnet) owed() (nplx uint64) {
	for i := range s.streams {
		nplx += s.streams[i].Total - s.streams[i].paid
	}
	return nplx
}

// Subnets returns the subnets that exist, by netuid. The slice is the machine's.
func (m *Machine) Subnets() []*Subnet { return m.subnets }

// LockPrice returns what opening a subnet locks now, nplx.
func (m *Machine) LockPrice() uint64 {
	return subnet.LockPrice(m.params.MinLock, m.lastLock, m.Now()-min(m.lockHeight, m.Now()), m.params.LockInterval)
}

// CreateSubnet opens a subnet under the next netuid and locks its price. The
// owner's hotkey may be None.
func (m *Machine) CreateSubnet(owner Account, ownerHotkey Hotkey, hyper subnet.Hyperparams) (*Subnet, error) {
	price := m.LockPrice()
	s, err := m.open(owner, ownerHotkey, price, hyper)
	if err != nil {
		return nil, err
	}
	m.lastLock, m.lockHeight = price, m.Now()
	return s, nil
}

// open opens a subnet that locks the given nplx.
func (m *Machine) open(owner Account, ownerHotkey Hotkey, price uint64, hyper subnet.Hyperparams) (*Subnet, error) {
	if err := hyper.Validate(); err != nil {
		return nil, err
	}
	if err := m.take(owner, price); err != nil {
		return nil, err
	}
	m.books.locked += price
	s := &Subnet{
		Netuid: m.nextNetuid, Owner: owner, OwnerHotkey: ownerHotkey, Hyper: hyper, LastEpoch: m.Now(),
		Lock: price, burnPrice: hyper.BurnStart, burnHeight: m.Now(),
	}
	m.nextNetuid++
	m.subnets = append(m.subnets, s)
	m.changed()
	return s, nil
}

// RemoveSubnet ends a subnet: what is pending is burned, of the lock what its
// owner was paid, and the rest goes back. Its streams go on.
func (m *Machine) RemoveSubnet(s *Subnet) {
	m.settle()
	returned, burned := subnet.LockReturn(s.Lock, s.Ledger.OwnerPaid)
	m.books.locked -= s.Lock
	m.give(s.Owner, returned)
	m.books.pending -= s.Pending
	m.burn(burned + s.Pending)
	s.Ledger.Burned += s.Pending
	s.Lock, s.Pending = 0, 0
	m.hidden = slices.DeleteFunc(m.hidden, func(c *commit) bool { return c.subnet == s })
	m.subnets = slices.DeleteFunc(m.subnets, func(x *Subnet) bool { return x == s })
	if s.owed() > 0 {
		m.removed = append(m.removed, s)
	}
	m.changed()
}

// changed takes note of subnets or clocks that changed.
func (m *Machine) changed() {
	m.sharesGood = false
	m.setClocks()
}

func (m *Machine) setClocks() {
	m.clocks = m.clocks[:0]
	m.nextEpoch = math.MaxUint64
	for _, s := range m.subnets {
		c := subnet.Clock{LastEpoch: s.LastEpoch, Tempo: s.Hyper.Tempo}
		m.clocks = append(m.clocks, c)
		m.nextEpoch = min(m.nextEpoch, c.Next())
	}
}

// SetHyperparams gives a subnet other rules, as governance may at any time.
// Where max_uids falls below the neurons there are, the weakest leave.
func (m *Machine) SetHyperparams(s *Subnet, hyper subnet.Hyperparams) error {
	if err := hyper.Validate(); err != nil {
		return err
	}
	s.Hyper = hyper
	m.setClocks()
	seats, standing := s.standings()
	for _, i := range hyper.Surplus(standing, m.Now()) {
		m.vacate(s, seats[i])
	}
	return nil
}

// Price returns what a registration burns now, nplx.
func (m *Machine) Price(s *Subnet) uint64 {
	return s.Hyper.RegistrationPrice(s.burnPrice, s.burnHeight, m.Now())
}

// UIDOf returns the uid of a hotkey in a subnet, or None.
func (s *Subnet) UIDOf(h Hotkey) int {
	if h == None {
		return None
	}
	for uid := range s.Neurons {
		if s.Neurons[uid].Hotkey == h {
			return uid
		}
	}
	return None
}

// Register gives a hotkey a uid and burns the price from its coldkey, unless
// that is above maxBurn nplx.
func (m *Machine) Register(s *Subnet, h Hotkey, maxBurn uint64) (uid int, err error) {
	if s.UIDOf(h) != None {
		return None, fmt.Errorf("hotkey %d in subnet %d: %w", h, s.Netuid, ErrTaken)
	}
	price := m.Price(s)
	if price > maxBurn {
		return None, fmt.Errorf("registration costs %d nplx, the maximum is %d: %w", price, maxBurn, subnet.ErrPriceTooHigh)
	}
	if coldkey := m.hotkeys[h].coldkey; m.balances[coldkey] < price {
		return None, fmt.Errorf("account %d has %d nplx, registration costs %d: %w", coldkey, m.balances[coldkey], price, ErrFunds)
	}
	if uid, err = m.seat(s); err != nil {
		return None, err
	}
	if err := m.take(m.hotkeys[h].coldkey, price); err != nil {
		return None, err
	}
	m.burn(price)
	n := &s.Neurons[uid]
	*n = Neuron{Hotkey: h, Registered: m.Now(), Weights: n.Weights[:0], Bonds: n.Bonds[:0]}
	s.burnPrice, s.burnHeight = s.Hyper.PriceAfter(price), m.Now()
	s.Ledger.Registrations += price
	return uid, nil
}

// seat finds the uid of a new neuron.
func (m *Machine) seat(s *Subnet) (int, error) {
	switch {
	case len(s.Neurons)-s.vacant >= int(s.Hyper.MaxUIDs):
		seats, standing := s.standings()
		i, err := s.Hyper.Replaceable(standing, m.Now())
		if err != nil {
			return None, err
		}
		m.dropCommits(s, seats[i])
		return seats[i], nil
	case s.vacant > 0:
		s.vacant--
		return slices.IndexFunc(s.Neurons, func(n Neuron) bool { return n.Hotkey == None }), nil
	}
	s.Neurons = append(s.Neurons, Neuron{})
	return len(s.Neurons) - 1, nil
}

// standings returns the uids that are taken and what decides which makes room.
func (s *Subnet) standings() (seats []int, standing []subnet.Standing) {
	for uid := range s.Neurons {
		if n := &s.Neurons[uid]; n.Hotkey != None {
			seats = append(seats, uid)
			standing = append(standing, subnet.Standing{Registered: n.Registered, Emission: n.Emission})
		}
	}
	return seats, standing
}

// Deregister gives up a uid, which stays vacant until the next registration.
func (m *Machine) Deregister(s *Subnet, uid int) error {
	if uid < 0 || uid >= len(s.Neurons) || s.Neurons[uid].Hotkey == None {
		return fmt.Errorf("uid %d of subnet %d: %w", uid, s.Netuid, ErrUnknown)
	}
	m.vacate(s, uid)
	return nil
}

func (m *Machine) vacate(s *Subnet, uid int) {
	m.dropCommits(s, uid)
	n := &s.Neurons[uid]
	*n = Neuron{Hotkey: None, Registered: m.Now(), Weights: n.Weights[:0], Bonds: n.Bonds[:0]}
	s.vacant++
}

func (s *Subnet) vacantUIDs() []uint16 {
	if s.vacant == 0 {
		return nil
	}
	uids := make([]uint16, 0, s.vacant)
	for uid := range s.Neurons {
		if s.Neurons[uid].Hotkey == None {
			uids = append(uids, uint16(uid))
		}
	}
	return uids
}

// author is what the rules know of a neuron that wants to set weights.
func (m *Machine) author(s *Subnet, uid int) subnet.Author {
	n := &s.Neurons[uid]
	return subnet.Author{
		UID: uint16(uid), Stake: m.StakeOf(n.Hotkey), Permit: n.Permit, HasSet: n.WeightsAt > 0 || n.committed > 0,
		Updated: max(n.WeightsAt, n.committed), Vacant: s.vacantUIDs(),
	}
}

// SetWeights stores plain weights, which act from the next epoch on.
func (m *Machine) SetWeights(s *Subnet, uid int, o subnet.Opinion) error {
	if err := s.Hyper.CheckScheme(subnet.CommitRevealOff); err != nil {
		return err
	}
	row, err := s.Hyper.CheckWeights(m.params.StakeThreshold, len(s.Neurons), m.Now(), m.author(s, uid), o)
	if err != nil {
		return err
	}
	s.Neurons[uid].Weights, s.Neurons[uid].WeightsAt = row, m.Now()
	return nil
}
