package miner_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// configured serves a model with a config.pbtxt, and returns what the miner logs.
func configured(t *testing.T, cfg miner.ServerConfig, config string, model []byte) (inference.GRPCInferenceServiceClient, *miner.Models, *bytes.Buffer) {
	t.Helper()
	folder := minertest.Folder(t, map[string][]byte{"m": model})
	require.NoError(t, os.WriteFile(filepath.Join(folder, "m", "config.pbtxt"), []byte(config), 0o600))
	var log bytes.Buffer
	served, err := miner.OpenModels(t.Context(), orttest.Open(t), folder, repository.Options{}, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, served.Close()) })
	served.MeasureBatches(t.Context(), batching.Options{Budget: 20 * time.Millisecond})
	_, service := dial(t, minertest.ServeLibrary(t, cfg, served).Address)
	return service, served, &log
}

// TestRequestsWaitForEachOtherWhereTheOperatorSaysSo: as many as prefer to run together come in one run, and nobody waits
// longer than the delay.
func TestRequestsWaitForEachOtherWhereTheOperatorSaysSo(t *testing.T) {
	const config = `max_batch_size: 8 model_warmup { name: "w" } dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 2000000 }`
	service, _, log := configured(t, miner.ServerConfig{Slots: 4}, config, minertest.Echo(t, models.INT64, models.Any))
	require.Equal(t, 1, strings.Count(log.String(), "model_warmup"), "said once")
	told, err := service.ModelConfig(t.Context(), &inference.ModelConfigRequest{Name: "m"})
	require.NoError(t, err)
	require.Equal(t, int32(8), told.Config.MaxBatchSize)
	require.Equal(t, uint64(2000000), told.Config.GetDynamicBatching().MaxQueueDelayMicroseconds)
	require.Equal(t, []int32{4}, told.Config.GetDynamicBatching().PreferredBatchSize)
	require.Empty(t, told.Config.Input[0].Dims)

	ask := func(values ...byte) ([]byte, error) {
		var data []byte
		for _, v := range values {
			data = append(data, v, 0, 0, 0, 0, 0, 0, 0)
		}
		resp, err := service.ModelInfer(t.Context(), oip.Request{Model: "m", Inputs: []models.Tensor{
			{Name: "in", Datatype: models.INT64, Shape: []int64{int64(len(values))}, Data: data}}}.Message())
		if err != nil {
			return nil, err
		}
		require.Equal(t, data, resp.RawOutputContents[0])
		return data, nil
	}
	start := time.Now()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if _, err := ask(byte(i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Less(t, time.Since(start), 2*time.Second, "two full groups, so nobody waited to the end")
	stats, err := service.ModelStatistics(t.Context(), &inference.ModelStatisticsRequest{Name: "m"})
	require.NoError(t, err)
	require.Equal(t, uint64(8), stats.ModelStats[0].InferenceCount)
	require.Equal(t, uint64(2), stats.ModelStats[0].ExecutionCount)
	_, err = ask(1, 2, 3, 4, 5)
	require.NoError(t, err, "more than preferred runs alone and at once")
	_, err = ask(1, 2, 3, 4, 5, 6, 7, 8, 9)
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.ErrorContains(t, err, "at most 8 rows (max_batch_size)")
}

func TestOneAloneWaitsNoLongerThanTheDelay(t *testing.T) {
	service, _, _ := configured(t, miner.ServerConfig{}, `dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 1000 }`, minertest.Echo(t, models.INT64, models.Any))
	_, err := service.ModelInfer(t.Context(), oip.Request{Model: "m", Inputs: []models.Tensor{{Name: "in", Datatype: models.INT64, Shape: []int64{1}, Data: make([]byte, 8)}}}.Message())
	require.NoError(t, err)
}

func TestNoBatchesWhereTheOperatorSaysSo(t *testing.T) {
	service, served, _ := configured(t, miner.ServerConfig{}, "max_batch_size: 0", minertest.Dense(t, 2))
	model, err := served.Get("m", "")
	require.NoError(t, err)
	require.Zero(t, model.MaxRows)
	told, err := service.ModelConfig(t.Context(), &inference.ModelConfigRequest{Name: "m"})
	require.NoError(t, err)
	require.Nil(t, told.Config.GetDynamicBatching())
	require.Equal(t, []int64{-1, minertest.DenseWidth}, told.Config.Input[0].Dims)
}

// TestTheConfigurationToldIsTheOneInForce: an operator may ask for batches and turn them off elsewhere.
func TestTheConfigurationToldIsTheOneInForce(t *testing.T) {
	folder := minertest.Folder(t, map[string][]byte{"m": minertest.Dense(t, 1)})
	require.NoError(t, os.WriteFile(filepath.Join(folder, "m", "config.pbtxt"), []byte("max_batch_size: 8 dynamic_batching { }"), 0o600))
	served, err := miner.OpenModels(t.Context(), orttest.Open(t), folder, repository.Options{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, served.Close()) })
	_, service := dial(t, minertest.ServeLibrary(t, miner.ServerConfig{}, served).Address)
	for _, batched := range []bool{false, true} {
		told, err := service.ModelConfig(t.Context(), &inference.ModelConfigRequest{Name: "m"})
		require.NoError(t, err)
		require.Equal(t, int32(8), told.Config.MaxBatchSize)
		require.Equal(t, []int64{minertest.DenseWidth}, told.Config.Input[0].Dims)
		require.Equal(t, batched, told.Config.GetDynamicBatching() != nil)
		served.MeasureBatches(t.Context(), batching.Options{})
	}
}

// TestTheIndexTellsWhatIsNotServed and why, also while models come and go.
func TestTheIndexTellsWhatIsNotServed(t *testing.T) {
	folder := minertest.Folder(t, map[string][]byte{"good": minertest.Dense(t, 1), "bad": []byte("no model")})
	put := func(path string, data []byte) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, path), data, 0o600))
	}
	put("good/2/model.onnx", []byte("neither"))
	put("wrong/config.pbtxt", []byte("max_batchsize: 1"))
	put("wrong/1/model.onnx", minertest.Dense(t, 1))
	served, err := miner.OpenModels(t.Context(), orttest.Open(t), folder, repository.Options{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, served.Close()) })
	_, service := dial(t, minertest.ServeLibrary(t, miner.ServerConfig{ModelControl: true}, served).Address)
	index := func(ready bool) map[string]string {
		resp, err := service.RepositoryIndex(t.Context(), &inference.RepositoryIndexRequest{Ready: ready})
		require.NoError(t, err)
		out := map[string]string{}
		for _, m := range resp.Models {
			out[m.Name+"/"+m.Version] = strings.TrimSpace(m.State + " " + m.Reason)
		}
		return out
	}
	got := index(false)
	require.Len(t, got, 4, "%v", got)
	require.Equal(t, "READY", got["good/1"])
	require.Contains(t, got["good/2"], "UNAVAILABLE not a readable ONNX model")
	require.Contains(t, got["bad/1"], "UNAVAILABLE not a readable ONNX model")
	require.Contains(t, got["wrong/"], "no field max_batchsize")
	require.Equal(t, map[string]string{"good/1": "READY"}, index(true))

	require.NoError(t, os.Remove(filepath.Join(folder, "wrong", "config.pbtxt")))
	put("bad/1/model.onnx", minertest.Dense(t, 1))
	put("good/2/model.onnx", minertest.Dense(t, 2))
	require.NoError(t, served.Refresh(t.Context()))
	require.Equal(t, map[string]string{"good/1": "READY", "good/2": "READY", "bad/1": "READY", "wrong/1": "READY"}, index(false))

	_, err = service.RepositoryModelUnload(t.Context(), &inference.RepositoryModelUnloadRequest{ModelName: "bad"})
	require.NoError(t, err)
	require.Equal(t, "UNAVAILABLE unloaded", index(false)["bad/1"])
	put("wrong/config.pbtxt", []byte("nonsense: 1"))
	require.Error(t, served.Refresh(t.Context()))
	require.Equal(t, "READY", index(false)["wrong/1"], "what was served stays")
	require.Contains(t, index(false)["wrong/"], "nonsense")
	require.NoError(t, os.RemoveAll(filepath.Join(folder, "bad")))
	require.NoError(t, os.RemoveAll(filepath.Join(folder, "wrong")))
	require.NoError(t, served.Refresh(t.Context()))
	require.Equal(t, map[string]string{"good/1": "READY", "good/2": "READY"}, index(false))
}
