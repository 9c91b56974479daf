package keeper

import (
	"context"
	"slices"
	"strings"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// A column of the metagraph, and what has to be read for it.
type column struct {
	name string
	from source
	fill func(*subnetv1.QueryMetagraphResponse, *metagraph)
}

// source is a bit set of what columns are made of.
type source uint8

const (
	fromNeurons source = 1 << iota
	fromStake          // needs fromNeurons
	fromWeights        // needs fromNeurons
	fromOutcome
)

// metagraph is what was read of a subnet.
type metagraph struct {
	subnet  subnetv1.Subnet
	height  uint64
	neurons []subnetv1.Neuron
	stakers []staker
	updated []uint64 // heights, 0 where none was set
	outcome subnetv1.Outcome
}

// columns are the repeated fields of the metagraph, in their order.
func columns() []column {
	type response = subnetv1.QueryMetagraphResponse
	return []column{
		{"hotkeys", fromNeurons, func(r *response, m *metagraph) {
			r.Hotkeys = each(m.neurons, func(n *subnetv1.Neuron) string { return n.Hotkey })
		}},
		{"coldkeys", fromNeurons, func(r *response, m *metagraph) {
			r.Coldkeys = each(m.neurons, func(n *subnetv1.Neuron) string { return n.Coldkey })
		}},
		{"endpoints", fromNeurons, func(r *response, m *metagraph) {
			r.Endpoints = each(m.neurons, func(n *subnetv1.Neuron) subnetv1.Endpoint {
				if n.Endpoint == nil {
					return subnetv1.Endpoint{}
				}
				return *n.Endpoint
			})
		}},
		{"registered", fromNeurons, func(r *response, m *metagraph) {
			r.Registered = each(m.neurons, func(n *subnetv1.Neuron) uint64 { return n.Registered })
		}},
		{"updated", fromNeurons | fromWeights, func(r *response, m *metagraph) {
			r.Updated = each(m.neurons, func(n *subnetv1.Neuron) uint64 { return max(m.updated[n.Uid], n.Registered) })
		}},
		{"stake", fromNeurons | fromStake, func(r *response, m *metagraph) {
			r.Stake = each(m.stakers, func(s *staker) uint64 { return s.nplx })
		}},
		{"incentive", fromOutcome, func(r *response, m *metagraph) { r.Incentive = padded(m, m.outcome.Incentive) }},
		{"dividends", fromOutcome, func(r *response, m *metagraph) { r.Dividends = padded(m, m.outcome.Dividends) }},
		{"consensus", fromOutcome, func(r *response, m *metagraph) { r.Consensus = padded(m, m.outcome.Consensus) }},
		{"trust", fromOutcome, func(r *response, m *metagraph) { r.Trust = padded(m, m.outcome.Trust) }},
		{"validator_trust", fromOutcome, func(r *response, m *metagraph) { r.ValidatorTrust = padded(m, m.outcome.ValidatorTrust) }},
		{"emission", fromOutcome, func(r *response, m *metagraph) { r.Emission = padded(m, m.outcome.Emission) }},
		{"permit", fromOutcome, func(r *response, m *metagraph) { r.Permit = padded(m, m.outcome.Permit) }},
		{"active", fromOutcome, func(r *response, m *metagraph) { r.Active = padded(m, m.outcome.Active) }},
		{"immune", fromNeurons, func(r *response, m *metagraph) {
			rules := subnet.Hyperparams{ImmunityPeriod: m.subnet.Hyperparams.ImmunityPeriod}
			r.Immune = each(m.neurons, func(n *subnetv1.Neuron) bool { return !isVacant(*n) && rules.Immune(n.Registered, m.height) })
		}},
	}
}

// each makes one value of every element.
func each[T, V any](from []T, value func(*T) V) []V {
	values := make([]V, len(from))
	for i := range from {
		values[i] = value(&from[i])
	}
	return values
}

// padded makes a vector of the last epoch as long as there are uids.
func padded[T any](m *metagraph, v []T) []T {
	for len(v) < int(m.subnet.Neurons) {
		var zero T
		v = append(v, zero)
	}
	return v
}

// Metagraph returns everything about the neurons of one subnet, or the named
// fields of it; what no field needs is not read.
func (q QueryServer) Metagraph(ctx context.Context, req *subnetv1.QueryMetagraphRequest) (*subnetv1.QueryMetagraphResponse, error) {
	wanted, err := wantedColumns(req.Fields)
	if err != nil {
		return nil, err
	}
	s, err := q.k.subnet(ctx, req.Netuid)
	if err != nil {
		return nil, err
	}
	var from source
	for _, c := range wanted {
		from |= c.from
	}
	m, err := q.k.readMetagraph(ctx, s, from)
	if err != nil {
		return nil, err
	}
	resp := &subnetv1.QueryMetagraphResponse{
		Netuid:    s.Netuid,
		Height:    m.height,
		LastEpoch: s.LastEpoch,
		NextEpoch: clockOf(s).Next(),
	}
	for _, c := range wanted {
		c.fill(resp, m)
	}
	return resp, nil
}

func wantedColumns(fields []string) ([]column, error) {
	all := columns()
	if len(fields) == 0 {
		return all, nil
	}
	if len(fields) > len(all) {
		return nil, ErrInvalidRequest.Wrapf("%d fields, there are %d", len(fields), len(all))
	}
	var wanted []column
	for _, name := range fields {
		i := slices.IndexFunc(all, func(c column) bool { return c.name == name })
		if i < 0 {
			names := each(all, func(c *column) string { return c.name })
			return nil, ErrInvalidRequest.Wrapf("no field %q: ask for %s", name, strings.Join(names, ", "))
		}
		wanted = append(wanted, all[i])
	}
	return wanted, nil
}

// readMetagraph reads what the sources name.
func (k *Keeper) readMetagraph(ctx context.Context, s subnetv1.Subnet, from source) (*metagraph, error) {
	m := &metagraph{subnet: s, height: height(ctx)}
	var err error
	if from&fromNeurons != 0 {
		if m.neurons, err = k.neuronsOf(ctx, s.Netuid); err != nil {
			return nil, err
		}
	}
	if from&fromStake != 0 {
		if m.stakers, err = k.stakers(ctx, m.neurons); err != nil {
			return nil, err
		}
	}
	if from&fromWeights != 0 {
		if m.updated, err = k.lastCommits(ctx, s.Netuid, len(m.neurons)); err != nil {
			return nil, err
		}
		err := k.weights.Walk(ctx, inSubnet(s.Netuid), func(key uidKey, row subnetv1.Row) (bool, error) {
			m.updated[key.K2()] = max(m.updated[key.K2()], row.Updated)
			return false, nil
		})
		if err != nil {
			return nil, err
		}
	}
	if from&fromOutcome != 0 {
		m.outcome, err = getOr(ctx, k.outcomes, s.Netuid)
	}
	return m, err
}
