package keeper

import (
	"context"

	"github.com/plexusnet/plexus/subnet"
)

// CountDemand names the module that knows what callers burn. It is called once,
// while the application is put together: that module burns through this one,
// so neither can be made with the other.
func (k *Keeper) CountDemand(d DemandKeeper) { k.demand = d }

// burnedFor returns the nplx that count as burned in this block for each of the
// given subnets, ascending by netuid.
func (k *Keeper) burnedFor(ctx context.Context, netuids []uint32) ([]uint64, error) {
	if k.demand == nil {
		return make([]uint64, len(netuids)), nil
	}
	burned, err := k.demand.SmoothedBurned(ctx)
	return subnet.AmountsOf(netuids, burned), err
}

// divide shares out a block's reward by root shares and, as far as the
// parameters let it, by demand. Source: docs/protocol.md section 2.
func (k *Keeper) divide(ctx context.Context, reward uint64, netuids []uint32, root []uint64) ([]subnet.Emission, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	rules := demandRulesOf(params)
	if rules.Mix == 0 {
		return subnet.MixDemand(reward, root, nil, rules), nil
	}
	burned, err := k.burnedFor(ctx, netuids)
	if err != nil {
		return nil, err
	}
	return subnet.MixDemand(reward, root, burned, rules), nil
}
