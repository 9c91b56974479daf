package openai

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"

	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/models"
)

// Backend is what answers. Errors are faults, or what a miner answered.
type Backend interface {
	// Models lists what the caller may ask for.
	Models(ctx context.Context) ([]string, error)
	// Specs are the tensors of a model, and what the operator says about them.
	Specs(ctx context.Context, model string) (inputs, outputs []models.TensorSpec, settings Settings, err error)
	// Infer asks a model for the named outputs. An answer that check refuses is a miner's failure.
	Infer(ctx context.Context, model string, inputs []models.Tensor, outputs []string, check func([]models.Tensor) error) ([]models.Tensor, error)
}

// Limits bound a request. A zero field takes the default.
type Limits struct {
	MaxBytes int64 // of a body; 16 MiB
	MaxTexts int   // in one request; 2048
	MaxRows  int   // texts in one call of a miner; 64
}

func (l Limits) withDefaults() Limits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = 16 << 20
	}
	if l.MaxTexts <= 0 {
		l.MaxTexts = 2048
	}
	if l.MaxRows <= 0 {
		l.MaxRows = 64
	}
	return l
}

// Handler answers OpenAI's interface. It is safe for concurrent use.
type Handler struct {
	Backend Backend
	Limits  Limits
}

// Register adds the handler's paths to a mux.
func (h Handler) Register(mux *http.ServeMux) {
	h.Limits = h.Limits.withDefaults()
	mux.HandleFunc("GET /v1/models", h.answer(h.models))
	mux.HandleFunc("GET /v1/models/{model...}", h.answer(h.model))
	mux.HandleFunc("POST /v1/embeddings", h.answer(h.embeddings))
	mux.HandleFunc("POST /v1/classifications", h.answer(h.classifications))
	mux.HandleFunc("POST /v1/moderations", h.answer(h.moderations))
	mux.HandleFunc("POST /v1/completions", h.answer(h.completions))
	mux.HandleFunc("POST /v1/chat/completions", h.answer(h.chat))
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		WriteError(w, fault.New(codes.NotFound, "unknown_url", "unknown request URL: %s %s", r.Method, r.URL.Path))
	})
}

// answer writes what a call returns as JSON, unless the call has written by itself and returns nil.
func (h Handler) answer(call func(http.ResponseWriter, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		got, err := call(w, r)
		if err != nil {
			WriteError(w, err)
			return
		}
		if got == nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		json.NewEncoder(w).Encode(got)
	}
}

// WriteError writes an error as OpenAI does.
func WriteError(w http.ResponseWriter, err error) {
	f := fault.Of(err)
	f.WriteHeader(w)
	json.NewEncoder(w).Encode(errorBody(f))
}

func errorBody(f *fault.Error) any {
	body := map[string]any{"message": f.Message, "type": typeOf(f), "code": f.Reason, "param": nil}
	if f.Param != "" {
		body["param"] = f.Param
	}
	return map[string]any{"error": body}
}

// typeOf is OpenAI's kind of error.
func typeOf(f *fault.Error) string {
	switch {
	case f.Reason == fault.ReasonBudget:
		return "insufficient_quota"
	case f.Code == codes.ResourceExhausted && f.Reason != fault.ReasonTooLarge:
		return "rate_limit_error"
	case f.Code == codes.Unauthenticated:
		return "authentication_error"
	case f.Code == codes.PermissionDenied:
		return "permission_error"
	case f.HTTPStatus() >= 500:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type list[T any] struct {
	Object string `json:"object"`
	Data   []T    `json:"data"`
	Model  string `json:"model,omitempty"`
	Usage  *usage `json:"usage,omitempty"`
}

type usage struct {
	Prompt     int  `json:"prompt_tokens"`
	Completion *int `json:"completion_tokens,omitempty"`
	Total      int  `json:"total_tokens"`
}

func described(name string) model {
	// When a model was made nobody says; a network of miners owns it.
	return model{ID: name, Object: "model", OwnedBy: "plexus"}
}

func (h Handler) models(_ http.ResponseWriter, r *http.Request) (any, error) {
	names, err := h.Backend.Models(r.Context())
	if err != nil {
		return nil, err
	}
	out := list[model]{Object: "list", Data: []model{}}
	for _, name := range names {
		out.Data = append(out.Data, described(name))
	}
	return out, nil
}

func (h Handler) model(_ http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("model")
	names, err := h.Backend.Models(r.Context())
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		return nil, fault.New(codes.NotFound, fault.ReasonModel, "the model %q does not exist, or your key does not allow it", name)
	}
	return described(name), nil
}

// profile finds out what a model does with texts, and that it may be asked about these.
func (h Handler) profile(ctx context.Context, name, param string, texts []string) (*Profile, error) {
	switch {
	case name == "":
		return nil, fault.Malformed("model", "no model given; see /v1/models")
	case len(texts) == 0:
		return nil, fault.Malformed(param, "no text given in %s", param)
	case len(texts) > h.Limits.MaxTexts:
		return nil, fault.Malformed(param, "%d texts: want at most %d in one request", len(texts), h.Limits.MaxTexts)
	}
	inputs, outputs, settings, err := h.Backend.Specs(ctx, name)
	if err != nil {
		return nil, err
	}
	p, err := NewProfile(name, inputs, outputs, settings)
	if err != nil {
		return nil, err
	}
	return p, p.check(param, texts)
}

// unable is the error for a model without the output that is asked for.
func unable(p *Profile, does, output string) error {
	return fault.New(codes.InvalidArgument, fault.ReasonUnable, "model %q does not %s: it has no output %s", p.Model, does, output)
}

// ask asks the model about texts, as many in one call as it takes, and hands the outputs of each call on.
func ask[T any](ctx context.Context, h Handler, p *Profile, spec *models.TensorSpec, texts []string,
	read func(outputs []models.Tensor, texts int) ([]T, error)) ([]T, error) {
	rows := h.Limits.MaxRows
	if p.rows > 0 {
		rows = p.rows
	}
	all := make([]T, 0, len(texts))
	for part := range slices.Chunk(texts, rows) {
		var some []T
		_, err := h.Backend.Infer(ctx, p.Model, []models.Tensor{p.tensor(part)}, []string{spec.Name}, func(outputs []models.Tensor) (err error) {
			some, err = read(outputs, len(part))
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (h Handler) askNumbers(ctx context.Context, p *Profile, spec *models.TensorSpec, texts []string) ([][]float32, error) {
	return ask(ctx, h, p, spec, texts, func(outputs []models.Tensor, n int) ([][]float32, error) { return numbers(outputs, spec, n) })
}

// bytesOf is the number of tokens in texts.
func bytesOf(texts []string) int {
	n := 0
	for _, t := range texts {
		n += len(t)
	}
	return n
}

type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // []float32, or base64 of them
}

func (h Handler) embeddings(w http.ResponseWriter, r *http.Request) (any, error) {
	var req embeddingRequest
	if err := read(w, r, h.Limits.MaxBytes, &req); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	p, err := h.profile(r.Context(), req.Model, "input", req.Input)
	if err != nil {
		return nil, err
	}
	if p.embedding == nil {
		return nil, unable(p, "embed texts", or(p.settings.Embedding, "embedding")+" FP32[n numbers]")
	}
	if width := int(p.embedding.Shape[1]); req.Dimensions != nil && *req.Dimensions != width {
		return nil, unsupported("dimensions", "none, or its own, which is "+strconv.Itoa(width))
	}
	rows, err := h.askNumbers(r.Context(), p, p.embedding, req.Input)
	if err != nil {
		return nil, err
	}
	tokens := bytesOf(req.Input)
	out := list[embedding]{Object: "list", Model: req.Model, Usage: &usage{Prompt: tokens, Total: tokens}}
	for i, row := range rows {
		e := embedding{Object: "embedding", Index: i, Embedding: row}
		if req.Encoding == "base64" {
			e.Embedding = encode(row)
		}
		out.Data = append(out.Data, e)
	}
	return out, nil
}

// encode writes numbers as the base64 of little-endian float32.
func encode(row []float32) string {
	raw := make([]byte, 0, 4*len(row))
	for _, v := range row {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

type classification struct {
	Object string             `json:"object"`
	Index  int                `json:"index"`
	Label  string             `json:"label"`
	Score  float32            `json:"score"`
	Scores map[string]float32 `json:"scores"`
}

// classify asks for the probabilities of the classes of a model that is able to do what is asked of it.
func (h Handler) classify(w http.ResponseWriter, r *http.Request, able func(*Profile) error) (*Profile, classificationRequest, [][]float32, error) {
	var req classificationRequest
	if err := read(w, r, h.Limits.MaxBytes, &req); err != nil {
		return nil, req, nil, err
	}
	p, err := h.profile(r.Context(), req.Model, "input", req.Input)
	if err != nil {
		return nil, req, nil, err
	}
	if p.classes == nil {
		return nil, req, nil, unable(p, "classify texts", or(p.settings.Classification, "probabilities")+" FP32[n classes]")
	}
	if err := able(p); err != nil {
		return nil, req, nil, err
	}
	rows, err := h.askNumbers(r.Context(), p, p.classes, req.Input)
	return p, req, rows, err
}

func (h Handler) classifications(w http.ResponseWriter, r *http.Request) (any, error) {
	p, req, rows, err := h.classify(w, r, func(*Profile) error { return nil })
	if err != nil {
		return nil, err
	}
	tokens := bytesOf(req.Input)
	out := list[classification]{Object: "list", Model: req.Model, Usage: &usage{Prompt: tokens, Total: tokens}}
	for i, row := range rows {
		best := slices.Index(row, slices.Max(row))
		c := classification{Object: "classification", Index: i, Label: p.settings.Labels[best], Score: row[best], Scores: map[string]float32{}}
		for class, score := range row {
			c.Scores[p.settings.Labels[class]] = score
		}
		out.Data = append(out.Data, c)
	}
	return out, nil
}

type moderation struct {
	Flagged    bool                `json:"flagged"`
	Categories map[string]bool     `json:"categories"`
	Scores     map[string]float32  `json:"category_scores"`
	Types      map[string][]string `json:"category_applied_input_types"`
}

// flagsFrom is the probability from which a category applies.
const flagsFrom = 0.5

func (h Handler) moderations(w http.ResponseWriter, r *http.Request) (any, error) {
	p, req, rows, err := h.classify(w, r, func(p *Profile) error {
		if len(p.settings.Flagged) == 0 {
			return fault.New(codes.InvalidArgument, fault.ReasonUnable,
				"model %q does not moderate: which of its labels are to be flagged is not set; ask /v1/classifications for its labels", p.Model)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	results := make([]moderation, len(rows))
	for i, row := range rows {
		m := moderation{Categories: map[string]bool{}, Scores: map[string]float32{}, Types: map[string][]string{}}
		for class, score := range row {
			label := p.settings.Labels[class]
			m.Categories[label], m.Scores[label], m.Types[label] = score >= flagsFrom, score, []string{"text"}
			m.Flagged = m.Flagged || (score >= flagsFrom && slices.Contains(p.settings.Flagged, label))
		}
		results[i] = m
	}
	return map[string]any{"id": newID("modr-"), "model": req.Model, "results": results}, nil
}

// newID returns an id that is like no other.
func newID(prefix string) string {
	var random [12]byte
	rand.Read(random[:])
	return prefix + hex.EncodeToString(random[:])
}
