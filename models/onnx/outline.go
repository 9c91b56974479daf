package onnx

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

// What makes a file no model that can be served.
var (
	ErrCorrupt     = errors.New("not a readable ONNX model")
	ErrUnsupported = errors.New("not supported")
)

// Field numbers of onnx.proto that the outline looks at.
const (
	fieldModelGraph       = 7
	fieldGraphInitializer = 5
	fieldGraphInput       = 11
)

// keptTensorFields are TensorProto's dims, data_type, name, external_data and data_location: all but the payload.
var keptTensorFields = map[protowire.Number]bool{1: true, 2: true, 8: true, 13: true, 14: true}

// maxModelBytes is what protobuf, and so every reader of ONNX, can take in one piece.
const maxModelBytes = 1<<31 - 1

// outline decodes a model without the payload of the graph's initializers, so that looking at a model of hundreds of
// megabytes costs kilobytes. Constants inside nodes are decoded whole.
func outline(data []byte) (*onnxpb.ModelProto, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrCorrupt)
	}
	if len(data) > maxModelBytes {
		return nil, fmt.Errorf("%w: the file has %d bytes, more than its format allows (%d); save the weights in files beside it", ErrUnsupported, len(data), maxModelBytes)
	}
	light, err := mapFields(nil, data, func(dst []byte, f field) ([]byte, error) {
		if f.number != fieldModelGraph || f.kind != protowire.BytesType {
			return append(dst, f.raw...), nil
		}
		graph, err := mapFields(nil, f.value, keepWithoutPayload)
		return f.replaced(dst, graph), err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: truncated or damaged: %w", ErrCorrupt, err)
	}
	model := new(onnxpb.ModelProto)
	if err := proto.Unmarshal(light, model); err != nil {
		return nil, fmt.Errorf("%w: truncated or damaged: %w", ErrCorrupt, err)
	}
	if model.Graph == nil || len(model.Graph.Output) == 0 {
		return nil, fmt.Errorf("%w: it holds no graph with an output", ErrCorrupt)
	}
	return model, nil
}

func keepWithoutPayload(dst []byte, f field) ([]byte, error) {
	if f.number != fieldGraphInitializer || f.kind != protowire.BytesType {
		return append(dst, f.raw...), nil
	}
	tensor, err := mapFields(nil, f.value, func(dst []byte, f field) ([]byte, error) {
		if keptTensorFields[f.number] {
			dst = append(dst, f.raw...)
		}
		return dst, nil
	})
	return f.replaced(dst, tensor), err
}

// field is one field of a protobuf message: raw holds tag and value, value only the bytes of a length-delimited one.
type field struct {
	number protowire.Number
	kind   protowire.Type
	raw    []byte
	value  []byte
}

// replaced appends f with another value to dst.
func (f field) replaced(dst, value []byte) []byte {
	dst = protowire.AppendTag(dst, f.number, protowire.BytesType)
	return protowire.AppendBytes(dst, value)
}

// mapFields walks the fields of a message and lets each append what it becomes to dst.
func mapFields(dst, message []byte, each func(dst []byte, f field) ([]byte, error)) ([]byte, error) {
	for len(message) > 0 {
		number, kind, tagLen := protowire.ConsumeTag(message)
		if tagLen < 0 {
			return nil, protowire.ParseError(tagLen)
		}
		valueLen := protowire.ConsumeFieldValue(number, kind, message[tagLen:])
		if valueLen < 0 {
			return nil, protowire.ParseError(valueLen)
		}
		f := field{number: number, kind: kind, raw: message[:tagLen+valueLen]}
		if kind == protowire.BytesType {
			f.value, _ = protowire.ConsumeBytes(message[tagLen:])
		}
		var err error
		if dst, err = each(dst, f); err != nil {
			return nil, err
		}
		message = message[tagLen+valueLen:]
	}
	return dst, nil
}
