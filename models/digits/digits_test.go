package digits_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
)

func newDrawer(t testing.TB) *digits.Drawer {
	t.Helper()
	d, err := digits.NewDrawer()
	require.NoError(t, err)
	return d
}

func TestTheSameSeedDrawsTheSameChallenges(t *testing.T) {
	d := newDrawer(t)
	first, second := d.Generator(digits.FixedSeed("test", 1)), newDrawer(t).Generator(digits.FixedSeed("test", 1))
	other := d.Generator(digits.FixedSeed("test", 2))
	differ := 0
	for range 50 {
		a, b, c := first.Next(), second.Next(), other.Next()
		require.Equal(t, a, b)
		if !bytes.Equal(a.Image.Pix, c.Image.Pix) {
			differ++
		}
	}
	require.Equal(t, 50, differ)
	require.NotEqual(t, digits.FixedSeed("test", 1), digits.FixedSeed("training", 1))
	one, err := digits.RandomSeed()
	require.NoError(t, err)
	two, err := digits.RandomSeed()
	require.NoError(t, err)
	require.NotEqual(t, one, two)
}

func TestChallengesAreEvenlySpreadAndNeverTheSame(t *testing.T) {
	g := newDrawer(t).Generator(digits.FixedSeed("test", 3))
	const n = 5000
	var counts [digits.Classes]int
	seen := map[string]bool{}
	for range n {
		c := g.Next()
		require.Equal(t, image.Rect(0, 0, digits.Size, digits.Size), c.Image.Bounds())
		counts[c.Label]++
		seen[string(c.Image.Pix)] = true
		low, high := slices.Min(c.Image.Pix), slices.Max(c.Image.Pix)
		require.Greater(t, int(high)-int(low), 40, "something is to be seen")
	}
	require.Len(t, seen, n)
	for digit, count := range counts {
		require.InDelta(t, n/10, count, 6*math.Sqrt(n*0.09), "digit %d", digit) // six standard deviations
	}
}

func TestTensor(t *testing.T) {
	black, white := image.NewGray(image.Rect(0, 0, 28, 28)), image.NewGray(image.Rect(5, 5, 33, 33))
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	white.SetGray(5, 5, color.Gray{Y: 51})
	x, err := digits.Tensor(black, white)
	require.NoError(t, err)
	require.NoError(t, x.ValidateAs(digits.Task().Inputs[0], models.Limits{}))
	require.Equal(t, []int64{2, 1, 28, 28}, x.Shape)
	values, err := x.Float32s()
	require.NoError(t, err)
	require.Equal(t, float32(0), values[783])
	require.Equal(t, float32(0.2), values[784])
	require.Equal(t, float32(1), values[785])

	part := white.SubImage(image.Rect(6, 6, 33, 33)).(*image.Gray)
	_, err = digits.Tensor(black, part)
	require.ErrorIs(t, err, digits.ErrImage)
	require.ErrorContains(t, err, "image 1 is 27 by 27")
	_, err = digits.Tensor()
	require.ErrorIs(t, err, digits.ErrImage)
}

func TestAnswers(t *testing.T) {
	row := func(edit func([]float32)) models.Tensor {
		p := []float32{0.01, 0.02, 0.03, 0.5, 0.04, 0.1, 0.1, 0.1, 0.05, 0.05}
		edit(p)
		return models.FromFloat32s("probabilities", []int64{1, 10}, p)
	}
	nan := float32(math.NaN())
	for _, c := range []struct {
		name   string
		output models.Tensor
		says   string // empty: good
	}{
		{"good", row(func([]float32) {}), ""},
		{"any name", models.Tensor{Name: "other", Datatype: models.FP32, Shape: []int64{0, 10}}, ""},
		{"NaN", row(func(p []float32) { p[2] = nan }), "row 0: the probability of 2 is NaN"},
		{"infinite", row(func(p []float32) { p[2] = float32(math.Inf(1)) }), "+Inf"},
		{"negative", row(func(p []float32) { p[2] = -0.01 }), "-0.01"},
		{"above 1", row(func(p []float32) { p[2] = 7 }), "of 2 is 7"},
		{"sum", row(func(p []float32) { p[2] = 0.2 }), "add up to 1.17"},
		{"all zero", row(func(p []float32) { clear(p) }), "add up to 0"},
		{"shape", models.FromFloat32s("probabilities", []int64{10}, make([]float32, 10)), "want [-1 10], got [10]"},
		{"datatype", models.Tensor{Datatype: models.FP64, Shape: []int64{1, 10}, Data: make([]byte, 80)}, "FP64"},
		{"bytes", models.Tensor{Datatype: models.FP32, Shape: []int64{1, 10}, Data: make([]byte, 39)}, "got 39"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers, err := digits.Answers(c.output)
			if c.says != "" {
				require.ErrorIs(t, err, digits.ErrAnswer)
				require.ErrorContains(t, err, c.says)
				return
			}
			require.NoError(t, err)
			for _, a := range answers {
				require.Equal(t, 3, a.Label)
				require.Equal(t, float32(0.5), a.Confidence)
				require.InDelta(t, math.Ln2, a.Loss(3), 1e-6)
				require.Greater(t, a.Loss(0), a.Loss(1))
			}
		})
	}
	certain := digits.Answer{Probabilities: [10]float32{1}}
	require.Zero(t, certain.Loss(0))
	require.InDelta(t, 16, certain.Loss(1), 1e-9, "bounded")
}

func TestDecodeKeepsAChallengeAsItIs(t *testing.T) {
	g := newDrawer(t).Generator(digits.FixedSeed("test", 4))
	for range 300 {
		c := g.Next()
		got, err := digits.Decode(encode(t, c.Image), digits.DecodeLimits{})
		require.NoError(t, err)
		require.Equal(t, c.Image.Pix, got.Pix)
	}
}

// bar paints a vertical bar, a "1" as a person might draw it, off the middle of a large picture.
func bar(paper, ink color.Color) *image.NRGBA {
	picture := image.NewNRGBA(image.Rect(0, 0, 300, 200))
	draw.Draw(picture, picture.Rect, image.NewUniform(paper), image.Point{}, draw.Src)
	draw.Draw(picture, image.Rect(20, 50, 40, 150), image.NewUniform(ink), image.Point{}, draw.Src)
	return picture
}

func TestDecodeNormalizesWhatPeopleBring(t *testing.T) {
	for _, c := range []struct {
		name       string
		paper, ink color.Color
	}{
		{"black on white", color.White, color.Black},
		{"white on black", color.Black, color.White},
		{"pale grey on white", color.White, color.Gray{Y: 200}},
		{"blue on yellow", color.RGBA{255, 255, 0, 255}, color.RGBA{0, 0, 128, 255}},
		{"black on nothing", color.Transparent, color.Black},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := digits.Decode(encode(t, bar(c.paper, c.ink)), digits.DecodeLimits{})
			require.NoError(t, err)
			require.Equal(t, image.Rect(0, 0, 28, 28), got.Bounds())
			require.Greater(t, got.GrayAt(13, 14).Y, uint8(200), "ink in the middle")
			require.Greater(t, got.GrayAt(14, 6).Y, uint8(120), "20 pixels high")
			require.Less(t, got.GrayAt(14, 2).Y, uint8(10))
			require.Less(t, got.GrayAt(8, 14).Y, uint8(10), "paper beside it")
			require.Less(t, got.GrayAt(0, 0).Y, uint8(10))
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	blank := image.NewGray(image.Rect(0, 0, 50, 50))
	good := encode(t, bar(color.White, color.Black)).Bytes()
	for _, c := range []struct {
		name   string
		data   []byte
		limits digits.DecodeLimits
		says   string
	}{
		{"nothing", nil, digits.DecodeLimits{}, "PNG or JPEG"},
		{"text", []byte("hello"), digits.DecodeLimits{}, "PNG or JPEG"},
		{"truncated", good[:len(good)/2], digits.DecodeLimits{}, "not enough pixel data"},
		{"blank", encode(t, blank).Bytes(), digits.DecodeLimits{}, "one brightness"},
		{"large file", good, digits.DecodeLimits{MaxBytes: 100}, "more than 100 bytes"},
		{"large picture", good, digits.DecodeLimits{MaxPixels: 59_999}, "300 by 200"},
		{"a bomb", bomb(good), digits.DecodeLimits{}, "at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := digits.Decode(bytes.NewReader(c.data), c.limits)
			require.ErrorIs(t, err, digits.ErrImage)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// bomb makes a PNG claim to be a million pixels across and down.
func bomb(data []byte) []byte {
	data = bytes.Clone(data)
	binary.BigEndian.PutUint32(data[16:], 1_000_000)
	binary.BigEndian.PutUint32(data[20:], 1_000_000)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, bar(color.White, color.Black)).Bytes())
	f.Add(encode(f, image.NewPaletted(image.Rect(0, 0, 3, 5), color.Palette{color.White, color.Black})).Bytes())
	var jpg bytes.Buffer
	require.NoError(f, jpeg.Encode(&jpg, bar(color.White, color.Black), nil))
	f.Add(jpg.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := digits.Decode(bytes.NewReader(data), digits.DecodeLimits{MaxPixels: 1 << 16})
		if err != nil {
			return
		}
		if _, err := digits.Tensor(img); err != nil {
			t.Fatal(err)
		}
	})
}

func TestContactSheet(t *testing.T) {
	g := newDrawer(t).Generator(digits.FixedSeed("test", 5))
	var challenges []digits.Challenge
	for range 7 {
		challenges = append(challenges, g.Next())
	}
	sheet := digits.ContactSheet(challenges, 3)
	require.Equal(t, image.Pt(3*60+4, 3*72+4), sheet.Bounds().Size())
	require.Equal(t, challenges[0].Image.GrayAt(0, 0), sheet.GrayAt(4, 4))
	require.Equal(t, challenges[4].Image.GrayAt(27, 27), sheet.GrayAt(4+60+55, 4+72+55))
	require.Equal(t, image.Pt(60+4, 72+4), digits.ContactSheet(challenges[:1], 100).Bounds().Size())
}

func encode(t testing.TB, img image.Image) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, img))
	return &out
}

func BenchmarkNext(b *testing.B) {
	g := newDrawer(b).Generator(digits.FixedSeed("test", 1))
	for b.Loop() {
		g.Next()
	}
}

func BenchmarkNewDrawer(b *testing.B) {
	for b.Loop() {
		newDrawer(b)
	}
}
