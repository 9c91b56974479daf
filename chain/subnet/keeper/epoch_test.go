package keeper_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func TestEpochsRunEveryTempoBlocks(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	created := n.Height()
	for range 35 {
		n.Advance(1)
		s, passed := n.subnet(), n.Height()-created
		require.Equal(t, passed/tempo, s.Epochs)
		require.Equal(t, created+passed/tempo*tempo, s.LastEpoch)
		require.Equal(t, s.LastEpoch+tempo, n.info().NextEpoch)
	}
}

// TestMaxEpochsPerBlockSpreads: of five subnets of the same clock two run per
// block, in order of netuid.
func TestMaxEpochsPerBlockSpreads(t *testing.T) {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) {
		p.MaxEpochsPerBlock, p.MinLock, p.LockInterval = 2, 0, 1
	}))
	var txs []apptest.Tx
	for i, a := range []apptest.Account{owner, alice, bob, large.Account(), small.Account()} {
		txs = append(txs, apptest.Tx{Signer: a, Msgs: toMsgs(&subnetv1.MsgCreateSubnet{Owner: a.String(), Name: fmt.Sprint("subnet-", i), MaxLock: subnet.Cap})})
	}
	for i, res := range n.Block(txs...) {
		require.Zero(t, res.Code, "%d: %s", i, res.Log)
	}
	created := n.Height()
	n.AdvanceTo(created + tempo - 1)
	require.Equal(t, []uint64{0, 0, 0, 0, 0}, n.epochs())
	n.Advance(1)
	require.Equal(t, []uint64{1, 1, 0, 0, 0}, n.epochs())
	n.Advance(1)
	require.Equal(t, []uint64{1, 1, 1, 1, 0}, n.epochs())
	n.Advance(1)
	require.Equal(t, []uint64{1, 1, 1, 1, 1}, n.epochs())
	n.AdvanceTo(created + 2*tempo)
	require.Equal(t, []uint64{2, 2, 1, 1, 1}, n.epochs(), "each keeps its own tempo from then on")
	n.Advance(2)
	require.Equal(t, []uint64{2, 2, 2, 2, 2}, n.epochs())
}

func (n testnet) epochs() []uint64 {
	n.t.Helper()
	res, err := n.Subnet().Subnets(context.Background(), &subnetv1.QuerySubnetsRequest{})
	require.NoError(n.t, err)
	var epochs []uint64
	for _, s := range res.Subnets {
		epochs = append(epochs, s.Subnet.Epochs)
	}
	return epochs
}

// TestFailingEpochDoesNotStopTheChain: the owner of this subnet can receive
// nothing, so that its epochs fail. Blocks go on, and other subnets.
func TestFailingEpochDoesNotStopTheChain(t *testing.T) {
	cfg := base()
	cfg.Genesis = func(g apptest.Genesis) error {
		var state subnetv1.GenesisState
		return g.Edit(keeper.ModuleName, &state, func() {
			state.Counter.NextNetuid = 2
			state.Subnets = []subnetv1.GenesisSubnet{{Subnet: subnetv1.Subnet{
				Netuid: 1, Name: "broken", Owner: authtypes.NewModuleAddress(authtypes.FeeCollectorName).String(),
				Hyperparams: state.Params.Defaults,
			}}}
		})
	}
	n := newTestnet(t, cfg)
	n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "sound", MaxLock: subnet.Cap})
	n.Advance(3 * tempo)
	require.Equal(t, []uint64{0, 3}, n.epochs())
	s := n.info()
	require.Equal(t, uint64(0), s.Subnet.Ledger.OwnerPaid)
	require.Positive(t, s.Pending, "nothing is lost, it stays pending")
	require.Greater(t, s.NextEpoch, n.Height(), "it is tried again a tempo later")
	n.requireSupply(n.Emission().Supply - n.Emission().Totals.Minted + n.Emission().Totals.Burned)
}

// TestUnboundHotkeyWithOldBonds: under Yuma2 bonds earn without stake. Whose
// hotkey has lost its validator is not paid, and the epoch does not fail.
func TestUnboundHotkeyWithOldBonds(t *testing.T) {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) { p.Defaults.YumaVersion = 2 })).scored()
	n.epochOf()
	n.epochOf()
	other := apptest.NewAccount("another hotkey")
	n.Must(small.Account(), bindMsg(small, other))
	before := n.subnet()
	_, _, after := n.epochOf()
	require.Equal(t, before.Epochs+1, after.Subnet.Epochs)
	burned := after.Subnet.Ledger.Burned - before.Ledger.Burned
	require.Positive(t, burned, "nobody is there to be paid")
	require.Equal(t, n.metagraph().Emission[1], burned)
	_, _, last := n.epochOf()
	require.Equal(t, after.Subnet.Ledger.Burned, last.Subnet.Ledger.Burned, "without a permit its bonds are gone")
}

// TestOwnerHotkeyNeedsNoStake: the owner's neuron has a permit whatever it
// holds, and setting weights without stake moves nothing.
func TestOwnerHotkeyNeedsNoStake(t *testing.T) {
	n := newTestnet(t, base())
	msg := createMsg()
	msg.OwnerHotkey, msg.OwnerHotkeyProof = minerC.String(), minerC.Proof(owner)
	n.Must(owner, msg)
	n.register(owner, minerC)
	n.Must(large.Account(), bindMsg(large, watcher), registerMsg(large.Account(), watcher))
	n.register(alice, minerA)
	n.register(bob, minerB)
	n.epochOf()
	n.epochOf()
	require.Equal(t, []bool{true, true, false, false}, n.metagraph().Permit)
	n.Must(minerC, weightsMsg(minerC, 3, 1))
	n.Must(watcher, weightsMsg(watcher, 2, 1))
	n.epochOf()
	m := n.metagraph()
	require.Positive(t, m.Incentive[2])
	require.Zero(t, m.Incentive[3])
	require.Zero(t, m.Dividends[0])
}
