//go:build dishonest

package dishonest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/subnet"
)

// insider is a dishonest validator: a staking validator of that name, and a hotkey.
type insider struct {
	name  string
	about string
	stake uint64 // nplx
	weigh func(context.Context, *gang, *metagraph.Metagraph) ([]metagraph.Weight, error)
}

func (i insider) hotkey() string { return i.name + "-hot" }

func insiders() []insider {
	return []insider{
		{name: "follower", about: "copies the weights that others revealed last", stake: 10_000 * subnet.PLX, weigh: follow},
		{name: "cabal-1", about: "votes for the favourite", stake: 13_000 * subnet.PLX, weigh: collude},
		{name: "cabal-2", about: "votes for the favourite", stake: 12_000 * subnet.PLX, weigh: collude},
	}
}

// validate joins as a validator that asks nobody anything, and sets weights in every epoch, as late as is safe: then most
// of what others revealed is known.
func (g *gang) validate(ctx context.Context, i insider) error {
	chain, member, err := g.join(netuid, i.hotkey(), i.name, true)
	if err != nil {
		return err
	}
	standing, err := member.Join(ctx)
	if err == nil && standing.Stake == 0 {
		err = chain.BindHotkey(ctx)
	}
	if err != nil {
		return ended(ctx, err)
	}
	for {
		if err := g.opine(ctx, chain, i, member.Hotkey); err != nil && ctx.Err() == nil {
			g.log.Error("setting weights failed, trying again", "who", i.name, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(blockTime / 2):
		}
	}
}

func (g *gang) opine(ctx context.Context, chain *onchain.Chain, i insider, hotkey string) error {
	standing, err := chain.Standing(ctx, netuid, hotkey)
	if err != nil {
		return err
	}
	graph, err := chain.Metagraph(ctx, netuid)
	if err != nil {
		return err
	}
	late := graph.LastEpoch + (graph.NextEpoch-graph.LastEpoch)*7/10
	if standing.Stake == 0 || !standing.Permit || standing.BlocksUntilWeights > 0 || standing.Updated > graph.LastEpoch || graph.Height < late {
		return nil
	}
	weights, err := i.weigh(ctx, g, graph)
	if err != nil || len(weights) == 0 {
		return err
	}
	if _, err := chain.CommitWeights(ctx, netuid, weights); err != nil {
		return err
	}
	g.log.Info("weights set", "who", i.name, "height", graph.Height, "weights", fmt.Sprint(weights))
	return nil
}

// collude gives everything to the favourite.
func collude(_ context.Context, g *gang, graph *metagraph.Metagraph) ([]metagraph.Weight, error) {
	signer, err := g.signer(byName(favourite).hotkeys()[0])
	if err != nil {
		return nil, err
	}
	neuron, ok := graph.Hotkey(signer.Address())
	if !ok {
		return nil, nil
	}
	return []metagraph.Weight{{UID: neuron.UID, Value: math.MaxUint16}}, nil
}

// opinion is what one validator gives to a uid, as a share of its row.
type opinion struct {
	share float64
	stake uint64
}

// follow copies as well as can be: for each uid it takes the median, by stake, of what is revealed, which is what
// consensus will make of it. A copy of one validator's row would be clipped wherever that one is off.
func follow(ctx context.Context, g *gang, graph *metagraph.Metagraph) ([]metagraph.Weight, error) {
	rows, err := g.nodes.Free.Weights(ctx, netuid)
	if err != nil {
		return nil, err
	}
	total := uint64(0)
	opinions := map[uint32][]opinion{}
	for _, row := range rows {
		if int(row.Uid) >= len(graph.Neurons) || len(row.Uids) == 0 {
			continue
		}
		author := graph.Neurons[row.Uid]
		if author.Hotkey == hotkeyOf(g, "follower") {
			continue
		}
		sum := 0.0
		for _, v := range row.Values {
			sum += float64(v)
		}
		total += author.Stake
		for k, uid := range row.Uids {
			opinions[uid] = append(opinions[uid], opinion{share: float64(row.Values[k]) / sum, stake: author.Stake})
		}
	}
	shares, largest := map[uint32]float64{}, 0.0
	for uid, all := range opinions {
		shares[uid] = median(all, total)
		largest = max(largest, shares[uid])
	}
	if largest == 0 {
		return nil, nil
	}
	var weights []metagraph.Weight
	for uid, share := range shares {
		if value := uint16(math.Round(share / largest * math.MaxUint16)); value > 0 {
			weights = append(weights, metagraph.Weight{UID: uint16(uid), Value: value})
		}
	}
	slices.SortFunc(weights, func(a, b metagraph.Weight) int { return cmp.Compare(a.UID, b.UID) })
	return weights, nil
}

// median is the largest share that half of the stake, or more, gives at least; who says nothing gives 0.
func median(all []opinion, total uint64) float64 {
	slices.SortFunc(all, func(a, b opinion) int { return cmp.Compare(b.share, a.share) })
	support := uint64(0)
	for _, o := range all {
		if support += o.stake; 2*support >= total {
			return o.share
		}
	}
	return 0
}

func hotkeyOf(g *gang, name string) string {
	signer, err := g.signer(name + "-hot")
	if err != nil {
		return ""
	}
	return signer.Address()
}
