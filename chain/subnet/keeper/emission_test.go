package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/apptest"
	chainnet "github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// scored lets both validators judge the miners.
func (n testnet) scored() testnet {
	n.withNeurons()
	n.Must(watcher, weightsMsg(watcher, 2, 3, 3, 1))
	n.Must(second, weightsMsg(second, 2, 3, 3, 1))
	return n
}

// requireSupply: what was at genesis, every block's reward, less what was
// burned; and every minted unit is paid, streaming, pending or burned.
func (n testnet) requireSupply(genesis uint64) {
	n.t.Helper()
	e := n.Emission()
	require.Equal(n.t, genesis+e.Totals.Minted-e.Totals.Burned, e.Supply)
	res, err := n.Subnet().Subnets(context.Background(), &subnetv1.QuerySubnetsRequest{})
	require.NoError(n.t, err)
	var emitted, burned uint64
	for _, s := range res.Subnets {
		l := s.Subnet.Ledger
		emitted += l.OwnerPaid + l.MinersPaid + l.ValidatorsPaid + l.Burned + s.Pending
		burned += l.Burned + l.Registrations
	}
	require.Equal(n.t, e.Totals.Minted, emitted)
	require.Equal(n.t, e.Totals.Burned, burned)
}

func TestSupplyIsGenesisPlusRewardsMinusBurned(t *testing.T) {
	n := newTestnet(t, base())
	genesis := n.Emission().Supply
	require.Equal(t, 5*10_000*subnet.PLX+1+400*subnet.PLX, genesis)
	n.Advance(5)
	require.Equal(t, genesis, n.Emission().Supply, "without a subnet nothing is minted")
	n.scored()
	first := n.subnet().Created
	n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "letters", MaxLock: subnet.Cap})
	for range 40 {
		n.Advance(1)
		n.requireSupply(genesis)
		require.Equal(t, (n.Height()-first+1)*subnet.PLX, n.Emission().Totals.Minted, "a token per block since the first subnet")
	}
}

// TestMintingStopsAtTheCap starts with so little left that the last halvings
// pass in view, and subnets share single units.
func TestMintingStopsAtTheCap(t *testing.T) {
	cfg := base()
	// 18 units are left: at (C - T) << k <= C that is k = 50, and nothing more is minted.
	for _, c := range []struct {
		name         string
		left, reward uint64
	}{
		{"nothing left", 0, 0},
		{"too little left", 18, 0},
		{"a unit per block", subnet.Cap >> 29, 1},
		{"three units per block", subnet.Cap>>28 - 100, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := cfg
			cfg.Genesis = func(g apptest.Genesis) error {
				return g.Fund(minerA.Address(), subnet.Cap-c.left-(5*10_000*subnet.PLX+1+400*subnet.PLX))
			}
			n := newTestnet(t, cfg).withSubnet()
			n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "letters", MaxLock: subnet.Cap})
			n.Must(bob, &subnetv1.MsgCreateSubnet{Owner: bob.String(), Name: "words", MaxLock: subnet.Cap})
			before := n.Emission()
			require.Equal(t, c.reward, before.BlockReward)
			n.Advance(1)
			after := n.Emission()
			require.Equal(t, c.reward, after.Totals.Minted-before.Totals.Minted)
			require.Equal(t, c.reward, after.Pending-before.Pending, "every unit of it is some subnet's")
			n.Advance(2 * tempo)
		})
	}
}

// epochOf runs to the next epoch and returns what was pending when it ran, and
// what it changed in the ledger.
func (n testnet) epochOf() (pending uint64, before, after subnetv1.SubnetInfo) {
	n.t.Helper()
	n.AdvanceTo(n.info().NextEpoch - 1)
	before = n.info()
	reward := n.Emission().BlockReward
	n.Advance(1)
	after = n.info()
	require.Equal(n.t, n.Height(), after.Subnet.LastEpoch)
	return before.Pending + reward, before, after
}

// TestSplitToTheUnit: 18/41/41 of whatever is pending, the rest stays. Epochs of
// several lengths leave odd remainders of all sizes.
func TestSplitToTheUnit(t *testing.T) {
	odd := apptest.NewAccount("odd")
	cfg := base()
	// Late in the issuance a block makes 1907 units, which leave remainders.
	cfg.Genesis = func(g apptest.Genesis) error {
		return g.Fund(odd.Address(), subnet.Cap-subnet.Cap>>20-(5*10_000*subnet.PLX+1+400*subnet.PLX))
	}
	n := newTestnet(t, cfg).scored()
	genesis := n.Emission().Supply - n.Emission().Totals.Minted + n.Emission().Totals.Burned
	require.EqualValues(t, 1907, n.Emission().BlockReward)
	remainders := map[uint64]bool{}
	for range 12 {
		ownerBefore, aliceBefore, bobBefore := n.Balance(owner.Address()), n.Balance(alice.Address()), n.Balance(bob.Address())
		pending, before, after := n.epochOf()
		paid := func(f func(subnetv1.Ledger) uint64) uint64 { return f(after.Subnet.Ledger) - f(before.Subnet.Ledger) }
		owners := paid(func(l subnetv1.Ledger) uint64 { return l.OwnerPaid })
		miners := paid(func(l subnetv1.Ledger) uint64 { return l.MinersPaid })
		validators := paid(func(l subnetv1.Ledger) uint64 { return l.ValidatorsPaid })

		require.Equal(t, pending*1800/10_000, owners)
		// A share is a 32-bit fraction: of each neuron's less than
		// amount/2^32 + 1 is left over.
		slack := 4 * (pending>>32 + 1)
		require.InDelta(t, pending*4100/10_000, miners, float64(slack))
		require.InDelta(t, pending*4100/10_000, validators, float64(slack))
		require.LessOrEqual(t, miners, pending*4100/10_000)
		require.LessOrEqual(t, validators, pending*4100/10_000)
		require.Equal(t, pending-owners-miners-validators, after.Pending, "the rest stays pending")
		require.Zero(t, paid(func(l subnetv1.Ledger) uint64 { return l.Burned }))

		require.Equal(t, owners, n.Balance(owner.Address())-ownerBefore)
		toAlice, toBob := n.Balance(alice.Address())-aliceBefore, n.Balance(bob.Address())-bobBefore
		require.Equal(t, miners, toAlice+toBob)
		require.InDelta(t, 3, float64(toAlice)/float64(toBob), 0.01)
		m := n.metagraph()
		require.Equal(t, []uint64{toAlice, toBob}, m.Emission[2:])
		require.Equal(t, validators, m.Emission[0]+m.Emission[1])
		n.requireSupply(genesis)
		remainders[after.Pending] = true
	}
	require.Greater(t, len(remainders), 1, "remainders differ")
}

// TestMinersPartIsBurnedWithoutIncentive, and may be minted again.
func TestMinersPartIsBurnedWithoutIncentive(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	supply := n.Emission()
	pending, before, after := n.epochOf()
	burned := after.Subnet.Ledger.Burned - before.Subnet.Ledger.Burned
	require.Equal(t, pending*4100/10_000, burned)
	require.Equal(t, before.Subnet.Ledger.MinersPaid, after.Subnet.Ledger.MinersPaid)
	e := n.Emission()
	require.Equal(t, supply.Supply+tempo*subnet.PLX-burned, e.Supply)
	require.Positive(t, after.Subnet.Ledger.ValidatorsPaid-before.Subnet.Ledger.ValidatorsPaid, "validators share by stake")
}

func (n testnet) outstanding(v apptest.Validator) sdkmath.LegacyDec {
	n.t.Helper()
	r, err := n.App().Distribution.GetValidatorOutstandingRewards(n.Context(), v.Account().Operator())
	require.NoError(n.t, err)
	return r.Rewards.AmountOf(chainnet.Denom)
}

func (n testnet) commission(v apptest.Validator) sdkmath.LegacyDec {
	n.t.Helper()
	c, err := n.App().Distribution.GetValidatorAccumulatedCommission(n.Context(), v.Account().Operator())
	require.NoError(n.t, err)
	return c.Commission.AmountOf(chainnet.Denom)
}

func (n testnet) streaming() uint64 { return n.Emission().Streaming }

// TestStreamsPayEvenly: over the tempo after an epoch each validator gets its
// part in equal payments, of which its commission is its own.
func TestStreamsPayEvenly(t *testing.T) {
	n := newTestnet(t, base()).scored()
	n.epochOf()
	m := n.metagraph()
	require.Equal(t, m.Emission[0]+m.Emission[1], n.streaming(), "the streams before have ended as these began")
	for _, who := range []struct {
		validator apptest.Validator
		total     uint64
	}{{large, m.Emission[0]}, {small, m.Emission[1]}} {
		require.Greater(t, who.total, uint64(tempo))
	}
	start := map[string]sdkmath.LegacyDec{large.Name: n.outstanding(large), small.Name: n.outstanding(small)}
	commission := n.commission(large)
	last := start[large.Name]
	for i := range uint64(tempo) {
		n.Advance(1)
		due := n.outstanding(large).Sub(last)
		last = n.outstanding(large)
		require.LessOrEqual(t, due.Sub(sdkmath.LegacyNewDec(int64(m.Emission[0]/tempo))).Abs().TruncateInt64(), int64(1), "payment %d", i)
	}
	got := n.outstanding(large).Sub(start[large.Name])
	require.Equal(t, sdkmath.LegacyNewDec(int64(m.Emission[0])), got)
	require.Equal(t, sdkmath.LegacyNewDec(int64(m.Emission[1])), n.outstanding(small).Sub(start[small.Name]))
	require.Equal(t, got.MulInt64(18).QuoInt64(100), n.commission(large).Sub(commission), "18 % of it is the take")

	// The money is where distribution keeps it, and the validator can have it.
	before := n.Balance(large.Account().Address())
	taken := n.commission(large).TruncateInt()
	n.Must(large.Account(), distrtypes.NewMsgWithdrawValidatorCommission(large.Account().Operator().String()))
	require.Equal(t, taken.Uint64(), n.Balance(large.Account().Address())-before)
}

// TestLateDelegatorGainsNothing: who delegates right before the epoch has a
// share only of the payments after it, and none of its stake counts in that
// epoch.
func TestLateDelegatorGainsNothing(t *testing.T) {
	n := newTestnet(t, base()).scored()
	n.epochOf()
	n.AdvanceTo(n.info().NextEpoch - 2)
	// Ten times all other stake, one block before the epoch.
	n.Must(bob, delegate(bob, small, 4000*subnet.PLX))
	dividends := n.metagraph().Dividends
	_, before, after := n.epochOf()
	m := n.metagraph()
	require.InDelta(t, dividends[1], m.Dividends[1], 10, "the stake that came before the epoch does not count in it")
	require.EqualValues(t, 100*subnet.PLX+4000*subnet.PLX, m.Stake[1])
	validators := after.Subnet.Ledger.ValidatorsPaid - before.Subnet.Ledger.ValidatorsPaid

	// It may have its share of what is paid while it is there, by its stake, and
	// if it leaves at once it takes next to nothing of the epoch.
	rewards := n.Balance(bob.Address())
	n.Must(bob, undelegate(bob, small, 4000*subnet.PLX))
	gained := n.Balance(bob.Address()) - rewards
	payment := validators/4/tempo + 1
	require.LessOrEqual(t, gained, 2*payment, "two blocks' payments at most, of %d", validators)
	require.Less(t, gained, validators/10)
}

// TestPromisedStakeIsCountedFromTheNextEpoch states the rule: the lower of now
// and the previous epoch.
func TestPromisedStakeIsCountedFromTheNextEpoch(t *testing.T) {
	n := newTestnet(t, base()).scored()
	n.epochOf()
	n.Must(bob, delegate(bob, small, 200*subnet.PLX)) // now as much as the large one
	n.epochOf()
	stakeWeights := n.metagraph()
	require.InDelta(t, 3, float64(stakeWeights.Dividends[0])/float64(stakeWeights.Dividends[1]), 0.01, "not in this epoch")
	n.epochOf()
	n.epochOf()
	m := n.metagraph()
	require.Greater(t, float64(m.Dividends[1])/float64(stakeWeights.Dividends[1]), 1.5, "but in the next")

	// And stake that leaves stops counting at once.
	before := m.Dividends[1]
	n.Must(bob, undelegate(bob, small, 200*subnet.PLX))
	n.epochOf()
	require.Less(t, n.metagraph().Dividends[1], before)
	require.InDelta(t, 3, float64(n.metagraph().Dividends[0])/float64(n.metagraph().Dividends[1]), 0.01)
}

// TestJailedValidatorHasNoStake and loses its permit; what it earned before
// still reaches it.
func TestJailedValidatorHasNoStake(t *testing.T) {
	cfg := base()
	cfg.Genesis = func(g apptest.Genesis) error {
		var state slashingtypes.GenesisState
		return g.Edit(slashingtypes.ModuleName, &state, func() {
			state.Params.SignedBlocksWindow = 10
			state.Params.MinSignedPerWindow = sdkmath.LegacyNewDecWithPrec(5, 1)
		})
	}
	n := newTestnet(t, cfg).scored()
	n.epochOf()
	n.Absent(small, true)
	for range 20 {
		n.Advance(1)
		if n.neuron(second).Stake == 0 {
			break
		}
	}
	require.Zero(t, n.neuron(second).Stake, "jailed for not signing")
	streaming := n.streaming()
	before := n.outstanding(small)
	n.Advance(1)
	require.True(t, n.streaming() < streaming && n.outstanding(small).GT(before), "what it earned before its jail is still paid")
	n.epochOf()
	m := n.metagraph()
	require.Zero(t, m.Dividends[1])
	require.False(t, m.Permit[1])
	require.EqualValues(t, 65535, m.Dividends[0])
}

// TestRemovedValidatorMidStream: what its stream still owes is burned.
func TestRemovedValidatorMidStream(t *testing.T) {
	cfg := base()
	cfg.Genesis = func(g apptest.Genesis) error {
		var state stakingtypes.GenesisState
		return g.Edit(stakingtypes.ModuleName, &state, func() { state.Params.UnbondingTime = 3 * apptest.BlockTime })
	}
	n := newTestnet(t, cfg).scored()
	n.epochOf()
	owed := n.metagraph().Emission[1]
	burned := n.Emission().Totals.Burned
	n.Must(small.Account(), undelegate(small.Account(), small, small.Tokens))
	exists := func() bool {
		_, err := n.App().Staking.GetValidator(n.Context(), small.Account().Operator())
		return err == nil
	}
	for exists() {
		require.Equal(t, burned, n.Emission().Totals.Burned)
		n.Advance(1)
	}
	// The block that removed it had paid it before.
	blocks := n.Height() - n.subnet().LastEpoch
	require.Less(t, blocks, uint64(tempo))
	n.AdvanceTo(n.subnet().LastEpoch + tempo - 1)
	left := owed*(tempo-1)/tempo - owed*blocks/tempo
	require.Equal(t, left, n.Emission().Totals.Burned-burned)
	n.epochOf()
	m := n.metagraph()
	require.Zero(t, m.Stake[1]+m.Emission[1])
	require.EqualValues(t, 65535, m.Dividends[0])
}

// TestDirectTransfersToTheModuleAreRefused: its accounts hold what it owes.
func TestDirectTransfersToTheModuleAreRefused(t *testing.T) {
	n := newTestnet(t, base())
	for _, name := range []string{"subnet_emission", "subnet_lock"} {
		to := n.App().Accounts.GetModuleAddress(name)
		_, err := n.Do(apptest.Tx{Signer: alice, Msgs: []sdk.Msg{banktypes.NewMsgSend(alice.Address(), to, sdk.NewCoins(coin(5)))}})
		require.ErrorContains(t, err, "not allowed to receive")
	}
}
