package validator

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/validator/mechanism"
)

var serving = metagraph.Endpoint{Host: "127.0.0.1", Port: 1, Protocol: "oip-v2-grpc", Model: "digits"}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

func never(identity) bool { return false }

// challengesOf are the challenges that the validator itself asks in a probe.
func challengesOf(p probe) (asked []int) {
	for _, q := range p.order {
		if q.asker == 0 {
			asked = append(asked, q.challenge)
		}
	}
	return asked
}

func TestPlanAsksEveryoneWhoServes(t *testing.T) {
	other := serving
	other.Protocol = "carrier-pigeon"
	graph := &metagraph.Metagraph{Neurons: []metagraph.Neuron{
		{UID: 0, Hotkey: "self", Endpoint: serving},
		{UID: 1, Hotkey: "miner", Endpoint: serving},
		{UID: 2, Hotkey: "never served"},
		{UID: 3, Hotkey: "serves no more", Registered: 5},
		{UID: 4, Hotkey: "serves otherwise", Endpoint: other},
		{UID: 5, Hotkey: "miner too", Endpoint: serving},
		{UID: 6, Hotkey: "stands apart", Endpoint: serving},
	}}
	p := planner{self: "self", challenges: 8, apart: 2, random: seeded(),
		known:    func(id identity) bool { return id == identity{uid: 3, hotkey: "serves no more", registered: 5} },
		isolated: func(id identity) bool { return id.uid == 6 }}
	seen := map[uint16]int{}
	for _, one := range p.plan(graph) {
		seen[one.neuron.UID] = len(one.order)
		if len(one.order) == 8 {
			require.ElementsMatch(t, []int{0, 1, 2, 3, 4, 5, 6, 7}, challengesOf(one), "everybody is asked the same")
		}
	}
	require.Equal(t, map[uint16]int{1: 8, 3: 0, 4: 0, 5: 8, 6: 2}, seen)
}

func TestPlanOrdersAtRandom(t *testing.T) {
	graph := &metagraph.Metagraph{}
	for i := range 20 {
		graph.Neurons = append(graph.Neurons, metagraph.Neuron{UID: uint16(i), Endpoint: serving})
	}
	p := planner{self: "self", challenges: 20, known: never, isolated: never, random: seeded()}
	first, second := p.plan(graph), p.plan(graph)
	require.NotEqual(t, first[0].order, first[1].order, "an order of its own for each")
	uids := func(probes []probe) (uids []uint16) {
		for _, p := range probes {
			uids = append(uids, p.neuron.UID)
		}
		return uids
	}
	require.NotEqual(t, uids(first), uids(second))
	require.ElementsMatch(t, uids(first), uids(second))
}

// TestShoppersAskSomeOfTheSameAtAnyMoment: whoever asks first, nobody can tell.
func TestShoppersAskSomeOfTheSameAtAnyMoment(t *testing.T) {
	p := planner{self: "self", challenges: 1000, shoppers: 3, shopped: 0.25, known: never, isolated: never, random: seeded()}
	order := p.plan(&metagraph.Metagraph{Neurons: []metagraph.Neuron{{UID: 1, Endpoint: serving}}})[0].order
	own, shopped, first, askers := map[int]int{}, 0, 0, map[int]int{}
	for at, q := range order {
		if q.asker == 0 {
			own[q.challenge] = at
		}
	}
	require.Len(t, own, 1000, "the validator asks everything")
	for at, q := range order {
		if q.asker > 0 {
			shopped++
			askers[q.asker]++
			if at < own[q.challenge] {
				first++
			}
		}
	}
	require.InDelta(t, 250, shopped, 60)
	require.InDelta(t, 0.5, float64(first)/float64(shopped), 0.15)
	require.Len(t, askers, 3)
}

func result(uid uint16, hotkey string, registered uint64, right, asked int) Result {
	return Result{Neuron: metagraph.Neuron{UID: uid, Hotkey: hotkey, Registered: registered}, Sum: float64(right), Asked: asked, Answered: asked}
}

func TestScorerLetsOldEvidenceFade(t *testing.T) {
	s := Scorer{HalfLife: 10}
	graph := &metagraph.Metagraph{Neurons: []metagraph.Neuron{{UID: 3, Hotkey: "a"}}}
	s.Observe(1, time.Unix(0, 0), []Result{result(3, "a", 0, 10, 10)})
	require.Equal(t, Evidence{Right: 10, Asked: 10}, s.Evidence(graph, time.Unix(0, 0), never)[3])
	s.Observe(1, time.Unix(0, 0), []Result{result(3, "a", 0, 0, 10)})
	require.InDelta(t, 5, s.Evidence(graph, time.Unix(0, 0), never)[3].Right, 1e-9, "half of what was seen ten challenges ago")
	require.InDelta(t, 15, s.Evidence(graph, time.Unix(0, 0), never)[3].Asked, 1e-9)
	require.InDelta(t, 1.0/3, s.Evidence(graph, time.Unix(0, 0), never)[3].Accuracy(), 1e-9)
	for range 20 {
		s.Observe(1, time.Unix(0, 0), []Result{result(3, "a", 0, 10, 10)})
	}
	require.Greater(t, s.Evidence(graph, time.Unix(0, 0), never)[3].Accuracy(), 0.999, "who has learned is forgiven")
	require.Less(t, s.Evidence(graph, time.Unix(0, 0), never)[3].Asked, 20.0+1e-9, "and evidence is bounded")
}

func TestScorerStartsAnewWhenAUIDChangesHands(t *testing.T) {
	tests := map[string]metagraph.Neuron{
		"another hotkey":               {UID: 3, Hotkey: "b", Registered: 7},
		"the hotkey registered again":  {UID: 3, Hotkey: "a", Registered: 9},
		"the hotkey under another uid": {UID: 4, Hotkey: "a", Registered: 7},
	}
	for name, now := range tests {
		t.Run(name, func(t *testing.T) {
			s := Scorer{HalfLife: 10}
			s.Observe(1, time.Unix(0, 0), []Result{result(3, "a", 7, 10, 10)})
			graph := &metagraph.Metagraph{Neurons: []metagraph.Neuron{now}}
			require.Empty(t, s.Evidence(graph, time.Unix(0, 0), never))
			s.Retain(graph)
			require.Empty(t, s.seen)
		})
	}
}

func TestDishonestyIsRememberedLonger(t *testing.T) {
	s := Scorer{HalfLife: 100, Ban: time.Hour}
	graph := &metagraph.Metagraph{Neurons: []metagraph.Neuron{{UID: 3, Hotkey: "a"}}}
	start := time.Unix(1000, 0)
	s.Observe(1, start, []Result{result(3, "a", 0, 50, 50)})
	caught := result(3, "a", 0, 49, 50)
	caught.Dishonest = errors.New("another model")
	s.Observe(2, start, []Result{caught})
	for minutes := range 59 {
		now := start.Add(time.Duration(minutes) * time.Minute)
		s.Observe(3, now, []Result{result(3, "a", 0, 50, 50)})
		require.Zero(t, s.Evidence(graph, now, never)[3].Right, "right answers do not wash it off")
	}
	later := start.Add(time.Hour + time.Second)
	s.Observe(4, later, []Result{result(3, "a", 0, 50, 50)})
	require.InDelta(t, 50, s.Evidence(graph, later, never)[3].Right, 1e-9, "trust starts from nothing")
	require.Zero(t, s.Evidence(graph, later, func(identity) bool { return true })[3].Right)
}

func answerOf(y ...float32) mechanism.Answer {
	return mechanism.Answer{Outputs: []models.Tensor{models.FromFloat32s("y", []int64{1, int64(len(y))}, y)}}
}

func TestWhoServesShoppersWorseCountsByThem(t *testing.T) {
	good, other, none := answerOf(0.9, 0.1), answerOf(0.6, 0.4), mechanism.Answer{Err: errors.New("busy")}
	right, wrong := mechanism.Mark{Score: 1}, mechanism.Mark{}
	tests := map[string]struct {
		answer  mechanism.Answer
		mark    mechanism.Mark
		deficit float64
	}{
		"the same":                      {good, right, 0},
		"the same, but for rounding":    {answerOf(0.9001, 0.0999), right, 0},
		"another model's, though right": {other, right, 1},
		"wrong":                         {other, wrong, 1},
		"none":                          {none, wrong, 1},
		"not asked":                     {mechanism.Answer{Err: errNotAsked}, wrong, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := Result{Failures: map[string]int{}}
			for range 4 {
				r.count(good, right)
			}
			r.compare(sample{}, good, right, good, right)
			r.compare(sample{}, good, right, test.answer, test.mark)
			require.InDelta(t, test.deficit, r.Deficit, 1e-12)
			require.InDelta(t, 4-4*test.deficit/2*float64(min(r.Shopped-1, 1)), r.Score(), 1e-12)
		})
	}
}

func TestSample(t *testing.T) {
	s := newSample(seeded())
	require.Nil(t, s.of(nil))
	require.Nil(t, s.of([]models.Tensor{models.FromStrings("s", []int64{1}, []string{"x"})}))
	require.Len(t, s.of(answerOf(make([]float32, 3)...).Outputs), 3)
	many := make([]float32, 1000)
	for i := range many {
		many[i] = float32(i)
	}
	chosen := s.of(answerOf(many...).Outputs)
	require.Len(t, chosen, sampled)
	require.Equal(t, chosen, s.of(answerOf(many...).Outputs), "the same of everybody's")
	require.NotEqual(t, chosen, newSample(rand.New(rand.NewPCG(2, 2))).of(answerOf(many...).Outputs))
	double := models.Tensor{Name: "d", Datatype: models.FP64, Shape: []int64{1}, Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(7))}
	require.Equal(t, []float64{0.5, 7}, s.of(append(answerOf(0.5).Outputs, double)))
}

func TestAnswersAreBounded(t *testing.T) {
	task := func(d models.Datatype, shape ...int64) models.Task {
		return models.Task{Outputs: []models.TensorSpec{{Name: "y", Datatype: d, Shape: shape}}}
	}
	const most = 1 << 20
	require.Equal(t, envelopeBytes+100, answerLimit(task(models.FP32, models.Any, 10), most))
	require.Equal(t, envelopeBytes+16*64, answerLimit(task(models.FP64, 64), most))
	require.Equal(t, most, answerLimit(task(models.FP32, models.Any, models.Any), most), "an open shape")
	require.Equal(t, most, answerLimit(task(models.BYTES, 1), most))
	require.Equal(t, most, answerLimit(models.Task{Outputs: []models.TensorSpec{{Name: "y", Datatype: models.FP32}}}, most))
	require.Equal(t, most, answerLimit(task(models.FP32, 1<<40), most))
	require.Equal(t, most, answerLimit(task(models.FP32, 1<<18), most))
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(100)
	free, err := m.take(t.Context(), 1000)
	require.NoError(t, err, "who needs more than there is has it alone")
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = m.take(short, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	free()
	one, err := m.take(t.Context(), 60)
	require.NoError(t, err)
	defer one()
	two, err := m.take(t.Context(), 40)
	require.NoError(t, err)
	two()
}

func evidence(right, asked float64) Evidence { return Evidence{Right: right, Asked: asked} }

func TestSkill(t *testing.T) {
	w := Weigher{Chance: 0.1}
	require.Zero(t, w.Skill(Evidence{}), "nothing known, nothing earned")
	require.Zero(t, w.Skill(evidence(50, 500)), "guessing")
	require.Zero(t, w.Skill(evidence(0, 500)))
	require.Zero(t, w.Skill(evidence(2, 10)), "luck")
	require.InDelta(t, (0.932-0.1)/0.9, w.Skill(evidence(475, 500)), 0.005, "95 % of 500: at least 93.2 % by a table of Beta(476, 26)")
	require.Less(t, w.Skill(evidence(19, 20)), w.Skill(evidence(475, 500)), "the same accuracy on less evidence")
	require.Less(t, w.Skill(evidence(500, 500)), 1.0)
	require.Zero(t, Weigher{Chance: 1}.Skill(evidence(5, 5)))
	for _, asked := range []float64{0.5, 1, 32, 500} {
		require.Zero(t, Weigher{}.Skill(evidence(0, asked)), "nothing right, where guessing earns nothing")
		require.Positive(t, Weigher{}.Skill(evidence(asked/2, asked)))
	}
	require.Empty(t, Weigher{}.Weigh(map[uint16]Evidence{0: evidence(0, 32), 1: evidence(0, 64)}, 1, 65535), "a subnet of banned miners only")
}

func TestSkillNeverFallsWithMoreRightAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Weigher{Chance: rapid.Float64Range(0, 0.9).Draw(t, "chance"), Quantile: rapid.Float64Range(0.001, 0.999).Draw(t, "quantile")}
		asked := rapid.Float64Range(1, 5000).Draw(t, "asked")
		less := rapid.Float64Range(0, asked).Draw(t, "less")
		more := rapid.Float64Range(less, asked).Draw(t, "more")
		low, high := w.Skill(evidence(less, asked)), w.Skill(evidence(more, asked))
		require.True(t, 0 <= low && low <= high+1e-12 && high <= 1, "%g %g", low, high)
	})
}

// spread is how three honest grades and a guesser fare after 500 challenges.
func TestWeighPaysClearlyBetterModelsClearlyMore(t *testing.T) {
	w := Weigher{Chance: 0.1}
	row := w.Weigh(map[uint16]Evidence{4: evidence(475, 500), 2: evidence(425, 500), 7: evidence(350, 500), 9: evidence(50, 500)}, 1, math.MaxUint16)
	require.Len(t, row, 3, "the guesser is not even named")
	require.Equal(t, []uint16{2, 4, 7}, []uint16{row[0].UID, row[1].UID, row[2].UID})
	require.EqualValues(t, math.MaxUint16, row[1].Value)
	medium, small := float64(row[0].Value)/math.MaxUint16, float64(row[2].Value)/math.MaxUint16
	require.InDelta(t, 0.66, medium, 0.03)
	require.InDelta(t, 0.32, small, 0.03)
}

func TestWeighNamesAsManyAsTheSubnetAsks(t *testing.T) {
	w := Weigher{Chance: 0.1}
	known := map[uint16]Evidence{1: evidence(400, 500), 2: evidence(50, 500), 3: evidence(40, 500)}
	require.Equal(t, []metagraph.Weight{{UID: 1, Value: 65535}, {UID: 2, Value: 0}}, w.Weigh(known, 2, math.MaxUint16))
	require.Len(t, w.Weigh(known, 9, math.MaxUint16), 3, "no more than are known")
	require.Empty(t, w.Weigh(map[uint16]Evidence{2: evidence(50, 500)}, 1, math.MaxUint16), "nobody is better than chance")
	require.Empty(t, w.Weigh(nil, 1, math.MaxUint16))
}

func TestWeighKeepsToTheMaximum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		known := map[uint16]Evidence{}
		for range rapid.IntRange(1, 40).Draw(t, "neurons") {
			asked := rapid.Float64Range(1, 1000).Draw(t, "asked")
			known[rapid.Uint16().Draw(t, "uid")] = evidence(rapid.Float64Range(0, asked).Draw(t, "right"), asked)
		}
		maximum := rapid.Uint16Range(1, math.MaxUint16).Draw(t, "max")
		row := Weigher{Chance: 0.1}.Weigh(known, 1, maximum)
		sum, positive, top := uint64(0), 0, uint64(0)
		for i, w := range row {
			require.True(t, i == 0 || row[i-1].UID < w.UID, "in order, each once")
			require.Contains(t, known, w.UID)
			sum += uint64(w.Value)
			top = max(top, uint64(w.Value))
			if w.Value > 0 {
				positive++
			}
		}
		if len(row) == 0 {
			return
		}
		require.Positive(t, top)
		if uint64(positive)*uint64(maximum) > math.MaxUint16 {
			require.LessOrEqual(t, top*math.MaxUint16, uint64(maximum)*sum, "share of the largest")
		} else {
			require.Equal(t, top*uint64(positive), sum, "too few to share: all equal")
		}
	})
}

func TestDue(t *testing.T) {
	graph := &metagraph.Metagraph{Height: 107, LastEpoch: 100, NextEpoch: 110}
	ready := metagraph.Standing{Stake: 1, Permit: true, Updated: 95}
	tests := map[string]struct {
		standing metagraph.Standing
		height   uint64
		want     uint64
		reason   string
	}{
		"second half of the epoch":    {ready, 107, 0, ""},
		"first half":                  {ready, 102, 3, "gathering"},
		"the first weights ever":      {metagraph.Standing{Stake: 1, Permit: true}, 101, 0, ""},
		"set in this epoch":           {metagraph.Standing{Stake: 1, Permit: true, Updated: 105}, 107, 3, "are set"},
		"set in the epoch's block":    {metagraph.Standing{Stake: 1, Permit: true, Updated: 100}, 107, 0, ""},
		"rate limit":                  {metagraph.Standing{Stake: 1, Permit: true, Updated: 95, BlocksUntilWeights: 2}, 107, 2, "rate limit"},
		"no permit":                   {metagraph.Standing{Stake: 1, Updated: 95}, 107, 3, "permit"},
		"no stake":                    {metagraph.Standing{Permit: true}, 107, 3, "--operator"},
		"the epoch is late":           {ready, 115, 0, ""},
		"the epoch is late, set once": {metagraph.Standing{Stake: 1, Permit: true, Updated: 105}, 115, 1, "are set"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			at := *graph
			at.Height = test.height
			got := due(test.standing, &at)
			require.Equal(t, test.want, got.wait)
			require.Contains(t, got.reason, test.reason)
		})
	}
}
