package subnet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/plexusnet/plexus/consensus"
)

// Bounds of commits.
const (
	// RevealGrace is how many epochs longer than its period a timelocked
	// commit is kept when its round is late.
	RevealGrace = 8
	// KeptCommits is how many settled commits of a neuron are remembered.
	KeptCommits = 4
	// Sizes of a salt in bytes: enough that nobody can guess the opening of a
	// hash by trying rows.
	MinSaltBytes = 16
	MaxSaltBytes = 32
)

// What can be wrong with a commit or its opening.
var (
	ErrCommitReveal  = errors.New("weights come in another way to this subnet")
	ErrWrongEpoch    = errors.New("commit is for another epoch")
	ErrCommitted     = errors.New("already committed in this epoch")
	ErrUnknownCommit = errors.New("no such hidden commit")
	ErrNotDue        = errors.New("too early to open")
	ErrExpired       = errors.New("not opened within its period")
	ErrWrongBinding  = errors.New("opening was made for another commit")
	ErrSuperseded    = errors.New("newer weights are in force")
	ErrChangedHands  = errors.New("uid changed hands since the commit")
)

// CheckScheme refuses weights that come in by another way than the subnet asks
// for, and says which.
func (h Hyperparams) CheckScheme(scheme string) error {
	if h.CommitReveal == scheme {
		return nil
	}
	way := map[string]string{
		CommitRevealTimelock: "hidden until a beacon's round opens them (plexus tx subnet commit-weights)",
		CommitRevealHash:     "hidden behind a hash (plexus tx subnet commit-hash)",
		CommitRevealOff:      "plain (plexus tx subnet set-weights)",
	}[h.CommitReveal]
	return fmt.Errorf("commit_reveal is %q: the subnet takes weights %s: %w", h.CommitReveal, way, ErrCommitReveal)
}

// Window is where a commit stands in its subnet's epochs.
type Window struct {
	Epochs    uint64 // that the subnet has run
	Named     uint64 // by the commit
	Committed bool   // its author has an outstanding commit of this epoch
}

// CheckCommit applies to a commit those checks of protocol section 7 that can
// be made while its weights are hidden, in its order. The author needs a
// permit: a lone self-weight cannot be told from other rows. Those of the
// weights themselves follow when they are opened, by CheckOpened.
func (h Hyperparams) CheckCommit(scheme string, stakeThreshold, height uint64, author Author, w Window) error {
	if err := h.CheckScheme(scheme); err != nil {
		return err
	}
	if w.Named != w.Epochs {
		return fmt.Errorf("it names epoch %d, the subnet is in epoch %d: build it again: %w", w.Named, w.Epochs, ErrWrongEpoch)
	}
	if author.Stake < stakeThreshold {
		return fmt.Errorf("stake is %d nplx, the network asks for %d: %w", author.Stake, stakeThreshold, ErrStakeTooLow)
	}
	if wait := h.BlocksUntilWeights(author, height); wait > 0 {
		return fmt.Errorf("weights were set or committed at height %d, next in %d blocks: %w", author.Updated, wait, ErrRateLimited)
	}
	if !author.Permit {
		return fmt.Errorf("uid %d is not among the %d validators with the most stake: %w", author.UID, h.MaxValidators, ErrNoPermit)
	}
	if w.Committed {
		return fmt.Errorf("uid %d has an outstanding commit of epoch %d: wait for the next epoch: %w", author.UID, w.Epochs, ErrCommitted)
	}
	return nil
}

// CommitDue returns how many epochs the subnet must have run before a commit
// of an epoch may be opened.
func (h Hyperparams) CommitDue(epoch uint64) uint64 { return epoch + h.RevealPeriod }

// Commit is a hidden opinion.
type Commit struct {
	Scheme  string // CommitRevealTimelock or CommitRevealHash
	ChainID string
	Netuid  uint32
	Hotkey  string
	Height  uint64 // when it was made
	Epoch   uint64 // epochs that the subnet had run by then
	Due     uint64 // from CommitDue
}

// Lapsed tells whether a commit that is still hidden has missed its period
// once the subnet has run so many epochs. A hash must be opened in the epoch in
// which it is due; a timelocked commit, which waits for others, has
// RevealGrace epochs more.
func (c Commit) Lapsed(epochs uint64) bool {
	if c.Scheme == CommitRevealTimelock {
		return epochs > c.Due+RevealGrace
	}
	return epochs > c.Due
}

// CheckDue tells why a commit may not be opened once the subnet has run so many
// epochs: ErrNotDue or ErrExpired.
func (c Commit) CheckDue(epochs uint64) error {
	if epochs < c.Due {
		return fmt.Errorf("it may be opened in epoch %d, the subnet is in epoch %d: %w", c.Due, epochs, ErrNotDue)
	}
	if c.Lapsed(epochs) {
		return fmt.Errorf("it was due in epoch %d, the subnet is in epoch %d: %w", c.Due, epochs, ErrExpired)
	}
	return nil
}

// Opening is what a commit hid.
type Opening struct {
	ChainID string
	Netuid  uint32
	Hotkey  string
	Epoch   uint64
	Salt    []byte
	Opinion Opinion
}

// CheckBinding refuses an opening that was not made for this very commit, such
// as a copy of what somebody else committed.
func (c Commit) CheckBinding(o Opening) error {
	switch {
	case o.ChainID != c.ChainID:
		return fmt.Errorf("made for chain %.50q, this is %q: %w", o.ChainID, c.ChainID, ErrWrongBinding)
	case o.Netuid != c.Netuid:
		return fmt.Errorf("made for subnet %d, committed in %d: %w", o.Netuid, c.Netuid, ErrWrongBinding)
	case o.Hotkey != c.Hotkey:
		return fmt.Errorf("made for hotkey %.100q, committed by %s: %w", o.Hotkey, c.Hotkey, ErrWrongBinding)
	case o.Epoch != c.Epoch:
		return fmt.Errorf("made for epoch %d, committed in %d: %w", o.Epoch, c.Epoch, ErrWrongBinding)
	case len(o.Salt) < MinSaltBytes || len(o.Salt) > MaxSaltBytes:
		return fmt.Errorf("salt has %d bytes, want %d to %d: %w", len(o.Salt), MinSaltBytes, MaxSaltBytes, ErrWrongBinding)
	}
	return nil
}

// Holder is who has the commit's uid when it is opened.
type Holder struct {
	Hotkey     string // "": nobody
	Registered uint64 // height
	HasRow     bool   // weights are in force
	RowHeight  uint64 // at which they were set or committed
}

// CheckHolder refuses to open a commit whose uid has changed hands, or whose
// author's weights in force are newer. A hotkey that was swapped keeps its
// registration, and so its commits.
func (c Commit) CheckHolder(h Holder) error {
	same := h.Registered < c.Height || h.Registered == c.Height && h.Hotkey == c.Hotkey
	if h.Hotkey == "" || !same {
		return fmt.Errorf("%s committed at height %d, the uid was given out at height %d: %w", c.Hotkey, c.Height, h.Registered, ErrChangedHands)
	}
	if h.HasRow && h.RowHeight > c.Height {
		return fmt.Errorf("committed at height %d, those in force are of height %d: %w", c.Height, h.RowHeight, ErrSuperseded)
	}
	return nil
}

// CheckOpened applies to an opened opinion, in a subnet of n neurons, the
// checks of protocol section 7 that were not made when it was committed, and
// returns the row to store. What held at the commit need not hold any more:
// the epoch masks what has lost its permit since, and weights toward uids that
// are vacant by now are left out.
func (h Hyperparams) CheckOpened(n int, vacant []uint16, o Opinion) (consensus.Row, error) {
	if err := h.checkVersion(o); err != nil {
		return nil, err
	}
	row, err := h.buildRow(n, nil, o)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(row, func(e consensus.Entry) bool { return slices.Contains(vacant, e.UID) }), nil
}
