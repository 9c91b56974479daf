package audio

import (
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/models"
)

// Generator synthesises one challenge after the other. It is not safe for concurrent use; make one per goroutine.
type Generator struct {
	random *rand.Rand
	words  []string
	sounds map[byte]sound
}

// NewGenerator returns a generator that starts from seed.
func NewGenerator(seed models.Seed) *Generator {
	return &Generator{random: rand.New(rand.NewChaCha8(seed)), words: Labels(), sounds: sounds()}
}

// How far speakers and rooms differ. Each challenge draws its own from these ranges.
const (
	minPitch    = 85.0 // Hz
	maxPitch    = 260.0
	maxGlide    = 0.2  // change of the pitch along the word, of itself
	minHead     = 0.85 // formants against those of the table
	maxHead     = 1.18
	maxAccent   = 0.08 // formants of one sound, either way
	minSlowness = 0.75 // lengths against those of the table
	maxSlowness = 1.1
	maxDrawl    = 0.2  // length of one sound, either way
	maxBreath   = 0.15 // hiss within the voice
	maxEcho     = 0.5  // of the sound before
	maxEchoTime = 0.05 // seconds
	minSignal   = -3.0 // dB of the word above the noise
	maxSignal   = 15.0
	maxTones    = 2   // hums and whistles among the noise
	minLevel    = 0.1 // of the loudest sample, against full scale
	maxLevel    = 0.95
)

// Next synthesises a challenge. Its samples belong to the caller.
func (g *Generator) Next() Challenge {
	label := g.random.IntN(Classes)
	word := g.speak(g.words[label])
	g.echo(word)
	mix(word, g.noise(), math.Pow(10, g.between(minSignal, maxSignal)/20))
	return Challenge{Samples: quantize(word, g.between(minLevel, maxLevel)), Label: label}
}

func (g *Generator) between(low, high float64) float64 { return low + (high-low)*g.random.Float64() }

func (g *Generator) around(amount float64) float64 { return 1 + g.between(-amount, amount) }

// speak returns Length samples with the word somewhere among them.
func (g *Generator) speak(word string) []float64 {
	const stepSize = 16 // samples between moves of the mouth
	const inertia = 0.25
	head, slowness := g.between(minHead, maxHead), g.between(minSlowness, maxSlowness)
	targets, lengths, total := make([]sound, len(word)), make([]int, len(word)), 0
	for i := range word {
		targets[i] = g.pronounce(g.sounds[word[i]], head)
		lengths[i] = int(targets[i].length * slowness * g.around(maxDrawl) * Rate)
		total += lengths[i]
	}
	pitch, glide, breath := g.between(minPitch, maxPitch), g.between(-maxGlide, maxGlide), g.between(0, maxBreath)
	out := make([]float64, Length)
	at := g.random.IntN(Length - total) // the slowest speaker needs 95 % of Length
	var mouth tract
	mouth.toward(targets[0], 1)
	mouth.at.voice, mouth.at.hiss = 0, 0
	phase := 0.0
	spoken := 0
	for i, target := range targets {
		for sample := range lengths[i] {
			if sample%stepSize == 0 {
				mouth.toward(target, inertia)
			}
			phase += pitch * (1 + glide*float64(spoken)/float64(total)) / Rate
			pulse := 0.0
			if phase >= 1 {
				phase--
				pulse = 12
			}
			hiss := g.random.NormFloat64()
			out[at] = mouth.sing(pulse+breath*hiss, hiss)
			at, spoken = at+1, spoken+1
		}
	}
	return out
}

// pronounce is a sound as this speaker makes it.
func (g *Generator) pronounce(s sound, head float64) sound {
	for i := range s.formants {
		s.formants[i] *= head * g.around(maxAccent)
	}
	s.hissAt *= math.Sqrt(head) * g.around(maxAccent)
	s.hiss *= g.around(0.4)
	return s
}

// echo adds what came before, once, weaker.
func (g *Generator) echo(samples []float64) {
	strength, delay := g.between(0, maxEcho), 1+int(g.between(0, maxEchoTime)*Rate)
	for i := len(samples) - 1; i >= delay; i-- {
		samples[i] += strength * samples[i-delay]
	}
}

// noise is hiss between white and brown, and a few steady tones.
func (g *Generator) noise() []float64 {
	out := make([]float64, Length)
	brownness, memory := g.random.Float64(), 0.0
	for i := range out {
		memory = brownness*0.95*memory + g.random.NormFloat64()
		out[i] = memory
	}
	level := deviation(out)
	for range g.random.IntN(maxTones + 1) {
		size, step, phase := level*g.between(0.2, 1), 2*math.Pi*g.between(60, 3500)/Rate, 2*math.Pi*g.random.Float64()
		for i := range out {
			out[i] += size * math.Sin(phase+step*float64(i))
		}
	}
	return out
}

// mix adds noise to the word so that the word is ratio times as strong.
func mix(word, noise []float64, ratio float64) {
	scale := deviation(word) / (ratio * deviation(noise))
	for i := range word {
		word[i] += scale * noise[i]
	}
}

// deviation is the root of the mean square: samples have a mean of about 0.
func deviation(samples []float64) float64 {
	sum := 0.0
	for _, s := range samples {
		sum += s * s
	}
	return math.Sqrt(sum / float64(len(samples)))
}

// quantize makes 16-bit samples, the largest of which is level of full scale.
func quantize(samples []float64, level float64) []int16 {
	peak := 0.0
	for _, s := range samples {
		peak = max(peak, math.Abs(s))
	}
	out := make([]int16, len(samples))
	for i, s := range samples {
		out[i] = int16(math.Round(s * level * (fullScale - 1) / peak))
	}
	return out
}
