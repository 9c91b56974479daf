package compare_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/compare"
)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func floats(values ...float32) models.Tensor {
	return models.FromFloat32s("y", []int64{int64(len(values))}, values)
}

func labels(values ...int64) models.Tensor {
	var data []byte
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return models.Tensor{Name: "y", Datatype: models.INT64, Shape: []int64{int64(len(values))}, Data: data}
}

func halves(bits ...uint16) models.Tensor {
	var data []byte
	for _, v := range bits {
		data = binary.LittleEndian.AppendUint16(data, v)
	}
	return models.Tensor{Name: "y", Datatype: models.FP16, Shape: []int64{int64(len(bits))}, Data: data}
}

func TestDistances(t *testing.T) {
	for _, c := range []struct {
		name      string
		scale     compare.Scale
		want, got models.Tensor
		distance  float64
	}{
		{"equal", compare.Scale{}, floats(1, -2), floats(1, -2), 0},
		{"relative to the largest", compare.Scale{}, floats(1, -4), floats(1.5, -4), 0.125},
		{"root mean square", compare.Scale{Measure: compare.RMS}, floats(3, 4), floats(3, 5), 0.2},
		{"zero against zero of the other sign", compare.Scale{}, floats(0, 1), floats(float32(math.Copysign(0, -1)), 1), 0},
		{"nothing but zeros", compare.Scale{}, floats(0, 0), floats(1e-9, 0), math.Inf(1)},
		{"nothing but zeros, with a floor", compare.Scale{Floor: 1}, floats(0, 0), floats(0.25, 0), 0.25},
		{"nothing but zeros, with a floor, root mean square", compare.Scale{Measure: compare.RMS, Floor: 0.5}, floats(0, 0, 0, 0), floats(0.25, 0, 0, 0), 0.25},
		{"NaN where it belongs", compare.Scale{}, floats(nan, 1), floats(-nan, 1.5), 0.5},
		{"NaN instead of a number", compare.Scale{}, floats(1, 1), floats(nan, 1), math.Inf(1)},
		{"a number instead of NaN", compare.Scale{}, floats(nan, 1), floats(1, 1), math.Inf(1)},
		{"infinite where it belongs", compare.Scale{}, floats(inf, 2), floats(inf, 1), 0.5},
		{"infinite the other way", compare.Scale{}, floats(inf, 1), floats(-inf, 1), math.Inf(1)},
		{"log odds of a small probability", compare.Scale{Measure: compare.LogOdds}, floats(0.25, 0.5), floats(0.25+0.1875/64, 0.5), 1.0 / 64},
		{"log odds next to 1", compare.Scale{Measure: compare.LogOdds}, floats(1, 0), floats(1-1.0/(1<<20), 0), 1.0 / (1 << 14)},
		{"labels", compare.Scale{}, labels(1, 2, 3, 4), labels(1, 2, 4, 4), 0.25},
		{"labels that a float cannot tell apart", compare.Scale{}, labels(1<<60, 0), labels(1<<60+1, 0), 0.5},
		{"half floats", compare.Scale{}, halves(0x3c00, 0x4400), halves(0x3c00, 0x4200), 0.25},
		{"text", compare.Scale{}, models.FromStrings("y", []int64{2}, []string{"a", "b"}), models.FromStrings("y", []int64{2}, []string{"a", "bc"}), 0.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref, err := compare.New([]models.Tensor{c.want}, []compare.Scale{c.scale})
			require.NoError(t, err)
			distances, err := ref.Distances([]models.Tensor{c.got})
			require.NoError(t, err)
			require.InDeltaSlice(t, []float64{c.distance}, distances, 1e-9)
		})
	}
}

func TestEveryOutputCounts(t *testing.T) {
	a, b := floats(1, 2), labels(3)
	b.Name = "label"
	ref, err := compare.New([]models.Tensor{a, b}, nil)
	require.NoError(t, err)
	distances, err := ref.Distances([]models.Tensor{b, a})
	require.NoError(t, err)
	require.Equal(t, []float64{0, 0}, distances)

	short := a
	short.Data = a.Data[:4]
	renamed := b
	renamed.Name = "lable"
	text := models.FromStrings("y", []int64{1}, []string{"long"})
	for _, c := range []struct {
		name   string
		answer []models.Tensor
	}{
		{"one missing", []models.Tensor{a}},
		{"one too many", []models.Tensor{a, b, b}},
		{"one twice", []models.Tensor{a, a}},
		{"another name", []models.Tensor{a, renamed}},
		{"another shape", []models.Tensor{floats(1), b}},
		{"another type", []models.Tensor{text, b}},
		{"too few bytes", []models.Tensor{short, b}},
		{"none", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ref.Distances(c.answer)
			require.ErrorIs(t, err, compare.ErrShape)
		})
	}
	torn := models.FromStrings("y", []int64{1}, []string{"long"})
	ref, err = compare.New([]models.Tensor{torn}, nil)
	require.NoError(t, err)
	torn.Data = torn.Data[:6]
	_, err = ref.Distances([]models.Tensor{torn})
	require.ErrorIs(t, err, compare.ErrShape)
}

func TestGap(t *testing.T) {
	rows := floats(0.5, 0.25, 0.25, 0.1, 0.5, 0.4)
	rows.Shape = []int64{2, 3}
	require.InDelta(t, 0.1, compare.Gap(rows), 1e-6)
	require.Zero(t, compare.Gap(floats(1, 2, 2)))
	require.True(t, math.IsInf(compare.Gap(floats(1)), 1))
}

func TestMeasuresMustSuit(t *testing.T) {
	_, err := compare.New([]models.Tensor{labels(1)}, []compare.Scale{{Measure: compare.Relative}})
	require.ErrorContains(t, err, "INT64")
	_, err = compare.New([]models.Tensor{labels(1)}, make([]compare.Scale, 2))
	require.Error(t, err)
	_, err = compare.New([]models.Tensor{{Name: "y", Datatype: models.FP32, Shape: []int64{2}}}, nil)
	require.ErrorIs(t, err, models.ErrLength)
}

func TestDistanceGrowsWithTheDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		measure := rapid.SampledFrom([]compare.Measure{compare.Relative, compare.RMS, compare.LogOdds}).Draw(t, "measure")
		want := rapid.SliceOfN(rapid.Float32Range(0.01, 0.99), 1, 9).Draw(t, "want")
		at := rapid.IntRange(0, len(want)-1).Draw(t, "at")
		step := rapid.Float32Range(0.001, 0.1).Draw(t, "step")
		ref, err := compare.New([]models.Tensor{floats(want...)}, []compare.Scale{{Measure: measure}})
		require.NoError(t, err)
		last := 0.0
		for range 3 {
			want[at] += step
			d, err := ref.Distances([]models.Tensor{floats(want...)})
			require.NoError(t, err)
			require.Greater(t, d[0], last)
			last = d[0]
		}
	})
}

func BenchmarkDistances(b *testing.B) {
	values := make([]float32, 1000)
	for i := range values {
		values[i] = float32(i) / 1000
	}
	ref, err := compare.New([]models.Tensor{floats(values...)}, nil)
	require.NoError(b, err)
	values[7] += 1e-5
	for name, answer := range map[string][]models.Tensor{"equal": ref.Outputs(), "close": {floats(values...)}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := ref.Distances(answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
