package consensus

import (
	"math"
	"math/bits"
	"slices"

	"github.com/plexusnet/plexus/consensus/fixed"
)

// denseRows are properties of the live rows as lanes, shared by all workers.
type denseRows struct {
	lanes               int // live rows, padded
	stride              int // lanes with room between columns, see scattered
	mulHi, mulLo, shift []uint64
	stake, votes        []uint64
	silent              int64 // votes of voters without a live row, who vote for zero
}

// load copies the live rows into lanes, and tells whether the dense loops can take them: no weight may be 1.0.
func (d *denseRows) load(e *Engine) bool {
	rows := len(e.live)
	d.silent = e.allVotes
	d.lanes = (rows + laneStep - 1) &^ (laneStep - 1)
	d.stride = scattered(d.lanes, 64/4)
	for _, lane := range [...]*[]uint64{&d.mulHi, &d.mulLo, &d.shift, &d.stake, &d.votes} {
		*lane = sized(*lane, d.lanes)
		clear((*lane)[rows:])
	}
	for k := range e.live {
		r := &e.live[k]
		if r.whole {
			return false
		}
		d.mulHi[k], d.mulLo[k] = r.divisor.mul>>32, r.divisor.mul&(one-1)
		d.shift[k] = 32 - uint64(r.divisor.shift) // (v << s) * mul >> 64 is (v * mul >> 32) >> (32 - s)
		d.stake[k], d.votes[k] = e.stake[uint16(k)], e.votes[uint16(k)]
		d.silent -= int64(d.votes[k])
	}
	return true
}

// denseWorker is a worker's memory for dense columns.
type denseWorker struct {
	scratch       [2][laneStep]tile // tiles of rows with missing entries, weights and bonds
	tiles         [laneStep]tile    // new bonds of a tile of rows and columns
	zeros         [laneStep]uint8   // by row, which of them are none
	none          tile              // the tile of rows that do not exist
	matches       []uint8           // which lanes are in a bucket
	packed        []uint32          // the block: weight and bond of every live row, column after column
	w, index      []uint64          // normalised weights of a column and their buckets
	x             []uint64          // new bonds of a column
	trust, income []uint64          // by live row
	normal        []uint32          // column-normalised bonds of every column of the worker
	whole         []wholeBond
}

// wholeBond is a bond with all of its column, which 32 bits cannot hold.
type wholeBond struct{ column, row int }

const (
	denseEntries = 8192         // of a block, so that it stays in the first cache
	denseWidth   = 2 * laneStep // columns of a block at least, so that rows are read by whole cache lines
)

// denseColumns works off the worker's columns in dense blocks.
func (w *worker) denseColumns() {
	e, d := w.e, &w.dense
	lanes, stride := e.rows.lanes, e.rows.stride
	width := max(denseWidth, denseEntries/stride&^(laneStep-1))
	d.packed = sized(d.packed, width*stride)
	d.matches = sized(d.matches, (lanes/laneStep+7)&^7)
	clear(d.matches)
	for _, lane := range [...]*[]uint64{&d.w, &d.index, &d.x, &d.trust, &d.income} {
		*lane = sized(*lane, lanes)
		clear(*lane)
	}
	clear(d.packed)
	d.normal = sized(d.normal, (w.to-w.from)*lanes)
	d.whole = d.whole[:0]
	for from := w.from; from < w.to; from += width {
		to := min(from+width, w.to)
		w.pack(from, to)
		for j := from; j < to; j++ {
			w.denseColumn(j, d.packed[(j-from)*stride:][:lanes], d.normal[(j-w.from)*lanes:][:lanes])
		}
		for j := to; (j-from)%laneStep != 0; j++ { // the last tile ends behind the last column
			clear(d.packed[(j-from)*stride:][:lanes])
		}
		w.unpack(from, to)
	}
	for k := range e.live {
		w.trust[uint16(k)] = d.trust[k]
	}
}

// pack moves the weights and bonds of all rows toward the columns [from, to) into the block, a tile at a time.
func (w *worker) pack(from, to int) {
	e, d, stride := w.e, &w.dense, w.e.rows.stride
	for at := 0; at < e.rows.lanes; at += laneStep {
		rows := e.live[at:min(at+laneStep, len(e.live))]
		wcur, bcur := w.wcur[at:][:len(rows)], w.bcur[at:][:len(rows)]
		var weights, bonds [laneStep]*tile
		var rest [laneStep]struct{ weights, bonds Row } // of each row
		for i := range rest {
			weights[i], bonds[i] = &d.none, &d.none
			if i < len(rows) {
				rest[i].weights, rest[i].bonds = rows[i].weights[wcur[i]:], rows[i].bonds[bcur[i]:]
			}
		}
		for j := from; j < to; j += laneStep {
			for i := range rest[:len(rows)] {
				// The common case of take, for both: no pair is missing.
				r := &rest[i]
				if fullTile(r.weights, j) && fullTile(r.bonds, j) {
					weights[i], bonds[i] = (*tile)(r.weights), (*tile)(r.bonds)
					r.weights, r.bonds = r.weights[laneStep:], r.bonds[laneStep:]
					continue
				}
				weights[i] = take(&r.weights, j, &d.scratch[0][i])
				bonds[i] = take(&r.bonds, j, &d.scratch[1][i])
			}
			e.vectors.pack(d.packed[(j-from)*stride+at:], stride, &weights, &bonds)
		}
		for i := range rows {
			wcur[i] = int32(len(rows[i].weights) - len(rest[i].weights))
			bcur[i] = int32(len(rows[i].bonds) - len(rest[i].bonds))
			w.mask(&rows[i], d.packed[at+i:], from, to)
		}
	}
}

// fullTile tells whether the row goes on with an entry for each column from j on, as sorted rows do when first and
// last are in place.
func fullTile(row Row, j int) bool {
	return len(row) >= laneStep && int(row[0].UID) == j && int(row[laneStep-1].UID) == j+laneStep-1
}

// take gives the next entries of a row, those toward the tile of columns from j on, and takes them off what is left of
// it. Where entries are missing it copies what there is to scratch.
func take(rest *Row, j int, scratch *tile) *tile {
	row := *rest
	if fullTile(row, j) {
		*rest = row[laneStep:]
		return (*tile)(row)
	}
	*scratch = tile{}
	n := 0
	for ; n < len(row) && int(row[n].UID) < j+laneStep; n++ {
		scratch[int(row[n].UID)-j] = row[n]
	}
	*rest = row[n:]
	return scratch
}

// mask removes a row's masked weights from the block.
func (w *worker) mask(r *liveRow, packed []uint32, from, to int) {
	stride := w.e.rows.stride
	if own := int(r.skip); own >= from && own < to {
		packed[(own-from)*stride] &^= bondMask
	}
	if r.masked {
		for j := from; j < to; j++ {
			if w.e.in.Registered[j] >= r.fresh {
				packed[(j-from)*stride] &^= bondMask
			}
		}
	}
}

// unpack writes the new bonds toward the columns [from, to), which have replaced weights and old bonds in the block,
// to the rows' room, without zeros.
func (w *worker) unpack(from, to int) {
	e, d, stride := w.e, &w.dense, w.e.rows.stride
	for at := 0; at < len(e.live); at += laneStep {
		ends := w.ends[at:min(at+laneStep, len(e.live))]
		for j := from; j < to; j += laneStep {
			e.vectors.unpack(&d.tiles, &d.zeros, d.packed[(j-from)*stride+at:], stride, uint32(j))
			for i, end := range ends {
				entries := &d.tiles[i]
				switch zeros := d.zeros[i]; zeros {
				case 0:
					*(*tile)(e.bonds[end:]) = *entries
					end += laneStep
				case math.MaxUint8:
				default:
					for c, entry := range entries {
						if zeros>>c&1 == 0 {
							e.bonds[end] = entry
							end++
						}
					}
				}
				ends[i] = end
			}
		}
	}
}

// denseColumn does one column; its new bonds, as stored, replace what was packed.
func (w *worker) denseColumn(j int, packed, normal []uint32) {
	e, d, run := w.e, &w.dense, w.e.vectors
	if !run.normalize(d.w, e.rows.mulHi, e.rows.mulLo, e.rows.shift, packed) {
		clear(normal) // nobody weighs the neuron or holds bonds toward it: all of it is zero
		return
	}
	consensus := w.denseConsensus()
	e.out.Consensus[j] = fixed.I32F32(consensus)
	mask := e.bondMask(j)
	var s columnSums
	if e.plan.yuma3 {
		move := bondMove{consensus, e.plan.penalty, e.plan.alpha, e.plan.keep, mask}
		s = run.bonds(d.x, d.trust, d.w, e.rows.stake, packed, &move)
	} else {
		s.before, s.rank = run.clip(d.x, d.trust, d.w, e.rows.stake, consensus, e.plan.penalty)
		s.total, s.bound = w.denseBonds2(mask, packed)
	}
	w.ranked(j, s.before, s.rank)
	total, bound := s.total, s.bound
	if total == 0 {
		clear(normal)
		clear(packed)
		return
	}
	divisor := newColumnDivisor(total, bound)
	if divisor.fast && bound != total {
		run.divide(normal, packed, d.x, divisor)
	} else {
		for k, y := range d.x {
			packed[k] = storedBond(y)
			q := divisor.divide(y)
			if q == one {
				d.whole = append(d.whole, wholeBond{j, k})
				q = 0
			}
			normal[k] = uint32(q)
		}
	}
	if !e.plan.yuma3 {
		d.upscale(packed, normal, j)
	}
}

const (
	sample    = 8 // weights of a column that denseConsensus looks at first
	rangeBits = 6
	ranges    = 1 << rangeBits // ranges between the smallest and largest of them
)

// denseConsensus is the weighted median of the column: see worker.consensus. It is mostly found in one round like
// those of smallestOver, over ranges between the extremes of a sample.
func (w *worker) denseConsensus() uint64 {
	d, rows := &w.dense, &w.e.rows
	n := len(w.e.live)
	limit := w.e.minority
	if rows.silent > 0 && rows.silent > limit || rows.silent == w.e.allVotes {
		return 0
	}
	limit -= rows.silent
	if n < 2*sample || limit < 0 || w.e.minority >= w.e.allVotes {
		return w.denseMedian(n, limit)
	}
	start := limit
	lo, hi := d.w[0], d.w[0]
	for i := n / sample; i < n; i += n / sample {
		lo, hi = min(lo, d.w[i]), max(hi, d.w[i])
	}
	shift := uint(max(bits.Len64(hi-lo)-rangeBits, 0))
	w.e.vectors.buckets(d.index, d.w, lo, shift)
	var sums [ranges]int64
	votes := rows.votes[:len(d.index)]
	for i, b := range d.index {
		sums[b%ranges] += int64(votes[i])
	}
	b := uint64(0)
	for b < ranges-1 && sums[b] <= limit {
		limit -= sums[b]
		b++
	}
	if b == ranges-1 || (b == 0 && lo > 0) {
		return w.denseMedian(n, start) // the first and last range hold what is outside, too: a bad guess
	}
	count := w.e.vectors.match(d.matches, d.index, b, w.keys, d.w)
	return smallestOver(w.keys[:count], w.e.votes, limit, lo+b<<shift, lo+(b+1)<<shift-1)
}

// denseMedian is denseConsensus without a guess, for a limit that the silent are taken from.
func (w *worker) denseMedian(n int, limit int64) uint64 {
	d := &w.dense
	count := 0
	lo, hi := uint64(math.MaxUint64), uint64(0)
	for k, v := range d.w[:n] {
		if w.e.votes[uint16(k)] != 0 {
			w.keys[count] = v<<keyShift | uint64(k)
			count++
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if w.e.minority >= w.e.allVotes {
		return hi // no weight reaches the majority: the largest stands
	}
	return smallestOver(w.keys[:count], w.e.votes, limit, lo, hi)
}

// denseBonds2 turns the weights that bonds follow, in x, into new bonds of Yuma2: old bonds and stake times weight are
// shares of their column. It returns the sum of the new bonds and a bound on each.
func (w *worker) denseBonds2(mask uint64, packed []uint32) (total, bound uint64) {
	d, stake := &w.dense, w.e.rows.stake
	alpha, keep := w.e.plan.alpha, w.e.plan.keep
	var old, bought, boughtBound uint64
	packed, stake = packed[:len(d.x)], stake[:len(d.x)]
	for k, c := range d.x {
		y := stake[k] * c >> 32
		d.x[k] = y
		bought += y
		boughtBound |= y
		old += uint64(packed[k]>>16) & mask
	}
	var share rowDivisor
	if old != 0 {
		share = newRowDivisor(old)
	}
	var delta columnDivisor
	if bought != 0 {
		delta = newColumnDivisor(bought, boughtBound)
	}
	for k, y := range d.x {
		if y != 0 {
			y = alpha * delta.divide(y) >> 32
		}
		if old != 0 {
			y += keep * share.divide(uint16(uint64(packed[k]>>16)&mask)) >> 32
		}
		d.x[k] = y
		total += y
		bound |= y
	}
	return total, bound
}

// upscale replaces the values of a Yuma2 column by the proportions of the largest share.
func (d *denseWorker) upscale(value, normal []uint32, j int) {
	if n := len(d.whole); n > 0 && d.whole[n-1].column == j {
		clear(value)
		value[d.whole[n-1].row] = math.MaxUint16
		return
	}
	top := uint64(slices.Max(normal))
	if top == 0 {
		clear(value)
		return
	}
	divisor := newColumnDivisor(top, top)
	for k, q := range normal {
		value[k] = storedBond(divisor.divide(uint64(q)))
	}
}

// denseDividends sums what each row earns by its bonds.
func (w *worker) denseDividends() {
	e, d := w.e, &w.dense
	lanes := e.rows.lanes
	clear(d.income)
	for j := w.from; j < w.to; j++ {
		normal := d.normal[(j-w.from)*lanes:][:lanes]
		switch incentive := uint64(e.out.Incentive[j]); incentive {
		case 0:
		case one:
			for k, q := range normal {
				d.income[k] += uint64(q)
			}
		default:
			e.vectors.income(d.income, normal, incentive)
		}
	}
	for _, b := range d.whole {
		d.income[b.row] += uint64(e.out.Incentive[b.column])
	}
	for k := range e.live {
		w.income[uint16(k)] = d.income[k]
	}
}
