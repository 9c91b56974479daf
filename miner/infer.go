package miner

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/receipt"
	"github.com/plexusnet/plexus/miner/schedule"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/batching"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/proto/inference"
)

// serviceDesc is the generated description of the service, with a ModelInfer that leaves raw contents where they were
// received until the answer is there, and lets the next request in when it is sent. Both take a handler of our own, which
// gRPC has for streams only and calls without an interceptor where neither side streams; on the wire it is the same.
func serviceDesc() *grpc.ServiceDesc {
	desc := inference.GRPCInferenceService_ServiceDesc
	unary := func(m grpc.MethodDesc) bool { return m.MethodName == "ModelInfer" }
	desc.Methods = slices.DeleteFunc(slices.Clone(desc.Methods), unary)
	desc.Streams = append(slices.Clone(desc.Streams), grpc.StreamDesc{StreamName: "ModelInfer", Handler: handleModelInfer})
	return &desc
}

func handleModelInfer(srv any, stream grpc.ServerStream) (err error) {
	s := srv.(*Server)
	defer leave(stream.Context())
	defer s.recovered(inference.GRPCInferenceService_ModelInfer_FullMethodName, &err)
	var received oip.Received
	if err := stream.RecvMsg(&received); err != nil {
		return err
	}
	defer received.Free()
	resp, err := s.ModelInfer(stream.Context(), &received.Request)
	if err != nil {
		return err
	}
	return stream.SendMsg(resp)
}

// ModelInfer runs a model. Inputs may come raw or typed; outputs go raw.
func (s *Server) ModelInfer(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	start := time.Now()
	served, err := s.library.Get(req.ModelName, req.ModelVersion)
	if err != nil {
		return nil, s.answered("", start, statusError(err))
	}
	counts := s.cfg.Metrics.statistics.of(served.Name, served.Version)
	outputs, err := s.run(ctx, served, req, counts)
	if errors.Is(err, ort.ErrClosed) { // swapped for another while the request waited
		if served, err = s.library.Get(req.ModelName, req.ModelVersion); err == nil {
			outputs, err = s.run(ctx, served, req, counts)
		}
	}
	took := time.Since(start)
	if err != nil {
		counts.fail.add(took)
		return nil, s.answered(served.Name, start, statusError(err))
	}
	counts.success.add(took)
	counts.last.Store(start.UnixMilli())
	s.answered(served.Name, start, nil)
	resp := oip.Response{Model: served.Name, Version: served.Version, ID: req.Id, Outputs: outputs}.Message()
	if req.Parameters[receipt.Parameter].GetBoolParam() {
		if err := s.sign(served, req, outputs, resp); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// sign adds a receipt to a response.
func (s *Server) sign(served Served, req *inference.ModelInferRequest, outputs []models.Tensor, resp *inference.ModelInferResponse) error {
	key := s.cfg.Identity.NodeKey()
	if key == nil {
		return status.Error(codes.FailedPrecondition, "this miner has no node key to sign a receipt with")
	}
	inputs, err := oip.Inputs(req)
	if err != nil {
		return statusError(err)
	}
	height := s.cfg.Directory.Height()
	signature := receipt.Of(req.ModelName, inputs, served.SHA256, outputs, height).Sign(key)
	text := func(s string) *inference.InferParameter {
		return &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: s}}
	}
	resp.Parameters = map[string]*inference.InferParameter{
		receipt.Parameter:       text(base64.StdEncoding.EncodeToString(signature)),
		receipt.ParameterKey:    text(base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))),
		receipt.ParameterModel:  text(hex.EncodeToString(served.SHA256[:])),
		receipt.ParameterHeight: {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: int64(height)}},
	}
	return nil
}

// run waits for a slot and runs the model, together with other requests where that is faster.
func (s *Server) run(ctx context.Context, served Served, req *inference.ModelInferRequest, counts *modelStatistics) ([]models.Tensor, error) {
	inputs, err := oip.Inputs(req)
	if err != nil {
		return nil, err
	}
	if err := checkRows(served, inputs); err != nil {
		return nil, err
	}
	wanted := wantedOutputs(req)
	call := &batching.Call{Ctx: ctx, Inputs: inputs}
	who := callerOf(ctx)
	ask := schedule.Request{Caller: who.name, Weight: who.weight, Bytes: bytesOf(inputs), Payload: call, Rows: batching.Rows(served.Model.Inputs(), inputs)}
	if served.MaxRows > 1 {
		if err := checkInputs(served.Model, inputs); err != nil {
			return nil, err
		}
		ask.Batch, _ = batching.Key(served.Name+"/"+served.Version+"/"+string(served.SHA256[:]), inputs, wanted)
	}
	if served.Delay > 0 && ask.Batch != "" {
		return s.runGathered(ctx, served, wanted, ask.Batch, call, ask.Rows, counts)
	}
	entered := time.Now()
	place, err := s.queue.Enter(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer place.Leave()
	if place.Joined() {
		return call.Outputs, call.Err
	}
	started := time.Now()
	counts.queue.add(started.Sub(entered))
	return s.lead(served, wanted, place, call, ask.Rows, counts)
}

// lead runs a call that has a slot, and those it takes along.
func (s *Server) lead(served Served, wanted []string, place schedule.Place, call *batching.Call, rows int, counts *modelStatistics) ([]models.Tensor, error) {
	start := time.Now()
	taken := place.Take(served.MaxRows - rows)
	if len(taken) == 0 {
		outputs, err := served.Model.Run(call.Ctx, call.Inputs, wanted)
		counts.ran(1, rows, time.Since(start), err)
		return outputs, err
	}
	calls := []*batching.Call{call}
	for _, t := range taken {
		defer t.Done() // whatever happens, or its owner waits forever
		calls = append(calls, t.Payload.(*batching.Call))
		rows += t.Rows
	}
	batching.Run(served.Model, wanted, calls)
	counts.ran(len(calls), rows, time.Since(start), nil)
	return call.Outputs, call.Err
}

// checkRows refuses a request of more rows than the operator lets in at once.
func checkRows(served Served, inputs []models.Tensor) error {
	for _, t := range inputs {
		if served.MaxBatch > 0 && len(t.Shape) > 0 && t.Shape[0] > int64(served.MaxBatch) {
			return &models.TensorError{Tensor: t.Name, Err: models.ErrShape,
				Want: fmt.Sprintf("at most %d rows (max_batch_size)", served.MaxBatch), Got: strconv.FormatInt(t.Shape[0], 10)}
		}
	}
	return nil
}

// checkInputs finds what is wrong with a request before it can spoil a batch.
func checkInputs(model Model, inputs []models.Tensor) error {
	return models.ValidateInputs(model.Inputs(), inputs, models.Limits{MaxTensorBytes: 1 << 40})
}

func wantedOutputs(req *inference.ModelInferRequest) []string {
	var wanted []string
	for _, o := range req.Outputs {
		wanted = append(wanted, o.GetName())
	}
	return wanted
}

func bytesOf(tensors []models.Tensor) int64 {
	n := 0
	for _, t := range tensors {
		n += len(t.Data)
	}
	return int64(n)
}

// answered counts a request and hands its error on.
func (s *Server) answered(model string, start time.Time, err error) error {
	took := time.Since(start)
	code := status.Code(err)
	s.cfg.Metrics.requests.WithLabelValues(model, code.String()).Inc()
	s.cfg.Metrics.seconds.WithLabelValues(model).Observe(took.Seconds())
	switch {
	case code == codes.Internal:
		s.cfg.Log.Error("inference failed", "model", model, "error", err)
	case s.cfg.Log.Enabled(context.Background(), slog.LevelDebug):
		s.cfg.Log.Debug("inference", "model", model, "code", code.String(), "took", took)
	}
	if code == codes.ResourceExhausted {
		s.cfg.Metrics.refused.Inc()
	}
	return err
}

// fullStatus tells a caller when to come back, in the way that clients of gRPC know to read.
func fullStatus(full *schedule.FullError) error {
	st := status.New(codes.ResourceExhausted, full.Error())
	if detailed, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(full.RetryAfter)}); err == nil {
		st = detailed
	}
	return st.Err()
}

// retryAfter returns the hint in an error of fullStatus, as seconds for HTTP; empty for none.
func retryAfter(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return strconv.Itoa(int(info.RetryDelay.AsDuration().Seconds()) + 1)
		}
	}
	return ""
}
