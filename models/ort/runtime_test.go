package ort_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/ort/orttest"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

func errorIsClosed(err error) bool { return errors.Is(err, ort.ErrClosed) }

func TestARuntimeIsOpenOncePerProcess(t *testing.T) {
	rt := orttest.Open(t)
	require.Equal(t, rt.Path(), mustLibrary(t))
	require.NotEmpty(t, rt.Version())
	_, err := ort.Open(rt.Path(), ort.RuntimeOptions{})
	require.ErrorIs(t, err, ort.ErrInUse)
	require.ErrorContains(t, err, rt.Path())
}

func mustLibrary(t *testing.T) string {
	t.Helper()
	path, err := orttest.Library()
	require.NoError(t, err)
	return path
}

func TestDamagedModelsAreRefusedAndNeverCrash(t *testing.T) {
	rt := orttest.Open(t)
	whole := sumAndProduct(t)
	unknown := model(t, func(b *onnx.Builder) {
		b.Input("x", models.FP32, 1)
		b.Node("NoSuchOperator", []string{"x"}, []string{"y"})
		b.Output("y", models.FP32, 1)
	})
	for _, c := range []struct {
		name string
		data []byte
		is   error
	}{
		{"empty", nil, onnx.ErrCorrupt},
		{"text", []byte("this is not a model"), onnx.ErrCorrupt},
		{"truncated", whole[:len(whole)/2], onnx.ErrCorrupt},
		{"zeros", make([]byte, 4096), onnx.ErrCorrupt},
		{"unknown operator", unknown, ort.ErrModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := rt.Load(t.Context(), c.data, ort.Options{})
			require.ErrorIs(t, err, c.is)
		})
	}
}

// TestMutatedModelsNeverCrash breaks bytes of models in ways that still parse: whatever happens is an error or a session
// whose run gives an error or an answer.
func TestMutatedModelsNeverCrash(t *testing.T) {
	rt := orttest.Open(t)
	random := rand.New(rand.NewPCG(3, 4))
	originals := [][]byte{sumAndProduct(t), slow(t, 3), identity(t, models.FP16, []int64{models.Any}, []int64{models.Any})}
	if found, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "models", "*", "model.onnx")); err == nil {
		for _, path := range found {
			if data := readFile(t, path); len(data) < 100_000 {
				originals = append(originals, data)
			}
		}
	}
	loaded := 0
	for range 400 {
		data := append([]byte{}, originals[random.IntN(len(originals))]...)
		for range 1 + random.IntN(4) {
			data[random.IntN(len(data))] = byte(random.Uint32())
		}
		session, err := rt.Load(t.Context(), data, ort.Options{})
		if err != nil {
			continue
		}
		loaded++
		var inputs []models.Tensor
		for _, spec := range session.Inputs() {
			inputs = append(inputs, zeros(spec))
		}
		_, _ = session.Run(t.Context(), inputs, nil)
		require.NoError(t, session.Close())
	}
	t.Logf("%d of 400 still loaded", loaded)
}

// zeros returns a tensor of zeros that spec takes, its free dimensions 1.
func zeros(spec models.TensorSpec) models.Tensor {
	x := models.Tensor{Name: spec.Name, Datatype: spec.Datatype, Shape: []int64{}}
	elements := 1
	for _, d := range spec.Shape {
		d = min(max(d, 1), 64)
		x.Shape = append(x.Shape, d)
		elements *= int(d)
	}
	if spec.Datatype == models.BYTES {
		x.Data = make([]byte, 4*elements)
		return x
	}
	x.Data = make([]byte, elements*spec.Datatype.Size())
	return x
}

func TestWeightsOutsideTheFileAreRefused(t *testing.T) {
	inside := model(t, func(b *onnx.Builder) {
		b.Input("x", models.FP32, 1)
		b.Floats("w", []int64{1}, []float32{2})
		b.Node("Mul", []string{"x", "w"}, []string{"y"})
		b.Output("y", models.FP32, 1)
	})
	var file onnxpb.ModelProto
	require.NoError(t, proto.Unmarshal(inside, &file))
	w := file.Graph.Initializer[0]
	w.RawData = nil
	w.DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
	w.ExternalData = []*onnxpb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String("../../etc/hostname")}}
	data, err := proto.Marshal(&file)
	require.NoError(t, err)
	_, err = orttest.Open(t).Load(t.Context(), data, ort.Options{})
	require.ErrorIs(t, err, onnx.ErrUnsupported)
	require.ErrorContains(t, err, `weight "w" is kept in another file`)
}

func TestAModelWithoutInputsIsRefused(t *testing.T) {
	_, err := orttest.Open(t).Load(t.Context(), model(t, func(b *onnx.Builder) {
		b.Floats("c", []int64{1}, []float32{1})
		b.Node("Neg", []string{"c"}, []string{"y"})
		b.Output("y", models.FP32, 1)
	}), ort.Options{})
	require.ErrorIs(t, err, onnx.ErrUnsupported)
}

func TestUnknownOptimizationIsRefused(t *testing.T) {
	_, err := orttest.Open(t).Load(t.Context(), sumAndProduct(t), ort.Options{Optimization: "much"})
	require.ErrorIs(t, err, ort.ErrModel)
	require.ErrorContains(t, err, "much")
	for _, level := range []ort.Optimization{ort.OptimizeNone, ort.OptimizeBasic, ort.OptimizeExtended} {
		session, err := orttest.Open(t).Load(t.Context(), sumAndProduct(t), ort.Options{Optimization: level, IntraOpThreads: 2, Spin: true})
		require.NoError(t, err)
		require.NoError(t, session.Close())
	}
}

// TestOwnProcess runs what needs a process whose library is not open yet, each case in one of its own.
func TestOwnProcess(t *testing.T) {
	if name := os.Getenv("PLEXUS_TEST_OWN_PROCESS"); name != "" {
		ownProcess[name](t)
		return
	}
	orttest.Open(t) // skips when there is no library
	for name := range ownProcess {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestOwnProcess$", "-test.v")
			cmd.Env = append(os.Environ(), "PLEXUS_TEST_OWN_PROCESS="+name)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
		})
	}
}

var ownProcess = map[string]func(*testing.T){
	"open, close and open again": func(t *testing.T) {
		for range 3 {
			rt, err := ort.Open(mustLibrary(t), ort.RuntimeOptions{MaxConcurrentRuns: 3})
			require.NoError(t, err)
			require.Equal(t, ort.RuntimeOptions{MaxConcurrentRuns: 3, MaxRunsPerGPU: ort.DefaultMaxRunsPerGPU, MaxMemoryBytes: ort.DefaultMaxMemoryBytes}, rt.Options())
			session, err := rt.Load(t.Context(), sumAndProduct(t), ort.Options{})
			require.NoError(t, err)
			require.NoError(t, rt.Close(), "with a session open")
			require.NoError(t, rt.Close(), "twice")
			_, err = session.Run(t.Context(), []models.Tensor{zeros(session.Inputs()[0]), zeros(session.Inputs()[1])}, nil)
			require.ErrorIs(t, err, ort.ErrClosed)
			_, err = rt.Load(t.Context(), sumAndProduct(t), ort.Options{})
			require.ErrorIs(t, err, ort.ErrClosed)
			require.NoError(t, session.Close())
		}
	},
	"memory limit": func(t *testing.T) {
		rt, err := ort.Open(mustLibrary(t), ort.RuntimeOptions{MaxMemoryBytes: 64 << 20})
		require.NoError(t, err)
		session, err := rt.Load(t.Context(), model(t, func(b *onnx.Builder) {
			b.Input("x", models.FP32, 1)
			b.Input("shape", models.INT64, models.Any)
			b.Node("Expand", []string{"x", "shape"}, []string{"y"})
			b.Output("y", models.FP32, models.Any)
		}), ort.Options{})
		require.NoError(t, err)
		expand := func(n uint32) error {
			size := []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 0, 0, 0, 0}
			_, err := session.Run(t.Context(), []models.Tensor{
				models.FromFloat32s("x", []int64{1}, []float32{1}),
				{Name: "shape", Datatype: models.INT64, Shape: []int64{1}, Data: size},
			}, nil)
			return err
		}
		require.NoError(t, expand(1<<20))
		err = expand(1 << 30)
		require.ErrorIs(t, err, ort.ErrRun, "4 GiB asked for by 4 bytes")
		t.Log(err)
		require.NoError(t, expand(1<<20), "and the session goes on")
		require.NoError(t, rt.Close())
	},
	"only so many runs at once": func(t *testing.T) {
		rt, err := ort.Open(mustLibrary(t), ort.RuntimeOptions{MaxConcurrentRuns: 1})
		require.NoError(t, err)
		session, err := rt.Load(t.Context(), slow(t, 1_000), ort.Options{})
		require.NoError(t, err)
		busy, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := session.Run(busy, []models.Tensor{square(512)}, nil)
			done <- err
		}()
		require.Eventually(t, func() bool { // from when the long run has begun, until it is stopped
			short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			_, err := session.Run(short, []models.Tensor{square(2)}, nil)
			return errors.Is(err, context.DeadlineExceeded) && strings.Contains(err.Error(), "free slot")
		}, time.Minute, time.Millisecond)
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
		require.NoError(t, rt.Close())
	},
	"files that are no library": func(t *testing.T) {
		folder := t.TempDir()
		text := filepath.Join(folder, "text.so")
		require.NoError(t, os.WriteFile(text, []byte("no library"), 0o600))
		for _, c := range []struct{ name, path, says string }{
			{"missing", filepath.Join(folder, "nothing.so"), "nothing.so"},
			{"a folder", folder, "is not a file"},
			{"text", text, "plexus runtime fetch"},
		} {
			_, err := ort.Open(c.path, ort.RuntimeOptions{})
			require.ErrorIs(t, err, ort.ErrLibrary, c.name)
			require.ErrorContains(t, err, c.says, c.name)
		}
		t.Setenv(library.EnvVar, text)
		_, err := ort.OpenFound("", ort.RuntimeOptions{})
		require.ErrorIs(t, err, ort.ErrLibrary)
		require.ErrorContains(t, err, "chosen by: environment variable PLEXUS_ONNXRUNTIME")
		require.ErrorContains(t, err, "beside the executable")
	},
	"libraries that are not ONNX Runtime's, or too old": func(t *testing.T) {
		compiler, err := exec.LookPath("cc")
		if err != nil {
			t.Skip("no C compiler to make a library with")
		}
		compile := func(name, source string) string {
			folder := t.TempDir()
			file, out := filepath.Join(folder, name+".c"), filepath.Join(folder, name+".so")
			require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
			text, err := exec.Command(compiler, "-shared", "-fPIC", "-o", out, file).CombinedOutput()
			require.NoError(t, err, string(text))
			return out
		}
		_, err = ort.Open(compile("other", "int f(void) { return 1; }"), ort.RuntimeOptions{})
		require.ErrorIs(t, err, ort.ErrLibrary)
		require.ErrorContains(t, err, "not ONNX Runtime's")

		// What a release before 1.24 does: it knows no API of the version that the binding asks for.
		_, err = ort.Open(compile("old", `
			static const void *get(unsigned version) { return 0; }
			static const char *name(void) { return "1.20.0"; }
			struct base { const void *(*get)(unsigned); const char *(*name)(void); };
			const struct base *OrtGetApiBase(void) { static const struct base b = {get, name}; return &b; }`), ort.RuntimeOptions{})
		require.ErrorIs(t, err, ort.ErrTooOld)
		require.ErrorContains(t, err, "older than 1.24.0")
		require.ErrorContains(t, err, "--onnxruntime")
		require.ErrorContains(t, err, "PLEXUS_ONNXRUNTIME")

		rt, err := ort.Open(mustLibrary(t), ort.RuntimeOptions{})
		require.NoError(t, err, "a good one after a bad one")
		require.NoError(t, rt.Close())
	},
}
