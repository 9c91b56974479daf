package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/chain/network"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// books follows everybody's money through messages that are drawn at random.
type books struct {
	n      testnet
	ctx    sdk.Context
	server keeper.MsgServer
	whole  uint64 // nplx of all accounts, the escrow, and what was burned
}

func (n testnet) books() *books {
	b := &books{n: n, ctx: n.Context(), server: keeper.NewMsgServer(n.App().Channel)}
	b.whole = b.held(n.t)
	return b
}

func (b *books) held(t require.TestingT) uint64 {
	sum := uint64(0)
	for _, a := range []apptest.Account{alice, bob, caller, eve, poor} {
		sum += b.n.App().Bank.GetBalance(b.ctx, a.Address(), network.Denom).Amount.Uint64()
	}
	totals, err := keeper.NewQueryServer(b.n.App().Channel).Totals(b.ctx, &channelv1.QueryTotalsRequest{})
	require.NoError(t, err)
	require.Equal(t, totals.Totals.Escrowed, totals.EscrowAccount)
	return sum + totals.EscrowAccount + totals.Totals.Burned
}

// try runs a message as a transaction would: what is refused leaves no trace.
func (b *books) try(run func(ctx sdk.Context) error) {
	ctx, write := b.ctx.CacheContext()
	if run(ctx) == nil {
		write()
	}
}

func (b *books) check(t require.TestingT) {
	require.Equal(t, b.whole, b.held(t), "paid in = paid out + burned + in channels")
	state, err := b.n.App().Channel.ExportGenesis(b.ctx)
	require.NoError(t, err)
	require.NoError(t, keeper.ValidateGenesis(state), "what channels hold, and all demand, add up")
}

func TestNoSequenceOfMessagesLosesAUnit(t *testing.T) {
	n := newTestnet(t, base())
	rapid.Check(t, func(t *rapid.T) {
		b := n.books()
		accounts := []apptest.Account{alice, caller, eve, poor}
		account := func(t *rapid.T) apptest.Account { return rapid.SampledFrom(accounts).Draw(t, "account") }
		id := func(t *rapid.T) uint64 { return rapid.Uint64Range(1, 6).Draw(t, "channel") }
		t.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				msg := n.openMsg(account(t), rapid.SampledFrom([]apptest.Account{minerA, minerB}).Draw(t, "miner"))
				msg.Deposit = rapid.Uint64Range(900, 100_000).Draw(t, "deposit")
				msg.Expires = uint64(b.ctx.BlockHeight()) + rapid.Uint64Range(0, 60).Draw(t, "blocks")
				b.try(func(ctx sdk.Context) error { _, err := b.server.Open(ctx, msg); return err })
			},
			"top up": func(t *rapid.T) {
				msg := &channelv1.MsgTopUp{Sender: account(t).String(), Channel: id(t), Amount: rapid.Uint64Range(0, 50_000).Draw(t, "amount")}
				b.try(func(ctx sdk.Context) error { _, err := b.server.TopUp(ctx, msg); return err })
			},
			"redeem": func(t *rapid.T) {
				var vouchers []channelv1.Voucher
				for range rapid.IntRange(1, 5).Draw(t, "vouchers") {
					vouchers = append(vouchers, signed(id(t), rapid.Uint32Range(0, 3).Draw(t, "lane"),
						rapid.Uint64Range(1, 30).Draw(t, "nonce"), rapid.Uint64Range(1, 40_000).Draw(t, "amount")))
				}
				b.try(func(ctx sdk.Context) error { _, err := b.server.Redeem(ctx, redeemMsg(vouchers...)); return err })
			},
			"close": func(t *rapid.T) {
				msg := &channelv1.MsgClose{Sender: account(t).String(), Channel: id(t)}
				b.try(func(ctx sdk.Context) error { _, err := b.server.Close(ctx, msg); return err })
			},
			"collect": func(t *rapid.T) {
				msg := &channelv1.MsgCollect{Sender: eve.String(), Channel: id(t)}
				b.try(func(ctx sdk.Context) error { _, err := b.server.Collect(ctx, msg); return err })
			},
			"wait": func(t *rapid.T) {
				b.ctx = b.ctx.WithBlockHeight(b.ctx.BlockHeight() + int64(rapid.IntRange(1, 12).Draw(t, "blocks")))
			},
			"": func(t *rapid.T) { b.check(t) },
		})
		// In the end everybody has what is due, and the escrow is empty.
		b.ctx = b.ctx.WithBlockHeight(b.ctx.BlockHeight() + 2_000)
		state, err := n.App().Channel.ExportGenesis(b.ctx)
		require.NoError(t, err)
		for _, c := range state.Channels {
			res, err := b.server.Collect(b.ctx, &channelv1.MsgCollect{Sender: eve.String(), Channel: c.Id})
			require.NoError(t, err)
			require.Equal(t, c.Deposit-c.Redeemed, res.Refund)
		}
		b.check(t)
		totals, err := keeper.NewQueryServer(n.App().Channel).Totals(b.ctx, &channelv1.QueryTotalsRequest{})
		require.NoError(t, err)
		require.Zero(t, totals.EscrowAccount)
		require.Zero(t, totals.Open)
	})
}
