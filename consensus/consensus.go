package consensus

import (
	"errors"
	"fmt"
	"math"

	"github.com/plexusnet/plexus/consensus/fixed"
)

// ErrInput is wrapped by every error that Engine.Epoch returns: the input contradicts itself.
var ErrInput = errors.New("consensus: bad epoch input")

// MaxNeurons is the largest subnet: uids are 16 bits.
const MaxNeurons = math.MaxUint16 + 1

// averageUnit is the denominator of Params.BondsMovingAverage.
const averageUnit = 1_000_000

// Entry is one stored weight or bond: the uid it points at and a proportion Value/65535.
// An explicit zero is an entry too: under liquid alpha it lets an old bond decay where a missing entry drops it.
type Entry struct{ UID, Value uint16 }

// Row is what one neuron holds about others, sorted by UID without duplicates.
type Row []Entry

// Params are the hyperparameters that an epoch reads (docs/protocol.md section 5). Proportions are value/65535.
type Params struct {
	Kappa                 uint16 // majority of stake that sets the consensus weight
	BondsPenalty          uint16 // 0: bonds follow the weights as set, 65535: as clipped to consensus
	BondsMovingAverage    uint32 // inertia of bonds in millionths, [0, 1_000_000]
	Yuma3                 bool   // false: Yuma2
	LiquidAlpha           bool   // per-pair bond inertia; Yuma3 only
	AlphaLow, AlphaHigh   uint16 // bounds of the liquid alpha, AlphaLow <= AlphaHigh
	AlphaSigmoidSteepness int16  // steepness of the liquid alpha in hundredths
	StakeThreshold        uint64 // nplx; less stake counts as none, except the owner's
	MaxValidators         uint16 // permits given by stake
	ActivityCutoff        uint64 // blocks without new weights after which stake is not counted
	CommitReveal          bool   // mask weights committed before their target registered
}

// DefaultParams are the defaults of docs/protocol.md section 5.
func DefaultParams() Params {
	return Params{
		Kappa: 32767, BondsPenalty: 65535, BondsMovingAverage: 900_000, Yuma3: true,
		AlphaLow: 45875, AlphaHigh: 58982, AlphaSigmoidSteepness: 1000,
		MaxValidators: 64, ActivityCutoff: 5000, CommitReveal: true,
	}
}

// Validate says which parameter is out of range.
func (p *Params) Validate() error {
	switch {
	case p.BondsMovingAverage > averageUnit:
		return fmt.Errorf("%w: bonds moving average %d is above %d", ErrInput, p.BondsMovingAverage, averageUnit)
	case p.LiquidAlpha && p.AlphaLow > p.AlphaHigh:
		return fmt.Errorf("%w: alpha low %d is above alpha high %d", ErrInput, p.AlphaLow, p.AlphaHigh)
	}
	return nil
}

// Input is the state of one subnet at the block of its epoch. Slices are indexed by uid and all of length N except
// where said. Epoch never modifies it.
type Input struct {
	Params Params
	Height uint64 // block of this epoch
	// LastEpoch bounds the age of bonds: those toward a neuron with LastEpoch <= Registered are dropped. It is the
	// block of the last epoch plus one, or Height - tempo before the first: see LastEpoch.
	LastEpoch  uint64
	OwnerUID   int      // uid of the subnet owner's neuron, -1 for none
	Stake      []uint64 // nplx
	LastUpdate []uint64 // block of the last weights, or of their commit
	Registered []uint64 // block of registration
	// CommitHeight is the block of the commit that the stored weights came from, math.MaxUint64 where there was none.
	// Read with Params.CommitReveal only; nil masks nothing.
	CommitHeight []uint64
	Permit       []bool // permits given by the previous epoch
	Weights      []Row  // rows as stored, after MaxUpscale
	Bonds        []Row  // rows as stored by the previous epoch
}

// LastEpoch gives Input.LastEpoch from the block of the previous epoch (0: there was none).
func LastEpoch(previous, tempo, height uint64) uint64 {
	if previous != 0 {
		return previous + 1
	}
	return height - min(tempo, height)
}

// Output is what an epoch computes, a struct of arrays indexed by uid. Its memory belongs to the Engine and is
// overwritten by the next Epoch: copy what you keep.
type Output struct {
	Stake          []fixed.I32F32 // share of all stake, after the threshold
	ActiveStake    []fixed.I32F32 // share among active validators with a permit
	Consensus      []fixed.I32F32 // stake-weighted median weight toward the neuron
	Rank           []fixed.I32F32 // sum of stake times clipped weight
	Trust          []fixed.I32F32 // rank over what it would be without clipping
	ValidatorTrust []fixed.I32F32 // sum of the validator's clipped weights
	Incentive      []fixed.I32F32 // share of the miners' part, all 0 or summing to 1
	Dividends      []fixed.I32F32 // share of the validators' part, all 0 or summing to 1
	Active         []bool         // updated within the activity cutoff
	Permit         []bool         // validator permits for the next epoch
	Bonds          []Row          // bonds to store, without zeros; empty for rows without a new permit

	// The shares of an amount paid to miners and validators together: incentive and dividends over the sum of both.
	// Where nobody earned anything, Fallback is true and validators share by (active) stake.
	MinerShare, ValidatorShare, CombinedShare []fixed.I32F32
	Fallback                                  bool
}

// ValidatorPayout gives the shares of the validators' own part (docs/protocol.md section 3), summing to 1 or all 0:
// dividends, or stake where nobody earned anything.
func (o *Output) ValidatorPayout() []fixed.I32F32 {
	if o.Fallback {
		return o.ValidatorShare
	}
	return o.Dividends
}

// AppendU16 appends the stored form of proportions, floor(x*65535), to dst.
func AppendU16(dst []uint16, v []fixed.I32F32) []uint16 {
	for _, x := range v {
		dst = append(dst, x.U16())
	}
	return dst
}

// Validate checks all that Epoch checks: lengths, parameters, and that every row is sorted and stays in the subnet.
func (in *Input) Validate() error {
	if err := in.checkShape(); err != nil {
		return err
	}
	n := len(in.Stake)
	for i := range n {
		if err := badRow("weights", i, in.Weights[i], n); err != nil {
			return err
		}
		if err := badRow("bonds", i, in.Bonds[i], n); err != nil {
			return err
		}
	}
	return nil
}

func (in *Input) checkShape() error {
	n := len(in.Stake)
	if n > MaxNeurons {
		return fmt.Errorf("%w: %d neurons, at most %d fit 16-bit uids", ErrInput, n, MaxNeurons)
	}
	if err := in.Params.Validate(); err != nil {
		return err
	}
	if in.OwnerUID < -1 || in.OwnerUID >= n {
		return fmt.Errorf("%w: owner uid %d of %d neurons (-1 for none)", ErrInput, in.OwnerUID, n)
	}
	for _, s := range [...]struct {
		name string
		len  int
	}{
		{"last update", len(in.LastUpdate)}, {"registered", len(in.Registered)}, {"permit", len(in.Permit)},
		{"weights", len(in.Weights)}, {"bonds", len(in.Bonds)},
	} {
		if s.len != n {
			return fmt.Errorf("%w: %s has %d items for %d neurons", ErrInput, s.name, s.len, n)
		}
	}
	if in.CommitHeight != nil && len(in.CommitHeight) != n {
		return fmt.Errorf("%w: commit height has %d items for %d neurons", ErrInput, len(in.CommitHeight), n)
	}
	return nil
}

// badRow describes what is wrong with a row that is not strictly ascending or leaves the subnet; nil for a good one.
func badRow(kind string, i int, row Row, n int) error {
	last := -1
	for _, e := range row {
		switch uid := int(e.UID); {
		case uid >= n:
			return fmt.Errorf("%w: %s of uid %d point at uid %d of %d neurons", ErrInput, kind, i, uid, n)
		case uid == last:
			return fmt.Errorf("%w: %s of uid %d name uid %d twice", ErrInput, kind, i, uid)
		case uid < last:
			return fmt.Errorf("%w: %s of uid %d are not sorted: uid %d after %d", ErrInput, kind, i, uid, last)
		default:
			last = uid
		}
	}
	return nil
}
