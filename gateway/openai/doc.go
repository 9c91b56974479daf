// Package openai answers OpenAI's HTTP interface with models of text subnets: embeddings and classification, and
// completions where a model generates text.
//
//	handler := openai.Handler{Backend: backend, Limits: openai.Limits{}}
//	handler.Register(mux) // GET /v1/models, POST /v1/embeddings, ...
//
// What a model can do is read from its tensors (see Profile): it takes texts as bytes, UINT8[n length] with zeros after a
// shorter one, or as strings, BYTES[n]; what it gives is known by name and datatype:
//
//	probabilities   FP32[n classes]             POST /v1/classifications, /v1/moderations
//	embedding       FP32[n numbers]             POST /v1/embeddings
//	text_output     BYTES[n] or UINT8[n length] POST /v1/completions, /v1/chat/completions
//
// Other names are a matter of Settings. A model that cannot do what it is asked for is said to be unable, in an error of
// OpenAI's form; nothing is made up. A token is a byte of text, for that is what these models read and write, and usage
// counts them.
package openai
