package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/channel/keeper"
	subnetkeeper "github.com/plexusnet/plexus/chain/subnet/keeper"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	"github.com/plexusnet/plexus/subnet"
)

// lived returns a chain with channels in every state and demand of two windows.
func lived(t *testing.T) testnet {
	n := newTestnet(t, base())
	one, two := n.open(caller, minerA), n.open(eve, minerB)
	n.redeem(signed(one, 0, 1, 10_000), signed(two, 2, 1, 30_000))
	n.nextWindow()
	n.redeem(signed(one, 1, 3, 50_000))
	gone := n.open(caller, minerB)
	n.close(bob, gone)
	n.collect(gone)
	n.close(caller, one)
	return n
}

func TestAnExportGoesOn(t *testing.T) {
	n := lived(t)
	exported := n.Export()
	again := testnet{apptest.New(t, apptest.Config{Exported: exported, Validators: base().Validators}), t}
	before, err := n.App().Channel.ExportGenesis(n.Context())
	require.NoError(t, err)
	after, err := again.App().Channel.ExportGenesis(again.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Len(t, after.Channels, 2)

	again.Refuse(keeper.ErrReplayed, eve, redeemMsg(signed(2, 2, 1, 30_000)))
	require.Equal(t, []uint64{1}, again.redeem(signed(2, 2, 2, 30_001)).Redeemed)
	require.Equal(t, uint64(deposit-60_000), again.collectAt(1))
	require.Equal(t, uint64(4), again.open(caller, minerA), "numbers go on where they were")
}

func TestGenesisRefusals(t *testing.T) {
	n := lived(t)
	type state = channelv1.GenesisState
	for _, c := range []struct {
		name   string
		change func(g *state)
		says   string
	}{
		{"parameters", func(g *state) { g.Params.CloseDelay = 0 }, "close_delay"},
		{"ids in disorder", func(g *state) { g.Channels[0], g.Channels[1] = g.Channels[1], g.Channels[0] }, "ids must ascend"},
		{"id 0", func(g *state) { g.Channels[0].Id = 0 }, "ids must ascend"},
		{"a bad voucher key", func(g *state) { g.Channels[0].VoucherKey = make([]byte, 32) }, "channel 1: "},
		{"lanes that do not add up", func(g *state) { g.Channels[0].Redeemed++ }, "lanes add up"},
		{"lanes in disorder", func(g *state) { l := g.Channels[0].Lanes; l[0], l[1] = l[1], l[0] }, "must ascend"},
		{"redeemed beyond the deposit", func(g *state) { g.Channels[0].Deposit = 1 }, "beyond the deposit"},
		{"no delay", func(g *state) { g.Channels[0].CloseDelay = 0 }, "close_delay"},
		{"more lanes than it may have", func(g *state) { g.Channels[0].MaxLanes = 1 }, "2 lanes of at most 1"},
		{"more lanes than any may have", func(g *state) { g.Channels[0].MaxLanes = 257 }, "want 1 to 256"},
		{"a height that cannot be", func(g *state) { g.Channels[0].Expires = 1 << 63 }, "beyond the last"},
		{"expired when it was opened", func(g *state) { g.Channels[0].Opened = g.Channels[0].Expires }, "it expires"},
		{"deposits beyond the cap", func(g *state) { g.Channels[0].Deposit = subnet.Cap; g.Channels[1].Deposit = subnet.Cap }, "more is in channels"},
		{"deposits beyond a number", func(g *state) { g.Channels[0].Deposit = 1<<64 - 1 }, "more is in channels"},
		{"escrow that is not in channels", func(g *state) { g.Totals.Escrowed++ }, "escrowed"},
		{"a channel opened after the last", func(g *state) { g.Totals.Opened, g.Totals.Collected = 1, 0 }, "totals"},
		{"channels missing", func(g *state) { g.Totals.Collected = 0 }, "totals"},
		{"more collected than opened", func(g *state) { g.Totals.Collected = 9 }, "totals"},
		{"more burned than counted", func(g *state) { g.Totals.Burned++ }, "the totals"},
		{"more redeemed than counted", func(g *state) { g.Totals.Redeemed++ }, "the totals"},
		{"a subnet twice", func(g *state) { g.Subnets = append(g.Subnets, g.Subnets[0]) }, "netuids must ascend"},
		{"a miner twice", func(g *state) { m := &g.Subnets[0].Miners; *m = append(*m, (*m)[0]) }, "must ascend"},
		{"a miner missing", func(g *state) { g.Subnets[0].Miners = g.Subnets[0].Miners[1:] }, "add up"},
		{"more burned than redeemed", func(g *state) { r := &g.Subnets[0].Miners[0].Revenue.Total; r.Burned = r.Redeemed + 1 }, "burned of"},
		{"sums beyond a number", func(g *state) {
			for i := range g.Subnets[0].Miners {
				g.Subnets[0].Miners[i].Revenue.Total = channelv1.Revenue{Redeemed: 1<<64 - 1, Burned: 1<<64 - 1}
			}
		}, "more than a number holds"},
		{"a miner's window to come", func(g *state) { g.Subnets[0].Miners[0].Revenue.Window.Number = 99 }, "window 99"},
		{"a miner's pool out of nothing", func(g *state) { g.Subnets[0].Miners[0].Revenue.Window.Pool = 1 << 40 }, "wait to be credited"},
		{"a subnet's window to come", func(g *state) { g.Clock.Subnets[0].Window.Number = 99 }, "window 99"},
		{"a subnet's pool out of nothing", func(g *state) { g.Clock.Subnets[0].Window.Pool = 1 << 40 }, "wait to be credited"},
		{"a window burned out of nothing", func(g *state) { g.Clock.Subnets[0].Window.Burned = 1 << 40 }, "wait to be credited"},
		{"a window of a subnet without demand", func(g *state) {
			g.Clock.Subnets = append(g.Clock.Subnets, channelv1.SubnetWindow{Netuid: 2, Window: channelv1.Window{Pool: 1}})
		}, "wait to be credited"},
		{"windows in disorder", func(g *state) { g.Clock.Subnets = append(g.Clock.Subnets, g.Clock.Subnets[0]) }, "netuids must ascend"},
		{"a clock that cannot be", func(g *state) { g.Clock.Start = 1 << 63 }, "beyond the last"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := n.App().Channel.ExportGenesis(n.Context())
			require.NoError(t, err)
			require.NoError(t, keeper.ValidateGenesis(g))
			c.change(g)
			require.ErrorContains(t, keeper.ValidateGenesis(g), c.says)
			require.Error(t, n.App().Channel.InitGenesis(n.Context(), g))
		})
	}
	for _, c := range []struct {
		name   string
		change func(g *state)
		says   string
	}{
		{"a payer who is nobody", func(g *state) { g.Channels[0].Payer = "nobody" }, "payer"},
		{"a payee who cannot be paid", func(g *state) {
			g.Channels[0].Payee = authtypes.NewModuleAddress(subnetkeeper.LockAccount).String()
		}, "cannot be paid"},
		{"a hotkey that is none", func(g *state) { g.Channels[0].Hotkey = "" }, "hotkey"},
		{"demand of a hotkey that is none", func(g *state) { g.Subnets[0].Miners[0].Hotkey = "0" }, "hotkey"},
		{"an escrow that holds something else", func(g *state) { g.Channels[0].Deposit++; g.Totals.Escrowed++ }, "account channel_escrow holds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := n.App().Channel.ExportGenesis(n.Context())
			require.NoError(t, err)
			c.change(g)
			require.NoError(t, keeper.ValidateGenesis(g))
			require.ErrorContains(t, n.App().Channel.InitGenesis(n.Context(), g), c.says)
		})
	}
}
