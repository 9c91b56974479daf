package oip_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

// TestCodecIsProtobuf: whatever the shape of a message, the short way and the long way mean the same.
func TestCodecIsProtobuf(t *testing.T) {
	codec := oip.NewCodec()
	require.Equal(t, "proto", codec.Name())
	rapid.Check(t, func(t *rapid.T) {
		tensors := rapid.SliceOfN(rapid.Custom(tensor), 0, 3).Draw(t, "tensors")
		if rapid.Bool().Draw(t, "large") {
			tensors = append(tensors, models.FromFloat32s("large", []int64{4096}, make([]float32, 4096)))
		}
		req := oip.Request{Model: "m", Version: "2", ID: "7", Inputs: tensors, Outputs: []string{"y"}}.Message()
		encoded, err := proto.Marshal(req)
		require.NoError(t, err)
		cut := rapid.IntRange(0, len(encoded)).Draw(t, "cut")
		var received oip.Received
		require.NoError(t, codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(encoded[:cut]), mem.SliceBuffer(encoded[cut:])}, &received))
		requireEqualMessages(t, req, &received.Request)
		received.Free()
		require.Nil(t, received.Request.RawInputContents)
		received.Free()

		resp := oip.Response{Model: "m", Version: "2", ID: "7", Outputs: tensors}.Message()
		slices, err := codec.Marshal(resp)
		require.NoError(t, err)
		var again inference.ModelInferResponse
		require.NoError(t, proto.Unmarshal(slices.Materialize(), &again))
		requireEqualMessages(t, resp, &again)
		again.Reset()
		require.NoError(t, codec.Unmarshal(slices, &again))
		requireEqualMessages(t, resp, &again)

		slices, err = codec.Marshal(req)
		require.NoError(t, err)
		var asked inference.ModelInferRequest
		require.NoError(t, proto.Unmarshal(slices.Materialize(), &asked))
		requireEqualMessages(t, req, &asked)
	})
}

func requireEqualMessages(t *rapid.T, want, got proto.Message) {
	if !proto.Equal(want, got) {
		t.Fatalf("want %v, got %v", want, got)
	}
}

func TestRawContentsBetweenOtherFields(t *testing.T) {
	encode := func(m *inference.ModelInferRequest) []byte {
		b, err := proto.Marshal(m)
		require.NoError(t, err)
		return b
	}
	data := encode(&inference.ModelInferRequest{RawInputContents: [][]byte{{1, 2}}})
	data = append(data, encode(&inference.ModelInferRequest{ModelName: "m"})...)
	data = append(data, encode(&inference.ModelInferRequest{RawInputContents: [][]byte{{3}}})...)
	data = append(data, encode(&inference.ModelInferRequest{Id: "7"})...)
	var got inference.ModelInferRequest
	require.NoError(t, oip.UnmarshalRequest(data, &got))
	require.True(t, proto.Equal(&inference.ModelInferRequest{ModelName: "m", Id: "7", RawInputContents: [][]byte{{1, 2}, {3}}}, &got))
}

// FuzzUnmarshalRequest: the short way takes and refuses what protobuf itself takes and refuses.
func FuzzUnmarshalRequest(f *testing.F) {
	encoded, err := proto.Marshal(oip.Request{Model: "m", Inputs: []models.Tensor{models.FromFloat32s("x", []int64{1}, []float32{1})}}.Message())
	require.NoError(f, err)
	f.Add(encoded)
	f.Add(encoded[:len(encoded)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		var short, long inference.ModelInferRequest
		shortErr := oip.UnmarshalRequest(data, &short)
		longErr := proto.Unmarshal(data, &long)
		require.Equal(t, longErr == nil, shortErr == nil, "%v, %v", longErr, shortErr)
		if longErr == nil {
			a, err := proto.MarshalOptions{Deterministic: true}.Marshal(&short)
			require.NoError(t, err)
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&long)
			require.NoError(t, err)
			require.Equal(t, b, a)
		}
	})
}
