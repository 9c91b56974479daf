package validator

import (
	"fmt"
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

// key is how an identity is known in the store.
func (id identity) key() string { return fmt.Sprintf("%05d/%s/%d", id.uid, id.hotkey, id.registered) }

// question is a challenge, and who asks it: 0 is the validator itself, others are its shoppers.
type question struct {
	challenge int
	asker     int
}

// probe is one neuron's part of a round: the same challenges as everybody's, in an order of its own, so that a miner
// cannot copy another's answers by their position. A neuron that cannot be asked has no order.
type probe struct {
	neuron metagraph.Neuron
	order  []question
}

// planner lays out rounds.
type planner struct {
	self       string // hotkey
	challenges int
	shoppers   int
	shopped    float64             // share of the questions that a shopper asks too
	apart      int                 // challenges for those that stand apart
	known      func(identity) bool // was asked before
	isolated   func(identity) bool // stands apart
	random     *rand.Rand
}

// plan lists whom to ask in a round: every neuron but the validator's own that serves, in random order, and every one
// that was asked before and serves no more, which is not asked and gets nothing right.
func (p planner) plan(graph *metagraph.Metagraph) []probe {
	var probes []probe
	for _, n := range graph.Neurons {
		if n.Hotkey == p.self {
			continue
		}
		callable := n.Endpoint.Serves() && n.Endpoint.Protocol == oip.Protocol
		if callable {
			probes = append(probes, probe{neuron: n, order: p.questions(n)})
		} else if p.known(identify(n)) || n.Endpoint.Serves() {
			probes = append(probes, probe{neuron: n})
		}
	}
	p.random.Shuffle(len(probes), func(i, j int) { probes[i], probes[j] = probes[j], probes[i] })
	return probes
}

// questions are those of one neuron. What a shopper asks, the validator asks too, before or after: so a miner does not
// know whose question it is that counts, and both answers can be compared.
func (p planner) questions(n metagraph.Neuron) []question {
	asked := p.random.Perm(p.challenges)
	if p.isolated(identify(n)) {
		asked = asked[:min(len(asked), p.apart)]
	}
	var order []question
	for _, challenge := range asked {
		order = append(order, question{challenge: challenge})
		if p.shoppers > 0 && p.random.Float64() < p.shopped {
			order = append(order, question{challenge: challenge, asker: 1 + p.random.IntN(p.shoppers)})
		}
	}
	p.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}
