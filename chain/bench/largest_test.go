package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// largest is 128 subnets of the default size, every one of them full.
var largest = scale{subnets: 128, neurons: 256, validators: 64, tempo: 40}

// fewest is the lowest limit of epochs in a block that is measured.
const fewest = 16

// pause is what a node has many times over between two blocks: its database
// tidies up then. Blocks of epochs are measured with it, runs of blocks without.
const pause = 250 * time.Millisecond

// BenchmarkLargest is 128 subnets x 256 uids x 64 validators: blocks in which
// epochs run, as many at once as the parameter lets and all of them due; blocks
// in which nothing happens; and 8192 messages that set a full row of weights
// beside as many payments.
func BenchmarkLargest(b *testing.B) {
	cfg := largest.config(b.TempDir())
	before := cfg.Genesis
	cfg.Genesis = func(g apptest.Genesis) error {
		if err := hastenVotes(g); err != nil {
			return err
		}
		return before(g)
	}
	c := chain{apptest.New(b, cfg), largest, b}
	defer c.Close()
	// The clocks of the subnets stay together as long as all epochs run in one
	// block, and part further with every lower limit: from high to low.
	c.limitEpochs(128)
	c.runEpochs(128) // the miners' first pay makes their accounts
	c.requireAllPaid()
	for _, limit := range []int{128, 32, fewest} {
		c.limitEpochs(limit)
		b.Run(fmt.Sprintf("epochs/%d-a-block", limit), func(b *testing.B) { c.benchmarkEpochs(b, limit) })
	}
	b.Run("idle", c.benchmarkIdle)
	b.Run("growth", c.benchmarkGrowth)
	var weights time.Duration
	b.Run("messages/weights", func(b *testing.B) { weights = c.benchmarkMessages(b, c.weightsOf).all() })
	b.Run("messages/sends", func(b *testing.B) {
		sends := c.benchmarkMessages(b, c.sendOf).all()
		if weights > 0 {
			b.ReportMetric(float64(weights)/float64(sends), "weights/sends")
		}
	})
}

// hastenVotes lets governance decide within two blocks.
func hastenVotes(g apptest.Genesis) error {
	var state govv1.GenesisState
	return g.Edit(govtypes.ModuleName, &state, func() {
		short, shorter := 2*apptest.BlockTime, apptest.BlockTime
		state.Params.VotingPeriod, state.Params.ExpeditedVotingPeriod = &short, &shorter
		state.Params.MinDeposit = nplx(1)
		state.Params.ExpeditedMinDeposit = nplx(2)
	})
}

func nplx(n int64) sdk.Coins { return sdk.NewCoins(sdk.NewCoin(network.Denom, sdkmath.NewInt(n))) }

// limitEpochs has governance set max_epochs_per_block.
func (c chain) limitEpochs(limit int) {
	res, err := c.Subnet().Params(c.b.Context(), &subnetv1.QueryParamsRequest{})
	require.NoError(c.b, err)
	if int(res.Params.MaxEpochsPerBlock) == limit {
		return
	}
	res.Params.MaxEpochsPerBlock = uint32(limit)
	proposal, err := govv1.NewMsgSubmitProposal([]sdk.Msg{&subnetv1.MsgUpdateParams{Authority: c.Authority(), Params: res.Params}},
		nplx(1), owner().String(), "", "epochs", "in one block", false)
	require.NoError(c.b, err)
	c.Must(owner(), proposal)
	all, err := c.App().Gov.Proposals.Iterate(c.Context(), nil)
	require.NoError(c.b, err)
	ids, err := all.Keys()
	require.NoError(c.b, err)
	var votes []apptest.Tx
	for uid := range c.validators {
		voter := validatorOf(uid).Account()
		votes = append(votes, apptest.Tx{Signer: voter, Msgs: []sdk.Msg{govv1.NewMsgVote(voter.Address(), slices.Max(ids), govv1.OptionYes, "")}})
	}
	c.mustAll(votes)
	c.Advance(3)
	res, err = c.Subnet().Params(c.b.Context(), &subnetv1.QueryParamsRequest{})
	require.NoError(c.b, err)
	require.EqualValues(c.b, limit, res.Params.MaxEpochsPerBlock)
}

// mustAll makes a block of transactions that all succeed.
func (c chain) mustAll(txs []apptest.Tx) {
	for _, res := range c.Block(txs...) {
		require.Zero(c.b, res.Code, res.Log)
	}
}

// runEpochs waits until all subnets are due and runs the epoch of each, so many
// in a block.
func (c chain) runEpochs(limit int) costs {
	first, last := c.info(1), c.info(c.subnets)
	if c.Height() < first.NextEpoch {
		c.AdvanceTo(first.NextEpoch - 1)
	}
	var spent costs
	for range (c.subnets + limit - 1) / limit {
		c.Advance(1)
		spent.add(c.Took())
		time.Sleep(pause)
	}
	require.Equal(c.b, first.Subnet.Epochs+1, c.info(1).Subnet.Epochs)
	require.Equal(c.b, last.Subnet.Epochs+1, c.info(c.subnets).Subnet.Epochs)
	return spent
}

func (c chain) requireAllPaid() {
	m, err := c.Subnet().Metagraph(c.b.Context(), &subnetv1.QueryMetagraphRequest{Netuid: uint32(c.subnets)})
	require.NoError(c.b, err)
	for uid, paid := range m.Emission {
		require.NotZero(c.b, paid, "uid %d", uid)
	}
}

func (c chain) benchmarkEpochs(b *testing.B, limit int) {
	var spent costs
	for b.Loop() {
		wave := c.runEpochs(limit)
		spent.blocks += wave.blocks
		spent.execute += wave.execute
		spent.commit += wave.commit
		spent.longest = max(spent.longest, wave.longest)
	}
	spent.report(b)
	b.ReportMetric(ms(spent.all())/float64(c.subnets*b.N), "ms/epoch")
}

// idleBlocks is how many blocks without transactions and epochs are measured:
// fewer than there are between the waves of epochs.
const idleBlocks = 20

func (c chain) benchmarkIdle(b *testing.B) {
	var spent costs
	for b.Loop() {
		c.runEpochs(fewest)
		time.Sleep(8 * pause)
		for range idleBlocks {
			c.Advance(1)
			spent.add(c.Took())
		}
	}
	spent.report(b)
	b.ReportMetric(float64(spent.blocks)/spent.all().Seconds(), "blocks/s")
}

// benchmarkGrowth counts what the epochs of all subnets and the idle blocks
// after them add to the database, which keeps every past state.
func (c chain) benchmarkGrowth(b *testing.B) {
	var byEpochs, byIdle uint64
	for b.Loop() {
		c.AdvanceTo(max(c.info(1).NextEpoch-1, c.Height()))
		before := c.StoredBytes()
		c.runEpochs(fewest)
		between := c.StoredBytes()
		c.Advance(idleBlocks)
		byEpochs += between - before
		byIdle += c.StoredBytes() - between
	}
	perIdle := float64(byIdle) / float64(idleBlocks*b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(perIdle, "B/idle-block")
	b.ReportMetric((float64(byEpochs)/float64(b.N)-perIdle*float64(c.subnets/fewest))/float64(c.subnets), "B/epoch")
}

// A run of messages: every validator one for every subnet.
const (
	messages         = 8192
	messagesPerBlock = 1024
)

// benchmarkMessages puts 8192 messages into blocks that run no epoch.
func (c chain) benchmarkMessages(b *testing.B, msg func(netuid uint32, uid int) sdk.Msg) costs {
	var spent costs
	for b.Loop() {
		c.runEpochs(fewest)
		time.Sleep(8 * pause)
		for from := 0; from < messages; from += messagesPerBlock {
			var txs []apptest.Tx
			for i := from; i < from+messagesPerBlock; i++ {
				netuid, uid := uint32(i/c.validators+1), i%c.validators
				txs = append(txs, apptest.Tx{Signer: hotkeyOf(uid), Msgs: []sdk.Msg{msg(netuid, uid)}})
			}
			c.mustAll(txs)
			spent.add(c.Took())
		}
	}
	spent.report(b)
	b.ReportMetric(float64(spent.blocks*messagesPerBlock)/spent.all().Seconds(), "messages/s")
	return spent
}

// weightsOf is a full row that differs from the one before.
func (c chain) weightsOf(netuid uint32, uid int) sdk.Msg {
	msg := &subnetv1.MsgSetWeights{Hotkey: hotkeyOf(uid).String(), Netuid: netuid}
	for of := range c.neurons {
		msg.Uids = append(msg.Uids, uint32(of))
		msg.Values = append(msg.Values, value(netuid, uid+int(c.Height()), of))
	}
	return msg
}

func (c chain) sendOf(netuid uint32, uid int) sdk.Msg {
	return banktypes.NewMsgSend(hotkeyOf(uid).Address(), hotkeyOf((uid+int(netuid))%c.validators).Address(), nplx(1))
}
