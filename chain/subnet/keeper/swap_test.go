package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

const swapCost = subnet.PLX / 10

func swapHotkeyMsg(coldkey, from, to apptest.Account) *subnetv1.MsgSwapHotkey {
	return &subnetv1.MsgSwapHotkey{Coldkey: coldkey.String(), Hotkey: from.String(), NewHotkey: to.String(), NewHotkeyProof: to.Proof(coldkey)}
}

func (n testnet) positions(a apptest.Account) *subnetv1.QueryPositionsResponse {
	n.t.Helper()
	res, err := n.Subnet().Positions(context.Background(), &subnetv1.QueryPositionsRequest{Account: a.String()})
	require.NoError(n.t, err)
	return res
}

// TestSwapHotkey moves a validator's hotkey that has positions in two subnets,
// stake, root weights and an identity.
func TestSwapHotkey(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	create := createMsg()
	create.Owner, create.OwnerHotkey = large.Account().String(), watcher.String()
	n.Must(large.Account(), create)
	again := registerMsg(large.Account(), watcher)
	again.Netuid = 2
	n.Must(large.Account(), again)
	n.Must(watcher, weightsMsg(watcher, 2, 3, 3, 1))
	n.Must(watcher, rootMsg(watcher, 1, 1))
	n.Must(watcher, &subnetv1.MsgSetIdentity{Account: watcher.String(), Identity: subnetv1.Identity{Name: "The Watcher"}})
	before, info := n.neuron(watcher), n.info()
	supply, balance := n.Emission().Totals.Burned, n.Balance(large.Account().Address())

	n.Must(large.Account(), swapHotkeyMsg(large.Account(), watcher, minerC))
	require.Equal(t, swapCost, n.Emission().Totals.Burned-supply)
	require.Equal(t, swapCost, balance-n.Balance(large.Account().Address()))
	after := n.neuron(minerC)
	require.Equal(t, before.Neuron.Uid, after.Neuron.Uid)
	require.Equal(t, before.Neuron.Registered, after.Neuron.Registered)
	require.Equal(t, before.Stake, after.Stake)
	require.Equal(t, before.Permit, after.Permit)
	require.Equal(t, before.Updated, after.Updated)
	require.Equal(t, info.Share, n.info().Share, "root weights count on")
	require.Len(t, n.positions(minerC).Positions, 2)
	require.Empty(t, n.positions(watcher).Positions)
	res, err := n.Subnet().Subnet(context.Background(), &subnetv1.QuerySubnetRequest{Netuid: 2})
	require.NoError(t, err)
	require.Equal(t, minerC.String(), res.Subnet.Subnet.OwnerHotkey)
	id, err := n.Subnet().Identity(context.Background(), &subnetv1.QueryIdentityRequest{Subject: minerC.String()})
	require.NoError(t, err)
	require.Equal(t, "The Watcher", id.Identity.Name)

	// The new key works at once, at the pace of the old one; the old one is dead.
	n.Refuse(keeper.ErrRateLimited, minerC, rootMsg(minerC, 2, 1))
	n.Advance(3)
	n.Must(minerC, weightsMsg(minerC, 2, 1, 3, 1))
	n.Refuse(keeper.ErrNotRegistered, watcher, weightsMsg(watcher, 2, 1, 3, 1))
	n.Refuse(keeper.ErrHotkeyTaken, alice, registerMsg(alice, watcher))
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	require.Positive(t, n.metagraph().Dividends[0])
}

func TestSwapHotkeyRefusals(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	for _, c := range []struct {
		name   string
		signer apptest.Account
		msg    *subnetv1.MsgSwapHotkey
		want   *errorsmod.Error
	}{
		{"unknown hotkey", alice, swapHotkeyMsg(alice, minerC, bob), keeper.ErrNotRegistered},
		{"hotkey of another", bob, swapHotkeyMsg(bob, minerA, minerC), keeper.ErrUnauthorized},
		{"to the same", alice, swapHotkeyMsg(alice, minerA, minerA), keeper.ErrHotkeyTaken},
		{"to one in use", alice, swapHotkeyMsg(alice, minerA, minerB), keeper.ErrHotkeyTaken},
		{"to no address", alice, &subnetv1.MsgSwapHotkey{Coldkey: alice.String(), Hotkey: minerA.String(), NewHotkey: "x"}, keeper.ErrInvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.Refuse(c.want, c.signer, c.msg)
			require.Equal(t, minerA.String(), n.metagraph().Hotkeys[2])
		})
	}
	rich := n.Balance(alice.Address())
	n.Must(alice, send(alice, bob, rich-swapCost+1))
	n.Refuse(sdkerrors.ErrInsufficientFunds, alice, swapHotkeyMsg(alice, minerA, minerC))
}

// TestSwapColdkey moves all hotkeys, neurons and subnets, and merges them with
// what the new coldkey has.
func TestSwapColdkey(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.register(alice, minerC)
	n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), OwnerHotkey: minerC.String(), OwnerHotkeyProof: minerC.Proof(alice), Name: "letters", MaxLock: subnet.Cap})
	n.Must(watcher, weightsMsg(watcher, 2, 3, 3, 1))
	burned := n.Emission().Totals.Burned

	n.Must(alice, &subnetv1.MsgSwapColdkey{Coldkey: alice.String(), NewColdkey: bob.String()})
	require.Equal(t, swapCost, n.Emission().Totals.Burned-burned)
	require.Empty(t, n.positions(alice).Positions)
	require.Empty(t, n.positions(alice).Subnets)
	require.Len(t, n.positions(bob).Positions, 3)
	require.Equal(t, []uint32{2}, n.positions(bob).Subnets)
	before, poorer := n.Balance(bob.Address()), n.Balance(alice.Address())
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	require.Greater(t, n.Balance(bob.Address()), before, "miners and subnet now pay the new coldkey")
	require.Equal(t, poorer, n.Balance(alice.Address()))
	n.Refuse(keeper.ErrUnauthorized, alice, swapHotkeyMsg(alice, minerA, watcher))
	n.Must(bob, swapHotkeyMsg(bob, minerC, apptest.NewAccount("fresh")))
	n.requireMintedAccountedFor()
}

// TestSwapColdkeyKeepsBindings: a validator's stake goes on to count for the
// hotkey, until its operator binds another.
func TestSwapColdkeyKeepsBindings(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(large.Account(), &subnetv1.MsgSwapColdkey{Coldkey: large.Account().String(), NewColdkey: small.Account().String()})
	require.Equal(t, 300*subnet.PLX, n.neuron(watcher).Stake)

	// The new coldkey operates a validator of its own and gives its stake to the
	// hotkey instead; the old operator's next binding must not undo that.
	n.Must(small.Account(), bindMsg(small, watcher))
	require.Equal(t, 100*subnet.PLX, n.neuron(watcher).Stake)
	require.Zero(t, n.neuron(second).Stake)
	n.Must(large.Account(), bindMsg(large, minerC))
	require.Equal(t, 100*subnet.PLX, n.neuron(watcher).Stake)
}

func TestSwapColdkeyRefusals(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	swap := func(from apptest.Account, to string) *subnetv1.MsgSwapColdkey {
		return &subnetv1.MsgSwapColdkey{Coldkey: from.String(), NewColdkey: to}
	}
	n.Refuse(keeper.ErrInvalidRequest, alice, swap(alice, alice.String()))
	n.Refuse(keeper.ErrInvalidRequest, alice, swap(alice, "bob"))
	n.Refuse(keeper.ErrInvalidRequest, alice, swap(alice, moduleAccount(authtypes.FeeCollectorName)))
	n.Refuse(keeper.ErrInvalidRequest, poor, swap(poor, bob.String()))
}
