package bench

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/sealing"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// hidden is a state in which every validator of four subnets has committed a
// full row of weights to a round that is out.
type hidden struct {
	scale
	limit  uint32 // max_reveals_per_block
	beacon subnetv1.Beacon
	sealed []subnetv1.Commit
	pulse  subnetv1.Pulse
}

const revealRound = 7

func newHidden(b *testing.B) *hidden {
	h := &hidden{scale: scale{subnets: 4, neurons: 256, validators: 64, tempo: 360}}
	secret, err := timelock.ParseSecretKey(append(make([]byte, timelock.SecretKeyBytes-1), 77))
	require.NoError(b, err)
	h.beacon = subnetv1.Beacon{PublicKey: secret.Public().Bytes(), GenesisTime: 1, PeriodSeconds: 3}
	signature, err := secret.Sign(revealRound)
	require.NoError(b, err)
	h.pulse = subnetv1.Pulse{Round: revealRound, Signature: signature}
	for netuid := uint32(1); netuid <= uint32(h.subnets); netuid++ {
		for uid := range h.validators {
			h.sealed = append(h.sealed, h.commit(b, netuid, uid))
		}
	}
	return h
}

func (h *hidden) commit(b *testing.B, netuid uint32, uid int) subnetv1.Commit {
	var uids, values []uint32
	for of := range h.neurons {
		uids, values = append(uids, uint32(of)), append(values, value(netuid, uid, of))
	}
	hotkey := hotkeyOf(uid).String()
	weights, err := sealing.New(apptest.ChainID, subnetv1.Subnet{Netuid: netuid}, hotkey, uids, values)
	require.NoError(b, err)
	ciphertext, err := sealing.Encrypt(h.beacon, revealRound, weights)
	require.NoError(b, err)
	return subnetv1.Commit{
		Id: uint64(len(h.sealed) + 1), Netuid: netuid, Uid: uint32(uid), Hotkey: hotkey, Height: 1, Due: 1,
		Round: revealRound, Ciphertext: ciphertext, Status: subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN,
	}
}

// config is a chain whose first blocks open all commits, up to the limit in
// each.
func (h *hidden) config(home string) apptest.Config {
	cfg := h.scale.config(home)
	params := cfg.Params
	cfg.Params = func(p *subnetv1.Params) {
		params(p)
		p.MaxRevealsPerBlock, p.Beacon, p.Defaults.CommitReveal = h.limit, h.beacon, subnet.CommitRevealTimelock
	}
	genesis := cfg.Genesis
	cfg.Genesis = func(g apptest.Genesis) error {
		if err := genesis(g); err != nil {
			return err
		}
		var state subnetv1.GenesisState
		return g.Edit(keeper.ModuleName, &state, func() {
			for i := range state.Subnets {
				state.Subnets[i].Subnet.Epochs = 1
			}
			state.Commits, state.NextCommit, state.Pulses = h.sealed, uint64(len(h.sealed)+1), []subnetv1.Pulse{h.pulse}
		})
	}
	return cfg
}

// BenchmarkReveals opens 256 timelocked commits of full rows, as many in a block
// as the parameter's default lets, and as its bound does.
func BenchmarkReveals(b *testing.B) {
	h := newHidden(b)
	for _, limit := range []uint32{keeper.DefaultParams().MaxRevealsPerBlock, 256} {
		h.limit = limit
		b.Run(fmt.Sprintf("%d-a-block", limit), func(b *testing.B) {
			var spent costs
			for b.Loop() {
				spent.openAll(b, h)
			}
			spent.report(b)
			b.ReportMetric(ms(spent.execute)/float64(spent.blocks)/float64(limit), "ms/reveal")
		})
	}
}

// openAll starts the chain and makes the blocks that open everything.
func (c *costs) openAll(b *testing.B, h *hidden) {
	n := apptest.New(b, h.config(b.TempDir())) // makes the first block
	defer n.Close()
	c.add(n.Took())
	for range len(h.sealed)/int(h.limit) - 1 {
		n.Advance(1)
		c.add(n.Took())
	}
	for netuid := uint32(1); netuid <= uint32(h.subnets); netuid++ {
		res, err := n.Subnet().Commits(b.Context(), &subnetv1.QueryCommitsRequest{Netuid: netuid})
		require.NoError(b, err)
		require.Len(b, res.Commits, h.validators)
		for _, commit := range res.Commits {
			require.Equal(b, subnetv1.CommitStatus_COMMIT_STATUS_REVEALED, commit.Status, commit.Reason)
		}
	}
}
