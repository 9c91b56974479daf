package subnet

import (
	"fmt"
	"slices"

	"github.com/plexusnet/plexus/consensus"
)

// Author is what the chain knows when a neuron wants to set weights.
type Author struct {
	UID     uint16
	Stake   uint64 // nplx now
	Permit  bool   // of the last epoch
	HasSet  bool   // it has set or committed weights before
	Updated uint64 // height at which it last did
	// Vacant are the uids of the subnet that nobody has at the moment. No
	// weight may point at them.
	Vacant []uint16
}

// Opinion is a row of weights as its author sends it. Only the ratios of the
// values count.
type Opinion struct {
	UIDs    []uint32
	Values  []uint32 // u16 each
	Version uint64
}

// CheckWeights applies the checks of protocol section 7, in its order, to an
// opinion in a subnet of n neurons, and returns the row to store: sorted by
// uid, scaled so that the largest weight is 65535. That the subnet exists and
// the author is registered in it is the caller's to know.
func (h Hyperparams) CheckWeights(stakeThreshold uint64, n int, height uint64, author Author, o Opinion) (consensus.Row, error) {
	if author.Stake < stakeThreshold {
		return nil, fmt.Errorf("stake is %d nplx, the network asks for %d: %w", author.Stake, stakeThreshold, ErrStakeTooLow)
	}
	if err := h.checkVersion(o); err != nil {
		return nil, err
	}
	if wait := h.BlocksUntilWeights(author, height); wait > 0 {
		return nil, fmt.Errorf("weights were set at height %d, next in %d blocks: %w", author.Updated, wait, ErrRateLimited)
	}
	if !author.Permit && !loneSelfWeight(author.UID, o.UIDs) {
		return nil, fmt.Errorf("uid %d is not among the %d validators with the most stake: %w", author.UID, h.MaxValidators, ErrNoPermit)
	}
	return h.buildRow(n, author.Vacant, o)
}

func (h Hyperparams) checkVersion(o Opinion) error {
	if o.Version == h.WeightsVersion {
		return nil
	}
	return fmt.Errorf("version is %d, the subnet wants %d: update the validator: %w", o.Version, h.WeightsVersion, ErrWrongVersion)
}

// BlocksUntilWeights returns after how many blocks the author may set weights;
// 0 means now.
func (h Hyperparams) BlocksUntilWeights(author Author, height uint64) uint64 {
	if !author.HasSet {
		return 0
	}
	return saturatingSub(h.WeightsRateLimit, saturatingSub(height, author.Updated))
}

func loneSelfWeight(uid uint16, uids []uint32) bool {
	return len(uids) == 1 && uids[0] == uint32(uid)
}

func (h Hyperparams) buildRow(n int, vacant []uint16, o Opinion) (consensus.Row, error) {
	if len(o.UIDs) != len(o.Values) {
		return nil, fmt.Errorf("%d uids but %d values: %w", len(o.UIDs), len(o.Values), ErrInvalidWeights)
	}
	sorted := slices.Sorted(slices.Values(o.UIDs))
	for i, uid := range sorted {
		if i > 0 && sorted[i-1] == uid {
			return nil, fmt.Errorf("uid %d is given twice: %w", uid, ErrInvalidWeights)
		}
	}
	if last := len(sorted) - 1; last >= 0 && uint64(sorted[last]) >= uint64(n) {
		return nil, fmt.Errorf("uid %d, the subnet has %d neurons: %w", sorted[last], n, ErrUnknownUID)
	}
	for _, uid := range vacant {
		if _, given := slices.BinarySearch(sorted, uint32(uid)); given {
			return nil, fmt.Errorf("uid %d is vacant, its neuron was deregistered: %w", uid, ErrUnknownUID)
		}
	}
	if len(o.UIDs) < int(h.MinAllowedWeights) {
		return nil, fmt.Errorf("%d weights, the subnet wants at least %d: %w", len(o.UIDs), h.MinAllowedWeights, ErrTooFewWeights)
	}
	for i, v := range o.Values {
		if v > 65535 {
			return nil, fmt.Errorf("weight of uid %d is %d, the most is 65535: %w", o.UIDs[i], v, ErrInvalidWeights)
		}
	}
	values := make([]uint32, n)
	given := make([]bool, n)
	for i, uid := range o.UIDs {
		values[uid], given[uid] = o.Values[i], true
	}
	row := make(consensus.Row, 0, len(o.UIDs))
	for uid, v := range consensus.MaxUpscale(nil, values) {
		if given[uid] {
			row = append(row, consensus.Entry{UID: uint16(uid), Value: v})
		}
	}
	if !consensus.WithinMaxWeight(row, h.MaxWeight) {
		return nil, fmt.Errorf("the largest weight is more than %d/65535 of the row: %w", h.MaxWeight, ErrWeightTooLarge)
	}
	return row, nil
}
