package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

var (
	other = apptest.NewAccount("other")
	val   = apptest.Validator{Name: "val", Tokens: 100 * subnet.PLX}
)

// newChain has two subnets in which a hotkey is registered, and a
// node that asks for fees.
func newChain(t *testing.T) *apptest.Chain {
	c := apptest.New(t, apptest.Config{
		Balances:     []apptest.Balance{{Account: alice, Nplx: 1000 * subnet.PLX}, {Account: val.Account(), Nplx: 1000 * subnet.PLX}},
		Validators:   []apptest.Validator{val},
		MinGasPrices: "0.001nplx",
		Params: func(p *subnetv1.Params) {
			p.MinLock, p.RootWeightsRateLimit = subnet.PLX, 5
			p.Defaults.ServingRateLimit, p.Defaults.WeightsRateLimit = 5, 5
			p.Defaults.CommitReveal = subnet.CommitRevealOff
		},
	})
	for netuid := range uint32(2) {
		pay(t, c, alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "s", MaxLock: subnet.Cap})
		pay(t, c, alice, &subnetv1.MsgRegister{Coldkey: alice.String(), Hotkey: hotkey.String(), Netuid: netuid + 1, MaxBurn: subnet.Cap, HotkeyProof: hotkey.Proof(alice)})
	}
	return c
}

func pay(t *testing.T, c *apptest.Chain, signer apptest.Account, msgs ...sdk.Msg) {
	t.Helper()
	_, err := c.Do(apptest.Tx{Signer: signer, Msgs: msgs, Fee: 2000})
	require.NoError(t, err)
}

func serveIn(netuid uint32) *subnetv1.MsgServe {
	msg := serve()
	msg.Netuid = netuid
	return msg
}

func by(signer apptest.Account, msgs ...sdk.Msg) apptest.Tx {
	return apptest.Tx{Signer: signer, Msgs: msgs}
}

// TestOneDutyInTheMempool: at most one transaction per hotkey, kind and subnet
// waits; the next block frees its place.
func TestOneDutyInTheMempool(t *testing.T) {
	c := newChain(t)
	again := serveIn(1)
	again.Endpoint.Price = 7
	refusals := c.Offer(by(hotkey, serveIn(1)))
	require.NoError(t, refusals[0])
	// The harness signs each offer with the sequence of the last block, so the
	// second of one Offer is what a hotkey would send next.
	c.Advance(1)
	refusals = c.Offer(by(hotkey, serveIn(1)), by(hotkey, again), by(hotkey, serveIn(2)))
	require.NoError(t, refusals[0])
	require.ErrorIs(t, refusals[1], keeper.ErrRateLimited)
	require.ErrorContains(t, refusals[1], "in the mempool already")
	c.Advance(1)
	refusals = c.Offer(by(hotkey, serveIn(2)), by(hotkey, serveIn(1)))
	require.NoError(t, refusals[0], "another subnet")
	require.NoError(t, refusals[1], "and the place that the block freed")
}

// TestWhoCannotSignTakesNoPlace, or a stranger could keep a hotkey out.
func TestWhoCannotSignTakesNoPlace(t *testing.T) {
	c := newChain(t)
	forged := apptest.Account{Name: hotkey.Name, Key: other.Key}
	refusals := c.Offer(by(forged, serveIn(1)))
	require.Error(t, refusals[0])
	require.NoError(t, c.Offer(by(hotkey, serveIn(1)))[0])
}

// TestDutyRefusals: what would fail is refused before it costs anything, also
// in a block whose proposer let it in, and leaves no trace.
func TestDutyRefusals(t *testing.T) {
	c := newChain(t)
	long := &subnetv1.MsgSetWeights{Hotkey: hotkey.String(), Netuid: 1}
	for range 30_000 {
		long.Uids, long.Values = append(long.Uids, 1), append(long.Values, 60_000)
	}
	var many []sdk.Msg
	for range 17 {
		many = append(many, serveIn(1))
	}
	invalid := serveIn(1)
	invalid.Endpoint.Port = 0
	for _, refused := range []struct {
		name string
		tx   apptest.Tx
		want error
	}{
		{"unknown subnet", by(hotkey, serveIn(3)), keeper.ErrUnknownSubnet},
		{"not registered", by(alice, &subnetv1.MsgServe{Hotkey: alice.String(), Netuid: 1}), keeper.ErrNotRegistered},
		{"not bound", by(hotkey, &subnetv1.MsgSetRootWeights{Hotkey: hotkey.String()}), keeper.ErrNotRegistered},
		{"invalid", by(hotkey, invalid), keeper.ErrInvalidEndpoint},
		{"no permit", by(hotkey, &subnetv1.MsgSetWeights{Hotkey: hotkey.String(), Netuid: 1, Uids: []uint32{0, 1}, Values: []uint32{1, 1}}), keeper.ErrNoPermit},
		{"too many bytes", by(hotkey, long), sdkerrors.ErrTxTooLarge},
		{"too many messages", by(hotkey, many...), sdkerrors.ErrTxTooLarge},
		{"the same twice", by(hotkey, serveIn(1), serveIn(1)), keeper.ErrRateLimited},
		{"too much gas", apptest.Tx{Signer: hotkey, Msgs: []sdk.Msg{serveIn(1)}, Gas: 3_000_000}, sdkerrors.ErrOutOfGas},
	} {
		t.Run(refused.name, func(t *testing.T) {
			require.ErrorIs(t, c.Offer(refused.tx)[0], refused.want)
			sequence := c.App().Accounts.GetAccount(c.Context(), refused.tx.Signer.Address()).GetSequence()
			res := c.Block(refused.tx)[0]
			require.NotZero(t, res.Code)
			require.Empty(t, res.Events, "no message ran")
			require.Equal(t, sequence, c.App().Accounts.GetAccount(c.Context(), refused.tx.Signer.Address()).GetSequence())
		})
	}
	_, err := c.Do(by(hotkey, serveIn(1), serveIn(2)))
	require.NoError(t, err, "two duties, no fee")
	require.ErrorIs(t, c.Offer(by(hotkey, serveIn(1)))[0], keeper.ErrRateLimited)
}

// TestWhoPaysMayMix: a transaction with other messages pays for all of them and
// may use what it registers.
func TestWhoPaysMayMix(t *testing.T) {
	c := newChain(t)
	fresh := &subnetv1.MsgRegister{Coldkey: alice.String(), Hotkey: alice.String(), Netuid: 1, MaxBurn: subnet.Cap}
	mixed := serveIn(1)
	mixed.Hotkey = alice.String()
	require.ErrorIs(t, c.Offer(by(alice, fresh, mixed))[0], sdkerrors.ErrInsufficientFee)
	pay(t, c, alice, fresh, mixed)
}

// TestRootWeightsAreADuty of bound hotkeys.
func TestRootWeightsAreADuty(t *testing.T) {
	c := newChain(t)
	pay(t, c, val.Account(), &subnetv1.MsgBindHotkey{Operator: val.Account().String(), Hotkey: other.String(), HotkeyProof: other.Proof(val.Account())})
	before := c.Balance(other.Address())
	msg := &subnetv1.MsgSetRootWeights{Hotkey: other.String(), Netuids: []uint32{2}, Values: []uint32{1}}
	_, err := c.Do(by(other, msg))
	require.NoError(t, err)
	require.Equal(t, before, c.Balance(other.Address()))
	require.ErrorIs(t, c.Offer(by(other, msg))[0], keeper.ErrRateLimited)
}
