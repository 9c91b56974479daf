package consensus

import (
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/plexusnet/plexus/consensus/fixed"
)

// Engine computes epochs and keeps its memory between them. The zero value works on one core. An Engine may serve
// any number of subnets in turn, but only one at a time.
type Engine struct {
	// Workers is the number of goroutines that share the columns, 0 and 1 meaning none besides the caller's. Results
	// do not depend on it: columns are independent and sums are of integers.
	Workers int

	in       *Input
	out      Output
	live     []liveRow // rows with weights or bonds, by uid
	stake    *lane     // normalised active stake by live row
	votes    *lane     // stake normalised again among rows with any, by live row; 0 for the others
	voters   int       // rows with votes
	allVotes int64     // sum of votes
	minority int64     // votes that do not set consensus
	keys     []uint64
	bonds    []Entry // memory of the output's bonds
	pool     []*worker
	workers  []*worker // of the pool, those of this epoch
	group    sync.WaitGroup
	plan     plan
	rows     denseRows
	vectors  kernels
}

// plan is what an epoch's parameters mean for the hot loops.
type plan struct {
	penalty     uint64 // bonds penalty, 32.32
	alpha, keep uint64 // share of the new and of the old bond, 32.32, summing to one
	yuma3       bool
	liquid      bool
	plain       bool // products could reach 2^64: take the loops on fixed.I32F32
	dense       bool // most pairs of a live row and a neuron have an entry
}

// liveRow is a neuron that takes part with weights or bonds.
type liveRow struct {
	uid     int
	weights Row // nil without a permit
	bonds   Row
	divisor rowDivisor
	whole   bool   // a single weight has all of the row, so that it is 1.0
	fresh   uint64 // weights toward neurons registered at this block or later are masked
	masked  bool   // whether there is such a neuron
	skip    int32  // uid whose weight is masked as a self-weight, -1 for none
	keep    bool   // bonds are stored: the row has a new permit
	offset  int    // of the row's room in the engine's memory for new bonds
}

// Epoch computes one epoch. The result belongs to the engine and lasts until the next call; the input is not
// modified. An error wraps ErrInput and says what contradicts itself; there is no other failure.
func (e *Engine) Epoch(in *Input) (*Output, error) {
	if err := in.checkShape(); err != nil {
		return nil, err
	}
	e.in = in
	defer func() { // keep no hold on the caller's memory
		e.in = nil
		clear(e.live)
	}()
	e.resize(len(in.Stake))
	e.countStake()
	e.givePermits()
	e.activate()
	if err := e.readRows(); err != nil {
		return nil, err
	}
	e.prepare()
	e.each((*worker).columns)
	e.shareIncentive()
	if e.plan.liquid && !slices.ContainsFunc(e.out.Consensus, func(c fixed.I32F32) bool { return c != 0 }) {
		// Liquid alpha needs some consensus; without any, bonds move by the scalar average.
		e.plan.liquid = false
		e.each((*worker).columns)
	}
	e.each((*worker).dividends)
	e.shareDividends()
	e.collectBonds()
	e.shareEmission()
	return &e.out, nil
}

// resize gives every output n zeroed items.
func (e *Engine) resize(n int) {
	o := &e.out
	for _, v := range [...]*[]fixed.I32F32{
		&o.Stake, &o.ActiveStake, &o.Consensus, &o.Rank, &o.Trust, &o.ValidatorTrust, &o.Incentive, &o.Dividends,
		&o.MinerShare, &o.ValidatorShare, &o.CombinedShare,
	} {
		*v = sized(*v, n)
		clear(*v)
	}
	o.Active, o.Permit = sized(o.Active, n), sized(o.Permit, n)
	clear(o.Permit)
	o.Bonds = sized(o.Bonds, n)
	clear(o.Bonds)
	if e.stake == nil {
		e.stake, e.votes = new(lane), new(lane)
		e.vectors = kernels(cpuHasAVX2())
	}
}

// sized gives a slice of n items, reusing memory; their contents are arbitrary.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// countStake normalises the stake that counts. The quotients are exact for any stakes.
func (e *Engine) countStake() {
	in, stake := e.in, e.out.Stake
	var hi, lo uint64
	for i, s := range in.Stake {
		if s >= in.Params.StakeThreshold || i == in.OwnerUID {
			var carry uint64
			lo, carry = bits.Add64(lo, s, 0)
			hi += carry
		}
	}
	for i, s := range in.Stake {
		switch {
		case s < in.Params.StakeThreshold && i != in.OwnerUID:
		case hi == 0:
			stake[i] = fixed.FromRatio(s, lo)
		default:
			stake[i] = wideRatio(s, hi, lo)
		}
	}
}

// wideRatio is floor(s * 2^32 / (hi, lo)) for hi != 0, by long division.
func wideRatio(s, hi, lo uint64) (q fixed.I32F32) {
	rhi, rlo := uint64(0), s
	for range fixed.FracBits {
		rhi, rlo = rhi<<1|rlo>>63, rlo<<1
		q <<= 1
		if dlo, borrow := bits.Sub64(rlo, lo, 0); rhi > hi || (rhi == hi && borrow == 0) {
			rhi, _ = bits.Sub64(rhi, hi, borrow)
			rlo = dlo
			q |= 1
		}
	}
	return q
}

// givePermits selects the largest non-zero stakes, ties going to the higher uid, and the owner.
func (e *Engine) givePermits() {
	stake, permit := e.out.Stake, e.out.Permit
	e.keys = sized(e.keys, len(stake))[:0]
	lo, hi := uint64(one), uint64(0)
	for _, s := range stake {
		if s > 0 {
			e.votes[uint16(len(e.keys))] = 1
			e.keys = append(e.keys, uint64(s)<<keyShift|uint64(len(e.keys)))
			lo, hi = min(lo, uint64(s)), max(hi, uint64(s))
		}
	}
	room := int(e.in.Params.MaxValidators)
	if staked := len(e.keys); staked <= room {
		for i, s := range stake {
			permit[i] = s > 0
		}
	} else if room > 0 {
		least := fixed.I32F32(smallestOver(e.keys, e.votes, int64(staked-room), lo, hi))
		for i, s := range stake {
			if s > least {
				permit[i] = true
				room--
			}
		}
		for i := len(stake) - 1; room > 0; i-- {
			if stake[i] == least {
				permit[i] = true
				room--
			}
		}
	}
	if e.in.OwnerUID >= 0 {
		permit[e.in.OwnerUID] = true
	}
}

// permitted tells whether a neuron had a permit before this epoch.
func (in *Input) permitted(i int) bool { return in.Permit[i] || i == in.OwnerUID }

// activate masks stake by activity and old permits and normalises the rest.
func (e *Engine) activate() {
	in, o := e.in, &e.out
	var total fixed.I32F32
	for i, updated := range in.LastUpdate {
		o.Active[i] = in.Height <= updated || in.Height-updated <= in.Params.ActivityCutoff
		if o.Active[i] && in.permitted(i) {
			o.ActiveStake[i] = o.Stake[i]
			total += o.Stake[i]
		}
	}
	for i, s := range o.ActiveStake {
		if s != 0 {
			o.ActiveStake[i] = s.Div(total)
		}
	}
}

// readRows lists the rows that take part and checks all rows.
func (e *Engine) readRows() error {
	in, n := e.in, len(e.in.Stake)
	var newest uint64
	for _, r := range in.Registered {
		newest = max(newest, r)
	}
	e.live = e.live[:0]
	entries, room := 0, 0
	for i := range n {
		sum, ok := e.vectors.rowSum(in.Weights[i], n)
		if !ok {
			return badRow("weights", i, in.Weights[i], n)
		}
		if _, ok := e.vectors.rowSum(in.Bonds[i], n); !ok {
			return badRow("bonds", i, in.Bonds[i], n)
		}
		var weights Row
		if in.permitted(i) {
			weights = in.Weights[i]
		}
		if len(weights)+len(in.Bonds[i]) == 0 {
			continue
		}
		r := liveRow{uid: i, weights: weights, bonds: in.Bonds[i], skip: -1, keep: e.out.Permit[i], fresh: in.LastUpdate[i]}
		if i != in.OwnerUID {
			r.skip = int32(i)
		}
		if in.Params.CommitReveal && in.CommitHeight != nil && in.CommitHeight[i] != 1<<64-1 {
			r.fresh = min(r.fresh, in.CommitHeight[i]+1)
		}
		r.masked = newest >= r.fresh
		if sum = r.unmaskedSum(sum, in.Registered); sum > 0 {
			r.divisor = newRowDivisor(sum)
			r.whole = r.hasWhole(sum)
		}
		r.offset = room
		room += scattered(min(len(r.weights)+len(r.bonds), n), 64/4)
		entries += len(r.weights) + len(r.bonds)
		e.live = append(e.live, r)
	}
	e.plan.dense = entries >= n*len(e.live)/2
	e.bonds = sized(e.bonds, room)
	return nil
}

// scattered rounds a length up to an odd number of cache lines, so that items of that distance spread over the cache.
func scattered(n, perLine int) int { return ((n+perLine-1)/perLine | 1) * perLine }

// unmaskedSum is the sum of the row's weights that count, given the sum of all.
func (r *liveRow) unmaskedSum(sum uint64, registered []uint64) uint64 {
	if !r.masked {
		if k, ok := slices.BinarySearchFunc(r.weights, r.skip, func(e Entry, uid int32) int {
			return int(e.UID) - int(uid)
		}); ok {
			sum -= uint64(r.weights[k].Value)
		}
		return sum
	}
	sum = 0
	for _, entry := range r.weights {
		if int32(entry.UID) != r.skip && registered[entry.UID] < r.fresh {
			sum += uint64(entry.Value)
		}
	}
	return sum
}

// hasWhole tells whether one of the row's weights is its whole sum.
func (r *liveRow) hasWhole(sum uint64) bool {
	if sum > math.MaxUint16 {
		return false
	}
	return slices.ContainsFunc(r.weights, func(e Entry) bool { return uint64(e.Value) == sum && int32(e.UID) != r.skip })
}

// prepare sets up the votes, the plan and the workers.
func (e *Engine) prepare() {
	p := &e.in.Params
	var total, votes fixed.I32F32
	for _, s := range e.out.ActiveStake {
		total += s
	}
	e.voters = 0
	sole := false
	for _, s := range e.out.ActiveStake {
		if s > 0 {
			e.voters++
			votes += s.Div(total)
		}
		sole = sole || s == fixed.One
	}
	for k := range e.live {
		s := e.out.ActiveStake[e.live[k].uid]
		e.stake[uint16(k)] = uint64(s)
		e.votes[uint16(k)] = uint64(s.Div(total))
	}
	clear(e.votes[len(e.live):min(len(e.live)+laneStep, len(e.votes))]) // the padding of dense columns has none
	e.allVotes = int64(votes)
	e.minority = int64(votes - fixed.FromU16(p.Kappa))
	alpha := fixed.One - fixed.FromRatio(uint64(p.BondsMovingAverage), averageUnit)
	e.plan.penalty = uint64(fixed.FromU16(p.BondsPenalty))
	e.plan.alpha, e.plan.keep = uint64(alpha), uint64(fixed.One-alpha)
	e.plan.yuma3 = p.Yuma3
	e.plan.liquid = p.Yuma3 && p.LiquidAlpha
	e.plan.plain = sole || alpha == 0 || alpha == fixed.One
	e.plan.dense = e.plan.dense && len(e.live) > 0 && !e.plan.plain && !e.plan.liquid && e.rows.load(e)
	e.startWorkers()
}

// shareIncentive sums what the workers found per row and turns ranks into incentive.
func (e *Engine) shareIncentive() {
	o := &e.out
	var total fixed.I32F32
	for _, r := range o.Rank {
		total += r
	}
	shareOut(o.Incentive, o.Rank, total)
	for k := range e.live {
		var sum uint64
		for _, w := range e.workers {
			sum += w.trust[uint16(k)]
		}
		o.ValidatorTrust[e.live[k].uid] = fixed.I32F32(sum)
	}
}

func (e *Engine) shareDividends() {
	o := &e.out
	var total fixed.I32F32
	for k := range e.live {
		var sum uint64
		for _, w := range e.workers {
			sum += w.income[uint16(k)]
		}
		i := e.live[k].uid
		o.Dividends[i] = fixed.I32F32(sum)
		if e.plan.yuma3 {
			o.Dividends[i] = o.Dividends[i].Mul(o.ActiveStake[i])
		}
		total += o.Dividends[i]
	}
	shareOut(o.Dividends, o.Dividends, total)
}

// shareOut writes each amount as a share of a total that is at least as large as each; nothing shares out to nothing.
func shareOut(dst, amounts []fixed.I32F32, total fixed.I32F32) {
	if total == 0 {
		clear(dst)
		return
	}
	var bound uint64
	for _, a := range amounts {
		bound |= uint64(a)
	}
	divisor := newColumnDivisor(uint64(total), bound)
	for i, a := range amounts {
		dst[i] = fixed.I32F32(divisor.divide(uint64(a)))
	}
}

// shareEmission gives the shares of an amount paid to miners and validators together.
func (e *Engine) shareEmission() {
	o := &e.out
	var total, active fixed.I32F32
	for i, d := range o.Dividends {
		total += o.Incentive[i] + d
		active += o.ActiveStake[i]
	}
	o.Fallback = total == 0
	if o.Fallback {
		stake := o.ActiveStake
		if active == 0 {
			stake = o.Stake
		}
		copy(o.ValidatorShare, stake)
		copy(o.CombinedShare, stake)
		return
	}
	for i, d := range o.Dividends {
		o.CombinedShare[i] = o.Incentive[i] + d
	}
	shareOut(o.MinerShare, o.Incentive, total)
	shareOut(o.ValidatorShare, o.Dividends, total)
	shareOut(o.CombinedShare, o.CombinedShare, total)
}
