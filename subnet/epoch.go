package subnet

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/consensus/fixed"
)

// Clock tells when a subnet's epochs are due.
type Clock struct {
	LastEpoch uint64 // height of the last epoch, or of the subnet's creation
	Tempo     uint64 // blocks
}

// Next returns the height at which the next epoch is due.
func (c Clock) Next() uint64 { return saturatingAdd(c.LastEpoch, c.Tempo) }

// DueEpochs returns the indexes of the subnets whose epochs run in the block
// at height, in the order in which they run and at most limit of them. Those
// that wait longest go first, ties in order of netuid, the order of clocks.
// Source: protocol section 4.
func DueEpochs(clocks []Clock, height uint64, limit int) []int {
	var due []int
	for i, c := range clocks {
		if height >= c.Next() {
			due = append(due, i)
		}
	}
	slices.SortStableFunc(due, func(a, b int) int {
		return cmp.Compare(clocks[a].Next(), clocks[b].Next())
	})
	return due[:min(len(due), limit)]
}

// Neuron is one neuron as an epoch sees it.
type Neuron struct {
	Registered uint64 // height
	Updated    uint64 // height of its last weights or commit, or of its registration
	Stake      uint64 // nplx of its validator now, 0 if jailed or without one
	LastStake  uint64 // nplx at the subnet's previous epoch, 0 if it was not there
	Permit     bool   // from the previous epoch
	Weights    consensus.Row
	Bonds      consensus.Row
	// CommitHeight is when Weights were committed, or set where they were not
	// hidden. They have no say on neurons registered later. 0: at Updated.
	CommitHeight uint64
}

// Epoch is the state of a subnet when its epoch runs. Neurons are indexed by
// uid.
type Epoch struct {
	Height         uint64
	LastEpoch      uint64 // height of the previous epoch, 0 if there was none
	Pending        uint64 // nplx to split
	OwnerUID       int    // -1: the subnet's owner has no neuron
	StakeThreshold uint64 // nplx
	Split          Split
	Hyperparams    Hyperparams
	Neurons        []Neuron
}

// Result is what an epoch decides. Owner + Burned + Carried and the sums of
// Miners and Validators add up to the epoch's pending amount exactly.
type Result struct {
	// Output belongs to the engine: it is valid until its next epoch.
	Output     *consensus.Output
	Owner      uint64   // nplx to the subnet's owner
	Miners     []uint64 // nplx by uid, to the coldkey
	Validators []uint64 // nplx by uid, to a stream for its validator
	Burned     uint64   // nplx: the miners' part when nobody has incentive
	Carried    uint64   // nplx that stays pending
}

// Run computes Yuma consensus and splits the pending emission. Source:
// protocol sections 3 and 5.
func (e *Epoch) Run(engine *consensus.Engine) (*Result, error) {
	out, err := engine.Epoch(e.input())
	if err != nil {
		return nil, fmt.Errorf("consensus at height %d: %w", e.Height, err)
	}
	parts := e.Split.Divide(e.Pending)
	r := &Result{
		Output:     out,
		Owner:      parts.Owner,
		Miners:     make([]uint64, len(e.Neurons)),
		Validators: make([]uint64, len(e.Neurons)),
	}
	minersLeft, err := consensus.Apportion(r.Miners, parts.Miners, out.Incentive)
	if err != nil {
		return nil, fmt.Errorf("miners' part at height %d: %w", e.Height, err)
	}
	validatorsLeft, err := consensus.Apportion(r.Validators, parts.Validators, out.ValidatorPayout())
	if err != nil {
		return nil, fmt.Errorf("validators' part at height %d: %w", e.Height, err)
	}
	if nobody(out.Incentive) {
		r.Burned, minersLeft = minersLeft, 0
	}
	r.Carried = parts.Rest + minersLeft + validatorsLeft
	return r, nil
}

func nobody(shares []fixed.I32F32) bool {
	return !slices.ContainsFunc(shares, func(s fixed.I32F32) bool { return s > 0 })
}

func (e *Epoch) input() *consensus.Input {
	n := len(e.Neurons)
	h := e.Hyperparams
	in := &consensus.Input{
		Params: consensus.Params{
			Kappa:                 h.Kappa,
			BondsPenalty:          h.BondsPenalty,
			BondsMovingAverage:    h.BondsMovingAverage,
			Yuma3:                 h.YumaVersion == 3,
			LiquidAlpha:           h.LiquidAlpha,
			AlphaLow:              h.AlphaLow,
			AlphaHigh:             h.AlphaHigh,
			AlphaSigmoidSteepness: int16(h.AlphaSteepness),
			StakeThreshold:        e.StakeThreshold,
			MaxValidators:         uint16(h.MaxValidators),
			ActivityCutoff:        h.ActivityCutoff,
			CommitReveal:          true, // masks nothing where no height says so
		},
		Height:     e.Height,
		LastEpoch:  consensus.LastEpoch(e.LastEpoch, h.Tempo, e.Height),
		OwnerUID:   e.OwnerUID,
		Stake:      make([]uint64, n),
		LastUpdate: make([]uint64, n),
		Registered: make([]uint64, n),
		Permit:     make([]bool, n),
		Weights:    make([]consensus.Row, n),
		Bonds:      make([]consensus.Row, n),

		CommitHeight: make([]uint64, n),
	}
	for uid, neuron := range e.Neurons {
		in.Stake[uid] = min(neuron.Stake, neuron.LastStake)
		in.LastUpdate[uid] = neuron.Updated
		in.Registered[uid] = neuron.Registered
		in.Permit[uid] = neuron.Permit
		in.Weights[uid] = neuron.Weights
		in.Bonds[uid] = neuron.Bonds
		in.CommitHeight[uid] = neuron.CommitHeight
		if neuron.CommitHeight == 0 {
			in.CommitHeight[uid] = math.MaxUint64 // none: see consensus.Input
		}
	}
	return in
}
