package miner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/proto/inference"
)

// ServeREST answers the Open Inference Protocol v2 over HTTP with JSON, with the binary tensor extension, on lis, until
// ctx ends. It shares the queue, the limits and the counters with Serve.
func (s *Server) ServeREST(ctx context.Context, lis net.Listener) error {
	server := &http.Server{
		Handler: s.RESTHandler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: s.cfg.RequestTimeout, WriteTimeout: 2 * s.cfg.RequestTimeout,
		IdleTimeout: s.cfg.IdleTimeout, MaxHeaderBytes: 16 << 10, TLSConfig: s.cfg.Identity.TLS(),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
		defer cancel()
		if server.Shutdown(ending) != nil {
			server.Close()
		}
	})
	lis = netutil.LimitListener(lis, s.cfg.MaxConnections)
	var err error
	if s.cfg.Identity.Plaintext() {
		err = server.Serve(lis)
	} else {
		err = server.ServeTLS(lis, "", "")
	}
	if stop() {
		server.Close()
		return fmt.Errorf("serve REST on %s: %w", lis.Addr(), err)
	}
	<-stopped
	return nil
}

// RESTHandler answers the protocol's paths below /v2.
func (s *Server) RESTHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2", s.rest(func(ctx context.Context, _ *http.Request) (proto.Message, error) {
		return s.ServerMetadata(ctx, &inference.ServerMetadataRequest{})
	}))
	mux.HandleFunc("GET /v2/health/live", s.rest(func(ctx context.Context, _ *http.Request) (proto.Message, error) {
		return s.ServerLive(ctx, &inference.ServerLiveRequest{})
	}))
	mux.HandleFunc("GET /v2/health/ready", s.rest(func(ctx context.Context, _ *http.Request) (proto.Message, error) {
		resp, err := s.ServerReady(ctx, &inference.ServerReadyRequest{})
		if err == nil && !resp.Ready {
			return nil, status.Error(codes.Unavailable, "shutting down")
		}
		return resp, err
	}))
	mux.HandleFunc("POST /v2/repository/index", s.rest(func(ctx context.Context, _ *http.Request) (proto.Message, error) {
		return s.RepositoryIndex(ctx, &inference.RepositoryIndexRequest{})
	}))
	mux.HandleFunc("GET /v2/models/stats", s.rest(func(ctx context.Context, _ *http.Request) (proto.Message, error) {
		return s.ModelStatistics(ctx, &inference.ModelStatisticsRequest{})
	}))
	for _, prefix := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		mux.HandleFunc("GET "+prefix, s.rest(func(ctx context.Context, r *http.Request) (proto.Message, error) {
			return s.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: r.PathValue("model"), Version: r.PathValue("version")})
		}))
		mux.HandleFunc("GET "+prefix+"/ready", s.rest(func(ctx context.Context, r *http.Request) (proto.Message, error) {
			resp, err := s.ModelReady(ctx, &inference.ModelReadyRequest{Name: r.PathValue("model"), Version: r.PathValue("version")})
			if err != nil {
				return nil, err
			}
			return &inference.ModelReadyResponse{Ready: resp.Ready}, nil
		}))
		mux.HandleFunc("GET "+prefix+"/config", s.rest(func(ctx context.Context, r *http.Request) (proto.Message, error) {
			resp, err := s.ModelConfig(ctx, &inference.ModelConfigRequest{Name: r.PathValue("model"), Version: r.PathValue("version")})
			return resp.GetConfig(), err
		}))
		mux.HandleFunc("GET "+prefix+"/stats", s.rest(func(ctx context.Context, r *http.Request) (proto.Message, error) {
			return s.ModelStatistics(ctx, &inference.ModelStatisticsRequest{Name: r.PathValue("model"), Version: r.PathValue("version")})
		}))
		mux.HandleFunc("POST "+prefix+"/infer", s.restInfer)
	}
	return s.admitREST(mux)
}

// rest answers with a message as JSON.
func (s *Server) rest(call func(context.Context, *http.Request) (proto.Message, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		resp, err := call(r.Context(), r)
		if err != nil {
			restError(w, err)
			return
		}
		body, err := oip.JSON(resp)
		if err != nil {
			restError(w, status.Error(codes.Internal, err.Error()))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}
}

// admitREST lets a bounded number of requests in, for a bounded time, as admission does for gRPC, and turns a panic into
// an error.
func (s *Server) admitREST(next http.Handler) http.Handler {
	g := &gate{limit: int64(s.cfg.MaxInFlight)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			s.cfg.Metrics.refused.Inc()
			w.Header().Set("Retry-After", "1")
			restError(w, status.Errorf(codes.ResourceExhausted, "the server has %d requests in hand and takes no more; try again later or elsewhere", g.limit))
			return
		}
		defer g.leave()
		ctx, cancel := context.WithTimeoutCause(r.Context(), s.cfg.RequestTimeout, errTimeUp)
		defer cancel()
		if address, err := net.ResolveTCPAddr("tcp", r.RemoteAddr); err == nil {
			ctx = peer.NewContext(ctx, &peer.Peer{Addr: address})
		}
		auth, mutual := oip.AuthInfo{}, s.cfg.Identity.Mutual()
		if mutual && r.TLS != nil {
			auth = s.cfg.Identity.Authenticate(r.TLS.PeerCertificates)
		}
		ctx, err := s.door.admit(ctx, auth, mutual)
		if err != nil {
			s.cfg.Metrics.refused.Inc()
			restError(w, err)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/infer") {
			unpaid, err := s.door.toll(ctx, r.Header.Get(oip.HTTPChannel) != "")
			if err == nil && unpaid && g.crowded() {
				s.cfg.Metrics.refused.Inc()
				err = g.full()
			}
			if err != nil {
				restError(w, err)
				return
			}
		}
		err = func() (err error) {
			defer s.recovered(r.URL.Path, &err)
			next.ServeHTTP(w, r.WithContext(ctx))
			return nil
		}()
		if err != nil {
			restError(w, err)
		}
	})
}

// httpStatus is what HTTP says for a gRPC code.
var httpStatus = map[codes.Code]int{
	codes.InvalidArgument: http.StatusBadRequest, codes.NotFound: http.StatusNotFound, codes.ResourceExhausted: http.StatusTooManyRequests,
	codes.DeadlineExceeded: http.StatusGatewayTimeout, codes.Unavailable: http.StatusServiceUnavailable, codes.PermissionDenied: http.StatusForbidden,
	codes.FailedPrecondition: http.StatusPreconditionFailed, codes.Unauthenticated: http.StatusUnauthorized, codes.Unimplemented: http.StatusNotImplemented, codes.Canceled: 499,
}

func restError(w http.ResponseWriter, err error) {
	st := status.Convert(err)
	code, ok := httpStatus[st.Code()]
	if !ok {
		code = http.StatusInternalServerError
	}
	if after := retryAfter(err); after != "" {
		w.Header().Set("Retry-After", after)
	}
	body := map[string]any{"error": st.Message()}
	if info := refusalInfo(st); info != nil {
		body["reason"], body["metadata"] = info.Reason, info.Metadata
		if st.Code() == codes.FailedPrecondition {
			code = http.StatusPaymentRequired
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body)
}

// refusalInfo returns what a refusal of the till says for programs; nil where there is none.
func refusalInfo(st *status.Status) *errdetails.ErrorInfo {
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Domain == oip.ErrorDomain {
			return info
		}
	}
	return nil
}

// restInfer answers an inference request in JSON, in raw tensors, or in both.
func (s *Server) restInfer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.cfg.MaxMessageBytes)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		restError(w, status.Errorf(codes.ResourceExhausted, "the request is larger than %d bytes", tooLarge.Limit))
		return
	case err != nil:
		restError(w, status.Errorf(codes.InvalidArgument, "read the request: %v", err))
		return
	}
	req, err := oip.ParseREST(body, r.Header.Get(oip.HeaderLength))
	if err != nil {
		restError(w, statusError(err))
		return
	}
	req.Message.ModelName, req.Message.ModelVersion = r.PathValue("model"), r.PathValue("version")
	var head []byte
	var raw [][]byte
	_, b, err := s.infer(r.Context(), req.Message, tenderOfREST(r.Header), func(resp *inference.ModelInferResponse) (err error) {
		if head, raw, err = req.Answer(resp); err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		return nil
	})
	b.header(w.Header())
	if err != nil {
		restError(w, err)
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

// local reports whether the caller is on this machine.
func local(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return false
	}
	return strings.HasPrefix(p.Addr.String(), "127.") || strings.HasPrefix(p.Addr.String(), "[::1]")
}
