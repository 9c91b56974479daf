package validator

import (
	"math/rand/v2"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
)

// identity is a neuron for as long as it is the same one: a uid that changes hands, or a hotkey that registers again, is
// another.
type identity struct {
	uid        uint16
	hotkey     string
	registered uint64
}

func identify(n metagraph.Neuron) identity {
	return identity{uid: n.UID, hotkey: n.Hotkey, registered: n.Registered}
}

// probe is one neuron's part of a round: the same challenges as everybody's, in an order of its own, so that a miner
// cannot copy another's answers by their position. A neuron that cannot be asked has no order.
type probe struct {
	neuron metagraph.Neuron
	order  []int
}

// plan lists whom to ask in a round: every neuron but the validator's own that serves, in random order, and every one
// that was asked before and serves no more, which is not asked and gets nothing right.
func plan(graph *metagraph.Metagraph, self string, challenges int, known func(identity) bool, random *rand.Rand) []probe {
	var probes []probe
	for _, n := range graph.Neurons {
		if n.Hotkey == self {
			continue
		}
		callable := n.Endpoint.Serves() && n.Endpoint.Protocol == oip.Protocol
		if callable {
			probes = append(probes, probe{neuron: n, order: random.Perm(challenges)})
		} else if known(identify(n)) || n.Endpoint.Serves() {
			probes = append(probes, probe{neuron: n})
		}
	}
	random.Shuffle(len(probes), func(i, j int) { probes[i], probes[j] = probes[j], probes[i] })
	return probes
}
