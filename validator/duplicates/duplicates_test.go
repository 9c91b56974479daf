package duplicates

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const (
	classes    = 10
	challenges = 32
)

// world is a network of simulated models: what a model says depends on the model and the challenge alone.
type world struct {
	round    uint64
	outputs  int
	detector Detector
	records  map[string]Record
	first    map[string]uint64
}

func newWorld() *world {
	return &world{outputs: classes, records: map[string]Record{}, first: map[string]uint64{}}
}

// answer is softmax of the truth and of what is the model's own.
func (w *world) answer(model string, c int) []float64 {
	truth := rand.New(rand.NewPCG(w.round, uint64(c))).IntN(w.outputs)
	own := rand.New(rand.NewPCG(seed(model), w.round<<16|uint64(c)))
	logits := make([]float64, w.outputs)
	for k := range logits {
		logits[k] = 1.2 * own.NormFloat64()
	}
	logits[truth] += 3
	sum := 0.0
	for k := range logits {
		logits[k] = math.Exp(logits[k])
		sum += logits[k]
	}
	for k := range logits {
		logits[k] /= sum
	}
	return logits
}

func seed(text string) (s uint64) {
	for _, r := range text {
		s = s*1_000_003 + uint64(r)
	}
	return s
}

// player is a miner and where its answer to a challenge comes from: the model of that name, "" for none.
type player struct {
	Miner
	score   float64 // mean
	source  func(round uint64, c int) string
	noise   float64
	seconds float64 // per answer
}

func of(model string) func(uint64, int) string { return func(uint64, int) string { return model } }

func miner(uid uint16, registered uint64) Miner {
	return Miner{ID: fmt.Sprintf("%05d", uid), UID: uid, Registered: registered}
}

// play lets rounds pass.
func (w *world) play(rounds int, players ...player) {
	for range rounds {
		w.round++
		var answers []Answers
		for _, p := range players {
			a := Answers{Miner: p.Miner, Before: w.records[p.ID], Outputs: make([][]float64, challenges)}
			noise := rand.New(rand.NewPCG(w.round, uint64(p.UID)))
			for c := range a.Outputs {
				model := p.source(w.round, c)
				if model == "" {
					continue
				}
				a.Outputs[c] = w.answer(model, c)
				for k := range a.Outputs[c] {
					a.Outputs[c][k] += p.noise * (2*noise.Float64() - 1)
				}
				a.Latency = a.Latency.plus(Latency{Seconds: p.seconds, Answers: 1})
			}
			if a.Latency.Answers > 0 && w.first[p.ID] == 0 {
				w.first[p.ID] = w.round
			}
			a.Miner.First = w.first[p.ID]
			a.Now = Record{Score: p.score * challenges, Asked: challenges}
			w.records[p.ID] = w.records[p.ID].plus(a.Now)
			answers = append(answers, a)
		}
		w.detector.Observe(w.round, answers)
	}
}

func honest(uid uint16, model string) player {
	return player{Miner: miner(uid, uint64(uid)), score: 0.9, source: of(model), seconds: 0.01}
}

func TestHonestMinersAreNoCopies(t *testing.T) {
	w := newWorld()
	var players []player
	for uid := range uint16(40) {
		players = append(players, honest(uid, fmt.Sprint("model", uid)))
	}
	w.play(100, players...)
	require.Empty(t, w.detector.Copies())
	for _, p := range w.detector.Pairs() {
		require.Less(t, p.Evidence, threshold/2)
	}
}

func TestACopyEarnsNothingAndTheOriginalAll(t *testing.T) {
	tests := map[string]func(round uint64, c int) string{
		"all answers":          of("good"),
		"every second answer":  func(_ uint64, c int) string { return []string{"good", "own"}[c%2] },
		"one answer in four":   func(_ uint64, c int) string { return []string{"good", "own", "own", "own"}[c%4] },
		"every second round":   func(r uint64, _ int) string { return []string{"own", "good"}[r%2] },
		"one round in four":    func(r uint64, _ int) string { return []string{"own", "good", "own", "own"}[r%4] },
		"leaves out the rest":  func(_ uint64, c int) string { return []string{"good", ""}[c%2] },
		"changes its original": func(r uint64, _ int) string { return []string{"good", "second"}[r/20%2] },
	}
	for name, source := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			good, second := honest(5, "good"), honest(6, "second")
			w.play(20, good, second)
			w.play(60, good, second, player{Miner: miner(1, 1), score: 0.9, source: source, seconds: 0.02})
			copies := w.detector.Copies()
			require.Contains(t, copies, "00001", "though its uid and its registration are older")
			require.NotContains(t, copies, "00005")
			require.NotContains(t, copies, "00006")
		})
	}
}

func TestNoiseBelowTheToleranceHidesNothing(t *testing.T) {
	w := newWorld()
	good := honest(5, "good")
	w.play(20, good)
	w.play(10, good, player{Miner: miner(7, 7), score: 0.9, source: of("good"), noise: 0.001})
	require.Equal(t, map[string]string{"00007": "00005"}, w.detector.Copies())
}

func TestTenUidsWithOneModelEarnOnce(t *testing.T) {
	w := newWorld()
	var players []player
	for uid := range uint16(10) {
		p := honest(uid, "one")
		p.Registered = 100 - uint64(uid)
		players = append(players, p)
	}
	w.play(10, players...)
	copies := w.detector.Copies()
	require.Len(t, copies, 9)
	require.NotContains(t, copies, "00009", "all came at once: the first to register keeps the reward")
}

// TestASquatterThatPassesOnANewcomersAnswers has an older uid, and a record that is not as good as what it gives now.
func TestASquatterThatPassesOnANewcomersAnswers(t *testing.T) {
	for name, record := range map[string]float64{"guesses before": 0.1, "answered middling before": 0.8} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			squatter := honest(1, "bad")
			squatter.score = record
			w.play(30, squatter)
			squatter.source, squatter.score, squatter.seconds = of("good"), 0.95, 0.03
			newcomer := honest(9, "good")
			newcomer.score = 0.95
			w.play(20, squatter, newcomer)
			require.Equal(t, map[string]string{"00001": "00009"}, w.detector.Copies())
		})
	}
	t.Run("never answered before", func(t *testing.T) {
		w := newWorld()
		squatter := player{Miner: miner(1, 1), source: of("")}
		w.play(30, squatter)
		squatter.source, squatter.score, squatter.seconds = of("good"), 0.95, 0.02
		newcomer := honest(9, "good")
		newcomer.score = 0.95
		w.play(20, squatter, newcomer)
		require.Equal(t, map[string]string{"00001": "00009"}, w.detector.Copies())
	})
}

// TestANewcomerThatCopiesABetterModelFromItsFirstDay mirrors the squatter: here the old miner has got a better model.
func TestANewcomerThatCopiesABetterModelFromItsFirstDay(t *testing.T) {
	w := newWorld()
	old := honest(1, "old")
	old.score = 0.8
	w.play(30, old)
	old.source, old.score = of("new"), 0.95
	thief := honest(9, "new")
	thief.score, thief.seconds = 0.95, 0.02 // it has to ask first
	w.play(20, old, thief)
	require.Equal(t, map[string]string{"00009": "00001"}, w.detector.Copies())
}

func TestWhoMixesTwoMinersJoinsThemNot(t *testing.T) {
	w := newWorld()
	a, b := honest(1, "a"), honest(2, "b")
	w.play(20, a, b)
	mixer := player{Miner: miner(0, 0), score: 0.9, source: func(_ uint64, c int) string { return []string{"a", "b"}[c%2] }}
	w.play(40, a, b, mixer)
	copies := w.detector.Copies()
	require.Contains(t, copies, "00000")
	require.Len(t, copies, 1)
}

// TestABetterMinerCannotHarmAWorseOne: it takes on some of its answers, or all, so that the two match.
func TestABetterMinerCannotHarmAWorseOne(t *testing.T) {
	for name, test := range map[string]struct {
		source func(uint64, int) string
		score  float64
		copies map[string]string
	}{
		"some": {func(_ uint64, c int) string { return []string{"a", "best", "best", "best"}[c%4] }, 0.955, map[string]string{}},
		"all":  {of("a"), 0.9, map[string]string{"00002": "00001"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			a, best := honest(1, "a"), honest(2, "best")
			best.score = 0.97
			w.play(30, a, best)
			best.source, best.score = test.source, test.score
			w.play(60, a, best)
			require.Equal(t, test.copies, w.detector.Copies())
		})
	}
}

// TestASquatterThatWasNearlyAsGood is found out by and by.
func TestASquatterThatWasNearlyAsGood(t *testing.T) {
	w := newWorld()
	squatter := honest(1, "own")
	squatter.score = 0.9
	w.play(30, squatter)
	squatter.source, squatter.score, squatter.seconds = of("good"), 0.95, 0.03
	newcomer := honest(9, "good")
	newcomer.score = 0.95
	w.play(40, squatter, newcomer)
	require.Equal(t, map[string]string{"00001": "00009"}, w.detector.Copies())
}

func TestAGrieferTakesNothing(t *testing.T) {
	w := newWorld()
	good := honest(5, "good")
	w.play(20, good)
	griefers := []player{good}
	for uid := uint16(10); uid < 20; uid++ {
		g := honest(uid, "good")
		g.Registered = 0
		griefers = append(griefers, g)
	}
	w.play(40, griefers...)
	copies := w.detector.Copies()
	require.Len(t, copies, 10)
	require.NotContains(t, copies, "00005")
}

func TestWhatIsKnownOutlivesARestartAndARest(t *testing.T) {
	w := newWorld()
	good := honest(5, "good")
	w.play(20, good)
	thief := honest(9, "good")
	w.play(40, good, thief)
	require.Contains(t, w.detector.Copies(), "00009")

	saved, err := json.Marshal(w.detector.Pairs())
	require.NoError(t, err)
	var pairs []Pair
	require.NoError(t, json.Unmarshal(saved, &pairs))
	w.detector = Detector{}
	w.detector.Restore(pairs)
	require.Contains(t, w.detector.Copies(), "00009")

	thief.source = of("own")
	w.play(3, good, thief)
	require.Contains(t, w.detector.Copies(), "00009", "some rounds of its own do not wash it clean")
	w.play(60, good, thief)
	require.Empty(t, w.detector.Copies(), "many do")
	thief.source, good.score = of("good"), 0.5
	w.play(10, good, thief)
	require.Equal(t, map[string]string{"00009": "00005"}, w.detector.Copies(), "who it is that copies was found out before")

	w.detector.Retain(func(id string) bool { return id != "00009" })
	require.Empty(t, w.detector.Pairs())
}

func TestSaturatedAnswersTellNothing(t *testing.T) {
	var d Detector
	sure := make([][]float64, challenges)
	for c := range sure {
		sure[c] = []float64{0.995, 0.003, 0.002}
	}
	for round := range uint64(50) {
		d.Observe(round, []Answers{{Miner: miner(1, 1), Outputs: sure}, {Miner: miner(2, 2), Outputs: sure}})
	}
	require.Empty(t, d.Pairs())
}

func TestMalformedOutputsAgreeWithNothing(t *testing.T) {
	var d Detector
	outputs := func(y ...float64) [][]float64 { return [][]float64{y} }
	d.Observe(1, []Answers{
		{Miner: miner(1, 1), Outputs: outputs(math.NaN(), 1)}, {Miner: miner(2, 2), Outputs: outputs(math.Inf(1), 1)},
		{Miner: miner(3, 3), Outputs: outputs(1, 0.5)}, {Miner: miner(4, 4), Outputs: outputs(1, 0.5, 0.5)},
		{Miner: miner(5, 5), Outputs: outputs()}, {Miner: miner(6, 6)},
	})
	require.Empty(t, d.Pairs())
}

// TestSortingMissesNobody: the neighbours along the projection include all that agree.
func TestSortingMissesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, size := rapid.IntRange(2, 12).Draw(t, "miners"), rapid.IntRange(2, 20).Draw(t, "outputs")
		base := rapid.SliceOfN(rapid.Float64Range(-100, 100), size, size).Draw(t, "y")
		d := Detector{Tolerance: rapid.Float64Range(1e-6, 0.05).Draw(t, "tolerance")}
		var usable [][][]float64
		for range n {
			y := make([]float64, size)
			for k := range y {
				y[k] = base[k] * (1 + rapid.Float64Range(-2, 2).Draw(t, "d")*d.Tolerance)
			}
			usable = append(usable, [][]float64{y})
		}
		got := d.candidates(usable)
		for i := range n {
			for j := i + 1; j < n; j++ {
				a, b := usable[i][0], usable[j][0]
				sizeA, _ := largest(a)
				sizeB, _ := largest(b)
				want := 0
				if agree(a, b, d.Tolerance*max(sizeA, sizeB)) {
					want = 1
				}
				require.Equal(t, want, got[[2]int{i, j}])
			}
		}
	})
}

func TestOneOfACircleIsKept(t *testing.T) {
	side := func(uid uint16) Side { return Side{Miner: miner(uid, uint64(10-uid))} }
	var d Detector
	d.Restore([]Pair{
		{A: side(1), B: side(2), Matches: true, Copy: "00001", Evidence: 40},
		{A: side(2), B: side(3), Matches: true, Copy: "00002", Evidence: 40},
		{A: side(1), B: side(3), Matches: true, Copy: "00003", Evidence: 40},
	})
	require.Equal(t, map[string]string{"00001": "00002", "00002": "00003"}, d.Copies())
}

// BenchmarkObserve is one round of 256 miners and 32 challenges.
func BenchmarkObserve(b *testing.B) {
	for name, models := range map[string]int{"honest": 256, "half are copies": 128, "one model": 1} {
		for _, outputs := range []int{10, 64} {
			b.Run(fmt.Sprintf("%s/%d outputs", name, outputs), func(b *testing.B) {
				w := newWorld()
				w.outputs = outputs
				var answers []Answers
				for uid := range uint16(256) {
					a := Answers{Miner: miner(uid, uint64(uid)), Now: Record{Score: 30, Asked: challenges}}
					for c := range challenges {
						a.Outputs = append(a.Outputs, w.answer(fmt.Sprint(int(uid)%models), c))
					}
					answers = append(answers, a)
				}
				b.ResetTimer()
				for i := range b.N {
					w.detector.Observe(uint64(i), answers)
				}
			})
		}
	}
}

// A record is a matter of luck. That must hardly ever make the original the copy of somebody who passes on its answers: at
// no time in 199 of 200 cases, and for good in 999 of 1000.
func TestALuckyRecordMakesNoCopy(t *testing.T) {
	const tries = 2000
	for _, before := range []int{24, 96, 240, 700} {
		t.Run(fmt.Sprint(before), func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, uint64(before)))
			asked := func(n int) Record {
				r := Record{Asked: float64(n)}
				for range n {
					if random.Float64() < 0.957 {
						r.Score++
					}
				}
				return r
			}
			once, forGood := 0, 0
			for range tries {
				p := Pair{Agreed: 100, Compared: 100,
					A: Side{Miner: Miner{ID: "original"}, Before: asked(before), Latency: Latency{Seconds: 1, Answers: 100}},
					B: Side{Miner: Miner{ID: "proxy", First: 9}, Latency: Latency{Seconds: 3, Answers: 100}}}
				wrong, ever := false, false
				for !p.settled() {
					now := asked(challenges)
					p.A.Since, p.B.Since = p.A.Since.plus(now), p.B.Since.plus(now)
					wrong = p.judge() == "original"
					ever = ever || wrong
				}
				if ever {
					once++
				}
				if wrong {
					forGood++
				}
			}
			t.Logf("the original was taken for the copy at some time in %d of %d cases, for good in %d", once, tries, forGood)
			require.LessOrEqual(t, once, tries/200)
			require.LessOrEqual(t, forGood, tries/1000)
		})
	}
}
