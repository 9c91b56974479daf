package keeper

import (
	"encoding/binary"
	"fmt"

	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// entryBytes is the size of one (uid, value) pair in a packed row.
const entryBytes = 4

func packRow(row consensus.Row, updated uint64) subnetv1.Row {
	packed := make([]byte, 0, entryBytes*len(row))
	for _, e := range row {
		packed = binary.BigEndian.AppendUint16(packed, e.UID)
		packed = binary.BigEndian.AppendUint16(packed, e.Value)
	}
	return subnetv1.Row{Updated: updated, Entries: packed}
}

// unpackRow reads a packed row and refuses one that packRow cannot have made.
func unpackRow(row subnetv1.Row) (consensus.Row, error) {
	if len(row.Entries)%entryBytes != 0 {
		return nil, fmt.Errorf("packed row has %d bytes, not a multiple of %d", len(row.Entries), entryBytes)
	}
	entries := make(consensus.Row, 0, len(row.Entries)/entryBytes)
	for b := row.Entries; len(b) > 0; b = b[entryBytes:] {
		e := consensus.Entry{UID: binary.BigEndian.Uint16(b), Value: binary.BigEndian.Uint16(b[2:])}
		if n := len(entries); n > 0 && entries[n-1].UID >= e.UID {
			return nil, fmt.Errorf("packed row: uid %d follows uid %d", e.UID, entries[n-1].UID)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// HyperparamsFromProto reads the stored form; a value too large for its field
// is refused with subnet.ErrInvalidParams.
func HyperparamsFromProto(p subnetv1.Hyperparams) (subnet.Hyperparams, error) {
	for _, f := range []struct {
		name  string
		value uint32
	}{
		{"kappa", p.Kappa}, {"bonds_penalty", p.BondsPenalty}, {"alpha_low", p.AlphaLow},
		{"alpha_high", p.AlphaHigh}, {"max_weight", p.MaxWeight},
	} {
		if f.value > 65535 {
			return subnet.Hyperparams{}, fmt.Errorf("%s is %d, the most is 65535: %w", f.name, f.value, subnet.ErrInvalidParams)
		}
	}
	return subnet.Hyperparams{
		Tempo:              p.Tempo,
		Kappa:              uint16(p.Kappa),
		BondsMovingAverage: p.BondsMovingAverage,
		BondsPenalty:       uint16(p.BondsPenalty),
		YumaVersion:        p.YumaVersion,
		LiquidAlpha:        p.LiquidAlpha,
		AlphaLow:           uint16(p.AlphaLow),
		AlphaHigh:          uint16(p.AlphaHigh),
		AlphaSteepness:     p.AlphaSteepness,
		MaxUIDs:            p.MaxUids,
		MaxValidators:      p.MaxValidators,
		MinAllowedWeights:  p.MinAllowedWeights,
		MaxWeight:          uint16(p.MaxWeight),
		ImmunityPeriod:     p.ImmunityPeriod,
		ActivityCutoff:     p.ActivityCutoff,
		WeightsRateLimit:   p.WeightsRateLimit,
		WeightsVersion:     p.WeightsVersion,
		ServingRateLimit:   p.ServingRateLimit,
		BurnStart:          p.BurnStart,
		BurnMin:            p.BurnMin,
		BurnMax:            p.BurnMax,
		BurnIncrease:       p.BurnIncrease,
		BurnHalfLife:       p.BurnHalfLife,
		MinNonImmune:       p.MinNonImmune,
		CommitReveal:       p.CommitReveal,
		RevealPeriod:       p.RevealPeriod,
	}, nil
}

// HyperparamsToProto is the inverse of HyperparamsFromProto.
func HyperparamsToProto(h subnet.Hyperparams) subnetv1.Hyperparams {
	return subnetv1.Hyperparams{
		Tempo:              h.Tempo,
		Kappa:              uint32(h.Kappa),
		BondsMovingAverage: h.BondsMovingAverage,
		BondsPenalty:       uint32(h.BondsPenalty),
		YumaVersion:        h.YumaVersion,
		LiquidAlpha:        h.LiquidAlpha,
		AlphaLow:           uint32(h.AlphaLow),
		AlphaHigh:          uint32(h.AlphaHigh),
		AlphaSteepness:     h.AlphaSteepness,
		MaxUids:            h.MaxUIDs,
		MaxValidators:      h.MaxValidators,
		MinAllowedWeights:  h.MinAllowedWeights,
		MaxWeight:          uint32(h.MaxWeight),
		ImmunityPeriod:     h.ImmunityPeriod,
		ActivityCutoff:     h.ActivityCutoff,
		WeightsRateLimit:   h.WeightsRateLimit,
		WeightsVersion:     h.WeightsVersion,
		ServingRateLimit:   h.ServingRateLimit,
		BurnStart:          h.BurnStart,
		BurnMin:            h.BurnMin,
		BurnMax:            h.BurnMax,
		BurnIncrease:       h.BurnIncrease,
		BurnHalfLife:       h.BurnHalfLife,
		MinNonImmune:       h.MinNonImmune,
		CommitReveal:       h.CommitReveal,
		RevealPeriod:       h.RevealPeriod,
	}
}

// DefaultParams are the parameters of a new network.
func DefaultParams() subnetv1.Params {
	split, demand := subnet.DefaultSplit(), subnet.DefaultDemandRules()
	return subnetv1.Params{
		OwnerBps:          split.Owner,
		MinerBps:          split.Miners,
		ValidatorBps:      split.Validators,
		MaxEpochsPerBlock: 16,
		MaxSubnets:        1024,
		MinLock:           100 * subnet.PLX,
		LockInterval:      100_800, // two weeks of 12 s blocks
		StakeThreshold:    0,
		Defaults:          HyperparamsToProto(subnet.DefaultHyperparams()),

		HyperparamsRateLimit: 720, // two epochs of the default tempo
		HyperparamsFreeze:    10,
		RootWeightsRateLimit: 100,
		MaxHistory:           40, // two days of epochs every 72 minutes
		SwapCost:             subnet.PLX / 10,
		MaxRevealsPerBlock:   32,
		Beacon:               DefaultBeacon(),
		FailedCommitFee:      subnet.PLX / 100,
		DemandMix:            demand.Mix,
		DemandCap:            demand.Cap,
	}
}

// ValidateParams reports parameters that are out of bounds.
func ValidateParams(p subnetv1.Params) error {
	if err := splitOf(p).Validate(); err != nil {
		return err
	}
	if err := validateRanges(p); err != nil {
		return err
	}
	if err := demandRulesOf(p).Validate(); err != nil {
		return err
	}
	defaults, err := HyperparamsFromProto(p.Defaults)
	if err != nil {
		return fmt.Errorf("defaults: %w", err)
	}
	if err := defaults.Validate(); err != nil {
		return fmt.Errorf("defaults: %w", err)
	}
	return validateCommitParams(p)
}

// Bounds of parameters that cost every node time or space.
const (
	maxSubnets       = 65535       // netuids are u16
	maxPeriodBlocks  = 100_000_000 // 38 years
	maxHistoryEpochs = 1_000
)

// validateRanges reports the first number that is out of its range.
func validateRanges(p subnetv1.Params) error {
	for _, f := range []struct {
		name             string
		value, low, high uint64
	}{
		{"max_epochs_per_block", uint64(p.MaxEpochsPerBlock), 1, maxSubnets},
		{"max_subnets", uint64(p.MaxSubnets), 1, maxSubnets},
		{"min_lock", p.MinLock, 0, subnet.Cap},
		{"stake_threshold", p.StakeThreshold, 0, subnet.Cap},
		{"lock_interval", p.LockInterval, 1, maxPeriodBlocks},
		{"hyperparams_rate_limit", p.HyperparamsRateLimit, 0, maxPeriodBlocks},
		{"hyperparams_freeze", p.HyperparamsFreeze, 0, maxPeriodBlocks},
		// At least one block: the limit is all that bounds a message without a fee.
		{"root_weights_rate_limit", p.RootWeightsRateLimit, 1, maxPeriodBlocks},
		{"max_history", uint64(p.MaxHistory), 0, maxHistoryEpochs},
		{"swap_cost", p.SwapCost, 0, subnet.Cap},
	} {
		if f.value < f.low || f.value > f.high {
			return fmt.Errorf("%s is %d, want %d to %d: %w", f.name, f.value, f.low, f.high, subnet.ErrInvalidParams)
		}
	}
	return nil
}

func splitOf(p subnetv1.Params) subnet.Split {
	return subnet.Split{Owner: p.OwnerBps, Miners: p.MinerBps, Validators: p.ValidatorBps}
}

func demandRulesOf(p subnetv1.Params) subnet.DemandRules {
	return subnet.DemandRules{Mix: p.DemandMix, Cap: p.DemandCap}
}

func ownerRulesOf(p subnetv1.Params) subnet.OwnerRules {
	return subnet.OwnerRules{RateLimit: p.HyperparamsRateLimit, Freeze: p.HyperparamsFreeze}
}

func streamsFromProto(s subnetv1.Streams) []subnet.Stream {
	streams := make([]subnet.Stream, len(s.Streams))
	for i, st := range s.Streams {
		streams[i] = subnet.Stream{Validator: st.Validator, Total: st.Total, Start: st.Start, Length: st.Length}
	}
	return streams
}

func streamsToProto(streams []subnet.Stream) subnetv1.Streams {
	stored := make([]subnetv1.Stream, len(streams))
	for i, s := range streams {
		stored[i] = subnetv1.Stream{Validator: s.Validator, Total: s.Total, Start: s.Start, Length: s.Length}
	}
	return subnetv1.Streams{Streams: stored}
}
