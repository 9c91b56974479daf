// Package text is a task: say what a message asks for. It writes challenges whose answers are known, turns texts into a
// model's input, and reads a model's answers.
//
// A message is what a hurried person types to an assistant: one request of eight kinds (a payment, the weather, ...),
// mostly beside another request that is taken back in the same breath, with names and places that nobody has met, and
// typing errors. The label is the request that stands; it is known because the message was built from it. A model that
// only looks for words is misled by the other request: it must read which of the two is meant.
//
//	seed, err := models.RandomSeed()
//	generator := text.NewGenerator(seed)
//	challenge := generator.Next()             // challenge.Text, challenge.Label
//	input, err := text.Tensor(challenge.Text) // "text" UINT8[1 128]
//
// The input is bytes, so that no model needs a tokenizer that others may do without.
package text
