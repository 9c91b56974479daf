package ort_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	binding "github.com/yalue/onnxruntime_go"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
)

// BenchmarkRun compares Session.Run with the bare binding doing the same work for one caller: input made from bytes,
// output handed over as bytes. The ratio of the two in one run is what Plexus adds.
//
//	go test ./models/ort -bench Run -run '^$'
func BenchmarkRun(b *testing.B) {
	mnist := filepath.Join(orttest.RealModels(b), "mnist-8", "model.onnx")
	for _, c := range []struct {
		name  string
		data  []byte
		input models.Tensor
		out   string
	}{
		{"smallest", identityModel(b), models.FromFloat32s("x", []int64{1, 4}, make([]float32, 4)), "y"},
		{"mnist", readFile(b, mnist), models.FromFloat32s("Input3", []int64{1, 1, 28, 28}, make([]float32, 784)), "Plus214_Output_0"},
	} {
		session := load(b, c.data)
		inputs := []models.Tensor{c.input}
		b.Run(c.name+"/binding", func(b *testing.B) { runBinding(b, c.data, c.input, c.out) })
		b.Run(c.name+"/session", func(b *testing.B) { runSession(b, context.Background(), session, inputs) })
		b.Run(c.name+"/session with a deadline", func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			runSession(b, ctx, session, inputs)
		})
	}
}

func identityModel(b *testing.B) []byte {
	return identity(b, models.FP32, []int64{models.Any, 4}, []int64{models.Any, 4})
}

func runSession(b *testing.B, ctx context.Context, session *ort.Session, inputs []models.Tensor) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := session.Run(ctx, inputs, nil)
		require.NoError(b, err)
	}
}

func runBinding(b *testing.B, data []byte, input models.Tensor, output string) {
	orttest.Open(b)
	options, err := binding.NewSessionOptions()
	require.NoError(b, err)
	defer options.Destroy()
	require.NoError(b, options.SetIntraOpNumThreads(1))
	session, err := binding.NewDynamicAdvancedSessionWithONNXData(data, []string{input.Name}, []string{output}, options)
	require.NoError(b, err)
	defer session.Destroy()
	b.ReportAllocs()
	for b.Loop() {
		in, err := binding.NewCustomDataTensor(input.Shape, input.Data, binding.TensorElementDataTypeFloat)
		require.NoError(b, err)
		outputs := []binding.Value{nil}
		require.NoError(b, session.Run([]binding.Value{in}, outputs))
		sink = outputs[0].(*binding.Tensor[float32]).GetData()
		_ = in.Destroy()
		_ = outputs[0].Destroy()
	}
}

var sink []float32
