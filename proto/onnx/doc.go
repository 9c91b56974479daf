// Package onnxpb is ONNX's model format (onnx.proto of ONNX 1.12.0) as Go types, under a protobuf package of our own.
// Package models/onnx reads and builds models with it; make proto regenerates onnx.pb.go.
package onnxpb
