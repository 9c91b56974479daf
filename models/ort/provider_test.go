package ort_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models/gpu"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
)

func TestParseProvider(t *testing.T) {
	for _, text := range []string{"auto", "cpu", "cuda", "cuda:0", "cuda:7", "tensorrt", "tensorrt:1"} {
		p, err := ort.ParseProvider(text)
		require.NoError(t, err)
		require.Equal(t, text, p.String())
	}
	for _, text := range []string{"", "gpu", "cpu:0", "auto:1", "cuda:", "cuda:-1", "cuda:x", "cuda:1000"} {
		_, err := ort.ParseProvider(text)
		require.Error(t, err, text)
	}
}

// TestChoose runs with the CPU build of the library, so that no GPU can be used whatever the machine says it has.
func TestChoose(t *testing.T) {
	rt := orttest.Open(t)
	devices := []gpu.Device{{Index: 0, MemoryFree: 1}, {Index: 1, MemoryFree: 2}}
	want := func(text string) ort.Provider {
		p, err := ort.ParseProvider(text)
		require.NoError(t, err)
		return p
	}
	got, why, err := rt.Choose(want("cpu"), devices, nil)
	require.NoError(t, err)
	require.Equal(t, "cpu", got.String())
	require.Equal(t, "asked for", why)

	got, why, err = rt.Choose(want("auto"), nil, gpu.ErrNone)
	require.NoError(t, err)
	require.Equal(t, "cpu", got.String())
	require.Contains(t, why, "no NVIDIA GPU")

	for _, text := range []string{"cuda", "cuda:0", "tensorrt"} {
		_, _, err = rt.Choose(want(text), nil, gpu.ErrNone)
		require.ErrorIs(t, err, ort.ErrProvider)
		require.ErrorContains(t, err, "--provider cpu")
		_, _, err = rt.Choose(want(text), devices, nil)
		require.ErrorIs(t, err, ort.ErrProvider, "the library is built for CPUs")
		require.ErrorContains(t, err, "gpu build")
	}
	_, _, err = rt.Choose(want("cuda:2"), devices, nil)
	require.ErrorContains(t, err, "GPUs 0 to 1")
	got, why, err = rt.Choose(want("auto"), devices, nil)
	require.NoError(t, err)
	require.Equal(t, "cpu", got.String())
	require.Contains(t, why, "gpu build", "a fallback is said aloud")

	_, err = rt.Load(t.Context(), sumAndProduct(t), ort.Options{Providers: []ort.Provider{{Kind: ort.CPU}, {Kind: ort.CUDA}}})
	require.ErrorIs(t, err, ort.ErrProvider)
}
