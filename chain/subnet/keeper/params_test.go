package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func TestUpdateParamsRefusals(t *testing.T) {
	n := newTestnet(t, base())
	good := func() *subnetv1.MsgUpdateParams {
		p := keeper.DefaultParams()
		testParams(&p)
		return &subnetv1.MsgUpdateParams{Authority: n.Authority(), Params: p}
	}
	foreign := good()
	foreign.Authority = alice.String()
	n.Refuse(keeper.ErrUnauthorized, alice, foreign)

	server := keeper.NewMsgServer(n.App().Subnet)
	_, err := server.UpdateParams(n.Context(), good())
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		change func(*subnetv1.Params)
	}{
		{"a split of 9999", func(p *subnetv1.Params) { p.OwnerBps-- }},
		{"a split of 10001", func(p *subnetv1.Params) { p.MinerBps++ }},
		{"a split that overflows to 10000", func(p *subnetv1.Params) { p.OwnerBps, p.MinerBps, p.ValidatorBps = 1<<32-1, 10_001, 0 }},
		{"no epochs", func(p *subnetv1.Params) { p.MaxEpochsPerBlock = 0 }},
		{"no subnets", func(p *subnetv1.Params) { p.MaxSubnets = 0 }},
		{"too many subnets", func(p *subnetv1.Params) { p.MaxSubnets = 65536 }},
		{"no interval", func(p *subnetv1.Params) { p.LockInterval = 0 }},
		{"a lock beyond the cap", func(p *subnetv1.Params) { p.MinLock = subnet.Cap + 1 }},
		{"a threshold beyond the cap", func(p *subnetv1.Params) { p.StakeThreshold = subnet.Cap + 1 }},
		{"kappa 0", func(p *subnetv1.Params) { p.Defaults.Kappa = 0 }},
		{"kappa 1", func(p *subnetv1.Params) { p.Defaults.Kappa = 65535 }},
		{"kappa above 16 bits", func(p *subnetv1.Params) { p.Defaults.Kappa = 65536 + 32767 }},
		{"bonds penalty above 16 bits", func(p *subnetv1.Params) { p.Defaults.BondsPenalty = 65536 }},
		{"alpha above 16 bits", func(p *subnetv1.Params) { p.Defaults.AlphaHigh = 65536 }},
		{"max weight above 16 bits", func(p *subnetv1.Params) { p.Defaults.MaxWeight = 65536 }},
		{"tempo 0", func(p *subnetv1.Params) { p.Defaults.Tempo = 0 }},
		{"Yuma 4", func(p *subnetv1.Params) { p.Defaults.YumaVersion = 4 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg := good()
			c.change(&msg.Params)
			_, err := server.UpdateParams(n.Context(), msg)
			require.ErrorIs(t, err, keeper.ErrInvalidParams)
		})
	}
}

// TestGovernanceChangesParams: a proposal that the stake accepts takes effect,
// and one with parameters out of bounds changes nothing.
func TestGovernanceChangesParams(t *testing.T) {
	cfg := base()
	cfg.Genesis = func(g apptest.Genesis) error {
		var state govv1.GenesisState
		return g.Edit(govtypes.ModuleName, &state, func() {
			short, shorter := 3*apptest.BlockTime, 2*apptest.BlockTime
			state.Params.VotingPeriod, state.Params.ExpeditedVotingPeriod = &short, &shorter
			state.Params.MinDeposit = sdk.NewCoins(coin(10))
			state.Params.ExpeditedMinDeposit = sdk.NewCoins(coin(20))
		})
	}
	n := newTestnet(t, cfg)
	propose := func(change func(*subnetv1.Params)) {
		params := keeper.DefaultParams()
		testParams(&params)
		change(&params)
		msg, err := govv1.NewMsgSubmitProposal([]sdk.Msg{&subnetv1.MsgUpdateParams{Authority: n.Authority(), Params: params}},
			sdk.NewCoins(coin(10)), alice.String(), "", "parameters", "of the network", false)
		require.NoError(t, err)
		n.Must(alice, msg)
	}
	propose(func(p *subnetv1.Params) { p.OwnerBps, p.MinerBps = 2000, 3900 })
	n.Must(large.Account(), govv1.NewMsgVote(large.Account().Address(), 1, govv1.OptionYes, ""))
	n.Advance(5)
	require.EqualValues(t, 2000, n.params().OwnerBps)

	propose(func(p *subnetv1.Params) { p.OwnerBps = 9000 })
	n.Must(large.Account(), govv1.NewMsgVote(large.Account().Address(), 2, govv1.OptionYes, ""))
	n.Advance(5)
	require.EqualValues(t, 2000, n.params().OwnerBps)

	// The next epoch splits by it.
	n.withNeurons()
	pending, before, after := n.epochOf()
	require.Equal(t, pending*2000/10_000, after.Subnet.Ledger.OwnerPaid-before.Subnet.Ledger.OwnerPaid)
	require.Equal(t, pending*3900/10_000, after.Subnet.Ledger.Burned-before.Subnet.Ledger.Burned)
}

// TestEveryRefusalHasItsOwnCode keeps codes apart and out of the SDK's.
func TestEveryRefusalHasItsOwnCode(t *testing.T) {
	seen := map[uint32]*errorsmod.Error{}
	for _, e := range []*errorsmod.Error{
		keeper.ErrUnknownSubnet, keeper.ErrNotRegistered, keeper.ErrRegistered, keeper.ErrHotkeyTaken, keeper.ErrInvalidRequest,
		keeper.ErrUnauthorized, keeper.ErrNoValidator, keeper.ErrSubnetLimit, keeper.ErrStakeTooLow, keeper.ErrWrongVersion,
		keeper.ErrRateLimited, keeper.ErrNoPermit, keeper.ErrInvalidWeights, keeper.ErrUnknownUID, keeper.ErrTooFewWeights,
		keeper.ErrWeightTooLarge, keeper.ErrSubnetFull, keeper.ErrPriceTooHigh, keeper.ErrInvalidEndpoint, keeper.ErrInvalidParams,
		keeper.ErrGoverned, keeper.ErrFrozen, keeper.ErrInvalidIdentity, keeper.ErrNoIdentity, keeper.ErrUnprovenHotkey,
	} {
		require.Nil(t, seen[e.ABCICode()], "%v", e)
		require.Equal(t, keeper.ModuleName, e.Codespace())
		require.NotZero(t, e.GRPCStatus().Code())
		seen[e.ABCICode()] = e
	}
}
