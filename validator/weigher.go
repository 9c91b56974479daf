package validator

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/plexusnet/plexus/client/metagraph"
)

// Weigher turns evidence into weights by the formula of the package's documentation. A zero field takes the default.
type Weigher struct {
	Chance    float64 // accuracy of guessing, 0 to 1; 0 is what it says
	Quantile  float64 // of the accuracy's distribution that counts, 0 to 1; 0.05
	Sharpness float64 // exponent; 3
}

// Defaults of a Weigher.
const (
	DefaultQuantile  = 0.05
	DefaultSharpness = 3.0
)

// Skill is 0 for guessing and 1 for certain knowledge of every answer.
func (w Weigher) Skill(e Evidence) float64 {
	if e.Asked <= 0 || w.Chance >= 1 {
		return 0
	}
	quantile := w.Quantile
	if quantile <= 0 || quantile >= 1 {
		quantile = DefaultQuantile
	}
	least := func(right float64) float64 {
		return distuv.Beta{Alpha: 1 + right, Beta: 1 + e.Asked - right}.Quantile(quantile)
	}
	// Where chance is 0, the prior alone would pay those who never were right: the banned, and the absent.
	chance := max(w.Chance, least(0))
	return max(0, (least(min(max(e.Right, 0), e.Asked))-chance)/(1-chance))
}

// Weigh returns the weights of a row, in order of uid, the largest 65535. None is over maxWeight (a u16 share of the
// row's sum) as long as there are enough neurons to share; at least minimum uids are named, with a weight of 0 if need
// be, as long as so many are known. The result is empty when nobody is better than chance.
func (w Weigher) Weigh(known map[uint16]Evidence, minimum int, maxWeight uint16) []metagraph.Weight {
	sharpness := w.Sharpness
	if sharpness <= 0 {
		sharpness = DefaultSharpness
	}
	uids := slices.Sorted(maps.Keys(known))
	weights := make([]float64, len(uids))
	for i, uid := range uids {
		weights[i] = math.Pow(w.Skill(known[uid]), sharpness)
	}
	if len(uids) == 0 || floats.Max(weights) == 0 {
		return nil
	}
	floats.Scale(1/floats.Sum(weights), weights)
	capShares(weights, float64(maxWeight)/math.MaxUint16)
	return row(uids, weights, minimum, maxWeight)
}

// capShares moves what shares have over limit to the others, in proportion, until none is over. Shares that cannot all
// be under it, because there are too few, become equal.
func capShares(shares []float64, limit float64) {
	positive := 0
	for _, s := range shares {
		if s > 0 {
			positive++
		}
	}
	if limit*float64(positive) <= 1 {
		for i, s := range shares {
			if s > 0 {
				shares[i] = 1 / float64(positive)
			}
		}
		return
	}
	capped := make([]bool, len(shares))
	for floats.Max(shares) > limit*(1+1e-12) {
		excess, free := 0.0, 0.0
		for i, s := range shares {
			switch {
			case s > limit:
				excess += s - limit
				shares[i], capped[i] = limit, true
			case !capped[i]:
				free += s
			}
		}
		for i := range shares {
			if !capped[i] && free > 0 {
				shares[i] *= 1 + excess/free
			}
		}
	}
}

// row scales shares to u16, the largest to 65535.
func row(uids []uint16, shares []float64, minimum int, maxWeight uint16) []metagraph.Weight {
	floats.Scale(math.MaxUint16/floats.Max(shares), shares)
	var out, zero []metagraph.Weight
	for i, uid := range uids {
		weight := metagraph.Weight{UID: uid, Value: uint16(math.Round(shares[i]))}
		if weight.Value > 0 {
			out = append(out, weight)
		} else {
			zero = append(zero, weight)
		}
	}
	out = append(out, zero[:min(len(zero), max(0, minimum-len(out)))]...)
	slices.SortFunc(out, func(a, b metagraph.Weight) int { return cmp.Compare(a.UID, b.UID) })
	return fit(out, maxWeight)
}

// fit takes off the unit or so by which rounding may have put the largest over maxWeight of the sum.
func fit(row []metagraph.Weight, maxWeight uint16) []metagraph.Weight {
	sum := uint64(0)
	positive := 0
	for _, w := range row {
		sum += uint64(w.Value)
		if w.Value > 0 {
			positive++
		}
	}
	if uint64(positive)*uint64(maxWeight) <= math.MaxUint16 {
		return row // equal shares are the best there is
	}
	for {
		over := -1
		for i, w := range row {
			if uint64(w.Value)*math.MaxUint16 > uint64(maxWeight)*sum {
				over = i
				break
			}
		}
		if over < 0 {
			return row
		}
		row[over].Value--
		sum--
	}
}
