package experiment

import (
	"math"
	"slices"
)

// grid holds a digest and moments for every recorded step and column: a row per step, a cell per column. Its memory is
// in few large pieces without pointers, because there may be millions of cells.
type grid struct {
	width int      // cells per row
	size  int      // centroids per cell
	runs  []uint32 // per row
	at    []place  // per row
	slabs []*slab
}

// place is where a row begins.
type place struct {
	slab *slab
	cell int
}

// slab is the memory of a number of rows.
type slab struct {
	means   []float64
	weights []uint32
	used    []uint32 // centroids in use, per cell
	moments []cellMoments
}

// cellMoments are the exact statistics of a cell.
type cellMoments struct{ mean, squares, min, max float64 }

// What a cell takes in bytes: each centroid, and all else.
const (
	centroidBytes = 8 + 4
	cellBytes     = 4*8 + 4
)

func newGrid(width, size int) *grid { return &grid{width: width, size: size} }

// grow makes room for rows up to a number.
func (g *grid) grow(rows int) {
	added := rows - len(g.runs)
	if added <= 0 {
		return
	}
	cells := added * g.width
	s := &slab{
		means: make([]float64, cells*g.size), weights: make([]uint32, cells*g.size),
		used: make([]uint32, cells), moments: make([]cellMoments, cells),
	}
	g.slabs = append(g.slabs, s)
	for i := range added {
		g.at = append(g.at, place{s, i * g.width})
	}
	g.runs = append(g.runs, make([]uint32, added)...)
}

// merger adds values to cells. It has scratch memory of its own: one per goroutine.
type merger struct {
	grid    *grid
	values  []float64
	sorted  []float64
	means   []float64
	weights []uint32
}

func newMerger(g *grid, batch int) *merger {
	return &merger{grid: g, values: make([]float64, 0, batch), sorted: make([]float64, batch),
		means: make([]float64, g.size+batch), weights: make([]uint32, g.size+batch)}
}

// row adds what a batch of runs recorded at one row; records yields the values of one run, or nil.
func (m *merger) row(row int, batch int, record func(run int) []float64) {
	g := m.grid
	at := g.at[row]
	before := g.runs[row]
	added := uint32(0)
	for column := range g.width {
		m.values = m.values[:0]
		for run := range batch {
			if values := record(run); values != nil {
				m.values = append(m.values, values[column])
			}
		}
		added = uint32(len(m.values))
		if added == 0 {
			return
		}
		at.slab.moments[at.cell+column].add(before, m.values)
		m.cell(at.slab, at.cell+column, before)
	}
	g.runs[row] = before + added
}

// add takes further values after n others, by Welford's update in the order of the runs.
func (s *cellMoments) add(n uint32, values []float64) {
	for _, v := range values {
		n++
		if n == 1 {
			*s = cellMoments{mean: v, min: v, max: v}
			continue
		}
		d := v - s.mean
		s.mean += d / float64(n)
		s.squares += d * (v - s.mean)
		s.min, s.max = min(s.min, v), max(s.max, v)
	}
}

// cell merges the values at hand into the digest of a cell that has a weight.
func (m *merger) cell(c *slab, cell int, weight uint32) {
	size := m.grid.size
	means, weights := c.means[cell*size:(cell+1)*size], c.weights[cell*size:(cell+1)*size]
	used := int(c.used[cell])
	sorted := m.sorted[:copy(m.sorted, m.values)]
	slices.Sort(sorted)

	n := mergeSorted(m.means, m.weights, means[:used], weights[:used], sorted)
	if n <= size {
		copy(means, m.means[:n])
		copy(weights, m.weights[:n])
		c.used[cell] = uint32(n)
		return
	}
	total := weight + uint32(len(sorted))
	// A digest of compression d has at most d+1 centroids and in practice about two thirds of them, so try to use
	// the memory there is first.
	for _, compression := range [...]float64{1.5 * float64(size), float64(size - 1)} {
		if used := compress(means, weights, m.means[:n], m.weights[:n], total, compression); used > 0 {
			c.used[cell] = uint32(used)
			return
		}
	}
	panic("experiment: a digest outgrew its bound")
}

// mergeSorted merges centroids with single values, both in order, and returns their number.
func mergeSorted(means []float64, weights []uint32, old []float64, oldWeights []uint32, values []float64) int {
	i, j, n := 0, 0, 0
	for i < len(old) && j < len(values) {
		if old[i] <= values[j] {
			means[n], weights[n] = old[i], oldWeights[i]
			i++
		} else {
			means[n], weights[n] = values[j], 1
			j++
		}
		n++
	}
	for ; i < len(old); i++ {
		means[n], weights[n] = old[i], oldWeights[i]
		n++
	}
	for ; j < len(values); j++ {
		means[n], weights[n] = values[j], 1
		n++
	}
	return n
}

// compress merges neighbouring centroids as far as scale function k1 of the t-digest allows, into dst, and returns how
// many are left, or 0 if they do not fit. With k1(q) = d/(2 pi) asin(2q-1) no centroid of more than one value spans
// more than 1, so that centroids are small at the tails.
func compress(dst []float64, dstWeights []uint32, means []float64, weights []uint32, total uint32, compression float64) int {
	sin, cos := math.Sincos(2 * math.Pi / compression)
	if compression < 4 {
		sin, cos = 1, 0
	}
	all := float64(total)
	// limit is where a centroid that begins at rank before must end: k1 of it is one more.
	limit := func(before uint32) float64 {
		x := 2*float64(before)/all - 1
		if x >= cos {
			return all
		}
		return all * (1 + float64(x*cos) + float64(math.Sqrt(max(0, 1-float64(x*x)))*sin)) / 2
	}
	n, before := 0, uint32(0)
	end := limit(0)
	dst[0], dstWeights[0] = means[0], weights[0]
	for i := 1; i < len(means); i++ {
		if w := dstWeights[n] + weights[i]; float64(before+w) <= end {
			dst[n] += float64((means[i] - dst[n]) * float64(weights[i]) / float64(w))
			dstWeights[n] = w
			continue
		}
		before += dstWeights[n]
		end = limit(before)
		if n++; n == len(dst) {
			return 0
		}
		dst[n], dstWeights[n] = means[i], weights[i]
	}
	return n + 1
}

// cellAt describes a cell.
func (g *grid) cellAt(row, column int, probabilities []float64) Distribution {
	c, cell := g.at[row].slab, g.at[row].cell+column
	s, n := c.moments[cell], g.runs[row]
	d := Distribution{Runs: int(n), Mean: s.mean, Min: s.min, Max: s.max, Quantiles: make([]float64, len(probabilities))}
	if n > 1 {
		d.SD = math.Sqrt(s.squares / float64(n-1))
	}
	used := int(c.used[cell])
	means, weights := c.means[cell*g.size:cell*g.size+used], c.weights[cell*g.size:cell*g.size+used]
	for i, p := range probabilities {
		d.Quantiles[i] = quantile(means, weights, n, s.min, s.max, p)
	}
	return d
}

// quantile interpolates linearly between the centres of centroids by rank. Where every centroid is one value, that is
// the definition which R calls type 7 and numpy "linear".
func quantile(means []float64, weights []uint32, n uint32, least, greatest, p float64) float64 {
	rank := p * float64(n-1)
	leftRank, left := 0.0, least
	before := uint32(0)
	for i, mean := range means {
		centre := float64(before) + float64(weights[i]-1)/2
		if rank <= centre {
			return between(rank, leftRank, left, centre, mean)
		}
		leftRank, left = centre, mean
		before += weights[i]
	}
	return between(rank, leftRank, left, float64(n-1), greatest)
}

func between(x, x0, y0, x1, y1 float64) float64 {
	if x1 <= x0 || y0 == y1 {
		return y1
	}
	share := (x - x0) / (x1 - x0)
	if share < 0.5 {
		return y0 + (y1-y0)*share
	}
	return y1 - (y1-y0)*(1-share) // exact at both ends
}
