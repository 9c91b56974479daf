package subnet

import (
	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/consensus/fixed"
)

// RootVote is one validator's opinion of what the subnets are worth. UID in an
// entry is the index of a subnet.
type RootVote struct {
	Stake   uint64 // nplx
	Weights consensus.Row
}

// Of the damping of root shares, protocol section 2.
const rootRho = 10

// RootShares returns the share of each of n subnets in the block reward, to be
// given to Apportion: equal while nobody with stake has voted, else
// rank_j / (1 + exp(-rho (trust_j - kappa))) with rank_j = sum S_i w_ij and
// trust_j = sum S_i [w_ij > 0], where S are stake shares and w normalised
// rows. Source: protocol section 2.
func RootShares(votes []RootVote, n int) []uint64 {
	shares := make([]uint64, n)
	total := uint64(0)
	for _, v := range votes {
		total += v.Stake
	}
	rank, trust := make([]fixed.I32F32, n), make([]fixed.I32F32, n)
	for _, v := range votes {
		addVote(rank, trust, fixed.FromRatio(v.Stake, total), v.Weights)
	}
	voted := false
	for j := range shares {
		damped := rank[j].Mul(fixed.Sigmoid(trust[j], fixed.FromInt(rootRho), fixed.One/2))
		shares[j] = uint64(max(damped, 0))
		voted = voted || shares[j] > 0
	}
	if voted {
		return shares
	}
	for j := range shares {
		shares[j] = 1
	}
	return shares
}

// addVote adds one validator's row to rank and trust. Entries that point at no
// subnet do not count.
func addVote(rank, trust []fixed.I32F32, stake fixed.I32F32, row consensus.Row) {
	sum := uint64(0)
	for _, e := range row {
		if int(e.UID) < len(rank) {
			sum += uint64(e.Value)
		}
	}
	for _, e := range row {
		if int(e.UID) >= len(rank) || e.Value == 0 {
			continue
		}
		rank[e.UID] = rank[e.UID].Add(stake.Mul(fixed.FromRatio(uint64(e.Value), sum)))
		trust[e.UID] = trust[e.UID].Add(stake)
	}
}
