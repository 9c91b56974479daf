package validator

import (
	"maps"
	"math"

	"github.com/plexusnet/plexus/client/metagraph"
)

// Evidence is how many challenges a neuron got right of how many it was asked, both weighed by age.
type Evidence struct {
	Right float64
	Asked float64
}

// Accuracy is the share of right answers, 0 when nothing was asked.
func (e Evidence) Accuracy() float64 {
	if e.Asked == 0 {
		return 0
	}
	return e.Right / e.Asked
}

// Scorer gathers evidence about neurons. HalfLife is positive: after that many challenges, evidence counts half.
type Scorer struct {
	HalfLife float64
	seen     map[identity]Evidence
}

// Observe adds the results of a round.
func (s *Scorer) Observe(results []Result) {
	if s.seen == nil {
		s.seen = map[identity]Evidence{}
	}
	for _, r := range results {
		id := identify(r.Neuron)
		keep := math.Exp2(-float64(r.Asked) / s.HalfLife)
		before := s.seen[id]
		s.seen[id] = Evidence{
			Right: before.Right*keep + float64(r.Right),
			Asked: before.Asked*keep + float64(r.Asked),
		}
	}
}

// Retain forgets every neuron that is not in the subnet any more: a new owner of a uid starts from nothing.
func (s *Scorer) Retain(graph *metagraph.Metagraph) {
	present := make(map[identity]bool, len(graph.Neurons))
	for _, n := range graph.Neurons {
		present[identify(n)] = true
	}
	maps.DeleteFunc(s.seen, func(id identity, _ Evidence) bool { return !present[id] })
}

// Known reports whether there is evidence about a neuron.
func (s *Scorer) Known(id identity) bool {
	_, ok := s.seen[id]
	return ok
}

// Evidence returns what is known of the subnet's neurons, by uid.
func (s *Scorer) Evidence(graph *metagraph.Metagraph) map[uint16]Evidence {
	known := make(map[uint16]Evidence, len(s.seen))
	for _, n := range graph.Neurons {
		if e, ok := s.seen[identify(n)]; ok {
			known[n.UID] = e
		}
	}
	return known
}
