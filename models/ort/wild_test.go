package ort_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// edited returns a model after a change that the builder knows nothing of.
func edited(t testing.TB, data []byte, edit func(*onnxpb.ModelProto)) []byte {
	t.Helper()
	var file onnxpb.ModelProto
	require.NoError(t, proto.Unmarshal(data, &file))
	edit(&file)
	data, err := proto.Marshal(&file)
	require.NoError(t, err)
	return data
}

// affine multiplies by a weight that exporters may keep elsewhere.
func affine(t testing.TB) []byte {
	return model(t, func(b *onnx.Builder) {
		b.Input("x", models.FP32, models.Any, 2)
		b.Floats("w", []int64{2}, []float32{3, 5})
		b.Node("Mul", []string{"x", "w"}, []string{"y"})
		b.Output("y", models.FP32, models.Any, 2)
	})
}

func floatBytes(values ...float32) []byte {
	return models.FromFloat32s("", nil, values).Data
}

// TestWeightsInFilesBesideTheModel: as exporters write models that are large.
func TestWeightsInFilesBesideTheModel(t *testing.T) {
	folder := t.TempDir()
	outside := func(location string, more ...*onnxpb.StringStringEntryProto) []byte {
		return edited(t, affine(t), func(m *onnxpb.ModelProto) {
			w := m.Graph.Initializer[0]
			w.RawData, w.DataLocation = nil, onnxpb.TensorProto_EXTERNAL.Enum()
			w.ExternalData = append([]*onnxpb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String(location)}}, more...)
		})
	}
	entry := func(key, value string) *onnxpb.StringStringEntryProto {
		return &onnxpb.StringStringEntryProto{Key: proto.String(key), Value: proto.String(value)}
	}
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "sub"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "model.onnx_data"), append(make([]byte, 64), floatBytes(7, 11)...), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "sub", "w.bin"), floatBytes(7, 11), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "short.bin"), []byte{1, 2}, 0o600))
	for _, data := range [][]byte{outside("model.onnx_data", entry("offset", "64"), entry("length", "8")), outside("./sub/w.bin")} {
		session, err := orttest.Open(t).Load(t.Context(), data, ort.Options{Folder: folder})
		require.NoError(t, err)
		out, err := session.Run(t.Context(), []models.Tensor{models.FromFloat32s("x", []int64{1, 2}, []float32{1, 2})}, nil)
		require.NoError(t, err)
		require.Equal(t, floatBytes(7, 22), out[0].Data)
		require.Len(t, session.Info().External, 1)
		require.NoError(t, session.Close())
		_, err = orttest.Open(t).Load(t.Context(), data, ort.Options{})
		require.ErrorIs(t, err, onnx.ErrUnsupported, "from memory alone it is not to be had")
	}
	for location, is := range map[string]error{
		"missing.bin": onnx.ErrUnsupported, "sub": onnx.ErrUnsupported, "": onnx.ErrUnsupported, "../w.bin": onnx.ErrUnsupported,
		"/etc/hostname": onnx.ErrUnsupported, "sub/../../w.bin": onnx.ErrUnsupported, "short.bin": ort.ErrModel,
	} {
		_, err := orttest.Open(t).Load(t.Context(), outside(location), ort.Options{Folder: folder})
		require.ErrorIs(t, err, is, location)
	}
	_, err := orttest.Open(t).Load(t.Context(), outside("sub/w.bin", entry("offset", "-4096")), ort.Options{Folder: folder})
	require.ErrorIs(t, err, ort.ErrModel)
}

// TestModelsAsExportersWriteThem: what the builder never does, and converters do.
func TestModelsAsExportersWriteThem(t *testing.T) {
	x := models.FromFloat32s("x", []int64{1, 2}, []float32{1, 2})
	run := func(t *testing.T, data []byte, inputs ...models.Tensor) []models.Tensor {
		t.Helper()
		session, err := orttest.Open(t).Load(t.Context(), data, ort.Options{})
		require.NoError(t, err)
		defer func() { require.NoError(t, session.Close()) }()
		var out []models.Tensor
		for range 3 { // the first run allocates, later ones may not
			out, err = session.Run(t.Context(), inputs, nil)
			require.NoError(t, err)
		}
		return out
	}
	t.Run("weights among the inputs, as before IR version 4", func(t *testing.T) {
		data := edited(t, affine(t), func(m *onnxpb.ModelProto) {
			m.IrVersion = proto.Int64(3)
			w := proto.Clone(m.Graph.Input[0]).(*onnxpb.ValueInfoProto)
			w.Name = proto.String("w")
			w.Type.GetTensorType().Shape.Dim = w.Type.GetTensorType().Shape.Dim[1:]
			m.Graph.Input = append(m.Graph.Input, w)
		})
		require.Equal(t, floatBytes(3, 10), run(t, data, x)[0].Data)
	})
	t.Run("dimensions of one name, and of a name that stands for another size", func(t *testing.T) {
		data := edited(t, affine(t), func(m *onnxpb.ModelProto) {
			for _, v := range []*onnxpb.ValueInfoProto{m.Graph.Input[0], m.Graph.Output[0]} {
				v.Type.GetTensorType().Shape.Dim[0].Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "batch"}
			}
		})
		require.Equal(t, floatBytes(3, 10), run(t, data, x)[0].Data)
	})
	t.Run("an output that is empty today", func(t *testing.T) {
		data := model(t, func(b *onnx.Builder) {
			b.Input("x", models.FP32, models.Any)
			b.Node("NonZero", []string{"x"}, []string{"at"})
			b.Output("at", models.INT64, models.Any, models.Any)
		})
		out := run(t, data, models.FromFloat32s("x", []int64{3}, []float32{0, 0, 0}))
		require.Equal(t, []int64{1, 0}, out[0].Shape)
		require.Empty(t, out[0].Data)
	})
	t.Run("only strings go out", func(t *testing.T) {
		text := models.FromStrings("x", []int64{2}, []string{"a", "bé"})
		out := run(t, identity(t, models.BYTES, []int64{models.Any}, nil), text)
		require.Equal(t, text.Data, out[0].Data)
	})
	t.Run("an output that is also used within", func(t *testing.T) {
		data := model(t, func(b *onnx.Builder) {
			b.Input("x", models.FP32, models.Any, 2)
			b.Node("Neg", []string{"x"}, []string{"n"})
			b.Node("Neg", []string{"n"}, []string{"y"})
			b.Output("n", models.FP32, models.Any, 2)
			b.Output("y", models.FP32, models.Any, 2)
		})
		out := run(t, data, x)
		require.Equal(t, floatBytes(-1, -2), out[0].Data)
		require.Equal(t, floatBytes(1, 2), out[1].Data)
	})
	t.Run("a shape that is declared wrong", func(t *testing.T) {
		data := edited(t, model(t, func(b *onnx.Builder) {
			b.Input("x", models.FP32, models.Any, 2)
			b.Int64s("to", []int64{1}, []int64{-1})
			b.Input("shape", models.INT64, 1)
			b.Node("Reshape", []string{"x", "shape"}, []string{"y"})
			b.Output("y", models.FP32, 1)
		}), func(*onnxpb.ModelProto) {})
		shape := models.Tensor{Name: "shape", Datatype: models.INT64, Shape: []int64{1}, Data: binary.LittleEndian.AppendUint64(nil, math.MaxUint64)}
		out := run(t, data, x, shape)
		require.Equal(t, []int64{2}, out[0].Shape, "what comes out is told as it is")
	})
	t.Run("old operator sets", func(t *testing.T) {
		data := edited(t, affine(t), func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version, m.IrVersion = proto.Int64(7), proto.Int64(3) })
		data = edited(t, data, func(m *onnxpb.ModelProto) { // IR version 3 wants weights among the inputs
			w := proto.Clone(m.Graph.Input[0]).(*onnxpb.ValueInfoProto)
			w.Name = proto.String("w")
			w.Type.GetTensorType().Shape.Dim = w.Type.GetTensorType().Shape.Dim[1:]
			m.Graph.Input = append(m.Graph.Input, w)
		})
		require.Equal(t, floatBytes(3, 10), run(t, data, x)[0].Data)
	})
	t.Run("the newest operator set", func(t *testing.T) {
		data := edited(t, affine(t), func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version, m.IrVersion = proto.Int64(24), proto.Int64(11) })
		require.Equal(t, floatBytes(3, 10), run(t, data, x)[0].Data)
	})
	t.Run("Microsoft's own operators", func(t *testing.T) {
		data := model(t, func(b *onnx.Builder) {
			b.Opset("com.microsoft", 1)
			b.Input("x", models.FP32, models.Any, 2)
			b.NodeOf("com.microsoft", "Gelu", []string{"x"}, []string{"y"})
			b.Output("y", models.FP32, models.Any, 2)
		})
		got, err := run(t, data, x)[0].Float32s()
		require.NoError(t, err)
		require.InDeltaSlice(t, []float32{0.8413447, 1.9544997}, got, 1e-5)
	})
}

// TestModelsThatAreRefusedSayWhy before a byte of them reaches the library.
func TestModelsThatAreRefusedSayWhy(t *testing.T) {
	input := func(edit func(*onnxpb.TypeProto_Tensor)) []byte {
		return edited(t, affine(t), func(m *onnxpb.ModelProto) { edit(m.Graph.Input[0].Type.GetTensorType()) })
	}
	typed := func(kind *onnxpb.TypeProto) []byte {
		return edited(t, affine(t), func(m *onnxpb.ModelProto) { m.Graph.Input[0].Type = kind })
	}
	tensor := &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(1)}}}
	for says, data := range map[string][]byte{
		`input "x": not supported: its elements are INT4`:         input(func(v *onnxpb.TypeProto_Tensor) { v.ElemType = proto.Int32(22) }),
		`input "x": not supported: its elements are FLOAT8E4M3FN`: input(func(v *onnxpb.TypeProto_Tensor) { v.ElemType = proto.Int32(17) }),
		"ONNX type 999":         input(func(v *onnxpb.TypeProto_Tensor) { v.ElemType = proto.Int32(999) }),
		"a sequence of tensors": typed(&onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{ElemType: tensor}}}),
		"an optional value":     typed(&onnxpb.TypeProto{Value: &onnxpb.TypeProto_OptionalType{OptionalType: &onnxpb.TypeProto_Optional{ElemType: tensor}}}),
		"it is a map":           typed(&onnxpb.TypeProto{Value: &onnxpb.TypeProto_MapType{MapType: &onnxpb.TypeProto_Map{KeyType: proto.Int32(7), ValueType: tensor}}}),
		`2 inputs, and the name "x"`: edited(t, affine(t), func(m *onnxpb.ModelProto) {
			m.Graph.Input = append(m.Graph.Input, m.Graph.Input[0])
		}),
		`2 outputs, and the name "y"`: edited(t, affine(t), func(m *onnxpb.ModelProto) {
			m.Graph.Output = append(m.Graph.Output, m.Graph.Output[0])
		}),
		"Opset 99": edited(t, affine(t), func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version = proto.Int64(99) }),
		"nobody.knows": edited(t, affine(t), func(m *onnxpb.ModelProto) {
			m.Graph.Node[0].Domain = proto.String("nobody.knows")
			m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String("nobody.knows"), Version: proto.Int64(1)})
		}),
	} {
		_, err := orttest.Open(t).Load(t.Context(), data, ort.Options{})
		require.Error(t, err, says)
		require.ErrorContains(t, err, says)
	}
}

// TestEachDeviceHasSlotsOfItsOwn: a model with copies on several devices runs on those that are free, and on no more of
// them at once than they and the model allow. Two numbers of the CPU stand for two devices.
func TestEachDeviceHasSlotsOfItsOwn(t *testing.T) {
	rt := orttest.Open(t)
	two := []ort.Provider{{Kind: ort.CPU, Device: 101}, {Kind: ort.CPU, Device: 102}}
	before := rt.Slots()
	session, err := rt.Load(t.Context(), slow(t, 40), ort.Options{Providers: two, MaxRuns: 1})
	require.NoError(t, err)
	require.Equal(t, before+2*rt.Options().MaxConcurrentRuns, rt.Slots())
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			for range 5 {
				if _, err := session.Run(t.Context(), []models.Tensor{square(64)}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	ctx, stop := context.WithCancel(t.Context())
	for range 2 {
		group.Go(func() {
			for ctx.Err() == nil {
				_, _ = session.Run(ctx, []models.Tensor{square(1024)}, nil)
			}
		})
	}
	// A third has to wait only when each of the two has a device of its own: otherwise there is one free.
	require.Eventually(t, func() bool {
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := session.Run(short, []models.Tensor{square(2)}, nil)
		return errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), "free slot")
	}, time.Minute, time.Millisecond)
	stop()
	group.Wait()
	require.NoError(t, session.Close())
	_, err = session.Run(t.Context(), []models.Tensor{square(2)}, nil)
	require.ErrorIs(t, err, ort.ErrClosed)

	_, err = rt.Load(t.Context(), slow(t, 1), ort.Options{Providers: []ort.Provider{{Kind: ort.CPU}, {Kind: ort.CUDA, Device: 3}}})
	require.ErrorIs(t, err, ort.ErrProvider, "one device that fails fails it all")
}
