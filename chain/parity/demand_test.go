package parity

import (
	"context"
	"crypto/ed25519"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/plexusnet/plexus/chain/apptest"
	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/sims/economy/machine"
	"github.com/plexusnet/plexus/subnet"
)

const (
	feeBurn    = 777 // basis points
	window     = 7   // blocks, which no tempo is a multiple of
	smoothing  = 3   // windows
	closeDelay = 4   // blocks
	voting     = 2   // blocks from a proposal to its end
	pledge     = 10  // nplx that a proposal needs
)

// demandGenesis shortens the windows of demand and the votes of governance.
func demandGenesis(g apptest.Genesis) error {
	var channels channelv1.GenesisState
	if err := g.Edit(channelkeeper.ModuleName, &channels, func() {
		p := &channels.Params
		p.FeeBurn, p.DemandWindow, p.DemandSmoothing, p.CloseDelay = feeBurn, window, smoothing, closeDelay
	}); err != nil {
		return err
	}
	var gov govv1.GenesisState
	return g.Edit(govtypes.ModuleName, &gov, func() {
		period, expedited := voting*apptest.BlockTime, apptest.BlockTime
		gov.Params.VotingPeriod, gov.Params.ExpeditedVotingPeriod = &period, &expedited
		gov.Params.MinDeposit, gov.Params.ExpeditedMinDeposit = sdk.NewCoins(coin(pledge)), sdk.NewCoins(coin(pledge+1))
	})
}

// voucherKey signs all vouchers.
var voucherKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// channel is a channel on both sides.
type channel struct {
	id     uint64
	payer  apptest.Account
	payee  apptest.Account
	sim    machine.Channel
	nonce  uint64
	amount map[uint32]uint64 // redeemed by lane, nplx
}

// open opens a channel for so many blocks.
func (b *both) open(payer, payee, miner apptest.Account, netuid uint32, nplx uint64, blocks uint64) *channel {
	c := &channel{id: uint64(len(b.channels) + 1), payer: payer, payee: payee, amount: map[uint32]uint64{}}
	b.channels = append(b.channels, c)
	b.do(payer, &channelv1.MsgOpen{
		Payer: payer.String(), Netuid: netuid, Hotkey: miner.String(), VoucherKey: voucherKey.Public().(ed25519.PublicKey),
		Deposit: nplx, Expires: b.sim.Now() + blocks,
	}, func() error {
		c.sim = b.sim.OpenChannel(b.accounts[payer.Name], b.subnet(netuid))
		return b.sim.TopUp(c.sim, nplx)
	})
	return c
}

func (b *both) topUp(c *channel, nplx uint64) {
	b.do(c.payer, &channelv1.MsgTopUp{Sender: c.payer.String(), Channel: c.id, Amount: nplx}, func() error {
		return b.sim.TopUp(c.sim, nplx)
	})
}

// due is what a voucher adds to what was redeemed of a lane.
type due struct {
	of   *channel
	lane uint32
	nplx uint64
}

func (d due) voucher() channelv1.Voucher {
	d.of.nonce++
	d.of.amount[d.lane] += d.nplx
	return channelv1.Voucher(payment.Sign(apptest.ChainID, voucherKey, payment.Voucher{
		Channel: d.of.id, Lane: d.lane, Nonce: d.of.nonce, Amount: d.of.amount[d.lane],
	}))
}

// redeem redeems vouchers in one message: of each channel all of them together,
// as the chain divides them.
func (b *both) redeem(dues ...due) {
	msg := &channelv1.MsgRedeem{Sender: owner.String()}
	var order []*channel
	total := map[*channel]uint64{}
	for _, d := range dues {
		msg.Vouchers = append(msg.Vouchers, d.voucher())
		if total[d.of] == 0 {
			order = append(order, d.of)
		}
		total[d.of] += d.nplx
	}
	b.do(owner, msg, func() error {
		for _, c := range order {
			if _, err := b.sim.Redeem(c.sim, b.accounts[c.payee.Name], total[c]); err != nil {
				return err
			}
		}
		return nil
	})
}

// overspend asks for more than a channel has left, which both refuse.
func (b *both) overspend(c *channel) {
	amount := uint64(2000 * subnet.PLX)
	voucher := payment.Sign(apptest.ChainID, voucherKey, payment.Voucher{Channel: c.id, Lane: 9, Nonce: 1, Amount: amount})
	b.chain.Refuse(channelkeeper.ErrOverspent, owner, &channelv1.MsgRedeem{Sender: owner.String(), Vouchers: []channelv1.Voucher{channelv1.Voucher(voucher)}})
	_, err := b.sim.Redeem(c.sim, b.accounts[c.payee.Name], amount)
	require.ErrorIs(b.t, err, machine.ErrFunds)
	b.block(b.sim.Block)
}

// shut closes a channel, which moves nothing.
func (b *both) shut(c *channel, by apptest.Account) {
	b.do(by, &channelv1.MsgClose{Sender: by.String(), Channel: c.id}, func() error { return nil })
}

// collect lets a stranger send back to the payer what is left.
func (b *both) collect(c *channel) {
	before := b.sim.Balance(b.accounts[c.payer.Name])
	b.do(owner, &channelv1.MsgCollect{Sender: owner.String(), Channel: c.id}, func() error {
		require.Positive(b.t, b.sim.Collect(c.sim))
		require.Greater(b.t, b.sim.Balance(b.accounts[c.payer.Name]), before)
		return nil
	})
}

// rules are what a proposal changes; nil: nothing of this module.
type rules struct {
	channel *channelv1.Params
	mix     *subnet.DemandRules
}

// followed are blocks in which demand brought a subnet a part of the reward.
type followed struct {
	netuid uint32
	reward uint64 // nplx of the whole block
}

func (b *both) channelParams() channelv1.Params {
	res, err := b.chain.Channel().Params(context.Background(), &channelv1.QueryParamsRequest{})
	require.NoError(b.t, err)
	return res.Params
}

// windows are the parameters of channels with other windows.
func (b *both) windows(blocks uint64, smoothing uint32) *channelv1.Params {
	p := b.channelParams()
	p.DemandWindow, p.DemandSmoothing = blocks, smoothing
	return &p
}

// propose makes two blocks, in which everybody votes for a proposal, which is
// carried out in the next one.
func (b *both) propose(to rules) {
	b.t.Helper()
	var msgs []sdk.Msg
	params := b.sim.Params()
	if p := to.channel; p != nil {
		msgs = append(msgs, &channelv1.MsgUpdateParams{Authority: b.chain.Authority(), Params: *p})
		params.FeeBurn, params.DemandWindow, params.DemandSmoothing = p.FeeBurn, p.DemandWindow, p.DemandSmoothing
	}
	if to.mix != nil {
		p := b.state().Params
		p.DemandMix, p.DemandCap = to.mix.Mix, to.mix.Cap
		msgs = append(msgs, &subnetv1.MsgUpdateParams{Authority: b.chain.Authority(), Params: p})
		params.Demand = *to.mix
	}
	msg, err := govv1.NewMsgSubmitProposal(msgs, sdk.NewCoins(coin(pledge)), alice.String(), "", "parameters", "of demand", false)
	require.NoError(b.t, err)
	deposit := b.sim.NewAccount(0)
	b.do(alice, msg, func() error { return b.sim.Send(b.accounts[alice.Name], deposit, pledge) })

	proposals, err := b.chain.App().Gov.Proposals.Iterate(b.chain.Context(), nil)
	require.NoError(b.t, err)
	ids, err := proposals.Keys()
	require.NoError(b.t, err)
	id := slices.Max(ids)
	var votes []apptest.Tx
	for _, v := range []apptest.Validator{large, small, third} {
		votes = append(votes, apptest.Tx{Signer: v.Account(), Msgs: []sdk.Msg{govv1.NewMsgVote(v.Account().Address(), id, govv1.OptionYes, "")}})
	}
	for _, res := range b.chain.Block(votes...) {
		require.Zero(b.t, res.Code, res.Log)
	}
	b.block(b.sim.Block)
	b.enact = func() error {
		p, err := b.chain.App().Gov.Proposals.Get(b.chain.Context(), id)
		require.NoError(b.t, err)
		require.Equal(b.t, govv1.StatusPassed, p.Status, p.FailedReason)
		b.sim.SetParams(params)
		return b.sim.Send(deposit, b.accounts[alice.Name], pledge)
	}
}

// burned is what the chain counts as burned in a block, also for subnets that
// are gone.
func (b *both) burned() []subnet.NetuidAmount {
	amounts, err := b.chain.App().Channel.SmoothedBurned(b.chain.Context())
	require.NoError(b.t, err)
	return amounts
}

// checkDemand compares what is in channels and what waits for each subnet.
func (b *both) checkDemand() {
	t := b.t
	t.Helper()
	escrow := b.chain.Balance(authtypes.NewModuleAddress(channelkeeper.EscrowAccount))
	require.Equal(t, escrow, b.sim.Places().Escrow, "escrow at height %d", b.sim.Height())
	res, err := b.chain.Subnet().Subnets(context.Background(), &subnetv1.QuerySubnetsRequest{})
	require.NoError(t, err)
	require.Len(t, b.sim.Subnets(), len(res.Subnets))
	for i, s := range res.Subnets {
		require.Equal(t, s.Pending, b.sim.Subnets()[i].Pending, "pending of subnet %d at height %d", s.Subnet.Netuid, b.sim.Height())
		if s.DemandEmission > 0 {
			b.followed[followed{s.Subnet.Netuid, b.sim.Reward()}]++
		}
	}
}

// TestTheChainAndTheSimulatorAgreeOnDemand: what is paid through channels and
// what of it moves the rewards of subnets, while governance changes the rules.
func TestTheChainAndTheSimulatorAgreeOnDemand(t *testing.T) {
	b := newBoth(t, func(h *subnetv1.Hyperparams) { h.Tempo = 33 })
	demandScript(b)
	for _, netuid := range []uint32{1, 2} {
		require.Greater(t, b.followed[followed{netuid, subnet.PLX}], 30, "blocks in which subnet %d had a part by demand", netuid)
		require.Greater(t, b.followed[followed{netuid, subnet.PLX / 2}], 30, "blocks after the halving in which subnet %d had one", netuid)
	}
	require.NoError(t, b.sim.Audit())
}

// toWindow waits until the next block is the first of a window, as windows lie
// before anything cuts one.
func (b *both) toWindow() {
	b.t.Helper()
	b.wait(int((window - b.sim.Now()%window) % window))
}

func demandScript(b *both) {
	const PLX = subnet.PLX
	b.create(owner) // 1
	b.create(alice) // 2
	b.create(owner) // 3, which will be removed
	b.bind(large, watcher)
	b.register(1, large.Account(), watcher)
	b.register(1, alice, minerA)
	b.register(2, bob, minerB)
	b.register(3, alice, minerC)
	b.rootWeigh(watcher, 1, 3, 2, 5, 3, 1)

	one := b.open(whale, alice, minerA, 1, 300*PLX+1, 400)
	two := b.open(whale, bob, minerB, 2, 100*PLX, 400)
	gone := b.open(bob, alice, minerC, 3, 200*PLX, 90)
	short := b.open(alice, alice, minerA, 1, 5*PLX, 5) // to itself
	b.topUp(two, 77*PLX+13)
	b.redeem(due{one, 0, 33_333_333_333}, due{two, 0, 1}, due{one, 4, 22_222_222_222}, due{gone, 1, 50 * PLX}) // before anything follows demand
	b.overspend(one)
	b.redeem(due{short, 0, 1_234_567_891}) // the last block that it can be
	b.collect(short)

	b.propose(rules{mix: &subnet.DemandRules{Mix: 2500, Cap: 5000}})
	b.toWindow()
	b.redeem(due{two, 0, 20*PLX + 19}) // the first block of a window
	b.wait(window - 2)
	b.redeem(due{one, 0, 11*PLX + 7}, due{two, 1, 3}) // the last one
	b.redeem(due{gone, 1, 60*PLX + 1})
	b.wait(3)
	b.redeem(due{one, 1, 70*PLX + 123})
	b.wait(2 * window) // one without anything
	b.redeem(due{two, 0, 5*PLX + 5})

	// Within a window another length of windows, and in the same block a voucher.
	b.toWindow()
	b.wait(1)
	b.redeem(due{two, 0, 6*PLX + 11})
	b.propose(rules{channel: b.windows(5, smoothing)})
	b.redeem(due{one, 0, 9*PLX + 5}, due{gone, 1, 40*PLX + 77})
	b.wait(3)
	require.Positive(b.t, b.followed[followed{3, PLX}])
	require.Len(b.t, b.burned(), 3)
	b.remove(3, owner) // what waits for it never counts
	require.Len(b.t, b.burned(), 3)
	b.redeem(due{gone, 0, 1*PLX + 1})
	b.wait(4)

	// Both modules in one proposal; then a mix alone, which cuts nothing; then a
	// burn alone, which does.
	b.redeem(due{two, 2, 8*PLX + 1})
	b.propose(rules{channel: b.windows(4, 2), mix: &subnet.DemandRules{Mix: 10_000, Cap: 9_999}})
	b.wait(2)
	b.redeem(due{one, 3, 4*PLX + 3})
	b.propose(rules{mix: &subnet.DemandRules{Mix: 9_000, Cap: 10_000}})
	b.wait(1)
	b.redeem(due{one, 3, 4*PLX + 3})
	b.wait(7)
	for range 4 { // wherever in a window it falls
		b.redeem(due{two, 0, 2*PLX + 3}, due{one, 0, PLX})
		p := b.channelParams()
		p.FeeBurn += 100
		b.propose(rules{channel: &p})
		b.wait(2)
	}

	b.shut(two, bob) // who is paid by it, so at once
	b.collect(two)
	b.shut(one, whale)
	b.redeem(due{one, 0, PLX + 1}) // still counts
	b.wait(closeDelay - 3)
	b.redeem(due{one, 0, PLX + 1}) // the last block that it can be
	b.collect(one)

	b.crumbs()
	b.collect(gone)
	require.Zero(b.t, b.sim.Places().Escrow)
}

// crumbs lets pools run dry down to the few nplx of which no window credits
// any, where every single one shows.
func (b *both) crumbs() {
	one := b.open(whale, alice, minerA, 1, 1_000_000, 300)
	two := b.open(bob, bob, minerB, 2, 1_000_000, 300)
	b.propose(rules{channel: b.windows(1, 5)})
	b.redeem(due{one, 0, 1_000}, due{two, 0, 900})
	b.wait(40)
	b.redeem(due{one, 0, 1_000})
	b.wait(40)
	b.redeem(due{two, 0, 901})
	b.wait(16)
	for i := range uint32(4) {
		b.redeem(due{one, 0, 600}, due{two, 0, 500})
		b.wait(12)
		b.propose(rules{channel: b.windows(1, 9-2*i)})
	}
	b.redeem(due{one, 0, 1_000})
	b.wait(20)

	// Too little only by the rules that come, and in their first window a burn.
	b.propose(rules{channel: b.windows(4, 3)})
	b.redeem(due{one, 0, 1_000})
	b.wait(16)
	b.propose(rules{channel: b.windows(4, 60)})
	b.wait(1)
	b.redeem(due{one, 0, 1_000})
	b.propose(rules{channel: b.windows(1, 2)})
	b.wait(12)
	b.shut(one, alice)
	b.shut(two, bob)
	b.collect(one)
	b.collect(two)
}
