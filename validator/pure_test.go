package validator

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/client/metagraph"
)

var serving = metagraph.Endpoint{Host: "127.0.0.1", Port: 1, Protocol: "oip-v2-grpc", Model: "digits"}

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
	}}
	known := func(id identity) bool { return id == identity{uid: 3, hotkey: "serves no more", registered: 5} }
	seen := map[uint16]int{}
	for _, p := range plan(graph, "self", 8, known, rand.New(rand.NewPCG(1, 1))) {
		seen[p.neuron.UID] = len(p.order)
		if p.order != nil {
			require.ElementsMatch(t, []int{0, 1, 2, 3, 4, 5, 6, 7}, p.order, "everybody is asked the same")
		}
	}
	require.Equal(t, map[uint16]int{1: 8, 3: 0, 4: 0, 5: 8}, seen)
}

func TestPlanOrdersAtRandom(t *testing.T) {
	graph := &metagraph.Metagraph{}
	for i := range 20 {
		graph.Neurons = append(graph.Neurons, metagraph.Neuron{UID: uint16(i), Endpoint: serving})
	}
	never := func(identity) bool { return false }
	random := rand.New(rand.NewPCG(1, 1))
	first, second := plan(graph, "self", 20, never, random), plan(graph, "self", 20, never, random)
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

func result(uid uint16, hotkey string, registered uint64, right, asked int) Result {
	return Result{Neuron: metagraph.Neuron{UID: uid, Hotkey: hotkey, Registered: registered}, Right: right, Asked: asked}
}

func TestScorerLetsOldEvidenceFade(t *testing.T) {
	s := Scorer{HalfLife: 10}
	graph := &metagraph.Metagraph{Neurons: []metagraph.Neuron{{UID: 3, Hotkey: "a"}}}
	s.Observe([]Result{result(3, "a", 0, 10, 10)})
	require.Equal(t, Evidence{Right: 10, Asked: 10}, s.Evidence(graph)[3])
	s.Observe([]Result{result(3, "a", 0, 0, 10)})
	require.InDelta(t, 5, s.Evidence(graph)[3].Right, 1e-9, "half of what was seen ten challenges ago")
	require.InDelta(t, 15, s.Evidence(graph)[3].Asked, 1e-9)
	require.InDelta(t, 1.0/3, s.Evidence(graph)[3].Accuracy(), 1e-9)
	for range 20 {
		s.Observe([]Result{result(3, "a", 0, 10, 10)})
	}
	require.Greater(t, s.Evidence(graph)[3].Accuracy(), 0.999, "who has learned is forgiven")
	require.Less(t, s.Evidence(graph)[3].Asked, 20.0+1e-9, "and evidence is bounded")
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
			s.Observe([]Result{result(3, "a", 7, 10, 10)})
			graph := &metagraph.Metagraph{Neurons: []metagraph.Neuron{now}}
			require.Empty(t, s.Evidence(graph))
			s.Retain(graph)
			require.Empty(t, s.seen)
		})
	}
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
