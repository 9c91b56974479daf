// Package audio is a task: say which of eight words is spoken. It synthesises challenges whose answers are known, writes
// them as WAV files to listen to, and turns samples into a model's input.
//
// The words are two syllables each, of four (sa, mi, ku, no), and every word has a twin of the same syllables the other
// way round: what sounds there are settles half of the question, their order the rest. Each challenge has a speaker of
// its own (pitch, size of the head, speed, accent), a room with an echo, and noise from barely audible to louder than
// the word.
//
//	seed, err := models.RandomSeed()
//	generator := audio.NewGenerator(seed)
//	challenge := generator.Next()                 // challenge.Samples, challenge.Label
//	input, err := audio.Tensor(challenge.Samples) // "samples" FP32[1 4000]
//
// Voices are made as in speech synthesis by rule (Klatt 1980): pulses of the voice and hiss through resonators that move
// from one sound's formants to the next.
package audio
