package replay

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/quantize"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// DecisionsVariable sets how many decisions are made on honest miners, and a hundredth of that on each cheater.
const decisionsVariable = "PLEXUS_REPLAY_DECISIONS"

// roundsShare is how many honest decisions share a round's challenges, as a validator's miners do.
const roundsShare = 50

// A decision is on one miner's answers of one round. Honest miners run the model with 1, 2 or 4 threads, at each level of
// optimisation, in sessions that are used again, one challenge at a time or in batches of random order and size; cheaters
// run it on every scheme of models/quantize.
func TestHonestVariationIsAcceptedAndCheapVersionsAreRefused(t *testing.T) {
	decisions := 100
	if text := os.Getenv(decisionsVariable); text != "" {
		var err error
		decisions, err = strconv.Atoi(text)
		require.NoError(t, err, decisionsVariable)
	}
	rt := orttest.Open(t)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "model\tchallenges\thonest accepted\tfurthest, in tolerances")
	for _, s := range quantize.Schemes() {
		fmt.Fprintf(w, "\t%s", s)
	}
	for _, m := range realModels {
		t.Run(m.name, func(t *testing.T) {
			c := newContest(t, rt, m.name, m.spec)
			accepted := c.honest(t, decisions)
			fmt.Fprintf(w, "\n%s\t%d\t%d of %d\t%.2g", m.name, c.m.Calibration().Challenges, accepted, decisions, c.furthest)
			require.Equal(t, decisions, accepted, "honest decisions that were accepted")
			for _, scheme := range quantize.Schemes() {
				cheats := max(10, decisions/100)
				refused := c.cheats(t, rt, scheme, cheats)
				fmt.Fprintf(w, "\t%d of %d", refused, cheats)
				require.GreaterOrEqual(t, 100*refused, 99*cheats, "%s versions that were refused", scheme)
			}
		})
	}
	require.NoError(t, w.Flush())
	t.Logf("\n%s", table.String())
}

// contest is a mechanism and the sessions that miners answer with.
type contest struct {
	m        *Mechanism
	model    []byte
	miners   []*ort.Session
	draw     *rand.Rand
	furthest float64 // of all honest answers, as a multiple of the tolerance
}

func newContest(t *testing.T, rt *ort.Runtime, name, text string) *contest {
	spec, err := ParseSpec([]byte(text))
	require.NoError(t, err)
	c := &contest{model: readModel(t, name), draw: rand.New(rand.NewPCG(7, 7))}
	c.m, err = New(t.Context(), rt, c.model, Options{Calibration: CalibrationOptions{Spec: spec, Seed: 1}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.m.Close()) })
	for _, level := range []ort.Optimization{ort.OptimizeAll, ort.OptimizeExtended, ort.OptimizeBasic, ort.OptimizeNone} {
		for _, threads := range []int{1, 2, 4} {
			s, err := rt.Load(t.Context(), c.model, ort.Options{Optimization: level, IntraOpThreads: threads})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			c.miners = append(c.miners, s)
		}
	}
	return c
}

// honest returns how many of n decisions on honest miners accepted.
func (c *contest) honest(t *testing.T, n int) int {
	accepted := 0
	for left := n; left > 0; left -= roundsShare {
		r := c.round(t)
		for range min(left, roundsShare) {
			answers := c.honestAnswers(t, r.(*round))
			for i, a := range answers {
				d, err := r.(*round).drawn[i].ref.Distances(a.Outputs)
				require.NoError(t, err)
				_, excess := c.m.calibration.worst(d)
				c.furthest = max(c.furthest, excess)
			}
			if refusal(t, r, answers) == nil {
				accepted++
			}
		}
	}
	return accepted
}

func (c *contest) round(t *testing.T) mechanism.Round {
	r, err := c.m.Draw(t.Context(), c.m.Calibration().Challenges)
	require.NoError(t, err)
	return r
}

// honestAnswers runs a round's challenges in groups of random size and order on a session that is drawn.
func (c *contest) honestAnswers(t *testing.T, r *round) []mechanism.Answer {
	session := c.miners[c.draw.IntN(len(c.miners))]
	order := c.draw.Perm(len(r.drawn))
	answers := make([]mechanism.Answer, len(order))
	for len(order) > 0 {
		group := order[:1+c.draw.IntN(min(8, len(order)))]
		order = order[len(group):]
		var challenges []*drawn
		for _, at := range group {
			challenges = append(challenges, r.drawn[at])
		}
		outputs, err := c.m.lab.answers(t.Context(), session, challenges)
		require.NoError(t, err)
		for i, at := range group {
			answers[at].Outputs = outputs[i]
		}
	}
	return answers
}

// cheats returns how many of n decisions, each on a round of its own, refused the model in a scheme.
func (c *contest) cheats(t *testing.T, rt *ort.Runtime, scheme quantize.Scheme, n int) int {
	cheap, _, err := quantize.Apply(c.model, scheme)
	require.NoError(t, err)
	session, err := rt.Load(t.Context(), cheap, ort.Options{Optimization: ort.OptimizeExtended})
	require.NoError(t, err)
	defer session.Close()
	refused := 0
	for range n {
		r := c.round(t)
		if reason := refusal(t, r, answersOf(t.Context(), t, session, r.Challenges())); reason != nil {
			require.ErrorIs(t, reason, ErrMismatch)
			refused++
		}
	}
	return refused
}

func answersOf(ctx context.Context, t testing.TB, s *ort.Session, challenges [][]models.Tensor) []mechanism.Answer {
	answers := make([]mechanism.Answer, len(challenges))
	for i, inputs := range challenges {
		outputs, err := s.Run(ctx, inputs, nil)
		require.NoError(t, err)
		answers[i].Outputs = outputs
	}
	return answers
}

// refusal is the decision: the reason of the first mark that calls the miner dishonest, or nil.
func refusal(t testing.TB, r mechanism.Round, answers []mechanism.Answer) error {
	marks, err := r.Judge(t.Context(), answers)
	require.NoError(t, err)
	at := slices.IndexFunc(marks, func(m mechanism.Mark) bool { return m.Dishonest })
	if at < 0 {
		return nil
	}
	return cmp.Or(marks[at].Reason, fmt.Errorf("no reason"))
}
