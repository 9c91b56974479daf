package quantize_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/quantize"
)

// linear is y = x w + b with a weight that no cheaper number holds exactly.
func linear(t testing.TB) []byte {
	b := onnx.NewBuilder("linear")
	b.Input("x", models.FP32, models.Any, 3)
	b.Floats("w", []int64{3, 2}, []float32{0.1, -1.2345678, 0.7, 3.3333333, -0.001, 2.5})
	b.Floats("b", []int64{2}, []float32{0.3, -0.7})
	b.Node("Gemm", []string{"x", "w", "b"}, []string{"y"})
	b.Output("y", models.FP32, models.Any, 2)
	data, err := b.Bytes()
	require.NoError(t, err)
	return data
}

func TestSchemesRoundAsTheySay(t *testing.T) {
	x := models.FromFloat32s("x", []int64{1, 3}, []float32{1, 0, 0})
	for _, c := range []struct {
		scheme quantize.Scheme
		want   []float32 // 1*w[0] + b
		within float64
	}{
		{quantize.FP16Weights, []float32{0.099975586 + 0.30004883, -1.234375 - 0.70019531}, 1e-6},
		{quantize.FP16, []float32{0.4, -1.9345678}, 2e-3},
		{quantize.INT8Weights, []float32{4*3.3333333/127 + 0.3, -47*3.3333333/127 - 0.7}, 1e-6},
		{quantize.INT8Channels, []float32{18*0.7/127 + 0.3, -47*3.3333333/127 - 0.7}, 1e-6},
		{quantize.INT8Dynamic, []float32{4*3.3333333/127 + 0.3, -47*3.3333333/127 - 0.7}, 1e-2},
	} {
		t.Run(string(c.scheme), func(t *testing.T) {
			cheap, report, err := quantize.Apply(linear(t), c.scheme)
			require.NoError(t, err)
			require.NotZero(t, report)
			got := run(t, cheap, x)
			for i := range c.want {
				require.InDelta(t, c.want[i], got[i], c.within)
			}
			require.NotEqual(t, run(t, linear(t), x), got)
		})
	}
}

func TestIntegersTakeThePlaceOfFloats(t *testing.T) {
	b := onnx.NewBuilder("wide")
	b.Input("x", models.FP32, models.Any, 64)
	weights := make([]float32, 64*64)
	for i := range weights {
		weights[i] = float32(i%13) - 6.5
	}
	b.Floats("w", []int64{64, 64}, weights)
	b.Node("MatMul", []string{"x", "w"}, []string{"y"})
	b.Output("y", models.FP32, models.Any, 64)
	model, err := b.Bytes()
	require.NoError(t, err)
	cheap, report, err := quantize.Apply(model, quantize.INT8Dynamic)
	require.NoError(t, err)
	require.Equal(t, quantize.Report{Nodes: 1}, report)
	require.Less(t, len(cheap), len(model)/2, "the floats are left out")
}

func TestJitterMovesWeightsByAFewUnits(t *testing.T) {
	x := models.FromFloat32s("x", []int64{1, 3}, []float32{1, 1, 1})
	exact := run(t, linear(t), x)
	moved, err := quantize.Jitter(linear(t), 4, 1)
	require.NoError(t, err)
	again, err := quantize.Jitter(linear(t), 4, 1)
	require.NoError(t, err)
	require.Equal(t, moved, again)
	require.NotEqual(t, linear(t), moved)
	for i, v := range run(t, moved, x) {
		require.InEpsilon(t, exact[i], v, 1e-5)
	}
}

func TestWhatCannotBeRewrittenIsRefused(t *testing.T) {
	b := onnx.NewBuilder("double")
	b.Input("x", models.FP32, models.Any)
	b.Node("Add", []string{"x", "x"}, []string{"y"})
	b.Output("y", models.FP32, models.Any)
	weightless, err := b.Bytes()
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		model  []byte
		scheme quantize.Scheme
		want   error
	}{
		{"no scheme", linear(t), "fp12", quantize.ErrScheme},
		{"no weights", weightless, quantize.INT8Weights, quantize.ErrNothing},
		{"no model", []byte("onnx"), quantize.FP16, onnx.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := quantize.Apply(c.model, c.scheme)
			require.ErrorIs(t, err, c.want)
		})
	}
	_, err = quantize.ParseScheme("fp12")
	require.ErrorContains(t, err, "fp16-weights")
}

// Every scheme must give a model that loads: a cheater's tools that fail on real models prove nothing.
func TestRealModelsCanBeMadeCheaper(t *testing.T) {
	rt, folder := orttest.Open(t), orttest.RealModels(t)
	paths, err := filepath.Glob(filepath.Join(folder, "*", "model.onnx"))
	require.NoError(t, err)
	for _, path := range paths {
		model, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, scheme := range quantize.Schemes() {
			t.Run(filepath.Base(filepath.Dir(path))+"/"+string(scheme), func(t *testing.T) {
				cheap, report, err := quantize.Apply(model, scheme)
				require.NoError(t, err)
				t.Logf("%+v", report)
				session, err := rt.Load(t.Context(), cheap, ort.Options{Optimization: ort.OptimizeExtended})
				require.NoError(t, err)
				defer session.Close()
				original, err := onnx.Inspect(model)
				require.NoError(t, err)
				require.Equal(t, original.Inputs, session.Inputs())
				require.Equal(t, original.Outputs, session.Outputs())
			})
		}
	}
}

func run(t testing.TB, model []byte, x models.Tensor) []float32 {
	t.Helper()
	session, err := orttest.Open(t).Load(t.Context(), model, ort.Options{})
	require.NoError(t, err)
	defer session.Close()
	out, err := session.Run(t.Context(), []models.Tensor{x}, nil)
	require.NoError(t, err)
	values, err := out[0].Float32s()
	require.NoError(t, err)
	return values
}

func FuzzApply(f *testing.F) {
	f.Add(linear(f), 0)
	f.Fuzz(func(t *testing.T, model []byte, scheme int) {
		schemes := quantize.Schemes()
		cheap, report, err := quantize.Apply(model, schemes[uint(scheme)%uint(len(schemes))])
		if err == nil && (len(cheap) == 0 || report == (quantize.Report{})) {
			t.Fatal("rewritten, and nothing to show for it")
		}
	})
}
