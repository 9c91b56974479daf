package keeper

import (
	"cmp"
	"context"
	"math"
	"slices"

	"cosmossdk.io/collections"

	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	"github.com/plexusnet/plexus/subnet"
)

// SmoothedBurned returns what counts as burned in this block for every subnet,
// in nplx, by netuid: of what the present window credits, one part per block.
// Over any time it is at most what was burned. Source: package payment, Window.
func (k *Keeper) SmoothedBurned(ctx context.Context) ([]subnet.NetuidAmount, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	clock, err := k.present(ctx, params)
	if err != nil {
		return nil, err
	}
	var amounts []subnet.NetuidAmount
	for _, s := range clock.Subnets {
		if nplx := windowOf(s.Window).Smoothed(params.DemandSmoothing) / params.DemandWindow; nplx > 0 {
			amounts = append(amounts, subnet.NetuidAmount{Netuid: s.Netuid, Amount: nplx})
		}
	}
	return amounts, nil
}

// present returns the clock brought to the present window, without the subnets
// that have nothing left to credit.
func (k *Keeper) present(ctx context.Context, params channelv1.Params) (channelv1.Clock, error) {
	clock, err := itemOr(ctx, k.clock)
	if err != nil {
		return clock, err
	}
	passed := (height(ctx) - min(clock.Start, height(ctx))) / params.DemandWindow
	clock.Number += passed
	clock.Start += passed * params.DemandWindow
	for i := range clock.Subnets {
		bring(&clock.Subnets[i].Window, clock.Number, params.DemandSmoothing)
	}
	dropIdle(&clock, params)
	return clock, nil
}

// dropIdle forgets the subnets of which nothing more will be credited.
func dropIdle(clock *channelv1.Clock, params channelv1.Params) {
	clock.Subnets = slices.DeleteFunc(clock.Subnets, func(s channelv1.SubnetWindow) bool {
		return windowOf(s.Window).Idle(params.DemandSmoothing)
	})
}

// cut ends the present window before its time, so that what it credits does not
// depend on parameters that change within it.
func cut(clock *channelv1.Clock, params channelv1.Params, height uint64) {
	clock.Number++
	clock.Start = height
	for i := range clock.Subnets {
		bring(&clock.Subnets[i].Window, clock.Number, params.DemandSmoothing)
	}
	dropIdle(clock, params)
}

func windowOf(w channelv1.Window) payment.Window {
	return payment.Window{Redeemed: w.Redeemed, Burned: w.Burned, Pool: w.Pool}
}

// edit lets the rules change a stored window.
func edit(stored *channelv1.Window, change func(*payment.Window)) {
	w := windowOf(*stored)
	change(&w)
	stored.Redeemed, stored.Burned, stored.Pool = w.Redeemed, w.Burned, w.Pool
}

// bring lets the windows before number end.
func bring(stored *channelv1.Window, number uint64, smoothing uint32) {
	edit(stored, func(w *payment.Window) { w.Pass(number-min(stored.Number, number), smoothing) })
	stored.Number = number
}

// count is the counting of one message: what all subnets share is read and
// written once.
type count struct {
	k      *Keeper
	params channelv1.Params
	clock  channelv1.Clock // to be stored after the last add
}

func (k *Keeper) beginCount(ctx context.Context, params channelv1.Params) (*count, error) {
	clock, err := k.present(ctx, params)
	return &count{k: k, params: params, clock: clock}, err
}

// add counts what was redeemed of a channel for its subnet and its miner.
func (n *count) add(ctx context.Context, c channelv1.Channel, vouchers, redeemed, burned uint64) error {
	edit(n.window(c.Netuid), func(w *payment.Window) { w.Add(redeemed, burned) })

	revenue, err := getOr(ctx, n.k.revenue, c.Netuid)
	if err != nil {
		return err
	}
	addRevenue(&revenue, vouchers, redeemed, burned)
	if err := n.k.revenue.Set(ctx, c.Netuid, revenue); err != nil {
		return err
	}
	key := collections.Join(c.Netuid, c.Hotkey)
	miner, err := getOr(ctx, n.k.miners, key)
	if err != nil {
		return err
	}
	addRevenue(&miner.Total, vouchers, redeemed, burned)
	bring(&miner.Window, n.clock.Number, n.params.DemandSmoothing)
	edit(&miner.Window, func(w *payment.Window) { w.Add(redeemed, burned) })
	return n.k.miners.Set(ctx, key, miner)
}

// window returns the counter of a subnet, a new one where it has none.
func (n *count) window(netuid uint32) *channelv1.Window {
	i, found := slices.BinarySearchFunc(n.clock.Subnets, netuid, func(s channelv1.SubnetWindow, netuid uint32) int {
		return cmp.Compare(s.Netuid, netuid)
	})
	if !found {
		fresh := channelv1.SubnetWindow{Netuid: netuid, Window: channelv1.Window{Number: n.clock.Number}}
		n.clock.Subnets = slices.Insert(n.clock.Subnets, i, fresh)
	}
	return &n.clock.Subnets[i].Window
}

func addRevenue(r *channelv1.Revenue, vouchers, redeemed, burned uint64) {
	r.Vouchers += vouchers
	r.Redeemed = saturatingAdd(r.Redeemed, redeemed)
	r.Burned += burned
}

// saturatingAdd returns a+b, or the largest uint64 where the sum is larger: who
// pays himself without a burn can count as much as he likes.
func saturatingAdd(a, b uint64) uint64 {
	if b > math.MaxUint64-a {
		return math.MaxUint64
	}
	return a + b
}
