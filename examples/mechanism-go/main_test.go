package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"github.com/plexusnet/plexus/models"
	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
	"github.com/plexusnet/plexus/validator/external"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// TestTheValidatorStartsIt runs rounds as a validator does, with miners that forecast, that do not and that send nonsense.
func TestTheValidatorStartsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "forecast")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	memory := int64(256 << 20)
	if runtime.GOOS != "linux" {
		memory = external.Unlimited
	}
	m, err := external.New(t.Context(), external.Options{Command: external.Command{Args: []string{path}, MaxMemoryBytes: memory}})
	require.NoError(t, err)
	defer m.Close()
	require.Equal(t, "forecast", m.Describe().Task.Name)

	miners := map[string]func([]float64) []float64{
		"forecasts": extrapolate,
		"stays":     func(p []float64) []float64 { return constant(p[past-1]) },
		"zero":      func([]float64) []float64 { return constant(0) },
		"nonsense":  func([]float64) []float64 { return constant(math.NaN()) },
		"infinite":  func([]float64) []float64 { return constant(math.MaxFloat32 * 2) },
		"too much":  func([]float64) []float64 { return append(constant(0), constant(0)...) },
	}
	mean := map[string]float64{}
	const rounds, count = 3, 40
	for range rounds {
		round, err := m.Draw(t.Context(), count)
		require.NoError(t, err)
		for name, miner := range miners {
			var answers []mechanism.Answer
			for _, inputs := range round.Challenges() {
				answers = append(answers, say(miner(decode(inputs[0].Data))))
			}
			answers[0] = mechanism.Answer{Err: errors.New("too late")}
			marks, err := round.Judge(t.Context(), answers)
			require.NoError(t, err)
			require.Zero(t, marks[0].Score)
			require.Equal(t, name == "nonsense" || name == "infinite" || name == "too much", marks[1].Reason != nil, name)
			for _, mark := range marks[1:] {
				mean[name] += mark.Score / (rounds * (count - 1))
			}
		}
	}
	require.Greater(t, mean["forecasts"], 0.5)
	for name, score := range mean {
		if name != "forecasts" {
			require.InDelta(t, m.Describe().Chance, score, 1e-3, name)
		}
	}
}

func say(values []float64) mechanism.Answer {
	return mechanism.Answer{Latency: time.Millisecond, Outputs: []models.Tensor{
		{Name: "future", Datatype: models.FP32, Shape: []int64{int64(len(values) / future), future}, Data: encode(values)}}}
}

func constant(v float64) []float64 {
	all := make([]float64, future)
	for i := range all {
		all[i] = v
	}
	return all
}

// extrapolate fits a linear recurrence by least squares, as a miner's model might.
func extrapolate(shown []float64) []float64 {
	const order = 16
	a, b := mat.NewDense(past-order, order, nil), mat.NewVecDense(past-order, nil)
	for i := range past - order {
		a.SetRow(i, shown[i:i+order])
		b.SetVec(i, shown[i+order])
	}
	var x mat.VecDense
	var ridge mat.Dense
	ridge.Mul(a.T(), a)
	for i := range order {
		ridge.Set(i, i, ridge.At(i, i)+0.05)
	}
	var right mat.VecDense
	right.MulVec(a.T(), b)
	if err := x.SolveVec(&ridge, &right); err != nil {
		return constant(0)
	}
	for range future {
		next := mat.Dot(&x, mat.NewVecDense(order, shown[len(shown)-order:]))
		shown = append(shown, next)
	}
	return shown[past:]
}

func decode(data []byte) []float64 {
	var values []float64
	for ; len(data) > 0; data = data[4:] {
		values = append(values, float64(math.Float32frombits(binary.LittleEndian.Uint32(data))))
	}
	return values
}

func TestWhoKnowsTheSignalScoresOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		shown, truth := wave(rng)
		answer := &mechanismv1.Answer{Outputs: []*mechanismv1.Tensor{{Contents: encode(truth)}}}
		require.InDelta(t, 1, mark(answer, truth, baseline(shown[past-1], truth)).Score, 1e-3)
	}
}

func TestItSaysWhereItWouldServe(t *testing.T) {
	require.ErrorContains(t, serve(context.Background(), "", ""), "PLEXUS_MECHANISM_LISTEN")
}
