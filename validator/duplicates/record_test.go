package duplicates

import (
	"compress/gzip"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/tasks"
)

// recorded is how many challenges of a task the models in testdata answered, all the same ones.
const recorded = 8000

// recordVariable names models to train: TASK-GRADE-SEED, or TASK-GRADE-SEED-tuned for one that starts from the same numbers,
// sees the same examples, and then half as many more.
const recordVariable = "PLEXUS_RECORD_MODELS"

// TestRecordModels trains the models that PLEXUS_RECORD_MODELS names, separated by spaces, and writes what they answer to
// testdata. Each answer takes two bytes: the class, and how sure the model was of it, 255 being certain.
func TestRecordModels(t *testing.T) {
	names := strings.Fields(os.Getenv(recordVariable))
	if len(names) == 0 {
		t.Skip(recordVariable + " names nothing to train")
	}
	for _, name := range names {
		data := answersOf(t, name)
		f, err := os.Create(filepath.Join("testdata", name+".gz"))
		require.NoError(t, err)
		w, err := gzip.NewWriterLevel(f, gzip.BestCompression)
		require.NoError(t, err)
		_, err = w.Write(data)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.NoError(t, f.Close())
	}
}

func answersOf(t *testing.T, name string) []byte {
	t.Helper()
	parts := strings.Split(name, "-")
	require.GreaterOrEqual(t, len(parts), 3)
	kind, err := tasks.ByName(parts[0])
	require.NoError(t, err)
	grade, err := classifier.ByName(parts[0], parts[1])
	require.NoError(t, err)
	seed, err := strconv.ParseUint(parts[2], 10, 64)
	require.NoError(t, err)
	if len(parts) > 3 {
		grade.Examples += grade.Examples / 2
	}
	trained, err := classifier.Train(t.Context(), kind, grade, classifier.Options{Seed: seed, HeldOut: 32})
	require.NoError(t, err)

	var data []byte
	var batch [][]float32
	right := 0
	var labels []int
	source := kind.Source(models.FixedSeed(parts[0], "recorded", 0))
	for i := range recorded {
		challenge, err := source.Next()
		require.NoError(t, err)
		batch, labels = append(batch, numbers(t, challenge.Inputs[0])), append(labels, challenge.Label)
		if len(batch) < 32 && i < recorded-1 {
			continue
		}
		rows, err := trained.Network.Probabilities(batch)
		require.NoError(t, err)
		for k, row := range rows {
			said := slices.Index(row, slices.Max(row))
			data = append(data, byte(said), byte(math.Round(255*float64(row[said]))))
			if said == labels[k] {
				right++
			}
		}
		batch, labels = batch[:0], labels[:0]
	}
	t.Logf("%s: %.2f %% right", name, 100*float64(right)/recorded)
	return data
}

func numbers(t *testing.T, tensor models.Tensor) []float32 {
	t.Helper()
	if tensor.Datatype != models.UINT8 {
		values, err := tensor.Float32s()
		require.NoError(t, err)
		return values
	}
	var out []float32
	for _, b := range tensor.Data {
		out = append(out, float32(b))
	}
	return out
}

// truths are the classes of the challenges that the models in testdata answered.
func truths(t testing.TB, task string) []uint8 {
	t.Helper()
	kind, err := tasks.ByName(task)
	require.NoError(t, err)
	source := kind.Source(models.FixedSeed(task, "recorded", 0))
	out := make([]uint8, recorded)
	for i := range out {
		challenge, err := source.Next()
		require.NoError(t, err)
		out[i] = uint8(challenge.Label)
	}
	return out
}

// model is what a model in testdata answered.
type model struct {
	name string
	said []uint8
	sure []uint8
}

func readModel(t testing.TB, name string) model {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".gz"))
	require.NoError(t, err)
	defer f.Close()
	r, err := gzip.NewReader(f)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Len(t, data, 2*recorded, name)
	m := model{name: name}
	for i := 0; i < len(data); i += 2 {
		m.said, m.sure = append(m.said, data[i]), append(m.sure, data[i+1])
	}
	return m
}
