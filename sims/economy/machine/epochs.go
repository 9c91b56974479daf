package machine

import (
	"fmt"
	"sync"

	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/subnet"
)

// runEpochs runs the epochs that are due in this block, and tells whether there
// were any.
func (m *Machine) runEpochs() (bool, error) {
	if m.height < m.nextEpoch {
		return false, nil
	}
	due := subnet.DueEpochs(m.clocks, m.height, m.params.MaxEpochsPerBlock)
	if m.workers > 1 && len(due) > 1 {
		if err := m.sideBySide(due); err != nil {
			return true, err
		}
	} else {
		for _, i := range due {
			s := m.subnets[i]
			m.load(s)
			result, err := s.input.Run(m.engine(0))
			if err != nil {
				return true, fmt.Errorf("subnet %d: %w", s.Netuid, err)
			}
			m.close(s, result)
		}
	}
	m.setClocks()
	return true, nil
}

// sideBySide computes the epochs of a block at once: none reads what another
// pays. What they decide is paid in their order.
func (m *Machine) sideBySide(due []int) error {
	results, errs := make([]*subnet.Result, len(due)), make([]error, len(due))
	for _, i := range due {
		m.load(m.subnets[i])
	}
	m.engine(len(due) - 1)
	var group sync.WaitGroup
	for w := range min(m.workers, len(due)) {
		group.Go(func() {
			for k := w; k < len(due); k += m.workers {
				results[k], errs[k] = m.subnets[due[k]].input.Run(m.engines[k])
			}
		})
	}
	group.Wait()
	for k, i := range due {
		if errs[k] != nil {
			return fmt.Errorf("subnet %d: %w", m.subnets[i].Netuid, errs[k])
		}
		m.close(m.subnets[i], results[k])
	}
	return nil
}

// engine returns the k-th engine: a result lasts until its engine's next epoch.
func (m *Machine) engine(k int) *consensus.Engine {
	for len(m.engines) <= k {
		m.engines = append(m.engines, new(consensus.Engine))
	}
	return m.engines[k]
}

// close pays and stores what an epoch decided.
func (m *Machine) close(s *Subnet, result *subnet.Result) {
	m.pay(s, result)
	s.store(result)
	s.LastEpoch, s.outcomeAt = m.height, m.height
	s.Epochs++
}

// load fills the input of the epoch.
func (m *Machine) load(s *Subnet) {
	e := &s.input
	if len(e.Neurons) != len(s.Neurons) {
		e.Neurons = make([]subnet.Neuron, len(s.Neurons))
	}
	for uid := range s.Neurons {
		n := &s.Neurons[uid]
		if n.Hotkey == None {
			// As if given out this moment, so that all that points at it is older.
			e.Neurons[uid] = subnet.Neuron{Registered: m.height, Updated: n.Registered}
			continue
		}
		e.Neurons[uid] = subnet.Neuron{
			Registered: n.Registered, Updated: max(n.WeightsAt, n.committed, n.Registered),
			Stake: m.StakeOf(n.Hotkey), LastStake: n.Tokens, Permit: n.Permit,
			Weights: n.Weights, Bonds: n.Bonds, CommitHeight: n.WeightsAt,
		}
	}
	e.Height, e.LastEpoch, e.Pending = m.height, s.outcomeAt, s.Pending
	e.OwnerUID, e.StakeThreshold = s.UIDOf(s.OwnerHotkey), m.params.StakeThreshold
	e.Split, e.Hyperparams = m.params.Split, s.Hyper
}

// pay pays what an epoch decided.
func (m *Machine) pay(s *Subnet, r *subnet.Result) {
	m.books.pending -= s.Pending - r.Carried
	s.Pending = r.Carried
	m.give(s.Owner, r.Owner)
	s.Ledger.OwnerPaid += r.Owner
	for uid, nplx := range r.Miners {
		if nplx > 0 {
			m.give(m.hotkeys[s.Neurons[uid].Hotkey].coldkey, nplx)
			s.Ledger.MinersPaid += nplx
		}
	}
	m.burn(r.Burned)
	s.Ledger.Burned += r.Burned
	m.payStreams(s)
	running := s.streams[:0]
	for _, st := range s.streams {
		if st.paid < st.Total {
			running = append(running, st)
		}
	}
	s.streams = running
	for uid, nplx := range r.Validators {
		if nplx == 0 {
			continue
		}
		operator := Operator(None)
		if h := s.Neurons[uid].Hotkey; h != None {
			operator = m.hotkeys[h].operator
		}
		if operator == None { // bonds of a hotkey that was unbound since
			m.burn(nplx)
			s.Ledger.Burned += nplx
			continue
		}
		s.streams = append(s.streams, stream{
			Stream:   subnet.Stream{Total: nplx, Start: m.height, Length: s.Hyper.Tempo},
			operator: operator,
		})
		m.books.streaming += nplx
		s.Ledger.ValidatorsPaid += nplx
	}
}

// store keeps what an epoch decided for the next one.
func (s *Subnet) store(r *subnet.Result) {
	out := r.Output
	for uid := range s.Neurons {
		n := &s.Neurons[uid]
		n.Emission = r.Miners[uid] + r.Validators[uid]
		n.Tokens = s.input.Neurons[uid].Stake
		n.Permit, n.Active = out.Permit[uid], out.Active[uid]
		n.Bonds = append(n.Bonds[:0], out.Bonds[uid]...)
		n.Incentive, n.Dividends, n.Consensus = out.Incentive[uid].U16(), out.Dividends[uid].U16(), out.Consensus[uid].U16()
		n.Trust, n.ValidatorTrust, n.StakeShare = out.Trust[uid].U16(), out.ValidatorTrust[uid].U16(), out.Stake[uid].U16()
	}
}
