package ort_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/onnx"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/ort/orttest"
)

// model returns the file that build describes.
func model(t testing.TB, build func(b *onnx.Builder)) []byte {
	t.Helper()
	b := onnx.NewBuilder("test")
	build(b)
	data, err := b.Bytes()
	require.NoError(t, err)
	return data
}

// identity gives back what it takes. A nil outShape declares no shape at all.
func identity(t testing.TB, datatype models.Datatype, inShape, outShape []int64) []byte {
	return model(t, func(b *onnx.Builder) {
		b.Input("x", datatype, inShape...)
		b.Node("Identity", []string{"x"}, []string{"y"})
		if outShape == nil {
			b.OutputOfAnyRank("y", datatype)
			return
		}
		b.Output("y", datatype, outShape...)
	})
}

// contents returns n elements of a datatype, with whatever is special about it among them.
func contents(datatype models.Datatype, n int) []byte {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	switch datatype {
	case models.BYTES:
		texts := make([]string, n)
		for i := range texts {
			texts[i] = []string{"", "plexus", "naïve ✓", string(bytes.Repeat([]byte{'x'}, 300))}[i%4]
		}
		return models.FromStrings("", nil, texts).Data
	case models.BOOL:
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(random.IntN(2))
		}
		return data
	}
	data := make([]byte, n*datatype.Size())
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	if datatype == models.FP16 || datatype == models.BF16 {
		for i := 0; i < len(data); i += 2 {
			binary.LittleEndian.PutUint16(data[i:], finite16(datatype, binary.LittleEndian.Uint16(data[i:])))
		}
	}
	return data
}

// finite16 replaces NaNs, whose payload a conversion may change, by infinity.
func finite16(datatype models.Datatype, bits uint16) uint16 {
	exponent := map[models.Datatype]uint16{models.FP16: 0x7c00, models.BF16: 0x7f80}[datatype]
	if bits&exponent == exponent {
		return bits & (0x8000 | exponent)
	}
	return bits
}

func TestEveryDatatypeAndRankComesBackBitForBit(t *testing.T) {
	rt := orttest.Open(t)
	for _, datatype := range models.Datatypes() {
		for _, shape := range [][]int64{{}, {1}, {7}, {2, 3, 4}, {0}, {3, 0, 2}} {
			for _, declared := range []string{"declared", "free", "open"} {
				t.Run(fmt.Sprintf("%s%v %s", datatype, shape, declared), func(t *testing.T) {
					inShape, outShape := shape, shape
					switch declared {
					case "free":
						inShape = anyOf(shape)
						outShape = inShape
					case "open":
						outShape = nil
					}
					session, err := rt.Load(t.Context(), identity(t, datatype, inShape, outShape), ort.Options{})
					require.NoError(t, err)
					defer func() { require.NoError(t, session.Close()) }()
					elements, err := models.Elements(shape)
					require.NoError(t, err)
					in := models.Tensor{Name: "x", Datatype: datatype, Shape: shape, Data: contents(datatype, int(elements))}
					for range 2 { // the second time into memory of ours
						out, err := session.Run(t.Context(), []models.Tensor{in}, nil)
						require.NoError(t, err)
						require.Len(t, out, 1)
						require.Equal(t, models.Tensor{Name: "y", Datatype: datatype, Shape: shape, Data: append([]byte{}, in.Data...)}, out[0])
						require.NoError(t, out[0].Validate(models.Limits{}))
					}
				})
			}
		}
	}
}

func anyOf(shape []int64) []int64 {
	free := make([]int64, len(shape))
	for i := range free {
		free[i] = models.Any
	}
	return free
}

func TestOutputsMayChangeTheirShape(t *testing.T) {
	file := model(t, func(b *onnx.Builder) {
		b.Input("x", models.FP32, 4)
		b.Output("where", models.INT64, 1, models.Any)
		b.Output("x2", models.FP32, 4)
		b.Node("NonZero", []string{"x"}, []string{"where"})
		b.Node("Add", []string{"x", "x"}, []string{"x2"})
	})
	session, err := orttest.Open(t).Load(t.Context(), file, ort.Options{})
	require.NoError(t, err)
	defer session.Close()
	for _, x := range [][]float32{{1, 0, 1, 1}, {0, 2, 0, 2}, {1, 1, 1, 1}, {0, 0, 0, 0}, {0, 0, 0, 3}} {
		var where []int64
		double := make([]float32, len(x))
		for i, v := range x {
			if double[i] = v + v; v != 0 {
				where = append(where, int64(i))
			}
		}
		for range 2 {
			out, err := session.Run(t.Context(), []models.Tensor{models.FromFloat32s("x", []int64{4}, x)}, nil)
			require.NoError(t, err)
			require.Equal(t, []int64{1, int64(len(where))}, out[0].Shape)
			for i, at := range where {
				require.EqualValues(t, at, binary.LittleEndian.Uint64(out[0].Data[8*i:]))
			}
			got, err := out[1].Float32s()
			require.NoError(t, err)
			require.Equal(t, double, got)
		}
	}
}

func TestOutputsMayBeInputsConstantsAndEachOther(t *testing.T) {
	file := model(t, func(b *onnx.Builder) {
		b.Input("x", models.FP32, models.Any, 2)
		b.Floats("constant", []int64{3}, []float32{1, 2, 3})
		b.Output("constant", models.FP32, 3)
		b.Node("Identity", []string{"x"}, []string{"same"})
		b.Output("same", models.FP32, models.Any, 2)
		b.Node("Tanh", []string{"x"}, []string{"t"})
		b.Node("Identity", []string{"t"}, []string{"again"})
		b.Output("t", models.FP32, models.Any, 2)
		b.Output("again", models.FP32, models.Any, 2)
	})
	session, err := orttest.Open(t).Load(t.Context(), file, ort.Options{})
	require.NoError(t, err)
	defer session.Close()
	for i := range 6 {
		x := []float32{float32(i), 0.5, -1, 2}
		tanh := make([]float32, len(x))
		for i, v := range x {
			tanh[i] = float32(math.Tanh(float64(v)))
		}
		out, err := session.Run(t.Context(), []models.Tensor{models.FromFloat32s("x", []int64{2, 2}, x)}, nil)
		require.NoError(t, err)
		for i, want := range [][]float32{{1, 2, 3}, x, tanh, tanh} {
			got, err := out[i].Float32s()
			require.NoError(t, err)
			require.InDeltaSlice(t, want, got, 1e-6, out[i].Name)
		}
		clear(out[0].Data) // the caller's own
	}
}

func TestEveryHalfFloatComesBackBitForBit(t *testing.T) {
	rt := orttest.Open(t)
	for _, datatype := range []models.Datatype{models.FP16, models.BF16} {
		session, err := rt.Load(t.Context(), identity(t, datatype, []int64{models.Any}, []int64{models.Any}), ort.Options{})
		require.NoError(t, err)
		var data []byte
		for bits := range 1 << 16 {
			data = binary.LittleEndian.AppendUint16(data, finite16(datatype, uint16(bits)))
		}
		out, err := session.Run(t.Context(), []models.Tensor{{Name: "x", Datatype: datatype, Shape: []int64{1 << 16}, Data: data}}, nil)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, out[0].Data), datatype)
		require.NoError(t, session.Close())
	}
}

func TestUnalignedInputIsRead(t *testing.T) {
	session := load(t, identity(t, models.FP64, []int64{models.Any}, []int64{models.Any}))
	message := make([]byte, 8*5+1)
	copy(message[1:], contents(models.FP64, 5))
	out, err := session.Run(t.Context(), []models.Tensor{{Name: "x", Datatype: models.FP64, Shape: []int64{5}, Data: message[1:]}}, nil)
	require.NoError(t, err)
	require.Equal(t, message[1:], out[0].Data)
}

// sumAndProduct takes a and b and gives their sum and product.
func sumAndProduct(t testing.TB) []byte {
	return model(t, func(b *onnx.Builder) {
		b.Input("a", models.FP32, models.Any, 2)
		b.Input("b", models.FP32, models.Any, 2)
		b.Node("Add", []string{"a", "b"}, []string{"sum"})
		b.Node("Mul", []string{"a", "b"}, []string{"product"})
		b.Output("sum", models.FP32, models.Any, 2)
		b.Output("product", models.FP32, models.Any, 2)
	})
}

func TestOutputsAreThoseAskedForInThatOrder(t *testing.T) {
	session := load(t, sumAndProduct(t))
	a := models.FromFloat32s("a", []int64{1, 2}, []float32{2, 3})
	b := models.FromFloat32s("b", []int64{1, 2}, []float32{5, 7})
	for _, c := range []struct {
		name  string
		asked []string
		want  []string
	}{
		{"none means all", nil, []string{"sum", "product"}},
		{"one", []string{"product"}, []string{"product"}},
		{"the other way round", []string{"product", "sum"}, []string{"product", "sum"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := session.Run(t.Context(), []models.Tensor{b, a}, c.asked) // the inputs' order is free
			require.NoError(t, err)
			var names []string
			for _, o := range out {
				names = append(names, o.Name)
				values, err := o.Float32s()
				require.NoError(t, err)
				require.Equal(t, map[string][]float32{"sum": {7, 10}, "product": {10, 21}}[o.Name], values)
			}
			require.Equal(t, c.want, names)
		})
	}
	_, err := session.Run(t.Context(), []models.Tensor{a, b}, []string{"quotient"})
	require.ErrorIs(t, err, ort.ErrOutput)
	require.ErrorContains(t, err, `want one of "sum", "product", got "quotient"`)
	_, err = session.Run(t.Context(), []models.Tensor{a, b}, []string{"sum", "sum"})
	require.ErrorIs(t, err, ort.ErrOutput)
}

func TestWrongInputsAreNamed(t *testing.T) {
	session := load(t, sumAndProduct(t))
	a := models.FromFloat32s("a", []int64{1, 2}, []float32{2, 3})
	good := models.FromFloat32s("b", []int64{1, 2}, []float32{5, 7})
	change := func(edit func(*models.Tensor)) models.Tensor {
		x := good
		edit(&x)
		return x
	}
	for _, c := range []struct {
		name   string
		inputs []models.Tensor
		is     error
		tensor string
	}{
		{"missing", []models.Tensor{a}, models.ErrMissingTensor, "b"},
		{"none at all", nil, models.ErrMissingTensor, "a"},
		{"unknown", []models.Tensor{a, change(func(x *models.Tensor) { x.Name = "c" })}, models.ErrUnknownTensor, "c"},
		{"twice", []models.Tensor{a, a}, models.ErrDuplicate, "a"},
		{"datatype", []models.Tensor{a, change(func(x *models.Tensor) { x.Datatype = models.FP64 })}, models.ErrDatatype, "b"},
		{"rank", []models.Tensor{a, change(func(x *models.Tensor) { x.Shape = []int64{2} })}, models.ErrShape, "b"},
		{"fixed dimension", []models.Tensor{a, change(func(x *models.Tensor) { x.Shape = []int64{1, 3} })}, models.ErrShape, "b"},
		{"negative dimension", []models.Tensor{a, change(func(x *models.Tensor) { x.Shape = []int64{-1, 2} })}, models.ErrShape, "b"},
		{"short", []models.Tensor{a, change(func(x *models.Tensor) { x.Data = x.Data[:7] })}, models.ErrLength, "b"},
		{"huge shape", []models.Tensor{a, change(func(x *models.Tensor) { x.Shape = []int64{1 << 61, 2} })}, models.ErrTooLarge, "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := session.Run(t.Context(), c.inputs, nil)
			require.ErrorIs(t, err, c.is)
			var wrong *models.TensorError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, c.tensor, wrong.Tensor)
		})
	}
	t.Run("larger than the limit", func(t *testing.T) {
		small, err := orttest.Open(t).Load(t.Context(), sumAndProduct(t), ort.Options{Limits: models.Limits{MaxTensorBytes: 8}})
		require.NoError(t, err)
		defer func() { require.NoError(t, small.Close()) }()
		_, err = small.Run(t.Context(), []models.Tensor{a, good}, nil)
		require.NoError(t, err)
		_, err = small.Run(t.Context(), []models.Tensor{models.FromFloat32s("a", []int64{2, 2}, make([]float32, 4)), good}, nil)
		require.ErrorIs(t, err, models.ErrTooLarge)
	})
	t.Run("text with a zero byte", func(t *testing.T) {
		texts := load(t, identity(t, models.BYTES, []int64{models.Any}, []int64{models.Any}))
		_, err := texts.Run(t.Context(), []models.Tensor{models.FromStrings("x", []int64{2}, []string{"a", "b\x00c"})}, nil)
		require.ErrorIs(t, err, models.ErrValue)
		require.ErrorContains(t, err, "element 1")
	})
}

func TestAModelThatFailsOnItsValuesSaysWhy(t *testing.T) {
	session := load(t, model(t, func(b *onnx.Builder) {
		b.Input("x", models.FP32, models.Any)
		b.Input("shape", models.INT64, models.Any)
		b.Node("Reshape", []string{"x", "shape"}, []string{"y"})
		b.Output("y", models.FP32, models.Any)
	}))
	shape := models.Tensor{Name: "shape", Datatype: models.INT64, Shape: []int64{1}, Data: []byte{5, 0, 0, 0, 0, 0, 0, 0}}
	_, err := session.Run(t.Context(), []models.Tensor{models.FromFloat32s("x", []int64{4}, make([]float32, 4)), shape}, nil)
	require.ErrorIs(t, err, ort.ErrRun)
	require.ErrorContains(t, err, "Reshape")
	_, err = session.Run(t.Context(), []models.Tensor{models.FromFloat32s("x", []int64{5}, make([]float32, 5)), shape}, nil)
	require.NoError(t, err, "the session goes on")
}

// slow multiplies a matrix with itself so many times, one node each.
func slow(t testing.TB, nodes int) []byte {
	return model(t, func(b *onnx.Builder) {
		b.Input("x", models.FP32, models.Any, models.Any)
		value := "x"
		for i := range nodes {
			next := fmt.Sprintf("x%d", i)
			b.Node("MatMul", []string{value, "x"}, []string{next})
			value = next
		}
		b.Output(value, models.FP32, models.Any, models.Any)
	})
}

func square(n int) models.Tensor {
	return models.FromFloat32s("x", []int64{int64(n), int64(n)}, make([]float32, n*n))
}

func TestAContextStopsARun(t *testing.T) {
	session := load(t, slow(t, 1_000))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	started := time.Now()
	_, err := session.Run(ctx, []models.Tensor{square(512)}, nil)
	require.ErrorIs(t, err, context.Canceled)
	took := time.Since(started)
	t.Logf("stopped after %s", took)

	_, err = session.Run(ctx, []models.Tensor{square(2)}, nil)
	require.ErrorIs(t, err, context.Canceled, "not even begun")
	_, err = session.Run(t.Context(), []models.Tensor{square(2)}, nil)
	require.NoError(t, err, "the session goes on")
}

func TestConcurrentRunsDoNotDisturbEachOther(t *testing.T) {
	session := load(t, sumAndProduct(t))
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for i := range 200 {
				x, y := float32(worker), float32(i)
				out, err := session.Run(ctx, []models.Tensor{
					models.FromFloat32s("a", []int64{1, 2}, []float32{x, y}),
					models.FromFloat32s("b", []int64{1, 2}, []float32{y, x}),
				}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := out[0].Float32s()
				if err != nil || got[0] != x+y || got[1] != x+y {
					t.Errorf("%v + %v = %v, %v", x, y, got, err)
				}
			}
		})
	}
	group.Wait()
}

func TestCloseWaitsForRunsAndRefusesNewOnes(t *testing.T) {
	session, err := orttest.Open(t).Load(t.Context(), slow(t, 400), ort.Options{})
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				_, err := session.Run(t.Context(), []models.Tensor{square(64)}, nil)
				if err != nil {
					if !errorIsClosed(err) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, session.Close())
	require.NoError(t, session.Close(), "twice")
	group.Wait()
	_, err = session.Run(t.Context(), []models.Tensor{square(2)}, nil)
	require.ErrorIs(t, err, ort.ErrClosed)
}

func TestInputsAndOutputsAreTheCallersOwn(t *testing.T) {
	session := load(t, sumAndProduct(t))
	a := models.FromFloat32s("a", []int64{1, 2}, []float32{1, 2})
	first, err := session.Run(t.Context(), []models.Tensor{a, {Name: "b", Datatype: models.FP32, Shape: []int64{1, 2}, Data: a.Data}}, nil)
	require.NoError(t, err)
	kept := bytes.Clone(first[0].Data)
	clear(a.Data)
	_, err = session.Run(t.Context(), []models.Tensor{a, {Name: "b", Datatype: models.FP32, Shape: []int64{1, 2}, Data: a.Data}}, nil)
	require.NoError(t, err)
	require.Equal(t, kept, first[0].Data)
}

func FuzzRunNeverCrashes(f *testing.F) {
	session := load(f, sumAndProduct(f))
	f.Add("a", "FP32", int64(1), int64(2), []byte("12345678"))
	f.Add("b", "BYTES", int64(-1), int64(math.MaxInt64), []byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, name, datatype string, rows, columns int64, data []byte) {
		x := models.Tensor{Name: name, Datatype: models.Datatype(datatype), Shape: []int64{rows, columns}, Data: data}
		b := x
		b.Name = "b"
		out, err := session.Run(t.Context(), []models.Tensor{x, b}, nil)
		if err == nil && len(out) != 2 {
			t.Fatalf("%d outputs", len(out))
		}
	})
}
