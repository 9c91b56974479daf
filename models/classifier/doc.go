// Package classifier makes the project's own models for every task of models/tasks, in three grades of clearly different
// quality, and measures any model of such a task.
//
// The grades differ in what a maker of models pays for: the size of the network, its kind, and how many examples it saw.
// They are drawn from the same challenges and nothing is done to their answers, so what a validator measures is what
// they are worth.
//
//	kind, err := tasks.ByName("text")
//	grade, err := classifier.ByName("text", "large")
//	trained, err := classifier.Train(ctx, kind, grade, classifier.Options{Seed: 1})
//	path, err := trained.Save("models", 1) // models/text-large/1/model.onnx
//
// Measure asks a loaded model challenges that it has not seen and counts right answers.
package classifier
