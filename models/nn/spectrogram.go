package nn

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/models/onnx"
)

// Spectrogram turns a line of samples into the logarithm of its power in so many bands of pitch, one channel each, for
// every window of samples (Hann), moved by hop. The bands are as wide as the ear's: evenly spaced below about a sixth of
// the highest frequency, and by ratio above (the mel scale at 8 kHz; Stevens, Volkmann and Newman 1937). It has no
// weights, and may only come before layers that have.
func Spectrogram(size, hop, bands int) Layer {
	return Layer{build: func(in Shape, _ *rand.Rand) (stage, error) {
		if in.Channels != 1 || in.Height != 1 || size < 4 || bands < 1 {
			return nil, errors.New("a spectrogram needs one line of samples, a window of 4 or more and a band or more")
		}
		bins := size/2 - 1
		fourier, err := newConv(in, 2*bins, along(size, hop), nil)
		if err != nil {
			return nil, err
		}
		fourier.kernel.value = fourierKernel(size, bins)
		sums, err := newConv(fourier.out, bands, along(1, 1), nil)
		if err != nil {
			return nil, err
		}
		sums.kernel.value = bandKernel(bins, bands)
		return &spectrogram{fourier: fourier, sums: sums}, nil
	}}
}

// powerFloor keeps the logarithm of silence finite; samples are taken to be of variance 1 or so.
const powerFloor = 1e-3

type spectrogram struct{ fourier, sums *conv }

func (s *spectrogram) output() Shape                            { return s.sums.out }
func (s *spectrogram) weights() []*weight                       { return nil }
func (s *spectrogram) backward(*activations, bool) *activations { return nil }

func (s *spectrogram) forward(x *activations) *activations {
	waves := s.fourier.forward(x)
	for i, v := range waves.data {
		waves.data[i] = v * v
	}
	y := s.sums.forward(waves)
	for i, v := range y.data {
		y.data[i] = float32(math.Log(float64(v + powerFloor)))
	}
	return y
}

func (s *spectrogram) export(b *onnx.Builder, name, in string) string {
	waves := s.fourier.export(b, name+".waves", in)
	b.Node("Mul", []string{waves, waves}, []string{name + ".squares"})
	power := s.sums.export(b, name+".power", name+".squares")
	b.Floats(name+".floor", nil, []float32{powerFloor})
	b.Node("Add", []string{power, name + ".floor"}, []string{name + ".floored"})
	b.Node("Log", []string{name + ".floored"}, []string{name})
	return name
}

// fourierKernel returns a row for the cosine and one for the sine of each frequency, 1 to bins waves per window.
func fourierKernel(size, bins int) []float32 {
	rows := make([]float32, 2*bins*size)
	for bin := range bins {
		for i := range size {
			hann := (1 - math.Cos(2*math.Pi*float64(i)/float64(size))) / math.Sqrt(float64(size))
			angle := 2 * math.Pi * float64((bin+1)*i) / float64(size)
			rows[2*bin*size+i] = float32(hann * math.Cos(angle))
			rows[(2*bin+1)*size+i] = float32(hann * math.Sin(angle))
		}
	}
	return rows
}

// bandKernel returns a row for each band: how much of each frequency's cosine and sine it counts, a triangle around the
// band's middle that is at least a frequency wide either way.
func bandKernel(bins, bands int) []float32 {
	const bend = 700.0 / 4000 // of the highest frequency, where even steps turn into ratios
	scale := func(f float64) float64 { return math.Log1p(f / bend) }
	back := func(s float64) float64 { return bend * math.Expm1(s) * float64(bins+1) }
	step := scale(1) / float64(bands+1)
	rows := make([]float32, bands*2*bins)
	for band := range bands {
		low, middle, high := back(step*float64(band)), back(step*float64(band+1)), back(step*float64(band+2))
		low, high = min(low, middle-1), max(high, middle+1)
		for bin := range bins {
			f := float64(bin + 1)
			share := float32(max(0, min((f-low)/(middle-low), (high-f)/(high-middle))))
			rows[(band*bins+bin)*2], rows[(band*bins+bin)*2+1] = share, share
		}
	}
	return rows
}
