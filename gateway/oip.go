package gateway

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

// ServerName is how a gateway calls itself in ServerMetadata.
const ServerName = "plexus-gateway"

func (g *Gateway) serverLive(context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
	return &inference.ServerLiveResponse{Live: true}, nil
}

func (g *Gateway) serverReady(ctx context.Context, _ *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
	return &inference.ServerReadyResponse{Ready: g.Ready(ctx) == nil}, nil
}

func (g *Gateway) serverMetadata(context.Context, *inference.ServerMetadataRequest) (*inference.ServerMetadataResponse, error) {
	return &inference.ServerMetadataResponse{Name: ServerName, Version: g.cfg.Version, Extensions: []string{"binary_tensor_data", "model_repository(index)"}}, nil
}

func (g *Gateway) modelReady(ctx context.Context, req *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
	t, err := g.resolve(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	m, err := g.describe(ctx, t)
	switch f := new(fault.Error); {
	case errors.As(err, &f) && f.Code == codes.Unavailable:
		return &inference.ModelReadyResponse{Ready: false}, nil
	case err != nil:
		return nil, err
	}
	return &inference.ModelReadyResponse{Ready: hasVersion(m, req.Version)}, nil
}

func (g *Gateway) modelMetadata(ctx context.Context, req *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
	t, err := g.resolve(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	m, err := g.describe(ctx, t)
	if err == nil && !hasVersion(m, req.Version) {
		return nil, noVersion(req.Name, req.Version, m.Versions)
	}
	return m, err
}

func noVersion(name, version string, have []string) error {
	return fault.New(codes.NotFound, fault.ReasonModel, "model %q has no version %q; its miners serve %v: leave the version out to take what they serve", name, version, have)
}

func (g *Gateway) repositoryIndex(ctx context.Context, _ *inference.RepositoryIndexRequest) (*inference.RepositoryIndexResponse, error) {
	names, err := g.names(ctx)
	if err != nil {
		return nil, err
	}
	index := &inference.RepositoryIndexResponse{}
	for _, name := range names {
		index.Models = append(index.Models, &inference.RepositoryIndexResponse_ModelIndex{Name: name, State: "READY"})
	}
	return index, nil
}

// modelInfer passes a request on as it came: tensors are looked at as far as to tell how they lie in the message.
func (g *Gateway) modelInfer(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	t, err := g.resolve(ctx, req.ModelName)
	if err != nil {
		return nil, err
	}
	if req.ModelVersion != "" {
		m, err := g.describe(ctx, t)
		if err != nil {
			return nil, err
		}
		if !hasVersion(m, req.ModelVersion) {
			return nil, noVersion(req.ModelName, req.ModelVersion, m.Versions)
		}
	}
	inputs, err := oip.Inputs(req)
	if err != nil {
		return nil, badTensor(err)
	}
	outputs := make([]string, len(req.Outputs))
	for i, o := range req.Outputs {
		outputs[i] = o.GetName()
	}
	answer, err := g.ask(ctx, question{target: t, id: req.Id, parameters: req.Parameters, inputs: inputs, outputs: outputs})
	if err != nil {
		return nil, err
	}
	resp := oip.Response{Model: req.ModelName, Version: answer.Version, ID: req.Id, Outputs: answer.Outputs}.Message()
	resp.Parameters = answer.Parameters
	return resp, nil
}

// badTensor is the error for a message whose tensors cannot be read.
func badTensor(err error) error {
	var tensor *models.TensorError
	if errors.As(err, &tensor) {
		return fault.Malformed(tensor.Tensor, "%v", err)
	}
	return fault.Malformed("", "%v", err)
}
