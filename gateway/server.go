package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/rs/cors"
	"golang.org/x/net/netutil"

	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/gateway/openai"
)

// Handler answers everything that callers may ask, on whatever path and in whichever protocol.
func (g *Gateway) Handler() http.Handler {
	ai := http.NewServeMux()
	openai.Handler{Backend: backend{g}, Limits: openai.Limits{MaxBytes: int64(g.cfg.MaxRequestBytes), MaxTexts: g.cfg.MaxTexts, MaxRows: g.cfg.MaxRows}}.Register(ai)
	aiGuarded := g.door.guard("openai", func(w http.ResponseWriter, _ *http.Request, err error) { openai.WriteError(w, err) }, ai)
	restGuarded := g.door.guard("rest", restError, g.restHandler())
	calls := g.rpcHandler()
	rpcGuarded := g.door.guard("rpc", calls.refuse, calls.guarded)
	state := g.stateHandler()
	all := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		_, openPattern := pattern(calls.open, r)
		switch {
		case strings.HasPrefix(path, "/v1/"):
			aiGuarded.ServeHTTP(w, r)
		case path == "/v2/health/live", path == "/v2/health/ready", path == "/healthz", path == "/readyz":
			state.ServeHTTP(w, r)
		case path == "/v2", strings.HasPrefix(path, "/v2/"):
			restGuarded.ServeHTTP(w, r)
		case openPattern:
			calls.open.ServeHTTP(w, r)
		case r.Method == http.MethodPost && strings.Count(path, "/") == 2:
			rpcGuarded.ServeHTTP(w, r)
		default:
			http.Error(w, "not found: see /v1/models, /v2 and the documentation of the gateway", http.StatusNotFound)
		}
	})
	if len(g.cfg.Origins) == 0 {
		return all
	}
	return cors.New(cors.Options{
		AllowedOrigins: g.cfg.Origins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost, http.MethodHead},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin", "Inference-Header-Content-Length", "Retry-After"},
		MaxAge:         600,
	}).Handler(all)
}

func pattern(mux *http.ServeMux, r *http.Request) (string, bool) {
	_, pattern := mux.Handler(r)
	return pattern, pattern != ""
}

// stateHandler says whether the gateway is there, to anybody.
func (g *Gateway) stateHandler() http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{"GET /healthz", "GET /v2/health/live"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]bool{"live": true}) })
	}
	for _, path := range []string{"GET /readyz", "GET /v2/health/ready"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := g.Ready(r.Context()); err != nil {
				restError(w, r, fault.Of(err))
				return
			}
			writeJSON(w, map[string]bool{"ready": true})
		})
	}
	return mux
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(value)
}

// Serve answers on lis, which it closes, until ctx ends; then it takes no new request, answers those in hand for up to
// the drain timeout, and returns nil. The error is the listener's. A gateway serves once.
func (g *Gateway) Serve(ctx context.Context, lis net.Listener) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(g.cfg.TLS == nil)
	server := &http.Server{
		Handler: g.Handler(), Protocols: protocols, TLSConfig: g.cfg.TLS,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: g.cfg.RequestTimeout, WriteTimeout: g.cfg.RequestTimeout + g.cfg.QueueTimeout + 5*time.Second,
		IdleTimeout: g.cfg.IdleTimeout, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(g.cfg.Log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: g.cfg.MaxStreams, MaxReceiveBufferPerConnection: 4 << 20, MaxReceiveBufferPerStream: 1 << 20,
			SendPingTimeout: time.Minute, PingTimeout: 20 * time.Second},
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		g.drain(ctx, server)
	})
	lis = netutil.LimitListener(lis, g.cfg.MaxConnections)
	var err error
	if g.cfg.TLS == nil {
		err = server.Serve(lis)
	} else {
		err = server.ServeTLS(lis, "", "")
	}
	if stop() { // ctx has not ended: the listener failed
		server.Close()
		return fmt.Errorf("serve on %s: %w", lis.Addr(), err)
	}
	<-stopped
	g.cfg.Log.Info("stopped serving")
	return nil
}

func (g *Gateway) drain(ctx context.Context, server *http.Server) {
	g.door.draining.Store(true)
	g.cfg.Log.Info("draining", "timeout", g.cfg.DrainTimeout)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.DrainTimeout)
	defer cancel()
	if server.Shutdown(ending) != nil {
		g.cfg.Log.Warn("drain timeout passed, dropping what is still in hand")
		server.Close()
	}
}

// ServeState answers GET /metrics, /status, /healthz and /readyz on lis until ctx ends, for the operator.
func (g *Gateway) ServeState(ctx context.Context, lis net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("/", g.stateHandler())
	mux.Handle("GET /metrics", g.metrics.handler())
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, g.Status(r.Context())) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(lis); err != http.ErrServerClosed {
		return err
	}
	return nil
}
