// Package compare measures how far a model's outputs are from what they should be.
//
// Two runs of one model differ in the last bits: another processor adds up in another order. Two models differ by more.
// A Reference holds outputs that are known to be right and measures any number of answers against them, each output in
// the measure that suits it:
//
//	ref, err := compare.New(outputs, []compare.Scale{{Measure: compare.LogOdds}})
//	distances, err := ref.Distances(answer) // one per output; 0: the same
//
// Every output counts: one that is missing, is too many or has another type or shape is an error.
package compare
