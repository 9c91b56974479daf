package openai

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/text"
)

// scribe is a backend that answers what it is asked about as its tensors say, with arithmetic in place of a model: what is
// tested here is how requests are read and answers written. Real models and miners are in the gateway's own tests.
type scribe struct {
	inputs, outputs []models.TensorSpec
	settings        Settings
	calls           int
	answer          func(in models.Tensor) []models.Tensor
}

func (s *scribe) Models(context.Context) ([]string, error) { return []string{"m", "n"}, nil }

func (s *scribe) Specs(_ context.Context, model string) (inputs, outputs []models.TensorSpec, _ Settings, err error) {
	if model != "m" {
		return nil, nil, s.settings, fault.New(codes.NotFound, fault.ReasonModel, "no model %q", model)
	}
	return s.inputs, s.outputs, s.settings, nil
}

func (s *scribe) Infer(_ context.Context, _ string, inputs []models.Tensor, _ []string, check func([]models.Tensor) error) ([]models.Tensor, error) {
	s.calls++
	if err := models.ValidateInputs(s.inputs, inputs, models.Limits{}); err != nil {
		return nil, err
	}
	outputs := s.answer(inputs[0])
	return outputs, check(outputs)
}

func spec(name string, datatype models.Datatype, shape ...int64) models.TensorSpec {
	return models.TensorSpec{Name: name, Datatype: datatype, Shape: shape}
}

// counts embeds a text as how many bytes it has and its first byte.
func counts(rows, length int) func(models.Tensor) []models.Tensor {
	return func(in models.Tensor) []models.Tensor {
		n := int(in.Shape[0])
		var values []float32
		for i := range n {
			row := strings.TrimRight(string(in.Data[i*length:(i+1)*length]), "\x00")
			first := float32(0)
			if row != "" {
				first = float32(row[0])
			}
			values = append(values, float32(len(row)), first)
		}
		return []models.Tensor{models.FromFloat32s("embedding", []int64{int64(n), 2}, values)}
	}
}

func post(t testing.TB, h Handler, path, body string) (int, map[string]any) {
	t.Helper()
	mux := http.NewServeMux()
	h.Register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(body)))
	data, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(data, &out), "%s", data)
	return w.Code, out
}

func embedder() *scribe {
	return &scribe{inputs: []models.TensorSpec{spec("text", models.UINT8, -1, 16)}, outputs: []models.TensorSpec{spec("embedding", models.FP32, -1, 2)}, answer: counts(-1, 16)}
}

func TestBatchesAreCutAndPutTogether(t *testing.T) {
	texts := []string{"a", "bb", "ccc", "dddd", "eeeee"}
	body, err := json.Marshal(map[string]any{"model": "m", "input": texts})
	require.NoError(t, err)
	for name, test := range map[string]struct {
		rows  int64
		limit int
		calls int
	}{"all at once": {-1, 64, 1}, "two at a time": {-1, 2, 3}, "one row": {1, 64, 5}, "rows of three": {3, 64, 2}} {
		s := embedder()
		s.inputs[0].Shape[0], s.outputs[0].Shape[0] = test.rows, test.rows
		code, out := post(t, Handler{Backend: s, Limits: Limits{MaxRows: test.limit}}, "/v1/embeddings", string(body))
		require.Equal(t, 200, code, "%s: %v", name, out)
		require.Equal(t, test.calls, s.calls, name)
		data := out["data"].([]any)
		require.Len(t, data, len(texts), name)
		for i, one := range data {
			require.Equal(t, []any{float64(i + 1), float64('a' + i)}, one.(map[string]any)["embedding"], name)
		}
		require.Equal(t, map[string]any{"prompt_tokens": 15.0, "total_tokens": 15.0}, out["usage"])
	}
}

func TestModelsThatTakeStrings(t *testing.T) {
	for _, shape := range [][]int64{{-1}, {-1, 1}} {
		s := &scribe{inputs: []models.TensorSpec{spec("prompt", models.BYTES, shape...)}, outputs: []models.TensorSpec{spec("text_output", models.BYTES, shape...)},
			answer: func(in models.Tensor) []models.Tensor {
				list, err := in.Strings()
				require.NoError(t, err)
				for i := range list {
					list[i] += ", and so on"
				}
				return []models.Tensor{models.FromStrings("text_output", in.Shape, list)}
			}}
		code, out := post(t, Handler{Backend: s}, "/v1/completions", `{"model":"m","prompt":["one","two"],"stop":" so"}`)
		require.Equal(t, 200, code, "%v", out)
		choices := out["choices"].([]any)
		require.Equal(t, "two, and", choices[1].(map[string]any)["text"])
		require.Equal(t, "stop", choices[1].(map[string]any)["finish_reason"])
		require.Equal(t, map[string]any{"prompt_tokens": 6.0, "completion_tokens": 16.0, "total_tokens": 22.0}, out["usage"])
	}
}

func TestBadRequests(t *testing.T) {
	long := strings.Repeat("x", 17)
	for name, test := range map[string]struct {
		path, body  string
		status      int
		code, param string
	}{
		"not JSON":            {"/v1/embeddings", `{`, 400, "invalid_request", ""},
		"nothing":             {"/v1/embeddings", ``, 400, "invalid_request", ""},
		"two objects":         {"/v1/embeddings", `{"model":"m","input":"a"} {}`, 400, "invalid_request", ""},
		"no object":           {"/v1/embeddings", `[]`, 400, "invalid_request", ""},
		"too large":           {"/v1/embeddings", `{"model":"m","input":"` + strings.Repeat("x", 5000) + `"}`, 413, "request_too_large", ""},
		"no model":            {"/v1/embeddings", `{"input":"a"}`, 400, "invalid_request", "model"},
		"unknown model":       {"/v1/embeddings", `{"model":"x","input":"a"}`, 404, "model_not_found", ""},
		"no input":            {"/v1/embeddings", `{"model":"m"}`, 400, "invalid_request", "input"},
		"null":                {"/v1/embeddings", `{"model":"m","input":null}`, 400, "invalid_request", "input"},
		"empty text":          {"/v1/embeddings", `{"model":"m","input":""}`, 400, "invalid_request", "input"},
		"an empty list":       {"/v1/embeddings", `{"model":"m","input":[]}`, 400, "invalid_request", "input"},
		"an empty one":        {"/v1/embeddings", `{"model":"m","input":["a",""]}`, 400, "invalid_request", "input"},
		"a null in a list":    {"/v1/embeddings", `{"model":"m","input":["a",null]}`, 400, "invalid_request", ""},
		"tokens":              {"/v1/embeddings", `{"model":"m","input":[1,2]}`, 400, "invalid_request", ""},
		"lists of tokens":     {"/v1/embeddings", `{"model":"m","input":[[1],[2]]}`, 400, "invalid_request", ""},
		"an image":            {"/v1/embeddings", `{"model":"m","input":[{"type":"image_url","image_url":{}}]}`, 400, "invalid_request", ""},
		"a number":            {"/v1/embeddings", `{"model":"m","input":7}`, 400, "invalid_request", ""},
		"too many":            {"/v1/embeddings", `{"model":"m","input":["a","b","c","d"]}`, 400, "invalid_request", "input"},
		"too long":            {"/v1/embeddings", `{"model":"m","input":"` + long + `"}`, 400, "context_length_exceeded", "input"},
		"a zero byte":         {"/v1/embeddings", `{"model":"m","input":"a\u0000b"}`, 400, "invalid_request", "input"},
		"encoding":            {"/v1/embeddings", `{"model":"m","input":"a","encoding_format":"hex"}`, 400, "invalid_request", "encoding_format"},
		"dimensions":          {"/v1/embeddings", `{"model":"m","input":"a","dimensions":3}`, 400, "unsupported_parameter", "dimensions"},
		"wrong type":          {"/v1/embeddings", `{"model":7,"input":"a"}`, 400, "invalid_request", "model"},
		"cannot classify":     {"/v1/classifications", `{"model":"m","input":"a"}`, 400, "model_not_capable", ""},
		"cannot moderate":     {"/v1/moderations", `{"model":"m","input":"a"}`, 400, "model_not_capable", ""},
		"cannot complete":     {"/v1/completions", `{"model":"m","prompt":"a"}`, 400, "model_not_capable", ""},
		"cannot chat":         {"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"a"}]}`, 400, "context_length_exceeded", "messages"},
		"no messages":         {"/v1/chat/completions", `{"model":"m","messages":[]}`, 400, "invalid_request", "messages"},
		"a strange role":      {"/v1/chat/completions", `{"model":"m","messages":[{"role":"tool","content":"a"}]}`, 400, "invalid_request", "messages"},
		"no content":          {"/v1/chat/completions", `{"model":"m","messages":[{"role":"user"}]}`, 400, "invalid_request", "messages"},
		"tools":               {"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{}]}`, 400, "unsupported_parameter", "tools"},
		"functions":           {"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"a"}],"functions":[{}]}`, 400, "unsupported_parameter", "functions"},
		"JSON mode":           {"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_object"}}`, 400, "unsupported_parameter", "response_format"},
		"several completions": {"/v1/completions", `{"model":"m","prompt":"a","n":2}`, 400, "unsupported_parameter", "n"},
		"top_p":               {"/v1/completions", `{"model":"m","prompt":"a","top_p":0.5}`, 400, "unsupported_parameter", "top_p"},
		"penalty":             {"/v1/completions", `{"model":"m","prompt":"a","presence_penalty":1}`, 400, "unsupported_parameter", "presence_penalty"},
		"other penalty":       {"/v1/completions", `{"model":"m","prompt":"a","frequency_penalty":1}`, 400, "unsupported_parameter", "frequency_penalty"},
		"bias":                {"/v1/completions", `{"model":"m","prompt":"a","logit_bias":{"1":2}}`, 400, "unsupported_parameter", "logit_bias"},
		"logprobs":            {"/v1/completions", `{"model":"m","prompt":"a","logprobs":5}`, 400, "unsupported_parameter", "logprobs"},
		"echo":                {"/v1/completions", `{"model":"m","prompt":"a","echo":true}`, 400, "unsupported_parameter", "echo"},
		"suffix":              {"/v1/completions", `{"model":"m","prompt":"a","suffix":"b"}`, 400, "unsupported_parameter", "suffix"},
		"best of":             {"/v1/completions", `{"model":"m","prompt":"a","best_of":3}`, 400, "unsupported_parameter", "best_of"},
		"no tokens":           {"/v1/completions", `{"model":"m","prompt":"a","max_tokens":0}`, 400, "invalid_request", "max_tokens"},
		"an empty stop":       {"/v1/completions", `{"model":"m","prompt":"a","stop":""}`, 400, "invalid_request", "stop"},
		"too many stops":      {"/v1/completions", `{"model":"m","prompt":"a","stop":["1","2","3","4","5"]}`, 400, "invalid_request", "stop"},
		"no such path":        {"/v1/images/generations", `{}`, 404, "unknown_url", ""},
	} {
		status, out := post(t, Handler{Backend: embedder(), Limits: Limits{MaxBytes: 4096, MaxTexts: 3}}, test.path, test.body)
		require.Equal(t, test.status, status, "%s: %v", name, out)
		got := out["error"].(map[string]any)
		require.Equal(t, test.code, got["code"], "%s: %v", name, got)
		require.NotEmpty(t, got["message"], name)
		require.NotEmpty(t, got["type"], name)
		if test.param != "" {
			require.Equal(t, test.param, got["param"], "%s: %v", name, got)
		}
	}
}

// What a miner answers is looked at before it is passed on.
func TestAnswersThatDoNotFit(t *testing.T) {
	for name, answer := range map[string][]models.Tensor{
		"none":        nil,
		"other name":  {models.FromFloat32s("x", []int64{1, 2}, []float32{1, 2})},
		"other shape": {models.FromFloat32s("embedding", []int64{1, 3}, []float32{1, 2, 3})},
		"other type":  {{Name: "embedding", Datatype: models.INT32, Shape: []int64{1, 2}, Data: make([]byte, 8)}},
		"too few":     {models.FromFloat32s("embedding", []int64{0, 2}, nil)},
		"short":       {{Name: "embedding", Datatype: models.FP32, Shape: []int64{1, 2}, Data: make([]byte, 4)}},
	} {
		s := embedder()
		s.answer = func(models.Tensor) []models.Tensor { return answer }
		status, out := post(t, Handler{Backend: s}, "/v1/embeddings", `{"model":"m","input":"a"}`)
		require.Equal(t, 500, status, "%s: %v", name, out)
	}
}

func TestLabels(t *testing.T) {
	task := text.Task()
	ours := []models.TensorSpec{task.Outputs[0]}
	p, err := NewProfile("m", task.Inputs, ours, Settings{})
	require.NoError(t, err)
	require.Equal(t, text.Labels(), p.settings.Labels, "those of the text task")
	three := []models.TensorSpec{spec("probabilities", models.FP32, -1, 3)}
	p, err = NewProfile("m", task.Inputs, three, Settings{})
	require.NoError(t, err)
	require.Equal(t, []string{"0", "1", "2"}, p.settings.Labels)
	p, err = NewProfile("m", task.Inputs, three, Settings{Labels: []string{"x", "y", "z"}})
	require.NoError(t, err)
	require.Equal(t, []string{"x", "y", "z"}, p.settings.Labels)
	p, err = NewProfile("m", task.Inputs, three, Settings{Labels: []string{"x"}})
	require.NoError(t, err)
	require.Equal(t, []string{"0", "1", "2"}, p.settings.Labels, "labels for another number of classes name nothing")
	for _, inputs := range [][]models.TensorSpec{nil, {spec("x", models.FP32, -1, 8)}, {spec("x", models.UINT8, -1, -1)}, {task.Inputs[0], task.Inputs[0]}} {
		_, err := NewProfile("m", inputs, ours, Settings{})
		require.ErrorContains(t, err, "takes no texts")
	}
}

// A text is never cut within a letter.
func TestCutting(t *testing.T) {
	one, nine := 1, 9
	for name, test := range map[string]struct {
		s     sampling
		text  string
		ended bool
		want  generated
	}{
		"whole":         {sampling{}, "hello", true, generated{"hello", "stop"}},
		"no more room":  {sampling{}, "hello", false, generated{"hello", "length"}},
		"stop":          {sampling{Stop: texts{"ll"}}, "hello", false, generated{"he", "stop"}},
		"earliest stop": {sampling{Stop: texts{"o", "e"}}, "hello", true, generated{"h", "stop"}},
		"tokens":        {sampling{MaxTokens: &one}, "hello", true, generated{"h", "length"}},
		"a letter":      {sampling{MaxTokens: &one}, "é", true, generated{"", "length"}},
		"enough":        {sampling{MaxTokens: &nine}, "hello", true, generated{"hello", "stop"}},
	} {
		require.Equal(t, test.want, test.s.cut(test.text, test.ended), name)
	}
}

// FuzzBodies: no body makes reading it panic, and what is taken is within its bounds.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{`{"model":"m","input":["a","b"],"dimensions":2}`, `{"model":"m","prompt":"a","stop":["b"],"max_tokens":3,"logprobs":null}`,
		`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"stream":true}`, `{"input":[[1]]}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var embedding embeddingRequest
		if err := parse(data, &embedding); err == nil && embedding.check() == nil {
			require.Contains(t, []string{"", "float", "base64"}, embedding.Encoding)
		}
		var completion completionRequest
		if err := parse(data, &completion); err == nil && completion.check() == nil {
			require.LessOrEqual(t, len(completion.Stop), 4)
			g := completion.cut("grüße an anna", false)
			require.True(t, utf8.ValidString(g.text) || len(completion.Stop) > 0)
			require.True(t, completion.MaxTokens == nil || len(g.text) <= *completion.MaxTokens)
		}
		var chat chatRequest
		if err := parse(data, &chat); err == nil && chat.check() == nil {
			require.True(t, strings.HasSuffix(chat.prompt(), "\nassistant:"))
		}
		var classification classificationRequest
		_ = parse(data, &classification)
	})
}
