package ort_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// What every honest variant of ONNX Runtime on a CPU met on these models, as max|difference| / max|expected|.
const honestTolerance = 4e-5

func TestRealModelsGiveTheOutputsTheirSourcesState(t *testing.T) {
	folder := orttest.RealModels(t)
	for _, c := range []struct {
		name      string
		tolerance float64
		sets      int
	}{
		{"mnist-8", 3e-6, 3},
		{"silero-vad-16kop15", honestTolerance, 2},
		{"byte-sentence-lstm-de", 3e-6, 1},
		{"lgbm-wine-classifier-hummingbird", honestTolerance, 1},
		{"iris-logreg", honestTolerance, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			session := load(t, readFile(t, filepath.Join(folder, c.name, "model.onnx")))
			require.Empty(t, session.Info().Unsupported)
			sets, err := filepath.Glob(filepath.Join(folder, c.name, "test_data_set_*"))
			require.NoError(t, err)
			require.Len(t, sets, c.sets)
			for _, set := range sets {
				inputs := readTensors(t, set, "input", session.Inputs())
				want := readTensors(t, set, "output", session.Outputs())
				_, err := session.Run(t.Context(), inputs, nil)
				require.NoError(t, err)
				got, err := session.Run(t.Context(), inputs, nil) // into memory of ours
				require.NoError(t, err)
				require.Len(t, got, len(want))
				for i := range want {
					require.Equal(t, want[i].Name, got[i].Name)
					require.Equal(t, want[i].Datatype, got[i].Datatype)
					require.Equal(t, want[i].Shape, got[i].Shape)
					difference := relativeDifference(t, want[i], got[i])
					t.Logf("%s %s: %.1e", filepath.Base(set), got[i].Name, difference)
					require.LessOrEqual(t, difference, c.tolerance, got[i].Name)
				}
			}
		})
	}
}

func TestZipMapIsGivenAsAMatrixWithLabels(t *testing.T) {
	folder := orttest.RealModels(t)
	session := load(t, readFile(t, filepath.Join(folder, "sklearn-randomforest-iris-zipmap", "model.onnx")))
	require.Equal(t, []models.TensorSpec{
		{Name: "output_label", Datatype: models.INT64, Shape: []int64{models.Any}},
		{Name: "output_probability", Datatype: models.FP32, Shape: []int64{models.Any, 3}},
	}, session.Outputs())
	require.Equal(t, map[string][]string{"output_probability": {"0", "1", "2"}}, session.Info().Labels)

	flowers := models.FromFloat32s(session.Inputs()[0].Name, []int64{3, 4}, []float32{
		5.1, 3.5, 1.4, 0.2, // the first flower of each species in Fisher's iris data
		7.0, 3.2, 4.7, 1.4,
		6.3, 3.3, 6.0, 2.5,
	})
	out, err := session.Run(t.Context(), []models.Tensor{flowers}, nil)
	require.NoError(t, err)
	require.Equal(t, []int64{3, 3}, out[1].Shape)
	probabilities, err := out[1].Float32s()
	require.NoError(t, err)
	for row := range 3 {
		require.Equal(t, uint64(row), binary.LittleEndian.Uint64(out[0].Data[8*row:]))
		sum := float32(0)
		for _, p := range probabilities[3*row : 3*row+3] {
			sum += p
		}
		require.InDelta(t, 1, sum, 1e-5)
		require.Greater(t, probabilities[3*row+row], float32(0.5))
	}
}

func load(t testing.TB, data []byte) *ort.Session {
	t.Helper()
	session, err := orttest.Open(t).Load(t.Context(), data, ort.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, session.Close()) })
	return session
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// readTensors reads input_0.pb, input_1.pb, … in the order of the graph.
func readTensors(t *testing.T, folder, kind string, specs []models.TensorSpec) []models.Tensor {
	t.Helper()
	tensors := make([]models.Tensor, len(specs))
	for i, spec := range specs {
		var p onnxpb.TensorProto
		require.NoError(t, proto.Unmarshal(readFile(t, filepath.Join(folder, fmt.Sprintf("%s_%d.pb", kind, i))), &p))
		datatype, ok := onnx.DatatypeOf(p.GetDataType())
		require.True(t, ok)
		shape := p.Dims
		if shape == nil {
			shape = []int64{}
		}
		tensors[i] = models.Tensor{Name: spec.Name, Datatype: datatype, Shape: shape, Data: payload(t, &p)}
	}
	return tensors
}

func payload(t *testing.T, p *onnxpb.TensorProto) []byte {
	t.Helper()
	if p.RawData != nil {
		return p.RawData
	}
	var data []byte
	switch onnxpb.TensorProto_DataType(p.GetDataType()) {
	case onnxpb.TensorProto_FLOAT:
		for _, v := range p.FloatData {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
	case onnxpb.TensorProto_INT64:
		for _, v := range p.Int64Data {
			data = binary.LittleEndian.AppendUint64(data, uint64(v))
		}
	case onnxpb.TensorProto_UINT8:
		for _, v := range p.Int32Data {
			data = append(data, byte(v))
		}
	default:
		t.Fatalf("test data of ONNX type %d", p.GetDataType())
	}
	return data
}

// relativeDifference is max|got - want| / max|want|.
func relativeDifference(t *testing.T, want, got models.Tensor) float64 {
	t.Helper()
	a, b := numbers(t, want), numbers(t, got)
	require.Len(t, b, len(a))
	largest, difference := 0.0, 0.0
	for i := range a {
		require.False(t, math.IsNaN(b[i]))
		largest = max(largest, math.Abs(a[i]))
		difference = max(difference, math.Abs(a[i]-b[i]))
	}
	if difference == 0 {
		return 0
	}
	return difference / largest
}

func numbers(t *testing.T, x models.Tensor) []float64 {
	t.Helper()
	var out []float64
	switch x.Datatype {
	case models.FP32:
		values, err := x.Float32s()
		require.NoError(t, err)
		for _, v := range values {
			out = append(out, float64(v))
		}
	case models.INT64:
		for i := 0; i < len(x.Data); i += 8 {
			out = append(out, float64(int64(binary.LittleEndian.Uint64(x.Data[i:]))))
		}
	default:
		t.Fatalf("numbers of %s", x.Datatype)
	}
	return out
}
