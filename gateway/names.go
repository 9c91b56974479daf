package gateway

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/gateway/fault"
)

// target is what a model's name means: the subnets that answer for it, the first choice first, and of their miners those
// alone that announce this model, where one is given.
type target struct {
	name    string // as it was asked for
	netuids []uint32
	model   string
}

// resolve finds what a name means to a caller: one of the operator's, that of a subnet, or one that miners announce.
func (g *Gateway) resolve(ctx context.Context, name string) (target, error) {
	who := callerOf(ctx)
	t := target{name: name, netuids: g.cfg.Aliases[name]}
	for _, netuid := range g.cfg.Netuids {
		if t.netuids == nil && name == subnetName(netuid) {
			t.netuids = []uint32{netuid}
		}
	}
	if t.netuids == nil {
		announced, err := g.announced(ctx)
		if err != nil {
			return t, err
		}
		t.netuids, t.model = announced[name], name
	}
	if len(t.netuids) == 0 {
		return t, fault.New(codes.NotFound, fault.ReasonModel, "no model %q is offered here; GET /v1/models lists those that are", name)
	}
	if !who.MayUse(name) {
		return t, fault.New(codes.PermissionDenied, fault.ReasonScope, "key %q is not for model %q", who.Name, name)
	}
	allowed := slices.DeleteFunc(slices.Clone(t.netuids), func(n uint32) bool { return !who.MayAsk(n) })
	if len(allowed) == 0 {
		return t, fault.New(codes.PermissionDenied, fault.ReasonScope, "key %q is not for the subnets %v that serve model %q", who.Name, t.netuids, name)
	}
	t.netuids = allowed
	return t, nil
}

// announced returns the models that miners announce, with the subnets that they do so in. A subnet that nobody serves in
// has none; a chain that does not answer is an error only where nothing else is known.
func (g *Gateway) announced(ctx context.Context) (map[string][]uint32, error) {
	models := map[string][]uint32{}
	var failed error
	for _, netuid := range g.cfg.Netuids {
		miners, err := g.network.Miners(ctx, netuid)
		if err != nil && !errors.Is(err, client.ErrNoMiners) {
			failed = err
			continue
		}
		for _, m := range miners {
			if name := m.Endpoint.Model; name != "" && !slices.Contains(models[name], netuid) {
				models[name] = append(models[name], netuid)
			}
		}
	}
	if len(models) == 0 && failed != nil {
		return nil, faultOf(failed)
	}
	return models, nil
}

// names lists the models that a caller may use.
func (g *Gateway) names(ctx context.Context) ([]string, error) {
	who := callerOf(ctx)
	known := map[string][]uint32{}
	if announced, err := g.announced(ctx); err == nil {
		known = announced
	}
	for name, netuids := range g.cfg.Aliases {
		known[name] = netuids
	}
	for _, netuid := range g.cfg.Netuids {
		known[subnetName(netuid)] = []uint32{netuid}
	}
	var names []string
	for name, netuids := range known {
		if who.MayUse(name) && slices.ContainsFunc(netuids, who.MayAsk) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// miners are those of a target, of the first of its subnets that has any.
func (g *Gateway) miners(ctx context.Context, t target) ([]metagraph.Neuron, error) {
	var failed error
	for _, netuid := range t.netuids {
		miners, err := g.network.Miners(ctx, netuid)
		if err != nil {
			failed = err
			continue
		}
		if t.model != "" {
			miners = slices.DeleteFunc(slices.Clone(miners), func(n metagraph.Neuron) bool { return n.Endpoint.Model != t.model })
		}
		if len(miners) > 0 {
			return miners, nil
		}
	}
	if failed == nil {
		failed = client.ErrNoMiners
	}
	return nil, faultOf(failed)
}
