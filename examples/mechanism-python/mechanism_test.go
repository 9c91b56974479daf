// Package mechanismpython holds the test of the example, which is a script.
package mechanismpython

import (
	"errors"
	"math"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/validator/external"
	"github.com/plexusnet/plexus/validator/mechanism"
)

const length = 64

// python finds an interpreter that can run the example: the one in PATH, or the system's.
func python(t *testing.T) string {
	t.Helper()
	var why []string
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.Command(name, "-c", "import grpc, plexus.mechanism.v1.mechanism_pb2").CombinedOutput()
		if err == nil {
			return name
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		why = append(why, name+": "+err.Error()+": "+lines[len(lines)-1])
	}
	t.Skip("no python3 with grpcio and protobuf here (Debian: python3-grpcio python3-protobuf): ", strings.Join(why, "; "))
	return ""
}

// TestTheValidatorStartsIt runs rounds as a validator does, with miners that clean, that do not and that send nonsense.
func TestTheValidatorStartsIt(t *testing.T) {
	script, err := filepath.Abs("mechanism.py")
	require.NoError(t, err)
	memory := int64(512 << 20)
	if runtime.GOOS != "linux" {
		memory = external.Unlimited
	}
	m, err := external.New(t.Context(), external.Options{Command: external.Command{
		Args: []string{python(t), script}, Env: []string{"PYTHONDONTWRITEBYTECODE=1"}, MaxMemoryBytes: memory}})
	require.NoError(t, err)
	defer m.Close()
	require.Equal(t, "denoise", m.Describe().Task.Name)

	zeros := make([]float32, length)
	miners := map[string]func([]float32) []float32{
		"cleans":   smooth,
		"noisy":    func(x []float32) []float32 { return x },
		"zeros":    func([]float32) []float32 { return zeros },
		"nonsense": func([]float32) []float32 { return append([]float32{float32(math.NaN())}, zeros[1:]...) },
		"huge":     func([]float32) []float32 { return append([]float32{math.MaxFloat32}, zeros[1:]...) },
		"too much": func([]float32) []float32 { return make([]float32, 2*length) },
	}
	const rounds, count = 3, 40
	mean := map[string]float64{}
	for range rounds {
		round, err := m.Draw(t.Context(), count)
		require.NoError(t, err)
		for name, miner := range miners {
			var answers []mechanism.Answer
			for _, inputs := range round.Challenges() {
				noisy, err := inputs[0].Float32s()
				require.NoError(t, err)
				answers = append(answers, say(miner(noisy), time.Millisecond))
			}
			answers[0] = mechanism.Answer{Err: errors.New("refused")}
			marks, err := round.Judge(t.Context(), answers)
			require.NoError(t, err, name)
			require.Zero(t, marks[0].Score)
			require.Equal(t, name == "nonsense" || name == "too much", marks[1].Reason != nil, name)
			for _, mark := range marks[1:] {
				mean[name] += mark.Score / (rounds * (count - 1))
			}
		}
	}
	require.Greater(t, mean["cleans"], 0.4)
	for name, score := range mean {
		if name != "cleans" {
			require.InDelta(t, m.Describe().Chance, score, 1e-3, name)
		}
	}
	slow(t, m)
}

// slow: what comes late is worth less, and what comes too late nothing.
func slow(t *testing.T, m mechanism.Mechanism) {
	t.Helper()
	round, err := m.Draw(t.Context(), 1)
	require.NoError(t, err)
	noisy, err := round.Challenges()[0][0].Float32s()
	require.NoError(t, err)
	var got []float64
	for _, latency := range []time.Duration{time.Second, 3 * time.Second, 5 * time.Second} {
		marks, err := round.Judge(t.Context(), []mechanism.Answer{say(smooth(noisy), latency)})
		require.NoError(t, err)
		got = append(got, marks[0].Score)
	}
	require.InDeltaSlice(t, []float64{got[0], got[0] / 2, 0}, got, 1e-9)
}

func say(values []float32, latency time.Duration) mechanism.Answer {
	shape := []int64{int64(len(values) / length), length}
	return mechanism.Answer{Latency: latency, Outputs: []models.Tensor{models.FromFloat32s("clean", shape, values)}}
}

// smooth averages neighbours, as a simple model might.
func smooth(x []float32) []float32 {
	weights := []float32{1, 4, 6, 4, 1}
	out := make([]float32, len(x))
	for i := range x {
		var sum, total float32
		for k, w := range weights {
			if at := i + k - 2; at >= 0 && at < len(x) {
				sum, total = sum+w*x[at], total+w
			}
		}
		out[i] = sum / total
	}
	return out
}
