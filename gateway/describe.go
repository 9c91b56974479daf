package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

const (
	// describeTimeout is what one miner gets to say what its model takes.
	describeTimeout = 2 * time.Second
	// describeMiners is how many are asked before nobody knows.
	describeMiners = 3
	// describeKept bounds what is kept of models that were asked about.
	describeKept = 1024
)

// described is what a miner said of its model.
type described struct {
	metadata *inference.ModelMetadataResponse
	read     time.Time
}

// descriptions keeps what miners say of their models.
type descriptions struct {
	ttl   time.Duration
	group singleflight.Group

	mu    sync.Mutex
	known map[string]described
}

// describe returns the metadata of a target's model, as the best of its miners that answers tells it, under the name that
// was asked for.
func (g *Gateway) describe(ctx context.Context, t target) (*inference.ModelMetadataResponse, error) {
	miners, err := g.miners(ctx, t)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, miner := range miners[:min(len(miners), describeMiners)] {
		got, err := g.descriptions.of(ctx, g, miner.Endpoint)
		if err == nil {
			return &inference.ModelMetadataResponse{Name: t.name, Versions: got.Versions, Platform: got.Platform, Inputs: got.Inputs, Outputs: got.Outputs}, nil
		}
		failed = err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, faultOf(failed)
}

// of returns what the miner at an endpoint says of the model that it announces; many who want to know ask once.
func (d *descriptions) of(ctx context.Context, g *Gateway, e metagraph.Endpoint) (*inference.ModelMetadataResponse, error) {
	key := e.Address() + "|" + string(e.TLSKeyHash) + "|" + e.Model + "|" + string(e.ModelSHA256)
	d.mu.Lock()
	known, ok := d.known[key]
	d.mu.Unlock()
	if ok && time.Since(known.read) < d.ttl {
		return known.metadata, nil
	}
	result := d.group.DoChan(key, func() (any, error) {
		// Others wait for the answer, too: it must not end with the first who asked.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), describeTimeout)
		defer cancel()
		service, err := g.pool.Service(e)
		if err != nil {
			return nil, err
		}
		got, err := service.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: e.Model})
		if err != nil {
			return nil, err
		}
		d.keep(key, got)
		return got, nil
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*inference.ModelMetadataResponse), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *descriptions) keep(key string, m *inference.ModelMetadataResponse) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= describeKept {
		for k, one := range d.known {
			if time.Since(one.read) > d.ttl {
				delete(d.known, k)
			}
		}
	}
	if len(d.known) < describeKept {
		d.known[key] = described{metadata: m, read: time.Now()}
	}
}

// hasVersion reports whether a version is one of those that the miner named; none is any.
func hasVersion(m *inference.ModelMetadataResponse, version string) bool {
	return version == "" || slices.Contains(m.Versions, version)
}

func specs(list []*inference.ModelMetadataResponse_TensorMetadata) []models.TensorSpec {
	out := make([]models.TensorSpec, len(list))
	for i, t := range list {
		out[i] = models.TensorSpec{Name: t.Name, Datatype: models.Datatype(t.Datatype), Shape: t.Shape}
	}
	return out
}
