package oip_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

func typedRequest(datatype models.Datatype, shape []int64, contents *inference.InferTensorContents) *inference.ModelInferRequest {
	return &inference.ModelInferRequest{Inputs: []*inference.ModelInferRequest_InferInputTensor{
		{Name: "x", Datatype: string(datatype), Shape: shape, Contents: contents}}}
}

func TestTypedContentsOfEveryDatatype(t *testing.T) {
	type contents = inference.InferTensorContents
	tests := map[models.Datatype]struct {
		in   *contents
		want []byte
	}{
		models.BOOL:   {&contents{BoolContents: []bool{true, false}}, []byte{1, 0}},
		models.INT8:   {&contents{IntContents: []int32{-128, 127}}, []byte{0x80, 0x7f}},
		models.INT16:  {&contents{IntContents: []int32{-32768, 32767}}, []byte{0, 0x80, 0xff, 0x7f}},
		models.INT32:  {&contents{IntContents: []int32{-1, 1}}, []byte{0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0}},
		models.INT64:  {&contents{Int64Contents: []int64{-1, 1}}, []byte{255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0}},
		models.UINT8:  {&contents{UintContents: []uint32{0, 255}}, []byte{0, 255}},
		models.UINT16: {&contents{UintContents: []uint32{1, 65535}}, []byte{1, 0, 255, 255}},
		models.UINT32: {&contents{UintContents: []uint32{1, math.MaxUint32}}, []byte{1, 0, 0, 0, 255, 255, 255, 255}},
		models.UINT64: {&contents{Uint64Contents: []uint64{1, 2}}, []byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}},
		models.FP32:   {&contents{Fp32Contents: []float32{1, -2}}, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}},
		models.FP64:   {&contents{Fp64Contents: []float64{1, -2}}, []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}},
		models.BYTES:  {&contents{BytesContents: [][]byte{[]byte("ab"), nil}}, []byte{2, 0, 0, 0, 'a', 'b', 0, 0, 0, 0}},
	}
	for _, datatype := range models.Datatypes() {
		t.Run(string(datatype), func(t *testing.T) {
			test, ok := tests[datatype]
			if !ok { // FP16 and BF16
				_, err := oip.Inputs(typedRequest(datatype, []int64{2}, &contents{Fp32Contents: []float32{1, 2}}))
				require.ErrorIs(t, err, models.ErrDatatype)
				require.ErrorContains(t, err, "raw contents")
				return
			}
			got, err := oip.Inputs(typedRequest(datatype, []int64{2}, test.in))
			require.NoError(t, err)
			require.Equal(t, test.want, got[0].Data)
			require.NoError(t, got[0].Validate(models.Limits{}))

			_, err = oip.Inputs(typedRequest(datatype, []int64{3}, test.in))
			require.ErrorIs(t, err, models.ErrLength, "a shape of more elements")
			extra := proto.Clone(test.in).(*contents)
			extra.Fp64Contents = append(extra.Fp64Contents, 1)
			extra.BoolContents = append(extra.BoolContents, true)
			_, err = oip.Inputs(typedRequest(datatype, []int64{2}, extra))
			require.ErrorIs(t, err, models.ErrLength, "elements where none belong")
		})
	}
}

func TestTypedContentsOutOfRange(t *testing.T) {
	type contents = inference.InferTensorContents
	tests := map[models.Datatype][]*contents{
		models.INT8:   {{IntContents: []int32{128}}, {IntContents: []int32{-129}}},
		models.INT16:  {{IntContents: []int32{32768}}, {IntContents: []int32{-32769}}},
		models.UINT8:  {{UintContents: []uint32{256}}},
		models.UINT16: {{UintContents: []uint32{65536}}},
	}
	for datatype, bad := range tests {
		for _, c := range bad {
			_, err := oip.Inputs(typedRequest(datatype, []int64{1}, c))
			require.ErrorIs(t, err, models.ErrValue, datatype)
			require.ErrorContains(t, err, "element 0")
		}
	}
}

func TestContentsThatContradictEachOther(t *testing.T) {
	raw := oip.Request{Inputs: []models.Tensor{models.FromFloat32s("x", []int64{1}, []float32{1})}}.Message()
	raw.Inputs[0].Contents = &inference.InferTensorContents{}
	_, err := oip.Inputs(raw)
	require.ErrorIs(t, err, oip.ErrContents)
	raw.Inputs[0].Contents = nil
	raw.RawInputContents = append(raw.RawInputContents, nil)
	_, err = oip.Inputs(raw)
	require.ErrorIs(t, err, oip.ErrContents)
	raw.Inputs = append(raw.Inputs, nil)
	_, err = oip.Inputs(raw)
	require.NoError(t, err, "a nil tensor is an empty one; what it should be is the model's to say")
}

func TestEmptyTensors(t *testing.T) {
	got, err := oip.Inputs(typedRequest(models.FP32, []int64{0, 3}, nil))
	require.NoError(t, err)
	require.NoError(t, got[0].Validate(models.Limits{}))
	_, err = oip.Inputs(typedRequest(models.FP32, []int64{-1}, nil))
	require.ErrorIs(t, err, models.ErrShape)
	_, err = oip.Inputs(typedRequest("PIXELS", []int64{1}, nil))
	require.ErrorIs(t, err, models.ErrDatatype)
}

// tensor draws a well formed tensor of any datatype.
func tensor(t *rapid.T) models.Tensor {
	datatype := rapid.SampledFrom(models.Datatypes()).Draw(t, "datatype")
	shape := rapid.SliceOfN(rapid.Int64Range(0, 4), 0, 3).Draw(t, "shape")
	n, err := models.Elements(shape)
	require.NoError(t, err)
	if datatype == models.BYTES {
		return models.FromStrings("x", shape, rapid.SliceOfN(rapid.String(), int(n), int(n)).Draw(t, "strings"))
	}
	size := int(n) * datatype.Size()
	data := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "data")
	if datatype == models.BOOL {
		for i := range data {
			data[i] &= 1
		}
	}
	return models.Tensor{Name: "x", Datatype: datatype, Shape: shape, Data: data}
}

func requireSame(t *rapid.T, want, got []models.Tensor) {
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].Name, got[i].Name)
		require.Equal(t, want[i].Datatype, got[i].Datatype)
		require.ElementsMatch(t, want[i].Shape, got[i].Shape)
		require.Equal(t, append([]byte{}, want[i].Data...), append([]byte{}, got[i].Data...))
	}
}

func TestTensorsSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(tensor), 1, 3).Draw(t, "tensors")
		encoded, err := proto.Marshal(oip.Request{Model: "m", Version: "2", ID: "7", Inputs: want, Outputs: []string{"y"}}.Message())
		require.NoError(t, err)
		var req inference.ModelInferRequest
		require.NoError(t, proto.Unmarshal(encoded, &req))
		require.Equal(t, "m2"+"7"+"y", req.ModelName+req.ModelVersion+req.Id+req.Outputs[0].Name)
		got, err := oip.Inputs(&req)
		require.NoError(t, err)
		requireSame(t, want, got)

		encoded, err = proto.Marshal(oip.Response{Model: "m", Version: "2", ID: "7", Outputs: want}.Message())
		require.NoError(t, err)
		var resp inference.ModelInferResponse
		require.NoError(t, proto.Unmarshal(encoded, &resp))
		require.Equal(t, "m2"+"7", resp.ModelName+resp.ModelVersion+resp.Id)
		got, err = oip.Outputs(&resp)
		require.NoError(t, err)
		requireSame(t, want, got)
	})
}

// FuzzInputs: no message makes reading it panic, or take more memory than it has itself, give or take.
func FuzzInputs(f *testing.F) {
	for _, req := range []*inference.ModelInferRequest{
		oip.Request{Model: "m", Inputs: []models.Tensor{models.FromFloat32s("x", []int64{1}, []float32{1})}}.Message(),
		typedRequest(models.BYTES, []int64{1}, &inference.InferTensorContents{BytesContents: [][]byte{{1}}}),
		typedRequest(models.FP32, []int64{1 << 40, 1 << 40}, nil),
	} {
		encoded, err := proto.Marshal(req)
		require.NoError(f, err)
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		var req inference.ModelInferRequest
		if proto.Unmarshal(encoded, &req) != nil {
			return
		}
		inputs, err := oip.Inputs(&req)
		if err != nil {
			return
		}
		total := 0
		for _, in := range inputs {
			total += len(in.Data)
			_ = in.Validate(models.Limits{})
		}
		require.LessOrEqual(t, total, 8*len(encoded)+64)
	})
}
