// Package repository is a folder of models, laid out as Triton Inference Server lays one out:
//
//	models/
//	  digits-large/
//	    1/model.onnx
//	    2/model.onnx      served unless a request names version 1
//
// What a config.pbtxt beside the versions says is obeyed as far as it makes a difference (Config), and weights that a model
// keeps in files of its own folder are read, and hashed with it. A single .onnx file, or a folder that holds a model.onnx,
// is accepted too, as one model of version 1 named after the file or folder; so is a folder of such folders. Open loads
// every version into ONNX Runtime, so what serves has been read, and what cannot be served is known at the start:
//
//	repo, err := repository.Open(ctx, rt, "models", repository.Options{})
//	defer repo.Close()
//	model, err := repo.Get("digits-large", "") // the highest version
//	outputs, err := model.Session.Run(ctx, inputs, nil)
//
// A repository does not change after Open; to pick up new files, open another beside it, swap, and close the old one.
package repository
