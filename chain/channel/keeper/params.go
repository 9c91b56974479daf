package keeper

import (
	"context"

	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	"github.com/plexusnet/plexus/subnet"
)

// DefaultParams are the parameters of a new network.
func DefaultParams() channelv1.Params {
	return channelv1.Params{
		FeeBurn:         500,
		CloseDelay:      600, // two hours of 12 s blocks
		MinDeposit:      subnet.PLX / 1000,
		MaxDuration:     1_296_000, // 180 days
		MaxLanes:        16,
		MaxVouchers:     100,
		DemandWindow:    300, // an hour
		DemandSmoothing: 24,  // a day
	}
}

// Bounds of parameters. Half is the most that may be burned: more, and who is
// paid would rather be paid elsewhere.
const (
	maxFeeBurn         = payment.BasisPoints / 2
	maxCloseDelay      = 1_000_000   // 139 days
	maxDuration        = 100_000_000 // 38 years
	maxLanes           = 256
	maxVouchers        = 1_000
	maxDemandWindow    = 1_000_000
	maxDemandSmoothing = 100
)

// ValidateParams reports parameters that are out of bounds.
func ValidateParams(p channelv1.Params) error {
	for _, f := range []struct {
		name             string
		value, low, high uint64
	}{
		{"fee_burn", uint64(p.FeeBurn), 0, maxFeeBurn},
		// At least one block, or a payer could close and collect before a
		// voucher can be redeemed.
		{"close_delay", p.CloseDelay, 1, maxCloseDelay},
		{"min_deposit", p.MinDeposit, 1, subnet.Cap},
		{"max_duration", p.MaxDuration, 1, maxDuration},
		{"max_lanes", uint64(p.MaxLanes), 1, maxLanes},
		{"max_vouchers", uint64(p.MaxVouchers), 1, maxVouchers},
		{"demand_window", p.DemandWindow, 1, maxDemandWindow},
		{"demand_smoothing", uint64(p.DemandSmoothing), 1, maxDemandSmoothing},
	} {
		if f.value < f.low || f.value > f.high {
			return ErrInvalidParams.Wrapf("%s is %d, want %d to %d", f.name, f.value, f.low, f.high)
		}
	}
	return nil
}

func termsOf(p channelv1.Params) payment.Terms {
	return payment.Terms{MinDeposit: p.MinDeposit, MaxDuration: p.MaxDuration}
}

// updateParams replaces the parameters. The present window of demand ends by the
// old ones.
func (k *Keeper) updateParams(ctx context.Context, authority string, params channelv1.Params) error {
	if authority != k.authority {
		return ErrUnauthorized.Wrapf("%s may not change the parameters, only %s: make a governance proposal", authority, k.authority)
	}
	if err := ValidateParams(params); err != nil {
		return err
	}
	before, err := k.params.Get(ctx)
	if err != nil {
		return err
	}
	clock, err := k.present(ctx, before)
	if err != nil {
		return err
	}
	cut(&clock, before, height(ctx))
	if err := k.clock.Set(ctx, clock); err != nil {
		return err
	}
	emitEvent(ctx, "params", attr("by", authority))
	return k.params.Set(ctx, params)
}
