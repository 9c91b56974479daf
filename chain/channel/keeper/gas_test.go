package keeper_test

import (
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/chain/network"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// TestGas keeps what messages cost in proportion: a transfer of the bank is
// measured beside them. Run with -v to see the figures.
func TestGas(t *testing.T) {
	n := newTestnet(t, base())
	cost := func(what string, most int64, res *abci.ExecTxResult) {
		t.Helper()
		t.Logf("%-40s %d gas", what, res.GasUsed)
		require.LessOrEqual(t, res.GasUsed, most, what)
	}
	cost("bank send", 100_000, n.Must(caller, banktypes.NewMsgSend(caller.Address(), alice.Address(), sdk.NewCoins(sdk.NewInt64Coin(network.Denom, 5)))))
	cost("open", 150_000, n.Must(caller, n.openMsg(caller, minerA)))
	redeem := func(vouchers ...channelv1.Voucher) *abci.ExecTxResult { return n.Must(eve, redeemMsg(vouchers...)) }
	redeem(signed(1, 0, 1, 1_000))
	cost("redeem 1 voucher", 200_000, redeem(signed(1, 0, 2, 2_000)))

	var same []channelv1.Voucher
	for i := range uint64(10) {
		same = append(same, signed(1, 0, 3+i, 3_000+i))
	}
	cost("redeem 10 vouchers of one channel", 250_000, redeem(same...))

	var ten, again []channelv1.Voucher
	for i := range uint64(10) {
		n.open(caller, minerA)
		ten, again = append(ten, signed(2+i, 0, 1, 1_000)), append(again, signed(2+i, 0, 2, 2_000))
	}
	redeem(ten...)
	cost("redeem 10 vouchers of ten channels", 500_000, redeem(again...))
	cost("top up", 100_000, n.Must(caller, &channelv1.MsgTopUp{Sender: caller.String(), Channel: 1, Amount: 10}))
	cost("close", 80_000, n.Must(alice, &channelv1.MsgClose{Sender: alice.String(), Channel: 1}))
	cost("collect", 120_000, n.Must(eve, &channelv1.MsgCollect{Sender: eve.String(), Channel: 1}))
}

// BenchmarkRedeem runs messages of vouchers of as many channels on the keeper
// alone.
func BenchmarkRedeem(b *testing.B) {
	for _, vouchers := range []int{1, 10, 100} {
		b.Run(map[int]string{1: "1", 10: "10", 100: "100"}[vouchers], func(b *testing.B) {
			params := testParams()
			params.MaxVouchers = 100
			cfg := base()
			cfg.Alone, cfg.Genesis = true, withParams(params)
			n := newTestnet(b, cfg)
			var txs []apptest.Tx
			for range vouchers {
				txs = append(txs, apptest.Tx{Signer: caller, Msgs: []sdk.Msg{n.openMsg(caller, minerA)}})
			}
			n.Block(txs...)
			var all []channelv1.Voucher
			for i := range vouchers {
				all = append(all, signed(uint64(i)+1, 0, 1, 1_000))
			}
			server, ctx := keeper.NewMsgServer(n.App().Channel), n.Context()
			for b.Loop() {
				branch, _ := ctx.CacheContext()
				_, err := server.Redeem(branch, redeemMsg(all...))
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*vouchers), "us/voucher")
		})
	}
}
