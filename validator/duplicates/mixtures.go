package duplicates

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// The test of who passes on the labels of two; see the package's documentation.
const (
	sharedByTwo = 0.78 // p0: of the mistakes that two models make on the same challenges, those that another model makes like one of them
	candidates  = 4    // originals that a suspect repeats most, of which any two are tried
	suspicious  = 0.4  // of an original's mistakes that a suspect repeats, to be tried
)

// Mixture is what is known of whether one miner passes on, to each challenge, what one of two others says.
type Mixture struct {
	A, B     string // IDs of the originals, A < B
	Suspect  string
	Evidence float64
	Matches  bool
	Met      uint64 // round in which the evidence left 0
	Before   Record // of the suspect, by then
	Since    Record
}

type mixed struct{ a, b, suspect string }

// compareMixtures adds a round. It comes after compareMistakes, which tells whom a miner repeats most.
func (d *Detector) compareMixtures(round uint64, sheets []sheet) {
	copies := d.Copies()
	originals := map[string]*sheet{}
	for i := range sheets {
		if _, isCopy := copies[sheets[i].Miner.ID]; !isCopy {
			originals[sheets[i].Miner.ID] = &sheets[i]
		}
	}
	tried := map[mixed]bool{}
	for i := range sheets {
		repeated := d.repeatedMost(sheets[i].Miner.ID, originals)
		for j, a := range repeated {
			for _, b := range repeated[j+1:] {
				m := mixed{a: min(a, b), b: max(a, b), suspect: sheets[i].Miner.ID}
				tried[m] = true
				d.mix(round, m, originals[m.a], originals[m.b], &sheets[i])
			}
		}
	}
	answered := map[string]bool{}
	for _, s := range sheets {
		answered[s.Miner.ID] = true
	}
	maps.DeleteFunc(d.mixtures, func(m mixed, x *Mixture) bool {
		return x.Evidence == 0 || !x.Matches && !tried[m] && answered[m.suspect]
	})
}

// repeatedMost returns the originals whose mistakes a suspect repeats most.
func (d *Detector) repeatedMost(suspect string, originals map[string]*sheet) []string {
	share := map[string]float32{}
	for id := range originals {
		s := d.suspicions[ordered{id, suspect}]
		if s != nil && s.wrong.seen >= fewest && s.wrong.agreed >= suspicious*s.wrong.seen {
			share[id] = s.wrong.agreed / s.wrong.seen
		}
	}
	order := slices.SortedFunc(maps.Keys(share), func(a, b string) int { return cmp.Or(cmp.Compare(share[b], share[a]), cmp.Compare(a, b)) })
	return order[:min(candidates, len(order))]
}

func (d *Detector) mix(round uint64, m mixed, a, b, suspect *sheet) {
	match, mismatch := math.Log(entirely/sharedByTwo), math.Log((1-entirely)/(1-sharedByTwo))
	x := d.mixtures[m]
	if x == nil {
		x = &Mixture{A: m.a, B: m.b, Suspect: m.suspect}
		d.mixtures[m] = x
	}
	quiet := x.Evidence == 0
	for _, c := range a.wrong {
		if c >= len(b.Choices) || b.Choices[c].Class == 0 || b.Choices[c].Right || c >= len(suspect.Choices) || suspect.Choices[c].Class == 0 {
			continue
		}
		by := mismatch
		if said := suspect.Choices[c].Class; said == a.Choices[c].Class || said == b.Choices[c].Class {
			by = match
		}
		x.Evidence = min(2*proven, max(0, x.Evidence+by))
	}
	if x.Evidence == 0 {
		return
	}
	if quiet {
		x.Met, x.Before, x.Since = round, suspect.Before, Record{}
	}
	x.Since = x.Since.plus(suspect.Now)
	x.Matches = x.Matches || x.Evidence >= proven
}

// mixers returns the mixtures that are proven as pairs: of the suspect, and the original that it repeats more. A suspect that
// answered before one of the two did, and whose quality did not change, is none: others may have divided its labels.
func (d *Detector) mixers() []*Pair {
	var out []*Pair
	for _, x := range d.mixtures {
		a, b, suspect := d.miners[x.A], d.miners[x.B], d.miners[x.Suspect]
		side := Side{Miner: suspect, Before: x.Before, Since: x.Since}
		if !x.Matches || suspect.First <= max(a.First, b.First) && side.changed(Side{}) == 0 {
			continue
		}
		original := a
		if d.repeats(x.B, x.Suspect) > d.repeats(x.A, x.Suspect) {
			original = b
		}
		out = append(out, &Pair{A: Side{Miner: original}, B: side, Evidence: x.Evidence, Matches: true, Copy: x.Suspect, Met: x.Met})
	}
	return out
}

// repeats is the share of an original's mistakes that a suspect repeats.
func (d *Detector) repeats(original, suspect string) float32 {
	s := d.suspicions[ordered{original, suspect}]
	if s == nil || s.wrong.seen == 0 {
		return 0
	}
	return s.wrong.agreed / s.wrong.seen
}
