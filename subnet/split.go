package subnet

import (
	"cmp"
	"fmt"
	"slices"
)

// Split says how an epoch's emission is divided, in basis points.
type Split struct {
	Owner, Miners, Validators uint32
}

// DefaultSplit is 18/41/41.
func DefaultSplit() Split { return Split{Owner: 1800, Miners: 4100, Validators: 4100} }

// Validate reports a split that does not add up to the whole.
func (s Split) Validate() error {
	sum := uint64(s.Owner) + uint64(s.Miners) + uint64(s.Validators)
	if sum != BasisPoints {
		return fmt.Errorf("split: owner %d + miners %d + validators %d = %d basis points, want %d: %w",
			s.Owner, s.Miners, s.Validators, sum, BasisPoints, ErrInvalidParams)
	}
	return nil
}

// Parts is an amount divided by a Split; Rest is what rounding leaves.
type Parts struct {
	Owner, Miners, Validators, Rest uint64 // nplx
}

// Divide splits an amount of nplx; the parts and the rest add up to it
// exactly. Source: protocol section 3.
func (s Split) Divide(amount uint64) Parts {
	p := Parts{
		Owner:      mulDiv(amount, uint64(s.Owner), BasisPoints),
		Miners:     mulDiv(amount, uint64(s.Miners), BasisPoints),
		Validators: mulDiv(amount, uint64(s.Validators), BasisPoints),
	}
	p.Rest = amount - p.Owner - p.Miners - p.Validators
	return p
}

// Apportion divides an amount in proportion to shares: every element gets
// floor(amount*share/sum), and what is left goes one by one to the largest
// remainders, ties to the lower index, so that the result adds up to amount
// exactly. All shares 0 give nothing to anybody. The sum of the shares must
// fit in 64 bits. Source: protocol section 2.
func Apportion(amount uint64, shares []uint64) []uint64 {
	parts := make([]uint64, len(shares))
	sum := uint64(0)
	for _, s := range shares {
		sum += s
	}
	if sum == 0 {
		return parts
	}
	remainders, order := make([]uint64, len(shares)), make([]int, len(shares))
	left := amount
	for i, s := range shares {
		parts[i], remainders[i] = mulDivRem(amount, s, sum)
		left -= parts[i]
		order[i] = i
	}
	// The remainders add up to left * sum and each is less than sum, so there
	// are more of them than there is left.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainders[b], remainders[a]) })
	for _, i := range order[:left] {
		parts[i]++
	}
	return parts
}
