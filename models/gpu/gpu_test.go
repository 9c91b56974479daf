package gpu_test

import (
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models/gpu"
)

func TestADGX(t *testing.T) {
	server := dgxa100.New()
	server.Devices[5].(*dgxa100.Device).MemoryInfo.Free = 39 << 30
	board, err := gpu.Open(server)
	require.NoError(t, err)
	require.NotEmpty(t, board.Driver())
	devices, err := board.Devices()
	require.NoError(t, err)
	require.Len(t, devices, 8)
	require.Contains(t, devices[0].Name, "A100")
	require.NotEmpty(t, devices[0].UUID)
	require.Equal(t, uint64(42949672960), devices[0].MemoryTotal)
	best, ok := gpu.Freest(devices)
	require.True(t, ok)
	require.Equal(t, 5, best.Index)

	registry := prometheus.NewRegistry()
	registry.MustRegister(board.Collector())
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Equal(t, "DCGM_FI_DEV_FB_FREE", families[0].GetName())
	require.Len(t, families[0].Metric, 8)

	board.Close()
	board.Close()
	_, err = board.Devices()
	require.ErrorIs(t, err, gpu.ErrNone)
	families, err = registry.Gather()
	require.NoError(t, err)
	require.Empty(t, families)
}

// TestNoDriver: nothing is asked of an NVML that did not start. The mock panics if it is.
func TestNoDriver(t *testing.T) {
	for _, ret := range []nvml.Return{nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED} {
		_, err := gpu.Open(&mock.Interface{InitFunc: func() nvml.Return { return ret }})
		require.ErrorIs(t, err, gpu.ErrNone)
	}
	_, ok := gpu.Freest(nil)
	require.False(t, ok)
}

// TestThisMachine: whatever this machine has, asking does not end the process.
func TestThisMachine(t *testing.T) {
	board, err := gpu.Open(nil)
	if err != nil {
		require.ErrorIs(t, err, gpu.ErrNone)
		return
	}
	defer board.Close()
	devices, err := board.Devices()
	t.Log(devices, err)
}
