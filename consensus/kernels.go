package consensus

import (
	"encoding/binary"
	"math/bits"
)

// kernels are the loops over one dense column, with an entry for every live row: a weight and an old bond packed in
// 32 bits, weight below. All lanes have the same length, a multiple of laneStep padded with zeros, and weights are
// below 1.0, so that every product fits 64 bits. With true they run on AVX2, with false in Go: the results are equal.
type kernels bool

// laneStep is what lengths of lanes are multiples of.
const laneStep = 8

// tile is a run of entries toward laneStep neighbouring columns.
type tile [laneStep]Entry

// pack writes the values of laneStep rows toward as many columns, weights below bonds, as columns stride apart.
func (k kernels) pack(packed []uint32, stride int, weights, bonds *[laneStep]*tile) {
	if k {
		packAVX2(&packed[:(laneStep-1)*stride+laneStep][0], stride, weights, bonds)
		return
	}
	for row := range weights {
		w, b := weights[row], bonds[row]
		for c := range w {
			packed[c*stride+row] = uint32(w[c].Value) | uint32(b[c].Value)<<16
		}
	}
}

// normalize writes each row's normalised weight, w = v * mul >> shift with 64-bit mul in halves (see rowDivisor), and
// tells whether there is any weight or bond.
func (k kernels) normalize(w, mulHi, mulLo, shift []uint64, packed []uint32) bool {
	n := len(w)
	mulHi, mulLo, shift, packed = mulHi[:n], mulLo[:n], shift[:n], packed[:n]
	if k {
		return normalizeAVX2(&w[0], &mulHi[0], &mulLo[0], &shift[0], &packed[0], n) != 0
	}
	var any uint32
	for i, p := range packed {
		any |= p
		v := uint64(p & bondMask)
		w[i] = (v*mulHi[i] + v*mulLo[i]>>32) >> (shift[i] & 63)
	}
	return any != 0
}

// buckets writes which of 64 ranges of 2^shift from lo each weight falls into, those outside into the first or last.
func (k kernels) buckets(index, w []uint64, lo uint64, shift uint) {
	index = index[:len(w)]
	if k {
		bucketsAVX2(&index[0], &w[0], len(w), lo, uint64(shift))
		return
	}
	for i, v := range w {
		index[i] = min((max(v, lo)-lo)>>(shift&63), ranges-1)
	}
}

// match collects selection keys of the weights whose bucket is b, in order. mask has a bit for every lane, and zeros
// up to a multiple of eight bytes.
func (k kernels) match(mask []uint8, index []uint64, b uint64, keys, w []uint64) (count int) {
	if k {
		matchAVX2(&mask[0], &index[0], len(index), b)
		for i := 0; i+8 <= len(mask); i += 8 {
			for m := binary.LittleEndian.Uint64(mask[i:]); m != 0; m &= m - 1 {
				at := i*laneStep + bits.TrailingZeros64(m)
				keys[count] = w[at]<<keyShift | uint64(at)
				count++
			}
		}
		return count
	}
	keys, w = keys[:len(index)], w[:len(index)]
	for i, x := range index {
		keys[count] = w[i]<<keyShift | uint64(i)
		if x == b {
			count++
		}
	}
	return count
}

// clip sums stake times weight before and after clipping to consensus, adds the clipped weights to trust and writes
// the weights that bonds follow: weight + penalty (clipped - weight).
func (k kernels) clip(clip, trust, w, stake []uint64, consensus, penalty uint64) (before, rank uint64) {
	n := len(w)
	clip, trust, stake = clip[:n], trust[:n], stake[:n]
	// A full penalty of 2^32 gives the same as 2^32 - 1, for what is above consensus is below 2^32 and rounded up.
	penalty = min(penalty, one-1)
	if k {
		return clipAVX2(&clip[0], &trust[0], &w[0], &stake[0], n, consensus, penalty)
	}
	for i, v := range w {
		c := min(v, consensus)
		before += v * stake[i] >> 32
		rank += c * stake[i] >> 32
		trust[i] += c
		clip[i] = v - ((v-c)*penalty+(one-1))>>32
	}
	return before, rank
}

// bondMove is how the bonds of a column move, all in 32.32 but mask, which is 0 or 65535 and lets old bonds through.
type bondMove struct{ consensus, penalty, alpha, keep, mask uint64 }

// columnSums are what comes out of a column: rank before and after clipping, the sum of the new bonds and a bound on
// each of them.
type columnSums struct{ before, rank, total, bound uint64 }

// bonds does what clip does, but follows with alpha*weight + keep*bond/65535, the new bonds of Yuma3.
func (k kernels) bonds(x, trust, w, stake []uint64, packed []uint32, m *bondMove) (s columnSums) {
	n := len(w)
	x, trust, stake, packed = x[:n], trust[:n], stake[:n], packed[:n]
	m.penalty = min(m.penalty, one-1)
	if k {
		bondsAVX2(&s, &x[0], &trust[0], &w[0], &stake[0], &packed[0], n, m)
		return s
	}
	for i, v := range w {
		c := min(v, m.consensus)
		s.before += v * stake[i] >> 32
		s.rank += c * stake[i] >> 32
		trust[i] += c
		c = v - ((v-c)*m.penalty+(one-1))>>32
		b := uint64(packed[i]>>16) & m.mask
		b = b*65537 + (b+1)>>16
		y := m.alpha*c>>32 + m.keep*b>>32
		x[i] = y
		s.total += y
		s.bound |= y
	}
	return s
}

// divide writes x * 2^32 / d for a divisor that is fast, and the value to store, x * 65535.
func (k kernels) divide(normal, value []uint32, x []uint64, d columnDivisor) {
	n := len(x)
	normal, value = normal[:n], value[:n]
	if k && d.shift >= 2 {
		divideAVX2(&normal[0], &value[0], &x[0], n, d.mul>>32, d.mul&(one-1), uint64(d.shift)-2)
		return
	}
	for i, y := range x {
		normal[i], value[i] = uint32(d.quick(y)), storedBond(y)
	}
}

// storedBond is floor(y * 65535) for a proportion y.
func storedBond(y uint64) uint32 { return uint32((y<<16 - y) >> 32) }

// unpack turns values of laneStep rows toward the columns from uid on, which lie stride apart, into entries, and
// marks in zeros, by row, which columns have none.
func (k kernels) unpack(tiles *[laneStep]tile, zeros *[laneStep]uint8, value []uint32, stride int, uid uint32) {
	if k {
		unpackAVX2(tiles, zeros, &value[:(laneStep-1)*stride+laneStep][0], stride, uid)
		return
	}
	for row := range tiles {
		zeros[row] = 0
		for c := range tiles[row] {
			v := value[c*stride+row]
			tiles[row][c] = Entry{uint16(uid + uint32(c)), uint16(v)}
			if v == 0 {
				zeros[row] |= 1 << c
			}
		}
	}
}

// income adds incentive times normalised bond to what each row earns; incentive is below 1.0.
func (k kernels) income(income []uint64, normal []uint32, incentive uint64) {
	income = income[:len(normal)]
	if k {
		incomeAVX2(&income[0], &normal[0], len(normal), incentive)
		return
	}
	for i, q := range normal {
		income[i] += uint64(q) * incentive >> 32
	}
}

// rowSum sums the values of a row of a subnet with n neurons and tells whether the row is well-formed.
func (k kernels) rowSum(row Row, n int) (sum uint64, ok bool) {
	if len(row) == 0 {
		return 0, true
	}
	sum = uint64(row[0].Value)
	done := 1
	if bulk := (len(row) - 1) &^ (laneStep - 1); k && bulk > 0 {
		s, ascending := sumAVX2(&row[0], bulk)
		if !ascending {
			return 0, false
		}
		sum += s
		done += bulk
	}
	for i := done; i < len(row); i++ {
		if row[i].UID <= row[i-1].UID {
			return 0, false
		}
		sum += uint64(row[i].Value)
	}
	return sum, int(row[len(row)-1].UID) < n
}
