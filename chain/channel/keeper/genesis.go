package keeper

import (
	"context"
	"fmt"
	"math"

	"cosmossdk.io/collections"

	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	"github.com/plexusnet/plexus/subnet"
)

// DefaultGenesis is the state of a new network: parameters and no channels.
func DefaultGenesis() *channelv1.GenesisState {
	return &channelv1.GenesisState{Params: DefaultParams()}
}

// ValidateGenesis reports what is wrong with a state before it is imported.
func ValidateGenesis(g *channelv1.GenesisState) error {
	if err := ValidateParams(g.Params); err != nil {
		return fmt.Errorf("params: %w", err)
	}
	if err := validateChannels(g); err != nil {
		return err
	}
	if err := validateClock(g); err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	return validateRevenue(g)
}

// validateChannels wants channels that the rules could have made, in order, and
// totals that count them.
func validateChannels(g *channelv1.GenesisState) error {
	last, escrowed := uint64(0), uint64(0)
	for i := range g.Channels {
		c := &g.Channels[i]
		if c.Id <= last {
			return fmt.Errorf("channel %d follows channel %d: ids must ascend from 1", c.Id, last)
		}
		last = c.Id
		rules := c.Rules()
		if err := rules.Check(); err != nil {
			return fmt.Errorf("channel %d: %w", c.Id, err)
		}
		if err := validateTerms(c); err != nil {
			return fmt.Errorf("channel %d: %w", c.Id, err)
		}
		if left := rules.Left(); left > subnet.Cap-escrowed {
			return fmt.Errorf("channel %d: with its %d nplx more is in channels than the %d that there can be", c.Id, left, subnet.Cap)
		}
		escrowed += rules.Left()
	}
	if t := g.Totals; t.Opened < last || t.Opened < t.Collected || t.Opened-t.Collected != uint64(len(g.Channels)) {
		return fmt.Errorf("totals: %d channels opened and %d collected, but there are %d, the last is number %d", t.Opened, t.Collected, len(g.Channels), last)
	}
	if g.Totals.Escrowed != escrowed {
		return fmt.Errorf("totals: %d nplx escrowed, but the channels hold %d", g.Totals.Escrowed, escrowed)
	}
	return nil
}

// validateTerms checks what a channel was opened under. Parameters may have
// changed since, their bounds have not.
func validateTerms(c *channelv1.Channel) error {
	if c.CloseDelay < 1 || c.CloseDelay > maxCloseDelay {
		return fmt.Errorf("close_delay is %d, want 1 to %d", c.CloseDelay, maxCloseDelay)
	}
	if c.MaxLanes < 1 || c.MaxLanes > maxLanes || len(c.Lanes) > int(c.MaxLanes) {
		return fmt.Errorf("%d lanes of at most %d, want 1 to %d", len(c.Lanes), c.MaxLanes, maxLanes)
	}
	for _, h := range []uint64{c.Opened, c.Expires, c.ClosesAt} {
		if h > math.MaxInt64 {
			return fmt.Errorf("height %d is beyond the last that a block can have", h)
		}
	}
	if c.Opened >= c.Expires {
		return fmt.Errorf("opened at height %d, it expires at %d", c.Opened, c.Expires)
	}
	return nil
}

// validateClock wants counters of subnets that have demand, in order, and none
// that counts more than was ever burned.
func validateClock(g *channelv1.GenesisState) error {
	burned := map[uint32]uint64{}
	for _, s := range g.Subnets {
		burned[s.Netuid] = s.Total.Burned
	}
	if g.Clock.Start > math.MaxInt64 {
		return fmt.Errorf("height %d is beyond the last that a block can have", g.Clock.Start)
	}
	last := uint32(0)
	for _, s := range g.Clock.Subnets {
		if s.Netuid <= last {
			return fmt.Errorf("subnet %d follows subnet %d: netuids must ascend from 1", s.Netuid, last)
		}
		last = s.Netuid
		if s.Window.Number > g.Clock.Number {
			return fmt.Errorf("subnet %d is counted in window %d, now is %d", s.Netuid, s.Window.Number, g.Clock.Number)
		}
		if err := validateWindow(s.Window, burned[s.Netuid]); err != nil {
			return fmt.Errorf("subnet %d: %w", s.Netuid, err)
		}
	}
	return nil
}

func validateWindow(w channelv1.Window, burned uint64) error {
	if w.Burned > burned || w.Pool > burned-w.Burned {
		return fmt.Errorf("%d nplx burned in its window and %d before wait to be credited, but %d were burned in all", w.Burned, w.Pool, burned)
	}
	if w.Burned > w.Redeemed {
		return fmt.Errorf("%d nplx burned of %d redeemed in its window", w.Burned, w.Redeemed)
	}
	return nil
}

// validateRevenue wants the demand of miners to add up to that of their subnets,
// and that of subnets to the totals.
func validateRevenue(g *channelv1.GenesisState) error {
	sum := channelv1.Revenue{}
	last := uint32(0)
	for _, s := range g.Subnets {
		if s.Netuid <= last {
			return fmt.Errorf("demand of subnet %d follows that of subnet %d: netuids must ascend from 1", s.Netuid, last)
		}
		last = s.Netuid
		if err := validateMiners(g, s); err != nil {
			return fmt.Errorf("demand of subnet %d: %w", s.Netuid, err)
		}
		if err := addChecked(&sum, s.Total); err != nil {
			return fmt.Errorf("demand of subnet %d: %w", s.Netuid, err)
		}
	}
	if sum.Burned != g.Totals.Burned || sum.Redeemed != g.Totals.Redeemed {
		return fmt.Errorf("subnets have %d nplx redeemed and %d burned, the totals %d and %d", sum.Redeemed, sum.Burned, g.Totals.Redeemed, g.Totals.Burned)
	}
	return nil
}

func validateMiners(g *channelv1.GenesisState, s channelv1.GenesisSubnet) error {
	sum := channelv1.Revenue{}
	for i, m := range s.Miners {
		if i > 0 && m.Hotkey <= s.Miners[i-1].Hotkey {
			return fmt.Errorf("hotkey %s follows %s, they must ascend", m.Hotkey, s.Miners[i-1].Hotkey)
		}
		if m.Revenue.Window.Number > g.Clock.Number {
			return fmt.Errorf("hotkey %s is counted in window %d, now is %d", m.Hotkey, m.Revenue.Window.Number, g.Clock.Number)
		}
		if err := validateWindow(m.Revenue.Window, m.Revenue.Total.Burned); err != nil {
			return fmt.Errorf("hotkey %s: %w", m.Hotkey, err)
		}
		if err := addChecked(&sum, m.Revenue.Total); err != nil {
			return fmt.Errorf("hotkey %s: %w", m.Hotkey, err)
		}
	}
	if sum != s.Total {
		return fmt.Errorf("its miners add up to %d vouchers, %d nplx redeemed and %d burned, not to %d, %d and %d",
			sum.Vouchers, sum.Redeemed, sum.Burned, s.Total.Vouchers, s.Total.Redeemed, s.Total.Burned)
	}
	return nil
}

// addChecked adds b to sum; what is burned and the number of vouchers cannot
// exceed a number, what is redeemed stays at the largest.
func addChecked(sum *channelv1.Revenue, b channelv1.Revenue) error {
	if b.Burned > b.Redeemed {
		return fmt.Errorf("%d nplx burned of %d redeemed", b.Burned, b.Redeemed)
	}
	if b.Burned > math.MaxUint64-sum.Burned || b.Vouchers > math.MaxUint64-sum.Vouchers {
		return fmt.Errorf("with %d nplx burned by %d vouchers the sum is more than a number holds", b.Burned, b.Vouchers)
	}
	addRevenue(sum, b.Vouchers, b.Redeemed, b.Burned)
	return nil
}

// InitGenesis stores a state, and refuses one whose money does not add up.
func (k *Keeper) InitGenesis(ctx context.Context, g *channelv1.GenesisState) error {
	if err := ValidateGenesis(g); err != nil {
		return err
	}
	if err := k.params.Set(ctx, g.Params); err != nil {
		return err
	}
	if err := k.totals.Set(ctx, g.Totals); err != nil {
		return err
	}
	if err := k.clock.Set(ctx, g.Clock); err != nil {
		return err
	}
	for _, c := range g.Channels {
		if err := k.initChannel(ctx, c); err != nil {
			return fmt.Errorf("channel %d: %w", c.Id, err)
		}
	}
	for _, s := range g.Subnets {
		if err := k.revenue.Set(ctx, s.Netuid, s.Total); err != nil {
			return err
		}
		for _, m := range s.Miners {
			if _, err := k.accounts.AddressCodec().StringToBytes(m.Hotkey); err != nil {
				return fmt.Errorf("demand of hotkey %q in subnet %d: %w", m.Hotkey, s.Netuid, err)
			}
			if err := k.miners.Set(ctx, collections.Join(s.Netuid, m.Hotkey), m.Revenue); err != nil {
				return err
			}
		}
	}
	if k.accounts.GetModuleAccount(ctx, EscrowAccount) == nil {
		return fmt.Errorf("account %s is missing", EscrowAccount)
	}
	if has := k.escrowBalance(ctx); has != g.Totals.Escrowed {
		return fmt.Errorf("account %s holds %d nplx, but %d are in channels", EscrowAccount, has, g.Totals.Escrowed)
	}
	return nil
}

// initChannel stores a channel whose payer and payee can be paid: otherwise what
// is in it could never leave.
func (k *Keeper) initChannel(ctx context.Context, c channelv1.Channel) error {
	if err := k.payable("payer", c.Payer); err != nil {
		return err
	}
	if err := k.payable("payee", c.Payee); err != nil {
		return err
	}
	if _, err := k.accounts.AddressCodec().StringToBytes(c.Hotkey); err != nil {
		return fmt.Errorf("hotkey %q: %w", c.Hotkey, err)
	}
	return k.add(ctx, c)
}

// ExportGenesis returns the whole state; importing it gives the same state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*channelv1.GenesisState, error) {
	g := &channelv1.GenesisState{}
	var err error
	if g.Params, err = k.params.Get(ctx); err != nil {
		return nil, err
	}
	if g.Totals, err = itemOr(ctx, k.totals); err != nil {
		return nil, err
	}
	if g.Clock, err = itemOr(ctx, k.clock); err != nil {
		return nil, err
	}
	err = k.channels.Walk(ctx, nil, func(_ uint64, c channelv1.Channel) (bool, error) {
		g.Channels = append(g.Channels, c)
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	err = k.revenue.Walk(ctx, nil, func(netuid uint32, total channelv1.Revenue) (bool, error) {
		s := channelv1.GenesisSubnet{Netuid: netuid, Total: total}
		err := k.miners.Walk(ctx, collections.NewPrefixedPairRange[uint32, string](netuid), func(key ofMiner, m channelv1.MinerRevenue) (bool, error) {
			s.Miners = append(s.Miners, channelv1.GenesisMiner{Hotkey: key.K2(), Revenue: m})
			return false, nil
		})
		g.Subnets = append(g.Subnets, s)
		return false, err
	})
	return g, err
}
