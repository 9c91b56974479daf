// Package ort runs ONNX models with ONNX Runtime.
//
// The shared library is opened once per process; sessions are made from it, and each may be run by any number of
// goroutines at once. Tensors go in and come out as the Open Inference Protocol carries them:
//
//	rt, err := ort.Open(place.Path, ort.RuntimeOptions{}) // place from library.Find
//	defer rt.Close()
//	session, err := rt.Load(ctx, data, ort.Options{})
//	defer session.Close()
//	outputs, err := session.Run(ctx, []models.Tensor{image}, nil) // nil: all outputs
//
// What a caller gets wrong is a *models.TensorError from Run before the library sees it. A context that ends stops a run
// between two nodes of the graph. Runs of all sessions share a limit on how many go on at once, and sessions share a
// limit on memory, so that one request cannot take the machine.
//
// The binding underneath (github.com/yalue/onnxruntime_go) cannot return half floats, scalars, or ZipMap's sequences of
// maps, and reads a model twice to tell its inputs. Here the file is read by models/onnx instead, which adds the casts
// and reshapes that make every output something the binding can return; Run undoes them, so callers see the model's own
// types and shapes, bit for bit (a half float's NaN stays a NaN, but may change its payload).
package ort
