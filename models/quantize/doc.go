// Package quantize rewrites an ONNX model to cheaper numbers: half floats or 8-bit integers.
//
// It is how a server saves memory and time, and so how one cheats that has promised the exact model. A validator that
// pins a model makes the cheaper versions itself, to know by how much they differ:
//
//	cheap, report, err := quantize.Apply(model, quantize.FP16Weights)
//	fmt.Println(report.Weights, "tensors rounded")
//
// The rewritten model takes and gives the same tensors as the one it was made from. Jitter is the opposite probe: it
// moves weights by a few units in the last place, about what another processor's order of summation does.
package quantize
