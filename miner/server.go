package miner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner/schedule"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/proto/inference"
)

// ServerConfig bounds and names a server. A zero field takes the default.
type ServerConfig struct {
	Version         string        // of the program, as ServerMetadata tells it
	Identity        oip.Identity  // plaintext when zero
	MaxMessageBytes int           // of one request or response; 16 MiB
	MaxInFlight     int           // inference requests being read, waiting or running; 64
	Slots           int           // inference requests that run at once; the number of CPUs
	MaxMemoryBytes  int64         // of all requests that wait or run, as received; 1 GiB
	RequestTimeout  time.Duration // from a request's headers to its answer; 10 s
	MaxConnections  int           // 1024; more wait to be accepted
	MaxStreams      int           // requests at once on one connection; 128
	IdleTimeout     time.Duration // after which an unused connection is closed; 5 min
	DrainTimeout    time.Duration // what requests in hand get to finish on shutdown; 15 s
	Policy          Policy        // who may call, where connections are mutually authenticated
	Directory       *Directory    // of the accounts that go first; nobody when nil
	Till            *till.Till    // takes what is paid, as Policy.Payment has it; nothing is when nil
	ModelControl    bool          // callers on this machine may load and unload models
	Metrics         *Metrics      // counted for nobody when nil
	Log             *slog.Logger  // silent when nil
}

func (c ServerConfig) withDefaults() ServerConfig {
	c.MaxMessageBytes = orDefault(c.MaxMessageBytes, oip.DefaultMaxMessageBytes)
	c.MaxInFlight = orDefault(c.MaxInFlight, 64)
	c.Slots = orDefault(c.Slots, runtime.NumCPU())
	c.MaxMemoryBytes = orDefault(c.MaxMemoryBytes, 1<<30)
	c.RequestTimeout = orDefault(c.RequestTimeout, 10*time.Second)
	c.MaxConnections = orDefault(c.MaxConnections, 1024)
	c.MaxStreams = orDefault(c.MaxStreams, 128)
	c.IdleTimeout = orDefault(c.IdleTimeout, 5*time.Minute)
	c.DrainTimeout = orDefault(c.DrainTimeout, 15*time.Second)
	if c.Metrics == nil {
		c.Metrics = NewMetrics()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault[T int | int64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// ServerName is how a miner calls itself in ServerMetadata.
const ServerName = "plexus"

// platform is the Open Inference Protocol's name for ONNX models.
const platform = "onnx_onnxv1"

// Server answers the Open Inference Protocol v2, gRPC health checks and reflection.
type Server struct {
	inference.UnimplementedGRPCInferenceServiceServer
	library  Library
	cfg      ServerConfig
	queue    *schedule.Queue
	gatherer gatherer
	door     *doorkeeper
	draining atomic.Bool
}

// NewServer returns a server of the library's models.
func NewServer(library Library, cfg ServerConfig) *Server {
	cfg = cfg.withDefaults()
	s := &Server{library: library, cfg: cfg, queue: schedule.New(schedule.Options{Slots: cfg.Slots, Queue: cfg.MaxInFlight, MaxBytes: cfg.MaxMemoryBytes})}
	s.door = &doorkeeper{policy: cfg.Policy, directory: cfg.Directory, till: cfg.Till}
	cfg.Metrics.statistics.waiting.Store(s.queue)
	return s
}

// Identity returns what the server shows to those who connect.
func (s *Server) Identity() oip.Identity { return s.cfg.Identity }

// Serve answers on lis, which it closes, until ctx ends; then it takes no new request, answers those in hand for up to
// the drain timeout, and returns nil. The error is the listener's. A server serves once.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	checks := health.NewServer()
	checks.SetServingStatus("inference.GRPCInferenceService", healthv1.HealthCheckResponse_SERVING)
	server := s.grpcServer()
	server.RegisterService(serviceDesc(), s)
	healthv1.RegisterHealthServer(server, checks)
	reflection.Register(server)

	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		s.drain(server, checks)
	})
	err := server.Serve(netutil.LimitListener(lis, s.cfg.MaxConnections))
	if stop() { // ctx has not ended: the listener failed
		server.Stop()
		return fmt.Errorf("serve on %s: %w", lis.Addr(), err)
	}
	<-drained
	s.cfg.Log.Info("stopped serving")
	return nil
}

func (s *Server) drain(server *grpc.Server, checks *health.Server) {
	s.draining.Store(true)
	checks.Shutdown()
	s.cfg.Log.Info("draining", "timeout", s.cfg.DrainTimeout)
	timer := time.AfterFunc(s.cfg.DrainTimeout, func() {
		s.cfg.Log.Warn("drain timeout passed, dropping what is still in hand")
		server.Stop()
	})
	defer timer.Stop()
	server.GracefulStop()
}

func (s *Server) grpcServer() *grpc.Server {
	admission := &admission{timeout: s.cfg.RequestTimeout, lifetime: s.cfg.IdleTimeout, door: s.door, refused: s.cfg.Metrics.refused.Inc}
	admission.infer.limit = int64(s.cfg.MaxInFlight)
	admission.streams.limit = int64(s.cfg.MaxInFlight)
	admission.other.limit = maxStateRequests
	return grpc.NewServer(
		grpc.Creds(s.cfg.Identity.Credentials()),
		grpc.MaxRecvMsgSize(s.cfg.MaxMessageBytes),
		grpc.MaxSendMsgSize(s.cfg.MaxMessageBytes),
		grpc.MaxConcurrentStreams(uint32(s.cfg.MaxStreams)),
		grpc.MaxHeaderListSize(16<<10),
		grpc.ForceServerCodecV2(oip.NewCodec()),
		grpc.NumStreamWorkers(uint32(s.cfg.MaxInFlight)), // one for each request that may wait: a new goroutine would have to grow its stack
		grpc.StaticStreamWindowSize(s.window()),
		grpc.StaticConnWindowSize(2*s.window()),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: s.cfg.IdleTimeout, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.InTapHandle(admission.tap),
		grpc.UnaryInterceptor(s.recoverUnary),
		grpc.StreamInterceptor(s.recoverStream),
	)
}

// window is what a caller may send before it is told to go on: large enough that a request of a few images comes in one
// go, and small enough that connections which are not read from stay cheap.
func (s *Server) window() int32 {
	return int32(min(max(s.cfg.MaxMessageBytes, 64<<10), 1<<20))
}

func (s *Server) recoverUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer s.recovered(info.FullMethod, &err)
	return handler(ctx, req)
}

func (s *Server) recoverStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer s.recovered(info.FullMethod, &err)
	return handler(srv, stream)
}

// recovered turns a panic into INTERNAL: one request may fail, the others go on.
func (s *Server) recovered(method string, err *error) {
	if cause := recover(); cause != nil {
		s.cfg.Metrics.panics.Inc()
		s.cfg.Log.Error("panic while answering", "method", method, "cause", cause, "stack", string(debug.Stack()))
		*err = status.Error(codes.Internal, "internal error; the miner's log has the details")
	}
}

// ServerLive answers true: a server that is not alive does not answer.
func (s *Server) ServerLive(context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
	return &inference.ServerLiveResponse{Live: true}, nil
}

// ServerReady answers true until the server drains.
func (s *Server) ServerReady(context.Context, *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
	return &inference.ServerReadyResponse{Ready: !s.draining.Load()}, nil
}

// ServerMetadata names the server.
func (s *Server) ServerMetadata(context.Context, *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	return &inference.ServerMetadataResponse{Name: ServerName, Version: s.cfg.Version, Extensions: extensions()}, nil
}

// ModelReady answers for models that are served and fails with NOT_FOUND for others.
func (s *Server) ModelReady(_ context.Context, req *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	if _, err := s.library.Get(req.Name, req.Version); err != nil {
		return nil, statusError(err)
	}
	return &inference.ModelReadyResponse{Ready: !s.draining.Load()}, nil
}

// ModelMetadata tells a model's versions, inputs and outputs.
func (s *Server) ModelMetadata(_ context.Context, req *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	served, err := s.library.Get(req.Name, req.Version)
	if err != nil {
		return nil, statusError(err)
	}
	return &inference.ModelMetadataResponse{
		Name:     served.Name,
		Versions: s.library.Versions(served.Name),
		Platform: platform,
		Inputs:   metadata(served.Model.Inputs()),
		Outputs:  metadata(served.Model.Outputs()),
	}, nil
}

func metadata(specs []models.TensorSpec) []*inference.ModelMetadataResponse_TensorMetadata {
	out := make([]*inference.ModelMetadataResponse_TensorMetadata, len(specs))
	for i, s := range specs {
		out[i] = &inference.ModelMetadataResponse_TensorMetadata{Name: s.Name, Datatype: string(s.Datatype), Shape: s.Shape}
	}
	return out
}

// statusError gives an error the code that tells the caller what to do about it.
func statusError(err error) error {
	var tensor *models.TensorError
	var full *schedule.FullError
	var refusal *till.Refusal
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &full):
		return fullStatus(full)
	case errors.Is(err, ErrUnknownModel):
		return status.Error(codes.NotFound, err.Error())
	case errors.As(err, &tensor), errors.Is(err, oip.ErrContents), errors.Is(err, ort.ErrOutput):
		return status.Error(codes.InvalidArgument, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "out of time")
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "canceled")
	case errors.Is(err, ort.ErrClosed):
		return status.Error(codes.Unavailable, "the model is being unloaded")
	default:
		return status.Error(codes.Internal, err.Error())
	}
}
