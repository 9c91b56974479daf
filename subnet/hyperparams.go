package subnet

import (
	"errors"
	"fmt"
)

// Hyperparams are the rules of one subnet. Heights and periods are blocks, u16
// values are fractions of 65535, amounts nplx.
type Hyperparams struct {
	Tempo              uint64 // blocks between epochs
	Kappa              uint16 // stake majority that consensus needs
	BondsMovingAverage uint32 // per 1e6: weight of the old bonds
	BondsPenalty       uint16 // how far bonds follow the clipped weights
	YumaVersion        uint32 // 2 or 3
	LiquidAlpha        bool
	AlphaLow           uint16
	AlphaHigh          uint16
	AlphaSteepness     int32 // hundredths
	MaxUIDs            uint32
	MaxValidators      uint32
	MinAllowedWeights  uint32
	MaxWeight          uint16 // of the row normalised to sum 1
	ImmunityPeriod     uint64 // blocks
	ActivityCutoff     uint64 // blocks
	WeightsRateLimit   uint64 // blocks
	WeightsVersion     uint64
	ServingRateLimit   uint64 // blocks
	BurnStart          uint64 // nplx: the first registration price
	BurnMin            uint64 // nplx
	BurnMax            uint64 // nplx
	BurnIncrease       uint32 // basis points of the price after a registration
	BurnHalfLife       uint64 // blocks
	MinNonImmune       uint32
	CommitReveal       string // how weights are hidden: one of the CommitReveal constants
	RevealPeriod       uint64 // epochs that a commit stays hidden
}

// How a subnet hides the weights of its validators from those who would copy
// them.
const (
	CommitRevealTimelock = "timelock" // encrypted to a future round of the beacon
	CommitRevealHash     = "hash"     // behind a hash that the author opens
	CommitRevealOff      = "off"      // not at all: plain weights
)

// Bounds of the hyperparameters that cost the chain time or space.
const (
	MaxTempo    = 1_000_000 // blocks, four months
	MaxMaxUIDs  = 4096
	maxPeriod   = 100_000_000 // blocks, 38 years
	maxIncrease = 100_000     // basis points: tenfold
	maxSteep    = 32_767      // hundredths
	maxReveal   = 100         // epochs
)

// DefaultHyperparams are those of protocol section 5.
func DefaultHyperparams() Hyperparams {
	return Hyperparams{
		Tempo:              360,
		Kappa:              32767,
		BondsMovingAverage: 900_000,
		BondsPenalty:       65535,
		YumaVersion:        3,
		AlphaLow:           45875,
		AlphaHigh:          58982,
		AlphaSteepness:     1000,
		MaxUIDs:            256,
		MaxValidators:      64,
		MinAllowedWeights:  1,
		MaxWeight:          65535,
		ImmunityPeriod:     4096,
		ActivityCutoff:     5000,
		WeightsRateLimit:   100,
		ServingRateLimit:   50,
		BurnStart:          PLX,
		BurnMin:            PLX / 2000,
		BurnMax:            100 * PLX,
		BurnIncrease:       12_600,
		BurnHalfLife:       360,
		MinNonImmune:       10,
		CommitReveal:       CommitRevealTimelock,
		RevealPeriod:       1,
	}
}

// Validate reports every hyperparameter that is out of its bounds.
func (h Hyperparams) Validate() error {
	return errors.Join(
		inRange("tempo", h.Tempo, 1, MaxTempo),
		inRange("kappa", uint64(h.Kappa), 1, 65534),
		inRange("bonds_moving_average", uint64(h.BondsMovingAverage), 0, 1_000_000),
		inRange("yuma_version", uint64(h.YumaVersion), 2, 3),
		inRange("alpha_low", uint64(h.AlphaLow), 1, uint64(h.AlphaHigh)),
		inRange("alpha_steepness", uint64(max(h.AlphaSteepness, -h.AlphaSteepness)), 0, maxSteep),
		inRange("max_uids", uint64(h.MaxUIDs), 1, MaxMaxUIDs),
		inRange("max_validators", uint64(h.MaxValidators), 1, uint64(h.MaxUIDs)),
		inRange("min_allowed_weights", uint64(h.MinAllowedWeights), 0, uint64(h.MaxUIDs)),
		inRange("max_weight", uint64(h.MaxWeight), 1, 65535),
		inRange("immunity_period", h.ImmunityPeriod, 0, maxPeriod),
		inRange("activity_cutoff", h.ActivityCutoff, 1, maxPeriod),
		// At least one block: these limits are all that bounds work without a fee.
		inRange("weights_rate_limit", h.WeightsRateLimit, 1, maxPeriod),
		inRange("serving_rate_limit", h.ServingRateLimit, 1, maxPeriod),
		inRange("burn_min", h.BurnMin, 0, h.BurnMax),
		inRange("burn_start", h.BurnStart, h.BurnMin, h.BurnMax),
		inRange("burn_max", h.BurnMax, 0, Cap),
		inRange("burn_increase", uint64(h.BurnIncrease), BasisPoints, maxIncrease),
		inRange("burn_half_life", h.BurnHalfLife, 1, maxPeriod),
		inRange("min_non_immune", uint64(h.MinNonImmune), 0, uint64(h.MaxUIDs)),
		validCommitReveal(h.CommitReveal),
		inRange("reveal_period", h.RevealPeriod, 1, maxReveal),
	)
}

func validCommitReveal(scheme string) error {
	switch scheme {
	case CommitRevealTimelock, CommitRevealHash, CommitRevealOff:
		return nil
	}
	return fmt.Errorf("commit_reveal is %q, want %q, %q or %q: %w",
		scheme, CommitRevealTimelock, CommitRevealHash, CommitRevealOff, ErrInvalidParams)
}

func inRange(name string, value, low, high uint64) error {
	if value >= low && value <= high {
		return nil
	}
	return fmt.Errorf("%s is %d, want %d to %d: %w", name, value, low, high, ErrInvalidParams)
}

// Scaled returns the hyperparameters with every period that is counted in
// blocks divided by a factor, at least 1 block each, for networks in which
// less time is to pass.
func (h Hyperparams) Scaled(factor uint64) Hyperparams {
	for _, period := range []*uint64{
		&h.Tempo, &h.ImmunityPeriod, &h.ActivityCutoff, &h.WeightsRateLimit, &h.ServingRateLimit, &h.BurnHalfLife,
	} {
		*period = max(*period/max(factor, 1), 1)
	}
	return h
}
