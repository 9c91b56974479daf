package replay

import (
	"context"
	"fmt"

	"github.com/plexusnet/plexus/models"
)

// join makes one batch of several challenges, along the dimension that each input leaves free first. Inputs without one
// must be the same in all.
func join(inputs []input, challenges [][]models.Tensor) ([]models.Tensor, bool) {
	batch := make([]models.Tensor, len(inputs))
	for i, in := range inputs {
		parts := make([]models.Tensor, len(challenges))
		for c := range challenges {
			parts[c] = challenges[c][i]
		}
		if in.batch < 0 {
			for _, p := range parts[1:] {
				if string(p.Data) != string(parts[0].Data) {
					return nil, false
				}
			}
			batch[i] = parts[0]
			continue
		}
		if in.spec.Datatype == models.BYTES || in.shape[in.batch] != 1 {
			return nil, false
		}
		batch[i] = joined(parts, in.batch)
	}
	return batch, true
}

// joined concatenates tensors of one shape along an axis of size 1.
func joined(parts []models.Tensor, axis int) models.Tensor {
	t := parts[0]
	t.Shape = append([]int64{}, t.Shape...)
	t.Shape[axis] = int64(len(parts))
	chunk := chunkBytes(parts[0], axis)
	t.Data = make([]byte, 0, len(parts)*len(parts[0].Data))
	for at := 0; at < len(parts[0].Data); at += chunk {
		for _, p := range parts {
			t.Data = append(t.Data, p.Data[at:at+chunk]...)
		}
	}
	return t
}

// chunkBytes is how many bytes lie together for one index of an axis.
func chunkBytes(t models.Tensor, axis int) int {
	chunk := t.Datatype.Size()
	for _, d := range t.Shape[axis+1:] {
		chunk *= int(d)
	}
	return chunk
}

// part takes one challenge's outputs out of a batch of n, each along the axis that tells them apart.
func part(batch []models.Tensor, axes []int, n, index int) []models.Tensor {
	out := make([]models.Tensor, len(batch))
	for i, t := range batch {
		chunk := chunkBytes(t, axes[i])
		out[i] = t
		out[i].Shape = append([]int64{}, t.Shape...)
		out[i].Shape[axes[i]] = 1
		out[i].Data = nil
		for at := index * chunk; at < len(t.Data); at += n * chunk {
			out[i].Data = append(out[i].Data, t.Data[at:at+chunk]...)
		}
	}
	return out
}

// outputAxes runs two challenges as one and returns the axis of each output that grew from 1 to 2, or false for a model
// that cannot be batched.
func outputAxes(ctx context.Context, model runner, inputs []input, challenges [][]models.Tensor, single []models.Tensor) ([]int, bool) {
	batch, ok := join(inputs, challenges)
	if !ok {
		return nil, false
	}
	outputs, err := model.Run(ctx, batch, nil)
	if err != nil {
		return nil, false // many models take no batches, and say so only so
	}
	axes := make([]int, len(outputs))
	for i, t := range outputs {
		axes[i] = -1
		if t.Datatype == models.BYTES || len(t.Shape) != len(single[i].Shape) {
			return nil, false
		}
		for d := range t.Shape {
			if t.Shape[d] == 2 && single[i].Shape[d] == 1 && axes[i] < 0 {
				axes[i] = d
			}
		}
		if axes[i] < 0 {
			return nil, false
		}
	}
	return axes, true
}

// runBatch answers challenges as one batch.
func runBatch(ctx context.Context, model runner, inputs []input, axes []int, challenges [][]models.Tensor) ([][]models.Tensor, error) {
	batch, ok := join(inputs, challenges)
	if !ok {
		return nil, fmt.Errorf("challenges cannot be joined to a batch")
	}
	outputs, err := model.Run(ctx, batch, nil)
	if err != nil {
		return nil, err
	}
	answers := make([][]models.Tensor, len(challenges))
	for i := range answers {
		answers[i] = part(outputs, axes, len(challenges), i)
	}
	return answers, nil
}
