package consensus

import (
	"math"
	"math/rand/v2"
)

// randomInput draws the state of a subnet: every kind of parameter, mask, sparsity and corner that a chain can reach,
// and some that it cannot. The generator is integer only, so that every processor draws the same.
func randomInput(r *rand.Rand, n int) *Input {
	pick := func(values ...uint64) uint64 { return values[r.IntN(len(values))] }
	some := func(p float64) bool { return r.Uint64()>>11 < uint64(p*(1<<53)) }
	in := &Input{
		Height: 10_000, LastEpoch: pick(9_640, 0, 9_999, 5_000), OwnerUID: -1,
		Stake: make([]uint64, n), LastUpdate: make([]uint64, n), Registered: make([]uint64, n),
		Permit: make([]bool, n), Weights: make([]Row, n), Bonds: make([]Row, n),
		Params: Params{
			Kappa:              uint16(pick(32767, 32767, 32767, 0, 65535, 26214, 39321, uint64(r.IntN(65536)))),
			BondsPenalty:       uint16(pick(65535, 65535, 0, 32768, uint64(r.IntN(65536)))),
			BondsMovingAverage: uint32(pick(900_000, 900_000, 975_000, 0, 1_000_000, uint64(r.IntN(1_000_001)))),
			Yuma3:              some(0.6), LiquidAlpha: some(0.4),
			AlphaLow: uint16(r.IntN(40_000)), AlphaSigmoidSteepness: int16(pick(1000, 1000, 200, 0, uint64(r.IntN(65536)))),
			StakeThreshold: pick(0, 0, 1, 1000), MaxValidators: uint16(pick(64, 1, 0, 3, uint64(n/2), uint64(n))),
			ActivityCutoff: pick(5000, 5000, 100, 0, math.MaxUint64), CommitReveal: some(0.3),
		},
	}
	in.Params.AlphaHigh = in.Params.AlphaLow + uint16(r.IntN(65536-int(in.Params.AlphaLow)))
	if n > 0 && some(0.4) {
		in.OwnerUID = r.IntN(n)
	}
	if some(0.7) {
		in.CommitHeight = make([]uint64, n)
	}
	style := r.IntN(5)
	validators := pick(1, 2, uint64(n/8), uint64(n/3), uint64(n))
	density := []float64{1, 1, 0.5, 0.1, 0.02}[r.IntN(5)]
	lateness := []float64{0, 0.05, 0.5}[r.IntN(3)]
	sameWeights := some(0.3)
	for i := range n {
		switch style {
		case 0:
			in.Stake[i] = uint64(r.IntN(5))
		case 1:
			in.Stake[i] = r.Uint64N(1 << 50)
		case 2:
			in.Stake[i] = 1 << (r.Uint64N(64))
		case 3:
			in.Stake[i] = math.MaxUint64 - r.Uint64N(4)
		default:
			in.Stake[i] = 1000
		}
		in.LastUpdate[i] = 9_000 + r.Uint64N(1_000)
		if some(lateness) {
			in.LastUpdate[i] = pick(0, 3_000, 10_000, math.MaxUint64)
		}
		in.Registered[i] = r.Uint64N(2_000)
		if some(lateness) {
			in.Registered[i] = pick(9_500, 9_640, 9_999, math.MaxUint64)
		}
		if in.CommitHeight != nil {
			in.CommitHeight[i] = pick(math.MaxUint64, in.LastUpdate[i], 9_300)
		}
		in.Permit[i] = uint64(i) < validators || some(0.05)
		in.Weights[i] = randomRow(r, n, density, sameWeights)
		if some(0.8) {
			in.Bonds[i] = randomRow(r, n, density, sameWeights)
		}
		if uint64(i) >= validators && some(0.9) {
			in.Weights[i], in.Bonds[i] = nil, nil
		}
	}
	return in
}

func randomRow(r *rand.Rand, n int, density float64, plain bool) Row {
	if r.IntN(20) == 0 {
		return nil
	}
	var row Row
	style := r.IntN(6)
	only := r.IntN(n)
	for j := range n {
		if r.Uint64()>>11 >= uint64(density*(1<<53)) {
			continue
		}
		v := uint16(r.IntN(65536))
		switch {
		case plain:
			v = uint16(j*7919 + 1)
		case style == 0: // all on one
			v = 0
			if j == only {
				v = math.MaxUint16
			}
		case style == 1: // few values, many ties
			v = uint16(r.IntN(3)) * 32767
		case style == 2: // agreement with noise
			v = uint16(20_000 + j*13%3_000 + r.IntN(200))
		}
		row = append(row, Entry{uint16(j), v})
	}
	return row
}
