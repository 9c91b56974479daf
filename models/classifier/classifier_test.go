package classifier_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/repository"
)

func TestGradesAreOfClearlyDifferentQuality(t *testing.T) {
	if testing.Short() {
		t.Skip("trains three models")
	}
	drawer := newDrawer(t)
	folder := t.TempDir()
	for _, grade := range classifier.Grades() {
		trained, err := classifier.Train(t.Context(), drawer, grade, classifier.Options{Seed: 1})
		require.NoError(t, err)
		path, err := trained.Save(folder, 1)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(folder, "digits-"+grade.Name, "1", "model.onnx"), path)

		info, err := onnx.Inspect(trained.ONNX)
		require.NoError(t, err)
		require.True(t, digits.Task().Serves(info.Inputs, info.Outputs))
		require.Equal(t, map[string]string{
			models.MetadataTask: "digits", models.MetadataMetric: "accuracy", models.MetadataSeed: "1",
			models.MetadataScore: fmt.Sprintf("%.4f", trained.Accuracy), models.MetadataHeldOut: "4000",
			models.MetadataTrainingSize: fmt.Sprint(grade.Examples),
		}, info.Metadata)
	}

	repo, err := repository.Open(t.Context(), orttest.Open(t), folder, repository.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, repo.Close()) }()
	accuracy := map[string]float64{}
	for _, m := range repo.Index() {
		seed, err := digits.RandomSeed() // fresh images, as a validator asks them
		require.NoError(t, err)
		measured, err := classifier.Measure(t.Context(), m.Session, drawer.Generator(seed), 4000)
		require.NoError(t, err)
		accuracy[m.Name] = measured.Accuracy
		t.Logf("%s: accuracy %.4f, loss %.3f, %s per image, stated %s", m.Name, measured.Accuracy, measured.Loss, measured.PerImage,
			m.Session.Metadata()[models.MetadataScore])
	}
	// Bands around the 72, 87 and 96 % of seed 1 that six standard errors of 4000 images stay inside.
	require.InDelta(t, 0.725, accuracy["digits-small"], 0.06)
	require.InDelta(t, 0.87, accuracy["digits-medium"], 0.05)
	require.InDelta(t, 0.957, accuracy["digits-large"], 0.025)
}

// quick is a grade's network after a short training.
func quick(t *testing.T, name string, seed uint64) *classifier.Trained {
	t.Helper()
	grade, err := classifier.ByName(name)
	require.NoError(t, err)
	grade.Examples = 640
	trained, err := classifier.Train(t.Context(), newDrawer(t), grade, classifier.Options{Seed: seed, HeldOut: 100})
	require.NoError(t, err)
	return trained
}

func TestTheSameSeedGivesTheSameModel(t *testing.T) {
	for _, grade := range classifier.Grades() {
		t.Run(grade.Name, func(t *testing.T) {
			first := quick(t, grade.Name, 7)
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			require.Equal(t, first.ONNX, quick(t, grade.Name, 7).ONNX, "also on one processor")
			require.NotEqual(t, first.ONNX, quick(t, grade.Name, 8).ONNX)
		})
	}
}

func TestOnnxRuntimeAgreesWithGonum(t *testing.T) {
	drawer := newDrawer(t)
	rt := orttest.Open(t)
	for _, grade := range classifier.Grades() {
		t.Run(grade.Name, func(t *testing.T) {
			trained := quick(t, grade.Name, 3)
			session, err := rt.Load(t.Context(), trained.ONNX, ort.Options{})
			require.NoError(t, err)
			defer func() { require.NoError(t, session.Close()) }()

			challenges := drawer.Generator(digits.FixedSeed("test", 5))
			images := make([][]float32, 64)
			var batch []float32
			for i := range images {
				images[i] = digits.AppendPixels(nil, challenges.Next().Image)
				batch = append(batch, images[i]...)
			}
			want, err := trained.Network.Probabilities(images)
			require.NoError(t, err)
			out, err := session.Run(t.Context(), []models.Tensor{models.FromFloat32s("image", []int64{64, 1, 28, 28}, batch)}, nil)
			require.NoError(t, err)
			require.Equal(t, []int64{64, 10}, out[0].Shape)
			got, err := out[0].Float32s()
			require.NoError(t, err)
			worst := 0.0
			for i, row := range want {
				for c, p := range row {
					worst = max(worst, abs(float64(p)-float64(got[10*i+c])))
				}
			}
			t.Logf("largest difference of a probability: %.1e", worst)
			require.LessOrEqual(t, worst, 5e-6)
		})
	}
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
	_, err = classifier.Measure(t.Context(), session, newDrawer(t).Generator(digits.FixedSeed("test", 1)), 10)
	require.ErrorIs(t, err, classifier.ErrTask)
	require.ErrorContains(t, err, "x FP32[-1]")
}

func TestTrainingStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	grade := classifier.Grades()[0]
	_, err := classifier.Train(ctx, newDrawer(t), grade, classifier.Options{Progress: func(seen, _ int, _ float64) {
		require.LessOrEqual(t, seen, grade.Examples/2)
		cancel()
	}})
	require.ErrorIs(t, err, context.Canceled)
}

func TestByName(t *testing.T) {
	for _, name := range []string{"medium", "digits-medium"} {
		grade, err := classifier.ByName(name)
		require.NoError(t, err)
		require.Equal(t, "medium", grade.Name)
	}
	_, err := classifier.ByName("huge")
	require.ErrorIs(t, err, classifier.ErrGrade)
	require.ErrorContains(t, err, "small, medium, large")
}

func newDrawer(t *testing.T) *digits.Drawer {
	t.Helper()
	d, err := digits.NewDrawer()
	require.NoError(t, err)
	return d
}

func abs(x float64) float64 { return max(x, -x) }
