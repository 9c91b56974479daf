package consensus

import "github.com/plexusnet/plexus/consensus/fixed"

// The loops here do what rank, bonds3 and bonds2 do on saturating 128-bit arithmetic. They serve the cases where a
// product of unsigned numbers could reach 2^64 (one validator with all stake; bonds that follow at once or never)
// and liquid alpha, whose exponential outweighs the rest.

func (w *worker) plainRank(j int, consensus uint64, val []uint64, row []uint16) {
	var before, rank uint64
	for i, v := range val {
		k := row[i]
		v &= weightMask
		clipped := min(v, consensus)
		s := fixed.I32F32(w.e.stake[k])
		before += uint64(s.Mul(fixed.I32F32(v)))
		rank += uint64(s.Mul(fixed.I32F32(clipped)))
		w.trust[k] += clipped
	}
	w.ranked(j, before, rank)
}

func (w *worker) plainBonds(consensus, mask uint64, val []uint64, row []uint16, x []uint64) (total, bound uint64) {
	e := w.e
	alpha, keep := fixed.I32F32(e.plan.alpha), fixed.I32F32(e.plan.keep)
	var curve alphaCurve
	if e.plan.liquid {
		curve = newAlphaCurve(&e.in.Params)
	}
	var old, bought fixed.I32F32
	if !e.plan.yuma3 {
		for i, v := range val {
			weight, _ := w.bondWeight(v, consensus)
			old = old.Add(fixed.FromInt(int64(v >> bondShift & mask)))
			bought += weight.Mul(fixed.I32F32(e.stake[row[i]]))
		}
	}
	for i, v := range val {
		weight, given := w.bondWeight(v, consensus)
		stored := v >> bondShift & mask
		var y fixed.I32F32
		switch {
		case !e.plan.yuma3:
			delta := weight.Mul(fixed.I32F32(e.stake[row[i]])).Div(bought)
			y = alpha.Mul(delta) + keep.Mul(fixed.FromInt(int64(stored)).Div(old))
		case !e.plan.liquid:
			y = alpha.Mul(weight) + keep.Mul(fixed.FromU16(uint16(stored)))
		case given:
			bond := fixed.FromU16(uint16(stored))
			a := curve.at(weight, bond, fixed.I32F32(consensus))
			y = a.Mul(weight) + (fixed.One - a).Mul(bond)
		}
		y = y.Clamp(0, fixed.One)
		x[i] = uint64(y)
		total += uint64(y)
		bound |= uint64(y)
	}
	return total, bound
}

// bondWeight is the weight that bonds follow, and whether there is one: clipping to no consensus drops a weight, and
// so does a penalty between none and full where nothing is left.
func (w *worker) bondWeight(v, consensus uint64) (fixed.I32F32, bool) {
	weight := fixed.I32F32(v & weightMask)
	given := v&weightGiven != 0
	penalty := fixed.I32F32(w.e.plan.penalty)
	clipped := min(weight, fixed.I32F32(consensus))
	switch penalty {
	case 0:
		return weight, given
	case fixed.One:
		return clipped, given && (consensus > 0 || weight == 0)
	}
	weight += penalty.Mul(clipped - weight)
	return weight, given && weight > 0
}

// alphaCurve is the liquid alpha of a pair of validator and miner: the share of the new weight in a bond, from low
// to high along a sigmoid of how far the weight buys above consensus or sells below the bond.
type alphaCurve struct{ low, high, slope fixed.I32F32 }

func newAlphaCurve(p *Params) alphaCurve {
	return alphaCurve{
		low: fixed.FromU16(p.AlphaLow), high: fixed.FromU16(p.AlphaHigh),
		slope: fixed.FromInt(int64(p.AlphaSigmoidSteepness)).Div(fixed.FromInt(-100)),
	}
}

func (c alphaCurve) at(weight, bond, consensus fixed.I32F32) fixed.I32F32 {
	d := bond - weight
	if weight >= bond {
		d = weight - consensus
	}
	d = d.Clamp(0, fixed.One)
	sigmoid := fixed.One.Div(fixed.Exp(c.slope.Mul(d - fixed.One/2)).Add(fixed.One))
	return c.low.Add(sigmoid.Mul(c.high-c.low)).Clamp(c.low, c.high)
}
