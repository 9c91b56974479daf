package subnet

import "math/bits"

// RegistrationPrice returns what a registration burns now, in nplx: the price
// that the last registration left behind, halved every BurnHalfLife blocks
// since, within BurnMin and BurnMax.
func (h Hyperparams) RegistrationPrice(lastPrice, lastHeight, height uint64) uint64 {
	decayed := halve(lastPrice, saturatingSub(height, lastHeight), h.BurnHalfLife)
	return min(max(decayed, h.BurnMin), h.BurnMax)
}

// PriceAfter returns the price that a registration at the given price leaves
// behind: it rises by the factor BurnIncrease, up to BurnMax.
func (h Hyperparams) PriceAfter(price uint64) uint64 {
	return min(mulDiv(price, uint64(h.BurnIncrease), BasisPoints), h.BurnMax)
}

// LockPrice returns what opening a subnet locks, in nplx: twice what the last
// one locked, falling to nothing within two intervals, and never under the
// floor. It needs last <= Cap. Source: protocol section 6.
func LockPrice(floor, last, blocksSince, interval uint64) uint64 {
	if blocksSince/2 >= interval {
		return floor
	}
	return max(floor, 2*last-mulDiv(last, blocksSince, interval))
}

// halve returns floor-rounded amount * 2^(-blocks/halfLife), which never rises
// with blocks. It needs halfLife > 0.
func halve(amount, blocks, halfLife uint64) uint64 {
	whole := blocks / halfLife
	if whole >= 64 {
		return 0
	}
	// The fraction of a half-life in binary: bit i stands for 2^-i of one, and
	// multiplies by 2^(-2^-i). The factors are multiplied before the amount is:
	// flooring the amount at each of them could let a price rise by the block.
	fraction, _ := bits.Div64(blocks%halfLife, 0, halfLife)
	left := uint64(0) // of the amount, in 2^-64; 0 stands for all of it
	for i, factor := range halvingFactors() {
		switch {
		case fraction>>(63-i)&1 == 0:
		case left == 0:
			left = factor
		default:
			left, _ = bits.Mul64(left, factor)
		}
	}
	if left != 0 {
		amount, _ = bits.Mul64(amount, left)
	}
	return amount >> whole
}

// halvingFactors returns floor(2^64 * 2^(-2^-i)) for i = 1 .. 32: a fraction of
// a half-life to 2^-32, finer than one block of the longest that is allowed.
func halvingFactors() [32]uint64 {
	return [32]uint64{
		0xb504f333f9de6484, 0xd744fccad69d6af4, 0xeac0c6e7dd24392e, 0xf5257d152486cc2c,
		0xfa83b2db722a033a, 0xfd3e0c0cf486c174, 0xfe9e115c7b8f884b, 0xff4ecb59511ec8a5,
		0xffa756521c8daed1, 0xffd3a751c0f7e10b, 0xffe9d2b2f7db2755, 0xfff4e91bff1b8c3d,
		0xfffa747ea0040664, 0xfffd3a3b7814eb53, 0xfffe9d1cc60ddab1, 0xffff4e8e25879bfa,
		0xffffa7470363f451, 0xffffd3a37dda0313, 0xffffe9d1bdf703ae, 0xfffff4e8debe025e,
		0xfffffa746f4fa150, 0xfffffd3a37a3f8b0, 0xfffffe9d1bd1065a, 0xffffff4e8de845ad,
		0xffffffa746f41376, 0xffffffd3a37a05e3, 0xffffffe9d1bd01fb, 0xfffffff4e8de80c0,
		0xfffffffa746f4050, 0xfffffffd3a37a024, 0xfffffffe9d1bd011, 0xffffffff4e8de808,
	}
}
