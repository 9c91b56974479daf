package gateway

import (
	"context"

	"github.com/plexusnet/plexus/gateway/openai"
	"github.com/plexusnet/plexus/models"
)

// backend is the gateway as OpenAI's interface needs it.
type backend struct{ *Gateway }

// Models implements openai.Backend.
func (b backend) Models(ctx context.Context) ([]string, error) { return b.names(ctx) }

// Specs implements openai.Backend.
func (b backend) Specs(ctx context.Context, model string) (inputs, outputs []models.TensorSpec, s openai.Settings, err error) {
	t, err := b.resolve(ctx, model)
	if err != nil {
		return nil, nil, s, err
	}
	m, err := b.describe(ctx, t)
	if err != nil {
		return nil, nil, s, err
	}
	return specs(m.Inputs), specs(m.Outputs), b.cfg.Text[model], nil
}

// Infer implements openai.Backend.
func (b backend) Infer(ctx context.Context, model string, inputs []models.Tensor, outputs []string, check func([]models.Tensor) error) ([]models.Tensor, error) {
	t, err := b.resolve(ctx, model)
	if err != nil {
		return nil, err
	}
	answer, err := b.ask(ctx, question{target: t, inputs: inputs, outputs: outputs, check: check})
	if err != nil {
		return nil, err
	}
	return answer.Outputs, nil
}
