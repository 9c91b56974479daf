package keeper_test

import (
	"context"
	"crypto/ed25519"
	"slices"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// What the channels of the test network are opened under.
const (
	closeDelay = 5
	maxLanes   = 3
	window     = 10
	smoothing  = 4
	deposit    = 1_000_000
	rich       = 1_000 * subnet.PLX
)

var (
	owner  = apptest.NewAccount("owner")
	alice  = apptest.NewAccount("alice") // coldkey of minerA
	bob    = apptest.NewAccount("bob")   // coldkey of minerB
	minerA = apptest.NewAccount("miner-a")
	minerB = apptest.NewAccount("miner-b")
	fresh  = apptest.NewAccount("fresh") // a key that was never used
	caller = apptest.NewAccount("caller")
	poor   = apptest.NewAccount("poor")
	eve    = apptest.NewAccount("eve") // has nothing to do with anybody's channels

	validator = apptest.Validator{Name: "validator", Tokens: 300 * subnet.PLX, CommissionBps: 1800}
)

// testParams scales the network down.
func testParams() channelv1.Params {
	p := keeper.DefaultParams()
	p.CloseDelay, p.MaxLanes, p.MaxVouchers = closeDelay, maxLanes, 10
	p.MaxDuration, p.MinDeposit = 1_000, 1_000
	p.DemandWindow, p.DemandSmoothing = window, smoothing
	return p
}

func base() apptest.Config {
	return apptest.Config{
		Balances: []apptest.Balance{
			{Account: owner, Nplx: rich}, {Account: alice, Nplx: rich}, {Account: bob, Nplx: rich},
			{Account: caller, Nplx: rich}, {Account: eve, Nplx: rich}, {Account: poor, Nplx: deposit - 1},
		},
		Validators: []apptest.Validator{validator},
		Params: func(p *subnetv1.Params) {
			p.MinLock, p.SwapCost = subnet.PLX, 1
			p.Defaults.CommitReveal, p.Defaults.Tempo = subnet.CommitRevealOff, 1000
		},
		Genesis: withParams(testParams()),
	}
}

func withParams(params channelv1.Params) func(apptest.Genesis) error {
	return func(g apptest.Genesis) error {
		var state channelv1.GenesisState
		return g.Edit(keeper.ModuleName, &state, func() { state.Params = params })
	}
}

// testnet is a chain with shorthands for what tests do all the time.
type testnet struct {
	*apptest.Chain
	t testing.TB
}

// newTestnet starts a chain with subnet 1 and its two miners.
func newTestnet(t testing.TB, cfg apptest.Config) testnet {
	t.Helper()
	n := testnet{apptest.New(t, cfg), t}
	n.Must(owner, &subnetv1.MsgCreateSubnet{Owner: owner.String(), Name: "digits", MaxLock: subnet.Cap})
	n.Must(alice, registerMsg(alice, minerA))
	n.Must(bob, registerMsg(bob, minerB))
	return n
}

func registerMsg(coldkey, hotkey apptest.Account) *subnetv1.MsgRegister {
	return &subnetv1.MsgRegister{Coldkey: coldkey.String(), Hotkey: hotkey.String(), Netuid: 1, MaxBurn: subnet.Cap, HotkeyProof: hotkey.Proof(coldkey)}
}

// keyOf returns the voucher key of a seed that is one byte repeated.
func keyOf(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{seed}, ed25519.SeedSize))
}

// voucherKey signs the vouchers of every channel that does not say otherwise.
var voucherKey = keyOf(1)

func public(key ed25519.PrivateKey) []byte { return key.Public().(ed25519.PublicKey) }

// openMsg asks for a channel from payer to miner, for 100 blocks.
func (n testnet) openMsg(payer, miner apptest.Account) *channelv1.MsgOpen {
	return &channelv1.MsgOpen{
		Payer: payer.String(), Netuid: 1, Hotkey: miner.String(), VoucherKey: public(voucherKey), Deposit: deposit, Expires: n.Height() + 101,
	}
}

// open opens a channel and returns its id.
func (n testnet) open(payer, miner apptest.Account) uint64 {
	n.t.Helper()
	return answer[channelv1.MsgOpenResponse](n, n.Must(payer, n.openMsg(payer, miner))).Channel
}

// answer decodes what the only message of a transaction returned.
func answer[T any, M interface {
	*T
	proto.Message
}](n testnet, res *abci.ExecTxResult) M {
	n.t.Helper()
	var data sdk.TxMsgData
	require.NoError(n.t, proto.Unmarshal(res.Data, &data))
	require.Len(n.t, data.MsgResponses, 1)
	var m M = new(T)
	require.NoError(n.t, proto.Unmarshal(data.MsgResponses[0].Value, m))
	return m
}

// signed returns a voucher signed with the voucher key of the tests.
func signed(channel uint64, lane uint32, nonce, amount uint64) channelv1.Voucher {
	return signedBy(voucherKey, channel, lane, nonce, amount)
}

func signedBy(key ed25519.PrivateKey, channel uint64, lane uint32, nonce, amount uint64) channelv1.Voucher {
	return channelv1.Voucher(payment.Sign(apptest.ChainID, key, payment.Voucher{Channel: channel, Lane: lane, Nonce: nonce, Amount: amount}))
}

func redeemMsg(vouchers ...channelv1.Voucher) *channelv1.MsgRedeem {
	return &channelv1.MsgRedeem{Sender: eve.String(), Vouchers: vouchers}
}

// redeem redeems vouchers, as somebody whom they do not concern.
func (n testnet) redeem(vouchers ...channelv1.Voucher) *channelv1.MsgRedeemResponse {
	n.t.Helper()
	return answer[channelv1.MsgRedeemResponse](n, n.Must(eve, redeemMsg(vouchers...)))
}

func (n testnet) close(who apptest.Account, channel uint64) uint64 {
	n.t.Helper()
	return answer[channelv1.MsgCloseResponse](n, n.Must(who, &channelv1.MsgClose{Sender: who.String(), Channel: channel})).End
}

func (n testnet) collect(channel uint64) uint64 {
	n.t.Helper()
	return answer[channelv1.MsgCollectResponse](n, n.Must(eve, &channelv1.MsgCollect{Sender: eve.String(), Channel: channel})).Refund
}

func (n testnet) channel(id uint64) channelv1.Channel {
	n.t.Helper()
	res, err := n.Channel().Channel(context.Background(), &channelv1.QueryChannelRequest{Channel: id})
	require.NoError(n.t, err)
	return res.Channel
}

// end returns the height at which a channel ends.
func (n testnet) end(id uint64) uint64 {
	n.t.Helper()
	c := n.channel(id)
	rules := c.Rules()
	return rules.End()
}

func (n testnet) totals() *channelv1.QueryTotalsResponse {
	n.t.Helper()
	res, err := n.Channel().Totals(context.Background(), &channelv1.QueryTotalsRequest{})
	require.NoError(n.t, err)
	return res
}

func (n testnet) demand() channelv1.Demand {
	n.t.Helper()
	res, err := n.Channel().Demand(context.Background(), &channelv1.QueryDemandRequest{Netuid: 1})
	require.NoError(n.t, err)
	return res.Demand
}

func (n testnet) minerDemand(miner apptest.Account) channelv1.Demand {
	n.t.Helper()
	res, err := n.Channel().MinerDemand(context.Background(), &channelv1.QueryMinerDemandRequest{Netuid: 1, Hotkey: miner.String()})
	require.NoError(n.t, err)
	return res.Demand
}

func (n testnet) balance(a apptest.Account) uint64 { return n.Balance(a.Address()) }
