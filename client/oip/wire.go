package oip

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/proto/inference"
)

// Field numbers of the raw contents, the one part of a message that is worth not copying.
const (
	fieldRawInputContents  = 7 // of ModelInferRequest
	fieldRawOutputContents = 6 // of ModelInferResponse
)

// Codec is protobuf as every gRPC program speaks it, with a shorter way for inference messages: raw contents stay where
// they were received, and are sent from where they are: a message that was handed over must not be changed any more.
type Codec struct {
	std  encoding.CodecV2
	pool mem.BufferPool
}

// NewCodec returns the codec for grpc.ForceServerCodecV2 and grpc.ForceCodecV2.
func NewCodec() Codec {
	// The default pool knows nothing between 32 KiB and 1 MiB, and clears what it hands out: a message of 33 KiB would
	// cost the clearing of a megabyte.
	var sizes []int
	for size := 1 << 10; size <= DefaultMaxMessageBytes; size *= 2 {
		sizes = append(sizes, size)
	}
	return Codec{std: encoding.GetCodecV2(grpcproto.Name), pool: mem.NewTieredBufferPool(sizes...)}
}

// Name implements encoding.CodecV2: on the wire it is protobuf.
func (c Codec) Name() string { return grpcproto.Name }

// Marshal implements encoding.CodecV2. What it returns shares memory with the raw contents.
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *inference.ModelInferResponse:
		head := &inference.ModelInferResponse{ModelName: m.ModelName, ModelVersion: m.ModelVersion, Id: m.Id, Parameters: m.Parameters, Outputs: m.Outputs}
		return marshal(head, fieldRawOutputContents, m.RawOutputContents)
	case *inference.ModelInferRequest:
		head := &inference.ModelInferRequest{ModelName: m.ModelName, ModelVersion: m.ModelVersion, Id: m.Id, Parameters: m.Parameters, Inputs: m.Inputs, Outputs: m.Outputs}
		return marshal(head, fieldRawInputContents, m.RawInputContents)
	default:
		return c.std.Marshal(v)
	}
}

// Unmarshal implements encoding.CodecV2.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *Received:
		return m.unmarshal(data, c.pool)
	case *inference.ModelInferResponse:
		return UnmarshalResponse(data.Materialize(), m)
	default:
		return c.std.Unmarshal(data, v)
	}
}

// Received is a request together with the memory that it was received in.
type Received struct {
	Request inference.ModelInferRequest
	buffer  mem.Buffer
}

// Free gives the memory back. The request's raw contents are gone then.
func (r *Received) Free() {
	if r.buffer != nil {
		r.buffer.Free()
		r.buffer, r.Request.RawInputContents = nil, nil
	}
}

func (r *Received) unmarshal(data mem.BufferSlice, pool mem.BufferPool) error {
	buffer := data.MaterializeToBuffer(pool)
	if err := UnmarshalRequest(buffer.ReadOnlyData(), &r.Request); err != nil {
		buffer.Free()
		return err
	}
	r.buffer = buffer
	return nil
}

// UnmarshalRequest reads a request as proto.Unmarshal does, but for its raw contents, which stay part of data.
func UnmarshalRequest(data []byte, m *inference.ModelInferRequest) error {
	raw, err := unmarshal(data, fieldRawInputContents, m)
	if err != nil {
		return fmt.Errorf("inference request: %w", err)
	}
	m.RawInputContents = raw
	return nil
}

// UnmarshalResponse reads a response as proto.Unmarshal does, but for its raw contents, which stay part of data.
func UnmarshalResponse(data []byte, m *inference.ModelInferResponse) error {
	raw, err := unmarshal(data, fieldRawOutputContents, m)
	if err != nil {
		return fmt.Errorf("inference response: %w", err)
	}
	m.RawOutputContents = raw
	return nil
}

// unmarshal reads a message but for one field of bytes, whose values it returns as parts of data.
func unmarshal(data []byte, field protowire.Number, m proto.Message) ([][]byte, error) {
	var rest []byte  // the other fields
	var raw [][]byte // the values
	start := 0       // of the fields not yet in rest
	for at := 0; at < len(data); {
		number, kind, n := protowire.ConsumeTag(data[at:])
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(number, kind, data[at+n:])
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		if number == field && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(data[at+n:])
			raw = append(raw, value[:len(value):len(value)])
			rest = appendOrTake(rest, data[start:at])
			start = at + n + size
		}
		at += n + size
	}
	return raw, proto.Unmarshal(appendOrTake(rest, data[start:]), m)
}

// appendOrTake returns the bytes of both, without a copy where there is only one.
func appendOrTake(head, tail []byte) []byte {
	switch {
	case len(tail) == 0:
		return head
	case len(head) == 0:
		return tail[:len(tail):len(tail)]
	default:
		return append(head, tail...)
	}
}

// marshal writes a message and the raw contents that are its field: what is small into one buffer, the rest from where
// it is.
func marshal(head proto.Message, field protowire.Number, contents [][]byte) (mem.BufferSlice, error) {
	const worthwhile = 1 << 10
	room := 0
	for _, raw := range contents {
		room += 2 * protowire.SizeVarint(1<<31)
		if len(raw) < worthwhile {
			room += len(raw)
		}
	}
	options := proto.MarshalOptions{UseCachedSize: true}
	buffer, err := options.MarshalAppend(make([]byte, 0, proto.Size(head)+room), head)
	if err != nil {
		return nil, err
	}
	var out mem.BufferSlice
	start := 0
	for _, raw := range contents {
		buffer = protowire.AppendTag(buffer, field, protowire.BytesType)
		if len(raw) < worthwhile {
			buffer = protowire.AppendBytes(buffer, raw)
			continue
		}
		buffer = protowire.AppendVarint(buffer, uint64(len(raw)))
		out = append(out, mem.SliceBuffer(buffer[start:len(buffer):len(buffer)]), mem.SliceBuffer(raw))
		start = len(buffer)
	}
	if start < len(buffer) {
		out = append(out, mem.SliceBuffer(buffer[start:]))
	}
	return out, nil
}
