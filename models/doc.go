// Package models is the vocabulary that everything which touches a model shares: datatypes, tensor specs, tensors and
// their validation, named and laid out as in the Open Inference Protocol v2 (OIP), and the shape of a task.
//
// A Tensor's Data is exactly what OIP's raw_input_contents carries, so a server passes a request's bytes to a model
// without converting them:
//
//	image := models.Tensor{Name: "image", Datatype: models.FP32, Shape: []int64{1, 1, 28, 28}, Data: raw}
//	if err := models.ValidateInputs(session.Inputs(), []models.Tensor{image}, models.Limits{}); err != nil {
//		return status.Error(codes.InvalidArgument, err.Error()) // names the tensor, what was wanted and what came
//	}
//
// The packages below it do the work: models/onnx reads and builds ONNX files, models/ort runs them, models/repository
// keeps a folder of them, models/tasks draws challenges of images, texts and sounds, models/nn trains small networks.
package models
