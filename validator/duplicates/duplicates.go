package duplicates

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/plexusnet/plexus/validator/mechanism"
)

// DefaultTolerance is how far, as a share of the largest output, two outputs may be apart and still agree. It lies far
// above what machines differ by in running one model (docs/validator.md), and below what models differ by.
const DefaultTolerance = 0.01

// The test of a pair; see the package's documentation.
const (
	copied      = 0.35 // p1
	unrelated   = 0.05 // p0
	threshold   = 30.0 // h
	informative = 10   // tolerances that the second largest output must reach of the largest
	probes      = 8    // outputs that the projection mixes
	recent      = 256  // comparisons after which one counts half in the share of agreements

	settledAfter = 1024 // questions to each since they first agreed

	likely  = 0.05 // tail of a record for what a miner is at least worth
	clearly = 5e-3 // for what is another quality: a record that was lucky must not make its miner the copy of every newcomer's
)

func agreement() (match, mismatch float64) {
	return math.Log(copied / unrelated), math.Log((1 - copied) / (1 - unrelated))
}

// Record is what a miner had shown by some time: the sum of its scores, and of how many challenges.
type Record struct {
	Score float64
	Asked float64
}

// bounds are the quantiles of the mean score that leave so much below, and above, from an even prior.
func (r Record) bounds(tail float64) (low, high float64) {
	score := min(max(r.Score, 0), r.Asked)
	beta := distuv.Beta{Alpha: 1 + score, Beta: 1 + r.Asked - score}
	return beta.Quantile(tail), beta.Quantile(1 - tail)
}

func (r Record) plus(o Record) Record {
	return Record{Score: r.Score + o.Score, Asked: r.Asked + o.Asked}
}

// Latency adds up how long answers took.
type Latency struct {
	Seconds float64
	Answers float64
}

func (l Latency) plus(o Latency) Latency {
	return Latency{Seconds: l.Seconds + o.Seconds, Answers: l.Answers + o.Answers}
}

// clearlyLess tells whether answers took less by a fifth, on average.
func (l Latency) clearlyLess(o Latency) bool {
	return l.Answers > 0 && o.Answers > 0 && 1.25*l.Seconds/l.Answers < o.Seconds/o.Answers
}

// Miner is one neuron.
type Miner struct {
	ID         string // the same for as long as it is the same neuron
	UID        uint16
	Registered uint64 // height
	First      uint64 // round in which it answered first
}

// Answers are what one miner made of a round.
type Answers struct {
	Miner   Miner
	Before  Record             // of all rounds before this one
	Now     Record             // of this round
	Latency Latency            // of this round
	Outputs [][]float64        // by challenge, all miners' in the same order; nil where there is no answer
	Choices []mechanism.Choice // by challenge; none where the mechanism knows no classes
}

// Side is one of a pair: its miner, its record from before the two first agreed, and record and latency since.
type Side struct {
	Miner   Miner
	Before  Record
	Since   Record
	Latency Latency
}

// Pair is what is known of two miners that agreed at least once. A.Miner.ID < B.Miner.ID.
type Pair struct {
	A, B     Side
	Evidence float64 // S
	Agreed   float64 // agreements, old ones counting less
	Compared float64 // of so many
	Matches  bool
	Copy     string // ID of the one that is a copy, once that is known
	Met      uint64 // round in which they first agreed
	Seen     uint64 // round in which they last agreed
}

// key is the IDs of a pair, in order.
type key struct{ a, b string }

// Detector looks for copies. The zero value is ready to use; it is not safe for concurrent use.
type Detector struct {
	Tolerance float64 // 0: DefaultTolerance
	// Forget is after how many rounds without agreement a pair that does not match is forgotten; 0: 10000. A pair that
	// matched before is kept for as long as both are there.
	Forget uint64

	pairs      map[key]*Pair
	suspicions map[ordered]*suspicion
	mixtures   map[mixed]*Mixture
	miners     map[string]Miner // of the suspicions, by ID
}

// start makes the zero value ready.
func (d *Detector) start() {
	if d.pairs == nil {
		d.pairs = map[key]*Pair{}
	}
	if d.suspicions == nil {
		d.suspicions, d.mixtures, d.miners = map[ordered]*suspicion{}, map[mixed]*Mixture{}, map[string]Miner{}
	}
}

// Observe takes in a round. Miners that were not asked are left out.
func (d *Detector) Observe(round uint64, answers []Answers) {
	d.start()
	sorted := slices.SortedFunc(slices.Values(answers), func(a, b Answers) int { return cmp.Compare(a.Miner.ID, b.Miner.ID) })
	usable := d.informative(sorted)
	at := make(map[string]int, len(sorted))
	for i, a := range sorted {
		at[a.Miner.ID] = i
	}
	agreed := d.candidates(usable)
	for k := range d.pairs {
		i, okA := at[k.a]
		j, okB := at[k.b]
		if _, found := agreed[[2]int{i, j}]; okA && okB && !found {
			agreed[[2]int{i, j}] = 0
		}
	}
	for ij, matches := range agreed {
		both := 0
		for c := range usable[ij[0]] {
			if usable[ij[0]][c] != nil && usable[ij[1]][c] != nil {
				both++
			}
		}
		d.update(round, sorted[ij[0]], sorted[ij[1]], matches, both)
	}
	d.forget(round)
	d.compareMistakes(round, sorted)
}

// update adds a round to what is known of a pair.
func (d *Detector) update(round uint64, a, b Answers, matches, both int) {
	k := key{a.Miner.ID, b.Miner.ID}
	p := d.pairs[k]
	if p == nil {
		p = &Pair{A: Side{Miner: a.Miner, Before: a.Before}, B: Side{Miner: b.Miner, Before: b.Before}, Met: round}
		d.pairs[k] = p
	}
	match, mismatch := agreement()
	keep := math.Exp2(-float64(both) / recent)
	p.Agreed, p.Compared = p.Agreed*keep+float64(matches), p.Compared*keep+float64(both)
	p.Evidence = min(2*threshold, max(0, p.Evidence+match*float64(matches)+mismatch*float64(both-matches)))
	if matches > 0 {
		p.Seen = round
	}
	if p.Evidence == 0 {
		p.Matches = false
		if p.Copy == "" {
			// It was chance. If they agree again, that will be when they meet.
			delete(d.pairs, k)
		}
		return
	}
	p.A.Since, p.B.Since = p.A.Since.plus(a.Now), p.B.Since.plus(b.Now)
	p.A.Latency, p.B.Latency = p.A.Latency.plus(a.Latency), p.B.Latency.plus(b.Latency)
	if p.Evidence >= threshold {
		p.Matches = true
	}
	if p.Matches && (p.Copy == "" || !p.settled()) {
		p.Copy = p.judge()
	}
}

func (d *Detector) forget(round uint64) {
	after := d.Forget
	if after == 0 {
		after = 10_000
	}
	for k, p := range d.pairs {
		if p.Copy == "" && round > p.Seen+after {
			delete(d.pairs, k)
		}
	}
}

// settled tells whether enough was seen since the two first agreed for the judgement to stay.
func (p *Pair) settled() bool { return min(p.A.Since.Asked, p.B.Since.Asked) >= settledAfter }

// judge returns the ID of the copy, "" while it is not known.
func (p *Pair) judge() string {
	a, b := p.A, p.B
	better := history(a, b)
	if better == 0 && a.known() == 1 && 2*p.Agreed < p.Compared {
		return "" // two with models of their own, of whom one takes little from the other and gains nothing
	}
	if cmp.Or(better, cmp.Compare(a.standing(), b.standing()), age(a, b)) > 0 {
		return b.Miner.ID
	}
	return a.Miner.ID
}

// history is positive if what the two had shown before speaks for a as the original, negative if for b.
func history(a, b Side) int {
	return cmp.Or(cmp.Compare(b.changed(a), a.changed(b)), cmp.Compare(a.known(), b.known()))
}

// age is positive if a is to be kept where nothing else tells the two apart.
func age(a, b Side) int {
	return cmp.Or(cmp.Compare(b.Miner.First, a.Miner.First), cmp.Compare(b.Miner.Registered, a.Miner.Registered), cmp.Compare(b.Miner.UID, a.Miner.UID))
}

// changed is 1 if what the miner has shown since is clearly another quality than its record from before, for the better
// by another's answers or for the worse. Who has become better and yet answers clearly faster than the other does not
// pass on the other's answers.
func (s Side) changed(other Side) int {
	if s.Before.Asked == 0 {
		return 0
	}
	beforeLow, beforeHigh := s.Before.bounds(clearly)
	sinceLow, sinceHigh := s.Since.bounds(clearly)
	switch {
	case sinceHigh < beforeLow, sinceLow > beforeHigh && !s.Latency.clearlyLess(other.Latency):
		return 1
	default:
		return 0
	}
}

// surely is 1 if the miner had shown clearly more than the other.
func (s Side) surely(other Side) int {
	if s.Before.Asked == 0 || other.Before.Asked == 0 {
		return 0
	}
	low, _ := s.Before.bounds(clearly)
	if _, high := other.Before.bounds(clearly); low > high {
		return 1
	}
	return 0
}

func (s Side) known() int {
	if s.Before.Asked > 0 {
		return 1
	}
	return 0
}

// standing is what the miner was at least worth before, 0 if nothing is known.
func (s Side) standing() float64 {
	if s.Before.Asked == 0 {
		return 0
	}
	low, _ := s.Before.bounds(likely)
	return low
}

// Copies returns who earns nothing, and the miner that it is a copy of (the one of most evidence, if there are several).
// Of miners that match, at least one keeps its reward.
func (d *Detector) Copies() map[string]string {
	copies, evidence := map[string]string{}, map[string]float64{}
	var matching []*Pair
	for _, p := range d.pairs {
		if p.Matches && p.Copy != "" {
			matching = append(matching, p)
		}
	}
	for _, p := range append(d.suspects(), d.mixers()...) {
		known := d.pairs[key{min(p.A.Miner.ID, p.B.Miner.ID), max(p.A.Miner.ID, p.B.Miner.ID)}]
		if known == nil || !known.Matches || known.Copy == "" {
			matching = append(matching, p) // what whole outputs tell was told earlier
		}
	}
	slices.SortFunc(matching, func(a, b *Pair) int {
		return cmp.Or(cmp.Compare(a.A.Miner.ID, b.A.Miner.ID), cmp.Compare(a.B.Miner.ID, b.B.Miner.ID))
	})
	for _, p := range matching {
		original := p.A.Miner.ID
		if p.Copy == original {
			original = p.B.Miner.ID
		}
		if p.Evidence > evidence[p.Copy] {
			copies[p.Copy], evidence[p.Copy] = original, p.Evidence
		}
	}
	keepOne(copies, matching)
	return copies
}

// keepOne sees to it that not all of those that match one another are copies: pairs that met at different times may
// have been judged in a circle. Of such a circle the miner that registered first is kept.
func keepOne(copies map[string]string, matching []*Pair) {
	for _, circle := range components(matching) {
		var first *Miner
		all := true
		for _, m := range circle {
			_, isCopy := copies[m.ID]
			all = all && isCopy
			if first == nil || cmp.Or(cmp.Compare(m.Registered, first.Registered), cmp.Compare(m.UID, first.UID)) < 0 {
				first = &m
			}
		}
		if all {
			delete(copies, first.ID)
		}
	}
}

// components returns the miners that are joined by matches, directly or by way of others.
func components(matching []*Pair) [][]Miner {
	parent, miners := map[string]string{}, map[string]Miner{}
	var root func(string) string
	root = func(id string) string {
		if parent[id] != id {
			parent[id] = root(parent[id])
		}
		return parent[id]
	}
	for _, p := range matching {
		for _, m := range []Miner{p.A.Miner, p.B.Miner} {
			if _, ok := parent[m.ID]; !ok {
				parent[m.ID], miners[m.ID] = m.ID, m
			}
		}
		parent[root(p.A.Miner.ID)] = root(p.B.Miner.ID)
	}
	groups := map[string][]Miner{}
	for id, m := range miners {
		groups[root(id)] = append(groups[root(id)], m)
	}
	var out [][]Miner
	for _, group := range groups {
		out = append(out, group)
	}
	return out
}

// Retain forgets miners that are not there any more.
func (d *Detector) Retain(present func(id string) bool) {
	for k := range d.pairs {
		if !present(k.a) || !present(k.b) {
			delete(d.pairs, k)
		}
	}
	maps.DeleteFunc(d.suspicions, func(o ordered, _ *suspicion) bool { return !present(o.original) || !present(o.suspect) })
	maps.DeleteFunc(d.mixtures, func(m mixed, _ *Mixture) bool { return !present(m.a) || !present(m.b) || !present(m.suspect) })
	maps.DeleteFunc(d.miners, func(id string, _ Miner) bool { return !present(id) })
}

// Pairs returns what is known, to be saved, in order of IDs.
func (d *Detector) Pairs() []Pair {
	out := make([]Pair, 0, len(d.pairs))
	for _, p := range d.pairs {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Pair) int {
		return cmp.Or(cmp.Compare(a.A.Miner.ID, b.A.Miner.ID), cmp.Compare(a.B.Miner.ID, b.B.Miner.ID))
	})
	return out
}

// Restore takes back what was saved.
func (d *Detector) Restore(pairs []Pair) {
	d.pairs = make(map[key]*Pair, len(pairs))
	for _, p := range pairs {
		d.pairs[key{p.A.Miner.ID, p.B.Miner.ID}] = &p
	}
}
