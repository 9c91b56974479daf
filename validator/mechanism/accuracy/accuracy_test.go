package accuracy

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/validator/mechanism"
)

func onehot(label int) []float64 { return answered{classes: 3}.truth(label) }

// TestMetrics compares with values worked out by hand.
func TestMetrics(t *testing.T) {
	blind := []float64{1. / 3, 1. / 3, 1. / 3}
	a := answered{classes: 3, labels: []int{0, 0, 1, 2}, probabilities: [][]float64{
		{0.8, 0.1, 0.1}, {0.2, 0.7, 0.1}, {0.1, 0.6, 0.3}, {0.3, 0.2, 0.5}}}
	require.Equal(t, []float64{1, 0, 1, 1}, Accuracy.scores(a))
	// Class 0: TP 1, FN 1, FP 0: 2/3. Class 1: TP 1, FP 1: 2/3. Class 2: 1.
	require.InDelta(t, (2./3+2./3+1)/3, F1.scores(a)[3], 1e-12)
	loss := -(math.Log(0.8) + math.Log(0.2) + math.Log(0.6) + math.Log(0.5)) / 4
	require.InDelta(t, 1-loss/math.Log(3), LogLoss.scores(a)[0], 1e-12)
	squares := (0.04 + 0.01 + 0.01) + (0.64 + 0.49 + 0.01) + (0.01 + 0.16 + 0.09) + (0.09 + 0.04 + 0.25)
	require.InDelta(t, 1-math.Sqrt(squares/4)/math.Sqrt(2./3), RMSE.scores(a)[0], 1e-12)

	for _, m := range Metrics() {
		perfect := answered{classes: 3, labels: []int{0, 1, 2}, probabilities: [][]float64{onehot(0), onehot(1), onehot(2)}}
		require.InDeltaSlice(t, []float64{1, 1, 1}, m.scores(perfect), 1e-12, "%s", m)
		wrong := answered{classes: 3, labels: []int{0, 1}, probabilities: [][]float64{onehot(1), onehot(0)}}
		require.Equal(t, []float64{0, 0}, m.scores(wrong), "%s: certain and wrong, not infinitely so", m)
		require.Empty(t, m.scores(answered{classes: 3}))
	}
	guess := answered{classes: 3, labels: []int{0, 1, 2}, probabilities: [][]float64{blind, blind, blind}}
	require.InDelta(t, 0, LogLoss.scores(guess)[0], 1e-12)
	require.InDelta(t, 0, RMSE.scores(guess)[0], 1e-12)
}

func TestScoresAreSharesOfOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := answered{classes: rapid.IntRange(2, 12).Draw(t, "classes")}
		for range rapid.IntRange(1, 40).Draw(t, "answers") {
			p := rapid.SliceOfN(rapid.Float64Range(0, 1), a.classes, a.classes).Draw(t, "p")
			p[0] += 1e-9
			sum := 0.0
			for _, v := range p {
				sum += v
			}
			for i := range p {
				p[i] /= sum
			}
			a.probabilities = append(a.probabilities, p)
			a.labels = append(a.labels, rapid.IntRange(0, a.classes-1).Draw(t, "label"))
		}
		for _, m := range Metrics() {
			for _, s := range m.scores(a) {
				require.True(t, s >= 0 && s <= 1, "%s %g", m, s)
			}
		}
	})
}

func digits(t *testing.T) tasks.Kind {
	t.Helper()
	kind, err := tasks.ByName("digits")
	require.NoError(t, err)
	return kind
}

// say is an answer that is certain of a class.
func say(kind tasks.Kind, class int) mechanism.Answer {
	p := make([]float32, kind.Classes())
	p[class] = 1
	return mechanism.Answer{Outputs: []models.Tensor{models.FromFloat32s(kind.Task().Outputs[0].Name, []int64{1, int64(len(p))}, p)}}
}

func TestJudge(t *testing.T) {
	kind := digits(t)
	m, err := New(kind, Options{Target: 100 * time.Millisecond, Deadline: 300 * time.Millisecond})
	require.NoError(t, err)
	require.InDelta(t, 0.1, m.Describe().Chance, 1e-12)
	drawn, err := m.Draw(t.Context(), 6)
	require.NoError(t, err)
	labels := drawn.(*round).labels
	answers := make([]mechanism.Answer, 6)
	for i, label := range labels {
		answers[i] = say(kind, label)
	}
	answers[1] = say(kind, (labels[1]+1)%10)
	answers[2].Latency = 200 * time.Millisecond
	answers[3].Latency = time.Second
	answers[4] = mechanism.Answer{Err: errors.New("too late")}
	answers[5].Outputs[0].Data = answers[5].Outputs[0].Data[:8]
	marks, err := drawn.Judge(t.Context(), answers)
	require.NoError(t, err)
	var scores []float64
	for i, mark := range marks {
		scores = append(scores, mark.Score)
		require.False(t, mark.Dishonest)
		require.Equal(t, i == 5, mark.Reason != nil, "%d: %v", i, mark.Reason)
	}
	require.InDeltaSlice(t, []float64{1, 0, 0.5, 0, 0, 0}, scores, 1e-12)
	_, err = drawn.Judge(t.Context(), answers[:5])
	require.Error(t, err)

	double := say(kind, 0)
	double.Outputs[0] = models.FromFloat32s(double.Outputs[0].Name, []int64{2, 10}, append([]float32{1}, append(make([]float32, 9), append([]float32{1}, make([]float32, 9)...)...)...))
	marks, err = drawn.Judge(t.Context(), []mechanism.Answer{double, double, double, double, double, double})
	require.NoError(t, err)
	require.ErrorContains(t, marks[0].Reason, "2 answers")
}

func TestChallengesAreFreshAndTakenByTheTask(t *testing.T) {
	for _, name := range tasks.Names() {
		t.Run(name, func(t *testing.T) {
			kind, err := tasks.ByName(name)
			require.NoError(t, err)
			m, err := New(kind, Options{})
			require.NoError(t, err)
			seen, labels := map[string]bool{}, map[int]bool{}
			for range 3 {
				drawn, err := m.Draw(t.Context(), 50)
				require.NoError(t, err)
				for i, inputs := range drawn.Challenges() {
					require.NoError(t, models.ValidateInputs(m.Describe().Task.Inputs, inputs, models.Limits{}))
					require.False(t, seen[string(inputs[0].Data)], "no challenge is drawn twice")
					seen[string(inputs[0].Data)] = true
					labels[drawn.(*round).labels[i]] = true
				}
			}
			require.Greater(t, len(labels), 1)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = m.Draw(ended, 1)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	kind := digits(t)
	for name, o := range map[string]Options{
		"metric":   {Metric: "beauty"},
		"target":   {Target: time.Second, Deadline: time.Second},
		"negative": {Target: -1},
	} {
		_, err := New(kind, o)
		require.ErrorIs(t, err, ErrOptions, name)
	}
}
