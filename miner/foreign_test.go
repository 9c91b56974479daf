package miner_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
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

// TestKServe: the client that KServe's ModelMesh generated for its own tests, in a program of its own. It is pinned by
// testdata/kserve/go.sum, and small enough to be built by the test.
func TestKServe(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	program := filepath.Join(t.TempDir(), "kserve")
	inModule := func(args ...string) ([]byte, error) {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = filepath.Join("testdata", "kserve"), append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0")
		return cmd.CombinedOutput()
	}
	if out, err := inModule("list", "-deps", "."); err != nil {
		t.Skipf("the client's module cannot be had: %s", out)
	}
	out, err := inModule("build", "-o", program, ".")
	require.NoError(t, err, "%s", out)

	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"dense": minertest.Dense(t, 1)})
	out, err = exec.Command(program, server.Address, "dense", "x", "2", strconv.Itoa(minertest.DenseWidth)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var told struct {
		Live, Ready, ModelReady bool
		Server, Platform        string
		Versions, Extensions    []string
		InputShape              []int64
		Typed, Raw              []float32
	}
	require.NoError(t, json.Unmarshal(out, &told))
	require.True(t, told.Live && told.Ready && told.ModelReady)
	require.Equal(t, "onnx_onnxv1", told.Platform)
	require.Equal(t, []string{"1"}, told.Versions)
	require.Equal(t, []int64{-1, minertest.DenseWidth}, told.InputShape)
	require.Contains(t, told.Extensions, "statistics")

	values := make([]float32, 2*minertest.DenseWidth)
	for i := range values {
		values[i] = float32(i)
	}
	_, service := dial(t, server.Address)
	resp, err := service.ModelInfer(t.Context(), oip.Request{Model: "dense", Inputs: []models.Tensor{models.FromFloat32s("x", []int64{2, minertest.DenseWidth}, values)}}.Message())
	require.NoError(t, err)
	ours, err := oip.Outputs(resp)
	require.NoError(t, err)
	want, err := ours[0].Float32s()
	require.NoError(t, err)
	require.Equal(t, want, told.Typed)
	require.Equal(t, want, told.Raw)
}

func denseRequest(t *testing.T) string {
	t.Helper()
	req, err := json.Marshal(map[string]any{"model_name": "dense", "inputs": []any{map[string]any{
		"name": "x", "datatype": "FP32", "shape": []int{1, minertest.DenseWidth},
		"contents": map[string]any{"fp32_contents": make([]float32, minertest.DenseWidth)}}}})
	require.NoError(t, err)
	return string(req)
}
