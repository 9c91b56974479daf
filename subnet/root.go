package subnet

import (
	"fmt"
	"slices"

	"github.com/plexusnet/plexus/consensus"
)

// RootOpinion is what a validator says the subnets are worth. Only the ratios
// of the values count; an empty one takes back what was said before.
type RootOpinion struct {
	Netuids []uint32
	Values  []uint32 // u16 each
}

// RootRules is what a root opinion is checked against.
type RootRules struct {
	StakeThreshold uint64   // nplx
	RateLimit      uint64   // blocks between two opinions of one hotkey
	Netuids        []uint32 // subnets that exist, ascending; those that no opinion names may be left out
}

// Check applies the rules to an opinion of an author with stake, and returns
// the row to store: sorted by netuid, scaled so that the largest weight is
// 65535, zeros left out. Source: protocol section 2.
func (r RootRules) Check(height uint64, author Author, o RootOpinion) (consensus.Row, error) {
	if author.Stake == 0 || author.Stake < r.StakeThreshold {
		return nil, fmt.Errorf("stake is %d nplx, the network asks for %d: %w", author.Stake, max(r.StakeThreshold, 1), ErrStakeTooLow)
	}
	if wait := r.BlocksUntil(author, height); wait > 0 {
		return nil, fmt.Errorf("root weights were set at height %d, next in %d blocks: %w", author.Updated, wait, ErrRateLimited)
	}
	return r.buildRow(o)
}

// BlocksUntil returns after how many blocks the author may set root weights; 0
// means now.
func (r RootRules) BlocksUntil(author Author, height uint64) uint64 {
	if !author.HasSet {
		return 0
	}
	return saturatingSub(r.RateLimit, saturatingSub(height, author.Updated))
}

func (r RootRules) buildRow(o RootOpinion) (consensus.Row, error) {
	if len(o.Netuids) != len(o.Values) {
		return nil, fmt.Errorf("%d netuids but %d values: %w", len(o.Netuids), len(o.Values), ErrInvalidWeights)
	}
	values := make([]uint32, len(r.Netuids))
	given := make([]bool, len(r.Netuids))
	for i, netuid := range o.Netuids {
		at, exists := slices.BinarySearch(r.Netuids, netuid)
		switch {
		case !exists:
			return nil, fmt.Errorf("netuid %d: %w", netuid, ErrUnknownNetuid)
		case given[at]:
			return nil, fmt.Errorf("netuid %d is given twice: %w", netuid, ErrInvalidWeights)
		case o.Values[i] > 65535:
			return nil, fmt.Errorf("weight of netuid %d is %d, the most is 65535: %w", netuid, o.Values[i], ErrInvalidWeights)
		}
		values[at], given[at] = o.Values[i], true
	}
	row := make(consensus.Row, 0, len(o.Netuids))
	for i, v := range consensus.MaxUpscale(nil, values) {
		if v > 0 {
			row = append(row, consensus.Entry{UID: uint16(r.Netuids[i]), Value: v})
		}
	}
	if len(row) == 0 && len(o.Netuids) > 0 {
		return nil, fmt.Errorf("all weights are 0; give none at all to take an opinion back: %w", ErrInvalidWeights)
	}
	return row, nil
}

// ByIndex turns a row over netuids into one over indexes into netuids, which
// are the subnets that exist, ascending. Entries of removed subnets drop out.
func ByIndex(row consensus.Row, netuids []uint32) consensus.Row {
	indexed := make(consensus.Row, 0, len(row))
	for _, e := range row {
		if at, exists := slices.BinarySearch(netuids, uint32(e.UID)); exists {
			indexed = append(indexed, consensus.Entry{UID: uint16(at), Value: e.Value})
		}
	}
	return indexed
}
