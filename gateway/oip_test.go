package gateway_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/gateway"
	"github.com/plexusnet/plexus/gateway/keys"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

func withKey(ctx context.Context, secret string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+secret)
}

func TestTheProtocolOverGRPC(t *testing.T) {
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, func(c *gateway.Config, _ *client.Options) {
		c.Aliases = map[string][]uint32{"mine": {1}}
	})
	want := direct(t, w.miners["dense"], "dense", denseInput())
	service := w.dial(t, w.secret)
	server, err := service.ServerMetadata(t.Context(), &inference.ServerMetadataRequest{})
	require.NoError(t, err)
	require.Equal(t, gateway.ServerName+" test", server.Name+" "+server.Version)
	for _, name := range []string{"dense", "mine", "subnet-1"} {
		ready, err := service.ModelReady(t.Context(), &inference.ModelReadyRequest{Name: name})
		require.NoError(t, err, name)
		require.True(t, ready.Ready)
		about, err := service.ModelMetadata(t.Context(), &inference.ModelMetadataRequest{Name: name, Version: "1"})
		require.NoError(t, err)
		require.Equal(t, name, about.Name)
		require.Equal(t, []int64{-1, minertest.DenseWidth}, about.Inputs[0].Shape)

		resp, err := service.ModelInfer(t.Context(), oip.Request{Model: name, ID: "7", Inputs: []models.Tensor{denseInput()}, Outputs: []string{"y"}}.Message())
		require.NoError(t, err)
		require.Equal(t, name+" 1 7", resp.ModelName+" "+resp.ModelVersion+" "+resp.Id)
		got, err := oip.Outputs(resp)
		require.NoError(t, err)
		require.Equal(t, want[0].Data, got[0].Data, "bit for bit what the miner says")
		typed := &inference.ModelInferRequest{ModelName: name, Inputs: []*inference.ModelInferRequest_InferInputTensor{{
			Name: "x", Datatype: "FP32", Shape: []int64{1, minertest.DenseWidth}, Contents: &inference.InferTensorContents{Fp32Contents: ramp(minertest.DenseWidth)}}}}
		resp, err = service.ModelInfer(t.Context(), typed)
		require.NoError(t, err)
		require.Equal(t, want[0].Data, resp.RawOutputContents[0])
	}
	index, err := service.RepositoryIndex(t.Context(), &inference.RepositoryIndexRequest{})
	require.NoError(t, err)
	require.Len(t, index.Models, 3)

	entries := w.entries(t)
	require.Len(t, entries, 6)
	require.Equal(t, "hotkey-dense", entries[0].Hotkey)
	require.Equal(t, "all dense OK", entries[0].Key+" "+entries[0].Model+" "+entries[0].Status)
	require.Equal(t, int64(4*minertest.DenseWidth), entries[0].BytesIn)
	require.Equal(t, int64(4*minertest.DenseWidth), entries[0].BytesOut)
	require.Positive(t, entries[0].Latency)
}

func TestErrorsOverGRPC(t *testing.T) {
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, func(c *gateway.Config, _ *client.Options) {
		c.Netuids, c.MaxRequestBytes = []uint32{1, 2}, 64<<10
	})
	w.chain[2] = chaintest.New(2)
	narrow, _, err := w.keys.Create(keys.Key{Name: "narrow", Subnets: []uint32{2}, Models: []string{"dense", "subnet-1"}})
	require.NoError(t, err)
	infer := func(model string, in models.Tensor) *inference.ModelInferRequest {
		return oip.Request{Model: model, Inputs: []models.Tensor{in}}.Message()
	}
	short := models.FromFloat32s("x", []int64{1, 3}, ramp(3))
	contradiction := infer("dense", denseInput())
	contradiction.RawInputContents = append(contradiction.RawInputContents, nil)
	version := infer("dense", denseInput())
	version.ModelVersion = "9"
	for name, test := range map[string]struct {
		secret string
		req    *inference.ModelInferRequest
		code   codes.Code
		says   string
	}{
		"no key":        {"", infer("dense", denseInput()), codes.Unauthenticated, "Authorization: Bearer"},
		"no such key":   {"plx_nonsense", infer("dense", denseInput()), codes.Unauthenticated, "no such API key"},
		"no model":      {w.secret, infer("nothing", denseInput()), codes.NotFound, `no model "nothing"`},
		"no name":       {w.secret, infer("", denseInput()), codes.NotFound, `no model ""`},
		"nobody serves": {w.secret, infer("subnet-2", denseInput()), codes.Unavailable, "no miner serves"},
		"not offered":   {w.secret, infer("subnet-3", denseInput()), codes.NotFound, `no model "subnet-3"`},
		"scope":         {narrow, infer("subnet-2", denseInput()), codes.PermissionDenied, "not for model"},
		"subnet scope":  {narrow, infer("dense", denseInput()), codes.PermissionDenied, "not for the subnets [1]"},
		"shape":         {w.secret, infer("dense", short), codes.InvalidArgument, `"x"`},
		"contradiction": {w.secret, contradiction, codes.InvalidArgument, "2 raw contents for 1 tensors"},
		"version":       {w.secret, version, codes.NotFound, `no version "9"`},
		"too large":     {w.secret, infer("dense", models.FromFloat32s("x", []int64{100, 256}, ramp(25600))), codes.ResourceExhausted, "65536"},
	} {
		_, err := w.dial(t, test.secret).ModelInfer(t.Context(), test.req)
		require.Equal(t, test.code, status.Code(err), "%s: %v", name, err)
		require.ErrorContains(t, err, test.says, name)
	}
}

func TestTheProtocolOverREST(t *testing.T) {
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, nil)
	want, err := direct(t, w.miners["dense"], "dense", denseInput())[0].Float32s()
	require.NoError(t, err)
	for _, path := range []string{"/v2/health/live", "/v2/health/ready", "/healthz", "/readyz"} {
		code, body, _ := w.call(t, "GET", path, nil, "Authorization", "")
		require.Equal(t, 200, code, "%s: %s", path, body)
	}
	code, body, _ := w.call(t, "GET", "/v2", nil)
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"name":"plexus-gateway","version":"test","extensions":["binary_tensor_data","model_repository(index)"]}`, string(body))
	code, body, _ = w.call(t, "GET", "/v2/models/dense/versions/1", nil)
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"name":"dense","versions":["1"],"platform":"onnx_onnxv1","inputs":[{"name":"x","datatype":"FP32","shape":[-1,256]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,256]}]}`, string(body))
	code, body, _ = w.call(t, "GET", "/v2/models/dense/ready", nil)
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"ready":true}`, string(body))

	code, body, _ = w.call(t, "POST", "/v2/models/dense/infer", map[string]any{"id": "7", "inputs": []any{map[string]any{
		"name": "x", "datatype": "FP32", "shape": []int{1, 256}, "data": ramp(256)}}})
	require.Equal(t, 200, code, "%s", body)
	var answer struct {
		Model   string `json:"model_name"`
		ID      string `json:"id"`
		Outputs []struct{ Data []float32 }
	}
	require.NoError(t, json.Unmarshal(body, &answer))
	require.Equal(t, "dense 7", answer.Model+" "+answer.ID)
	require.Equal(t, want, answer.Outputs[0].Data)

	head, err := json.Marshal(map[string]any{"parameters": map[string]any{"binary_data_output": true}, "inputs": []any{map[string]any{
		"name": "x", "datatype": "FP32", "shape": []int{1, 256}, "parameters": map[string]any{"binary_data_size": 1024}}}})
	require.NoError(t, err)
	code, body, headers := w.call(t, "POST", "/v2/models/dense/infer", append(head, denseInput().Data...), oip.HeaderLength, strconv.Itoa(len(head)))
	require.Equal(t, 200, code, "%s", body)
	length, err := strconv.Atoi(headers.Get(oip.HeaderLength))
	require.NoError(t, err)
	got := make([]float32, 256)
	for i := range got {
		got[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[length+4*i:]))
	}
	require.Equal(t, want, got)
}

func TestErrorsOverREST(t *testing.T) {
	w := start(t, map[string][]byte{"dense": minertest.Dense(t, 1)}, func(c *gateway.Config, _ *client.Options) { c.MaxRequestBytes = 32 << 10 })
	for name, test := range map[string]struct {
		method, path string
		body         any
		code         int
		says         string
	}{
		"no such path":   {"GET", "/v2/nothing", nil, 404, "/v2/nothing"},
		"other method":   {"DELETE", "/v2/models/dense", nil, 404, "DELETE"},
		"no model":       {"GET", "/v2/models/nothing", nil, 404, "no model"},
		"not JSON":       {"POST", "/v2/models/dense/infer", "{", 400, "not a request in JSON"},
		"no data":        {"POST", "/v2/models/dense/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,256]}]}`, 400, "no array"},
		"wrong value":    {"POST", "/v2/models/dense/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":["a"]}]}`, 400, "values of FP32"},
		"wrong shape":    {"POST", "/v2/models/dense/infer", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}`, 400, "x"},
		"wrong input":    {"POST", "/v2/models/dense/infer", `{"inputs":[{"name":"z","datatype":"FP32","shape":[1],"data":[1]}]}`, 400, "z"},
		"too large":      {"POST", "/v2/models/dense/infer", bytes.Repeat([]byte(" "), 33<<10), 413, "32768"},
		"nothing at all": {"GET", "/", nil, 404, "not found"},
	} {
		code, body, _ := w.call(t, test.method, test.path, test.body)
		require.Equal(t, test.code, code, "%s: %s", name, body)
		require.Contains(t, string(body), test.says, name)
	}
	code, body, headers := w.call(t, "GET", "/v2", nil, "Authorization", "Bearer wrong")
	require.Equal(t, 401, code)
	require.Contains(t, headers.Get("WWW-Authenticate"), "Bearer")
	require.JSONEq(t, `{"error":"no such API key"}`, string(body))
}

// A miner that dies is not missed: another answers, and the books say who.
func TestAnotherMinerAnswers(t *testing.T) {
	dense := minertest.Dense(t, 1)
	w := start(t, map[string][]byte{"dense": dense}, nil)
	second := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"dense": dense})
	w.chain[1].Add(metagraph.Neuron{Hotkey: "spare", Incentive: 1, Endpoint: second.Endpoint("dense")})
	w.miners["dense"].Stop()
	code, body, _ := w.call(t, "POST", "/v2/models/dense/infer", map[string]any{"inputs": []any{map[string]any{
		"name": "x", "datatype": "FP32", "shape": []int{1, 256}, "data": ramp(256)}}})
	require.Equal(t, http.StatusOK, code, "%s", body)
	entries := w.entries(t)
	require.Equal(t, "spare", entries[len(entries)-1].Hotkey)

	second.Stop()
	code, body, _ = w.call(t, "POST", "/v2/models/dense/infer", map[string]any{"inputs": []any{map[string]any{
		"name": "x", "datatype": "FP32", "shape": []int{1, 256}, "data": ramp(256)}}})
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, string(body), "no miner answered")
	entries = w.entries(t)
	require.Equal(t, "Unavailable", entries[len(entries)-1].Status)
}
