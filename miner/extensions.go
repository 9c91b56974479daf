package miner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/repository"
	"github.com/plexusnet/plexus/proto/inference"
)

// extensions are what ServerMetadata tells of beyond the protocol itself, by the names that clients know.
func extensions() []string {
	return []string{"model_repository", "model_configuration", "statistics", "binary_tensor_data"}
}

// Catalogue is a Library that can list its models, those included that it cannot serve. RepositoryIndex needs it.
type Catalogue interface {
	Index() []Entry
}

// State is how a version of a model stands, by the names that clients of RepositoryIndex know.
type State string

// The states.
const (
	StateReady       State = "READY"
	StateLoading     State = "LOADING"
	StateUnloading   State = "UNLOADING"
	StateUnavailable State = "UNAVAILABLE"
)

// Entry is a version of a model that is served, or is to be. Reason says why it is not.
type Entry struct {
	Name, Version string // the version is empty where no one in particular is at fault
	State         State
	Reason        string
}

// Configured is a Library that knows more of a model's configuration than its shapes.
type Configured interface {
	// Config returns what the operator has written, nil for nothing.
	Config(name, version string) *inference.ModelConfig
}

// Loader is a Library whose models can be loaded and unloaded while it serves.
type Loader interface {
	// Load loads a model anew from its files. The error wraps ErrUnknownModel where there are none.
	Load(ctx context.Context, name string) error
	// Unload unloads all versions of a model, after the runs that go on.
	Unload(name string) error
}

// ModelStreamInfer answers the requests of a stream, one after the other. A request that fails is answered by its error;
// the stream goes on. Each is paid for itself, from the lane and within the limit that the stream's metadata names; the
// first voucher may come there, later ones as parameters. The trailer has what all of them cost.
func (s *Server) ModelStreamInfer(stream grpc.BidiStreamingServer[inference.ModelInferRequest, inference.ModelStreamInferResponse]) error {
	t := tenderOf(stream.Context())
	var all bill
	defer func() { stream.SetTrailer(all.metadata()) }()
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if voucher := req.Parameters[ParameterVoucher].GetStringParam(); t != nil && voucher != "" {
			t = t.with(voucher)
		}
		answer, b, err := s.streamed(stream.Context(), req, t)
		if err != nil {
			return err
		}
		if t != nil {
			t = t.with("") // it has been taken, or refused
		}
		b.Charged += all.Charged
		all = b
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

// streamed answers one request of a stream. Each has the time of a request of its own.
func (s *Server) streamed(ctx context.Context, req *inference.ModelInferRequest, t *tender) (*inference.ModelStreamInferResponse, bill, error) {
	if s.draining.Load() {
		return nil, bill{}, status.Error(codes.Unavailable, "the server is shutting down")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.RequestTimeout, errTimeUp)
	defer cancel()
	resp, b, err := s.infer(ctx, req, t, nil)
	answer := &inference.ModelStreamInferResponse{InferResponse: resp}
	if err != nil {
		st := status.Convert(err)
		answer.ErrorMessage = fmt.Sprintf("%s: %s", st.Code(), st.Message())
		answer.InferResponse = &inference.ModelInferResponse{ModelName: req.ModelName, ModelVersion: req.ModelVersion, Id: req.Id}
	}
	b.parameters(answer.InferResponse)
	return answer, b, nil
}

// ModelConfig tells a model's configuration in Triton's terms: what its operator has written, the rest filled in.
func (s *Server) ModelConfig(_ context.Context, req *inference.ModelConfigRequest) (*inference.ModelConfigResponse, error) {
	served, err := s.library.Get(req.Name, req.Version)
	if err != nil {
		return nil, statusError(err)
	}
	config := &inference.ModelConfig{}
	if c, ok := s.library.(Configured); ok {
		if written := c.Config(served.Name, served.Version); written != nil {
			config = proto.Clone(written).(*inference.ModelConfig)
		}
	}
	config.Name, config.Platform, config.Backend = served.Name, platform, "onnxruntime"
	config.Input, config.Output, config.SchedulingChoice = nil, nil, nil // what is so, not what was wished for
	if served.MaxRows > 1 {
		config.MaxBatchSize = int32(cmp.Or(served.MaxBatch, served.MaxRows))
		config.SchedulingChoice = &inference.ModelConfig_DynamicBatching{DynamicBatching: &inference.ModelDynamicBatching{
			PreferredBatchSize: []int32{int32(served.MaxRows)}, MaxQueueDelayMicroseconds: uint64(served.Delay.Microseconds())}}
	}
	for _, t := range served.Model.Inputs() {
		config.Input = append(config.Input, &inference.ModelInput{Name: t.Name, DataType: repository.DataType(t.Datatype), Dims: dims(t, config.MaxBatchSize > 0)})
	}
	for _, t := range served.Model.Outputs() {
		config.Output = append(config.Output, &inference.ModelOutput{Name: t.Name, DataType: repository.DataType(t.Datatype), Dims: dims(t, config.MaxBatchSize > 0)})
	}
	return &inference.ModelConfigResponse{Config: config}, nil
}

func dims(t models.TensorSpec, batched bool) []int64 {
	if batched && len(t.Shape) > 0 {
		return t.Shape[1:]
	}
	return t.Shape
}

// ModelStatistics tells what models have done since the server started.
func (s *Server) ModelStatistics(_ context.Context, req *inference.ModelStatisticsRequest) (*inference.ModelStatisticsResponse, error) {
	if req.Name != "" {
		if _, err := s.library.Get(req.Name, req.Version); err != nil {
			return nil, statusError(err)
		}
	}
	out := &inference.ModelStatisticsResponse{}
	for _, m := range s.cfg.Metrics.statistics.all() {
		if (req.Name == "" || req.Name == m.name) && (req.Version == "" || req.Version == m.version) {
			out.ModelStats = append(out.ModelStats, m.message())
		}
	}
	return out, nil
}

func (t *tally) message() *inference.StatisticDuration {
	return &inference.StatisticDuration{Count: t.count.Load(), Ns: t.nanoseconds.Load()}
}

func (m *modelStatistics) message() *inference.ModelStatistics {
	none := func() *inference.StatisticDuration { return &inference.StatisticDuration{} }
	out := &inference.ModelStatistics{
		Name: m.name, Version: m.version, LastInference: uint64(m.last.Load()),
		InferenceCount: m.rows.Load(), ExecutionCount: m.compute.count.Load(),
		InferenceStats: &inference.InferStatistics{Success: m.success.message(), Fail: m.fail.message(), Queue: m.queue.message(),
			ComputeInfer: m.compute.message(), ComputeInput: none(), ComputeOutput: none(), CacheHit: none(), CacheMiss: none()},
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rows := range slices.Sorted(maps.Keys(m.sizes)) {
		out.BatchStats = append(out.BatchStats, &inference.InferBatchStatistics{BatchSize: uint64(rows),
			ComputeInfer: m.sizes[rows].message(), ComputeInput: none(), ComputeOutput: none()})
	}
	return out
}

// RepositoryIndex lists the versions that are served and, unless only those are asked for, the others with the reason.
func (s *Server) RepositoryIndex(_ context.Context, req *inference.RepositoryIndexRequest) (*inference.RepositoryIndexResponse, error) {
	list, ok := s.library.(Catalogue)
	if !ok {
		return nil, status.Error(codes.Unimplemented, "this server's models cannot be listed")
	}
	out := &inference.RepositoryIndexResponse{}
	if req.RepositoryName != "" {
		return out, nil // there is one, and it has no name
	}
	for _, e := range list.Index() {
		if e.State == StateReady || !req.Ready {
			out.Models = append(out.Models, &inference.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: string(e.State), Reason: e.Reason})
		}
	}
	return out, nil
}

var errNotOperator = status.Error(codes.PermissionDenied, "models are loaded and unloaded by the operator: start the miner with --model-control, and call it from the machine it runs on")

// loader returns the library if its models may be changed by the caller.
func (s *Server) loader(ctx context.Context) (Loader, error) {
	l, ok := s.library.(Loader)
	if !ok || !s.cfg.ModelControl || !local(ctx) {
		return nil, errNotOperator
	}
	return l, nil
}

// RepositoryModelLoad loads a model anew, while the server answers: requests in hand finish on the old one.
func (s *Server) RepositoryModelLoad(ctx context.Context, req *inference.RepositoryModelLoadRequest) (*inference.RepositoryModelLoadResponse, error) {
	l, err := s.loader(ctx)
	if err != nil {
		return nil, err
	}
	if len(req.Parameters) > 0 {
		return nil, status.Error(codes.InvalidArgument, "models are loaded from their folder; no parameters are taken")
	}
	if err := l.Load(ctx, req.ModelName); err != nil {
		return nil, statusError(err)
	}
	return &inference.RepositoryModelLoadResponse{}, nil
}

// RepositoryModelUnload unloads all versions of a model.
func (s *Server) RepositoryModelUnload(ctx context.Context, req *inference.RepositoryModelUnloadRequest) (*inference.RepositoryModelUnloadResponse, error) {
	l, err := s.loader(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.Unload(req.ModelName); err != nil {
		return nil, statusError(err)
	}
	return &inference.RepositoryModelUnloadResponse{}, nil
}
