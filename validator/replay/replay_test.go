package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/compare"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/quantize"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// perceptron is a small network of random weights: x FP32[-1 16] -> probabilities FP32[-1 8], label INT64[-1].
func perceptron(t testing.TB) []byte {
	draw := rand.New(rand.NewPCG(3, 3))
	weights := func(n int) []float32 {
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(draw.NormFloat64())
		}
		return values
	}
	b := onnx.NewBuilder("perceptron")
	b.Input("x", models.FP32, models.Any, 16)
	b.Floats("w1", []int64{16, 32}, weights(16*32))
	b.Floats("w2", []int64{32, 8}, weights(32*8))
	b.Node("MatMul", []string{"x", "w1"}, []string{"h"})
	b.Node("Tanh", []string{"h"}, []string{"a"})
	b.Node("MatMul", []string{"a", "w2"}, []string{"logits"})
	b.Node("Softmax", []string{"logits"}, []string{"probabilities"}, onnx.Int("axis", 1))
	b.Node("ArgMax", []string{"logits"}, []string{"label"}, onnx.Int("axis", 1), onnx.Int("keepdims", 0))
	b.Output("probabilities", models.FP32, models.Any, 8)
	b.Output("label", models.INT64, models.Any)
	return build(t, b)
}

// step answers with the first number at or above 2.71828, and is flat elsewhere.
func step(t testing.TB) []byte {
	b := onnx.NewBuilder("step")
	b.Input("x", models.FP32, 1, 4)
	b.Floats("edge", []int64{1, 1}, []float32{2.71828})
	b.Node("Less", []string{"x", "edge"}, []string{"below"})
	b.Node("Cast", []string{"below"}, []string{"y"}, onnx.Int("to", int64(onnx.ElementType(models.FP32))))
	b.Output("y", models.FP32, 1, 4)
	return build(t, b)
}

func build(t testing.TB, b *onnx.Builder) []byte {
	t.Helper()
	data, err := b.Bytes()
	require.NoError(t, err)
	return data
}

func newMechanism(t testing.TB, model []byte, o Options) *Mechanism {
	t.Helper()
	m, err := New(t.Context(), orttest.Open(t), model, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func TestNewWantsThePinnedModel(t *testing.T) {
	model := perceptron(t)
	sum := sha256.Sum256(model)
	m := newMechanism(t, model, Options{SHA256: hex.EncodeToString(sum[:])})
	require.Equal(t, mechanism.Description{Name: "replay", Task: models.Task{
		Name:   "replay",
		Inputs: []models.TensorSpec{{Name: "x", Datatype: models.FP32, Shape: []int64{models.Any, 16}}},
		Outputs: []models.TensorSpec{
			{Name: "probabilities", Datatype: models.FP32, Shape: []int64{models.Any, 8}},
			{Name: "label", Datatype: models.INT64, Shape: []int64{models.Any}},
		},
		Metric: "share of exact answers, and how quick they are",
	}}, m.Describe())

	_, err := New(t.Context(), orttest.Open(t), model, Options{SHA256: "00"})
	require.ErrorIs(t, err, ErrModel)
	_, err = New(t.Context(), orttest.Open(t), []byte("x"), Options{})
	require.ErrorIs(t, err, onnx.ErrCorrupt)
	_, err = New(t.Context(), orttest.Open(t), model, Options{Target: time.Second, Deadline: time.Second})
	require.ErrorContains(t, err, "deadline")
}

func TestJudge(t *testing.T) {
	m := newMechanism(t, perceptron(t), Options{Target: 100 * time.Millisecond, Deadline: 300 * time.Millisecond})
	r, err := m.Draw(t.Context(), 1)
	require.NoError(t, err)
	truth, err := m.lab.reference.Run(t.Context(), r.Challenges()[0], nil)
	require.NoError(t, err)
	edited := func(output int, edit func(data []byte)) []models.Tensor {
		outputs := append([]models.Tensor{}, truth...)
		outputs[output].Data = append([]byte{}, truth[output].Data...)
		edit(outputs[output].Data)
		return outputs
	}
	refused := errors.New("refused")
	for _, c := range []struct {
		name   string
		answer mechanism.Answer
		score  float64
		lies   bool
		reason error
	}{
		{"exact and quick", mechanism.Answer{Outputs: truth, Latency: 99 * time.Millisecond}, 1, false, nil},
		{"exact and halfway to the deadline", mechanism.Answer{Outputs: truth, Latency: 200 * time.Millisecond}, 0.5, false, nil},
		{"exact and late", mechanism.Answer{Outputs: truth, Latency: 300 * time.Millisecond}, 0, false, ErrLate},
		{"one unit in the last place off", mechanism.Answer{Outputs: edited(0, func(d []byte) { d[0] ^= 1 })}, 1, false, nil},
		{"one number wrong", mechanism.Answer{Outputs: edited(0, func(d []byte) { copy(d, "\x00\x00\x80\x3e") })}, 0, true, ErrMismatch},
		{"NaN", mechanism.Answer{Outputs: edited(0, func(d []byte) { copy(d, "\xff\xff\xff\x7f") })}, 0, true, ErrMismatch},
		{"another label", mechanism.Answer{Outputs: edited(1, func(d []byte) { d[0] ^= 1 })}, 0, true, ErrMismatch},
		{"an output missing", mechanism.Answer{Outputs: truth[:1]}, 0, false, compare.ErrShape},
		{"no answer", mechanism.Answer{Err: refused}, 0, false, refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			marks, err := r.Judge(t.Context(), []mechanism.Answer{c.answer})
			require.NoError(t, err)
			require.InDelta(t, c.score, marks[0].Score, 1e-9)
			require.Equal(t, c.lies, marks[0].Dishonest)
			require.ErrorIs(t, marks[0].Reason, c.reason)
		})
	}
	_, err = r.Judge(t.Context(), nil)
	require.ErrorContains(t, err, "0 answers to 1")
}

func TestThroughputCounts(t *testing.T) {
	m := newMechanism(t, perceptron(t), Options{Target: time.Second, TargetRate: 8})
	r, err := m.Draw(t.Context(), 4)
	require.NoError(t, err)
	answers := answersOf(t.Context(), t, m.lab.reference, r.Challenges())
	for i := range answers {
		answers[i].Latency = time.Second // 4 in a second, of the 8 wanted
	}
	marks, err := r.Judge(t.Context(), answers)
	require.NoError(t, err)
	require.InDelta(t, 0.5, marks[0].Score, 1e-9)
}

func TestChallengesAreNeverDrawnTwice(t *testing.T) {
	model := perceptron(t)
	seen := map[string]bool{}
	for range 2 {
		m := newMechanism(t, model, Options{Calibration: CalibrationOptions{Seed: 1}})
		for range 3 {
			r, err := m.Draw(t.Context(), 4)
			require.NoError(t, err)
			for _, c := range r.Challenges() {
				require.False(t, seen[string(c[0].Data)])
				seen[string(c[0].Data)] = true
			}
		}
	}
}

func TestCheapVersionsOfASmallNetworkAreRefused(t *testing.T) {
	m := newMechanism(t, perceptron(t), Options{})
	for _, scheme := range quantize.Schemes() {
		cheap, _, err := quantize.Apply(perceptron(t), scheme)
		require.NoError(t, err)
		session, err := orttest.Open(t).Load(t.Context(), cheap, ort.Options{Optimization: ort.OptimizeExtended})
		require.NoError(t, err)
		r, err := m.Draw(t.Context(), m.Calibration().Challenges)
		require.NoError(t, err)
		require.ErrorIs(t, refusal(t, r, answersOf(t.Context(), t, session, r.Challenges())), ErrMismatch, scheme)
		require.NoError(t, session.Close())
	}
}

func TestCalibrationIsTheSameForASeedAndIsKept(t *testing.T) {
	rt, model, folder := orttest.Open(t), perceptron(t), t.TempDir()
	o := CalibrationOptions{Seed: 5, Candidates: 8}
	first, err := Calibrate(t.Context(), rt, model, o)
	require.NoError(t, err)
	again, err := Cached(t.Context(), rt, model, o, folder)
	require.NoError(t, err)
	require.Equal(t, first, again)

	files, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	kept := *first
	kept.Challenges = 1234 // a mark that only the file has
	require.NoError(t, keep(files[0], &kept))
	fromFile, err := Cached(t.Context(), rt, model, o, folder)
	require.NoError(t, err)
	require.Equal(t, &kept, fromFile)

	require.NoError(t, os.WriteFile(files[0], []byte("{"), 0o600))
	anew, err := Cached(t.Context(), rt, model, o, folder)
	require.NoError(t, err)
	require.Equal(t, first, anew)

	o.Seed++
	_, err = Cached(t.Context(), rt, model, o, folder)
	require.NoError(t, err)
	files, err = filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
}

func TestSpecsThatDoNotFitAreRefused(t *testing.T) {
	for _, c := range []struct{ name, spec, says string }{
		{"unknown field", "inputs: {x: {shapes: [1]}}", "shapes"},
		{"unknown input", "inputs: {z: {shape: [1]}}", `"z"`},
		{"unknown family", "inputs: {x: {families: [odd]}}", "odd"},
		{"wrong shape", "inputs: {x: {shape: [1, 17]}}", "[1 17]"},
		{"no elements", "inputs: {x: {shape: [0, 16]}}", "[0 16]"},
		{"bounds the wrong way", "inputs: {x: {min: 2, max: 1}}", "min 2"},
		{"nothing left to chance", "inputs: {x: {values: [1]}}", "0 bits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec, err := ParseSpec([]byte(c.spec))
			if err == nil {
				_, err = Calibrate(t.Context(), orttest.Open(t), perceptron(t), CalibrationOptions{Spec: spec})
			}
			require.ErrorIs(t, err, ErrSpec)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestHintsOfAGraph(t *testing.T) {
	b := onnx.NewBuilder("lookup")
	b.Input("ids", models.INT64, models.Any, 20)
	b.Input("rate", models.INT64, 1)
	b.Floats("table", []int64{30, 2}, make([]float32, 60))
	b.Int64s("known", []int64{1}, []int64{16000})
	b.Node("Gather", []string{"table", "ids"}, []string{"rows"})
	b.Node("Equal", []string{"rate", "known"}, []string{"is"})
	b.Node("Cast", []string{"is"}, []string{"one"}, onnx.Int("to", int64(onnx.ElementType(models.FP32))))
	b.Node("Mul", []string{"rows", "one"}, []string{"y"})
	b.Output("y", models.FP32, models.Any, 20, 2)
	model := build(t, b)
	info, err := onnx.Inspect(model)
	require.NoError(t, err)
	inputs, err := inputsOf(model, info.Inputs, Spec{})
	require.NoError(t, err)
	require.Equal(t, int64(29), inputs[0].max)
	require.Equal(t, []float64{16000}, inputs[1].values)
}

func TestEdgesAreFound(t *testing.T) {
	session, err := orttest.Open(t).Load(t.Context(), step(t), ort.Options{})
	require.NoError(t, err)
	defer session.Close()
	inputs, err := inputsOf(step(t), session.Inputs(), Spec{})
	require.NoError(t, err)
	g := &generator{inputs: inputs, draw: rand.New(rand.NewPCG(1, 1)), model: session}
	beside := 0
	for range 20 {
		c, err := g.next(t.Context(), Edges)
		require.NoError(t, err)
		values, err := c[0].Float32s()
		require.NoError(t, err)
		for _, v := range values {
			if math.Abs(float64(v)-2.71828) < 2.72*edgeDistance {
				beside++
			}
		}
	}
	require.Greater(t, beside, 20, "of 60 numbers that were moved")
}

func TestBatchesComeApartAsTheyWerePutTogether(t *testing.T) {
	inputs := []input{
		{spec: models.TensorSpec{Datatype: models.INT64}, shape: []int64{1, 2}, batch: 0},
		{spec: models.TensorSpec{Datatype: models.INT64}, shape: []int64{2, 1, 2}, batch: 1},
	}
	numbers := func(shape []int64, from uint64) models.Tensor {
		n, err := models.Elements(shape)
		require.NoError(t, err)
		var data []byte
		for i := range uint64(n) {
			data = binary.LittleEndian.AppendUint64(data, from+i)
		}
		return models.Tensor{Datatype: models.INT64, Shape: shape, Data: data}
	}
	var challenges [][]models.Tensor
	for i := range uint64(3) {
		challenges = append(challenges, []models.Tensor{numbers(inputs[0].shape, 10*i), numbers(inputs[1].shape, 100*i)})
	}
	batch, ok := join(inputs, challenges)
	require.True(t, ok)
	require.Equal(t, []int64{3, 2}, batch[0].Shape)
	require.Equal(t, []int64{2, 3, 2}, batch[1].Shape)
	for i, want := range challenges {
		require.Equal(t, want, part(batch, []int{0, 1}, 3, i))
	}
}

func TestHalfFloatsAreCut(t *testing.T) {
	for value, want := range map[float64]uint16{0: 0, 1: 0x3c00, -2: 0xc000, 1.0009765: 0x3c00, 1e9: 0x7bff, 1e-9: 0} {
		require.Equal(t, want, cutToHalf(value), value)
	}
}

// BenchmarkJudge is one miner's answer, BenchmarkDraw one challenge, whose cost all miners share, and BenchmarkRun the
// model itself.
func BenchmarkJudge(b *testing.B) {
	m := newMechanism(b, perceptron(b), Options{})
	r, err := m.Draw(b.Context(), 10)
	require.NoError(b, err)
	session, err := orttest.Open(b).Load(b.Context(), perceptron(b), ort.Options{Optimization: ort.OptimizeNone})
	require.NoError(b, err)
	defer session.Close()
	answers := answersOf(b.Context(), b, session, r.Challenges())
	b.Run("answer", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Judge(b.Context(), answers); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(answers)), "ns/answer")
	})
	b.Run("draw", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.Draw(b.Context(), 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("run", func(b *testing.B) {
		for b.Loop() {
			if _, err := session.Run(b.Context(), r.Challenges()[0], nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
