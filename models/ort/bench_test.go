package ort_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	binding "github.com/yalue/onnxruntime_go"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/ort/orttest"
)

// BenchmarkRun compares Session.Run with the bare binding doing the same work for one caller: input made from bytes,
// output handed over as bytes. Both take turns, so that what else the machine does weighs on both; the metric "ratio" is
// the time in Session.Run over the time in the binding.
//
//	go test ./models/ort -bench Run -run '^$'
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		name  string
		data  func() []byte
		input models.Tensor
		out   string
	}{
		{
			"identity", func() []byte { return identity(b, models.FP32, []int64{models.Any, 4}, []int64{models.Any, 4}) },
			models.FromFloat32s("x", []int64{1, 4}, make([]float32, 4)), "y",
		},
		{
			"mnist", func() []byte { return readFile(b, filepath.Join(orttest.RealModels(b), "mnist-8", "model.onnx")) },
			models.FromFloat32s("Input3", []int64{1, 1, 28, 28}, make([]float32, 784)), "Plus214_Output_0",
		},
	} {
		b.Run(c.name, func(b *testing.B) {
			compare(b, b.Context(), c.data(), c.input, c.out)
		})
		b.Run(c.name+" without a deadline", func(b *testing.B) {
			compare(b, context.Background(), c.data(), c.input, c.out)
		})
	}
}

func compare(b *testing.B, ctx context.Context, data []byte, input models.Tensor, output string) {
	session := load(b, data)
	bare := newBare(b, data, input.Name, output)
	inputs := []models.Tensor{input}
	var inBinding, inSession time.Duration
	for b.Loop() {
		started := time.Now()
		bare.run(b, input)
		between := time.Now()
		_, err := session.Run(ctx, inputs, nil)
		inSession += time.Since(between)
		inBinding += between.Sub(started)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(inSession)/float64(inBinding), "ratio")
	b.ReportMetric(float64(inSession-inBinding)/float64(b.N), "ns-more/op")
}

// bare is the least that a caller of the binding has to do.
type bare struct {
	session *binding.DynamicAdvancedSession
}

func newBare(b *testing.B, data []byte, input, output string) bare {
	options, err := binding.NewSessionOptions()
	require.NoError(b, err)
	defer options.Destroy()
	require.NoError(b, options.SetIntraOpNumThreads(1))
	session, err := binding.NewDynamicAdvancedSessionWithONNXData(data, []string{input}, []string{output}, options)
	require.NoError(b, err)
	b.Cleanup(func() { _ = session.Destroy() })
	return bare{session}
}

func (s bare) run(b *testing.B, input models.Tensor) []float32 {
	in, err := binding.NewCustomDataTensor(input.Shape, input.Data, binding.TensorElementDataTypeFloat)
	if err != nil {
		b.Fatal(err)
	}
	outputs := []binding.Value{nil}
	if err := s.session.Run([]binding.Value{in}, outputs); err != nil {
		b.Fatal(err)
	}
	values := outputs[0].(*binding.Tensor[float32]).GetData()
	_ = in.Destroy()
	_ = outputs[0].Destroy()
	return values
}
