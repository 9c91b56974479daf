package subnet

import (
	"fmt"
	"slices"
)

// DemandRules say how far the shares of subnets follow what callers pay, in
// basis points. The zero value lets root weights alone decide.
type DemandRules struct {
	Mix uint32 // most of the block reward that follows demand
	Cap uint32 // most of what is burned for a subnet that comes back to it
}

// DefaultDemandRules leave shares to the root weights. Where a network turns
// Mix up, whoever burns to farm loses at least half of it.
func DefaultDemandRules() DemandRules { return DemandRules{Mix: 0, Cap: 5000} }

// Validate reports rules out of bounds, wrapping ErrInvalidParams. A Cap above
// the whole would pay for burning.
func (r DemandRules) Validate() error {
	if r.Mix > uint32(BasisPoints) {
		return fmt.Errorf("demand_mix is %d basis points, want 0 to %d: %w", r.Mix, BasisPoints, ErrInvalidParams)
	}
	if r.Cap > uint32(BasisPoints) {
		return fmt.Errorf("demand_cap is %d basis points, want 0 to %d: %w", r.Cap, BasisPoints, ErrInvalidParams)
	}
	return nil
}

// Emission is what a subnet gets of one block's reward, by reason.
type Emission struct {
	Root   uint64 // nplx by root shares
	Demand uint64 // nplx by what callers paid
}

// Total is all that the subnet gets of the block.
func (e Emission) Total() uint64 { return e.Root + e.Demand }

// NetuidAmount is an amount of one subnet.
type NetuidAmount struct {
	Netuid uint32
	Amount uint64 // nplx
}

// AmountsOf returns the amounts of the given subnets, both ascending by
// netuid; 0 for those that have none. Amounts of other subnets drop out.
func AmountsOf(netuids []uint32, all []NetuidAmount) []uint64 {
	amounts := make([]uint64, len(netuids))
	for _, a := range all {
		if at, exists := slices.BinarySearch(netuids, a.Netuid); exists {
			amounts[at] = a.Amount
		}
	}
	return amounts
}

// MixDemand divides a block's reward E over subnets by their root shares and
// by the nplx burned for them per block, smoothed. Both have
// one element per subnet, ascending by netuid; the root shares are those of
// RootShares. In exact numbers
//
//	share_j = (1 - m) root_j + m burned_j / B,  m = min(Mix, Cap B / E),  B = sum burned
//
// and in integers
//
//	pot      = min(floor(E Mix / 10000), floor(B Cap / 10000))
//	Demand_j = floor(pot burned_j / B)
//	whole    = Apportion(E, root)
//	Root_j   = whole_j - Apportion(sum Demand, whole)_j
//
// so that the totals add up to E exactly and, whatever is burned,
//
//	Demand_j <= burned_j Cap / 10000   and   Root_j <= whole_j.
//
// Burning for a subnet thus returns at most Cap of it, even to one who is its
// owner, its only miner and its only validator. Without demand, or with Mix 0,
// the result is Apportion(E, root). Amounts that add up to more than Cap nplx
// were never burned: wrong books count as no demand.
// Source: docs/protocol.md section 2.
func MixDemand(reward uint64, root, burned []uint64, rules DemandRules) []Emission {
	parts := make([]Emission, len(root))
	moved := uint64(0)
	for j, d := range demandParts(reward, burned, rules) {
		parts[j].Demand = d
		moved += d
	}
	whole := Apportion(reward, root)
	for j, given := range Apportion(moved, whole) {
		parts[j].Root = whole[j] - given
	}
	return parts
}

// demandParts returns Demand_j of MixDemand, or nothing where there is none.
func demandParts(reward uint64, burned []uint64, rules DemandRules) []uint64 {
	total := uint64(0)
	for _, b := range burned {
		total = saturatingAdd(total, b)
	}
	if total == 0 || total > Cap {
		return nil
	}
	pot := min(mulDiv(reward, uint64(rules.Mix), BasisPoints), mulDiv(total, uint64(rules.Cap), BasisPoints))
	parts := make([]uint64, len(burned))
	for j, b := range burned {
		parts[j] = mulDiv(pot, b, total)
	}
	return parts
}
