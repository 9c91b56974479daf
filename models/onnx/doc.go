// Package onnx reads and builds ONNX files without running them.
//
// Inspect tells what a model takes and gives, from the file alone and without copying its weights:
//
//	info, err := onnx.Inspect(data)
//	fmt.Println(info.Inputs, info.Outputs, info.Metadata[models.MetadataTask])
//
// Adapt goes one step further and adds to the graph what lets a runtime that knows only plain tensors return outputs it
// otherwise could not (half floats, scalars, ZipMap's sequences of maps); models/ort loads what it gives back.
//
// Builder writes models: name the inputs and outputs, add nodes and constants, and Bytes gives the file, the same bytes
// for the same calls.
//
//	b := onnx.NewBuilder("double")
//	b.Input("x", models.FP32, models.Any)
//	b.Node("Add", []string{"x", "x"}, []string{"y"})
//	b.Output("y", models.FP32, models.Any)
//	data, err := b.Bytes()
package onnx
