package subnet

import "fmt"

// Standing is what decides which neuron makes room in a full subnet.
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
// be replaced. Neurons are indexed by uid. Source: protocol section 6.
func (h Hyperparams) Replaceable(neurons []Standing, height uint64) (uint16, error) {
	worst, open := -1, uint32(0)
	for uid, n := range neurons {
		if h.Immune(n.Registered, height) {
			continue
		}
		open++
		if worst < 0 || weaker(n, neurons[worst]) {
			worst = uid
		}
	}
	if worst < 0 || open <= h.MinNonImmune {
		return 0, fmt.Errorf("all %d uids are taken and %d of them are past immunity, of which %d must stay: try again when immunity ends: %w",
			len(neurons), open, h.MinNonImmune, ErrSubnetFull)
	}
	return uint16(worst), nil
}

func weaker(a, b Standing) bool {
	if a.Emission != b.Emission {
		return a.Emission < b.Emission
	}
	return a.Registered < b.Registered
}
