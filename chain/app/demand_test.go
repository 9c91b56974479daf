package app_test

import (
	"context"
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// How the test counts demand: windows of 5 blocks, each of which credits a
// quarter of what waits.
const (
	demandWindow    = 5
	demandSmoothing = 4
	feeBurn         = 5000
)

var demandRules = subnet.DemandRules{Mix: 4000, Cap: 5000}

// farm is a network in which one farmer is everything in subnet 1: its owner,
// its only miner, its only validator and all stake there is. He has a channel
// to his own miner.
type farm struct {
	*apptest.Chain
	t      *testing.T
	farmer apptest.Account
	miner  apptest.Account
	bob    apptest.Account // owns subnet 2
	key    ed25519.PrivateKey

	owed   uint64 // nplx that the vouchers so far add up to
	nonce  uint64
	burned uint64 // nplx
	demand expectedDemand
}

func newFarm(t *testing.T) *farm {
	validator := apptest.Validator{Name: "farmer", Tokens: 100 * subnet.PLX}
	f := &farm{
		t: t, farmer: validator.Account(), miner: apptest.NewAccount("miner"), bob: apptest.NewAccount("bob"),
		key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
	}
	f.Chain = apptest.New(t, apptest.Config{
		Balances:   []apptest.Balance{{Account: f.farmer, Nplx: 10_000 * subnet.PLX}, {Account: f.bob, Nplx: 10_000 * subnet.PLX}},
		Validators: []apptest.Validator{validator},
		Params: func(p *subnetv1.Params) {
			p.DemandMix, p.DemandCap = demandRules.Mix, demandRules.Cap
			p.Defaults.Tempo = 7
			p.Defaults.CommitReveal = subnet.CommitRevealOff
		},
		Genesis: func(g apptest.Genesis) error {
			var state channelv1.GenesisState
			return g.Edit(channelkeeper.ModuleName, &state, func() {
				state.Params.DemandWindow, state.Params.DemandSmoothing, state.Params.FeeBurn = demandWindow, demandSmoothing, feeBurn
			})
		},
	})
	watcher := apptest.NewAccount("watcher")
	f.Must(f.farmer,
		&subnetv1.MsgCreateSubnet{Owner: f.farmer.String(), Name: "farm", MaxLock: subnet.Cap},
		&subnetv1.MsgBindHotkey{Operator: f.farmer.String(), Hotkey: watcher.String(), HotkeyProof: watcher.Proof(f.farmer)},
		&subnetv1.MsgRegister{Coldkey: f.farmer.String(), Hotkey: watcher.String(), Netuid: 1, MaxBurn: subnet.Cap},
		&subnetv1.MsgRegister{Coldkey: f.farmer.String(), Hotkey: f.miner.String(), Netuid: 1, MaxBurn: subnet.Cap, HotkeyProof: f.miner.Proof(f.farmer)})
	f.Must(f.bob, &subnetv1.MsgCreateSubnet{Owner: f.bob.String(), Name: "others", MaxLock: subnet.Cap})
	f.Advance(14) // two epochs: the first counts no stake yet, the second gives the permit
	f.Must(watcher, &subnetv1.MsgSetWeights{Hotkey: watcher.String(), Netuid: 1, Uids: []uint32{1}, Values: []uint32{1}})
	f.Must(f.farmer, &channelv1.MsgOpen{
		Payer: f.farmer.String(), Netuid: 1, Hotkey: f.miner.String(), VoucherKey: f.key.Public().(ed25519.PublicKey),
		Deposit: 1_000 * subnet.PLX, Expires: f.Height() + 10_000,
	})
	return f
}

// redeem makes a block in which the farmer pays himself.
func (f *farm) redeem(nplx uint64) {
	f.t.Helper()
	f.owed += nplx
	f.nonce++
	v := payment.Sign(apptest.ChainID, f.key, payment.Voucher{Channel: 1, Nonce: f.nonce, Amount: f.owed})
	f.Must(f.farmer, &channelv1.MsgRedeem{Sender: f.farmer.String(), Vouchers: []channelv1.Voucher{channelv1.Voucher(v)}})
	f.burned += nplx * feeBurn / 10_000
}

func (f *farm) subnets() []subnetv1.SubnetInfo {
	f.t.Helper()
	res, err := f.Subnet().Subnets(context.Background(), &subnetv1.QuerySubnetsRequest{})
	require.NoError(f.t, err)
	return res.Subnets
}

// emitted is all that a subnet ever got.
func emitted(s subnetv1.SubnetInfo) uint64 {
	l := s.Subnet.Ledger
	return l.OwnerPaid + l.MinersPaid + l.ValidatorsPaid + l.Burned + s.Pending
}

// others is what is not the farmer's of all nplx.
func (f *farm) others() uint64 { return f.Balance(f.bob.Address()) + f.subnets()[1].Pending }

// expectedDemand counts burned nplx as the protocol says, for one subnet.
type expectedDemand struct{ counting, waiting uint64 }

// block returns what counts as burned in the block at height, in which so many
// nplx more are burned.
func (d *expectedDemand) block(height, burned uint64) uint64 {
	if height%demandWindow == 0 {
		d.waiting, d.counting = d.waiting-d.waiting/demandSmoothing+d.counting, 0
	}
	d.counting += burned
	return d.waiting / demandSmoothing / demandWindow
}

// TestDemandMovesSharesAsTheRuleSays opens a channel, redeems in bursts, and
// compares what each block gives each subnet with the pure rule, to the unit.
// Beside it the same farmer does everything but redeem: at the end he has more,
// by at least half of what farming burned.
func TestDemandMovesSharesAsTheRuleSays(t *testing.T) {
	f, honest := newFarm(t), newFarm(t)
	payments := map[int]uint64{3: 80 * subnet.PLX, 4: 7_777_777, 21: 11, 40: subnet.PLX, 41: 2*subnet.PLX + 1, 70: 16 * subnet.PLX}
	byDemand, mixed, capped := uint64(0), 0, 0
	for block := range 160 {
		before := f.subnets()
		burnedBefore := f.burned
		if nplx := payments[block]; nplx > 0 {
			f.redeem(nplx)
		} else {
			f.Advance(1)
		}
		honest.Advance(1)
		perBlock := f.demand.block(f.Height(), f.burned-burnedBefore)
		want := subnet.MixDemand(subnet.PLX, subnet.RootShares(nil, 2), []uint64{perBlock, 0}, demandRules)
		for i, after := range f.subnets() {
			require.Equal(t, want[i].Total(), emitted(after)-emitted(before[i]), "subnet %d at height %d", i+1, f.Height())
			require.Equal(t, want[i], subnet.Emission{Root: after.RootEmission, Demand: after.DemandEmission}, "as the query says")
		}
		require.Equal(t, perBlock, f.subnets()[0].BurnedPerBlock)
		byDemand += want[0].Demand
		switch {
		case want[0].Demand == subnet.PLX*4/10:
			mixed++
		case want[0].Demand > 0:
			require.Equal(t, perBlock/2, want[0].Demand)
			capped++
		}
	}
	require.Positive(t, mixed, "the mix was the bound")
	require.Positive(t, capped, "the cap was the bound")
	require.Positive(t, byDemand)
	require.LessOrEqual(t, byDemand, f.burned/2)

	farming := f.Emission().Supply - f.others()
	not := honest.Emission().Supply - honest.others()
	require.LessOrEqual(t, farming+f.burned/2, not, "farming lost at least half of the %d nplx that it burned", f.burned)
}
