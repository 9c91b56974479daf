package gateway

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/proto/inference"
)

const inferenceService = "inference.GRPCInferenceService"

// rpc is what answers gRPC, gRPC-Web, and Connect's JSON over POST, all at the paths of gRPC.
type rpc struct {
	open    *http.ServeMux // what everybody may ask: whether the server is there
	guarded http.Handler
	refuse  refusal
}

func (g *Gateway) rpcHandler() rpc {
	options := []connect.HandlerOption{connect.WithReadMaxBytes(g.cfg.MaxRequestBytes), connect.WithSendMaxBytes(g.cfg.MaxRequestBytes),
		connect.WithCompressMinBytes(1 << 10)} // for callers who ask for gzip
	open, guarded := http.NewServeMux(), http.NewServeMux()
	unary(open, inference.GRPCInferenceService_ServerLive_FullMethodName, g.serverLive, options)
	unary(open, inference.GRPCInferenceService_ServerReady_FullMethodName, g.serverReady, options)
	unary(guarded, inference.GRPCInferenceService_ServerMetadata_FullMethodName, g.serverMetadata, options)
	unary(guarded, inference.GRPCInferenceService_ModelReady_FullMethodName, g.modelReady, options)
	unary(guarded, inference.GRPCInferenceService_ModelMetadata_FullMethodName, g.modelMetadata, options)
	unary(guarded, inference.GRPCInferenceService_ModelInfer_FullMethodName, g.modelInfer, options)
	unary(guarded, inference.GRPCInferenceService_RepositoryIndex_FullMethodName, g.repositoryIndex, options)
	open.Handle(grpchealth.NewHandler(g, options...))
	reflector := grpcreflect.NewStaticReflector(inferenceService, grpchealth.HealthV1ServiceName)
	guarded.Handle(grpcreflect.NewHandlerV1(reflector, options...))
	guarded.Handle(grpcreflect.NewHandlerV1Alpha(reflector, options...))
	writer := connect.NewErrorWriter(options...)
	return rpc{open: open, guarded: guarded, refuse: func(w http.ResponseWriter, r *http.Request, err error) {
		if writer.Write(w, r, connectError(err)) != nil {
			restError(w, r, err)
		}
	}}
}

// unary adds a method whose errors are faults.
func unary[Req, Resp any](mux *http.ServeMux, procedure string, call func(context.Context, *Req) (*Resp, error), options []connect.HandlerOption) {
	mux.Handle(procedure, connect.NewUnaryHandlerSimple(procedure, func(ctx context.Context, req *Req) (*Resp, error) {
		resp, err := call(ctx, req)
		if err != nil {
			return nil, connectError(err)
		}
		return resp, nil
	}, options...))
}

// connectError is an error with its code and its details, as Connect writes it in all its protocols.
func connectError(err error) *connect.Error {
	f := fault.Of(err)
	out := connect.NewError(connect.Code(f.Code), f)
	for _, detail := range f.Details() {
		message, ok := detail.(proto.Message)
		if !ok {
			continue
		}
		if d, err := connect.NewErrorDetail(message); err == nil {
			out.AddDetail(d)
		}
	}
	return out
}

// Check implements grpchealth.Checker.
func (g *Gateway) Check(ctx context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	switch {
	case req.Service != "" && req.Service != inferenceService && req.Service != grpchealth.HealthV1ServiceName:
		return nil, connect.NewError(connect.CodeNotFound, fault.Malformed("service", "no service %q", req.Service))
	case g.Ready(ctx) != nil:
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	default:
		return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
	}
}
