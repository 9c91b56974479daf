package oip

import (
	"bytes"
	"encoding/json"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// HeaderLength is the HTTP header of the binary tensor extension: the bytes of JSON at the front of a body, raw tensors
// after them.
const HeaderLength = "Inference-Header-Content-Length"

// JSON writes a message as the protocol has it over HTTP: fields under their own names, and 64-bit integers as numbers,
// which protobuf's own JSON quotes.
func JSON(m proto.Message) ([]byte, error) {
	body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(unquote("", value))
}

// textFields are strings even where they look like numbers.
var textFields = map[string]bool{"name": true, "version": true, "versions": true, "model_version": true, "id": true, "reason": true}

func unquote(field string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k := range v {
			v[k] = unquote(k, v[k])
		}
	case []any:
		for i := range v {
			v[i] = unquote(field, v[i])
		}
	case string:
		if _, err := strconv.ParseInt(v, 10, 64); err == nil && !textFields[field] {
			return json.Number(v)
		}
	}
	return value
}
