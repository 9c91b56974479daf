package models_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/models"
)

func rowSpec(classes int64) models.TensorSpec {
	return models.TensorSpec{Name: "probabilities", Datatype: models.FP32, Shape: []int64{models.Any, classes}}
}

func TestProbabilitiesReadsWhatASoftmaxGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes, rows := rapid.IntRange(1, 20).Draw(t, "classes"), rapid.IntRange(0, 5).Draw(t, "rows")
		logit := rapid.Float64Range(-80, 80)
		var values []float32
		for range rows {
			row := make([]float64, classes)
			sum := 0.0
			for i := range row {
				row[i] = math.Exp(logit.Draw(t, "logit"))
				sum += row[i]
			}
			for _, e := range row {
				values = append(values, float32(e/sum))
			}
		}
		got, err := models.Probabilities(models.FromFloat32s("any name", []int64{int64(rows), int64(classes)}, values), rowSpec(int64(classes)))
		require.NoError(t, err)
		require.Len(t, got, rows)
		for i, row := range got {
			for c, p := range row {
				require.Equal(t, values[i*classes+c], float32(p))
			}
		}
	})
}

func TestOneBadNumberRefusesTheAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := make([]float32, 3*4)
		for i := range values {
			values[i] = 0.25
		}
		bad := rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -0.01, 1.01, 0.26, 0}).Draw(t, "bad")
		at := rapid.IntRange(0, len(values)-1).Draw(t, "at")
		values[at] = float32(bad)
		_, err := models.Probabilities(models.FromFloat32s("p", []int64{3, 4}, values), rowSpec(4))
		require.ErrorIs(t, err, models.ErrAnswer)
		require.ErrorContains(t, err, []string{"row 0", "row 1", "row 2"}[at/4])
	})
}

// FuzzProbabilities feeds arbitrary answers to the reader: it refuses them or returns distributions, and never more rows
// than were sent.
func FuzzProbabilities(f *testing.F) {
	f.Add([]byte{}, int64(0), int64(4), "FP32")
	f.Add(models.FromFloat32s("", nil, []float32{0.5, 0.5, 0, 0}).Data, int64(1), int64(4), "FP32")
	f.Add(make([]byte, 32), int64(1)<<62, int64(4), "FP64")
	f.Fuzz(func(t *testing.T, data []byte, rows, classes int64, datatype string) {
		output := models.Tensor{Name: "x", Datatype: models.Datatype(datatype), Shape: []int64{rows, classes}, Data: data}
		got, err := models.Probabilities(output, rowSpec(4))
		if err != nil {
			require.ErrorIs(t, err, models.ErrAnswer)
			return
		}
		require.Len(t, data, 16*len(got))
		for i, row := range got {
			sum := 0.0
			for c, p := range row {
				require.Equal(t, math.Float32frombits(binary.LittleEndian.Uint32(data[16*i+4*c:])), float32(p))
				sum += p
			}
			require.InDelta(t, 1, sum, 1e-3)
		}
	})
}

func TestSeeds(t *testing.T) {
	fixed := models.FixedSeed("digits", "training", 1)
	require.Equal(t, fixed, models.FixedSeed("digits", "training", 1))
	for _, other := range []models.Seed{
		models.FixedSeed("text", "training", 1), models.FixedSeed("digits", "test", 1), models.FixedSeed("digits", "training", 2),
	} {
		require.NotEqual(t, fixed, other)
	}
	one, err := models.RandomSeed()
	require.NoError(t, err)
	two, err := models.RandomSeed()
	require.NoError(t, err)
	require.NotEqual(t, one, two)
}
