package onnx_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// file is a small model with a bit of everything that Inspect reports.
func file(t testing.TB, edit func(*onnxpb.ModelProto)) []byte {
	t.Helper()
	b := onnx.NewBuilder("graph")
	b.Doc("what people read")
	b.Metadata("key", "value")
	b.Input("x", models.FP32, models.Any, 3)
	b.Floats("w", []int64{3}, make([]float32, 3))
	b.Node("Mul", []string{"x", "w"}, []string{"y"})
	b.Output("y", models.FP32, models.Any, 3)
	data, err := b.Bytes()
	require.NoError(t, err)
	if edit == nil {
		return data
	}
	var model onnxpb.ModelProto
	require.NoError(t, proto.Unmarshal(data, &model))
	edit(&model)
	data, err = proto.Marshal(&model)
	require.NoError(t, err)
	return data
}

func TestInspect(t *testing.T) {
	info, err := onnx.Inspect(file(t, func(m *onnxpb.ModelProto) {
		m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(3)})
		// As models before IR version 4 do, the weight is also listed among the inputs.
		m.Graph.Input = append(m.Graph.Input, proto.Clone(m.Graph.Input[0]).(*onnxpb.ValueInfoProto))
		m.Graph.Input[1].Name = proto.String("w")
	}))
	require.NoError(t, err)
	require.Equal(t, &onnx.Info{
		IRVersion: 8, Opsets: map[string]int64{"": 13, "ai.onnx.ml": 3}, Producer: "plexus", Graph: "graph",
		Metadata: map[string]string{"key": "value"},
		Inputs:   []models.TensorSpec{{Name: "x", Datatype: models.FP32, Shape: []int64{models.Any, 3}}},
		Outputs:  []models.TensorSpec{{Name: "y", Datatype: models.FP32, Shape: []int64{models.Any, 3}}},
		Labels:   map[string][]string{},
	}, info)
}

func TestWhatCannotBeServedIsRefusedWithTheReason(t *testing.T) {
	sequence := &onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{
		ElemType: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{}}},
	}}}
	external := &onnxpb.TensorProto{Name: proto.String("far"), DataLocation: onnxpb.TensorProto_EXTERNAL.Enum()}
	for _, c := range []struct {
		name string
		data []byte
		is   error
		says string
	}{
		{"empty", nil, onnx.ErrCorrupt, "empty"},
		{"2 GiB", make([]byte, 1<<31), onnx.ErrUnsupported, "in files beside it"}, // never touched, so never there
		{"truncated", file(t, nil)[:50], onnx.ErrCorrupt, "truncated"},
		{"no graph", file(t, func(m *onnxpb.ModelProto) { m.Graph = nil }), onnx.ErrCorrupt, "no graph"},
		{"no output", file(t, func(m *onnxpb.ModelProto) { m.Graph.Output = nil }), onnx.ErrCorrupt, "no graph with an output"},
		{"no operator set", file(t, func(m *onnxpb.ModelProto) { m.OpsetImport = nil }), onnx.ErrCorrupt, "operator set"},
		{"sequence input", file(t, func(m *onnxpb.ModelProto) { m.Graph.Input[0].Type = sequence }), onnx.ErrUnsupported, `input "x": not supported: it is a sequence of tensors`},
		{"input without type", file(t, func(m *onnxpb.ModelProto) { m.Graph.Input[0].Type = nil }), onnx.ErrUnsupported, "leaves out"},
		{"complex input", file(t, func(m *onnxpb.ModelProto) {
			m.Graph.Input[0].Type.GetTensorType().ElemType = proto.Int32(int32(onnxpb.TensorProto_COMPLEX64))
		}), onnx.ErrUnsupported, "COMPLEX64"},
		{"only sequence outputs", file(t, func(m *onnxpb.ModelProto) { m.Graph.Output[0].Type = sequence }), onnx.ErrUnsupported, `output "y"`},
		{"weight elsewhere", file(t, func(m *onnxpb.ModelProto) { m.Graph.Initializer = append(m.Graph.Initializer, external) }), onnx.ErrUnsupported, `"far"`},
		{"constant elsewhere", file(t, func(m *onnxpb.ModelProto) {
			m.Graph.Node[0].Attribute = []*onnxpb.AttributeProto{{T: external}}
		}), onnx.ErrUnsupported, `"far"`},
		{"weight of a branch elsewhere", file(t, func(m *onnxpb.ModelProto) {
			m.Graph.Node[0].Attribute = []*onnxpb.AttributeProto{{G: &onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{external}}}}
		}), onnx.ErrUnsupported, `"far"`},
		{"weight of a function elsewhere", file(t, func(m *onnxpb.ModelProto) {
			m.Functions = []*onnxpb.FunctionProto{{Node: []*onnxpb.NodeProto{{Attribute: []*onnxpb.AttributeProto{{T: external}}}}}}
		}), onnx.ErrUnsupported, `"far"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := onnx.Inspect(c.data)
			require.ErrorIs(t, err, c.is)
			require.ErrorContains(t, err, c.says)
			_, err = onnx.Adapt(c.data)
			require.ErrorIs(t, err, c.is)
		})
	}
}

func TestOneUnsupportedOutputLeavesTheOthers(t *testing.T) {
	info, err := onnx.Inspect(file(t, func(m *onnxpb.ModelProto) {
		m.Graph.Output = append(m.Graph.Output, &onnxpb.ValueInfoProto{Name: proto.String("odd"), Type: &onnxpb.TypeProto{
			Value: &onnxpb.TypeProto_OptionalType{OptionalType: &onnxpb.TypeProto_Optional{}},
		}})
	}))
	require.NoError(t, err)
	require.Len(t, info.Outputs, 1)
	require.Equal(t, []onnx.Unsupported{{Name: "odd", Reason: "not supported: it is an optional value, not a tensor"}}, info.Unsupported)
}

func TestPlainModelsAreNotTouched(t *testing.T) {
	data := file(t, nil)
	adapted, err := onnx.Adapt(data)
	require.NoError(t, err)
	require.Same(t, &data[0], &adapted.Model[0], "not even copied")
	require.Equal(t, "x", adapted.Inputs[0].Value)
	require.Equal(t, onnx.Output{Spec: adapted.Info().Outputs[0], Value: "y"}, adapted.Outputs[0])
}

func TestAdaptOnlyAdds(t *testing.T) {
	data := file(t, func(m *onnxpb.ModelProto) {
		m.Graph.Output[0].Type.GetTensorType().Shape = nil
	})
	adapted, err := onnx.Adapt(data)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(adapted.Model, data))
	require.Equal(t, onnx.Output{
		Spec: models.TensorSpec{Name: "y", Datatype: models.FP32}, Value: "plexus/y/flat", Shape: "plexus/y/shape",
	}, adapted.Outputs[0])
}

func TestOldOperatorSetsAreRefusedWhereNodesWouldBeNeeded(t *testing.T) {
	_, err := onnx.Inspect(file(t, func(m *onnxpb.ModelProto) {
		m.OpsetImport[0].Version = proto.Int64(5)
		m.Graph.Output[0].Type.GetTensorType().Shape = nil
	}))
	require.ErrorIs(t, err, onnx.ErrUnsupported)
	require.ErrorContains(t, err, "operator set 5 is older than 6")
}

func TestInspectingDoesNotCopyTheWeights(t *testing.T) {
	b := onnx.NewBuilder("large")
	b.Input("x", models.FP32, 1)
	b.Floats("w", []int64{8 << 20}, make([]float32, 8<<20))
	b.Node("Mul", []string{"x", "w"}, []string{"y"})
	b.Output("y", models.FP32, 8<<20)
	data, err := b.Bytes()
	require.NoError(t, err)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := onnx.Inspect(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	require.Less(t, result.AllocedBytesPerOp(), int64(64<<10), "for a model of 32 MiB")
}

func TestTheBuilderIsDeterministic(t *testing.T) {
	require.Equal(t, file(t, nil), file(t, nil))
}

func TestElementTypes(t *testing.T) {
	for _, d := range models.Datatypes() {
		got, ok := onnx.DatatypeOf(onnx.ElementType(d))
		require.True(t, ok)
		require.Equal(t, d, got)
	}
	_, ok := onnx.DatatypeOf(0)
	require.False(t, ok)
}

func FuzzAdapt(f *testing.F) {
	f.Add(file(f, nil))
	f.Add(file(f, func(m *onnxpb.ModelProto) { m.Graph.Output[0].Type.GetTensorType().Shape = nil }))
	found, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "models", "*", "model.onnx"))
	for _, path := range found {
		if data, err := os.ReadFile(path); err == nil && len(data) < 70_000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		adapted, err := onnx.Adapt(data)
		if err != nil {
			return
		}
		if len(adapted.Outputs) == 0 {
			t.Fatal("a model without outputs")
		}
		again, err := onnx.Adapt(data)
		if err != nil || !bytes.Equal(adapted.Model, again.Model) {
			t.Fatalf("adapting differs: %v", err)
		}
	})
}
