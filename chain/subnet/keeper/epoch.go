package keeper

import (
	"context"
	"fmt"
	"slices"

	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// runEpoch loads a subnet, lets package subnet decide, pays and stores.
func (k *Keeper) runEpoch(ctx context.Context, params subnetv1.Params, s subnetv1.Subnet) error {
	hyper, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return err
	}
	pending, err := itemOr(ctx, k.pending)
	if err != nil {
		return err
	}
	at, found := slices.BinarySearch(pending.Netuids, s.Netuid)
	amount := uint64(0)
	if found {
		amount = pending.Amounts[at]
	}
	graph, err := k.loadGraph(ctx, s)
	if err != nil {
		return err
	}
	epoch := subnet.Epoch{
		Height:         height(ctx),
		LastEpoch:      graph.lastEpoch,
		Pending:        amount,
		OwnerUID:       graph.uidOf(s.OwnerHotkey),
		StakeThreshold: params.StakeThreshold,
		Split:          splitOf(params),
		Hyperparams:    hyper,
		Neurons:        graph.state,
	}
	result, err := epoch.Run(k.engine)
	if err != nil {
		return err
	}
	if err := k.payEpoch(ctx, &s, graph, result); err != nil {
		return err
	}
	if found {
		pending.Amounts[at] = result.Carried
		if err := k.pending.Set(ctx, pending); err != nil {
			return err
		}
	}
	return k.storeEpoch(ctx, params, s, graph, result)
}

// graph is a loaded subnet, indexed by uid.
type graph struct {
	lastEpoch uint64 // height of the last epoch that succeeded, 0 if none did
	neurons   []subnetv1.Neuron
	operators []string // "" where a hotkey is bound to no validator
	state     []subnet.Neuron
}

func (g *graph) uidOf(hotkey string) int {
	if hotkey == "" {
		return -1
	}
	return slices.IndexFunc(g.neurons, func(n subnetv1.Neuron) bool { return n.Hotkey == hotkey })
}

func (k *Keeper) loadGraph(ctx context.Context, s subnetv1.Subnet) (*graph, error) {
	neurons, err := k.neuronsOf(ctx, s.Netuid)
	if err != nil {
		return nil, err
	}
	outcome, err := getOr(ctx, k.outcomes, s.Netuid)
	if err != nil {
		return nil, err
	}
	stakers, err := k.stakers(ctx, neurons)
	if err != nil {
		return nil, err
	}
	committed, err := k.lastCommits(ctx, s.Netuid, len(neurons))
	if err != nil {
		return nil, err
	}
	weights, err := k.rowsOf(ctx, k.weights, s.Netuid, len(neurons))
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	bonds, err := k.rowsOf(ctx, k.bonds, s.Netuid, len(neurons))
	if err != nil {
		return nil, fmt.Errorf("bonds: %w", err)
	}
	g := &graph{
		lastEpoch: outcome.Height,
		neurons:   neurons,
		operators: make([]string, len(neurons)),
		state:     make([]subnet.Neuron, len(neurons)),
	}
	for uid, n := range neurons {
		if isVacant(n) {
			// As if given out this moment: whatever points at it is older. The
			// height at which it was given up would not do, for weights of that
			// very block.
			g.state[uid] = subnet.Neuron{Registered: height(ctx), Updated: n.Registered}
			continue
		}
		g.operators[uid] = stakers[uid].operator
		g.state[uid] = subnet.Neuron{
			Registered: n.Registered,
			Updated:    max(weights[uid].updated, committed[uid], n.Registered),
			Stake:      stakers[uid].nplx,
			LastStake:  at(outcome.Tokens, uid),
			Permit:     at(outcome.Permit, uid),
			Weights:    weights[uid].row,
			Bonds:      bonds[uid].row,

			CommitHeight: weights[uid].updated,
		}
	}
	return g, nil
}

// at returns the element of a vector at a uid, or the zero value past its end.
func at[T any](vector []T, uid int) T {
	if uid < len(vector) {
		return vector[uid]
	}
	var zero T
	return zero
}

func (k *Keeper) neuronsOf(ctx context.Context, netuid uint32) ([]subnetv1.Neuron, error) {
	it, err := k.neurons.Iterate(ctx, inSubnet(netuid))
	if err != nil {
		return nil, err
	}
	return it.Values()
}

// payEpoch pays what the epoch decided and enters it in the subnet's ledger.
func (k *Keeper) payEpoch(ctx context.Context, s *subnetv1.Subnet, g *graph, r *subnet.Result) error {
	if err := k.pay(ctx, s.Owner, r.Owner); err != nil {
		return err
	}
	s.Ledger.OwnerPaid += r.Owner
	for uid, nplx := range r.Miners {
		if err := k.pay(ctx, g.neurons[uid].Coldkey, nplx); err != nil {
			return err
		}
		s.Ledger.MinersPaid += nplx
	}
	if err := k.burn(ctx, r.Burned); err != nil {
		return err
	}
	s.Ledger.Burned += r.Burned

	stored, err := getOr(ctx, k.streams, s.Netuid)
	if err != nil {
		return err
	}
	streams := subnet.Running(streamsFromProto(stored), height(ctx))
	for uid, nplx := range r.Validators {
		if nplx == 0 {
			continue
		}
		// Yuma2 pays for old bonds, also of a hotkey that was unbound since: as
		// with a validator that is gone, nobody is there to be paid.
		if g.operators[uid] == "" {
			if err := k.burn(ctx, nplx); err != nil {
				return err
			}
			s.Ledger.Burned += nplx
			continue
		}
		streams = append(streams, subnet.Stream{
			Validator: g.operators[uid], Total: nplx, Start: height(ctx), Length: s.Hyperparams.Tempo,
		})
		s.Ledger.ValidatorsPaid += nplx
	}
	return k.setStreams(ctx, s.Netuid, streams)
}

// setStreams stores the streams of a subnet, and no record where there are none.
func (k *Keeper) setStreams(ctx context.Context, netuid uint32, streams []subnet.Stream) error {
	if len(streams) == 0 {
		return k.streams.Remove(ctx, netuid)
	}
	return k.streams.Set(ctx, netuid, streamsToProto(streams))
}

// storeEpoch stores what the epoch decided for the next one and for queries.
func (k *Keeper) storeEpoch(ctx context.Context, params subnetv1.Params, s subnetv1.Subnet, g *graph, r *subnet.Result) error {
	now := height(ctx)
	out := r.Output
	outcome := subnetv1.Outcome{
		Height:         now,
		Incentive:      u16s(out.Incentive),
		Dividends:      u16s(out.Dividends),
		Consensus:      u16s(out.Consensus),
		Trust:          u16s(out.Trust),
		ValidatorTrust: u16s(out.ValidatorTrust),
		StakeWeight:    u16s(out.Stake),
		Emission:       make([]uint64, len(g.neurons)),
		Tokens:         make([]uint64, len(g.neurons)),
		Permit:         slices.Clone(out.Permit),
		Active:         slices.Clone(out.Active),
	}
	for uid := range g.neurons {
		outcome.Emission[uid] = r.Miners[uid] + r.Validators[uid]
		outcome.Tokens[uid] = g.state[uid].Stake
		if err := k.storeBonds(ctx, s.Netuid, uid, g.state[uid].Bonds, out.Bonds[uid]); err != nil {
			return err
		}
	}
	if err := k.outcomes.Set(ctx, s.Netuid, outcome); err != nil {
		return err
	}
	if err := k.remember(ctx, params, &s, outcome); err != nil {
		return err
	}
	s.LastEpoch = now
	s.Epochs++
	if err := k.subnets.Set(ctx, s.Netuid, s); err != nil {
		return err
	}
	emitEvent(ctx, "epoch", attr("netuid", s.Netuid), attr("epoch", s.Epochs),
		attr("owner", r.Owner), attr("burned", r.Burned), attr("carried", r.Carried))
	return nil
}

// storeBonds writes a row of bonds where it changed.
func (k *Keeper) storeBonds(ctx context.Context, netuid uint32, uid int, old, bonds consensus.Row) error {
	if slices.Equal(old, bonds) {
		return nil
	}
	key := rowKey(netuid, uid)
	if len(bonds) == 0 {
		return k.bonds.Remove(ctx, key)
	}
	return k.bonds.Set(ctx, key, packRow(bonds, height(ctx)))
}
