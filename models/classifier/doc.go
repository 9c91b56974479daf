// Package classifier makes the project's own models for the task of models/digits, in three grades of clearly different
// quality, and measures any model of that task.
//
// The grades differ in what a maker of models pays for: the size of the network, its kind, and how many examples it saw.
// They are drawn from the same challenges and nothing is done to their answers, so what a validator measures is what
// they are worth.
//
//	trained, err := classifier.Train(ctx, drawer, classifier.Grades()[2], classifier.Options{Seed: 1})
//	path, err := trained.Save("models", 1) // models/digits-large/1/model.onnx
//
// Measure asks a loaded model challenges that it has not seen and counts right answers.
package classifier
