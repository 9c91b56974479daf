package consensus

import (
	"math"
	"math/big"
	"sort"

	"github.com/plexusnet/plexus/consensus/fixed"
)

// cell is an entry that may be missing.
type cell struct {
	x  fixed.I32F32
	ok bool
}

type vector = []fixed.I32F32

func sum(v vector) (s fixed.I32F32) {
	for _, x := range v {
		s = s.Add(x)
	}
	return s
}

func normalised(v vector) vector { return over(v, sum(v)) }

func over(v vector, s fixed.I32F32) vector {
	out := make(vector, len(v))
	for i, x := range v {
		out[i] = x
		if s != 0 {
			out[i] = x.Div(s)
		}
	}
	return out
}

func columns(m [][]cell, f func(j int, col []*cell)) {
	for j := range m {
		var col []*cell
		for i := range m {
			if m[i][j].ok {
				col = append(col, &m[i][j])
			}
		}
		f(j, col)
	}
}

func columnNormalise(m [][]cell) {
	columns(m, func(_ int, col []*cell) {
		var s fixed.I32F32
		for _, c := range col {
			s = s.Add(c.x)
		}
		if s != 0 {
			for _, c := range col {
				c.x = c.x.Div(s)
			}
		}
	})
}

func matrix(n int, rows []Row, value func(uint16) fixed.I32F32) [][]cell {
	m := make([][]cell, n)
	for i := range m {
		m[i] = make([]cell, n)
		for _, e := range rows[i] {
			m[i][e.UID] = cell{value(e.Value), true}
		}
	}
	return m
}

// plain computes an epoch line by line as docs/protocol.md section 5 states it, on dense matrices.
func plain(in *Input) *Output {
	n, p := len(in.Stake), in.Params
	out := &Output{Active: make([]bool, n), Permit: make([]bool, n), Bonds: make([]Row, n)}
	whole := func(v uint16) fixed.I32F32 { return fixed.FromInt(int64(v)) }
	permit := append([]bool(nil), in.Permit...)
	if in.OwnerUID >= 0 {
		permit[in.OwnerUID] = true
	}

	// Stake, permits, active stake.
	counted, total := make([]*big.Int, n), new(big.Int)
	for i, s := range in.Stake {
		counted[i] = new(big.Int)
		if s >= p.StakeThreshold || i == in.OwnerUID {
			counted[i].SetUint64(s)
			total.Add(total, counted[i])
		}
	}
	out.Stake = make(vector, n)
	for i, s := range counted {
		if total.Sign() != 0 {
			out.Stake[i] = fixed.I32F32(s.Quo(s.Lsh(s, 32), total).Int64())
		}
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return out.Stake[order[a]] < out.Stake[order[b]] })
	for _, i := range order[n-min(n, int(p.MaxValidators)):] {
		out.Permit[i] = out.Stake[i] != 0
	}
	if in.OwnerUID >= 0 {
		out.Permit[in.OwnerUID] = true
	}
	active := make(vector, n)
	for i := range n {
		until := in.LastUpdate[i] + p.ActivityCutoff
		if until < in.LastUpdate[i] {
			until = math.MaxUint64
		}
		out.Active[i] = until >= in.Height
		if out.Active[i] && permit[i] {
			active[i] = out.Stake[i]
		}
	}
	A := normalised(active)
	out.ActiveStake = A

	// Weights.
	W := matrix(n, in.Weights, whole)
	for i := range n {
		for j := range n {
			drop := !permit[i] || (i == j && i != in.OwnerUID) || in.LastUpdate[i] <= in.Registered[j]
			if p.CommitReveal && in.CommitHeight != nil && in.CommitHeight[i] < in.Registered[j] {
				drop = true
			}
			if drop {
				W[i][j] = cell{}
			}
		}
		var s fixed.I32F32
		for j := range n {
			s = s.Add(W[i][j].x)
		}
		for j := range n {
			W[i][j].x = W[i][j].x.Div(s)
		}
	}

	// Consensus.
	C := make(vector, n)
	median := normalised(A)
	minority := sum(median).Sub(fixed.FromU16(p.Kappa))
	for j := range n {
		var voters []int
		for i := range n {
			if A[i] > 0 {
				voters = append(voters, i)
			}
		}
		sort.Slice(voters, func(a, b int) bool { return W[voters[a]][j].x < W[voters[b]][j].x })
		var below fixed.I32F32
		for k, i := range voters {
			below = below.Add(median[i])
			last := k+1 == len(voters) || W[voters[k+1]][j].x > W[i][j].x
			if last && (below > minority || k+1 == len(voters)) {
				C[j] = W[i][j].x
				break
			}
		}
	}
	out.Consensus = C

	// Clipping, ranks, trust.
	out.ValidatorTrust, out.Rank, out.Trust = make(vector, n), make(vector, n), make(vector, n)
	Wc := make([][]cell, n)
	for i := range n {
		Wc[i] = make([]cell, n)
		for j, w := range W[i] {
			if w.ok && (w.x <= C[j] || C[j] > 0) {
				Wc[i][j] = cell{min(w.x, C[j]), true}
			}
			out.ValidatorTrust[i] = out.ValidatorTrust[i].Add(Wc[i][j].x)
		}
	}
	for j := range n {
		var before fixed.I32F32
		for i := range n {
			before = before.Add(A[i].Mul(W[i][j].x))
			out.Rank[j] = out.Rank[j].Add(A[i].Mul(Wc[i][j].x))
		}
		out.Trust[j] = out.Rank[j].Div(before)
	}
	I := normalised(out.Rank)
	out.Incentive = I

	// Weights for bonds.
	penalty := fixed.FromU16(p.BondsPenalty)
	Wb := W
	if penalty == fixed.One {
		Wb = Wc
	} else if penalty != 0 {
		Wb = make([][]cell, n)
		for i := range n {
			Wb[i] = make([]cell, n)
			for j := range n {
				x := W[i][j].x.Add(penalty.Mul(Wc[i][j].x.Sub(W[i][j].x)))
				Wb[i][j] = cell{x, x > 0}
			}
		}
	}

	// Bonds and dividends.
	alpha := fixed.One.Sub(fixed.FromRatio(uint64(p.BondsMovingAverage), averageUnit))
	read := whole
	if p.Yuma3 {
		read = fixed.FromU16
	}
	B := matrix(n, in.Bonds, read)
	for i := range n {
		for j := range n {
			if in.LastEpoch <= in.Registered[j] {
				B[i][j] = cell{}
			}
		}
	}
	D := make(vector, n)
	next := make([][]cell, n)
	if !p.Yuma3 {
		columnNormalise(B)
		dB := make([][]cell, n)
		for i := range n {
			dB[i] = make([]cell, n)
			for j := range n {
				dB[i][j] = cell{Wb[i][j].x.Mul(A[i]), Wb[i][j].ok}
			}
		}
		columnNormalise(dB)
		for i := range n {
			next[i] = make([]cell, n)
			for j := range n {
				x := alpha.Mul(dB[i][j].x).Add(fixed.One.Sub(alpha).Mul(B[i][j].x))
				next[i][j] = cell{x, x > 0}
			}
		}
		columnNormalise(next)
		for i := range n {
			for j := range n {
				D[i] = D[i].Add(I[j].Mul(next[i][j].x))
			}
		}
		columns(next, func(_ int, col []*cell) {
			var top fixed.I32F32
			for _, c := range col {
				top = max(top, c.x)
			}
			for _, c := range col {
				c.x = c.x.Div(top)
			}
		})
	} else {
		liquid := p.LiquidAlpha && sum(C) != 0
		low, high := fixed.FromU16(p.AlphaLow), fixed.FromU16(p.AlphaHigh)
		slope := fixed.FromInt(int64(p.AlphaSigmoidSteepness)).Div(fixed.FromInt(-100))
		for i := range n {
			next[i] = make([]cell, n)
			for j := range n {
				w, b, a := Wb[i][j].x, B[i][j].x, alpha
				if liquid {
					if !Wb[i][j].ok {
						continue
					}
					d := b.Sub(w)
					if w >= b {
						d = w.Sub(C[j])
					}
					d = d.Clamp(0, fixed.One)
					sigmoid := fixed.One.Div(fixed.One.Add(fixed.Exp(slope.Mul(d.Sub(fixed.One / 2)))))
					a = low.Add(sigmoid.Mul(high.Sub(low))).Clamp(low, high)
				}
				x := min(a.Mul(w).Add(fixed.One.Sub(a).Mul(b)), fixed.One)
				next[i][j] = cell{x, x > 0}
			}
		}
		norm := make([][]cell, n)
		for i := range n {
			norm[i] = append([]cell(nil), next[i]...)
		}
		columnNormalise(norm)
		for i := range n {
			for j := range n {
				D[i] = D[i].Add(norm[i][j].x.Mul(I[j]))
			}
			D[i] = D[i].Mul(A[i])
		}
	}
	out.Dividends = normalised(D)
	for i := range n {
		for j := range n {
			if v := next[i][j].x.U16(); v > 0 && out.Permit[i] {
				out.Bonds[i] = append(out.Bonds[i], Entry{uint16(j), v})
			}
		}
	}

	// Shares of an emission to both.
	both := make(vector, n)
	for i := range n {
		both[i] = I[i].Add(out.Dividends[i])
	}
	s := sum(both)
	out.MinerShare, out.ValidatorShare, out.CombinedShare = over(I, s), over(out.Dividends, s), over(both, s)
	if out.Fallback = s == 0; out.Fallback {
		stake := A
		if sum(A) == 0 {
			stake = out.Stake
		}
		out.ValidatorShare, out.CombinedShare = stake, stake
	}
	return out
}
