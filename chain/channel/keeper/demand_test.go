package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/channel/keeper"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// nextWindow makes blocks up to the last before the next window.
func (n testnet) nextWindow() { n.Advance(int(window - n.Height()%window - 1)) }

// smoothed returns what counts as burned in the next block to be built.
func (n testnet) smoothed() []subnet.NetuidAmount {
	n.t.Helper()
	amounts, err := n.App().Channel.SmoothedBurned(n.Context())
	require.NoError(n.t, err)
	return amounts
}

func TestDemandIsCountedPerSubnetAndMiner(t *testing.T) {
	n := newTestnet(t, base())
	require.Zero(t, n.demand().Total)
	one, two := n.open(caller, minerA), n.open(caller, minerB)
	n.nextWindow()
	n.redeem(signed(one, 0, 1, 80_000), signed(one, 1, 1, 80_000), signed(two, 0, 1, 40_000))
	start := n.Height()
	require.Zero(t, start%window)
	require.Equal(t, channelv1.Demand{
		Total:       channelv1.Revenue{Vouchers: 3, Redeemed: 200_000, Burned: 10_000},
		WindowStart: start, WindowBlocks: window, WindowRedeemed: 200_000, WindowBurned: 10_000,
	}, n.demand())
	require.Equal(t, channelv1.Demand{
		Total:       channelv1.Revenue{Vouchers: 2, Redeemed: 160_000, Burned: 8_000},
		WindowStart: start, WindowBlocks: window, WindowRedeemed: 160_000, WindowBurned: 8_000,
	}, n.minerDemand(minerA))
	require.Empty(t, n.smoothed(), "a window counts when it has ended")

	n.nextWindow()
	n.redeem(signed(two, 0, 2, 60_000))
	require.Equal(t, channelv1.Demand{
		Total:       channelv1.Revenue{Vouchers: 4, Redeemed: 220_000, Burned: 11_000},
		WindowStart: start + window, WindowBlocks: window, WindowRedeemed: 20_000, WindowBurned: 1_000,
		SmoothedBurned: 10_000 / smoothing,
	}, n.demand())
	require.Equal(t, []subnet.NetuidAmount{{Netuid: 1, Amount: 10_000 / smoothing / window}}, n.smoothed())
	// The miner of whom nothing was redeemed since fades as well.
	require.Equal(t, uint64(8_000/smoothing), n.minerDemand(minerA).SmoothedBurned)
	require.Zero(t, n.minerDemand(minerA).WindowRedeemed)

	n.nextWindow()
	n.Advance(1)
	require.Equal(t, uint64((10_000-2_500+1_000)/smoothing), n.demand().SmoothedBurned)
	n.Advance(20 * window)
	require.Less(t, n.demand().SmoothedBurned, uint64(10))
	require.Empty(t, n.smoothed(), "too little for a block's share of it")
	require.Equal(t, uint64(11_000), n.demand().Total.Burned, "the totals stay")
}

// TestBlocksNeverCreditMoreThanWasBurned adds up what every block would count,
// while governance changes the windows in between.
func TestBlocksNeverCreditMoreThanWasBurned(t *testing.T) {
	n := newTestnet(t, base())
	id := n.open(caller, minerA)
	ctx := n.Context()
	server := keeper.NewMsgServer(n.App().Channel)
	credited, burned := uint64(0), uint64(0)
	for i := range uint64(400) {
		ctx = ctx.WithBlockHeight(ctx.BlockHeight() + 1)
		if i < 90 && i%3 == 0 { // as long as the channel lives
			res, err := server.Redeem(ctx, redeemMsg(signed(id, 0, i+1, (i+1)*10_000)))
			require.NoError(t, err)
			burned += res.Burned
		}
		if i%37 == 5 {
			p := testParams()
			p.DemandWindow, p.DemandSmoothing = 1+(i*7)%50, uint32(1+(i*3)%9)
			_, err := server.UpdateParams(ctx, &channelv1.MsgUpdateParams{Authority: n.Authority(), Params: p})
			require.NoError(t, err)
		}
		amounts, err := n.App().Channel.SmoothedBurned(ctx)
		require.NoError(t, err)
		for _, a := range amounts {
			credited += a.Amount
		}
		require.LessOrEqual(t, credited, burned, "block %d", i)
	}
	require.Greater(t, credited, burned*8/10, "and most of it is credited in the end")
}

// TestDemandReachesTheBlockReward: where the network mixes demand in, what
// callers burned in the windows before is what the subnet's emission follows.
func TestDemandReachesTheBlockReward(t *testing.T) {
	cfg := base()
	before := cfg.Params
	cfg.Params = func(p *subnetv1.Params) {
		before(p)
		p.DemandMix, p.DemandCap = 10_000, 10_000
	}
	n := newTestnet(t, cfg)
	followed := func() uint64 {
		res, err := n.Subnet().Subnet(t.Context(), &subnetv1.QuerySubnetRequest{Netuid: 1})
		require.NoError(t, err)
		return res.Subnet.DemandEmission
	}
	id := n.open(caller, minerA)
	n.nextWindow()
	n.redeem(signed(id, 0, 1, 400_000))
	require.Zero(t, followed())
	n.nextWindow()
	n.Advance(1)
	require.Equal(t, []subnet.NetuidAmount{{Netuid: 1, Amount: 500}}, n.smoothed()) // 20000 / 4 / 10
	require.Equal(t, uint64(500), followed())
}
