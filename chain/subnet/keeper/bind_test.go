package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func TestBindHotkey(t *testing.T) {
	outside := apptest.Validator{Name: "outside", Tokens: 50 * subnet.PLX}
	jailed := apptest.Validator{Name: "jailed", Tokens: 900 * subnet.PLX, Jailed: true}
	cfg := base()
	cfg.MaxBonded = 2
	cfg.Validators = append(cfg.Validators, outside, jailed)
	for _, v := range []apptest.Validator{outside, jailed} {
		cfg.Balances = append(cfg.Balances, apptest.Balance{Account: v.Account(), Nplx: 10 * subnet.PLX})
	}
	n := newTestnet(t, cfg).withSubnet()
	hotkeys := map[string]apptest.Account{}
	for _, v := range cfg.Validators {
		hotkeys[v.Name] = apptest.NewAccount("hotkey of " + v.Name)
		n.Must(v.Account(), bindMsg(v, hotkeys[v.Name]), registerMsg(v.Account(), hotkeys[v.Name]))
	}
	require.Equal(t, large.Tokens, n.neuron(hotkeys["large"]).Stake)
	require.Equal(t, outside.Tokens, n.neuron(hotkeys["outside"]).Stake, "whether or not it makes blocks")
	require.Zero(t, n.neuron(hotkeys["jailed"]).Stake)
	require.Equal(t, []uint64{large.Tokens, small.Tokens, outside.Tokens, 0}, n.metagraph().Stake)

	// A validator has one hotkey: the new one takes the stake from the old.
	n.Must(large.Account(), bindMsg(large, watcher), registerMsg(large.Account(), watcher))
	require.Zero(t, n.neuron(hotkeys["large"]).Stake)
	require.Equal(t, large.Tokens, n.neuron(watcher).Stake)
	n.Must(large.Account(), bindMsg(large, watcher)) // again is harmless
	require.Equal(t, large.Tokens, n.neuron(watcher).Stake)

	// Delegations count at once in what is shown, slashes too.
	n.Must(alice, delegate(alice, large, 7*subnet.PLX))
	require.Equal(t, large.Tokens+7*subnet.PLX, n.neuron(watcher).Stake)
}

func TestBindHotkeyRefusals(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	n.register(alice, minerA)
	n.Refuse(keeper.ErrNoValidator, alice, &subnetv1.MsgBindHotkey{Operator: alice.String(), Hotkey: minerC.String()})
	n.Refuse(keeper.ErrHotkeyTaken, large.Account(), bindMsg(large, minerA))
	n.Refuse(keeper.ErrInvalidRequest, large.Account(), &subnetv1.MsgBindHotkey{Operator: large.Account().String(), Hotkey: "x"})
	n.Must(large.Account(), bindMsg(large, watcher))
	n.Refuse(keeper.ErrHotkeyTaken, small.Account(), bindMsg(small, watcher))
}
