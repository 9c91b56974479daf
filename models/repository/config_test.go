package repository

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/gpu"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/proto/inference"
)

// written is a configuration as Triton's documentation writes them, lists and all.
const written = `
# served by Triton too
name: "doubling"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }
]
output { name: "y", data_type: TYPE_FP32, dims: [ 3 ], label_filename: "labels.txt" }
version_policy: { latest { num_versions: 2 } }
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching {
  preferred_batch_size: [ 2, 4 ]
  max_queue_delay_microseconds: 500 # half a millisecond
  preserve_ordering: true
}
optimization { execution_accelerators { gpu_execution_accelerator : [ { name : "tensorrt" } ] } }
parameters { key: "a{b: c" value: { string_value: 'd: "{' } }
model_warmup [ { name: "w" batch_size: 1 } ]
`

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig([]byte(written))
	require.NoError(t, err)
	require.Equal(t, []string{"output.label_filename", "dynamic_batching.preserve_ordering", "optimization", "parameters", "model_warmup"}, c.Ignored)
	require.Equal(t, Batch{MaxRows: 8, Fixed: 4, Delay: 500 * time.Microsecond}, c.Batch())
	require.Equal(t, int32(2), c.Message.InstanceGroup[0].Count)
	require.Equal(t, []int64{3}, c.Message.Input[0].Dims)

	c, err = ParseConfig(nil)
	require.NoError(t, err)
	require.Equal(t, Batch{}, c.Batch(), "nothing is said")
	c, err = ParseConfig([]byte("max_batch_size: 0"))
	require.NoError(t, err)
	require.Equal(t, Batch{Never: true}, c.Batch(), "0 is something else than nothing")
	c, err = ParseConfig([]byte("max_batch_size: 16 dynamic_batching {}"))
	require.NoError(t, err)
	require.Equal(t, Batch{MaxRows: 16, Fixed: 16}, c.Batch())
	require.Equal(t, Batch{}, (*Config)(nil).Batch())
}

func TestConfigsThatContradictThemselves(t *testing.T) {
	for text, says := range map[string]string{
		"max_batch_size 8 {":                     "syntax error",
		"max_batchsize: 8":                       "no field max_batchsize",
		"dynamic_batching { prefered: 8 }":       "no field dynamic_batching.prefered",
		`backend: "tensorrt"`:                    "backend",
		`platform: "ensemble"`:                   "platform",
		"max_batch_size: -1":                     "max_batch_size: -1",
		"max_batch_size: 0 dynamic_batching { }": "max_batch_size is 0",
		"max_batch_size: 4 dynamic_batching { preferred_batch_size: [ 8 ] }":     "preferred_batch_size: 8",
		"dynamic_batching { preferred_batch_size: [ 0 ] }":                       "preferred_batch_size: 0",
		"dynamic_batching { max_queue_delay_microseconds: 99000000000 }":         "max_queue_delay",
		"instance_group { kind: KIND_MODEL }":                                    "KIND_MODEL",
		"instance_group { kind: KIND_CPU gpus: [ 0 ] }":                          "no gpus",
		"instance_group { count: -2 }":                                           "count: -2",
		"instance_group { kind: KIND_GPU gpus: [ -1 ] }":                         "gpus",
		`default_model_filename: "../other.onnx"`:                                "default_model_filename",
		`ensemble_scheduling { step [ { model_name: "a" model_version: -1 } ] }`: "ensembles are not served",
		"sequence_batching { max_sequence_idle_microseconds: 1 }":                "sequence",
		`input [ { name: "x" reshape: { shape: [ ] } } ]`:                        "own shape",
		`input { name: "x" data_type: TYPE_FLOAT }`:                              "TYPE_FLOAT",
	} {
		_, err := ParseConfig([]byte(text))
		require.ErrorIs(t, err, ErrConfig, text)
		require.ErrorContains(t, err, says, text)
	}
}

// doubling takes "x" and gives "y", twice as much, plus n, of a free first dimension or of a fixed one.
func doubling(t *testing.T, rows int64, n float32) []byte {
	t.Helper()
	b := onnx.NewBuilder("doubling")
	b.Input("x", models.FP32, rows, 3)
	b.Node("Add", []string{"x", "x"}, []string{"twice"})
	b.Floats("n", []int64{1}, []float32{n})
	b.Node("Add", []string{"twice", "n"}, []string{"y"})
	b.Output("y", models.FP32, rows, 3)
	data, err := b.Bytes()
	require.NoError(t, err)
	return data
}

// folderOf writes versions of a model and its configuration.
func folderOf(t *testing.T, config string, versions map[int][]byte) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "models")
	for version, data := range versions {
		path := filepath.Join(folder, "doubling", fmt.Sprint(version))
		require.NoError(t, os.MkdirAll(path, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(path, modelFile), data, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "doubling", configFile), []byte(config), 0o600))
	return folder
}

func TestTheConfigurationIsObeyed(t *testing.T) {
	free := map[int][]byte{1: doubling(t, models.Any, 1), 2: doubling(t, models.Any, 2), 5: doubling(t, models.Any, 5)}
	for _, c := range []struct {
		config string
		want   []int64
	}{
		{"", []int64{1, 2, 5}},
		{written, []int64{2, 5}},
		{"version_policy { latest { } }", []int64{5}},
		{"version_policy { all { } }", []int64{1, 2, 5}},
		{"version_policy { specific { versions: [ 5, 1, 5 ] } }", []int64{1, 5}},
		{`input [ { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] } ] output [ { name: "y" dims: [ 7, 3 ] } ]`, []int64{1, 2, 5}},
	} {
		r, err := Open(t.Context(), orttest.Open(t), folderOf(t, c.config, free), Options{})
		require.NoError(t, err, c.config)
		var got []int64
		for _, m := range r.Index() {
			got = append(got, m.Version)
		}
		require.Equal(t, c.want, got, c.config)
		require.NoError(t, r.Close())
	}
	for config, says := range map[string]string{
		`name: "tripling"`: `the folder is called "doubling"`,
		"version_policy { specific { versions: [ 3 ] } }":           "there are 1, 2, 5",
		"version_policy { specific { } }":                           "names no version",
		`input { name: "z" }`:                                       `no input "z"`,
		`output { name: "x" }`:                                      `no output "x"`,
		`input { name: "x" data_type: TYPE_INT64 }`:                 "TYPE_INT64",
		`input { name: "x" dims: [ 3 ] }`:                           "dims: [3]",
		`max_batch_size: 4 input { name: "x" dims: [ 4 ] }`:         "dims: [-1 4] (with the batch)",
		"instance_group { kind: KIND_GPU }":                         "instance_group KIND_GPU",
		"instance_group { kind: KIND_GPU gpus: [ 0 ] }":             "instance_group KIND_GPU",
		"instance_group [ { kind: KIND_CPU }, { kind: KIND_CPU } ]": "named twice",
	} {
		_, err := Open(t.Context(), orttest.Open(t), folderOf(t, config, free), Options{Machine: Machine{NoGPU: gpu.ErrNone}})
		require.Error(t, err, config)
		require.ErrorContains(t, err, says, config)
	}
	_, err := Open(t.Context(), orttest.Open(t), folderOf(t, "max_batch_size: 4", map[int][]byte{1: doubling(t, 2, 0)}), Options{})
	require.ErrorIs(t, err, ErrConfig)
	require.ErrorContains(t, err, "first dimension of x FP32[2 3] is not free")
	two := filepath.Join(t.TempDir(), "two")
	require.NoError(t, os.MkdirAll(filepath.Join(two, "1"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(two, "1", "net.onnx"), free[1], 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(two, configFile), []byte(`default_model_filename: "net.onnx"`), 0o600))
	r, err := Open(t.Context(), orttest.Open(t), two, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"two"}, r.Names())
	require.NoError(t, r.Close())
}

// TestInstanceGroupsOnADGX: what go-nvml's stand-in for eight GPUs has is what groups are spread over.
func TestInstanceGroupsOnADGX(t *testing.T) {
	board, err := gpu.Open(dgxa100.New())
	require.NoError(t, err)
	defer board.Close()
	devices, err := board.Devices()
	require.NoError(t, err)
	machine := Machine{GPUs: devices}
	for _, c := range []struct {
		group string
		given []ort.Provider
		want  []string
	}{
		{"kind: KIND_GPU", nil, []string{"cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4", "cuda:5", "cuda:6", "cuda:7"}},
		{"kind: KIND_GPU gpus: [ 3, 1 ]", nil, []string{"cuda:3", "cuda:1"}},
		{"gpus: [ 3 ]", []ort.Provider{{Kind: ort.TensorRT, Strict: true}}, []string{"tensorrt:3"}},
		{"kind: KIND_CPU", []ort.Provider{{Kind: ort.CUDA}}, []string{"cpu"}},
		{"count: 2", []ort.Provider{{Kind: ort.CUDA, Device: 6}}, []string{"cuda:6"}},
	} {
		config, err := ParseConfig([]byte("instance_group { " + c.group + " }"))
		require.NoError(t, err)
		got, err := devicesOf(config.Message.InstanceGroup[0], c.given, machine)
		require.NoError(t, err)
		var names []string
		for _, p := range got {
			names = append(names, p.String())
			require.True(t, p.Kind != ort.TensorRT || p.Strict, "what the operator said stays")
		}
		require.Equal(t, c.want, names, c.group)
	}
	// The library of the tests is built for CPUs: whatever the machine has, it says what to do.
	config, err := ParseConfig([]byte("instance_group { kind: KIND_GPU gpus: [ 9 ] }"))
	require.NoError(t, err)
	_, err = config.place(orttest.Open(t), machine, ort.Options{})
	require.ErrorIs(t, err, ort.ErrProvider)
	require.ErrorContains(t, err, "GPUs 0 to 7")
	config.Message.InstanceGroup[0].Gpus = []int32{7}
	_, err = config.place(orttest.Open(t), machine, ort.Options{})
	require.ErrorContains(t, err, "gpu build")
	config.Message.InstanceGroup[0] = &inference.ModelInstanceGroup{Count: 3}
	options, err := config.place(orttest.Open(t), machine, ort.Options{})
	require.NoError(t, err)
	require.Equal(t, 3, options.MaxRuns)
	require.Equal(t, []ort.Provider{{Kind: ort.CPU}}, options.Providers)
}

func TestABrokenConfigurationShowsAsAChange(t *testing.T) {
	folder := folderOf(t, "", map[int][]byte{1: doubling(t, models.Any, 1)})
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "other"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "other", modelFile), doubling(t, models.Any, 1), 0o600))
	whole, err := Fingerprints(folder)
	require.NoError(t, err)
	path := filepath.Join(folder, "doubling", configFile)
	require.NoError(t, os.WriteFile(path, []byte("nonsense: 1"), 0o600))
	broken, err := Fingerprints(folder)
	require.NoError(t, err)
	require.NotEqual(t, whole["doubling"], broken["doubling"])
	require.NotEmpty(t, broken["doubling"])
	require.Equal(t, whole["other"], broken["other"])
	_, err = OpenModel(t.Context(), orttest.Open(t), folder, "doubling", Options{})
	require.ErrorIs(t, err, ErrConfig)
	require.Equal(t, []string{"1"}, OnDisk(folder, "other"))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "other", "weights.bin"), []byte("x"), 0o600))
	more, err := Fingerprints(folder)
	require.NoError(t, err)
	require.NotEqual(t, whole["other"], more["other"], "weights in files of their own count")
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(written))
	f.Add([]byte("input [ { name: 'x' dims: [ 1 ] } ] # {"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		if err != nil {
			require.ErrorIs(t, err, ErrConfig)
			return
		}
		b := c.Batch()
		require.True(t, b.MaxRows >= 0 && b.Fixed >= 0 && b.Delay >= 0)
		require.False(t, slices.Contains(c.Ignored, ""))
	})
}
