package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/models"
)

func TestRecordingsFillTheirRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewGenerator(models.FixedSeed(Name, "test", rapid.Uint64().Draw(t, "seed")))
		c := g.Next()
		require.Len(t, c.Samples, Length)
		require.Less(t, c.Label, Classes)
		peak := 0.0
		for _, s := range c.Samples {
			peak = max(peak, math.Abs(float64(s)))
		}
		require.GreaterOrEqual(t, peak, minLevel*fullScale-1)
		require.LessOrEqual(t, peak, maxLevel*fullScale)
	})
}

// Every word is spelt with known sounds, has a twin of the same syllables in the other order, and fits when the slowest
// speaker says it.
func TestWords(t *testing.T) {
	words, known := map[string]bool{}, sounds()
	for _, word := range Labels() {
		words[word] = true
	}
	require.Len(t, words, Classes)
	for word := range words {
		require.Len(t, word, 4)
		require.True(t, words[word[2:]+word[:2]], "the twin of %s", word)
		slowest := 0.0
		for i := range word {
			require.Contains(t, known, word[i])
			slowest += known[word[i]].length * maxSlowness * (1 + maxDrawl) * Rate
		}
		require.Less(t, slowest, float64(Length))
	}
}

// The same voice saying "sa" and "mi" differs as the mouth does: the power lies where the sounds have their resonances.
func TestSoundsHaveTheirFormants(t *testing.T) {
	for _, c := range []struct {
		sound     byte
		near, far float64 // Hz
	}{
		{'a', 730, 2000}, {'i', 2290, 1000}, {'i', 270, 1300}, {'u', 300, 1600}, {'o', 570, 1700}, {'s', 3300, 700},
	} {
		var mouth tract
		mouth.toward(sounds()[c.sound], 1)
		g := NewGenerator(models.FixedSeed(Name, "test", 1))
		samples := make([]float64, Length)
		for i := range samples {
			noise := g.random.NormFloat64() // as a whisper, whose power shows the resonances alone
			samples[i] = mouth.sing(noise, noise)
		}
		require.Greater(t, power(samples, c.near), 3*power(samples, c.far), "%c at %v Hz against %v Hz", c.sound, c.near, c.far)
	}
}

// power is what samples hold within 60 Hz of a frequency.
func power(samples []float64, frequency float64) float64 {
	sum := 0.0
	for f := frequency - 60; f <= frequency+60; f += 4 {
		var re, im float64
		for i, s := range samples {
			sin, cos := math.Sincos(2 * math.Pi * f * float64(i) / Rate)
			re, im = re+s*cos, im+s*sin
		}
		sum += re*re + im*im
	}
	return sum
}

func TestMixKeepsTheRatio(t *testing.T) {
	g := NewGenerator(models.FixedSeed(Name, "test", 1))
	word := g.speak("sami")
	noisy := append([]float64(nil), word...)
	mix(noisy, g.noise(), 2)
	noise := make([]float64, len(word))
	for i := range noise {
		noise[i] = noisy[i] - word[i]
	}
	require.InDelta(t, 2, deviation(word)/deviation(noise), 1e-9)
}

func TestTensor(t *testing.T) {
	loud := make([]int16, Length)
	loud[0], loud[1] = math.MinInt16, 1<<14
	x, err := Tensor(make([]int16, Length), loud)
	require.NoError(t, err)
	require.NoError(t, x.ValidateAs(Task().Inputs[0], models.Limits{}))
	values, err := x.Float32s()
	require.NoError(t, err)
	require.Equal(t, []float32{0, -1, 0.5, 0}, values[Length-1:Length+3])
	_, err = Tensor()
	require.ErrorIs(t, err, ErrSamples)
	_, err = Tensor(loud, loud[1:])
	require.ErrorIs(t, err, ErrSamples)
	require.ErrorContains(t, err, "recording 1 has 3999 samples")
}

func TestWAV(t *testing.T) {
	samples := NewGenerator(models.FixedSeed(Name, "test", 1)).Next().Samples
	var file bytes.Buffer
	require.NoError(t, WriteWAV(&file, samples))
	data := file.Bytes()
	require.Equal(t, "RIFF", string(data[:4]))
	require.Equal(t, uint32(len(data)-8), binary.LittleEndian.Uint32(data[4:]))
	require.Equal(t, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data", string(data[8:40]))
	require.Equal(t, uint32(2*Length), binary.LittleEndian.Uint32(data[40:]))
	got := make([]int16, Length)
	_, err := binary.Decode(data[44:], binary.LittleEndian, got)
	require.NoError(t, err)
	require.Equal(t, samples, got)
	require.ErrorIs(t, WriteWAV(full{}, samples), errFull)
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func BenchmarkNext(b *testing.B) {
	g := NewGenerator(models.FixedSeed(Name, "test", 1))
	for b.Loop() {
		g.Next()
	}
}
