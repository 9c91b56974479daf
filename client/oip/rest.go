package oip

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

// RESTRequest is an inference request as the protocol has it over HTTP, and how its answer is to be written.
type RESTRequest struct {
	Message *inference.ModelInferRequest

	binaryAll bool
	binary    map[string]bool // per output, where it says so
}

type restParameters map[string]any

type restTensor struct {
	Name       string          `json:"name"`
	Datatype   string          `json:"datatype,omitempty"`
	Shape      []int64         `json:"shape"`
	Parameters restParameters  `json:"parameters,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
}

type restOutput struct {
	Name       string         `json:"name"`
	Parameters restParameters `json:"parameters,omitempty"`
}

type restRequest struct {
	ID         string         `json:"id,omitempty"`
	Parameters restParameters `json:"parameters,omitempty"`
	Inputs     []restTensor   `json:"inputs"`
	Outputs    []restOutput   `json:"outputs,omitempty"`
}

type restResponse struct {
	Model      string         `json:"model_name"`
	Version    string         `json:"model_version,omitempty"`
	ID         string         `json:"id,omitempty"`
	Parameters restParameters `json:"parameters,omitempty"`
	Outputs    []restTensor   `json:"outputs"`
}

// ParseREST reads a body. headerLength is the header Inference-Header-Content-Length of the binary tensor extension,
// empty where the body is all JSON. Errors wrap ErrContents or are *models.TensorError. The message shares memory with
// the body.
func ParseREST(body []byte, headerLength string) (*RESTRequest, error) {
	head, raw := body, []byte(nil)
	if headerLength != "" {
		n, err := strconv.Atoi(headerLength)
		if err != nil || n < 0 || n > len(body) {
			return nil, fmt.Errorf("%w: Inference-Header-Content-Length %q of a body of %d bytes", ErrContents, headerLength, len(body))
		}
		head, raw = body[:n], body[n:]
	}
	var in restRequest
	if err := json.Unmarshal(head, &in); err != nil {
		return nil, fmt.Errorf("%w: not a request in JSON: %w", ErrContents, err)
	}
	out := &RESTRequest{Message: &inference.ModelInferRequest{Id: in.ID, Parameters: in.Parameters.message()}, binary: map[string]bool{}}
	out.binaryAll, _ = in.Parameters["binary_data_output"].(bool)
	for _, o := range in.Outputs {
		out.Message.Outputs = append(out.Message.Outputs, &inference.ModelInferRequest_InferRequestedOutputTensor{Name: o.Name})
		if b, ok := o.Parameters["binary_data"].(bool); ok {
			out.binary[o.Name] = b
		}
	}
	for _, t := range in.Inputs {
		data, rest, err := t.contents(raw)
		if err != nil {
			return nil, err
		}
		raw = rest
		out.Message.Inputs = append(out.Message.Inputs, &inference.ModelInferRequest_InferInputTensor{Name: t.Name, Datatype: t.Datatype, Shape: t.Shape})
		out.Message.RawInputContents = append(out.Message.RawInputContents, data)
	}
	if len(raw) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after the last tensor", ErrContents, len(raw))
	}
	return out, nil
}

// message keeps the parameters that the protocol has types for.
func (p restParameters) message() map[string]*inference.InferParameter {
	out := map[string]*inference.InferParameter{}
	for name, value := range p {
		switch v := value.(type) {
		case bool:
			out[name] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: v}}
		case string:
			out[name] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: v}}
		case float64:
			if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
				out[name] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: int64(v)}}
			} else {
				out[name] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: v}}
			}
		}
	}
	return out
}

// contents returns the tensor's elements, from its JSON or from the front of raw, and what is left of raw.
func (t restTensor) contents(raw []byte) (data, rest []byte, err error) {
	size, binary := t.Parameters["binary_data_size"]
	if !binary {
		if data, err = t.decode(); err != nil {
			return nil, nil, err
		}
		return data, raw, nil
	}
	n, ok := size.(float64)
	if !ok || n < 0 || n != math.Trunc(n) || n > float64(len(raw)) || t.Data != nil {
		return nil, nil, fmt.Errorf("%w: tensor %q has binary_data_size %v, %d bytes are left, and JSON data must be absent", ErrContents, t.Name, size, len(raw))
	}
	return raw[:int(n):int(n)], raw[int(n):], nil
}

// decode reads elements from JSON, nested or flat.
func (t restTensor) decode() ([]byte, error) {
	put, ok := fromJSON[models.Datatype(t.Datatype)]
	if !ok {
		return nil, &models.TensorError{Tensor: t.Name, Err: models.ErrDatatype, Want: "a datatype that JSON has a form for", Got: fmt.Sprintf("%q", t.Datatype)}
	}
	decoder := json.NewDecoder(bytes.NewReader(t.Data))
	decoder.UseNumber()
	var data []byte
	for depth, n := 0, 0; ; {
		token, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: tensor %q: data is no array", ErrContents, t.Name)
		}
		switch v := token.(type) {
		case json.Delim:
			switch {
			case v == '[' && depth < 32:
				depth++
			case v == ']':
				if depth--; depth == 0 {
					return data, nil
				}
			default:
				return nil, fmt.Errorf("%w: tensor %q: %v in its data", ErrContents, t.Name, v)
			}
		default:
			if depth == 0 {
				return nil, fmt.Errorf("%w: tensor %q: data is no array", ErrContents, t.Name)
			}
			if data, ok = put(data, v); !ok {
				return nil, &models.TensorError{Tensor: t.Name, Err: models.ErrValue, Want: "values of " + t.Datatype, Got: fmt.Sprintf("%v at element %d", v, n)}
			}
			n++
		}
	}
}

// fromJSON appends an element as the protocol's raw form has it, if the value is one of the datatype.
var fromJSON = map[models.Datatype]func([]byte, any) ([]byte, bool){
	models.BOOL: func(b []byte, v any) ([]byte, bool) {
		switch v {
		case true, json.Number("1"):
			return append(b, 1), true
		case false, json.Number("0"):
			return append(b, 0), true
		}
		return b, false
	},
	models.INT8: signed(8), models.INT16: signed(16), models.INT32: signed(32), models.INT64: signed(64),
	models.UINT8: unsigned(8), models.UINT16: unsigned(16), models.UINT32: unsigned(32), models.UINT64: unsigned(64),
	models.FP32: func(b []byte, v any) ([]byte, bool) {
		f, err := strconv.ParseFloat(numeral(v), 32)
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(f))), err == nil
	},
	models.FP64: func(b []byte, v any) ([]byte, bool) {
		f, err := strconv.ParseFloat(numeral(v), 64)
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(f)), err == nil
	},
	models.BYTES: func(b []byte, v any) ([]byte, bool) {
		s, ok := v.(string)
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...), ok
	},
}

func numeral(v any) string {
	n, _ := v.(json.Number)
	return n.String()
}

func signed(bits int) func([]byte, any) ([]byte, bool) {
	return func(b []byte, v any) ([]byte, bool) {
		i, err := strconv.ParseInt(numeral(v), 10, bits)
		return appendBits(b, uint64(i), bits), err == nil
	}
}

func unsigned(bits int) func([]byte, any) ([]byte, bool) {
	return func(b []byte, v any) ([]byte, bool) {
		u, err := strconv.ParseUint(numeral(v), 10, bits)
		return appendBits(b, u, bits), err == nil
	}
}

func appendBits(b []byte, v uint64, bits int) []byte {
	for at := 0; at < bits; at += 8 {
		b = append(b, byte(v>>at))
	}
	return b
}

// Answer writes a response: JSON, and the raw contents of the outputs that were asked for in binary or that JSON has no
// form for (16-bit floats, and floats that are no finite numbers).
func (r *RESTRequest) Answer(m *inference.ModelInferResponse) (head []byte, raw [][]byte, err error) {
	tensors, err := Outputs(m)
	if err != nil {
		return nil, nil, err
	}
	out := restResponse{Model: m.ModelName, Version: m.ModelVersion, ID: m.Id, Outputs: []restTensor{}}
	for name, p := range m.Parameters {
		if out.Parameters == nil {
			out.Parameters = restParameters{}
		}
		out.Parameters[name] = parameterValue(p)
	}
	for _, t := range tensors {
		one := restTensor{Name: t.Name, Datatype: string(t.Datatype), Shape: t.Shape}
		if one.Shape == nil {
			one.Shape = []int64{}
		}
		binary, said := r.binary[t.Name]
		if !said {
			binary = r.binaryAll
		}
		if !binary {
			one.Data, binary = toJSON(t)
		}
		if binary {
			one.Data, one.Parameters = nil, restParameters{"binary_data_size": len(t.Data)}
			raw = append(raw, t.Data)
		}
		out.Outputs = append(out.Outputs, one)
	}
	head, err = json.Marshal(out)
	return head, raw, err
}

func parameterValue(p *inference.InferParameter) any {
	switch v := p.GetParameterChoice().(type) {
	case *inference.InferParameter_BoolParam:
		return v.BoolParam
	case *inference.InferParameter_Int64Param:
		return v.Int64Param
	case *inference.InferParameter_StringParam:
		return v.StringParam
	case *inference.InferParameter_DoubleParam:
		return v.DoubleParam
	case *inference.InferParameter_Uint64Param:
		return v.Uint64Param
	default:
		return nil
	}
}

// toJSON writes the elements as a flat array, or says that JSON has no form for them.
func toJSON(t models.Tensor) (data json.RawMessage, impossible bool) {
	if t.Datatype == models.BYTES {
		elements, err := t.Strings()
		if err != nil {
			return nil, true
		}
		data, err = json.Marshal(elements)
		return data, err != nil
	}
	size := t.Datatype.Size()
	if size == 0 || t.Datatype == models.FP16 || t.Datatype == models.BF16 {
		return nil, true
	}
	out := append(make([]byte, 0, 8*len(t.Data)/size+2), '[')
	for at := 0; at+size <= len(t.Data); at += size {
		if at > 0 {
			out = append(out, ',')
		}
		var finite bool
		if out, finite = appendJSON(out, t.Datatype, t.Data[at:at+size]); !finite {
			return nil, true
		}
	}
	return append(out, ']'), false
}

func appendJSON(out []byte, datatype models.Datatype, element []byte) ([]byte, bool) {
	var bits uint64
	for i, b := range element {
		bits |= uint64(b) << (8 * i)
	}
	switch datatype {
	case models.BOOL:
		return strconv.AppendBool(out, bits == 1), true
	case models.FP32:
		f := float64(math.Float32frombits(uint32(bits)))
		return strconv.AppendFloat(out, f, 'g', -1, 32), !math.IsNaN(f) && !math.IsInf(f, 0)
	case models.FP64:
		f := math.Float64frombits(bits)
		return strconv.AppendFloat(out, f, 'g', -1, 64), !math.IsNaN(f) && !math.IsInf(f, 0)
	case models.INT8, models.INT16, models.INT32, models.INT64:
		shift := 64 - 8*len(element)
		return strconv.AppendInt(out, int64(bits<<shift)>>shift, 10), true
	default:
		return strconv.AppendUint(out, bits, 10), true
	}
}
