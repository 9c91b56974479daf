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

// Codec is protobuf as every gRPC program speaks it, with a shorter way for inference messages: a Received keeps the
// raw contents where they were received, and the raw contents of a ModelInferResponse are sent from where they are.
type Codec struct {
	std  encoding.CodecV2
	pool mem.BufferPool
}

// NewCodec returns the codec for a server, to be given to grpc.ForceServerCodecV2.
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

// Marshal implements encoding.CodecV2. What it returns shares memory with a response's raw contents.
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	if resp, ok := v.(*inference.ModelInferResponse); ok && len(resp.RawOutputContents) > 0 {
		return marshalResponse(resp)
	}
	return c.std.Marshal(v)
}

// Unmarshal implements encoding.CodecV2.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	if r, ok := v.(*Received); ok {
		return r.unmarshal(data, c.pool)
	}
	return c.std.Unmarshal(data, v)
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
	m.Reset()
	var rest []byte  // the fields other than raw contents
	var raw [][]byte // the raw contents
	start := 0       // of the fields not yet in rest
	for at := 0; at < len(data); {
		number, kind, n := protowire.ConsumeTag(data[at:])
		if n < 0 {
			return fmt.Errorf("inference request: %w", protowire.ParseError(n))
		}
		size := protowire.ConsumeFieldValue(number, kind, data[at+n:])
		if size < 0 {
			return fmt.Errorf("inference request: %w", protowire.ParseError(size))
		}
		if number == fieldRawInputContents && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(data[at+n:])
			raw = append(raw, value[:len(value):len(value)])
			rest = appendOrTake(rest, data[start:at])
			start = at + n + size
		}
		at += n + size
	}
	if err := proto.Unmarshal(appendOrTake(rest, data[start:]), m); err != nil {
		return fmt.Errorf("inference request: %w", err)
	}
	m.RawInputContents = raw
	return nil
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

// marshalResponse writes what is small into one buffer and leaves raw contents of some size where they are.
func marshalResponse(m *inference.ModelInferResponse) (mem.BufferSlice, error) {
	head := &inference.ModelInferResponse{ModelName: m.ModelName, ModelVersion: m.ModelVersion, Id: m.Id, Parameters: m.Parameters, Outputs: m.Outputs}
	const worthwhile = 1 << 10
	room := 0
	for _, raw := range m.RawOutputContents {
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
	for _, raw := range m.RawOutputContents {
		buffer = protowire.AppendTag(buffer, fieldRawOutputContents, protowire.BytesType)
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
