package duplicates

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/plexusnet/plexus/validator/mechanism"
)

// The tests of whose mistakes are whose; see the package's documentation.
const (
	shared    = 0.60 // p0: of a model's mistakes, those that another model makes in the same way, at most
	mostly    = 0.80 // p1 of who passes on most answers
	entirely  = 0.97 // p1 of who passes on all
	redundant = 0.80 // of the agreement where the original is right, what another model keeps where it is wrong, at most
	alike     = 0.88 // agreement where the original is right, from which on that is asked
	certain   = 0.98 // the most agreement that is expected
	proven    = 25.0 // h
	doubtful  = 5.0  // evidence of the converse above which it is not clear whose mistakes they are

	remembered = 2048 // right answers of the original after which one counts half
	retained   = 128  // mistakes, likewise
	enough     = 256  // of them, before anything is compared with them
	fewest     = 16   // of them in a stratum, before it is

	settledApart = 4 * settledAfter // as mistakes are rarer than answers
)

// Sums of a suspicion, and the strata of how sure the original was.
const (
	sumEntirely = iota
	sumMostly
	sumRedundant
	sums
)

const strata = 4

// stratum is that of a probability which the original gave to its class.
func stratum(sure float64) int {
	switch {
	case sure < 0.5:
		return 0
	case sure < 0.75:
		return 1
	case sure < 0.9:
		return 2
	default:
		return 3
	}
}

// tally counts agreements, old ones counting less.
type tally struct{ agreed, seen float32 }

// suspicion is what is known of whether one miner, the suspect, passes on what another, the original, says.
type suspicion struct {
	sums      [sums]float32
	right     [strata]tally // of the challenges that the original had right
	wrong     tally         // and of the others
	met       uint64        // round in which the sums left 0
	original  trail         // since then
	suspect   trail
	matches   bool
	judged    bool
	exchanged bool // the suspect is the original
	spared    bool // neither is a copy
}

// trail is a Side without its miner.
type trail struct {
	before, since Record
	latency       Latency
}

func (t trail) side(m Miner) Side {
	return Side{Miner: m, Before: t.before, Since: t.since, Latency: t.latency}
}

func (t *trail) add(a Answers) {
	t.since, t.latency = t.since.plus(a.Now), t.latency.plus(a.Latency)
}

// ordered is an original and its suspect, by ID.
type ordered struct{ original, suspect string }

// sheet is a miner's part of a round, laid out for comparison.
type sheet struct {
	Answers
	right [strata][]int // challenges that it had right
	wrong []int
	keep  float64 // of what was known of agreement where it was right
	hold  float64 // and where it was wrong
}

func lay(a Answers) sheet {
	s := sheet{Answers: a}
	right := 0
	for c, choice := range a.Choices {
		switch {
		case choice.Class == 0:
		case choice.Right:
			k := stratum(choice.Sure)
			s.right[k] = append(s.right[k], c)
			right++
		default:
			s.wrong = append(s.wrong, c)
		}
	}
	s.keep, s.hold = math.Exp2(-float64(right)/remembered), math.Exp2(-float64(len(s.wrong))/retained)
	return s
}

// compareMistakes adds a round to what is known of every two miners that answered by class.
func (d *Detector) compareMistakes(round uint64, answers []Answers) {
	var sheets []sheet
	for _, a := range answers {
		if s := lay(a); slices.ContainsFunc(a.Choices, func(c mechanism.Choice) bool { return c.Class != 0 }) {
			sheets = append(sheets, s)
			d.miners[a.Miner.ID] = a.Miner
		}
	}
	for i := range sheets {
		for j := range sheets {
			if i != j {
				d.suspect(round, &sheets[i], &sheets[j])
			}
		}
	}
	for o, s := range d.suspicions {
		if s.matches && (!s.judged || !s.settled()) {
			back := d.suspicions[ordered{o.suspect, o.original}]
			s.judge(d.miners[o.original], d.miners[o.suspect], back != nil && back.evidence() > doubtful)
		}
	}
	d.compareMixtures(round, sheets)
}

func (d *Detector) suspect(round uint64, original, suspect *sheet) {
	o := ordered{original.Miner.ID, suspect.Miner.ID}
	s := d.suspicions[o]
	if s == nil {
		s = &suspicion{}
		d.suspicions[o] = s
	}
	quiet := s.quiet()
	s.learn(original, suspect)
	s.weigh(original, suspect)
	if s.quiet() {
		*s = suspicion{right: s.right, wrong: s.wrong}
		return
	}
	if quiet {
		s.met = round
		s.original, s.suspect = trail{before: original.record(suspect)}, trail{before: suspect.record(original)}
	}
	s.original.add(original.Answers)
	s.suspect.add(suspect.Answers)
	s.matches = s.matches || s.evidence() >= proven
}

// record is what a miner had shown before this round, nothing if it is less than half of what the other had: who says what
// another says makes no mistake before the other does, and looks good for that.
func (s *sheet) record(other *sheet) Record {
	if 2*s.Before.Asked < other.Before.Asked {
		return Record{}
	}
	return s.Before
}

func (s *suspicion) quiet() bool { return s.sums == [sums]float32{} }

func (s *suspicion) evidence() float64 { return float64(slices.Max(s.sums[:])) }

// learn counts how often the two agree where the original is right.
func (s *suspicion) learn(original, suspect *sheet) {
	for k, challenges := range original.right {
		t := &s.right[k]
		t.agreed, t.seen = t.agreed*float32(original.keep), t.seen*float32(original.keep)
		for _, c := range challenges {
			if c >= len(suspect.Choices) || suspect.Choices[c].Class == 0 {
				continue
			}
			t.seen++
			if suspect.Choices[c].Class == original.Choices[c].Class {
				t.agreed++
			}
		}
	}
}

// weigh adds the original's mistakes to the sums.
func (s *suspicion) weigh(original, suspect *sheet) {
	match, mismatch := s.ratios()
	s.wrong.agreed, s.wrong.seen = s.wrong.agreed*float32(original.hold), s.wrong.seen*float32(original.hold)
	for _, c := range original.wrong {
		if c >= len(suspect.Choices) || suspect.Choices[c].Class == 0 {
			continue
		}
		ratios := mismatch[stratum(original.Choices[c].Sure)]
		if suspect.Choices[c].Class == original.Choices[c].Class {
			ratios = match[stratum(original.Choices[c].Sure)]
			s.wrong.agreed++
		}
		s.wrong.seen++
		for i := range s.sums {
			s.sums[i] = min(2*proven, max(0, s.sums[i]+ratios[i]))
		}
	}
}

// ratios are the logarithms of the likelihood ratios of an agreement, and of a disagreement, by stratum and sum.
func (s *suspicion) ratios() (match, mismatch [strata][sums]float32) {
	agreed, seen := float32(0), float32(0)
	for _, t := range s.right {
		agreed, seen = agreed+t.agreed, seen+t.seen
	}
	asked := seen >= enough && agreed >= alike*seen
	for k, t := range s.right {
		match[k][sumEntirely], mismatch[k][sumEntirely] = ratio(entirely, shared)
		match[k][sumMostly], mismatch[k][sumMostly] = ratio(mostly, shared)
		switch {
		case !asked:
			mismatch[k][sumRedundant] = -2 * proven // what does not pass on every answer is left to the other sums
		case t.seen >= fewest:
			p := min(certain, float64(t.agreed+1)/float64(t.seen+2))
			match[k][sumRedundant], mismatch[k][sumRedundant] = ratio(p, redundant*p)
		}
	}
	return match, mismatch
}

// ratio returns ln(p1/p0) and ln((1-p1)/(1-p0)).
func ratio(p1, p0 float64) (match, mismatch float32) {
	return float32(math.Log(p1 / p0)), float32(math.Log((1 - p1) / (1 - p0)))
}

func (s *suspicion) settled() bool {
	return min(s.original.since.Asked, s.suspect.since.Asked) >= settledApart
}

// judge decides which of the two it is that passes on. Where there is evidence of the converse, too, they make the same
// mistakes, and it is the one that came later. Else it is the suspect, which makes mistakes of its own beside the
// original's; unless it was there before: then the other may have taken its labels and corrected some.
func (s *suspicion) judge(original, suspect Miner, mutual bool) {
	a, b := s.original.side(original), s.suspect.side(suspect)
	order := cmp.Or(history(a, b), cmp.Compare(a.surely(b), b.surely(a)), cmp.Compare(b.Miner.First, a.Miner.First))
	s.judged = true
	s.exchanged = mutual && cmp.Or(order, age(a, b)) < 0
	s.spared = !mutual && order < 0
}

// suspects returns the suspicions that are proven as pairs of which one is a copy.
func (d *Detector) suspects() []*Pair {
	var out []*Pair
	for o, s := range d.suspicions {
		if !s.matches || !s.judged || s.spared {
			continue
		}
		back := d.suspicions[ordered{o.suspect, o.original}]
		if back != nil && back.matches && back.judged && !back.spared && cmp.Or(cmp.Compare(back.met, s.met), cmp.Compare(o.suspect, o.original)) < 0 {
			continue // one judgement of two miners is enough: the earlier
		}
		copied := o.suspect
		if s.exchanged {
			copied = o.original
		}
		out = append(out, &Pair{A: s.original.side(d.miners[o.original]), B: s.suspect.side(d.miners[o.suspect]),
			Evidence: s.evidence(), Matches: true, Copy: copied, Met: s.met})
	}
	return out
}

// Suspicions is what is known of whose mistakes are whose, to be saved and given back.
type Suspicions struct {
	Miners   []Miner
	Data     []byte // of every suspicion: the places of its miners, and what is known
	Mixtures []Mixture
}

// ErrSuspicions is wrapped by what RestoreSuspicions refuses.
var ErrSuspicions = errors.New("not what Suspicions gave")

const (
	flagTrails = 1 << iota
	flagMatches
	flagJudged
	flagExchanged
	flagSpared
)

// Suspicions returns what is known.
func (d *Detector) Suspicions() Suspicions {
	var out Suspicions
	place := map[string]uint16{}
	for _, id := range slices.Sorted(maps.Keys(d.miners)) {
		place[id] = uint16(len(out.Miners))
		out.Miners = append(out.Miners, d.miners[id])
	}
	out.Data = make([]byte, 0, len(d.suspicions)*64)
	for o, s := range d.suspicions {
		out.Data = binary.BigEndian.AppendUint16(out.Data, place[o.original])
		out.Data = binary.BigEndian.AppendUint16(out.Data, place[o.suspect])
		out.Data = s.append(out.Data)
	}
	for _, x := range d.mixtures {
		out.Mixtures = append(out.Mixtures, *x)
	}
	return out
}

func (s *suspicion) append(data []byte) []byte {
	flags := flag(!s.quiet(), flagTrails) | flag(s.matches, flagMatches) | flag(s.judged, flagJudged) | flag(s.exchanged, flagExchanged) |
		flag(s.spared, flagSpared)
	data = append(data, flags)
	for _, f := range s.numbers() {
		data = binary.BigEndian.AppendUint32(data, math.Float32bits(*f))
	}
	if flags&flagTrails == 0 {
		return data
	}
	data = binary.BigEndian.AppendUint64(data, s.met)
	for _, f := range s.trails() {
		data = binary.BigEndian.AppendUint64(data, math.Float64bits(*f))
	}
	return data
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// numbers are those that every suspicion has.
func (s *suspicion) numbers() (out [sums + 2*strata + 2]*float32) {
	for i := range s.sums {
		out[i] = &s.sums[i]
	}
	for i := range s.right {
		out[sums+2*i], out[sums+2*i+1] = &s.right[i].agreed, &s.right[i].seen
	}
	out[sums+2*strata], out[sums+2*strata+1] = &s.wrong.agreed, &s.wrong.seen
	return out
}

// trails are the numbers of one whose sums are not 0.
func (s *suspicion) trails() [12]*float64 {
	a, b := &s.original, &s.suspect
	return [...]*float64{
		&a.before.Score, &a.before.Asked, &a.since.Score, &a.since.Asked, &a.latency.Seconds, &a.latency.Answers,
		&b.before.Score, &b.before.Asked, &b.since.Score, &b.since.Asked, &b.latency.Seconds, &b.latency.Answers,
	}
}

// RestoreSuspicions takes back what was saved. The error wraps ErrSuspicions.
func (d *Detector) RestoreSuspicions(saved Suspicions) error {
	d.start()
	clear(d.miners)
	clear(d.suspicions)
	clear(d.mixtures)
	for _, m := range saved.Miners {
		d.miners[m.ID] = m
	}
	for _, x := range saved.Mixtures {
		d.mixtures[mixed{x.A, x.B, x.Suspect}] = &x
	}
	r := reader{data: saved.Data}
	for len(r.data) > 0 && !r.short {
		original, suspect, flags := int(r.uint16()), int(r.uint16()), r.byte()
		s := &suspicion{matches: flags&flagMatches != 0, judged: flags&flagJudged != 0, exchanged: flags&flagExchanged != 0,
			spared: flags&flagSpared != 0}
		for _, f := range s.numbers() {
			*f = math.Float32frombits(uint32(r.take(4)))
		}
		if flags&flagTrails != 0 {
			s.met = r.take(8)
			for _, f := range s.trails() {
				*f = math.Float64frombits(r.take(8))
			}
		}
		if original >= len(saved.Miners) || suspect >= len(saved.Miners) {
			return fmt.Errorf("%w: miner %d of %d", ErrSuspicions, max(original, suspect), len(saved.Miners))
		}
		d.suspicions[ordered{saved.Miners[original].ID, saved.Miners[suspect].ID}] = s
	}
	if r.short {
		return fmt.Errorf("%w: it ends too early", ErrSuspicions)
	}
	return nil
}

// reader takes numbers off the front of data, zeros once it is too short.
type reader struct {
	data  []byte
	short bool
}

func (r *reader) take(size int) (v uint64) {
	if len(r.data) < size {
		r.data, r.short = nil, true
		return 0
	}
	for _, b := range r.data[:size] {
		v = v<<8 | uint64(b)
	}
	r.data = r.data[size:]
	return v
}

func (r *reader) uint16() uint16 { return uint16(r.take(2)) }
func (r *reader) byte() byte     { return byte(r.take(1)) }
