// Command kserve asks a model server everything that the Open Inference Protocol has, by the client that KServe's
// ModelMesh generates and tests its own servers with. It knows nothing of Plexus. What it was told it prints as JSON.
//
//	kserve 127.0.0.1:8500 MODEL INPUT ROWS COLUMNS
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	inference "github.com/kserve/modelmesh-serving/fvt/generated"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: kserve ADDRESS MODEL INPUT ROWS COLUMNS")
		os.Exit(2)
	}
	told, err := ask(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(told)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// told is what the server answered.
type told struct {
	Live, Ready, ModelReady bool
	Server, Platform        string
	Versions, Extensions    []string
	InputShape              []int64
	Typed, Raw              []float32 // the first output, for values 0, 1, 2, ... sent in both ways
}

func ask(address, model, input, rows, columns string) (*told, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	service := inference.NewGRPCInferenceServiceClient(conn)
	live, err := service.ServerLive(ctx, &inference.ServerLiveRequest{})
	if err != nil {
		return nil, fmt.Errorf("ServerLive: %w", err)
	}
	ready, err := service.ServerReady(ctx, &inference.ServerReadyRequest{})
	if err != nil {
		return nil, fmt.Errorf("ServerReady: %w", err)
	}
	server, err := service.ServerMetadata(ctx, &inference.ServerMetadataRequest{})
	if err != nil {
		return nil, fmt.Errorf("ServerMetadata: %w", err)
	}
	modelReady, err := service.ModelReady(ctx, &inference.ModelReadyRequest{Name: model})
	if err != nil {
		return nil, fmt.Errorf("ModelReady: %w", err)
	}
	metadata, err := service.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: model})
	if err != nil {
		return nil, fmt.Errorf("ModelMetadata: %w", err)
	}
	out := &told{Live: live.Live, Ready: ready.Ready, ModelReady: modelReady.Ready, Server: server.Name, Extensions: server.Extensions,
		Platform: metadata.Platform, Versions: metadata.Versions, InputShape: metadata.Inputs[0].Shape}
	r, err := strconv.Atoi(rows)
	if err != nil {
		return nil, err
	}
	c, err := strconv.Atoi(columns)
	if err != nil {
		return nil, err
	}
	values := make([]float32, r*c)
	var raw []byte
	for i := range values {
		values[i] = float32(i)
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(values[i]))
	}
	shape := []int64{int64(r), int64(c)}
	tensor := func(contents *inference.InferTensorContents) []*inference.ModelInferRequest_InferInputTensor {
		return []*inference.ModelInferRequest_InferInputTensor{{Name: input, Datatype: "FP32", Shape: shape, Contents: contents}}
	}
	if out.Typed, err = infer(ctx, service, &inference.ModelInferRequest{ModelName: model, Id: "typed", Inputs: tensor(&inference.InferTensorContents{Fp32Contents: values})}); err != nil {
		return nil, fmt.Errorf("ModelInfer with typed contents: %w", err)
	}
	if out.Raw, err = infer(ctx, service, &inference.ModelInferRequest{ModelName: model, Id: "raw", Inputs: tensor(nil), RawInputContents: [][]byte{raw}}); err != nil {
		return nil, fmt.Errorf("ModelInfer with raw contents: %w", err)
	}
	return out, nil
}

func infer(ctx context.Context, service inference.GRPCInferenceServiceClient, req *inference.ModelInferRequest) ([]float32, error) {
	resp, err := service.ModelInfer(ctx, req)
	if err != nil {
		return nil, err
	}
	if resp.Id != req.Id || len(resp.Outputs) == 0 {
		return nil, fmt.Errorf("answer to %q with %d outputs, asked %q", resp.Id, len(resp.Outputs), req.Id)
	}
	if len(resp.RawOutputContents) == 0 {
		return resp.Outputs[0].Contents.GetFp32Contents(), nil
	}
	var values []float32
	for raw := resp.RawOutputContents[0]; len(raw) >= 4; raw = raw[4:] {
		values = append(values, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	}
	return values, nil
}
