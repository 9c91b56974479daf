package miner_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
)

// foreignVariable names a folder with grpcurl and ghz, clients that others wrote; scripts/foreign_clients.sh builds them.
const foreignVariable = "PLEXUS_FOREIGN_CLIENTS"

func foreign(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv(foreignVariable)
	if folder == "" {
		t.Skipf("%s is not set; scripts/foreign_clients.sh builds the clients", foreignVariable)
	}
	path, err := exec.LookPath(filepath.Join(folder, name))
	require.NoError(t, err)
	return path
}

func TestGrpcurl(t *testing.T) {
	path := foreign(t, "grpcurl")
	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"dense": minertest.Dense(t, 1)})
	out, err := exec.Command(path, "-plaintext", server.Address, "list", "inference.GRPCInferenceService").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "inference.GRPCInferenceService.ModelStreamInfer")
	out, err = exec.Command(path, "-plaintext", "-d", `{"name":"dense"}`, server.Address, "inference.GRPCInferenceService/ModelMetadata").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "onnx_onnxv1")
	out, err = exec.Command(path, "-plaintext", "-d", denseRequest(t), server.Address, "inference.GRPCInferenceService/ModelInfer").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "rawOutputContents")
}

func TestGhz(t *testing.T) {
	path := foreign(t, "ghz")
	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"dense": minertest.Dense(t, 1)})
	out, err := exec.Command(path, "--insecure", "--call", "inference.GRPCInferenceService.ModelInfer", "-d", denseRequest(t),
		"-n", "500", "-c", "8", "-O", "json", server.Address).Output()
	require.NoError(t, err, "%s", out)
	var report struct {
		Count                  int            `json:"count"`
		StatusCodeDistribution map[string]int `json:"statusCodeDistribution"`
	}
	require.NoError(t, json.Unmarshal(out, &report))
	require.Equal(t, map[string]int{"OK": 500}, report.StatusCodeDistribution)
}

func denseRequest(t *testing.T) string {
	t.Helper()
	req, err := json.Marshal(map[string]any{"model_name": "dense", "inputs": []any{map[string]any{
		"name": "x", "datatype": "FP32", "shape": []int{1, minertest.DenseWidth},
		"contents": map[string]any{"fp32_contents": make([]float32, minertest.DenseWidth)}}}})
	require.NoError(t, err)
	return string(req)
}
