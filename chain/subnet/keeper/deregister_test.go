package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func deregisterMsg(sender, hotkey interface{ String() string }) *subnetv1.MsgDeregister {
	return &subnetv1.MsgDeregister{Sender: sender.String(), Hotkey: hotkey.String(), Netuid: 1}
}

// TestDeregister: the uid stays as a vacant seat without weights or pay, and is
// the first to be taken.
func TestDeregister(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(watcher, weightsMsg(watcher, 2, 1, 3, 1))
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	require.Positive(t, n.metagraph().Emission[2])

	n.Must(minerA, deregisterMsg(minerA, minerA))
	s, m := n.subnet(), n.metagraph()
	require.EqualValues(t, 4, s.Neurons)
	require.EqualValues(t, 1, s.Vacant)
	require.Equal(t, []string{watcher.String(), second.String(), "", minerB.String()}, m.Hotkeys)
	require.Empty(t, m.Coldkeys[2])
	require.Zero(t, m.Emission[2])
	require.False(t, m.Immune[2])
	require.Empty(t, n.positions(alice).Positions)
	n.Refuse(keeper.ErrNotRegistered, alice, deregisterMsg(alice, minerA))

	// Nobody may point weights at it, and those of before count no more.
	n.Refuse(keeper.ErrUnknownUID, watcher, weightsMsg(watcher, 2, 1, 3, 1))
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	m = n.metagraph()
	require.Zero(t, m.Emission[2])
	require.Zero(t, m.Incentive[2])
	require.EqualValues(t, 65535, m.Incentive[3], "all of the incentive is the other miner's")
	n.Must(watcher, weightsMsg(watcher, 3, 1))

	n.register(alice, minerC)
	require.EqualValues(t, 2, n.neuron(minerC).Neuron.Uid)
	s = n.subnet()
	require.EqualValues(t, 4, s.Neurons)
	require.Zero(t, s.Vacant)
	n.register(alice, minerA)
	require.EqualValues(t, 4, n.neuron(minerA).Neuron.Uid)
}

func TestDeregisterByColdkey(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(bob, deregisterMsg(bob, minerB))
	require.EqualValues(t, 1, n.subnet().Vacant)
	n.requireMintedAccountedFor()
}

// TestDeregisteredValidatorIsPaidItsStreams to their end.
func TestDeregisteredValidatorIsPaidItsStreams(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(watcher, weightsMsg(watcher, 2, 1, 3, 1))
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	streaming := n.Emission().Streaming
	require.Positive(t, streaming)
	n.Must(watcher, deregisterMsg(watcher, watcher))
	n.Advance(3)
	require.InDelta(t, float64(streaming)*6/10, float64(n.Emission().Streaming), 10)
}

func TestDeregisterRefusals(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Refuse(keeper.ErrUnauthorized, bob, deregisterMsg(bob, minerA))
	n.Refuse(keeper.ErrUnauthorized, owner, deregisterMsg(owner, minerA))
	n.Refuse(keeper.ErrNotRegistered, alice, deregisterMsg(alice, minerC))
	unknown := deregisterMsg(alice, minerA)
	unknown.Netuid = 2
	n.Refuse(keeper.ErrUnknownSubnet, alice, unknown)
}

// TestNothingPointsAtAVacantUID: weights set in the very block in which a uid
// became vacant do not come to count when their author commits again later.
// Nobody is there to be paid, and an epoch that cannot pay fails.
func TestNothingPointsAtAVacantUID(t *testing.T) {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) { p.HyperparamsRateLimit, p.HyperparamsFreeze = 0, 0 })).withNeurons()
	for _, res := range n.Block(
		apptest.Tx{Signer: watcher, Msgs: []sdk.Msg{weightsMsg(watcher, 2, 1, 3, 1)}},
		apptest.Tx{Signer: minerA, Msgs: []sdk.Msg{deregisterMsg(minerA, minerA)}},
	) {
		require.Zero(t, res.Code, res.Log)
	}
	n.Must(owner, n.hyperparamsMsg(func(h *subnetv1.Hyperparams) { h.CommitReveal = subnet.CommitRevealHash }))
	n.Advance(3)
	before := n.subnet()
	n.Must(watcher, &subnetv1.MsgCommitHash{Hotkey: watcher.String(), Netuid: 1, Hash: make([]byte, 32), Epoch: before.Epochs})
	n.AdvanceTo(before.LastEpoch + tempo)
	require.Equal(t, before.Epochs+1, n.subnet().Epochs, "the epoch failed")
	m := n.metagraph()
	require.Zero(t, m.Incentive[2])
	require.EqualValues(t, 65535, m.Incentive[3], "all of the incentive is the other miner's")
}
