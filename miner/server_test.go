package miner_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/models/repository"
	"github.com/plexusnet/plexus/proto/inference"
	onnxpb "github.com/plexusnet/plexus/proto/onnx"
)

func dial(t *testing.T, address string) (*grpc.ClientConn, inference.GRPCInferenceServiceClient) {
	t.Helper()
	conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: address})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn, inference.NewGRPCInferenceServiceClient(conn)
}

func image(n int) models.Tensor {
	return models.FromFloat32s(digits.InputName, []int64{int64(n), 1, digits.Size, digits.Size}, make([]float32, n*digits.Size*digits.Size))
}

func TestServerAnswersEveryCall(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{Version: "v1.2.3"}, map[string][]byte{"digits": minertest.Classifier(t, 10)})
	conn, service := dial(t, server.Address)
	ctx := t.Context()

	live, err := service.ServerLive(ctx, &inference.ServerLiveRequest{})
	require.NoError(t, err)
	require.True(t, live.Live)

	ready, err := service.ServerReady(ctx, &inference.ServerReadyRequest{})
	require.NoError(t, err)
	require.True(t, ready.Ready)

	model, err := service.ModelReady(ctx, &inference.ModelReadyRequest{Name: "digits"})
	require.NoError(t, err)
	require.True(t, model.Ready)

	about, err := service.ServerMetadata(ctx, &inference.ServerMetadataRequest{})
	require.NoError(t, err)
	require.Equal(t, "plexus", about.Name)
	require.Equal(t, "v1.2.3", about.Version)

	metadata, err := service.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: "digits", Version: "1"})
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, metadata.Versions)
	require.Equal(t, "onnx_onnxv1", metadata.Platform)
	require.Equal(t, digits.InputName, metadata.Inputs[0].Name)
	require.Equal(t, "FP32", metadata.Inputs[0].Datatype)
	require.Equal(t, []int64{-1, 1, 28, 28}, metadata.Inputs[0].Shape)
	require.Equal(t, []int64{-1, 10}, metadata.Outputs[0].Shape)

	resp, err := service.ModelInfer(ctx, oip.Request{Model: "digits", ID: "abc", Inputs: []models.Tensor{image(3)}}.Message())
	require.NoError(t, err)
	require.Equal(t, "digits", resp.ModelName)
	require.Equal(t, "1", resp.ModelVersion)
	require.Equal(t, "abc", resp.Id)
	outputs, err := oip.Outputs(resp)
	require.NoError(t, err)
	answers, err := digits.Answers(outputs[0])
	require.NoError(t, err)
	require.Len(t, answers, 3)

	health, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: "inference.GRPCInferenceService"})
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_SERVING, health.Status)

	require.Contains(t, reflected(t, conn), "inference.GRPCInferenceService")
}

// reflected lists the services that reflection tells of, as grpcurl does.
func reflected(t *testing.T, conn *grpc.ClientConn) []string {
	t.Helper()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}))
	resp, err := stream.Recv()
	require.NoError(t, err)
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	var names []string
	for _, s := range resp.GetListServicesResponse().Service {
		names = append(names, s.Name)
	}
	return names
}

func TestTypedAndRawContentsGiveTheSameAnswer(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"digits": minertest.Classifier(t, 10)})
	_, service := dial(t, server.Address)
	pixels := make([]float32, digits.Size*digits.Size)
	for i := range pixels {
		pixels[i] = float32(i%7) / 7
	}
	raw := oip.Request{Model: "digits", Inputs: []models.Tensor{
		models.FromFloat32s(digits.InputName, []int64{1, 1, digits.Size, digits.Size}, pixels)}}.Message()
	want, err := service.ModelInfer(t.Context(), raw)
	require.NoError(t, err)

	typed := oip.Request{Model: "digits", Inputs: []models.Tensor{image(1)}, Outputs: []string{digits.OutputName}}.Message()
	typed.RawInputContents = nil
	typed.Inputs[0].Contents = &inference.InferTensorContents{Fp32Contents: pixels}
	got, err := service.ModelInfer(t.Context(), typed)
	require.NoError(t, err)
	require.Equal(t, want.RawOutputContents, got.RawOutputContents)
	require.Len(t, got.RawOutputContents[0], 4*digits.Classes)
}

func TestRealModelGivesItsStatedAnswer(t *testing.T) {
	folder := filepath.Join(orttest.RealModels(t), "mnist-8")
	model, err := os.ReadFile(filepath.Join(folder, "model.onnx"))
	require.NoError(t, err)
	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"mnist": model})
	_, service := dial(t, server.Address)
	metadata, err := service.ModelMetadata(t.Context(), &inference.ModelMetadataRequest{Name: "mnist"})
	require.NoError(t, err)

	shape, pixels := tensorFile(t, filepath.Join(folder, "test_data_set_0", "input_0.pb"))
	_, want := tensorFile(t, filepath.Join(folder, "test_data_set_0", "output_0.pb"))
	in := models.Tensor{Name: metadata.Inputs[0].Name, Datatype: models.FP32, Shape: shape, Data: pixels}
	resp, err := service.ModelInfer(t.Context(), oip.Request{Model: "mnist", Inputs: []models.Tensor{in}}.Message())
	require.NoError(t, err)
	outputs, err := oip.Outputs(resp)
	require.NoError(t, err)
	got, err := outputs[0].Float32s()
	require.NoError(t, err)
	stated, err := models.Tensor{Datatype: models.FP32, Data: want}.Float32s()
	require.NoError(t, err)
	require.InDeltaSlice(t, stated, got, 3e-6*float64(slices.MaxFunc(stated, func(a, b float32) int { return cmp.Compare(abs(a), abs(b)) })),
		"the tolerance of shared/models/README.md, of the largest output")
}

func abs(v float32) float32 { return max(v, -v) }

// tensorFile reads a TensorProto of raw floats.
func tensorFile(t *testing.T, path string) (shape []int64, data []byte) {
	t.Helper()
	encoded, err := os.ReadFile(path)
	require.NoError(t, err)
	var tensor onnxpb.TensorProto
	require.NoError(t, proto.Unmarshal(encoded, &tensor))
	if len(tensor.RawData) > 0 {
		return tensor.Dims, tensor.RawData
	}
	return tensor.Dims, models.FromFloat32s("", tensor.Dims, tensor.FloatData).Data
}

func TestBadRequestsAreRefusedWithTheirReason(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"digits": minertest.Classifier(t, 10)})
	_, service := dial(t, server.Address)
	tests := map[string]struct {
		change func(*inference.ModelInferRequest)
		code   codes.Code
		says   []string
	}{
		"unknown model":   {func(r *inference.ModelInferRequest) { r.ModelName = "cats" }, codes.NotFound, []string{`"cats"`, "digits"}},
		"unknown version": {func(r *inference.ModelInferRequest) { r.ModelVersion = "9" }, codes.NotFound, []string{`"9"`, "digits"}},
		"wrong rank": {func(r *inference.ModelInferRequest) { r.Inputs[0].Shape = []int64{1, 784} }, codes.InvalidArgument,
			[]string{`"image"`, "[-1 1 28 28]", "[1 784]"}},
		"wrong dimension": {func(r *inference.ModelInferRequest) { r.Inputs[0].Shape = []int64{1, 3, 28, 28} }, codes.InvalidArgument,
			[]string{`"image"`, "[-1 1 28 28]", "[1 3 28 28]"}},
		"negative dimension": {func(r *inference.ModelInferRequest) { r.Inputs[0].Shape = []int64{-1, 1, 28, 28} }, codes.InvalidArgument, []string{`"image"`}},
		"overflowing shape": {func(r *inference.ModelInferRequest) { r.Inputs[0].Shape = []int64{1 << 62, 1, 28, 28} }, codes.InvalidArgument,
			[]string{`"image"`}},
		"wrong datatype": {func(r *inference.ModelInferRequest) { r.Inputs[0].Datatype = "FP64" }, codes.InvalidArgument,
			[]string{`"image"`, "FP32", "FP64"}},
		"no datatype": {func(r *inference.ModelInferRequest) { r.Inputs[0].Datatype = "PIXELS" }, codes.InvalidArgument, []string{"PIXELS"}},
		"too few bytes": {func(r *inference.ModelInferRequest) { r.RawInputContents[0] = r.RawInputContents[0][:3135] }, codes.InvalidArgument,
			[]string{`"image"`, "3136", "3135"}},
		"too many bytes": {func(r *inference.ModelInferRequest) { r.RawInputContents[0] = append(r.RawInputContents[0], 0) }, codes.InvalidArgument,
			[]string{"3136", "3137"}},
		"no input": {func(r *inference.ModelInferRequest) { r.Inputs, r.RawInputContents = nil, nil }, codes.InvalidArgument, []string{`"image"`, "missing"}},
		"unknown input": {func(r *inference.ModelInferRequest) { r.Inputs[0].Name = "picture" }, codes.InvalidArgument,
			[]string{`"picture"`, `"image"`}},
		"input twice": {func(r *inference.ModelInferRequest) {
			r.Inputs, r.RawInputContents = append(r.Inputs, r.Inputs[0]), append(r.RawInputContents, r.RawInputContents[0])
		}, codes.InvalidArgument, []string{"twice"}},
		"unknown output": {func(r *inference.ModelInferRequest) {
			r.Outputs = []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "logits"}}
		}, codes.InvalidArgument, []string{`"logits"`, `"probabilities"`}},
		"raw and typed": {func(r *inference.ModelInferRequest) {
			r.Inputs[0].Contents = &inference.InferTensorContents{Fp32Contents: []float32{1}}
		}, codes.InvalidArgument, []string{`"image"`, "typed contents beside raw"}},
		"raw for nobody": {func(r *inference.ModelInferRequest) {
			r.RawInputContents = append(r.RawInputContents, []byte{1})
		}, codes.InvalidArgument, []string{"2 raw contents for 1 tensors"}},
		"typed in the wrong field": {func(r *inference.ModelInferRequest) {
			r.RawInputContents = nil
			r.Inputs[0].Contents = &inference.InferTensorContents{IntContents: make([]int32, 784)}
		}, codes.InvalidArgument, []string{`"image"`, "fp32_contents", "784"}},
		"typed too few": {func(r *inference.ModelInferRequest) {
			r.RawInputContents = nil
			r.Inputs[0].Contents = &inference.InferTensorContents{Fp32Contents: make([]float32, 783)}
		}, codes.InvalidArgument, []string{`"image"`, "784", "783"}},
		"no contents": {func(r *inference.ModelInferRequest) { r.RawInputContents = nil }, codes.InvalidArgument, []string{`"image"`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			req := oip.Request{Model: "digits", Inputs: []models.Tensor{image(1)}}.Message()
			test.change(req)
			_, err := service.ModelInfer(t.Context(), req)
			require.Equal(t, test.code, status.Code(err), "%v", err)
			for _, word := range test.says {
				require.ErrorContains(t, err, word)
			}
		})
	}
	_, err := service.ModelInfer(t.Context(), oip.Request{Model: "digits", Inputs: []models.Tensor{image(1)}}.Message())
	require.NoError(t, err, "the server goes on")
	_, err = service.ModelReady(t.Context(), &inference.ModelReadyRequest{Name: "cats"})
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = service.ModelMetadata(t.Context(), &inference.ModelMetadataRequest{Name: "cats"})
	require.Equal(t, codes.NotFound, status.Code(err))
}

// gigabyte is a message of 1 GiB that takes 1 MiB of memory: the same buffer 1024 times.
type gigabyte struct{}

func (gigabyte) Name() string { return "proto" }
func (gigabyte) Marshal(any) (mem.BufferSlice, error) {
	piece := mem.SliceBuffer(make([]byte, 1<<20))
	message := make(mem.BufferSlice, 1024)
	for i := range message {
		message[i] = piece
	}
	return message, nil
}
func (gigabyte) Unmarshal(mem.BufferSlice, any) error { return nil }

func TestAGigabyteIsRefusedUnread(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"digits": minertest.Classifier(t, 10)})
	conn, err := grpc.NewClient("passthrough:///"+server.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = conn.Invoke(ctx, inference.GRPCInferenceService_ModelInfer_FullMethodName, struct{}{}, struct{}{},
		grpc.ForceCodecV2(gigabyte{}), grpc.MaxCallSendMsgSize(2<<30))
	runtime.ReadMemStats(&after)
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	require.ErrorContains(t, err, "1073741824")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "client and server together allocated as if they had read it")

	_, service := dial(t, server.Address)
	_, err = service.ModelInfer(t.Context(), oip.Request{Model: "digits", Inputs: []models.Tensor{image(1)}}.Message())
	require.NoError(t, err, "the server goes on")
}

func TestSendersWhoStallDoNotHoldTheServer(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{MaxInFlight: 3, RequestTimeout: 1500 * time.Millisecond},
		map[string][]byte{"digits": minertest.Classifier(t, 10)})
	conn, service := dial(t, server.Address)
	req := oip.Request{Model: "digits", Inputs: []models.Tensor{image(1)}}.Message()
	_, err := service.ModelInfer(t.Context(), req)
	require.NoError(t, err)

	var stalled []grpc.ClientStream
	for range 3 { // headers, and never a message
		stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, inference.GRPCInferenceService_ModelInfer_FullMethodName)
		require.NoError(t, err)
		stalled = append(stalled, stream)
	}
	require.Eventually(t, func() bool {
		_, err = service.ModelInfer(t.Context(), req)
		return status.Code(err) == codes.ResourceExhausted
	}, 30*time.Second, time.Millisecond, "three requests in hand fill the server")
	require.ErrorContains(t, err, "3 requests in hand")
	_, err = service.ServerLive(t.Context(), &inference.ServerLiveRequest{})
	require.NoError(t, err, "a full server still says that it lives")

	for _, stream := range stalled {
		require.Equal(t, codes.DeadlineExceeded, status.Code(stream.RecvMsg(&inference.ModelInferResponse{})))
	}
	require.Eventually(t, func() bool {
		_, err = service.ModelInfer(t.Context(), req)
		return err == nil
	}, 30*time.Second, 10*time.Millisecond, "their places are free again")
}

func TestARunIsStoppedAtItsDeadline(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{RequestTimeout: 200 * time.Millisecond}, map[string][]byte{"slow": minertest.Slow(t, 5000)})
	_, service := dial(t, server.Address)
	req := oip.Request{Model: "slow", Inputs: []models.Tensor{models.FromFloat32s("x", []int64{1}, []float32{1})}}.Message()
	start := time.Now()
	_, err := service.ModelInfer(t.Context(), req)
	require.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
	require.Less(t, time.Since(start), 8*time.Second, "the whole run takes far longer")
}

// full waits until the server takes no more.
func full(t *testing.T, service inference.GRPCInferenceServiceClient) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := service.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: "nobody asks for this"})
		return status.Code(err) == codes.ResourceExhausted
	}, 30*time.Second, time.Millisecond)
}

func TestDrainAnswersWhatIsInHand(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{MaxInFlight: 1}, map[string][]byte{"slow": minertest.Slow(t, 100)})
	_, service := dial(t, server.Address)
	req := oip.Request{Model: "slow", Inputs: []models.Tensor{models.FromFloat32s("x", []int64{1}, []float32{1})}}.Message()
	answered := make(chan error, 1)
	go func() {
		for { // the other calls below may be in the way
			_, err := service.ModelInfer(context.Background(), req)
			if status.Code(err) != codes.ResourceExhausted {
				answered <- err
				return
			}
		}
	}()
	full(t, service)
	server.Stop()
	require.NoError(t, <-answered, "what was in hand is answered")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := service.ModelInfer(ctx, req)
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
}

func TestDrainEndsWhenItsTimeIsUp(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{MaxInFlight: 1, DrainTimeout: 50 * time.Millisecond},
		map[string][]byte{"digits": minertest.Classifier(t, 10)})
	conn, service := dial(t, server.Address)
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, inference.GRPCInferenceService_ModelInfer_FullMethodName)
	require.NoError(t, err)
	full(t, service)
	start := time.Now()
	server.Stop()
	require.Less(t, time.Since(start), 5*time.Second, "the request in hand would have had ten")
	require.Error(t, stream.RecvMsg(&inference.ModelInferResponse{}))
}

// faulty panics, as a fault of ours would.
type faulty struct{}

func (faulty) Get(string, string) (miner.Served, error) { panic("a fault of ours") }
func (faulty) Versions(string) []string                 { return nil }

func TestAPanicFailsOneRequestOnly(t *testing.T) {
	var logged strings.Builder
	server := minertest.ServeLibrary(t, miner.ServerConfig{Log: slog.New(slog.NewTextHandler(&logged, nil))}, faulty{})
	_, service := dial(t, server.Address)
	for range 2 {
		_, err := service.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: "any"})
		require.Equal(t, codes.Internal, status.Code(err))
		require.NotContains(t, err.Error(), "a fault of ours", "strangers learn nothing of it")
	}
	_, err := service.ServerLive(t.Context(), &inference.ServerLiveRequest{})
	require.NoError(t, err)
	server.Stop()
	require.Contains(t, logged.String(), "a fault of ours")
}

func TestAModelThatFailsIsInternal(t *testing.T) {
	// Reshape to a shape that the input's values make impossible: only the run can know.
	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"reshape": minertest.Reshape(t)})
	_, service := dial(t, server.Address)
	req := func(to int64) *inference.ModelInferRequest {
		raw := binary.LittleEndian.AppendUint64(nil, uint64(to))
		return oip.Request{Model: "reshape", Inputs: []models.Tensor{{Name: "to", Datatype: models.INT64, Shape: []int64{1}, Data: raw}}}.Message()
	}
	_, err := service.ModelInfer(t.Context(), req(6))
	require.NoError(t, err)
	_, err = service.ModelInfer(t.Context(), req(5))
	require.Equal(t, codes.Internal, status.Code(err), "%v", err)
}

func TestTLS(t *testing.T) {
	identity := minertest.Identity(t)
	server := minertest.Serve(t, miner.ServerConfig{Identity: identity}, map[string][]byte{"digits": minertest.Classifier(t, 10)})
	tests := map[string]struct {
		hash []byte
		want codes.Code
		says string
	}{
		"the announced key": {identity.KeyHash(), codes.OK, ""},
		"another key":       {minertest.Identity(t).KeyHash(), codes.Unavailable, "server key is not the announced one"},
		"plaintext":         {nil, codes.Unavailable, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: server.Address, TLSKeyHash: test.hash})
			require.NoError(t, err)
			defer conn.Close()
			_, err = inference.NewGRPCInferenceServiceClient(conn).ServerLive(t.Context(), &inference.ServerLiveRequest{})
			require.Equal(t, test.want, status.Code(err), "%v", err)
			if test.says != "" {
				require.ErrorContains(t, err, test.says)
			}
		})
	}
}

func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	tests := map[string]struct {
		address  string
		insecure bool
		tls      bool
		says     []string
	}{
		"port in use":                {taken.Addr().String(), false, false, []string{taken.Addr().String(), "in use", "--listen"}},
		"everybody in plaintext":     {"0.0.0.0:0", false, false, []string{"0.0.0.0:0", "--tls-cert", "--insecure"}},
		"no host is everybody":       {":0", false, false, []string{"--insecure"}},
		"everybody, asked for":       {"0.0.0.0:0", true, false, nil},
		"everybody by TLS":           {"0.0.0.0:0", false, true, nil},
		"this machine":               {"localhost:0", false, false, nil},
		"what is no address of ours": {"192.0.2.1:0", true, false, []string{"192.0.2.1:0"}},
		"what is no address":         {"127.0.0.1", false, false, []string{"127.0.0.1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var identity oip.Identity
			if test.tls {
				identity = minertest.Identity(t)
			}
			lis, err := miner.Listen(test.address, identity, test.insecure)
			if test.says == nil {
				require.NoError(t, err)
				require.NoError(t, lis.Close())
				return
			}
			require.Error(t, err)
			for _, word := range test.says {
				require.ErrorContains(t, err, word)
			}
		})
	}
}

func TestOpenModels(t *testing.T) {
	rt := orttest.Open(t)
	good := minertest.Classifier(t, 10)
	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, nil))

	t.Run("a corrupt file is left out", func(t *testing.T) {
		folder := minertest.Folder(t, map[string][]byte{"good": good, "bad": good[:len(good)/2]})
		served, err := miner.OpenModels(t.Context(), rt, folder, repository.Options{}, log)
		require.NoError(t, err)
		defer served.Close()
		require.Equal(t, []string{"good"}, served.Names())
		_, err = served.Get("bad", "")
		require.ErrorIs(t, err, miner.ErrUnknownModel)
		got, err := served.Get("good", "")
		require.NoError(t, err)
		require.Equal(t, "1", got.Version)
		require.Contains(t, logged.String(), filepath.Join(folder, "bad", "1", "model.onnx"))
	})
	t.Run("nothing but corrupt files", func(t *testing.T) {
		folder := minertest.Folder(t, map[string][]byte{"bad": []byte("not ONNX")})
		_, err := miner.OpenModels(t.Context(), rt, folder, repository.Options{}, log)
		require.ErrorContains(t, err, filepath.Join(folder, "bad", "1", "model.onnx"))
	})
	t.Run("no models", func(t *testing.T) {
		_, err := miner.OpenModels(t.Context(), rt, t.TempDir(), repository.Options{}, log)
		require.ErrorIs(t, err, repository.ErrEmpty)
	})
	t.Run("no folder", func(t *testing.T) {
		_, err := miner.OpenModels(t.Context(), rt, filepath.Join(t.TempDir(), "none"), repository.Options{}, log)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("the newest version", func(t *testing.T) {
		folder := minertest.Folder(t, map[string][]byte{"m": good})
		require.NoError(t, os.Rename(filepath.Join(folder, "m", "1"), filepath.Join(folder, "m", "9")))
		require.NoError(t, os.CopyFS(filepath.Join(folder, "m", "10"), os.DirFS(filepath.Join(folder, "m", "9"))))
		require.NoError(t, os.MkdirAll(filepath.Join(folder, "m", "11"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "m", "11", "model.onnx"), []byte("corrupt"), 0o644))
		served, err := miner.OpenModels(t.Context(), rt, folder, repository.Options{}, log)
		require.NoError(t, err)
		defer served.Close()
		require.Equal(t, []string{"9", "10"}, served.Versions("m"))
		got, err := served.Get("m", "")
		require.NoError(t, err)
		require.Equal(t, "10", got.Version)
	})
}

func TestMetrics(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"digits": minertest.Classifier(t, 10)})
	_, service := dial(t, server.Address)
	_, err := service.ModelInfer(t.Context(), oip.Request{Model: "digits", Inputs: []models.Tensor{image(1)}}.Message())
	require.NoError(t, err)
	_, err = service.ModelInfer(t.Context(), oip.Request{Model: "made-up-by-a-stranger"}.Message())
	require.Error(t, err)

	_, err = miner.ListenMetrics("0.0.0.0:0")
	require.ErrorContains(t, err, "0.0.0.0:0")
	lis, err := miner.ListenMetrics("127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Metrics.Serve(ctx, lis) }()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + lis.Addr().String() + "/metrics")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Contains(t, string(body), `plexus_miner_requests_total{code="OK",model="digits"} 1`)
	require.Contains(t, string(body), `plexus_miner_requests_total{code="NotFound",model=""} 1`)
	require.NotContains(t, string(body), "made-up-by-a-stranger")
	cancel()
	require.NoError(t, <-done)
}
