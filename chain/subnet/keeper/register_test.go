package keeper_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func TestRegister(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	before, supply := n.Balance(alice.Address()), n.Emission().Supply
	hyper, err := keeper.HyperparamsFromProto(n.subnet().Hyperparams)
	require.NoError(t, err)
	n.register(alice, minerA)

	price := hyper.RegistrationPrice(subnet.PLX, n.Height()-1, n.Height())
	require.Equal(t, price, before-n.Balance(alice.Address()))
	e := n.Emission()
	require.Equal(t, supply+subnet.PLX-price, e.Supply, "a block was minted, the price burned")
	require.Equal(t, price, e.Totals.Burned)
	require.Equal(t, price, n.subnet().Ledger.Registrations)
	require.True(t, n.App().Accounts.HasAccount(n.Context(), minerA.Address()), "the hotkey can sign")
	got := n.neuron(minerA)
	require.Equal(t, subnetv1.Neuron{Uid: 0, Hotkey: minerA.String(), Coldkey: alice.String(), Registered: n.Height()}, got.Neuron)
	m := n.metagraph()
	require.Equal(t, []string{minerA.String()}, m.Hotkeys)
	require.Equal(t, []bool{true}, m.Immune)
	for name, length := range map[string]int{
		"incentive": len(m.Incentive), "dividends": len(m.Dividends), "consensus": len(m.Consensus), "trust": len(m.Trust),
		"validator trust": len(m.ValidatorTrust), "emission": len(m.Emission), "permit": len(m.Permit), "active": len(m.Active),
	} {
		require.Equal(t, 1, length, name)
	}
}

// TestRegistrationPriceOnTheChain: x 1.26 after each, halved every 5 blocks.
func TestRegistrationPriceOnTheChain(t *testing.T) {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) { p.Defaults.BurnHalfLife = 5 })).withSubnet()
	require.Equal(t, subnet.PLX, n.info().RegistrationPrice)
	hyper, err := keeper.HyperparamsFromProto(n.subnet().Hyperparams)
	require.NoError(t, err)
	last, lastHeight := subnet.PLX, n.Height()
	for i := range 4 {
		hotkey := apptest.NewAccount(fmt.Sprint("hotkey-", i))
		before := n.Balance(alice.Address())
		n.register(alice, hotkey)
		price := hyper.RegistrationPrice(last, lastHeight, n.Height())
		require.Equal(t, price, before-n.Balance(alice.Address()))
		last, lastHeight = hyper.PriceAfter(price), n.Height()
		require.Equal(t, last, n.subnet().BurnPrice)
		n.Advance(2)
	}
	n.Advance(3)
	require.Equal(t, last/2, n.info().RegistrationPrice, "a half-life later")
	n.Advance(70)
	require.Equal(t, subnet.PLX/2000, n.info().RegistrationPrice, "the floor")
}

func TestRegisterRefusals(t *testing.T) {
	fresh := newTestnet(t, base()).withSubnet()
	for _, c := range []struct {
		name    string
		signer  apptest.Account
		prepare func(testnet)
		change  func(*subnetv1.MsgRegister)
		want    *errorsmod.Error
	}{
		{"unknown subnet", alice, nil, func(m *subnetv1.MsgRegister) { m.Netuid = 7 }, keeper.ErrUnknownSubnet},
		{"the root", alice, nil, func(m *subnetv1.MsgRegister) { m.Netuid = 0 }, keeper.ErrUnknownSubnet},
		{"already registered", alice, func(n testnet) { n.register(alice, minerA) }, func(*subnetv1.MsgRegister) {}, keeper.ErrRegistered},
		{"price above max_burn", alice, nil, func(m *subnetv1.MsgRegister) { m.MaxBurn = subnet.PLX / 2 }, keeper.ErrPriceTooHigh},
		{"not enough money", poor, nil, func(*subnetv1.MsgRegister) {}, sdkerrors.ErrInsufficientFunds},
		{"hotkey of another coldkey", bob, func(n testnet) {
			n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), OwnerHotkey: minerA.String(), OwnerHotkeyProof: minerA.Proof(alice), Name: "other", MaxLock: subnet.Cap})
		}, func(*subnetv1.MsgRegister) {}, keeper.ErrHotkeyTaken},
		{"no address", alice, nil, func(m *subnetv1.MsgRegister) { m.Hotkey = "minerA" }, keeper.ErrInvalidRequest},
		{"an address of another chain", alice, nil, func(m *subnetv1.MsgRegister) { m.Hotkey = "cosmos1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqnrql8a" }, keeper.ErrInvalidRequest},
		{"no hotkey", alice, nil, func(m *subnetv1.MsgRegister) { m.Hotkey = "" }, keeper.ErrInvalidRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := fresh
			if c.prepare != nil {
				n = newTestnet(t, base()).withSubnet()
				c.prepare(n)
			}
			msg := registerMsg(c.signer, minerA)
			c.change(msg)
			before, burned := n.metagraph(), n.Emission().Totals.Burned
			price := n.subnet().BurnPrice
			n.Refuse(c.want, c.signer, msg)

			require.Equal(t, before.Hotkeys, n.metagraph().Hotkeys)
			require.Equal(t, burned, n.Emission().Totals.Burned)
			require.Equal(t, price, n.subnet().BurnPrice, "a refused registration does not raise the price")
			if c.prepare == nil {
				require.False(t, n.App().Accounts.HasAccount(n.Context(), minerA.Address()), "a refused hotkey gets no account")
			}
		})
	}
}

// fullSubnet has four uids, all taken: the two validators and two miners, of
// which the validators prefer the first by far.
func fullSubnet(t *testing.T, change func(*subnetv1.Params)) testnet {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) {
		p.Defaults.MaxUids, p.Defaults.MaxValidators = 4, 4
		change(p)
	})).withNeurons()
	n.Must(watcher, weightsMsg(watcher, 2, 9, 3, 1))
	n.Must(second, weightsMsg(second, 2, 9, 3, 1))
	n.AdvanceTo(n.info().NextEpoch)
	return n
}

func TestFullSubnetOfImmuneNeurons(t *testing.T) {
	n := fullSubnet(t, func(p *subnetv1.Params) { p.Defaults.ImmunityPeriod = 1000 })
	n.Refuse(keeper.ErrSubnetFull, alice, registerMsg(alice, minerC))
}

func TestFullSubnetKeepsMinNonImmune(t *testing.T) {
	n := fullSubnet(t, func(p *subnetv1.Params) { p.Defaults.MinNonImmune = 4 })
	n.Advance(30)
	require.Equal(t, []bool{false, false, false, false}, n.metagraph().Immune)
	n.Refuse(keeper.ErrSubnetFull, alice, registerMsg(alice, minerC))
}

// TestReplacementLeavesNothingBehind: the weakest neuron makes room, and what
// it had under its uid is gone.
func TestReplacementLeavesNothingBehind(t *testing.T) {
	n := fullSubnet(t, func(p *subnetv1.Params) { p.Defaults.MinAllowedWeights = 1 })
	// The weaker miner has a row of its own, too: it may weigh itself.
	n.Must(minerB, weightsMsg(minerB, 3, 1))
	n.Must(minerB, &subnetv1.MsgServe{Hotkey: minerB.String(), Netuid: 1, Endpoint: endpoint()})
	n.Advance(30)
	n.AdvanceTo(n.info().NextEpoch)
	m := n.metagraph()
	require.Equal(t, slices.Min(m.Emission), m.Emission[3], "uid 3 earns least: %v", m.Emission)
	require.Positive(t, m.Emission[3])

	n.register(alice, minerC)
	m = n.metagraph()
	require.Equal(t, []string{watcher.String(), second.String(), minerA.String(), minerC.String()}, m.Hotkeys)
	require.Equal(t, alice.String(), m.Coldkeys[3])
	require.Zero(t, m.Emission[3]+uint64(m.Incentive[3])+uint64(m.Consensus[3])+uint64(m.Trust[3])+uint64(m.Dividends[3])+uint64(m.ValidatorTrust[3]))
	require.False(t, m.Permit[3])
	require.False(t, m.Active[3])
	require.True(t, m.Immune[3])
	require.Zero(t, m.Endpoints[3].Port)
	require.Equal(t, n.Height(), m.Updated[3])
	weights, err := n.Subnet().Weights(context.Background(), &subnetv1.QueryWeightsRequest{Netuid: 1})
	require.NoError(t, err)
	for _, row := range weights.Rows {
		require.NotEqual(t, uint32(3), row.Uid, "the row of the replaced neuron is gone")
	}
	_, err = n.Subnet().Neuron(context.Background(), &subnetv1.QueryNeuronRequest{Netuid: 1, Hotkey: minerB.String()})
	require.ErrorContains(t, err, "not registered")
	n.Refuse(keeper.ErrNotRegistered, minerB, weightsMsg(minerB, 3, 1))

	// Weights that others set toward the uid do not count for the newcomer.
	n.AdvanceTo(n.info().NextEpoch)
	m = n.metagraph()
	require.Zero(t, m.Incentive[3], "the newcomer inherits no incentive")
	require.Positive(t, m.Incentive[2])
	// Once the validators look again, it earns.
	n.Must(watcher, weightsMsg(watcher, 2, 1, 3, 1))
	n.Must(second, weightsMsg(second, 2, 1, 3, 1))
	n.AdvanceTo(n.info().NextEpoch)
	require.Positive(t, n.metagraph().Incentive[3])
	// The replaced hotkey may come back and is then new.
	n.Advance(30)
	n.register(bob, minerB)
	require.Positive(t, n.neuron(minerB).Neuron.Registered)
}

// TestHotkeyInSeveralSubnets: one uid in each.
func TestHotkeyInSeveralSubnets(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "letters", MaxLock: subnet.Cap})
	n.register(bob, minerC)
	n.register(bob, minerB)
	msg := registerMsg(bob, minerB)
	msg.Netuid = 2
	n.Must(bob, msg)
	require.EqualValues(t, 1, n.neuron(minerB).Neuron.Uid)
	res, err := n.Subnet().Neuron(context.Background(), &subnetv1.QueryNeuronRequest{Netuid: 2, Hotkey: minerB.String()})
	require.NoError(t, err)
	require.EqualValues(t, 0, res.Neuron.Uid)
	msg.Coldkey = alice.String()
	n.Refuse(keeper.ErrRegistered, alice, msg)
}
