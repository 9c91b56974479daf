package subnet

import (
	"cmp"
	"fmt"
	"slices"
)

// Standing is what decides which neuron makes room for others.
type Standing struct {
	Registered uint64 // height
	Emission   uint64 // nplx in the last epoch
}

// Immune tells whether a neuron registered at a height is still protected.
func (h Hyperparams) Immune(registered, height uint64) bool {
	return saturatingSub(height, registered) < h.ImmunityPeriod
}

// Replaceable returns the uid that a new registration takes over in a full
// subnet: of the neurons that are not immune the one with the lowest
// emission, then the oldest registration, then the lowest uid. It refuses with
// ErrSubnetFull when that would leave fewer than MinNonImmune neurons that can
// be replaced. Neurons are in order of uid; what is returned is an index.
// Source: protocol section 6.
func (h Hyperparams) Replaceable(neurons []Standing, height uint64) (uint16, error) {
	worst, open := -1, uint32(0)
	for uid, n := range neurons {
		if h.Immune(n.Registered, height) {
			continue
		}
		open++
		if worst < 0 || weaker(n, neurons[worst]) < 0 {
			worst = uid
		}
	}
	if worst < 0 || open <= h.MinNonImmune {
		return 0, fmt.Errorf("all %d uids are taken and %d of them are past immunity, of which %d must stay: try again when immunity ends: %w",
			len(neurons), open, h.MinNonImmune, ErrSubnetFull)
	}
	return uint16(worst), nil
}

// Surplus returns the indexes of the neurons that must go so that no more than
// MaxUIDs are left: those past immunity first, in the order in which
// Replaceable would take them, then the immune in the same order. Neurons are
// in order of uid.
func (h Hyperparams) Surplus(neurons []Standing, height uint64) []int {
	over := len(neurons) - int(h.MaxUIDs)
	if over <= 0 {
		return nil
	}
	leaving := make([]int, len(neurons))
	for i := range leaving {
		leaving[i] = i
	}
	slices.SortStableFunc(leaving, func(a, b int) int {
		x, y := neurons[a], neurons[b]
		if immune := h.Immune(x.Registered, height); immune != h.Immune(y.Registered, height) {
			if immune {
				return 1
			}
			return -1
		}
		return weaker(x, y)
	})
	return leaving[:over]
}

// weaker orders neurons by who makes room first.
func weaker(a, b Standing) int {
	return cmp.Or(cmp.Compare(a.Emission, b.Emission), cmp.Compare(a.Registered, b.Registered))
}
