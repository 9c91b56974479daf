package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// rootMsg gives root weights as pairs of netuid and value.
func rootMsg(hotkey apptest.Account, pairs ...uint32) *subnetv1.MsgSetRootWeights {
	msg := &subnetv1.MsgSetRootWeights{Hotkey: hotkey.String()}
	for i := 0; i < len(pairs); i += 2 {
		msg.Netuids, msg.Values = append(msg.Netuids, pairs[i]), append(msg.Values, pairs[i+1])
	}
	return msg
}

// withThreeSubnets has two bound validators that may vote often.
func withThreeSubnets(t *testing.T) testnet {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) { p.RootWeightsRateLimit, p.StakeThreshold = 3, 50*subnet.PLX }))
	for range 3 {
		n.Must(owner, createMsg())
	}
	n.Must(large.Account(), bindMsg(large, watcher))
	n.Must(small.Account(), bindMsg(small, second))
	return n
}

func (n testnet) shares() []uint64 {
	n.t.Helper()
	res, err := n.Subnet().RootWeights(context.Background(), &subnetv1.QueryRootWeightsRequest{})
	require.NoError(n.t, err)
	return res.Shares
}

func TestSetRootWeights(t *testing.T) {
	n := withThreeSubnets(t)
	require.Equal(t, []uint64{333_333_334, 333_333_333, 333_333_333}, n.shares(), "nobody has voted")

	n.Must(watcher, rootMsg(watcher, 3, 10, 1, 30))
	require.Equal(t, []uint64{750_000_000, 0, 250_000_000}, roughly(n.shares()))
	res, err := n.Subnet().RootWeights(context.Background(), &subnetv1.QueryRootWeightsRequest{})
	require.NoError(t, err)
	require.Equal(t, []subnetv1.RootVote{{
		Hotkey: watcher.String(), Stake: 300 * subnet.PLX, Updated: n.Height(), Netuids: []uint32{1, 3}, Values: []uint32{65535, 21845},
	}}, res.Votes)

	// Emission follows the shares, to the unit.
	all, err := n.Subnet().Subnets(context.Background(), &subnetv1.QuerySubnetsRequest{})
	require.NoError(t, err)
	sum := uint64(0)
	for i, s := range all.Subnets {
		require.Equal(t, res.Shares[i], s.Share)
		sum += s.Emission
	}
	require.Equal(t, subnet.PLX, sum)
	n.Advance(1)
	now, err := n.Subnet().Subnets(context.Background(), &subnetv1.QuerySubnetsRequest{})
	require.NoError(t, err)
	for i, s := range now.Subnets {
		require.Equal(t, all.Subnets[i].Emission, s.Pending-all.Subnets[i].Pending, "subnet %d", i+1)
	}

	// A quarter of the stake alone lifts a subnet, damped by the sigmoid.
	n.Must(second, rootMsg(second, 2, 1))
	shares := n.shares()
	require.Positive(t, shares[1])
	require.Less(t, shares[1], uint64(50_000_000), "without a majority behind it, far less than a quarter")

	// Taken back, the opinion does not count, but the rate limit goes on.
	n.Must(watcher, rootMsg(watcher))
	require.EqualValues(t, 1_000_000_000, n.shares()[1])
	n.Refuse(keeper.ErrRateLimited, watcher, rootMsg(watcher, 1, 1))
}

// roughly rounds to a millionth of the whole.
func roughly(shares []uint64) []uint64 {
	rounded := make([]uint64, len(shares))
	for i, s := range shares {
		rounded[i] = (s + 500) / 1000 * 1000
	}
	return rounded
}

func TestSetRootWeightsRefusals(t *testing.T) {
	n := withThreeSubnets(t)
	n.Must(second, rootMsg(second, 1, 1))
	for _, c := range []struct {
		name   string
		signer apptest.Account
		msg    *subnetv1.MsgSetRootWeights
		want   *errorsmod.Error
	}{
		{"not bound", alice, rootMsg(alice, 1, 1), keeper.ErrNotRegistered},
		{"too early", second, rootMsg(second, 1, 2), keeper.ErrRateLimited},
		{"unknown netuid", watcher, rootMsg(watcher, 4, 1), keeper.ErrUnknownSubnet},
		{"the root itself", watcher, rootMsg(watcher, 0, 1), keeper.ErrUnknownSubnet},
		{"a netuid twice", watcher, rootMsg(watcher, 2, 1, 2, 1), keeper.ErrInvalidWeights},
		{"more than there are", watcher, rootMsg(watcher, 1, 1, 2, 1, 3, 1, 3, 1), keeper.ErrInvalidWeights},
		{"more than 16 bits", watcher, rootMsg(watcher, 1, 65536), keeper.ErrInvalidWeights},
		{"all zero", watcher, rootMsg(watcher, 1, 0, 2, 0), keeper.ErrInvalidWeights},
		{"a value for every netuid", watcher, &subnetv1.MsgSetRootWeights{Hotkey: watcher.String(), Netuids: []uint32{1}}, keeper.ErrInvalidWeights},
	} {
		t.Run(c.name, func(t *testing.T) { n.Refuse(c.want, c.signer, c.msg) })
	}
}

// TestRootWeightsFollowStake: jailed validators count for nothing, and an
// opinion goes with the stake.
func TestRootWeightsFollowStake(t *testing.T) {
	n := withThreeSubnets(t)
	n.Must(watcher, rootMsg(watcher, 1, 1))
	n.Must(second, rootMsg(second, 2, 1))
	n.Must(large.Account(), bindMsg(large, minerA))
	require.Equal(t, []uint64{0, 1_000_000_000, 0}, n.shares(), "the hotkey without stake has no opinion any more")
	n.Must(small.Account(), undelegate(small.Account(), small, 60*subnet.PLX))
	require.Equal(t, []uint64{333_333_334, 333_333_333, 333_333_333}, n.shares(), "stake below the threshold")
	n.Refuse(keeper.ErrStakeTooLow, second, rootMsg(second, 2, 1))
}

// TestVotesOfGoneValidatorsAreForgotten, so that no block reads them again.
func TestVotesOfGoneValidatorsAreForgotten(t *testing.T) {
	cfg := with(base(), func(p *subnetv1.Params) { p.RootWeightsRateLimit = 3 })
	cfg.Genesis = func(g apptest.Genesis) error {
		var state stakingtypes.GenesisState
		return g.Edit(stakingtypes.ModuleName, &state, func() { state.Params.UnbondingTime = 2 * apptest.BlockTime })
	}
	n := newTestnet(t, cfg).withSubnet()
	n.Must(small.Account(), bindMsg(small, second))
	n.Must(second, rootMsg(second, 1, 1))
	votes := func() int {
		res, err := n.Subnet().RootWeights(context.Background(), &subnetv1.QueryRootWeightsRequest{})
		require.NoError(t, err)
		return len(res.Votes)
	}
	n.Must(small.Account(), undelegate(small.Account(), small, 100*subnet.PLX))
	require.Equal(t, 1, votes())
	n.Advance(5)
	require.Zero(t, votes())
}
