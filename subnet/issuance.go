package subnet

// BlockReward returns the nplx that one block mints at a total supply of nplx:
// 1 PLX >> k with the largest k for which (Cap - supply) << k <= Cap, and 0
// from Cap on. Source: protocol section 1.
func BlockReward(supply uint64) uint64 {
	if supply >= Cap {
		return 0
	}
	return PLX >> halvings(supply)
}

// NextHalving returns the supply at which the reward of BlockReward(supply)
// halves next; Cap when the supply has reached it.
func NextHalving(supply uint64) uint64 {
	if supply >= Cap {
		return Cap
	}
	return Cap - Cap>>(halvings(supply)+1)
}

// halvings is k of protocol section 1. It needs supply < Cap, so that it ends.
func halvings(supply uint64) uint {
	left := Cap - supply
	k := uint(0)
	for left<<(k+1) <= Cap {
		k++
	}
	return k
}
