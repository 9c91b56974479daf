// Package digits is a task: say which digit an image shows. It draws challenges whose answers are known, turns images
// into a model's input, and reads a model's answers.
//
// Images are 28 by 28 grey pixels, light ink on dark, drawn from real typefaces and then turned, sheared, scaled,
// shifted, bent, blurred, covered in part, faded and covered with noise. A validator seeds its generator from the
// system's randomness, so nobody can have seen a challenge before; training uses fixed seeds, so it can be repeated.
//
//	drawer, err := digits.NewDrawer()            // once: prepares the typefaces
//	seed, err := digits.RandomSeed()
//	generator := drawer.Generator(seed)
//	challenge := generator.Next()                // challenge.Image, challenge.Label
//	input, err := digits.Tensor(challenge.Image) // "image" FP32[1 1 28 28]
//	answers, err := digits.Answers(output)       // "probabilities" FP32[1 10]
//	correct := answers[0].Label == challenge.Label
//
// Decode turns a picture that a person brings into such an image.
package digits
