package duplicates

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
)

func (d *Detector) tolerance() float64 {
	if d.Tolerance > 0 {
		return d.Tolerance
	}
	return DefaultTolerance
}

// informative returns the outputs of every miner that tell models apart, nil for the others.
func (d *Detector) informative(answers []Answers) [][][]float64 {
	out := make([][][]float64, len(answers))
	for i, a := range answers {
		out[i] = make([][]float64, len(a.Outputs))
		for c, y := range a.Outputs {
			if first, second := largest(y); first > 0 && second >= informative*d.tolerance()*first {
				out[i][c] = y
			}
		}
	}
	return out
}

// largest returns the largest and the second largest magnitude.
func largest(y []float64) (first, second float64) {
	for _, v := range y {
		switch v := math.Abs(v); {
		case math.IsNaN(v) || math.IsInf(v, 0):
			return 0, 0
		case v > first:
			first, second = v, first
		case v > second:
			second = v
		}
	}
	return first, second
}

// projected is one miner's answer to a challenge on the line along which they are sorted.
type projected struct {
	miner    int
	at, size float64
}

// candidates returns how often two miners agree in the round, for those that do at all, by their places i < j.
func (d *Detector) candidates(usable [][][]float64) map[[2]int]int {
	agreed := map[[2]int]int{}
	if len(usable) == 0 {
		return agreed
	}
	for c := range usable[0] {
		d.challenge(usable, c, agreed)
	}
	return agreed
}

// challenge finds those that agree on one challenge. Along a sum of outputs with signs, answers that agree are at most
// Tolerance times the largest output apart for each output in the sum.
func (d *Detector) challenge(usable [][][]float64, c int, agreed map[[2]int]int) {
	var line []projected
	length := -1
	var signs []sign
	for i := range usable {
		if c >= len(usable[i]) || usable[i][c] == nil {
			continue
		}
		y := usable[i][c]
		if length < 0 {
			length, signs = len(y), projection(y)
		}
		if len(y) != length {
			continue // outputs of another size agree with nothing
		}
		p := projected{miner: i}
		for _, s := range signs {
			p.at += s.factor * y[s.output]
		}
		p.size, _ = largest(y)
		line = append(line, p)
	}
	slices.SortFunc(line, func(a, b projected) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.miner, b.miner)) })
	widest := 0.0
	for _, p := range line {
		widest = max(widest, p.size)
	}
	const rounding = 1e-9 // of the sums
	window := d.tolerance()*widest*float64(len(signs)) + rounding*widest
	for i, p := range line {
		for _, q := range line[i+1:] {
			if q.at-p.at > window {
				break
			}
			if agree(usable[p.miner][c], usable[q.miner][c], d.tolerance()*max(p.size, q.size)) {
				agreed[[2]int{min(p.miner, q.miner), max(p.miner, q.miner)}]++
			}
		}
	}
}

// sign is one output's part in a projection.
type sign struct {
	output int
	factor float64 // 1 or -1
}

// projection chooses outputs and signs by what the first answer is, which nobody chose.
func projection(y []float64) []sign {
	hash := fnv.New64a()
	for _, v := range y {
		hash.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)))
	}
	random := rand.New(rand.NewPCG(hash.Sum64(), 1))
	var signs []sign
	for _, at := range random.Perm(len(y))[:min(probes, len(y))] {
		signs = append(signs, sign{output: at, factor: float64(2*random.IntN(2) - 1)})
	}
	return signs
}

func agree(a, b []float64, within float64) bool {
	for i := range a {
		if math.Abs(a[i]-b[i]) > within {
			return false
		}
	}
	return true
}
