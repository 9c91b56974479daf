package duplicates

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// The tests play with what real models answered (record_test.go): three grades of each task, of three seeds, every seed with
// examples of its own.

// panel is a task's challenges and models.
type panel struct {
	truth   []uint8
	classes int
	models  []model
	random  *rand.Rand
}

func grades() []string { return []string{"small", "medium", "large"} }

// newPanel has the models of some seeds, by grade and then by seed.
func newPanel(t testing.TB, task string, seeds ...string) *panel {
	t.Helper()
	kind, err := tasks.ByName(task)
	require.NoError(t, err)
	p := &panel{truth: truths(t, task), classes: kind.Classes(), random: rand.New(rand.NewPCG(seed(task), 1))}
	for _, grade := range grades() {
		for _, s := range seeds {
			p.models = append(p.models, readModel(t, task+"-"+grade+"-"+s))
		}
	}
	return p
}

// policy says what class, from 0, a miner answers to a challenge, and how sure it says it is.
type policy func(c int) (class uint8, sure float64)

func (p *panel) says(i int) policy {
	return func(c int) (uint8, float64) { return p.models[i].said[c], float64(p.models[i].sure[c]) / 255 }
}

// Places of models in a panel of one seed per grade.
const (
	small = iota
	medium
	large
)

// contest is miners that are asked the same challenges, drawn again and again from those of a panel.
type contest struct {
	*panel
	detector Detector
	round    uint64
	miners   []Miner
	policies []policy
	records  []Record
	weights  []float64 // of drawing each challenge, added up; nil: all the same
}

func (p *panel) contest(policies ...policy) *contest {
	w := &contest{panel: p}
	for i, policy := range policies {
		w.join(uint64(i), policy)
	}
	return w
}

func (w *contest) join(registered uint64, by policy) {
	w.miners = append(w.miners, Miner{ID: fmt.Sprintf("%05d", len(w.miners)), UID: uint16(len(w.miners)), Registered: registered})
	w.policies, w.records = append(w.policies, by), append(w.records, Record{})
}

func (w *contest) draw() int {
	if w.weights == nil {
		return w.random.IntN(len(w.truth))
	}
	at, _ := slices.BinarySearch(w.weights, w.random.Float64()*w.weights[len(w.weights)-1])
	return min(at, len(w.truth)-1)
}

// err makes it so that a model errs on such a share of the challenges.
func (w *contest) err(i int, rate float64) {
	wrong := 0
	for c, truth := range w.truth {
		if w.models[i].said[c] != truth {
			wrong++
		}
	}
	sum := 0.0
	w.weights = make([]float64, len(w.truth))
	for c, truth := range w.truth {
		if w.models[i].said[c] != truth {
			sum += rate / float64(wrong)
		} else {
			sum += (1 - rate) / float64(len(w.truth)-wrong)
		}
		w.weights[c] = sum
	}
}

// play lets rounds pass.
func (w *contest) play(rounds int) {
	for range rounds {
		w.round++
		answers := make([]Answers, len(w.policies))
		for i := range answers {
			if w.miners[i].First == 0 {
				w.miners[i].First = w.round
			}
			answers[i] = Answers{Miner: w.miners[i], Before: w.records[i], Now: Record{Asked: challenges}}
		}
		for range challenges {
			c := w.draw()
			for i, says := range w.policies {
				class, sure := says(c)
				choice := mechanism.Choice{Class: 1 + int(class), Sure: sure, Right: class == w.truth[c]}
				if choice.Right {
					answers[i].Now.Score++
				}
				answers[i].Choices = append(answers[i].Choices, choice)
			}
		}
		w.detector.Observe(w.round, answers)
		for i := range answers {
			keep := math.Exp2(-challenges / 512.)
			w.records[i].Score = w.records[i].Score*keep + answers[i].Now.Score
			w.records[i].Asked = w.records[i].Asked*keep + challenges
		}
	}
}

// until lets rounds pass until a miner is a copy, and returns how many challenges that took; ok is false where it was none
// after most rounds.
func (w *contest) until(miner, most int) (asked int, ok bool) {
	for range most {
		w.play(1)
		if w.copies(miner) {
			return int(w.round) * challenges, true
		}
	}
	return 0, false
}

func (w *contest) copies(miner int) bool {
	_, ok := w.detector.Copies()[w.miners[miner].ID]
	return ok
}

// TestHowManyMistakesHonestModelsShare measures what the tests of mistakes lean on.
func TestHowManyMistakesHonestModelsShare(t *testing.T) {
	for _, task := range tasks.Names() {
		p := newPanel(t, task, "1", "2", "3", "1-tuned")
		related := func(i, j int) bool { return i/4 == j/4 && i%4%3 == 0 && j%4%3 == 0 } // of seed 1, and of one grade
		most, mostOfRelated, mostOfTwo := 0.0, 0.0, 0.0
		for b := range p.models {
			for i := range p.models {
				if i == b {
					continue
				}
				if related(i, b) {
					mostOfRelated = max(mostOfRelated, p.repeated(b, i))
					continue
				}
				most = max(most, p.repeated(b, i))
				for j := range i {
					if j != b && !related(j, b) {
						mostOfTwo = max(mostOfTwo, p.repeated(b, i, j))
					}
				}
			}
		}
		t.Logf("%s: at most %.3f of one model's mistakes, %.3f of two models', %.3f of a relative's", task, most, mostOfTwo, mostOfRelated)
		require.Less(t, most, shared-0.05)
		require.Less(t, mostOfTwo, sharedByTwo-0.03)
	}
}

// repeated is the share of the challenges that the originals all have wrong to which a model gives a class of theirs.
func (p *panel) repeated(by int, originals ...int) float64 {
	wrong, same := 0, 0
	for c, truth := range p.truth {
		all, one := true, false
		for _, i := range originals {
			all = all && p.models[i].said[c] != truth
			one = one || p.models[i].said[c] == p.models[by].said[c]
		}
		if all {
			wrong++
			if one {
				same++
			}
		}
	}
	return float64(same) / float64(wrong)
}

// TestNoHonestMinerIsSuspected lets more than 10 000 pairs of miners answer 8000 challenges each.
func TestNoHonestMinerIsSuspected(t *testing.T) {
	sequences, most, mixed := 0, 0.0, 0.0
	for _, task := range tasks.Names() {
		for _, seeds := range [][]string{{"1", "2", "3"}, {"1-tuned", "2", "3"}} {
			p := newPanel(t, task, seeds...)
			for range 24 {
				var honest []policy
				for i := range p.models {
					honest = append(honest, p.says(i))
				}
				w := p.contest(honest...)
				for range recorded / challenges {
					w.play(1)
					for o, s := range w.detector.suspicions {
						require.False(t, s.matches, "%s: %v by %v", task, o, s.sums)
						most = max(most, s.evidence())
					}
					for m, x := range w.detector.mixtures {
						require.False(t, x.Matches, "%s: %v by %v", task, m, x.Evidence)
						mixed = max(mixed, x.Evidence)
					}
				}
				sequences += len(w.detector.suspicions)
			}
		}
	}
	require.GreaterOrEqual(t, sequences, 10_000)
	t.Logf("of %d pairs none was suspected; the most evidence was %.1f, and of mixtures %.1f, of the %.0f that prove", sequences, most, mixed, proven)
}

// TestHowSoonAParrotIsFound tells after how many challenges, and mistakes of the original, for originals of different quality.
func TestHowSoonAParrotIsFound(t *testing.T) {
	for _, task := range tasks.Names() {
		p := newPanel(t, task, "1")
		for _, rate := range []float64{0.005, 0.01, 0.04} {
			var took []int
			for range 21 {
				w := p.contest(p.says(large), p.says(large))
				w.err(large, rate)
				asked, ok := w.until(1, 2000)
				require.True(t, ok, "%s at %v", task, rate)
				require.False(t, w.copies(0))
				took = append(took, asked)
			}
			slices.Sort(took)
			t.Logf("%s, %.1f %% wrong: found after %d challenges (median; %d to %d), %.0f mistakes",
				task, 100*rate, took[10], took[0], took[20], float64(took[10])*rate)
		}
	}
}

// spoil gives another class now and then.
func (p *panel) spoil(by policy, rate float64, unsure float64) policy {
	return func(c int) (uint8, float64) {
		class, sure := by(c)
		if (unsure == 0 || sure < unsure) && p.random.Float64() < rate {
			class = uint8(p.random.IntN(p.classes))
		}
		return class, 0.91
	}
}

// mix answers by the first for a share of the challenges, and else by the second.
func (p *panel) mix(first, second policy, share float64) policy {
	return func(c int) (uint8, float64) {
		if p.random.Float64() < share {
			return first(c)
		}
		return second(c)
	}
}

// fallBack answers by the second where the first is unsure.
func fallBack(first, second policy, unsure float64) policy {
	return func(c int) (uint8, float64) {
		if class, sure := first(c); sure >= unsure {
			return class, sure
		}
		return second(c)
	}
}

// TestParrots tells, for those that pass on labels, whether they are found and what they would be paid if they were not. Those
// of which found is false are beyond what mistakes tell; the documentation names them.
func TestParrots(t *testing.T) {
	tests := []struct {
		name  string
		make  func(p *panel, best, second, own policy) policy
		found bool
	}{
		{"every label", func(_ *panel, best, _, _ policy) policy { return best }, true},
		{"5 % spoiled", func(p *panel, best, _, _ policy) policy { return p.spoil(best, 0.05, 0) }, true},
		{"10 % spoiled", func(p *panel, best, _, _ policy) policy { return p.spoil(best, 0.1, 0) }, true},
		{"20 % spoiled", func(p *panel, best, _, _ policy) policy { return p.spoil(best, 0.2, 0) }, true},
		{"40 % spoiled", func(p *panel, best, _, _ policy) policy { return p.spoil(best, 0.4, 0) }, false},
		{"spoiled where the original is less than 50 % sure", func(p *panel, best, _, _ policy) policy { return p.spoil(best, 1, 0.5) }, true},
		{"spoiled where the original is less than 75 % sure", func(p *panel, best, _, _ policy) policy { return p.spoil(best, 1, 0.75) }, true},
		{"its own medium model for a tenth", func(p *panel, best, _, own policy) policy { return p.mix(best, own, 0.9) }, true},
		{"its own medium model for a quarter", func(p *panel, best, _, own policy) policy { return p.mix(best, own, 0.75) }, true},
		{"its own medium model for half", func(p *panel, best, _, own policy) policy { return p.mix(best, own, 0.5) }, false},
		{"its own medium model where the original is less than 50 % sure", func(_ *panel, best, _, own policy) policy { return fallBack(best, own, 0.5) }, true},
		{"its own medium model where the original is less than 75 % sure", func(_ *panel, best, _, own policy) policy { return fallBack(best, own, 0.75) }, false},
		{"the best where its own medium model is less than 75 % sure", func(_ *panel, best, _, own policy) policy { return fallBack(own, best, 0.75) }, false},
		{"one of two good miners, at random", func(p *panel, best, second, _ policy) policy { return p.mix(best, second, 0.5) }, true},
		{"the second where the best is less than 75 % sure", func(_ *panel, best, second, _ policy) policy { return fallBack(best, second, 0.75) }, false},
	}
	for _, task := range tasks.Names() {
		var table bytes.Buffer
		tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "PARROT\tRIGHT\tPAY IF NOT FOUND\tFOUND AFTER")
		p := newPanel(t, task, "1", "2", "3")
		best, second, own := p.says(6), p.says(7), p.says(5)
		for _, test := range tests {
			var took []int
			const runs, most = 7, 500
			right := 0.0
			for range runs {
				w := p.contest(best, second, p.says(3))
				w.play(30)
				w.join(100, test.make(p, best, second, own))
				asked, ok := w.until(3, most)
				if ok {
					took = append(took, asked-30*challenges)
				}
				for honest := range 3 {
					require.False(t, w.copies(honest), "%s, %s: an honest miner is the copy", task, test.name)
				}
				right += w.records[3].Score / w.records[3].Asked / runs
			}
			slices.SortFunc(took, cmp.Compare[int])
			after := "never"
			if len(took) > 0 {
				after = fmt.Sprintf("%d (%d of %d)", took[len(took)/2], len(took), runs)
			}
			fmt.Fprintf(tw, "%s\t%.1f %%\t%.0f %%\t%s\n", test.name, 100*right, 100*p.pay(right)/p.pay(p.accuracy(6)), after)
			if test.found {
				require.Len(t, took, runs, "%s, %s", task, test.name)
			}
		}
		_ = tw.Flush()
		t.Logf("%s, of a miner that is %.1f %% right; 32 challenges per round:\n%s", task, 100*p.accuracy(6), table.String())
	}
}

func (p *panel) accuracy(i int) float64 {
	right := 0
	for c, truth := range p.truth {
		if p.models[i].said[c] == truth {
			right++
		}
	}
	return float64(right) / float64(len(p.truth))
}

// pay is what a miner's weight goes by.
func (p *panel) pay(accuracy float64) float64 {
	chance := 1 / float64(p.classes)
	return math.Pow(max(0, (accuracy-chance)/(1-chance)), 3)
}

func TestSuspicionsOutliveARestart(t *testing.T) {
	p := newPanel(t, "digits", "1")
	w := p.contest(p.says(large), p.says(medium))
	w.play(40)
	w.join(100, p.says(large))
	w.join(101, p.mix(p.says(large), p.says(medium), 0.6))
	_, ok := w.until(2, 200)
	require.True(t, ok)
	for len(w.detector.mixtures) == 0 && w.round < 300 {
		w.play(1)
	}
	require.NotEmpty(t, w.detector.mixtures)

	saved, err := json.Marshal(w.detector.Suspicions())
	require.NoError(t, err)
	var back Suspicions
	require.NoError(t, json.Unmarshal(saved, &back))
	before := w.detector
	w.detector = Detector{}
	require.NoError(t, w.detector.RestoreSuspicions(back))
	require.Equal(t, before.suspicions, w.detector.suspicions)
	require.Equal(t, before.mixtures, w.detector.mixtures)
	require.Equal(t, before.miners, w.detector.miners)
	require.Equal(t, before.Copies(), w.detector.Copies())
	require.Equal(t, "00000", w.detector.Copies()["00002"])

	w.policies[2] = p.says(small)
	w.play(1)
	require.True(t, w.copies(2), "a round of its own does not wash it clean")
	w.play(200)
	require.False(t, w.copies(2), "many do")

	w.detector.Retain(func(id string) bool { return id < "00002" })
	require.Len(t, w.detector.suspicions, 2)
	require.Len(t, w.detector.miners, 2)
	require.Empty(t, w.detector.mixtures)
}

// TestWhoPassesOn is about which of two that make the same mistakes is the copy.
func TestWhoPassesOn(t *testing.T) {
	p := newPanel(t, "digits", "1", "2")
	best, own := p.says(4), p.says(3)
	t.Run("a squatter of an old uid, of a newcomer's labels", func(t *testing.T) {
		w := p.contest(own)
		w.play(60)
		w.policies[0] = best
		w.join(100, best)
		_, ok := w.until(0, 150)
		require.True(t, ok)
		require.False(t, w.copies(1))
		w.play(100)
		require.True(t, w.copies(0))
		require.False(t, w.copies(1))
	})
	t.Run("one that came with the original, registered before it, and spoils some labels", func(t *testing.T) {
		w := p.contest(p.spoil(best, 0.05, 0), best)
		_, ok := w.until(0, 150)
		require.True(t, ok)
		require.False(t, w.copies(1))
	})
	t.Run("ten uids", func(t *testing.T) {
		w := p.contest(best)
		w.play(30)
		for i := range 10 {
			w.join(uint64(100+i), p.spoil(best, 0.02*float64(i), 0))
		}
		w.play(250)
		for i := range 10 {
			require.True(t, w.copies(1+i), "uid %d", 1+i)
		}
		require.False(t, w.copies(0))
	})
	t.Run("two of one owner, each of half of an older miner's labels", func(t *testing.T) {
		second, third := p.says(5), p.says(2)
		w := p.contest(best, second)
		w.play(30)
		half := func(first bool) policy {
			return func(c int) (uint8, float64) {
				if (c%2 == 0) == first {
					return best(c)
				}
				return third(c)
			}
		}
		w.join(100, half(true))
		w.join(101, half(false))
		w.play(400)
		require.False(t, w.copies(0), "they cannot make it seem a mixture of theirs")
		require.False(t, w.copies(1))
	})
	t.Run("one that takes the labels of two in turn, and was there before them", func(t *testing.T) {
		w := p.contest(own)
		w.play(60)
		w.join(100, best)
		w.join(101, p.says(5))
		w.policies[0] = p.mix(best, p.says(5), 0.5)
		_, ok := w.until(0, 400)
		require.True(t, ok)
		require.False(t, w.copies(1))
		require.False(t, w.copies(2))
	})
	t.Run("a miner of its own model that starts to", func(t *testing.T) {
		w := p.contest(best, own)
		w.play(100)
		w.policies[1] = best
		_, ok := w.until(1, 150)
		require.True(t, ok)
		require.False(t, w.copies(0))
	})
}

func TestSuspicionsThatAreNone(t *testing.T) {
	p := newPanel(t, "digits", "1")
	w := p.contest(p.says(large), p.says(large))
	w.play(5)
	saved := w.detector.Suspicions()
	for name, s := range map[string]Suspicions{
		"cut off":   {Miners: saved.Miners, Data: saved.Data[:len(saved.Data)-1]},
		"no miners": {Data: saved.Data},
	} {
		t.Run(name, func(t *testing.T) {
			var d Detector
			require.ErrorIs(t, d.RestoreSuspicions(s), ErrSuspicions)
		})
	}
	var d Detector
	require.NoError(t, d.RestoreSuspicions(Suspicions{}))
	require.Empty(t, d.Copies())
}

func FuzzRestoreSuspicions(f *testing.F) {
	p := newPanel(f, "digits", "1")
	w := p.contest(p.says(large), p.says(large), p.says(small))
	w.play(3)
	f.Add(w.detector.Suspicions().Data)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var d Detector
		if d.RestoreSuspicions(Suspicions{Miners: w.miners, Data: data}) != nil {
			return
		}
		d.Copies()
		var again Detector
		require.NoError(t, again.RestoreSuspicions(d.Suspicions()))
	})
}

// BenchmarkMistakes is one round of 256 miners that answer 32 challenges by class, and what is saved of it.
func BenchmarkMistakes(b *testing.B) {
	p := newPanel(b, "digits", "1", "2", "3")
	w := p.contest()
	for i := range 256 {
		w.join(uint64(i), p.spoil(p.says(i%len(p.models)), float64(i)/512, 0))
	}
	w.play(8)
	var answers []Answers
	for i := range w.miners {
		a := Answers{Miner: w.miners[i], Now: Record{Score: 30, Asked: challenges}}
		for c := range challenges {
			class, sure := w.policies[i](c)
			a.Choices = append(a.Choices, mechanism.Choice{Class: 1 + int(class), Sure: sure, Right: class == w.truth[c]})
		}
		answers = append(answers, a)
	}
	b.Run("observe", func(b *testing.B) {
		for b.Loop() {
			w.detector.Observe(w.round, answers)
		}
	})
	b.Run("save", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(float64(len(w.detector.Suspicions().Data)), "bytes")
		}
	})
}
