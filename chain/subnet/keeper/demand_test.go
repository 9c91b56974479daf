package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// burning is a demand keeper that says what it is told.
type burning struct {
	perBlock []subnet.NetuidAmount
	asked    int
}

func (b *burning) SmoothedBurned(context.Context) ([]subnet.NetuidAmount, error) {
	b.asked++
	return b.perBlock, nil
}

// demanded is a network of three subnets in which demand counts for so much,
// and whose validators like the first most and the third not at all.
func demanded(t *testing.T, rules subnet.DemandRules, demand *burning) testnet {
	cfg := with(base(), func(p *subnetv1.Params) { p.DemandMix, p.DemandCap = rules.Mix, rules.Cap })
	cfg.Alone = true // the other instances would not know of the demand
	n := newTestnet(t, cfg)
	n.App().Subnet.CountDemand(demand)
	for _, a := range []apptest.Account{owner, alice, bob} {
		n.Must(a, &subnetv1.MsgCreateSubnet{Owner: a.String(), Name: a.Name, MaxLock: subnet.Cap})
	}
	n.Must(large.Account(), bindMsg(large, watcher))
	n.Must(watcher, &subnetv1.MsgSetRootWeights{Hotkey: watcher.String(), Netuids: []uint32{1, 2}, Values: []uint32{65535, 30_000}})
	return n
}

func (n testnet) subnets() []subnetv1.SubnetInfo {
	n.t.Helper()
	res, err := n.Subnet().Subnets(context.Background(), &subnetv1.QuerySubnetsRequest{})
	require.NoError(n.t, err)
	return res.Subnets
}

// oneBlock returns what a block without an epoch adds to each subnet's pending
// emission.
func (n testnet) oneBlock() (added []uint64) {
	n.t.Helper()
	for {
		before := n.subnets()
		n.Advance(1)
		after, epoch := n.subnets(), false
		added = added[:0]
		for i := range after {
			epoch = epoch || after[i].Subnet.Epochs != before[i].Subnet.Epochs
			added = append(added, after[i].Pending-before[i].Pending)
		}
		if !epoch {
			return added
		}
	}
}

// rootOf returns the root shares that the validators' opinions make.
func (n testnet) rootOf() []uint64 {
	return subnet.RootShares([]subnet.RootVote{{Stake: large.Tokens, Weights: consensus.Row{{UID: 0, Value: 65535}, {UID: 1, Value: 30_000}}}}, 3)
}

// TestDemandMovesTheReward by the pure rule to the unit, and the query shows
// the parts.
func TestDemandMovesTheReward(t *testing.T) {
	for _, c := range []struct {
		name   string
		rules  subnet.DemandRules
		burned []subnet.NetuidAmount
	}{
		{"the cap binds", subnet.DemandRules{Mix: 3000, Cap: 5000}, []subnet.NetuidAmount{{Netuid: 2, Amount: 7_777_777}, {Netuid: 3, Amount: 33_333_333}}},
		{"the mix binds", subnet.DemandRules{Mix: 3000, Cap: 5000}, []subnet.NetuidAmount{{Netuid: 3, Amount: 4 * subnet.PLX}}},
		{"all follows demand", subnet.DemandRules{Mix: 10_000, Cap: 10_000}, []subnet.NetuidAmount{{Netuid: 1, Amount: 3 * subnet.PLX}, {Netuid: 3, Amount: 4 * subnet.PLX}}},
		{"a removed subnet", subnet.DemandRules{Mix: 3000, Cap: 5000}, []subnet.NetuidAmount{{Netuid: 1, Amount: 12_345_679}, {Netuid: 9, Amount: subnet.PLX}}},
		{"nothing burned", subnet.DemandRules{Mix: 3000, Cap: 5000}, nil},
		{"nothing mixed", subnet.DemandRules{Cap: 5000}, []subnet.NetuidAmount{{Netuid: 3, Amount: subnet.PLX}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			demand := &burning{perBlock: c.burned}
			n := demanded(t, c.rules, demand)
			burned := subnet.AmountsOf([]uint32{1, 2, 3}, c.burned)
			want := subnet.MixDemand(subnet.PLX, n.rootOf(), burned, c.rules)
			shares, emission := uint64(0), uint64(0)
			for i, s := range n.subnets() {
				require.Equal(t, want[i], subnet.Emission{Root: s.RootEmission, Demand: s.DemandEmission})
				require.Equal(t, want[i].Total(), s.Emission)
				require.Equal(t, s.RootShare+s.DemandShare, s.Share)
				require.InDelta(t, s.DemandEmission, s.DemandShare, 1, "a reward of 1e9 is shown of 1e9")
				require.InDelta(t, s.RootEmission, s.RootShare, 3)
				require.Equal(t, burned[i], s.BurnedPerBlock)
				shares += s.Share
				emission += s.Emission
			}
			require.EqualValues(t, 1e9, shares)
			require.Equal(t, subnet.PLX, emission)
			asked := demand.asked
			for i, added := range n.oneBlock() {
				require.Equal(t, want[i].Total(), added)
			}
			if c.rules.Mix == 0 {
				require.Equal(t, asked+2, demand.asked, "only the two queries ask: a block that counts no demand does not read it")
			}
		})
	}
}

// TestWithoutMixDemandChangesNothing: not a bit of the shares and emissions.
func TestWithoutMixDemandChangesNothing(t *testing.T) {
	n := demanded(t, subnet.DefaultDemandRules(), &burning{perBlock: []subnet.NetuidAmount{{Netuid: 3, Amount: subnet.PLX}}})
	with := n.subnets()
	n.App().Subnet.CountDemand(nil)
	for i, without := range n.subnets() {
		require.Equal(t, subnet.Apportion(subnet.PLX, n.rootOf())[i], without.Emission)
		with[i].BurnedPerBlock = 0
		require.Equal(t, without, with[i])
	}
	root, err := n.Subnet().RootWeights(context.Background(), &subnetv1.QueryRootWeightsRequest{})
	require.NoError(t, err)
	require.Equal(t, subnet.Apportion(1e9, n.rootOf()), root.Shares)
}
