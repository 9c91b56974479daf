package machine

import (
	"fmt"
	"math"
	"slices"

	"github.com/plexusnet/plexus/subnet"
)

// commit is a hidden opinion.
type commit struct {
	rule    subnet.Commit
	subnet  *Subnet
	uid     int
	hotkey  Hotkey
	opens   uint64 // first block whose beacon round opens it; 0 for a hash
	opinion subnet.Opinion
}

// Commit hides an opinion by the subnet's scheme. A timelocked one is opened by
// the chain once its period is over and the round of the block at opens is
// there (0: at once); one behind a hash by Open.
func (m *Machine) Commit(s *Subnet, uid int, opens uint64, o subnet.Opinion) error {
	n := &s.Neurons[uid]
	scheme := s.Hyper.CommitReveal
	if scheme == subnet.CommitRevealOff {
		scheme = subnet.CommitRevealTimelock // so that the rules refuse it
	}
	// A commit of this epoch cannot have been opened before the next.
	window := subnet.Window{Epochs: s.Epochs, Named: s.Epochs, Committed: n.committed > 0 && n.committedIn == s.Epochs}
	if err := s.Hyper.CheckCommit(scheme, m.params.StakeThreshold, m.Now(), m.author(s, uid), window); err != nil {
		return err
	}
	n.committed, n.committedIn = m.Now(), s.Epochs
	c := &commit{
		rule: subnet.Commit{
			Scheme: scheme, Netuid: s.Netuid, Hotkey: fmt.Sprint(n.Hotkey), Height: m.Now(), Epoch: s.Epochs, Due: s.Hyper.CommitDue(s.Epochs),
		},
		subnet: s, uid: uid, hotkey: n.Hotkey, opens: opens, opinion: o,
	}
	// Rounds open in their order, commits of one round in that of their making.
	at := len(m.hidden)
	for at > 0 && m.hidden[at-1].opens > opens {
		at--
	}
	m.hidden = slices.Insert(m.hidden, at, c)
	return nil
}

// Open opens the commit to a hash that a neuron made in an epoch.
func (m *Machine) Open(s *Subnet, uid int, epoch uint64) error {
	at := slices.IndexFunc(m.hidden, func(c *commit) bool {
		return c.subnet == s && c.uid == uid && c.rule.Epoch == epoch && c.rule.Scheme == subnet.CommitRevealHash
	})
	if at < 0 {
		return fmt.Errorf("uid %d of subnet %d in epoch %d: %w", uid, s.Netuid, epoch, subnet.ErrUnknownCommit)
	}
	if err := m.hidden[at].rule.CheckDue(s.Epochs); err != nil {
		return err
	}
	if err := m.reveal(m.hidden[at]); err != nil {
		return err
	}
	m.hidden = slices.Delete(m.hidden, at, at+1)
	return nil
}

// reveal brings weights into force as of the height of their commit, if the
// rules still let them.
func (m *Machine) reveal(c *commit) error {
	s, n := c.subnet, &c.subnet.Neurons[c.uid]
	holder := subnet.Holder{Registered: n.Registered, HasRow: n.WeightsAt > 0, RowHeight: n.WeightsAt}
	if n.Hotkey != None {
		holder.Hotkey = c.rule.Hotkey
		if n.Hotkey != c.hotkey {
			holder.Hotkey = fmt.Sprint(n.Hotkey)
		}
	}
	if err := c.rule.CheckHolder(holder); err != nil {
		return err
	}
	row, err := s.Hyper.CheckOpened(len(s.Neurons), s.vacantUIDs(), c.opinion)
	if err != nil {
		return err
	}
	n.Weights, n.WeightsAt = row, c.rule.Height
	return nil
}

// settleCommits opens the timelocked commits that are due, at most
// max_reveals_per_block, and drops those that missed their period. It runs
// before the epochs of a block.
func (m *Machine) settleCommits() {
	if len(m.hidden) == 0 {
		m.commitsAt = math.MaxUint64
		return
	}
	next, opened := uint64(math.MaxUint64), 0
	m.hidden = slices.DeleteFunc(m.hidden, func(c *commit) bool {
		s := c.subnet
		switch {
		case c.rule.Scheme != subnet.CommitRevealTimelock:
			return s.LastEpoch+1 == m.height && s.Epochs > 0 && c.rule.Lapsed(s.Epochs)
		case c.opens > m.height:
			next = min(next, c.opens)
			return s.LastEpoch+1 == m.height && s.Epochs > 0 && c.rule.Lapsed(s.Epochs)
		case s.Epochs < c.rule.Due:
			return false
		case opened == m.params.MaxRevealsPerBlock:
			next = m.height + 1
			return false
		}
		opened++
		_ = m.reveal(c) // what cannot be opened is dropped, as on the chain
		return true
	})
	m.commitsAt = next
}

// dropCommits forgets every commit of a uid that changes hands.
func (m *Machine) dropCommits(s *Subnet, uid int) {
	m.hidden = slices.DeleteFunc(m.hidden, func(c *commit) bool { return c.subnet == s && c.uid == uid })
}
