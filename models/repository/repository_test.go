package repository_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/repository"
)

// adding returns a model that adds n.
func adding(t *testing.T, n float32) []byte {
	t.Helper()
	b := onnx.NewBuilder("adding")
	b.Input("x", models.FP32, models.Any)
	b.Floats("n", []int64{1}, []float32{n})
	b.Node("Add", []string{"x", "n"}, []string{"y"})
	b.Output("y", models.FP32, models.Any)
	data, err := b.Bytes()
	require.NoError(t, err)
	return data
}

// put writes a model at path below folder.
func put(t *testing.T, folder, path string, data []byte) {
	t.Helper()
	full := filepath.Join(folder, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(t, os.WriteFile(full, data, 0o600))
}

func open(t *testing.T, path string, o repository.Options) (*repository.Repository, error) {
	t.Helper()
	r, err := repository.Open(t.Context(), orttest.Open(t), path, o)
	if err == nil {
		t.Cleanup(func() { require.NoError(t, r.Close()) })
	}
	return r, err
}

func ask(t *testing.T, m *repository.Model) float32 {
	t.Helper()
	out, err := m.Session.Run(t.Context(), []models.Tensor{models.FromFloat32s("x", []int64{1}, []float32{0})}, nil)
	require.NoError(t, err)
	values, err := out[0].Float32s()
	require.NoError(t, err)
	return values[0]
}

func TestTritonsLayout(t *testing.T) {
	folder := t.TempDir()
	put(t, folder, "b-model/1/model.onnx", adding(t, 1))
	put(t, folder, "b-model/9/model.onnx", adding(t, 9))
	put(t, folder, "b-model/10/model.onnx", adding(t, 10))
	put(t, folder, "a.model/3/model.onnx", adding(t, 3))
	put(t, folder, "b-model/labels.txt", []byte("what else Triton keeps"))
	put(t, folder, "b-model/configs/x", nil)
	put(t, folder, "b-model/007/model.onnx", []byte("no version"))
	put(t, folder, "b-model/11/readme", nil)
	put(t, folder, ".git/1/model.onnx", []byte("hidden"))
	put(t, folder, "README.md", []byte("for people"))
	r, err := open(t, folder, repository.Options{})
	require.NoError(t, err)

	require.Equal(t, []string{"a.model", "b-model"}, r.Names())
	var index []string
	for _, m := range r.Index() {
		index = append(index, m.Name+"/"+m.VersionString())
	}
	require.Equal(t, []string{"a.model/3", "b-model/1", "b-model/9", "b-model/10"}, index)
	require.Len(t, r.Versions("b-model"), 3)

	m, err := r.Get("b-model", "")
	require.NoError(t, err)
	require.Equal(t, int64(10), m.Version, "10 is above 9")
	require.Equal(t, float32(10), ask(t, m))
	require.Equal(t, sha256.Sum256(adding(t, 10)), m.SHA256)
	require.Equal(t, int64(len(adding(t, 10))), m.Size)
	require.Len(t, m.Hash(), 64)
	m, err = r.Get("b-model", "9")
	require.NoError(t, err)
	require.Equal(t, float32(9), ask(t, m))

	_, err = r.Get("c-model", "")
	require.ErrorIs(t, err, repository.ErrModel)
	require.ErrorContains(t, err, "a.model, b-model")
	_, err = r.Get("b-model", "2")
	require.ErrorIs(t, err, repository.ErrVersion)
	require.ErrorContains(t, err, "1, 9, 10")
}

func TestOtherLayouts(t *testing.T) {
	folder := t.TempDir()
	put(t, folder, "single.onnx", adding(t, 1))
	put(t, folder, "direct/model.onnx", adding(t, 2))
	put(t, folder, "several/first/model.onnx", adding(t, 3))
	put(t, folder, "several/second/2/model.onnx", adding(t, 4))
	put(t, folder, "versions/5/model.onnx", adding(t, 5))
	for _, c := range []struct {
		path  string
		names []string
		last  float32
	}{
		{"single.onnx", []string{"single"}, 1},
		{"direct", []string{"direct"}, 2},
		{"direct/model.onnx", []string{"model"}, 2},
		{"several", []string{"first", "second"}, 4},
		{"versions", []string{"versions"}, 5},
	} {
		t.Run(c.path, func(t *testing.T) {
			r, err := open(t, filepath.Join(folder, c.path), repository.Options{})
			require.NoError(t, err)
			require.Equal(t, c.names, r.Names())
			require.Equal(t, c.last, ask(t, r.Index()[len(c.names)-1]))
		})
	}
	t.Run("the working folder", func(t *testing.T) {
		t.Chdir(filepath.Join(folder, "direct"))
		r, err := open(t, ".", repository.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"direct"}, r.Names())
	})
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   map[string][]byte
		path    string
		options repository.Options
		is      error
		says    string
	}{
		{"nothing there", nil, "missing", repository.Options{}, os.ErrNotExist, "missing"},
		{"empty folder", nil, "", repository.Options{}, repository.ErrEmpty, "<name>/<version>/model.onnx"},
		{"model without version", map[string][]byte{"m/x/y": nil}, "", repository.Options{}, repository.ErrEmpty, "<version>/model.onnx"},
		{"bad name", map[string][]byte{"my model/1/model.onnx": adding(t, 1)}, "", repository.Options{}, repository.ErrName, `"my model"`},
		{"not onnx", map[string][]byte{"m.bin": nil}, "m.bin", repository.Options{}, nil, "no .onnx file"},
		{"too large", map[string][]byte{"m/1/model.onnx": adding(t, 1)}, "", repository.Options{MaxModelBytes: 10}, repository.ErrTooLarge, "the limit is 10"},
		{"too many", map[string][]byte{"m/1/model.onnx": adding(t, 1), "m/2/model.onnx": adding(t, 1)}, "", repository.Options{MaxModels: 1}, repository.ErrTooMany, "holds 2"},
		{"damaged", map[string][]byte{"good/1/model.onnx": adding(t, 1), "bad/3/model.onnx": []byte("broken")}, "", repository.Options{}, onnx.ErrCorrupt, "model bad version 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			for path, data := range c.files {
				put(t, folder, path, data)
			}
			_, err := open(t, filepath.Join(folder, c.path), c.options)
			require.Error(t, err)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestWhatIsWrongMayBeLeftOut(t *testing.T) {
	folder := t.TempDir()
	put(t, folder, "good/1/model.onnx", adding(t, 1))
	put(t, folder, "good/2/model.onnx", []byte("broken"))
	put(t, folder, "my model/1/model.onnx", adding(t, 1))
	var faults []error
	options := repository.Options{LeaveOut: func(err error) { faults = append(faults, err) }}
	r, err := open(t, folder, options)
	require.NoError(t, err)
	require.Equal(t, []string{"good"}, r.Names())
	require.Len(t, r.Versions("good"), 1)
	require.Len(t, faults, 2)
	require.ErrorIs(t, faults[0], repository.ErrName)
	require.ErrorIs(t, faults[1], onnx.ErrCorrupt)

	faults = nil
	_, err = open(t, filepath.Join(folder, "good", "2"), options)
	require.ErrorIs(t, err, onnx.ErrCorrupt, "nothing is left to serve")
	require.Empty(t, faults)
}

func TestCloseUnloads(t *testing.T) {
	folder := t.TempDir()
	put(t, folder, "m/1/model.onnx", adding(t, 1))
	r, err := repository.Open(t.Context(), orttest.Open(t), folder, repository.Options{})
	require.NoError(t, err)
	m, err := r.Get("m", "1")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = m.Session.Run(t.Context(), []models.Tensor{models.FromFloat32s("x", []int64{1}, []float32{0})}, nil)
	require.ErrorIs(t, err, ort.ErrClosed)
}

func TestEveryRealModelLoads(t *testing.T) {
	r, err := open(t, orttest.RealModels(t), repository.Options{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(r.Index()), 6)
	for _, m := range r.Index() {
		require.NotEmpty(t, m.Session.Inputs(), m.Name)
		require.NotEmpty(t, m.Session.Outputs(), m.Name)
		t.Log(m.Name, m.Session.Inputs(), m.Session.Outputs())
	}
}
