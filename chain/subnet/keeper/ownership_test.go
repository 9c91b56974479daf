package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// govern runs a message as governance would, on the state after the last
// block; what it changes is lost.
func (n testnet) govern(msg sdk.Msg) (sdk.Context, error) {
	n.t.Helper()
	ctx := n.Context()
	_, err := n.App().MsgServiceRouter().Handler(msg)(ctx, msg)
	return ctx, err
}

func moduleAccount(name string) string { return authtypes.NewModuleAddress(name).String() }

func TestTransferSubnet(t *testing.T) {
	n := newTestnet(t, base())
	create := createMsg()
	create.OwnerHotkey, create.OwnerHotkeyProof = minerC.String(), minerC.Proof(owner)
	n.Must(owner, create)
	n.Must(owner, &subnetv1.MsgTransferSubnet{Owner: owner.String(), Netuid: 1, NewOwner: alice.String()})
	s := n.subnet()
	require.Equal(t, alice.String(), s.Owner)
	require.Empty(t, s.OwnerHotkey, "the old owner's hotkey is no longer exempt")
	require.Equal(t, []uint32{1}, n.positions(alice).Subnets)
	require.Empty(t, n.positions(owner).Subnets)

	before := n.Balance(alice.Address())
	n.Advance(tempo)
	require.Greater(t, n.Balance(alice.Address()), before, "the new owner is paid")

	// An owner that stays names a hotkey of its own.
	n.Must(alice, &subnetv1.MsgTransferSubnet{Owner: alice.String(), Netuid: 1, NewOwner: alice.String(), NewOwnerHotkey: minerA.String(), NewOwnerHotkeyProof: minerA.Proof(alice)})
	require.Equal(t, minerA.String(), n.subnet().OwnerHotkey)
}

func TestTransferSubnetRefusals(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	n.register(bob, minerB)
	for _, c := range []struct {
		name   string
		signer apptest.Account
		change func(*subnetv1.MsgTransferSubnet)
		want   *errorsmod.Error
	}{
		{"unknown subnet", owner, func(m *subnetv1.MsgTransferSubnet) { m.Netuid = 2 }, keeper.ErrUnknownSubnet},
		{"not the owner", alice, func(m *subnetv1.MsgTransferSubnet) { m.Owner = alice.String() }, keeper.ErrUnauthorized},
		{"no address", owner, func(m *subnetv1.MsgTransferSubnet) { m.NewOwner = "alice" }, keeper.ErrInvalidRequest},
		{"a module", owner, func(m *subnetv1.MsgTransferSubnet) { m.NewOwner = moduleAccount(authtypes.FeeCollectorName) }, keeper.ErrInvalidRequest},
		{"an unknown hotkey of the new owner", owner, func(m *subnetv1.MsgTransferSubnet) { m.NewOwnerHotkey = minerA.String() }, keeper.ErrNotRegistered},
		{"a hotkey of a third", owner, func(m *subnetv1.MsgTransferSubnet) { m.NewOwnerHotkey = minerB.String() }, keeper.ErrUnauthorized},
		{"a hotkey of a third for oneself", owner, func(m *subnetv1.MsgTransferSubnet) {
			m.NewOwner, m.NewOwnerHotkey = owner.String(), minerB.String()
		}, keeper.ErrHotkeyTaken},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg := &subnetv1.MsgTransferSubnet{Owner: owner.String(), Netuid: 1, NewOwner: alice.String()}
			c.change(msg)
			n.Refuse(c.want, c.signer, msg)
			require.Equal(t, owner.String(), n.subnet().Owner)
		})
	}
}

// TestRemoveSubnet: everything pending is burned, of the lock what the owner
// was paid; what validators are owed goes on to be paid; the netuid is gone.
func TestRemoveSubnet(t *testing.T) {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) { p.MaxSubnets = 2 })).withNeurons()
	n.Must(watcher, weightsMsg(watcher, 2, 3, 3, 1))
	n.Must(owner, &subnetv1.MsgSetIdentity{Account: owner.String(), Netuid: 1, Identity: subnetv1.Identity{Name: "Digits"}})
	n.Must(owner, createMsg())
	n.Refuse(keeper.ErrSubnetLimit, owner, createMsg())
	n.AdvanceTo(n.subnet().LastEpoch + tempo + 3)
	before, beforeEmission := n.info(), n.Emission()
	require.Positive(t, beforeEmission.Streaming)
	paid := before.Subnet.Ledger.OwnerPaid
	require.Positive(t, paid)
	require.Less(t, paid, before.Subnet.Lock)
	balance := n.Balance(owner.Address())

	n.Must(owner, &subnetv1.MsgRemoveSubnet{Sender: owner.String(), Netuid: 1})
	e := n.Emission()
	require.Equal(t, before.Subnet.Lock-paid, n.Balance(owner.Address())-balance)
	require.Equal(t, before.Pending+paid, e.Totals.Burned-beforeEmission.Totals.Burned)
	require.Equal(t, before.Subnet.Lock, beforeEmission.Locked-e.Locked)
	ledger := before.Subnet.Ledger
	ledger.Burned += before.Pending
	require.Equal(t, ledger, e.Totals.Removed)
	n.requireMintedAccountedFor()

	_, err := n.Subnet().Subnet(context.Background(), &subnetv1.QuerySubnetRequest{Netuid: 1})
	require.ErrorContains(t, err, "unknown subnet")
	require.Empty(t, n.positions(alice).Positions)
	_, err = n.Subnet().Identity(context.Background(), &subnetv1.QueryIdentityRequest{Subject: "1"})
	require.Error(t, err)
	n.Refuse(keeper.ErrUnknownSubnet, watcher, weightsMsg(watcher, 2, 3))

	// Streams run to their end, with no subnet but the other one.
	streaming, exported := e.Streaming, n.Export()
	require.Positive(t, streaming)
	n.Advance(1)
	require.Less(t, n.Emission().Streaming, streaming)
	continued := newTestnet(t, apptest.Config{Exported: exported, Validators: base().Validators})
	require.Equal(t, n.Emission(), continued.Emission())
	n.AdvanceTo(before.Subnet.LastEpoch + tempo)
	require.Zero(t, n.Emission().Streaming)

	// There is room for a subnet again, under the next netuid.
	n.Must(owner, createMsg())
	res, err := n.Subnet().Subnets(context.Background(), &subnetv1.QuerySubnetsRequest{})
	require.NoError(t, err)
	require.Len(t, res.Subnets, 2)
	require.EqualValues(t, 2, res.Subnets[0].Subnet.Netuid)
	require.EqualValues(t, 3, res.Subnets[1].Subnet.Netuid)
}

// requireMintedAccountedFor compares what was minted with where it went.
func (n testnet) requireMintedAccountedFor() {
	n.t.Helper()
	res, err := n.Subnet().Subnets(context.Background(), &subnetv1.QuerySubnetsRequest{})
	require.NoError(n.t, err)
	e := n.Emission()
	sum := e.Pending
	ledgers := []subnetv1.Ledger{e.Totals.Removed}
	for _, s := range res.Subnets {
		ledgers = append(ledgers, s.Subnet.Ledger)
	}
	for _, l := range ledgers {
		sum += l.OwnerPaid + l.MinersPaid + l.ValidatorsPaid + l.Burned
	}
	require.Equal(n.t, e.Totals.Minted, sum)
}

// TestRemoveTheLastSubnet: nothing is minted any more, but streams are paid.
func TestRemoveTheLastSubnet(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(watcher, weightsMsg(watcher, 2, 3, 3, 1))
	n.AdvanceTo(n.subnet().LastEpoch + tempo + 1)
	n.Must(owner, &subnetv1.MsgRemoveSubnet{Sender: owner.String(), Netuid: 1})
	minted := n.Emission().Totals.Minted
	require.Positive(t, n.Emission().Streaming)
	n.Advance(tempo)
	e := n.Emission()
	require.Equal(t, minted, e.Totals.Minted)
	require.Zero(t, e.Streaming)
	require.Zero(t, e.EmissionAccount)
	require.Zero(t, e.LockAccount)
	n.requireMintedAccountedFor()
}

func TestRemoveSubnetRefusals(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	n.Refuse(keeper.ErrUnauthorized, alice, &subnetv1.MsgRemoveSubnet{Sender: alice.String(), Netuid: 1})
	n.Refuse(keeper.ErrUnknownSubnet, owner, &subnetv1.MsgRemoveSubnet{Sender: owner.String(), Netuid: 2})
	_, err := n.govern(&subnetv1.MsgRemoveSubnet{Sender: n.Authority(), Netuid: 1})
	require.NoError(t, err, "governance may")
}

// TestRemoveReturnsNothingAfterTheOwnerEarnedItsLock: a lock is a loan until
// the subnet has earned it.
func TestRemoveReturnsNothingAfterTheOwnerEarnedItsLock(t *testing.T) {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) { p.MinLock = subnet.PLX })).withSubnet()
	n.Advance(2 * tempo)
	require.Greater(t, n.subnet().Ledger.OwnerPaid, subnet.PLX)
	before := n.Balance(owner.Address())
	n.Must(owner, &subnetv1.MsgRemoveSubnet{Sender: owner.String(), Netuid: 1})
	require.Equal(t, before, n.Balance(owner.Address()))
	require.Zero(t, n.Emission().Locked)
}
