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
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/receipt"
	"github.com/plexusnet/plexus/miner/schedule"
	"github.com/plexusnet/plexus/miner/till"
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
	resp, b, err := s.infer(stream.Context(), &received.Request, tenderOf(stream.Context()), nil)
	stream.SetTrailer(b.metadata())
	if err != nil {
		return err
	}
	return stream.SendMsg(resp)
}

// ModelInfer runs a model. Inputs may come raw or typed; outputs go raw. It is for callers within the program: what comes
// by gRPC and is paid goes by handleModelInfer.
func (s *Server) ModelInfer(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	resp, _, err := s.infer(ctx, req, nil, nil)
	return resp, err
}

// order is a request on its way: what the model is to run on, how it is paid, and what it takes.
type order struct {
	batching.Call
	rows   int
	counts *modelStatistics // of its model; nil: it is not served
	sale   *till.Sale       // nil: it costs nothing
	unpaid bool             // it goes after those that are paid

	began   bool          // the model, on this order
	compute time.Duration // its part of the run
	output  uint64        // bytes of raw contents
}

// begins takes down that the model begins on orders, those whose callers have gone left out.
func begins(orders ...*order) {
	for _, o := range orders {
		o.began = o.Ctx.Err() == nil
	}
}

// ran takes down how long a run of orders took, each by its part of the rows.
func ran(took time.Duration, rows int, orders ...*order) {
	for _, o := range orders {
		o.compute = took * time.Duration(o.rows) / time.Duration(max(1, rows))
	}
}

// answer returns what another's run has left in the order.
func (o *order) answer() ([]models.Tensor, error) {
	if o.Outputs == nil && o.Err == nil {
		return nil, errGroup
	}
	return o.Outputs, o.Err
}

func callsOf(orders []*order) []*batching.Call {
	calls := make([]*batching.Call, len(orders))
	for i, o := range orders {
		calls[i] = &o.Call
	}
	return calls
}

// infer answers a request and has it paid. encode, if not nil, brings the answer into the form that it is sent in; what
// cannot be sent costs nothing.
func (s *Server) infer(ctx context.Context, req *inference.ModelInferRequest, t *tender, encode func(*inference.ModelInferResponse) error) (*inference.ModelInferResponse, bill, error) {
	start := time.Now()
	o := &order{Call: batching.Call{Ctx: ctx}}
	b, err := s.sell(ctx, o, t)
	if err != nil {
		return nil, b, s.answered("", start, err)
	}
	defer o.sale.Drop() // whatever happens
	resp, err := s.fill(ctx, req, o)
	if err == nil && encode != nil {
		err = encode(resp)
	}
	b, err = s.settle(ctx, o, b, err)
	took := time.Since(start)
	if o.counts == nil {
		return nil, b, s.answered("", start, err)
	}
	if err != nil {
		o.counts.fail.add(took)
		return nil, b, s.answered(o.counts.name, start, err)
	}
	o.counts.success.add(took)
	o.counts.last.Store(start.UnixMilli())
	s.answered(o.counts.name, start, nil)
	return resp, b, nil
}

// fill runs the model for an order.
func (s *Server) fill(ctx context.Context, req *inference.ModelInferRequest, o *order) (*inference.ModelInferResponse, error) {
	served, err := s.library.Get(req.ModelName, req.ModelVersion)
	if err != nil {
		return nil, statusError(err)
	}
	o.counts = s.cfg.Metrics.statistics.of(served.Name, served.Version)
	if o.Inputs, err = oip.Inputs(req); err != nil {
		return nil, statusError(err)
	}
	if o.sale != nil {
		if err := o.sale.Input(uint64(bytesOf(o.Inputs))); err != nil {
			return nil, statusError(err)
		}
	}
	wanted := wantedOutputs(req)
	outputs, err := s.run(ctx, served, o, wanted)
	if errors.Is(err, ort.ErrClosed) { // swapped for another while the request waited
		if served, err = s.library.Get(req.ModelName, req.ModelVersion); err == nil {
			outputs, err = s.run(ctx, served, o, wanted)
		}
	}
	if err != nil {
		return nil, statusError(err)
	}
	o.output = uint64(bytesOf(outputs))
	resp := oip.Response{Model: served.Name, Version: served.Version, ID: req.Id, Outputs: outputs}.Message()
	if req.Parameters[receipt.Parameter].GetBoolParam() {
		if err := s.sign(served, req.ModelName, o.Inputs, outputs, resp); err != nil {
			return nil, err
		}
	}
	return resp, s.checkSize(o.output, resp)
}

// checkSize refuses an answer that is larger than what may be sent, before it is charged.
func (s *Server) checkSize(output uint64, resp *inference.ModelInferResponse) error {
	if output+(64<<10) < uint64(s.cfg.MaxMessageBytes) {
		return nil // what goes with the contents is far less than that
	}
	if size := proto.Size(resp); size > s.cfg.MaxMessageBytes {
		return status.Errorf(codes.ResourceExhausted, "the answer has %d bytes, at most %d may be sent", size, s.cfg.MaxMessageBytes)
	}
	return nil
}

// sign adds a receipt to a response.
func (s *Server) sign(served Served, asked string, inputs, outputs []models.Tensor, resp *inference.ModelInferResponse) error {
	key := s.cfg.Identity.NodeKey()
	if key == nil {
		return status.Error(codes.FailedPrecondition, "this miner has no node key to sign a receipt with")
	}
	height := s.cfg.Directory.Height()
	signature := receipt.Of(asked, inputs, served.SHA256, outputs, height).Sign(key)
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
func (s *Server) run(ctx context.Context, served Served, o *order, wanted []string) ([]models.Tensor, error) {
	if err := checkRows(served, o.Inputs); err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	o.rows = batching.Rows(served.Model.Inputs(), o.Inputs)
	ask := schedule.Request{Caller: who.name, Weight: who.weight, After: o.unpaid, Bytes: bytesOf(o.Inputs), Payload: o, Rows: o.rows}
	if served.MaxRows > 1 {
		if err := checkInputs(served.Model, o.Inputs); err != nil {
			return nil, err
		}
		ask.Batch, _ = batching.Key(served.Name+"/"+served.Version+"/"+string(served.SHA256[:]), o.Inputs, wanted)
	}
	if served.Delay > 0 && ask.Batch != "" {
		return s.runGathered(ctx, served, wanted, ask.Batch, o)
	}
	entered := time.Now()
	place, err := s.queue.Enter(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer place.Leave()
	if place.Joined() {
		return o.answer()
	}
	started := time.Now()
	o.counts.queue.add(started.Sub(entered))
	return s.lead(served, wanted, place, o)
}

// lead runs an order that has a slot, and those it takes along.
func (s *Server) lead(served Served, wanted []string, place schedule.Place, o *order) ([]models.Tensor, error) {
	start := time.Now()
	taken := place.Take(served.MaxRows - o.rows)
	if len(taken) == 0 {
		begins(o)
		outputs, err := served.Model.Run(o.Ctx, o.Inputs, wanted)
		took := time.Since(start)
		ran(took, o.rows, o)
		o.counts.ran(1, o.rows, took, err)
		return outputs, err
	}
	orders, rows := []*order{o}, o.rows
	for _, t := range taken {
		defer t.Done() // whatever happens, or its owner waits forever
		orders = append(orders, t.Payload.(*order))
		rows += t.Rows
	}
	s.runTogether(served, wanted, orders, rows)
	return o.Outputs, o.Err
}

// runTogether runs orders as one.
func (s *Server) runTogether(served Served, wanted []string, orders []*order, rows int) {
	start := time.Now()
	begins(orders...)
	batching.Run(served.Model, wanted, callsOf(orders))
	took := time.Since(start)
	ran(took, rows, orders...)
	orders[0].counts.ran(len(orders), rows, took, nil)
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
