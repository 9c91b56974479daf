package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/proto/inference"
)

// restHandler answers the Open Inference Protocol's paths below /v2.
func (g *Gateway) restHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2", rest(func(ctx context.Context, _ *http.Request) (proto.Message, error) {
		return g.serverMetadata(ctx, nil)
	}))
	mux.HandleFunc("POST /v2/repository/index", rest(func(ctx context.Context, _ *http.Request) (proto.Message, error) {
		return g.repositoryIndex(ctx, nil)
	}))
	for _, prefix := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		mux.HandleFunc("GET "+prefix, rest(func(ctx context.Context, r *http.Request) (proto.Message, error) {
			return g.modelMetadata(ctx, &inference.ModelMetadataRequest{Name: r.PathValue("model"), Version: r.PathValue("version")})
		}))
		mux.HandleFunc("GET "+prefix+"/ready", rest(func(ctx context.Context, r *http.Request) (proto.Message, error) {
			resp, err := g.modelReady(ctx, &inference.ModelReadyRequest{Name: r.PathValue("model"), Version: r.PathValue("version")})
			if err == nil && !resp.Ready {
				return nil, fault.New(codes.Unavailable, fault.ReasonMiners, "no miner serves model %q now", r.PathValue("model"))
			}
			return resp, err
		}))
		mux.HandleFunc("POST "+prefix+"/infer", g.restInfer)
	}
	mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
		restError(w, r, fault.New(codes.NotFound, "unknown_url", "the gateway has no %s %s", r.Method, r.URL.Path))
	})
	return mux
}

// rest answers with a message as JSON.
func rest(call func(context.Context, *http.Request) (proto.Message, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		resp, err := call(r.Context(), r)
		if err != nil {
			restError(w, r, err)
			return
		}
		body, err := oip.JSON(resp)
		if err != nil {
			restError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}
}

// restError writes an error as the protocol does over HTTP.
func restError(w http.ResponseWriter, _ *http.Request, err error) {
	f := fault.Of(err)
	f.WriteHeader(w)
	json.NewEncoder(w).Encode(map[string]string{"error": f.Message})
}

// restInfer answers an inference request in JSON, in raw tensors, or in both.
func (g *Gateway) restInfer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(g.cfg.MaxRequestBytes)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		restError(w, r, fault.New(codes.ResourceExhausted, fault.ReasonTooLarge, "the request is larger than %d bytes", tooLarge.Limit))
		return
	case err != nil:
		restError(w, r, fault.Malformed("", "read the request: %v", err))
		return
	}
	req, err := oip.ParseREST(body, r.Header.Get(oip.HeaderLength))
	if err != nil {
		restError(w, r, badTensor(err))
		return
	}
	req.Message.ModelName, req.Message.ModelVersion = r.PathValue("model"), r.PathValue("version")
	resp, err := g.modelInfer(r.Context(), req.Message)
	if err != nil {
		restError(w, r, err)
		return
	}
	head, raw, err := req.Answer(resp)
	if err != nil {
		restError(w, r, fault.New(codes.Internal, fault.ReasonInternal, "%v", err))
		return
	}
	if len(raw) == 0 {
		w.Header().Set("Content-Type", "application/json")
		w.Write(head)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set(oip.HeaderLength, strconv.Itoa(len(head)))
	w.Write(head)
	for _, data := range raw {
		w.Write(data)
	}
}
