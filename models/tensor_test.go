package models_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/models"
)

func TestDatatypes(t *testing.T) {
	sizes := map[models.Datatype]int{
		"BOOL": 1, "UINT8": 1, "INT8": 1, "UINT16": 2, "INT16": 2, "FP16": 2, "BF16": 2,
		"UINT32": 4, "INT32": 4, "FP32": 4, "UINT64": 8, "INT64": 8, "FP64": 8, "BYTES": 0,
	}
	require.Len(t, models.Datatypes(), len(sizes))
	for _, d := range models.Datatypes() {
		require.True(t, d.Valid(), d)
		require.Equal(t, sizes[d], d.Size(), d)
		parsed, err := models.ParseDatatype(string(d))
		require.NoError(t, err)
		require.Equal(t, d, parsed)
	}
	for _, name := range []string{"", "fp32", "FLOAT", "COMPLEX64"} {
		require.False(t, models.Datatype(name).Valid(), name)
		_, err := models.ParseDatatype(name)
		require.ErrorIs(t, err, models.ErrDatatype, name)
	}
}

func TestElements(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape []int64
		want  int64
		fails bool
	}{
		{"scalar", nil, 1, false},
		{"vector", []int64{5}, 5, false},
		{"cube", []int64{2, 3, 4}, 24, false},
		{"empty", []int64{2, 0}, 0, false},
		{"empty, whatever the rest", []int64{math.MaxInt64, math.MaxInt64, 0}, 0, false},
		{"the largest", []int64{math.MaxInt64}, math.MaxInt64, false},
		{"2^63", []int64{1 << 62, 2}, 0, true},
		{"wraps to 0", []int64{1 << 32, 1 << 32}, 0, true},
		{"wraps to a small number", []int64{1<<33 + 1, 1 << 31, 1 << 31}, 0, true},
		{"negative", []int64{-1}, 0, true},
		{"negative beside empty", []int64{-1, 0}, 0, true},
		{"two negatives", []int64{-2, -3}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := models.Elements(c.shape)
			require.Equal(t, c.fails, err != nil)
			require.Equal(t, c.want, got)
		})
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		tensor models.Tensor
		limits models.Limits
		is     error
		says   string
	}{
		{"good", models.FromFloat32s("x", []int64{2}, []float32{1, 2}), models.Limits{}, nil, ""},
		{"good scalar", models.Tensor{Datatype: models.INT64, Data: make([]byte, 8)}, models.Limits{}, nil, ""},
		{"good and empty", models.Tensor{Datatype: models.INT64, Shape: []int64{0, 3}}, models.Limits{}, nil, ""},
		{"good text", models.FromStrings("x", []int64{2}, []string{"", "ü"}), models.Limits{}, nil, ""},
		{"datatype", models.Tensor{Datatype: "FLOAT"}, models.Limits{}, models.ErrDatatype, `got "FLOAT"`},
		{"overflow", models.Tensor{Datatype: models.INT8, Shape: []int64{1 << 62, 4}}, models.Limits{}, models.ErrShape, "[4611686018427387904 4]"},
		{"overflow in bytes", models.Tensor{Datatype: models.INT64, Shape: []int64{1 << 61}}, models.Limits{}, models.ErrTooLarge, "shape"},
		{"too many bytes", models.Tensor{Datatype: models.INT8, Shape: []int64{9}, Data: make([]byte, 9)}, models.Limits{MaxTensorBytes: 8}, models.ErrTooLarge, "at most 8 bytes, got 9 bytes"},
		{"too many dimensions", models.Tensor{Datatype: models.INT8, Shape: make([]int64, 17)}, models.Limits{}, models.ErrShape, "at most 16 dimensions, got 17"},
		{"short", models.Tensor{Datatype: models.FP32, Shape: []int64{2}, Data: make([]byte, 7)}, models.Limits{}, models.ErrLength, "want 8 bytes for FP32[2], got 7"},
		{"long", models.Tensor{Datatype: models.FP32, Shape: []int64{2}, Data: make([]byte, 9)}, models.Limits{}, models.ErrLength, "got 9"},
		{"bool of 2", models.Tensor{Datatype: models.BOOL, Shape: []int64{3}, Data: []byte{0, 1, 2}}, models.Limits{}, models.ErrValue, "2 at element 2"},
		{"text cut in a length", models.Tensor{Datatype: models.BYTES, Shape: []int64{1}, Data: []byte{1, 0}}, models.Limits{}, models.ErrLength, "at least 4 bytes"},
		{"text cut in a string", models.Tensor{Datatype: models.BYTES, Shape: []int64{1}, Data: []byte{3, 0, 0, 0, 'a', 'b'}}, models.Limits{}, models.ErrLength, "want 3 bytes for element 0, got 2 bytes left"},
		{"text with more after it", models.Tensor{Datatype: models.BYTES, Shape: []int64{1}, Data: []byte{0, 0, 0, 0, 0}}, models.Limits{}, models.ErrLength, "1 bytes after them"},
		{"text of a huge shape", models.Tensor{Datatype: models.BYTES, Shape: []int64{math.MaxInt64}, Data: make([]byte, 64)}, models.Limits{}, models.ErrLength, "9223372036854775807"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.tensor.Name = "x"
			err := c.tensor.Validate(c.limits)
			if c.is == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.is)
			require.ErrorContains(t, err, `tensor "x"`)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestSpecs(t *testing.T) {
	image := models.TensorSpec{Name: "image", Datatype: models.FP32, Shape: []int64{models.Any, 1, 28, 28}}
	require.Equal(t, "image FP32[-1 1 28 28]", image.String())
	require.True(t, image.Accepts([]int64{7, 1, 28, 28}))
	require.False(t, image.Accepts([]int64{7, 1, 28, 27}))
	require.False(t, image.Accepts([]int64{1, 28, 28}))

	scalar := models.TensorSpec{Name: "s", Datatype: models.INT64, Shape: []int64{}}
	require.Equal(t, "s INT64[]", scalar.String())
	require.True(t, scalar.Accepts(nil))
	require.False(t, scalar.Accepts([]int64{1}))

	open := models.TensorSpec{Name: "o", Datatype: models.INT64}
	require.Equal(t, "o INT64[...]", open.String())
	require.True(t, open.Accepts([]int64{1, 2, 3}))
}

func TestTaskServes(t *testing.T) {
	task := models.Task{
		Inputs:  []models.TensorSpec{{Name: "in", Datatype: models.FP32, Shape: []int64{models.Any, 2}}},
		Outputs: []models.TensorSpec{{Name: "out", Datatype: models.FP32, Shape: []int64{models.Any, 3}}},
	}
	in := func(shape ...int64) []models.TensorSpec {
		return []models.TensorSpec{{Name: "in", Datatype: models.FP32, Shape: shape}}
	}
	out := []models.TensorSpec{{Name: "more", Datatype: models.INT64}, {Name: "out", Datatype: models.FP32}}
	require.True(t, task.Serves(in(models.Any, 2), out))
	require.True(t, task.Serves(in(1, 2), out), "a fixed batch is a batch")
	require.True(t, task.Serves(in(models.Any, models.Any), out))
	require.False(t, task.Serves(in(1, 3), out))
	require.False(t, task.Serves(in(2), out))
	require.False(t, task.Serves(append(in(1, 2), models.TensorSpec{Name: "needed"}), out))
	require.False(t, task.Serves(in(1, 2), out[:1]))
	require.False(t, task.Serves([]models.TensorSpec{{Name: "in", Datatype: models.FP64, Shape: []int64{1, 2}}}, out))
}

func TestStringsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(rapid.String()).Draw(t, "texts")
		tensor := models.FromStrings("x", []int64{int64(len(texts))}, texts)
		if err := tensor.Validate(models.Limits{}); err != nil {
			t.Fatal(err)
		}
		got, err := tensor.Strings()
		if err != nil || len(got) != len(texts) {
			t.Fatalf("%q became %q, %v", texts, got, err)
		}
		for i := range texts {
			if got[i] != texts[i] {
				t.Fatalf("%q became %q", texts[i], got[i])
			}
		}
	})
}

func TestFloat32sKeepTheirBits(t *testing.T) {
	want := []float32{0, float32(math.Copysign(0, -1)), 1.5, math.SmallestNonzeroFloat32, math.MaxFloat32, float32(math.Inf(-1))}
	got, err := models.FromFloat32s("x", []int64{6}, want).Float32s()
	require.NoError(t, err)
	for i := range want {
		require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]))
	}
	_, err = models.Tensor{Name: "x", Datatype: models.FP64}.Float32s()
	require.ErrorIs(t, err, models.ErrDatatype)
	_, err = models.Tensor{Name: "x", Datatype: models.FP32, Data: make([]byte, 3)}.Float32s()
	require.ErrorIs(t, err, models.ErrLength)
	_, err = models.Tensor{Name: "x", Datatype: models.FP32}.Strings()
	require.ErrorIs(t, err, models.ErrDatatype)
}

// FuzzValidate states what validation promises: what it passes can be read without looking further.
func FuzzValidate(f *testing.F) {
	f.Add("FP32", int64(2), int64(3), make([]byte, 24))
	f.Add("BYTES", int64(1), int64(1), []byte{1, 0, 0, 0, 'a'})
	f.Add("BOOL", int64(-1), int64(math.MaxInt64), []byte{2})
	f.Fuzz(func(t *testing.T, datatype string, a, b int64, data []byte) {
		x := models.Tensor{Name: "x", Datatype: models.Datatype(datatype), Shape: []int64{a, b}, Data: data}
		err := x.Validate(models.Limits{MaxTensorBytes: 1 << 20})
		if err != nil {
			if !errors.As(err, new(*models.TensorError)) {
				t.Fatalf("%T", err)
			}
			return
		}
		elements, err := models.Elements(x.Shape)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		if x.Datatype == models.BYTES {
			texts, err := x.Strings()
			if err != nil || int64(len(texts)) != elements {
				t.Fatal(len(texts), elements, err)
			}
			for _, text := range texts {
				size += 4 + len(text)
			}
		} else {
			size = int(elements) * x.Datatype.Size()
		}
		if size != len(data) {
			t.Fatalf("%d bytes passed as %d", len(data), size)
		}
	})
}
