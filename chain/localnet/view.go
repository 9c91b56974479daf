package localnet

import (
	"context"
	"fmt"
	"time"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// View is the network at one height.
type View struct {
	Elapsed time.Duration
	Height  uint64
	Created uint64 // height of the subnet's creation
	Epoch   uint64 // epochs of the subnet so far
	Paid    int    // of these, how many paid miners
	Next    uint64 // height of the next epoch

	Supply, Minted, Burned uint64 // nplx
	Rows                   []Row
}

// Row is one neuron, or one member of the cast that is not registered yet.
type Row struct {
	UID     int    // -1: not registered
	Role    Role   // empty: somebody who joined from outside
	Name    string // empty likewise
	Quality string // of a miner's model
	State   string // "", or what is unusual: starting, dead, silent
	Hotkey  string
	Coldkey string

	Stake     uint64  // nplx
	Incentive float64 // share of the miners' part, 0 to 1
	Dividends float64 // share of the validators' part, 0 to 1
	Trust     float64 // 0 to 1: a miner's trust, a validator's validator trust
	Emission  uint64  // nplx in the last epoch
	Earned    uint64  // nplx in all epochs
	Balance   uint64  // nplx that the coldkey holds
	Accuracy  float64 // of a miner's model on held-out images; negative: unknown
}

// snapshot is what the chain said at one height, give or take a block that
// came between two questions.
type snapshot struct {
	meta     *subnetv1.QueryMetagraphResponse
	subnet   *subnetv1.SubnetInfo
	emission *subnetv1.QueryEmissionResponse
	balances map[string]uint64 // by address
}

func (n *stage) ask(ctx context.Context) (s snapshot, err error) {
	if s.meta, err = n.chain.Metagraph(ctx, n.netuid); err != nil {
		return s, err
	}
	if s.subnet, err = n.chain.Subnet(ctx, n.netuid); err != nil {
		return s, err
	}
	if s.emission, err = n.chain.Emission(ctx); err != nil {
		return s, err
	}
	s.balances = map[string]uint64{}
	for _, address := range n.coldkeys(s.meta) {
		if s.balances[address], err = n.chain.Balance(ctx, address); err != nil {
			return s, err
		}
	}
	return s, nil
}

// coldkeys are the accounts to show: of the cast, and of whoever else joined.
func (n *stage) coldkeys(meta *subnetv1.QueryMetagraphResponse) []string {
	seen := map[string]bool{}
	var all []string
	add := func(address string) {
		if !seen[address] {
			seen[address] = true
			all = append(all, address)
		}
	}
	for _, m := range n.cast {
		add(n.files.Addresses[m.name])
	}
	for _, address := range meta.Coldkeys {
		add(address)
	}
	return all
}

// view puts a snapshot into rows: the cast first, in its order, then guests.
func (n *stage) view(s snapshot, l *ledger) *View {
	v := &View{
		Elapsed: time.Since(n.start),
		Height:  s.emission.Height,
		Created: s.subnet.Subnet.Created,
		Epoch:   s.subnet.Subnet.Epochs,
		Paid:    l.paid,
		Next:    s.subnet.NextEpoch,
		Supply:  s.emission.Supply,
		Minted:  s.emission.Totals.Minted,
		Burned:  s.emission.Totals.Burned,
	}
	uids := map[string]int{}
	for uid, hotkey := range s.meta.Hotkeys {
		uids[hotkey] = uid
	}
	for _, m := range n.cast {
		row := Row{UID: -1, Role: m.role, Name: m.name, Quality: m.quality, Accuracy: -1,
			Hotkey: n.files.Addresses[m.hotkey()], Coldkey: n.files.Addresses[m.name]}
		if m.role == RoleMiner {
			row.Accuracy = n.accuracyOf(m.model)
		}
		if uid, ok := uids[row.Hotkey]; ok {
			fill(&row, s, l, uid)
			delete(uids, row.Hotkey)
		}
		row.Balance = s.balances[row.Coldkey]
		row.State = n.stateOf(row)
		v.Rows = append(v.Rows, row)
	}
	for uid, hotkey := range s.meta.Hotkeys {
		if _, guest := uids[hotkey]; guest {
			row := Row{Accuracy: -1, Hotkey: hotkey, Coldkey: s.meta.Coldkeys[uid]}
			fill(&row, s, l, uid)
			row.Balance = s.balances[row.Coldkey]
			v.Rows = append(v.Rows, row)
		}
	}
	return v
}

func fill(row *Row, s snapshot, l *ledger, uid int) {
	const u16 = 65535
	row.UID = uid
	row.Stake = at(s.meta.Stake, uid)
	row.Incentive = float64(at(s.meta.Incentive, uid)) / u16
	row.Dividends = float64(at(s.meta.Dividends, uid)) / u16
	row.Trust = float64(at(s.meta.Trust, uid)) / u16
	if row.Role == RoleValidator {
		row.Trust = float64(at(s.meta.ValidatorTrust, uid)) / u16
	}
	row.Emission = at(s.meta.Emission, uid)
	row.Earned = l.earned[row.Hotkey]
}

// at reads a vector of the metagraph, which may end before its last neurons.
func at[T any](vector []T, uid int) T {
	if uid < len(vector) {
		return vector[uid]
	}
	var zero T
	return zero
}

func (n *stage) accuracyOf(model string) float64 {
	if a, ok := n.accuracy[model]; ok {
		return a
	}
	return -1
}

func (n *stage) stateOf(row Row) string {
	_, alive := n.sup.Running(row.Name)
	switch {
	case !alive:
		return "dead"
	case row.UID < 0:
		return "joining"
	}
	return ""
}

// ledger is what was seen of all epochs. It must be shown every epoch: what one
// paid to each neuron is gone from the chain's state after the next.
type ledger struct {
	rule   subnet.Split
	reward uint64 // nplx per block

	epochs  uint64
	at      uint64 // height of the last epoch, or of the block before the first reward
	carried uint64
	books   subnetv1.Ledger // the chain's, after the last epoch

	paid   int               // epochs in which miners were paid
	missed uint64            // epochs that passed unseen
	earned map[string]uint64 // nplx, by hotkey
	faults []error           // epochs that were not divided by the rule
}

func newLedger(rule subnet.Split, reward, created uint64) *ledger {
	return &ledger{rule: rule, reward: reward, at: created - 1, earned: map[string]uint64{}}
}

// record takes in a snapshot and says whether it shows a new epoch.
func (l *ledger) record(s snapshot) bool {
	now := s.subnet.Subnet
	if now.Epochs <= l.epochs || s.meta.LastEpoch != now.LastEpoch {
		return false // nothing new, or an epoch came between two questions: next time
	}
	l.missed += now.Epochs - l.epochs - 1
	l.recordSplit(now, len(s.meta.Hotkeys))
	for uid, nplx := range s.meta.Emission {
		l.earned[s.meta.Hotkeys[uid]] += nplx
	}
	l.epochs, l.at, l.books = now.Epochs, now.LastEpoch, now.Ledger
	return true
}

func (l *ledger) recordSplit(now subnetv1.Subnet, neurons int) {
	pending := l.carried + l.reward*(now.LastEpoch-l.at)
	s, err := splitOf(l.books, now.Ledger, pending)
	if err == nil && l.missed == 0 {
		err = s.check(l.rule, neurons)
	}
	if err != nil {
		l.faults = append(l.faults, fmt.Errorf("epoch %d: %w", now.Epochs, err))
	}
	l.carried = s.carried
	if s.miners > 0 {
		l.paid++
	}
}
