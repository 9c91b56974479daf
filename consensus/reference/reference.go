// Package reference computes an epoch of Yuma consensus on float64, line by line as docs/protocol.md section 5 states
// it. It is written for reading, and for previews and simulations that do not need the chain's exact bits; the chain
// itself uses package consensus. Both agree within Bound where no two alternatives lie closer together than that: a
// weighted median jumps when stake sits exactly at the majority.
//
//	preview, err := reference.Epoch(input)
//	fmt.Println(preview.Incentive, preview.Dividends)
package reference

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/plexusnet/plexus/consensus"
)

// Bound is how far a share computed here may lie from the exact engine's, for subnets of some dozens of neurons and
// kappa up to 0.84; below 1e-6 is usual. The engine floors every product at 2^-32, and normalising what little a high
// majority leaves magnifies that.
const Bound = 1e-5

// Output is what an epoch computes, by uid; see consensus.Output. Bonds are proportions as the next epoch reads
// them, before they are stored as u16.
type Output struct {
	Stake, ActiveStake, Consensus, Rank, Trust, ValidatorTrust, Incentive, Dividends []float64

	Active, Permit []bool
	Bonds          *mat.Dense

	MinerShare, ValidatorShare, CombinedShare []float64
}

const u16 = math.MaxUint16

// Epoch computes one epoch. The error wraps consensus.ErrInput.
func Epoch(in *consensus.Input) (*Output, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	n := len(in.Stake)
	if n == 0 {
		return &Output{Bonds: &mat.Dense{}}, nil
	}
	p := in.Params
	old := append([]bool(nil), in.Permit...)
	if in.OwnerUID >= 0 {
		old[in.OwnerUID] = true
	}
	o := &Output{Active: make([]bool, n)}
	o.Stake = stakeShares(in)
	o.Permit = topStakes(o.Stake, int(p.MaxValidators), in.OwnerUID)

	A := make([]float64, n)
	for i := range A {
		o.Active[i] = in.Height <= in.LastUpdate[i] || in.Height-in.LastUpdate[i] <= p.ActivityCutoff
		if o.Active[i] && old[i] {
			A[i] = o.Stake[i]
		}
	}
	normalise(A)
	o.ActiveStake = A

	W, given := weights(in, old)
	C := medians(W, A, float64(p.Kappa)/u16)
	o.Consensus = C
	Wc := each(n, func(i, j int) float64 { return min(W.At(i, j), C[j]) })

	a := mat.NewVecDense(n, A)
	var rank, before mat.VecDense
	rank.MulVec(Wc.T(), a)
	before.MulVec(W.T(), a)
	o.Rank = append([]float64(nil), rank.RawVector().Data...)
	o.Trust = make([]float64, n)
	o.ValidatorTrust = make([]float64, n)
	for j := range n {
		o.Trust[j] = ratio(o.Rank[j], before.AtVec(j))
		o.ValidatorTrust[j] = floats.Sum(Wc.RawRowView(j))
	}
	I := append([]float64(nil), o.Rank...)
	normalise(I)
	o.Incentive = I

	penalty := float64(p.BondsPenalty) / u16
	Wb := each(n, func(i, j int) float64 { return W.At(i, j) + penalty*(Wc.At(i, j)-W.At(i, j)) })
	bound := func(i, j int) bool { // whether a pair has a weight for its bond to follow
		switch p.BondsPenalty {
		case 0:
			return given(i, j)
		case u16: // clipping to no consensus drops a weight, but not an explicit zero
			return given(i, j) && (C[j] > 0 || W.At(i, j) == 0)
		}
		return given(i, j) && Wb.At(i, j) > 0
	}
	incentive := mat.NewVecDense(n, I)
	var D mat.VecDense
	if p.Yuma3 {
		o.Bonds = yuma3Bonds(in, Wb, C, bound)
		D.MulVec(columnShares(o.Bonds), incentive)
		D.MulElemVec(&D, a)
	} else {
		o.Bonds = yuma2Bonds(in, Wb, A)
		D.MulVec(o.Bonds, incentive)
		o.Bonds = columnUpscaled(o.Bonds)
	}
	o.Dividends = append([]float64(nil), D.RawVector().Data...)
	normalise(o.Dividends)
	for i, permitted := range o.Permit {
		if !permitted {
			o.Bonds.SetRow(i, make([]float64, n))
		}
	}
	o.share()
	return o, nil
}

// share splits an emission to miners and validators together.
func (o *Output) share() {
	n := len(o.Stake)
	total := floats.Sum(o.Incentive) + floats.Sum(o.Dividends)
	o.MinerShare, o.ValidatorShare, o.CombinedShare = make([]float64, n), make([]float64, n), make([]float64, n)
	if total == 0 {
		stake := o.ActiveStake
		if floats.Sum(stake) == 0 {
			stake = o.Stake
		}
		copy(o.ValidatorShare, stake)
		copy(o.CombinedShare, stake)
		return
	}
	floats.ScaleTo(o.MinerShare, 1/total, o.Incentive)
	floats.ScaleTo(o.ValidatorShare, 1/total, o.Dividends)
	floats.AddTo(o.CombinedShare, o.MinerShare, o.ValidatorShare)
}

func stakeShares(in *consensus.Input) []float64 {
	s := make([]float64, len(in.Stake))
	for i, stake := range in.Stake {
		if stake >= in.Params.StakeThreshold || i == in.OwnerUID {
			s[i] = float64(stake)
		}
	}
	normalise(s)
	return s
}

// topStakes permits the k largest non-zero stakes, ties going to the higher uid, and the owner.
func topStakes(stake []float64, k, owner int) []bool {
	order := make([]int, len(stake))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return stake[order[a]] < stake[order[b]] })
	permit := make([]bool, len(stake))
	for _, i := range order[len(order)-min(k, len(order)):] {
		permit[i] = stake[i] > 0
	}
	if owner >= 0 {
		permit[owner] = true
	}
	return permit
}

// weights reads, masks and normalises the rows; given tells which pairs have an entry.
func weights(in *consensus.Input, permit []bool) (W *mat.Dense, given func(i, j int) bool) {
	n := len(in.Stake)
	W = mat.NewDense(n, n, nil)
	has := make([]bool, n*n)
	for i, row := range in.Weights {
		if !permit[i] {
			continue
		}
		for _, e := range row {
			j := int(e.UID)
			masked := (i == j && i != in.OwnerUID) || in.LastUpdate[i] <= in.Registered[j]
			if in.Params.CommitReveal && in.CommitHeight != nil {
				masked = masked || in.CommitHeight[i] < in.Registered[j]
			}
			if !masked {
				W.Set(i, j, float64(e.Value))
				has[i*n+j] = true
			}
		}
		normalise(W.RawRowView(i))
	}
	return W, func(i, j int) bool { return has[i*n+j] }
}

// medians gives, for each column, the smallest weight such that the stake of all who gave at most that much exceeds
// 1 - kappa.
func medians(W *mat.Dense, A []float64, kappa float64) []float64 {
	n := len(A)
	C := make([]float64, n)
	minority := floats.Sum(A) - kappa
	for j := range C {
		var voters []int
		for i, stake := range A {
			if stake > 0 {
				voters = append(voters, i)
			}
		}
		sort.Slice(voters, func(a, b int) bool { return W.At(voters[a], j) < W.At(voters[b], j) })
		below := 0.0
		for _, i := range voters {
			C[j] = W.At(i, j)
			if below += A[i]; below > minority {
				break
			}
		}
	}
	return C
}

// readBonds reads old bonds, dropping those toward neurons that registered since they were made.
func readBonds(in *consensus.Input) *mat.Dense {
	n := len(in.Stake)
	B := mat.NewDense(n, n, nil)
	for i, row := range in.Bonds {
		for _, e := range row {
			if in.Registered[e.UID] < in.LastEpoch {
				B.Set(i, int(e.UID), float64(e.Value)/u16)
			}
		}
	}
	return B
}

func yuma2Bonds(in *consensus.Input, Wb *mat.Dense, A []float64) *mat.Dense {
	n := len(A)
	alpha := 1 - float64(in.Params.BondsMovingAverage)/1e6
	B := columnShares(readBonds(in))
	dB := columnShares(each(n, func(i, j int) float64 { return Wb.At(i, j) * A[i] }))
	return columnShares(each(n, func(i, j int) float64 { return alpha*dB.At(i, j) + (1-alpha)*B.At(i, j) }))
}

func yuma3Bonds(in *consensus.Input, Wb *mat.Dense, C []float64, given func(i, j int) bool) *mat.Dense {
	p := in.Params
	alpha := 1 - float64(p.BondsMovingAverage)/1e6
	low, high := float64(p.AlphaLow)/u16, float64(p.AlphaHigh)/u16
	liquid := p.LiquidAlpha && floats.Sum(C) != 0
	B := readBonds(in)
	return each(len(C), func(i, j int) float64 {
		w, b, a := Wb.At(i, j), B.At(i, j), alpha
		if liquid {
			if !given(i, j) {
				return 0
			}
			d := b - w
			if w >= b {
				d = w - C[j]
			}
			sigmoid := 1 / (1 + math.Exp(-float64(p.AlphaSigmoidSteepness)/100*(clamp(d, 0, 1)-0.5)))
			a = clamp(low+(high-low)*sigmoid, low, high)
		}
		return clamp(a*w+(1-a)*b, 0, 1)
	})
}

func each(n int, f func(i, j int) float64) *mat.Dense {
	m := mat.NewDense(n, n, nil)
	m.Apply(func(i, j int, _ float64) float64 { return f(i, j) }, m)
	return m
}

// columnShares divides every column by its sum.
func columnShares(m *mat.Dense) *mat.Dense {
	return scaledColumns(m, func(col []float64) float64 { return floats.Sum(col) })
}

// columnUpscaled divides every column by its largest value.
func columnUpscaled(m *mat.Dense) *mat.Dense { return scaledColumns(m, floats.Max) }

func scaledColumns(m *mat.Dense, by func(col []float64) float64) *mat.Dense {
	n, _ := m.Dims()
	out := mat.NewDense(n, n, nil)
	for j := range n {
		col := mat.Col(nil, j, m)
		if s := by(col); s != 0 {
			floats.Scale(1/s, col)
		}
		out.SetCol(j, col)
	}
	return out
}

func normalise(v []float64) {
	if s := floats.Sum(v); s != 0 {
		floats.Scale(1/s, v)
	}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func clamp(x, lo, hi float64) float64 { return max(min(x, hi), lo) }
