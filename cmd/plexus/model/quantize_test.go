package modelcmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/validator/replay"
)

// trained is a model of the project's own.
func trained(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	_, _, err := run(t, "train", "--grade", "small", "--out", folder, "--held-out", "100")
	require.NoError(t, err)
	return filepath.Join(folder, "digits-small", "1", "model.onnx")
}

// A model that was made cheaper still does its task, and a validator that pins the original can tell.
func TestQuantizeThenCalibrate(t *testing.T) {
	path, err := orttest.Library()
	if err != nil {
		t.Skipf("no ONNX Runtime to test with: %v", err)
	}
	model := trained(t)
	cheap := filepath.Join(t.TempDir(), "digits-int8.onnx")
	out, _, err := run(t, "quantize", model, cheap, "--to", "int8", "-o", "json")
	require.NoError(t, err)
	var done struct {
		Scheme   string
		From, To struct {
			Path, SHA256 string
			Bytes        int
		}
		Weights, Nodes int
	}
	require.NoError(t, json.Unmarshal([]byte(out), &done))
	require.Equal(t, "int8-dynamic", done.Scheme)
	require.Positive(t, done.Nodes)
	require.Less(t, done.To.Bytes, done.From.Bytes/2, "bytes instead of floats")
	require.NotEqual(t, done.From.SHA256, done.To.SHA256)
	written, err := os.ReadFile(cheap)
	require.NoError(t, err)
	require.Len(t, written, done.To.Bytes)

	accuracy := func(model string) float64 {
		out, _, err := run(t, "eval", model, "--count", "500", "--seed", "3", "--"+library.Flag, path, "-o", "json")
		require.NoError(t, err)
		var measured []struct{ Accuracy float64 }
		require.NoError(t, json.Unmarshal([]byte(out), &measured))
		return measured[0].Accuracy
	}
	require.InDelta(t, accuracy(model), accuracy(cheap), 0.1)

	_, _, err = run(t, "quantize", model, cheap, "--to", "fp16-weights")
	require.ErrorContains(t, err, "--force")
	out, told, err := run(t, "quantize", model, cheap, "--to", "fp16-weights", "--force")
	require.NoError(t, err)
	require.Contains(t, out, "fp16-weights: ")
	require.Contains(t, out, cheap)
	require.Empty(t, told)

	out, told, err = run(t, "calibrate", model, "--"+library.Flag, path)
	require.NoError(t, err)
	require.Contains(t, told, "calibrating "+model)
	require.Contains(t, out, "model "+done.From.SHA256)
	require.Regexp(t, `(?m)^probabilities +`, out)
	require.Regexp(t, `(?m)^fp16-weights +.* %`, out)

	spec := filepath.Join(t.TempDir(), "spec.yaml")
	require.NoError(t, os.WriteFile(spec, []byte("inputs: {image: {families: [unit]}}"), 0o600))
	out, _, err = run(t, "calibrate", model, "--spec", spec, "--seed", "7", "--"+library.Flag, path, "-o", "json")
	require.NoError(t, err)
	var c replay.Calibration
	require.NoError(t, json.Unmarshal([]byte(out), &c))
	require.Equal(t, done.From.SHA256, c.Model)
	require.Equal(t, []replay.Family{replay.Unit}, c.Families)
	require.EqualValues(t, 7, c.Seed)
	require.GreaterOrEqual(t, c.Challenges, 4)
	require.Positive(t, c.Outputs[0].Tolerance)

	require.NoError(t, os.WriteFile(spec, []byte("inputs: {picture: {families: [unit]}}"), 0o600))
	_, _, err = run(t, "calibrate", model, "--spec", spec, "--"+library.Flag, path)
	require.ErrorContains(t, err, `no input "picture"`)
	require.ErrorContains(t, err, "--spec")
}

func TestQuantizeWarnsOfWhatCrashes(t *testing.T) {
	model := filepath.Join(orttest.RealModels(t), "byte-sentence-lstm-de", "model.onnx")
	for to, warns := range map[string]bool{"fp16": true, "fp16-weights": false, "int8": false} {
		_, told, err := run(t, "quantize", model, filepath.Join(t.TempDir(), "cheap.onnx"), "--to", to)
		require.NoError(t, err)
		if warns {
			require.Contains(t, told, "LSTM operators")
		} else {
			require.Empty(t, told)
		}
	}
}

// Whatever is left out of a file, the model still loads, with the inputs and outputs of the original.
func TestQuantizedFilesLoad(t *testing.T) {
	rt, folder := orttest.Open(t), orttest.RealModels(t)
	paths, err := filepath.Glob(filepath.Join(folder, "*", "model.onnx"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range append(paths, trained(t)) {
		original, err := os.ReadFile(path)
		require.NoError(t, err)
		want, err := onnx.Inspect(original)
		require.NoError(t, err)
		for _, to := range []string{"fp16", "int8"} {
			t.Run(filepath.Base(filepath.Dir(path))+"/"+to, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "cheap.onnx")
				_, _, err := run(t, "quantize", path, out, "--to", to)
				require.NoError(t, err)
				cheap, err := os.ReadFile(out)
				require.NoError(t, err)
				session, err := rt.Load(t.Context(), cheap, ort.Options{Optimization: ort.OptimizeExtended})
				require.NoError(t, err)
				defer session.Close()
				require.Equal(t, want.Inputs, session.Inputs())
				require.Equal(t, want.Outputs, session.Outputs())
			})
		}
	}
}

func TestQuantizeLeavesNothingBehindWhenItFails(t *testing.T) {
	b := onnx.NewBuilder("double")
	b.Input("x", models.FP32, models.Any)
	b.Node("Add", []string{"x", "x"}, []string{"y"})
	b.Output("y", models.FP32, models.Any)
	weightless, err := b.Bytes()
	require.NoError(t, err)
	folder := t.TempDir()
	path := filepath.Join(folder, "double.onnx")
	require.NoError(t, os.WriteFile(path, weightless, 0o600))
	_, _, err = run(t, "quantize", path, filepath.Join(folder, "cheap.onnx"), "--to", "int8-weights")
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "nothing to make cheaper")
	_, _, err = run(t, "quantize", path, filepath.Join(folder, "none", "cheap.onnx"), "--to", "fp16")
	require.Error(t, err)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 1)
}
