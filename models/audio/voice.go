package audio

import "math"

// sound is one phone as a resting mouth makes it: how loud the voice and the hiss are, 0 to 1, and the resonances.
type sound struct {
	voice, hiss float64
	formants    [3]float64 // Hz, of the voice
	hissAt      float64    // Hz
	length      float64    // seconds, at an even speed
}

// sounds returns the phones that the words are spelt with. Formants of the vowels are those of Peterson and Barney (1952).
func sounds() map[byte]sound {
	return map[byte]sound{
		'a': {voice: 1, formants: [3]float64{730, 1090, 2440}, hissAt: 2000, length: 0.105},
		'i': {voice: 1, formants: [3]float64{270, 2290, 3010}, hissAt: 2000, length: 0.105},
		'u': {voice: 1, formants: [3]float64{300, 870, 2240}, hissAt: 2000, length: 0.105},
		'o': {voice: 1, formants: [3]float64{570, 840, 2410}, hissAt: 2000, length: 0.105},
		'm': {voice: 0.35, formants: [3]float64{250, 1100, 2200}, hissAt: 2000, length: 0.06},
		'n': {voice: 0.35, formants: [3]float64{250, 1700, 2600}, hissAt: 2000, length: 0.06},
		's': {hiss: 0.5, formants: [3]float64{400, 1700, 2600}, hissAt: 3300, length: 0.075},
		'k': {hiss: 0.5, formants: [3]float64{350, 1500, 2400}, hissAt: 1700, length: 0.035},
	}
}

// bandwidths are those of the three formants, in Hz.
func bandwidths() [3]float64 { return [3]float64{90, 130, 200} }

const hissWidth = 600 // Hz

// resonator is a two-pole filter (Klatt 1980): it rings at one frequency.
type resonator struct{ a, b, c, last, before float64 }

// tune sets frequency and bandwidth, in Hz, and leaves what rings.
func (r *resonator) tune(frequency, width float64) {
	decay := math.Exp(-math.Pi * width / Rate)
	r.c = -decay * decay
	r.b = 2 * decay * math.Cos(2*math.Pi*min(frequency, 0.48*Rate)/Rate)
	r.a = 1 - r.b - r.c
}

func (r *resonator) pass(x float64) float64 {
	y := r.a*x + r.b*r.last + r.c*r.before
	r.before, r.last = r.last, y
	return y
}

// tract is a throat and a mouth in motion.
type tract struct {
	formants [3]resonator
	mouth    resonator // of the hiss
	at       sound
}

// toward moves the mouth a part of the way to another sound, 0 to 1.
func (t *tract) toward(target sound, part float64) {
	step := func(have *float64, want float64) { *have += part * (want - *have) }
	step(&t.at.voice, target.voice)
	step(&t.at.hiss, target.hiss)
	step(&t.at.hissAt, target.hissAt)
	for i, width := range bandwidths() {
		step(&t.at.formants[i], target.formants[i])
		t.formants[i].tune(t.at.formants[i], width)
	}
	t.mouth.tune(t.at.hissAt, hissWidth)
}

// sing returns the next sample for a pulse of the voice and one of hiss.
func (t *tract) sing(pulse, hiss float64) float64 {
	y := t.at.voice * pulse
	for i := range t.formants {
		y = t.formants[i].pass(y)
	}
	return y + t.mouth.pass(t.at.hiss*hiss)
}
