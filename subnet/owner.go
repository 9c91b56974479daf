package subnet

import (
	"fmt"
	"strings"
)

// OwnerRules bound when the owner of a subnet may change its hyperparameters.
type OwnerRules struct {
	RateLimit uint64 // blocks between two changes
	Freeze    uint64 // blocks before an epoch in which nothing may change
}

// CheckChange decides whether the owner may replace hyperparameters at a
// height. Wraps ErrGoverned where a value is governance's to change,
// ErrRateLimited after a change (the last one's height; 0: never changed) that
// is too recent, and ErrFrozen shortly before the epoch, when validators can
// no longer answer. That the new values are within their bounds is
// Hyperparams.Validate's to say. Source: protocol section 6.
func (r OwnerRules) CheckChange(from, to Hyperparams, clock Clock, lastChange, height uint64) error {
	if names := from.governed(to); len(names) > 0 {
		return fmt.Errorf("%s: make a governance proposal: %w", strings.Join(names, ", "), ErrGoverned)
	}
	if lastChange > 0 {
		if wait := saturatingSub(r.RateLimit, saturatingSub(height, lastChange)); wait > 0 {
			return fmt.Errorf("hyperparameters were changed at height %d, next in %d blocks: %w", lastChange, wait, ErrRateLimited)
		}
	}
	// A tempo shorter than the freeze leaves the first block after an epoch.
	freeze := min(r.Freeze, clock.Tempo-1)
	if left := saturatingSub(clock.Next(), height); left < freeze {
		return fmt.Errorf("the next epoch is at height %d, and nothing may change in the %d blocks before it: try again after it: %w",
			clock.Next(), freeze, ErrFrozen)
	}
	return nil
}

// governed names the hyperparameters that differ and that only governance may
// change, because they cost every node time or space (tempo, max_uids,
// max_validators), bound what is free of fees (the rate limits), or protect
// others from the owner: kappa is the majority that consensus needs,
// min_non_immune keeps seats open, and the registration price is what makes
// many identities dear and what the whole network sees burned.
func (h Hyperparams) governed(to Hyperparams) []string {
	var names []string
	for _, f := range []struct {
		name    string
		differs bool
	}{
		{"tempo", h.Tempo != to.Tempo},
		{"kappa", h.Kappa != to.Kappa},
		{"max_uids", h.MaxUIDs != to.MaxUIDs},
		{"max_validators", h.MaxValidators != to.MaxValidators},
		{"weights_rate_limit", h.WeightsRateLimit != to.WeightsRateLimit},
		{"serving_rate_limit", h.ServingRateLimit != to.ServingRateLimit},
		{"burn_start", h.BurnStart != to.BurnStart},
		{"burn_min", h.BurnMin != to.BurnMin},
		{"burn_max", h.BurnMax != to.BurnMax},
		{"burn_increase", h.BurnIncrease != to.BurnIncrease},
		{"burn_half_life", h.BurnHalfLife != to.BurnHalfLife},
		{"min_non_immune", h.MinNonImmune != to.MinNonImmune},
	} {
		if f.differs {
			names = append(names, f.name)
		}
	}
	return names
}

// LockReturn divides the lock of a removed subnet: what its owners were paid
// is burned, the rest returned. Both in nplx, they add up to the lock. Source:
// protocol section 6.
func LockReturn(lock, ownerPaid uint64) (returned, burned uint64) {
	burned = min(lock, ownerPaid)
	return lock - burned, burned
}
