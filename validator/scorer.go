package validator

import (
	"errors"
	"maps"
	"math"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
)

// errDishonest is what a mechanism says that gives no reason.
var errDishonest = errors.New("the mechanism calls the answer dishonest")

// Evidence is the sum of a neuron's scores, and of how many challenges, both weighed by age.
type Evidence struct {
	Right float64
	Asked float64
}

// Accuracy is the mean score, 0 when nothing was asked.
func (e Evidence) Accuracy() float64 {
	if e.Asked == 0 {
		return 0
	}
	return e.Right / e.Asked
}

// Account is what is known of one neuron.
type Account struct {
	Evidence
	First  uint64    // round in which it answered first; 0: never
	Banned time.Time // until when it earns nothing, for having been dishonest
	Reason string    // of the ban
}

// Scorer gathers evidence about neurons. HalfLife is positive: after that many challenges, evidence counts half. Ban is
// how long a neuron earns nothing after an answer that no honest miner gives.
type Scorer struct {
	HalfLife float64
	Ban      time.Duration
	seen     map[identity]Account
}

// Observe adds the results of a round.
func (s *Scorer) Observe(round uint64, now time.Time, results []Result) {
	if s.seen == nil {
		s.seen = map[identity]Account{}
	}
	for _, r := range results {
		id := identify(r.Neuron)
		account := s.seen[id]
		keep := math.Exp2(-float64(r.Asked) / s.HalfLife)
		account.Right = account.Right*keep + r.Score()
		account.Asked = account.Asked*keep + float64(r.Asked)
		if account.First == 0 && r.Answered > 0 {
			account.First = round
		}
		if r.Dishonest != nil {
			account.Banned, account.Reason = now.Add(s.Ban), r.Dishonest.Error()
		}
		if account.Banned.After(now) {
			account.Right = 0 // trust starts from nothing when the ban is over
		}
		s.seen[id] = account
	}
}

// Retain forgets every neuron that is not in the subnet any more: a new owner of a uid starts from nothing.
func (s *Scorer) Retain(graph *metagraph.Metagraph) {
	present := presence(graph)
	maps.DeleteFunc(s.seen, func(id identity, _ Account) bool { return !present[id] })
}

// presence is the set of a subnet's neurons.
func presence(graph *metagraph.Metagraph) map[identity]bool {
	present := make(map[identity]bool, len(graph.Neurons))
	for _, n := range graph.Neurons {
		present[identify(n)] = true
	}
	return present
}

// Known reports whether there is evidence about a neuron.
func (s *Scorer) Known(id identity) bool {
	_, ok := s.seen[id]
	return ok
}

// Evidence returns what is known of the subnet's neurons, by uid. What earns nothing, because the neuron is banned or
// because worthless says so, counts as never right.
func (s *Scorer) Evidence(graph *metagraph.Metagraph, now time.Time, worthless func(identity) bool) map[uint16]Evidence {
	known := make(map[uint16]Evidence, len(s.seen))
	for _, n := range graph.Neurons {
		id := identify(n)
		account, ok := s.seen[id]
		if !ok {
			continue
		}
		if account.Banned.After(now) || worthless(id) {
			account.Right = 0
		}
		known[n.UID] = account.Evidence
	}
	return known
}
