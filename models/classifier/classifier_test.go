package classifier_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/repository"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/models/text"
)

func TestDigitGradesKeepTheirBands(t *testing.T) {
	if testing.Short() {
		t.Skip("trains three models")
	}
	accuracy := trainAndMeasure(t, classifier.Grades())
	// Bands around the 72, 87 and 96 % of seed 1 that six standard errors of 4000 images stay inside.
	require.InDelta(t, 0.725, accuracy["digits-small"], 0.06)
	require.InDelta(t, 0.87, accuracy["digits-medium"], 0.05)
	require.InDelta(t, 0.957, accuracy["digits-large"], 0.025)
}

// The other tasks are tested on half of the examples, which is time enough to tell their grades apart.
func TestGradesAreOfClearlyDifferentQuality(t *testing.T) {
	if testing.Short() {
		t.Skip("trains six models")
	}
	for _, task := range tasks.Names()[1:] {
		t.Run(task, func(t *testing.T) {
			grades, err := classifier.GradesOf(task)
			require.NoError(t, err)
			for i := range grades {
				grades[i].Examples /= 2
			}
			accuracy := trainAndMeasure(t, grades)
			const chance, margin = 1.0 / 8, 0.05 // six standard errors of a difference on 4000 challenges, or more
			worse := chance + 0.15
			for _, g := range grades {
				require.Greater(t, accuracy[g.ModelName()], worse+margin, g.ModelName())
				worse = accuracy[g.ModelName()]
			}
		})
	}
}

// trainAndMeasure saves models of some grades, and asks each 4000 fresh challenges in ONNX Runtime, as a validator does.
func trainAndMeasure(t *testing.T, grades []classifier.Grade) map[string]float64 {
	t.Helper()
	folder := t.TempDir()
	kind := kindOf(t, grades[0].Task)
	for _, grade := range grades {
		trained, err := classifier.Train(t.Context(), kind, grade, classifier.Options{Seed: 1})
		require.NoError(t, err)
		path, err := trained.Save(folder, 1)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(folder, grade.Task+"-"+grade.Name, "1", "model.onnx"), path)

		info, err := onnx.Inspect(trained.ONNX)
		require.NoError(t, err)
		require.True(t, kind.Task().Serves(info.Inputs, info.Outputs))
		require.Equal(t, map[string]string{
			models.MetadataTask: grade.Task, models.MetadataMetric: "accuracy", models.MetadataSeed: "1",
			models.MetadataScore: fmt.Sprintf("%.4f", trained.Accuracy), models.MetadataHeldOut: "4000",
			models.MetadataTrainingSize: fmt.Sprint(grade.Examples),
		}, info.Metadata)
	}

	repo, err := repository.Open(t.Context(), orttest.Open(t), folder, repository.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, repo.Close()) }()
	accuracy := map[string]float64{}
	for _, m := range repo.Index() {
		seed, err := models.RandomSeed()
		require.NoError(t, err)
		measured, err := classifier.Measure(t.Context(), m.Session, kind, seed, 4000)
		require.NoError(t, err)
		accuracy[m.Name] = measured.Accuracy
		t.Logf("%s: accuracy %.4f, loss %.3f, %s per challenge, stated %s", m.Name, measured.Accuracy, measured.Loss, measured.PerChallenge,
			m.Session.Metadata()[models.MetadataScore])
	}
	return accuracy
}

// eachGrade runs a test for every grade of every task.
func eachGrade(t *testing.T, test func(t *testing.T, grade classifier.Grade)) {
	for _, task := range tasks.Names() {
		grades, err := classifier.GradesOf(task)
		require.NoError(t, err)
		for _, grade := range grades {
			t.Run(grade.ModelName(), func(t *testing.T) { test(t, grade) })
		}
	}
}

// quick is a grade's network after a short training.
func quick(t *testing.T, grade classifier.Grade, seed uint64) *classifier.Trained {
	t.Helper()
	grade.Examples = 320
	trained, err := classifier.Train(t.Context(), kindOf(t, grade.Task), grade, classifier.Options{Seed: seed, HeldOut: 100})
	require.NoError(t, err)
	return trained
}

func TestTheSameSeedGivesTheSameModel(t *testing.T) {
	eachGrade(t, func(t *testing.T, grade classifier.Grade) {
		first := quick(t, grade, 7)
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		require.Equal(t, first.ONNX, quick(t, grade, 7).ONNX, "also on one processor")
		require.NotEqual(t, first.ONNX, quick(t, grade, 8).ONNX)
	})
}

func TestOnnxRuntimeAgreesWithGonum(t *testing.T) {
	rt := orttest.Open(t)
	eachGrade(t, func(t *testing.T, grade classifier.Grade) {
		const n = 64
		trained := quick(t, grade, 3)
		session, err := rt.Load(t.Context(), trained.ONNX, ort.Options{})
		require.NoError(t, err)
		defer func() { require.NoError(t, session.Close()) }()

		kind := kindOf(t, grade.Task)
		source := kind.Source(models.FixedSeed(grade.Task, "test", 5))
		numbers := make([][]float32, n)
		var batch models.Tensor
		for i := range numbers {
			c, err := source.Next()
			require.NoError(t, err)
			numbers[i] = numbersOf(t, c.Inputs[0])
			data := append(batch.Data, c.Inputs[0].Data...)
			batch = c.Inputs[0]
			batch.Data, batch.Shape[0] = data, n
		}
		want, err := trained.Network.Probabilities(numbers)
		require.NoError(t, err)
		out, err := session.Run(t.Context(), []models.Tensor{batch}, nil)
		require.NoError(t, err)
		got, err := kind.Probabilities(out)
		require.NoError(t, err)
		require.Len(t, got, n)
		worst := 0.0
		for i, row := range want {
			for c, p := range row {
				worst = max(worst, math.Abs(float64(p)-got[i][c]))
			}
		}
		t.Logf("largest difference of a probability: %.1e", worst)
		require.LessOrEqual(t, worst, 5e-6)
	})
}

func numbersOf(t *testing.T, input models.Tensor) []float32 {
	t.Helper()
	if input.Datatype == models.UINT8 {
		var numbers []float32
		for _, b := range input.Data {
			numbers = append(numbers, float32(b))
		}
		return numbers
	}
	numbers, err := input.Float32s()
	require.NoError(t, err)
	return numbers
}

// A model that knows nothing scores what guessing does: no generator gives a label away by how often it comes.
func TestAnswersThatAreAlwaysTheSameScoreChance(t *testing.T) {
	rt := orttest.Open(t)
	for _, task := range tasks.Names() {
		t.Run(task, func(t *testing.T) {
			const n = 2000
			kind := kindOf(t, task)
			session, err := rt.Load(t.Context(), constant(t, kind), ort.Options{})
			require.NoError(t, err)
			defer func() { require.NoError(t, session.Close()) }()
			seed, err := models.RandomSeed()
			require.NoError(t, err)
			m, err := classifier.Measure(t.Context(), session, kind, seed, n)
			require.NoError(t, err)
			chance := 1 / float64(kind.Classes())
			require.InDelta(t, chance, m.Accuracy, 6*math.Sqrt(chance*(1-chance)/n)) // six standard errors
			require.InDelta(t, 16*(1-m.Accuracy), m.Loss, 1e-9, "the worst loss for each wrong answer")
			require.Equal(t, task, m.Task)
			told := 0
			for _, row := range m.Confusion {
				told += row[0]
			}
			require.Equal(t, n, told)
		})
	}
}

// constant is a model of a task that is always certain of class 0.
func constant(t *testing.T, kind tasks.Kind) []byte {
	t.Helper()
	task := kind.Task()
	in, out := task.Inputs[0], task.Outputs[0]
	b := onnx.NewBuilder("constant")
	b.Input(in.Name, in.Datatype, in.Shape...)
	b.Output(out.Name, out.Datatype, out.Shape...)
	answer := make([]float32, kind.Classes())
	answer[0] = 1
	b.Floats("answer", []int64{1, int64(len(answer))}, answer)
	b.Int64s("first", []int64{1}, []int64{0})
	b.Int64s("second", []int64{1}, []int64{1})
	b.Int64s("classes", []int64{1}, []int64{int64(len(answer))})
	b.Node("Shape", []string{in.Name}, []string{"shape"})
	b.Node("Slice", []string{"shape", "first", "second"}, []string{"batch"})
	b.Node("Concat", []string{"batch", "classes"}, []string{"size"}, onnx.Int("axis", 0))
	b.Node("Expand", []string{"answer", "size"}, []string{out.Name})
	data, err := b.Bytes()
	require.NoError(t, err)
	return data
}

func TestMeasureRefusesModelsOfAnotherTask(t *testing.T) {
	b := onnx.NewBuilder("other")
	b.Input("x", models.FP32, models.Any)
	b.Node("Neg", []string{"x"}, []string{"y"})
	b.Output("y", models.FP32, models.Any)
	data, err := b.Bytes()
	require.NoError(t, err)
	session, err := orttest.Open(t).Load(t.Context(), data, ort.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, session.Close()) }()
	_, err = classifier.Measure(t.Context(), session, kindOf(t, "digits"), models.Seed{}, 10)
	require.ErrorIs(t, err, classifier.ErrTask)
	require.ErrorContains(t, err, "x FP32[-1]")
}

func TestTrainingStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	grade := classifier.Grades()[0]
	_, err := classifier.Train(ctx, kindOf(t, "digits"), grade, classifier.Options{Progress: func(seen, _ int, _ float64) {
		require.LessOrEqual(t, seen, grade.Examples/2)
		cancel()
	}})
	require.ErrorIs(t, err, context.Canceled)
}

func TestAGradeIsForItsTask(t *testing.T) {
	_, err := classifier.Train(t.Context(), kindOf(t, "text"), classifier.Grades()[0], classifier.Options{})
	require.ErrorIs(t, err, classifier.ErrGrade)
	require.ErrorContains(t, err, "digits-small is not for task text")
}

func TestByName(t *testing.T) {
	for _, name := range []string{"medium", "text-medium"} {
		grade, err := classifier.ByName("text", name)
		require.NoError(t, err)
		require.Equal(t, "text-medium", grade.ModelName())
	}
	_, err := classifier.ByName("text", "digits-medium")
	require.ErrorIs(t, err, classifier.ErrGrade)
	require.ErrorContains(t, err, "small, medium, large")
	_, err = classifier.ByName("chess", "small")
	require.ErrorIs(t, err, tasks.ErrTask)
}

func kindOf(t *testing.T, task string) tasks.Kind {
	t.Helper()
	kind, err := tasks.ByName(task)
	require.NoError(t, err)
	return kind
}

// A model of texts says beside its answer what it tells the classes by: of two messages that ask for the same the
// embeddings are nearer than of two that do not, more often than not.
func TestTextModelsEmbed(t *testing.T) {
	grade, err := classifier.ByName(text.Name, "small")
	require.NoError(t, err)
	grade.Examples = 6400
	trained, err := classifier.Train(t.Context(), kindOf(t, text.Name), grade, classifier.Options{Seed: 1, HeldOut: 100})
	require.NoError(t, err)
	session, err := orttest.Open(t).Load(t.Context(), trained.ONNX, ort.Options{})
	require.NoError(t, err)
	defer session.Close()
	require.Equal(t, []models.TensorSpec{
		{Name: text.OutputName, Datatype: models.FP32, Shape: []int64{models.Any, text.Classes}},
		{Name: text.EmbeddingName, Datatype: models.FP32, Shape: []int64{models.Any, 12}},
	}, session.Outputs())

	const n = 200
	generator := text.NewGenerator(models.FixedSeed(text.Name, "embeddings", 1))
	messages, labels := make([]string, n), make([]int, n)
	for i := range messages {
		c := generator.Next()
		messages[i], labels[i] = c.Text, c.Label
	}
	input, err := text.Tensor(messages...)
	require.NoError(t, err)
	outputs, err := session.Run(t.Context(), []models.Tensor{input}, []string{text.EmbeddingName})
	require.NoError(t, err)
	values, err := outputs[0].Float32s()
	require.NoError(t, err)
	alike, unlike := mean{}, mean{}
	for i := range n {
		for j := range i {
			cosine := cosine(values[i*12:(i+1)*12], values[j*12:(j+1)*12])
			if labels[i] == labels[j] {
				alike.add(cosine)
			} else {
				unlike.add(cosine)
			}
		}
	}
	require.Greater(t, alike.of(), unlike.of()+0.01, "cosine of messages alike, and not")
}

type mean struct{ sum, n float64 }

func (m *mean) add(v float64) { m.sum, m.n = m.sum+v, m.n+1 }
func (m *mean) of() float64   { return m.sum / m.n }

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+float64(a[i]*b[i]), aa+float64(a[i]*a[i]), bb+float64(b[i]*b[i])
	}
	return ab / math.Sqrt(aa*bb)
}
