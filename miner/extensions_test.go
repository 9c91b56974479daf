package miner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/batching"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/repository"
	"github.com/plexusnet/plexus/proto/inference"
)

// openFolder opens a folder of models that the test may change.
func openFolder(t *testing.T, files map[string][]byte) (*miner.Models, string) {
	t.Helper()
	folder := minertest.Folder(t, files)
	served, err := miner.OpenModels(t.Context(), orttest.Open(t), folder, repository.Options{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, served.Close()) })
	return served, folder
}

func TestExtensions(t *testing.T) {
	served, _ := openFolder(t, map[string][]byte{"dense": minertest.Dense(t, 1), "echo": minertest.Echo(t, models.BYTES, 1)})
	served.MeasureBatches(t.Context(), batching.Options{Budget: 50 * time.Millisecond})
	server := minertest.ServeLibrary(t, miner.ServerConfig{}, served)
	_, service := dial(t, server.Address)
	ctx := t.Context()
	ask := oip.Request{Model: "dense", ID: "7", Inputs: []models.Tensor{features(2)}}.Message()

	stream, err := service.ModelStreamInfer(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(ask))
	answer, err := stream.Recv()
	require.NoError(t, err)
	require.Empty(t, answer.ErrorMessage)
	require.Equal(t, "7", answer.InferResponse.Id)
	require.Len(t, answer.InferResponse.RawOutputContents[0], 2*minertest.DenseWidth*4)
	require.NoError(t, stream.Send(&inference.ModelInferRequest{ModelName: "cats", Id: "8"}))
	answer, err = stream.Recv()
	require.NoError(t, err)
	require.Contains(t, answer.ErrorMessage, "NotFound")
	require.Equal(t, "8", answer.InferResponse.Id, "the stream goes on")
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)

	about, err := service.ServerMetadata(ctx, &inference.ServerMetadataRequest{})
	require.NoError(t, err)
	require.Contains(t, about.Extensions, "statistics")
	config, err := service.ModelConfig(ctx, &inference.ModelConfigRequest{Name: "echo"})
	require.NoError(t, err)
	require.Zero(t, config.Config.MaxBatchSize)
	require.Equal(t, inference.DataType_TYPE_STRING, config.Config.Input[0].DataType)
	require.Equal(t, []int64{1}, config.Config.Input[0].Dims)

	stats, err := service.ModelStatistics(ctx, &inference.ModelStatisticsRequest{Name: "dense"})
	require.NoError(t, err)
	require.Len(t, stats.ModelStats, 1)
	one := stats.ModelStats[0]
	require.Equal(t, uint64(2), one.InferenceCount)
	require.Equal(t, uint64(1), one.ExecutionCount)
	require.Equal(t, uint64(1), one.InferenceStats.Success.Count)
	require.Positive(t, one.InferenceStats.ComputeInfer.Ns)
	require.Equal(t, uint64(2), one.BatchStats[0].BatchSize)
	_, err = service.ModelStatistics(ctx, &inference.ModelStatisticsRequest{Name: "cats"})
	require.Equal(t, codes.NotFound, status.Code(err))

	index, err := service.RepositoryIndex(ctx, &inference.RepositoryIndexRequest{})
	require.NoError(t, err)
	require.Len(t, index.Models, 2)
	require.Equal(t, "READY", index.Models[0].State)
	_, err = service.RepositoryModelUnload(ctx, &inference.RepositoryModelUnloadRequest{ModelName: "dense"})
	require.Equal(t, codes.PermissionDenied, status.Code(err), "nobody may, unless the operator says so")
}

// TestBatchesFormOfWhatWaits: many callers of a model that batches get each the answer to their own question.
func TestBatchesFormOfWhatWaits(t *testing.T) {
	served, _ := openFolder(t, map[string][]byte{"dense": minertest.Dense(t, 2)})
	served.MeasureBatches(t.Context(), batching.Options{Budget: 100 * time.Millisecond})
	server := minertest.ServeLibrary(t, miner.ServerConfig{Slots: 1, MaxInFlight: 100}, served)
	_, service := dial(t, server.Address)
	inputs := make([]models.Tensor, 24)
	want := make([][]float32, len(inputs))
	for i := range inputs {
		x := make([]float32, minertest.DenseWidth)
		x[i] = 1
		inputs[i] = models.FromFloat32s("x", []int64{1, minertest.DenseWidth}, x)
		model, err := served.Get("dense", "")
		require.NoError(t, err)
		out, err := model.Model.Run(t.Context(), inputs[i:i+1], nil)
		require.NoError(t, err)
		want[i], err = out[0].Float32s()
		require.NoError(t, err)
	}
	var group sync.WaitGroup
	for i := range inputs {
		group.Go(func() {
			for range 40 {
				resp, err := service.ModelInfer(t.Context(), oip.Request{Model: "dense", Inputs: inputs[i : i+1]}.Message())
				if err != nil {
					t.Error(err)
					return
				}
				out, err := oip.Outputs(resp)
				if err != nil {
					t.Error(err)
					return
				}
				got, _ := out[0].Float32s()
				for j := range got {
					if d := got[j] - want[i][j]; d > 1e-5 || d < -1e-5 {
						t.Errorf("caller %d got another's answer: element %d is %v, want %v", i, j, got[j], want[i][j])
						return
					}
				}
			}
		})
	}
	group.Wait()
	stats, err := service.ModelStatistics(t.Context(), &inference.ModelStatisticsRequest{})
	require.NoError(t, err)
	t.Logf("%d requests in %d runs", stats.ModelStats[0].InferenceCount, stats.ModelStats[0].ExecutionCount)
}

func TestModelsAreSwappedWhileServing(t *testing.T) {
	served, folder := openFolder(t, map[string][]byte{"m": minertest.Constant(t, []int64{1, 2}, 1, 0)})
	server := minertest.ServeLibrary(t, miner.ServerConfig{ModelControl: true}, served)
	_, service := dial(t, server.Address)
	ask := func() (*inference.ModelInferResponse, error) {
		return service.ModelInfer(t.Context(), oip.Request{Model: "m", Inputs: []models.Tensor{image(1)}}.Message())
	}
	put := func(version int, data []byte) {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, "m", strconv.Itoa(version)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "m", strconv.Itoa(version), "model.onnx"), data, 0o600))
	}
	var failed atomic.Pointer[error]
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				if _, err := ask(); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	for version := 2; version < 6; version++ {
		put(version, minertest.Constant(t, []int64{1, 2}, 0, float32(version)))
		require.NoError(t, served.Refresh(t.Context()))
		resp, err := ask()
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(version), resp.ModelVersion)
		_, err = service.RepositoryModelLoad(t.Context(), &inference.RepositoryModelLoadRequest{ModelName: "m"})
		require.NoError(t, err)
	}
	put(6, []byte("damaged"))
	require.ErrorContains(t, served.Refresh(t.Context()), filepath.Join("m", "6", "model.onnx"))
	resp, err := ask()
	require.NoError(t, err)
	require.Equal(t, "5", resp.ModelVersion, "what was served stays")
	require.NoError(t, os.Remove(filepath.Join(folder, "m", "6", "model.onnx")))
	stop()
	group.Wait()
	require.Nil(t, failed.Load(), "no caller noticed")

	_, err = service.RepositoryModelUnload(t.Context(), &inference.RepositoryModelUnloadRequest{ModelName: "m"})
	require.NoError(t, err)
	_, err = ask()
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = service.RepositoryModelLoad(t.Context(), &inference.RepositoryModelLoadRequest{ModelName: "m"})
	require.NoError(t, err)
	_, err = ask()
	require.NoError(t, err)
	_, err = service.RepositoryModelLoad(t.Context(), &inference.RepositoryModelLoadRequest{ModelName: "../m"})
	require.Equal(t, codes.NotFound, status.Code(err))
	require.NoError(t, os.RemoveAll(filepath.Join(folder, "m")))
	put2 := filepath.Join(folder, "other", "1")
	require.NoError(t, os.MkdirAll(put2, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(put2, "model.onnx"), minertest.Dense(t, 1), 0o600))
	require.NoError(t, served.Refresh(t.Context()))
	require.Equal(t, []string{"other"}, served.Names())
}

func TestREST(t *testing.T) {
	served, _ := openFolder(t, map[string][]byte{
		"dense": minertest.Dense(t, 1), "text": minertest.Echo(t, models.BYTES, 2), "int": minertest.Echo(t, models.INT64, -1),
		"half": minertest.Echo(t, models.FP16, 2), "bool": minertest.Echo(t, models.BOOL, 2)})
	web := httptest.NewServer(miner.NewServer(served, miner.ServerConfig{Version: "v1", MaxMessageBytes: 64 << 10}).RESTHandler())
	defer web.Close()
	do := func(method, path, header string, body []byte) (int, http.Header, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), method, web.URL+path, bytes.NewReader(body))
		require.NoError(t, err)
		if header != "" {
			req.Header.Set("Inference-Header-Content-Length", header)
		}
		resp, err := web.Client().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		out, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, resp.Header, out
	}
	for _, c := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"GET", "/v2", "", 200, `"name":"plexus"`},
		{"GET", "/v2/health/live", "", 200, `"live":true`},
		{"GET", "/v2/health/ready", "", 200, `"ready":true`},
		{"GET", "/v2/models/dense", "", 200, `"shape":[-1,256]`},
		{"GET", "/v2/models/dense/versions/1/ready", "", 200, `"ready":true`},
		{"GET", "/v2/models/cats", "", 404, `"error"`},
		{"GET", "/v2/models/dense/config", "", 200, `"backend":"onnxruntime"`},
		{"POST", "/v2/repository/index", "{}", 200, `"READY"`},
		{"POST", "/v2/models/int/infer", `{"id":"9","inputs":[{"name":"in","datatype":"INT64","shape":[3],"data":[1,-2,9007199254740993]}]}`, 200, `"data":[1,-2,9007199254740993]`},
		{"POST", "/v2/models/int/versions/1/infer", `{"inputs":[{"name":"in","datatype":"INT64","shape":[0],"data":[]}]}`, 200, `"data":[]`},
		{"POST", "/v2/models/text/infer", `{"inputs":[{"name":"in","datatype":"BYTES","shape":[2],"data":["a",["b\u00e4"]]}]}`, 200, "[\"a\",\"bä\"]"},
		{"POST", "/v2/models/bool/infer", `{"inputs":[{"name":"in","datatype":"BOOL","shape":[2],"data":[true,false]}]}`, 200, `[true,false]`},
		{"POST", "/v2/models/int/infer", `{"inputs":[{"name":"in","datatype":"INT64","shape":[1],"data":[1.5]}]}`, 400, "1.5 at element 0"},
		{"POST", "/v2/models/int/infer", `{"inputs":[{"name":"in","datatype":"INT64","shape":[2],"data":[1]}]}`, 400, "want 16 bytes"},
		{"POST", "/v2/models/int/infer", `{"inputs":[{"name":"in","datatype":"INT64","shape":[1],"data":{}}]}`, 400, "{ in its data"},
		{"POST", "/v2/models/half/infer", `{"inputs":[{"name":"in","datatype":"FP16","shape":[2],"data":[1,2]}]}`, 400, "JSON has a form"},
		{"POST", "/v2/models/int/infer", `not json`, 400, "not a request in JSON"},
		{"POST", "/v2/models/cats/infer", `{"inputs":[]}`, 404, "cats"},
		{"GET", "/v2/models/int/stats", "", 200, `"inference_count":`},
		{"GET", "/v2/models/stats", "", 200, `"model_stats"`},
		{"GET", "/elsewhere", "", 404, ""},
	} {
		code, _, out := do(c.method, c.path, "", []byte(c.body))
		require.Equal(t, c.code, code, "%s %s: %s", c.method, c.path, out)
		require.Contains(t, string(out), c.says, c.path)
	}

	t.Run("binary tensors", func(t *testing.T) {
		head := []byte(`{"inputs":[{"name":"in","datatype":"FP16","shape":[2],"parameters":{"binary_data_size":4}}]}`)
		code, header, out := do("POST", "/v2/models/half/infer", strconv.Itoa(len(head)), append(head, 0, 0x3c, 0, 0x40))
		require.Equal(t, 200, code, "%s", out)
		n, err := strconv.Atoi(header.Get("Inference-Header-Content-Length"))
		require.NoError(t, err)
		require.Equal(t, []byte{0, 0x3c, 0, 0x40}, out[n:])
		var answer struct {
			Outputs []struct {
				Parameters map[string]int
			}
		}
		require.NoError(t, json.Unmarshal(out[:n], &answer))
		require.Equal(t, 4, answer.Outputs[0].Parameters["binary_data_size"])

		head = []byte(`{"inputs":[{"name":"in","datatype":"INT64","shape":[1],"data":[5]}],"outputs":[{"name":"out","parameters":{"binary_data":true}}]}`)
		code, _, out = do("POST", "/v2/models/int/infer", "", head)
		require.Equal(t, 200, code)
		require.Equal(t, []byte{5, 0, 0, 0, 0, 0, 0, 0}, out[len(out)-8:])
		code, _, out = do("POST", "/v2/models/half/infer", "999999", head)
		require.Equal(t, 400, code, "%s", out)
	})
	t.Run("too large", func(t *testing.T) {
		code, _, out := do("POST", "/v2/models/int/infer", "", make([]byte, 65<<10))
		require.Equal(t, 429, code)
		require.Contains(t, string(out), "65536")
	})
}

// FuzzParseREST: no body makes reading it panic, or hold much more than it has itself.
func FuzzParseREST(f *testing.F) {
	f.Add([]byte(`{"inputs":[{"name":"in","datatype":"FP16","shape":[2],"parameters":{"binary_data_size":4}}]}....`), "93")
	f.Add([]byte(`{"inputs":[{"name":"in","datatype":"FP32","shape":[2],"data":[[1],[2e3]]}]}`), "")
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		req, err := oip.ParseREST(body, header)
		if err != nil {
			return
		}
		total := 0
		for _, raw := range req.Message.RawInputContents {
			total += len(raw)
		}
		require.LessOrEqual(t, total, 8*len(body)+64)
	})
}
