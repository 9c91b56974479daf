package consensus

import (
	"math"

	"github.com/plexusnet/plexus/consensus/fixed"
)

// A block of columns is gathered from the rows, one entry per pair that has a weight or an old bond, and then worked
// off column by column while it is still in the cache. An entry packs the normalised weight, the old bond as stored,
// and whether there was a weight at all; its row is kept beside it.
const (
	weightMask  = 1<<33 - 1
	bondShift   = 33
	bondMask    = math.MaxUint16
	weightGiven = 1 << 49

	rowShift = 33 // a normalised bond is kept with its live row above it

	blockEntries = 2048 // entries per block, so that it stays in the first cache
	rowEntries   = 16   // but at least so many per live row, for a row has its price too
)

// worker does the columns [from, to).
type worker struct {
	e        *Engine
	from, to int

	wcur, bcur []int32         // next weight and bond of each live row
	ends       []int           // where each row's new bonds of this worker end
	val        []uint64        // entries of the block, column after column
	row        []uint16        // their live rows
	next       *[1 << 16]int32 // next free entry of each column in the block
	counts     *[1 << 16]int32 // entries of each column, where they are counted
	x          []uint64        // new bonds of one column
	keys       []uint64        // selection keys of one column
	normal     []uint64        // column-normalised new bonds with their live rows
	normalEnd  []int           // where each column ends in normal
	trust      *lane           // sum of clipped weights by live row
	income     *lane           // dividends before normalisation by live row
	dense      denseWorker
	run        func() // calls task and reports to the group
	task       func(*worker)
}

func (e *Engine) startWorkers() {
	n := len(e.in.Stake)
	count := max(1, min(e.Workers, n/64))
	for len(e.pool) < count {
		w := &worker{e: e, next: new([1 << 16]int32), counts: new([1 << 16]int32),
			trust: new(lane), income: new(lane)}
		w.run = func() {
			defer e.group.Done()
			w.task(w)
		}
		e.pool = append(e.pool, w)
	}
	e.workers = e.pool[:count]
	for i, w := range e.workers {
		w.from, w.to = n*i/count, n*(i+1)/count
	}
}

// each runs a task on every worker and waits for all.
func (e *Engine) each(task func(*worker)) {
	if len(e.workers) == 1 {
		task(e.workers[0])
		return
	}
	e.group.Add(len(e.workers))
	for _, w := range e.workers {
		w.task = task
		//determinism:allow goroutine workers share no column, sums are of integers, and all are waited for
		go w.run()
	}
	e.group.Wait()
}

// columns computes everything that does not need the incentive of all neurons.
func (w *worker) columns() {
	e := w.e
	rows := len(e.live)
	clear(w.trust[:rows])
	w.wcur, w.bcur, w.ends = sized(w.wcur, rows), sized(w.bcur, rows), sized(w.ends, rows)
	for k := range e.live {
		r := &e.live[k]
		w.wcur[k], w.bcur[k] = seek(r.weights, w.from), seek(r.bonds, w.from)
		w.ends[k] = r.offset + r.room(w.from, int(w.wcur[k]+w.bcur[k]))
	}
	w.x, w.keys = sized(w.x, rows), sized(w.keys, rows+laneStep)
	if e.plan.dense {
		w.denseColumns()
	} else {
		w.sparseColumns(max(blockEntries, rowEntries*rows))
	}
}

// sparseColumns gathers blocks that have an entry for every pair with a weight or a bond.
func (w *worker) sparseColumns(limit int) {
	w.normal, w.normalEnd = w.normal[:0], sized(w.normalEnd, w.to-w.from)
	w.count()
	for from := w.from; from < w.to; {
		to, entries := w.layOut(from, limit)
		w.val, w.row = sized(w.val, entries), sized(w.row, entries)
		for k := range w.e.live {
			w.gather(uint16(k), to)
		}
		base := 0
		for j := from; j < to; j++ {
			w.column(j, w.val[base:w.next[j]], w.row[base:w.next[j]])
			base += int(w.counts[j])
		}
		from = to
	}
}

// room is where, counted from the row's offset, the new bonds toward column and later go: entries weights and bonds
// lie before the column. Room before and after never overlap, for no more pairs lie between two columns than there
// are columns, or weights and bonds.
func (r *liveRow) room(column, entries int) int { return min(column, entries) }

// seek finds the first entry at or after a uid.
func seek(row Row, uid int) int32 {
	lo, hi := 0, len(row)
	for lo < hi {
		mid := (lo + hi) / 2
		if int(row[mid].UID) < uid {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return int32(lo)
}

// count counts the entries of the worker's columns, pairs with both a weight and a bond twice.
func (w *worker) count() {
	clear(w.counts[w.from:w.to])
	for k := range w.e.live {
		r := &w.e.live[k]
		for _, row := range [...]Row{r.weights[w.wcur[k]:], r.bonds[w.bcur[k]:]} {
			for _, entry := range row {
				if int(entry.UID) >= w.to {
					break
				}
				w.counts[entry.UID]++
			}
		}
	}
}

// layOut chooses the columns [from, to) of the next block and gives each its place.
func (w *worker) layOut(from, limit int) (to, entries int) {
	for to = from; to < w.to; to++ {
		size := int(w.counts[to])
		if to > from && entries+size > limit {
			break
		}
		w.next[to] = int32(entries)
		entries += size
	}
	return to, entries
}

// gather moves a row's weights and bonds toward columns below to into the block.
func (w *worker) gather(k uint16, to int) {
	r := &w.e.live[k]
	weights, bonds := r.weights, r.bonds
	p, q := int(w.wcur[k]), int(w.bcur[k])
	next, val, row := w.next, w.val, w.row
	divisor, skip, masked := r.divisor, r.skip, r.masked
	for p < len(weights) || q < len(bonds) {
		// The next column is that of the next weight, of the next bond, or of both.
		var v uint64
		var uid uint16
		switch {
		case p < len(weights) && (q >= len(bonds) || weights[p].UID <= bonds[q].UID):
			uid = weights[p].UID
			if int(uid) >= to {
				w.wcur[k], w.bcur[k] = int32(p), int32(q)
				return
			}
			if int32(uid) != skip && !(masked && w.e.in.Registered[uid] >= r.fresh) {
				v = divisor.divide(weights[p].Value) | weightGiven
			}
			p++
			if q < len(bonds) && bonds[q].UID == uid {
				v |= uint64(bonds[q].Value) << bondShift
				q++
			}
		default:
			uid = bonds[q].UID
			if int(uid) >= to {
				w.wcur[k], w.bcur[k] = int32(p), int32(q)
				return
			}
			v = uint64(bonds[q].Value) << bondShift
			q++
		}
		at := next[uid]
		val[at], row[at] = v, k
		next[uid] = at + 1
	}
	w.wcur[k], w.bcur[k] = int32(p), int32(q)
}

// bondMask is what old bonds toward a neuron are masked with: nothing, or all of them where it registered since.
func (e *Engine) bondMask(j int) uint64 {
	if e.in.LastEpoch <= e.in.Registered[j] {
		return 0
	}
	return bondMask
}

// column does one column.
func (w *worker) column(j int, val []uint64, row []uint16) {
	e := w.e
	consensus := w.consensus(val, row)
	e.out.Consensus[j] = fixed.I32F32(consensus)
	bonds := e.bondMask(j)
	if e.plan.plain {
		w.plainRank(j, consensus, val, row)
	} else {
		w.rank(j, consensus, val, row)
	}
	x := w.x[:len(val)]
	var total, bound uint64
	switch {
	case e.plan.plain || e.plan.liquid:
		total, bound = w.plainBonds(consensus, bonds, val, row, x)
	case e.plan.yuma3:
		total, bound = w.bonds3(consensus, bonds, val, x)
	default:
		total, bound = w.bonds2(consensus, bonds, val, row, x)
	}
	if total != 0 {
		w.store(j, newColumnDivisor(total, bound), x, row)
	}
	w.normalEnd[j-w.from] = len(w.normal)
}

// consensus is the weighted median: the smallest weight such that the votes for at most that much exceed the
// minority. Rows without an entry vote for zero.
func (w *worker) consensus(val []uint64, row []uint16) uint64 {
	votes, limit := w.e.votes, w.e.minority
	keys := w.keys[:len(val)]
	n, sum := 0, int64(0)
	lo, hi := uint64(math.MaxUint64), uint64(0)
	for i, v := range val {
		k := row[i]
		v &= weightMask
		vote := votes[k]
		if v == 0 || vote == 0 {
			continue
		}
		keys[n] = v<<keyShift | uint64(k)
		n++
		sum += int64(vote)
		lo, hi = min(lo, v), max(hi, v)
	}
	if n == 0 {
		return 0
	}
	if n < w.e.voters {
		zero := w.e.allVotes - sum
		if zero > limit {
			return 0
		}
		limit -= zero
	}
	if sum <= limit {
		return hi // no weight reaches the majority: the largest stands
	}
	return smallestOver(keys[:n], votes, limit, lo, hi)
}

// rank sums the column's clipped weights by stake, and each row's clipped weights.
func (w *worker) rank(j int, consensus uint64, val []uint64, row []uint16) {
	stake, trust := w.e.stake, w.trust
	var before, rank uint64
	for i, v := range val {
		k := row[i]
		v &= weightMask
		clipped := min(v, consensus)
		s := stake[k]
		before += s * v >> 32
		rank += s * clipped >> 32
		trust[k] += clipped
	}
	w.ranked(j, before, rank)
}

func (w *worker) ranked(j int, before, rank uint64) {
	w.e.out.Rank[j] = fixed.I32F32(rank)
	w.e.out.Trust[j] = fixed.FromRatio(rank, before)
}

// bonds3 moves Yuma3 bonds toward the weights and returns their sum and a bound on each.
func (w *worker) bonds3(consensus, mask uint64, val, x []uint64) (total, bound uint64) {
	alpha, keep, penalty := w.e.plan.alpha, w.e.plan.keep, w.e.plan.penalty
	for i, v := range val {
		b := v >> bondShift & mask
		b = b*65537 + (b+1)>>16 // b/65535
		v &= weightMask
		clipped := min(v, consensus)
		if penalty != one {
			clipped = v - ((v-clipped)*penalty+(one-1))>>32
		}
		y := alpha*clipped>>32 + keep*b>>32
		x[i] = y
		total += y
		bound |= y
	}
	return total, bound
}

// bonds2 moves Yuma2 bonds: both old bonds and stake times weight are shares of their column.
func (w *worker) bonds2(consensus, mask uint64, val []uint64, row []uint16, x []uint64) (total, bound uint64) {
	alpha, keep, penalty, stake := w.e.plan.alpha, w.e.plan.keep, w.e.plan.penalty, w.e.stake
	var old, bought, boughtBound uint64
	for i, v := range val {
		old += v >> bondShift & mask
		v &= weightMask
		clipped := min(v, consensus)
		if penalty != one {
			clipped = v - ((v-clipped)*penalty+(one-1))>>32
		}
		y := stake[row[i]] * clipped >> 32
		x[i] = y
		bought += y
		boughtBound |= y
	}
	var share rowDivisor
	if old != 0 {
		share = newRowDivisor(old)
	}
	var delta columnDivisor
	if bought != 0 {
		delta = newColumnDivisor(bought, boughtBound)
	}
	for i, v := range val {
		y := uint64(0)
		if d := x[i]; d != 0 {
			y = alpha * delta.divide(d) >> 32
		}
		y += keep * share.divide(uint16(v>>bondShift&mask)) >> 32
		x[i] = y
		total += y
		bound |= y
	}
	return total, bound
}

// store keeps the normalised bonds of a column for the dividends and writes the new bonds to their rows.
func (w *worker) store(j int, divisor columnDivisor, x []uint64, row []uint16) {
	at := len(w.normal)
	w.normal = grown(w.normal, at+len(x))
	normal := w.normal[at:][:len(x)]
	row = row[:len(x)]
	if w.e.plan.yuma3 {
		bonds, ends := w.e.bonds, w.ends
		for i, y := range x {
			k := row[i]
			normal[i] = divisor.divide(y) | uint64(k)<<rowShift
			if value := uint16(y * math.MaxUint16 >> 32); value != 0 {
				at := ends[k]
				bonds[at] = Entry{uint16(j), value}
				ends[k] = at + 1
			}
		}
		return
	}
	var top uint64
	for i, y := range x {
		q := divisor.divide(y)
		normal[i] = q | uint64(row[i])<<rowShift
		x[i] = q
		top = max(top, q)
	}
	if top == 0 {
		return
	}
	upscale := newColumnDivisor(top, top)
	for i, q := range x {
		x[i] = upscale.divide(q)
	}
	w.write(j, x, row)
}

// write puts a column of new bonds into the rows' room, without zeros.
func (w *worker) write(j int, x []uint64, row []uint16) {
	for i, y := range x {
		if value := uint16(y * math.MaxUint16 >> 32); value != 0 {
			at := w.ends[row[i]]
			w.e.bonds[at] = Entry{uint16(j), value}
			w.ends[row[i]] = at + 1
		}
	}
}

// grown extends a slice to n items, keeping what it holds and doubling its memory when it must move.
func grown[T any](s []T, n int) []T {
	if n > cap(s) {
		s = append(make([]T, 0, max(n, 2*cap(s))), s...)
	}
	return s[:n]
}

// dividends sums what each row earns by its bonds.
func (w *worker) dividends() {
	if w.e.plan.dense {
		w.denseDividends()
		return
	}
	income := w.income
	clear(income[:len(w.e.live)])
	at := 0
	for j := w.from; j < w.to; j++ {
		end := w.normalEnd[j-w.from]
		incentive := uint64(w.e.out.Incentive[j])
		normal := w.normal[at:end]
		at = end
		switch incentive {
		case 0:
		case one: // the product could reach 2^64
			for _, q := range normal {
				income[uint16(q>>rowShift)] += q & weightMask
			}
		default:
			for _, q := range normal {
				income[uint16(q>>rowShift)] += (q & weightMask) * incentive >> 32
			}
		}
	}
}

// collectBonds joins what the workers wrote into each row's room.
func (e *Engine) collectBonds() {
	for k := range e.live {
		r := &e.live[k]
		if !r.keep {
			continue
		}
		end := e.workers[0].ends[k]
		for _, w := range e.workers[1:] {
			start := r.offset + r.room(w.from, int(seek(r.weights, w.from)+seek(r.bonds, w.from)))
			end += copy(e.bonds[end:], e.bonds[start:w.ends[k]])
		}
		e.out.Bonds[r.uid] = Row(e.bonds[r.offset:end:end])
	}
}
