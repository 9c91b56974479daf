package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func TestCreateSubnet(t *testing.T) {
	n := newTestnet(t, base())
	before := n.Balance(owner.Address())
	msg := createMsg()
	msg.OwnerHotkey, msg.OwnerHotkeyProof = minerC.String(), minerC.Proof(owner)
	n.Must(owner, msg)

	require.Equal(t, before-50*subnet.PLX, n.Balance(owner.Address()))
	e := n.Emission()
	require.Equal(t, 50*subnet.PLX, e.Locked)
	s := n.subnet()
	require.EqualValues(t, 1, s.Netuid)
	require.Equal(t, owner.String(), s.Owner)
	require.Equal(t, minerC.String(), s.OwnerHotkey)
	require.Equal(t, n.Height(), s.Created)
	require.True(t, n.App().Accounts.HasAccount(n.Context(), minerC.Address()), "the hotkey can sign")

	// The second subnet, a tenth of the interval later, locks twice that less a tenth.
	n.Advance(9)
	before = n.Balance(alice.Address())
	n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "letters", MaxLock: 95 * subnet.PLX})
	require.Equal(t, 95*subnet.PLX, before-n.Balance(alice.Address()))
	require.Equal(t, 145*subnet.PLX, n.Emission().Locked)
}

func TestCreateSubnetRefusals(t *testing.T) {
	cfg := with(base(), func(p *subnetv1.Params) { p.MaxSubnets = 1 })
	fresh := newTestnet(t, cfg)
	for _, c := range []struct {
		name    string
		prepare func(testnet)
		change  func(*subnetv1.MsgCreateSubnet)
		want    *errorsmod.Error
	}{
		{"no name", nil, func(m *subnetv1.MsgCreateSubnet) { m.Name = "" }, keeper.ErrInvalidRequest},
		{"a name of 65 bytes", nil, func(m *subnetv1.MsgCreateSubnet) { m.Name = string(make([]byte, 65)) }, keeper.ErrInvalidRequest},
		{"a price above the maximum", nil, func(m *subnetv1.MsgCreateSubnet) { m.MaxLock = 50*subnet.PLX - 1 }, keeper.ErrPriceTooHigh},
		{"the limit of subnets", func(n testnet) { n.withSubnet() }, func(*subnetv1.MsgCreateSubnet) {}, keeper.ErrSubnetLimit},
		{"no address as hotkey", nil, func(m *subnetv1.MsgCreateSubnet) { m.OwnerHotkey = "plx1nonsense" }, keeper.ErrInvalidRequest},
		{"a hotkey of another coldkey", func(n testnet) {
			n.Must(large.Account(), bindMsg(large, watcher))
		}, func(m *subnetv1.MsgCreateSubnet) { m.OwnerHotkey = watcher.String() }, keeper.ErrHotkeyTaken},
		{"not enough money", func(n testnet) {
			n.Must(owner, send(owner, alice, n.Balance(owner.Address())-50*subnet.PLX+1))
		}, func(*subnetv1.MsgCreateSubnet) {}, sdkerrors.ErrInsufficientFunds},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := fresh
			if c.prepare != nil {
				n = newTestnet(t, cfg)
				c.prepare(n)
			}
			msg := createMsg()
			c.change(msg)
			n.Refuse(c.want, owner, msg)
		})
	}
}

// TestModuleAccountsAreNoHotkeys: a hotkey gets an ordinary account. At the
// address of a module's account that would stop the chain as soon as the
// module wants to use it.
func TestModuleAccountsAreNoHotkeys(t *testing.T) {
	n := newTestnet(t, base())
	for _, name := range []string{keeper.EmissionAccount, keeper.LockAccount, authtypes.FeeCollectorName} {
		address := sdk.AccAddress(authtypes.NewModuleAddress(name)).String()
		create := createMsg()
		create.OwnerHotkey = address
		n.Refuse(keeper.ErrInvalidRequest, owner, create)
		n.Refuse(keeper.ErrInvalidRequest, large.Account(), &subnetv1.MsgBindHotkey{Operator: large.Account().String(), Hotkey: address})
	}
	n.withSubnet()
	n.Refuse(keeper.ErrInvalidRequest, alice, &subnetv1.MsgRegister{
		Coldkey: alice.String(), Hotkey: sdk.AccAddress(authtypes.NewModuleAddress(keeper.LockAccount)).String(), Netuid: 1, MaxBurn: subnet.Cap,
	})
	n.Advance(3)
}
