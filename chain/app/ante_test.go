package app_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"github.com/cosmos/cosmos-sdk/x/authz"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

var (
	alice  = apptest.NewAccount("alice")
	hotkey = apptest.NewAccount("hotkey")
)

// pricey is a chain whose mempool asks for a fee, with a subnet and a
// registered hotkey that owns nothing.
func pricey(t *testing.T) *apptest.Chain {
	chain := apptest.New(t, apptest.Config{
		Balances:     []apptest.Balance{{Account: alice, Nplx: 10_000 * subnet.PLX}},
		Validators:   []apptest.Validator{{Name: "val", Tokens: 100 * subnet.PLX}},
		MinGasPrices: "1" + network.Denom,
		Params: func(p *subnetv1.Params) {
			p.Defaults.WeightsRateLimit, p.Defaults.ServingRateLimit = 2, 2
			p.Defaults.CommitReveal = subnet.CommitRevealOff
		},
	})
	for _, msg := range []sdk.Msg{
		&subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "digits", MaxLock: subnet.Cap},
		&subnetv1.MsgRegister{Coldkey: alice.String(), Hotkey: hotkey.String(), Netuid: 1, MaxBurn: subnet.Cap, HotkeyProof: hotkey.Proof(alice)},
	} {
		_, err := chain.Do(apptest.Tx{Signer: alice, Msgs: []sdk.Msg{msg}, Fee: apptest.Gas})
		require.NoError(t, err)
	}
	require.Zero(t, chain.Balance(hotkey.Address()))
	return chain
}

func selfWeight() *subnetv1.MsgSetWeights {
	return &subnetv1.MsgSetWeights{Hotkey: hotkey.String(), Netuid: 1, Uids: []uint32{0}, Values: []uint32{1}}
}

func serve() *subnetv1.MsgServe {
	return &subnetv1.MsgServe{Hotkey: hotkey.String(), Netuid: 1, Endpoint: subnetv1.Endpoint{
		Host: "192.0.2.1", Port: 8443, Protocol: "oip-v2-grpc", Model: "digits", ModelSha256: make([]byte, 32),
	}}
}

func TestDutiesPayNoFee(t *testing.T) {
	chain := pricey(t)
	_, err := chain.Do(apptest.Tx{Signer: hotkey, Msgs: []sdk.Msg{selfWeight(), serve()}})
	require.NoError(t, err)
	require.Zero(t, chain.Balance(hotkey.Address()))
	account := chain.App().Accounts.GetAccount(chain.Context(), hotkey.Address())
	require.EqualValues(t, 1, account.GetSequence())
	require.Equal(t, hotkey.Key.PubKey(), account.GetPubKey())
}

func TestEverythingElsePays(t *testing.T) {
	chain := pricey(t)
	send := banktypes.NewMsgSend(alice.Address(), hotkey.Address(), sdk.NewCoins(sdk.NewCoin(network.Denom, sdkmath.OneInt())))
	unregistered := serve()
	unregistered.Hotkey = alice.String()
	elsewhere := selfWeight()
	elsewhere.Netuid = 2
	wrapped := authz.NewMsgExec(hotkey.Address(), []sdk.Msg{selfWeight()})
	mixed := &subnetv1.MsgRegister{Coldkey: hotkey.String(), Hotkey: hotkey.String(), Netuid: 1, MaxBurn: 1}
	for _, c := range []struct {
		name   string
		signer apptest.Account
		msgs   []sdk.Msg
		want   error
	}{
		{"a payment", alice, []sdk.Msg{send}, sdkerrors.ErrInsufficientFee},
		{"a registration", alice, []sdk.Msg{&subnetv1.MsgRegister{Coldkey: alice.String(), Hotkey: alice.String(), Netuid: 1, MaxBurn: subnet.Cap}}, sdkerrors.ErrInsufficientFee},
		{"a duty of a stranger", alice, []sdk.Msg{unregistered}, keeper.ErrNotRegistered},
		{"a duty in another subnet", hotkey, []sdk.Msg{elsewhere}, keeper.ErrUnknownSubnet},
		{"a duty inside another message", hotkey, []sdk.Msg{&wrapped}, sdkerrors.ErrInsufficientFee},
		{"a duty beside another message", hotkey, []sdk.Msg{selfWeight(), mixed}, sdkerrors.ErrInsufficientFee},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := chain.Do(apptest.Tx{Signer: c.signer, Msgs: c.msgs})
			require.ErrorIs(t, err, c.want)
			_, err = chain.Do(apptest.Tx{Signer: c.signer, Msgs: c.msgs, Fee: apptest.Gas - 1})
			require.ErrorIs(t, err, c.want)
		})
	}
}

// TestMinimumIsTheNodesOwn: a block of a proposer that asks for less is valid.
func TestMinimumIsTheNodesOwn(t *testing.T) {
	chain := pricey(t)
	send := banktypes.NewMsgSend(alice.Address(), hotkey.Address(), sdk.NewCoins(sdk.NewCoin(network.Denom, sdkmath.OneInt())))
	res := chain.Block(apptest.Tx{Signer: alice, Msgs: []sdk.Msg{send}})[0]
	require.Zero(t, res.Code, res.Log)
	require.EqualValues(t, 1, chain.Balance(hotkey.Address()))
}

func TestFeesReachTheValidator(t *testing.T) {
	chain := pricey(t)
	before, supply := chain.Balance(alice.Address()), chain.Emission()
	send := banktypes.NewMsgSend(alice.Address(), hotkey.Address(), sdk.NewCoins(sdk.NewCoin(network.Denom, sdkmath.NewInt(5))))
	_, err := chain.Do(apptest.Tx{Signer: alice, Msgs: []sdk.Msg{send}, Fee: apptest.Gas})
	require.NoError(t, err)
	require.Equal(t, before-apptest.Gas-5, chain.Balance(alice.Address()))
	after := chain.Emission()
	require.Equal(t, supply.Supply+after.Totals.Minted-supply.Totals.Minted, after.Supply, "fees leave the supply as it is")
	// What a duty offers voluntarily is taken.
	_, err = chain.Do(apptest.Tx{Signer: hotkey, Msgs: []sdk.Msg{serve()}, Fee: 3})
	require.NoError(t, err)
	require.EqualValues(t, 2, chain.Balance(hotkey.Address()))
}

func TestDutyTransactionsAreBounded(t *testing.T) {
	chain := pricey(t)
	_, err := chain.Do(apptest.Tx{Signer: hotkey, Msgs: []sdk.Msg{selfWeight()}, Gas: apptest.Gas + 1})
	require.ErrorIs(t, err, sdkerrors.ErrOutOfGas)
	// Every further one is refused by the rate limit, and still no fee is due.
	_, err = chain.Do(apptest.Tx{Signer: hotkey, Msgs: []sdk.Msg{selfWeight()}})
	require.NoError(t, err)
	_, err = chain.Do(apptest.Tx{Signer: hotkey, Msgs: []sdk.Msg{selfWeight()}})
	require.ErrorIs(t, err, keeper.ErrRateLimited)
}

// TestSignaturesCount: a duty is free, not anonymous.
func TestSignaturesCount(t *testing.T) {
	chain := pricey(t)
	thief := apptest.Account{Name: "thief", Key: alice.Key}
	_, err := chain.Do(apptest.Tx{Signer: thief, Msgs: []sdk.Msg{selfWeight()}})
	require.ErrorIs(t, err, sdkerrors.ErrInvalidPubKey)
	weights, err := chain.Subnet().Weights(context.Background(), &subnetv1.QueryWeightsRequest{Netuid: 1})
	require.NoError(t, err)
	require.Empty(t, weights.Rows)
}
