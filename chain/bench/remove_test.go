package bench

import (
	"fmt"
	"testing"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// BenchmarkRemove removes one subnet with everything that can be stored of it:
// full rows of weights and bonds, a full ring of history, and for every
// validator a hidden commit and those settled that are remembered. The sizes
// are the default, and the bound of max_uids with the default of validators and
// with ten times as many.
func BenchmarkRemove(b *testing.B) {
	for _, s := range []scale{
		{subnets: 1, neurons: 256, validators: 64, tempo: 1000},
		{subnets: 1, neurons: 256, validators: 256, tempo: 1000},
		{subnets: 1, neurons: subnet.MaxMaxUIDs, validators: 64, tempo: 1000},
		{subnets: 1, neurons: subnet.MaxMaxUIDs, validators: 640, tempo: 1000},
	} {
		b.Run(fmt.Sprintf("%dx%d", s.neurons, s.validators), func(b *testing.B) {
			var spent costs
			for b.Loop() {
				spent.add(s.remove(b))
			}
			spent.report(b)
		})
	}
}

// remove starts the chain and returns what the block took in which its subnet
// was removed.
func (s scale) remove(b *testing.B) apptest.Took {
	cfg := s.config(b.TempDir())
	genesis := cfg.Genesis
	cfg.Genesis = func(g apptest.Genesis) error {
		if err := genesis(g); err != nil {
			return err
		}
		var state subnetv1.GenesisState
		return g.Edit(keeper.ModuleName, &state, func() { s.fillUp(&state) })
	}
	n := chain{apptest.New(b, cfg), s, b}
	defer n.Close()
	n.Advance(2)
	n.mustAll([]apptest.Tx{{
		Signer: owner(), Gas: 1 << 40,
		Msgs: []sdk.Msg{&subnetv1.MsgRemoveSubnet{Sender: owner().String(), Netuid: 1}},
	}})
	took := n.Took()
	n.Advance(2)
	return took
}

// fillUp adds to the only subnet what epochs leave behind.
func (s scale) fillUp(g *subnetv1.GenesisState) {
	n := &g.Subnets[0]
	n.Bonds = n.Weights
	n.Subnet.HistorySize = g.Params.MaxHistory
	n.Subnet.Epochs = uint64(g.Params.MaxHistory)
	const recordBytes = 18
	for epoch := range n.Subnet.Epochs {
		n.History = append(n.History, subnetv1.EpochRecord{Epoch: epoch, Neurons: make([]byte, recordBytes*s.neurons)})
	}
	for uid := range s.validators {
		for i := range subnet.KeptCommits + 1 {
			c := subnetv1.Commit{
				Id: uint64(len(g.Commits) + 1), Netuid: 1, Uid: uint32(uid), Hotkey: hotkeyOf(uid).String(), Height: 1,
				Epoch: n.Subnet.Epochs, Due: n.Subnet.Epochs + 1, Status: subnetv1.CommitStatus_COMMIT_STATUS_REVEALED,
			}
			if i == subnet.KeptCommits {
				c.Status, c.Round, c.Ciphertext = subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN, 1, make([]byte, 5*s.neurons+200)
			}
			g.Commits = append(g.Commits, c)
		}
	}
	g.NextCommit = uint64(len(g.Commits) + 1)
}
