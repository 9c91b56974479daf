package openai

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/plexusnet/plexus/models"
)

// generated is what a model wrote after one prompt.
type generated struct {
	text   string
	finish string // "stop", or "length" where it was cut, or had no more room
}

// generate asks the model to go on after prompts. Bounds on what is written are kept here: a model writes as much as its
// output holds.
func (h Handler) generate(ctx context.Context, s sampling, param string, prompts []string) ([]generated, usage, error) {
	p, err := h.profile(ctx, s.Model, param, prompts)
	if err != nil {
		return nil, usage{}, err
	}
	if p.generation == nil {
		return nil, usage{}, unable(p, "generate text", or(p.settings.Generation, "text_output")+" BYTES[n] or UINT8[n length]")
	}
	all, err := ask(ctx, h, p, p.generation, prompts, func(outputs []models.Tensor, n int) ([]generated, error) {
		texts, ended, err := written(outputs, p.generation, n)
		list := make([]generated, len(texts))
		for i, t := range texts {
			list[i] = s.cut(t, ended[i])
		}
		return list, err
	})
	if err != nil {
		return nil, usage{}, err
	}
	completion := 0
	for _, g := range all {
		completion += len(g.text)
	}
	prompt := bytesOf(prompts)
	return all, usage{Prompt: prompt, Completion: &completion, Total: prompt + completion}, nil
}

// cut ends a text where the caller wants it to end, never within a letter.
func (s *sampling) cut(text string, ended bool) generated {
	g := generated{text: text, finish: "stop"}
	if !ended {
		g.finish = "length"
	}
	for _, stop := range s.Stop {
		if at := strings.Index(g.text, stop); at >= 0 {
			g = generated{text: g.text[:at], finish: "stop"}
		}
	}
	if s.MaxTokens != nil && len(g.text) > *s.MaxTokens {
		end := *s.MaxTokens
		for end > 0 && !utf8.RuneStart(g.text[end]) {
			end--
		}
		g = generated{text: g.text[:end], finish: "length"}
	}
	return g
}

func (h Handler) completions(w http.ResponseWriter, r *http.Request) (any, error) {
	var req completionRequest
	if err := read(w, r, h.Limits.MaxBytes, &req); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	all, used, err := h.generate(r.Context(), req.sampling, "prompt", req.Prompt)
	if err != nil {
		return nil, err
	}
	base := object{ID: newID("cmpl-"), Object: "text_completion", Created: time.Now().Unix(), Model: req.Model}
	choice := func(i int, text string, finish any) any {
		return map[string]any{"text": text, "index": i, "logprobs": nil, "finish_reason": finish}
	}
	if !req.Stream {
		for i, g := range all {
			base.Choices = append(base.Choices, choice(i, g.text, g.finish))
		}
		base.Usage = &used
		return base, nil
	}
	events := newEvents(w)
	for i, g := range all {
		events.send(base.with(choice(i, g.text, nil)))
		events.send(base.with(choice(i, "", g.finish)))
	}
	return nil, events.end(base, req.StreamOptions, used)
}

func (h Handler) chat(w http.ResponseWriter, r *http.Request) (any, error) {
	var req chatRequest
	if err := read(w, r, h.Limits.MaxBytes, &req); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	all, used, err := h.generate(r.Context(), req.sampling, "messages", []string{req.prompt()})
	if err != nil {
		return nil, err
	}
	base := object{ID: newID("chatcmpl-"), Object: "chat.completion", Created: time.Now().Unix(), Model: req.Model}
	if !req.Stream {
		said := map[string]any{"role": "assistant", "content": all[0].text, "refusal": nil}
		base.Choices = []any{map[string]any{"index": 0, "message": said, "logprobs": nil, "finish_reason": all[0].finish}}
		base.Usage = &used
		return base, nil
	}
	base.Object = "chat.completion.chunk"
	delta := func(what map[string]any, finish any) object {
		return base.with(map[string]any{"index": 0, "delta": what, "logprobs": nil, "finish_reason": finish})
	}
	events := newEvents(w)
	events.send(delta(map[string]any{"role": "assistant", "content": all[0].text}, nil))
	events.send(delta(map[string]any{}, all[0].finish))
	return nil, events.end(base, req.StreamOptions, used)
}

// object is a completion, or a part of one.
type object struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
	Choices []any  `json:"choices"`
	Usage   *usage `json:"usage,omitempty"`
}

// with returns the object with other choices.
func (o object) with(choices ...any) object {
	o.Choices = append([]any{}, choices...)
	return o
}

// events are server-sent events, as OpenAI streams completions. A model gives its text at once, so a text is one event.
type events struct {
	w   http.ResponseWriter
	err error
}

func newEvents(w http.ResponseWriter) *events {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	return &events{w: w}
}

// send writes an event, unless the caller has gone away.
func (e *events) send(o object) {
	data, err := json.Marshal(o)
	if err == nil && e.err == nil {
		_, err = e.w.Write([]byte("data: " + string(data) + "\n\n"))
	}
	if e.err == nil {
		e.err = err
	}
}

// end writes the usage, if it was asked for, and that there is no more. What goes wrong here cannot be told to the caller
// any more, who sees a stream without an end.
func (e *events) end(base object, o streamOptions, used usage) error {
	if o.IncludeUsage {
		last := base.with()
		last.Usage = &used
		e.send(last)
	}
	if e.err == nil {
		_, e.err = e.w.Write([]byte("data: [DONE]\n\n"))
	}
	if flusher, ok := e.w.(http.Flusher); ok {
		flusher.Flush()
	}
	return nil
}
