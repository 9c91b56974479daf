package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/gateway/fault"
)

// texts is what OpenAI's interface takes for a text: one, or a list.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = texts{one}
		return nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(data, &parts) != nil {
		return errors.New("want a text or a list of texts")
	}
	list := make(texts, len(parts))
	for i, part := range parts {
		if json.Unmarshal(part, &list[i]) == nil && string(part) != "null" {
			continue
		}
		var block struct {
			Type string  `json:"type"`
			Text *string `json:"text"`
		}
		if json.Unmarshal(part, &block) == nil && block.Type == "text" && block.Text != nil {
			list[i] = *block.Text
			continue
		}
		return errors.New("want texts; these models take neither token numbers nor images")
	}
	*t = list
	return nil
}

// embeddingRequest is the body of POST /v1/embeddings.
type embeddingRequest struct {
	Model      string `json:"model"`
	Input      texts  `json:"input"`
	Encoding   string `json:"encoding_format"`
	Dimensions *int   `json:"dimensions"`
}

func (r *embeddingRequest) check() error {
	if r.Encoding != "" && r.Encoding != "float" && r.Encoding != "base64" {
		return fault.Malformed("encoding_format", "encoding_format %q: want float or base64", r.Encoding)
	}
	return nil
}

// classificationRequest is the body of POST /v1/classifications and POST /v1/moderations.
type classificationRequest struct {
	Model string `json:"model"`
	Input texts  `json:"input"`
}

// sampling is what both kinds of completions take. What the model cannot do is refused and not ignored, for a caller
// would take the answer for something else.
type sampling struct {
	Model            string          `json:"model"`
	Stream           bool            `json:"stream"`
	StreamOptions    streamOptions   `json:"stream_options"`
	Stop             texts           `json:"stop"`
	N                *int            `json:"n"`
	Temperature      *float64        `json:"temperature"`
	TopP             *float64        `json:"top_p"`
	PresencePenalty  *float64        `json:"presence_penalty"`
	FrequencyPenalty *float64        `json:"frequency_penalty"`
	LogitBias        map[string]any  `json:"logit_bias"`
	Logprobs         json.RawMessage `json:"logprobs"` // a number here, a truth value there
	MaxTokens        *int            `json:"max_tokens"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

func (r *sampling) check() error {
	one := func(v *int) bool { return v == nil || *v == 1 }
	is := func(v *float64, want ...float64) bool {
		for _, w := range want {
			if v != nil && *v == w {
				return true
			}
		}
		return v == nil
	}
	switch {
	case !one(r.N):
		return unsupported("n", "one completion per prompt: ask again for another")
	case !is(r.Temperature, 0, 1):
		return unsupported("temperature", "0, or the default: the model generates as it was made to")
	case !is(r.TopP, 1):
		return unsupported("top_p", "the default")
	case !is(r.PresencePenalty, 0):
		return unsupported("presence_penalty", "the default")
	case !is(r.FrequencyPenalty, 0):
		return unsupported("frequency_penalty", "the default")
	case len(r.LogitBias) > 0:
		return unsupported("logit_bias", "none")
	case !absent(r.Logprobs):
		return unsupported("logprobs", "none")
	case len(r.Stop) > 4:
		return fault.Malformed("stop", "%d texts to stop at: want at most 4", len(r.Stop))
	case r.MaxTokens != nil && *r.MaxTokens < 1:
		return fault.Malformed("max_tokens", "max_tokens %d: want 1 or more", *r.MaxTokens)
	}
	for _, s := range r.Stop {
		if s == "" {
			return fault.Malformed("stop", "an empty text to stop at")
		}
	}
	return nil
}

func unsupported(param, want string) error {
	f := fault.Malformed(param, "%s is not supported for this model; it takes %s", param, want)
	f.Reason = fault.ReasonUnsupported
	return f
}

// absent reports whether an option is not asked for, in one of the ways of saying so.
func absent(v json.RawMessage) bool {
	switch strings.TrimSpace(string(v)) {
	case "", "null", "false", "0", "[]", "{}":
		return true
	default:
		return false
	}
}

// completionRequest is the body of POST /v1/completions.
type completionRequest struct {
	sampling
	Prompt texts   `json:"prompt"`
	Suffix *string `json:"suffix"`
	Echo   bool    `json:"echo"`
	BestOf *int    `json:"best_of"`
}

func (r *completionRequest) check() error {
	switch {
	case r.Echo:
		return unsupported("echo", "false")
	case r.Suffix != nil && *r.Suffix != "":
		return unsupported("suffix", "none")
	case r.BestOf != nil && *r.BestOf != 1:
		return unsupported("best_of", "1")
	}
	return r.sampling.check()
}

// chatRequest is the body of POST /v1/chat/completions.
type chatRequest struct {
	sampling
	Messages       []message       `json:"messages"`
	MaxCompletion  *int            `json:"max_completion_tokens"`
	Tools          json.RawMessage `json:"tools"`
	Functions      json.RawMessage `json:"functions"`
	ResponseFormat struct {
		Type string `json:"type"`
	} `json:"response_format"`
}

type message struct {
	Role    string `json:"role"`
	Content texts  `json:"content"`
}

func (r *chatRequest) check() error {
	if r.MaxCompletion != nil {
		r.MaxTokens = r.MaxCompletion
	}
	switch {
	case len(r.Messages) == 0:
		return fault.Malformed("messages", "no messages")
	case !absent(r.Tools):
		return unsupported("tools", "none")
	case !absent(r.Functions):
		return unsupported("functions", "none")
	case r.ResponseFormat.Type != "" && r.ResponseFormat.Type != "text":
		return unsupported("response_format", "text")
	}
	for i, m := range r.Messages {
		switch m.Role {
		case "system", "developer", "user", "assistant":
		default:
			return fault.Malformed("messages", "message %d has role %q: want system, developer, user or assistant", i, m.Role)
		}
		if len(m.Content) == 0 {
			return fault.Malformed("messages", "message %d has no content", i)
		}
	}
	return r.sampling.check()
}

// prompt is the conversation as one text: a line per message with its role before it, and the start of the answer.
func (r *chatRequest) prompt() string {
	var b strings.Builder
	for _, m := range r.Messages {
		b.WriteString(m.Role + ": " + strings.Join(m.Content, "\n") + "\n")
	}
	b.WriteString("assistant:")
	return b.String()
}

// parse reads a body, which is one JSON object and nothing after it.
func parse[T any](data []byte, into *T) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	err := decoder.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return fault.Malformed(wrong.Field, "%s: want %v, got %s", or(wrong.Field, "the body"), wrong.Type, wrong.Value)
	case err != nil:
		return fault.Malformed("", "the body is not the JSON of a request: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fault.Malformed("", "there is more in the body than one JSON object")
	}
	return nil
}

// read reads a request of any kind.
func read[T any](w http.ResponseWriter, r *http.Request, maxBytes int64, into *T) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fault.New(codes.ResourceExhausted, fault.ReasonTooLarge, "the request is larger than %d bytes", tooLarge.Limit)
	case err != nil:
		return fault.Malformed("", "read the request: %v", err)
	}
	return parse(data, into)
}
