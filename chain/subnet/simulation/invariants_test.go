package simulation_test

import (
	"encoding/json"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/subnet/simulation"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// lively is the state of a chain with a subnet, a validator, a miner, a vacant
// uid and a hidden commit, and the height it is of.
func lively(t *testing.T) (func() *subnetv1.GenesisState, uint64) {
	t.Helper()
	val := apptest.Validator{Name: "val", Tokens: 100 * subnet.PLX}
	owner, watcher, miner, gone := apptest.NewAccount("owner"), apptest.NewAccount("watcher"), apptest.NewAccount("miner"), apptest.NewAccount("gone")
	chain := apptest.New(t, apptest.Config{
		Balances:   []apptest.Balance{{Account: owner, Nplx: 10_000 * subnet.PLX}, {Account: val.Account(), Nplx: 1_000 * subnet.PLX}},
		Validators: []apptest.Validator{val},
		Params: func(p *subnetv1.Params) {
			p.Defaults.Tempo, p.Defaults.CommitReveal = 5, subnet.CommitRevealHash
		},
	})
	chain.Must(owner, &subnetv1.MsgCreateSubnet{Owner: owner.String(), OwnerHotkey: miner.String(), OwnerHotkeyProof: miner.Proof(owner), Name: "digits", MaxLock: subnet.Cap})
	register := func(coldkey, hotkey apptest.Account) *subnetv1.MsgRegister {
		return &subnetv1.MsgRegister{Coldkey: coldkey.String(), Hotkey: hotkey.String(), Netuid: 1, MaxBurn: subnet.Cap, HotkeyProof: hotkey.Proof(coldkey)}
	}
	chain.Must(val.Account(), &subnetv1.MsgBindHotkey{Operator: val.Account().String(), Hotkey: watcher.String(), HotkeyProof: watcher.Proof(val.Account())}, register(val.Account(), watcher))
	chain.Must(owner, register(owner, miner), register(owner, gone))
	chain.Must(gone, &subnetv1.MsgDeregister{Sender: gone.String(), Hotkey: gone.String(), Netuid: 1})
	chain.Must(watcher, &subnetv1.MsgSetRootWeights{Hotkey: watcher.String(), Netuids: []uint32{1}, Values: []uint32{1}})
	chain.Advance(10)
	epochs := func() uint64 {
		res, err := chain.Subnet().Subnet(t.Context(), &subnetv1.QuerySubnetRequest{Netuid: 1})
		require.NoError(t, err)
		return res.Subnet.Subnet.Epochs
	}
	chain.Must(watcher, &subnetv1.MsgCommitHash{Hotkey: watcher.String(), Netuid: 1, Hash: make([]byte, 32), Epoch: epochs()})
	var state map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(chain.Export().AppState, &state))
	return func() *subnetv1.GenesisState {
		var g subnetv1.GenesisState
		chain.App().Encoding().Codec.MustUnmarshalJSON(state[keeper.ModuleName], &g)
		return &g
	}, chain.Height()
}

// TestCheckStateFindsWhatIsBroken: a state is right as the chain left it, and
// wrong with any one thing changed.
func TestCheckStateFindsWhatIsBroken(t *testing.T) {
	state, height := lively(t)
	require.NoError(t, simulation.CheckState(state(), height))
	for name, c := range map[string]struct {
		change func(*subnetv1.GenesisState)
		want   string
	}{
		"a unit minted and nowhere":       {func(g *subnetv1.GenesisState) { g.Totals.Minted++ }, "minted"},
		"a unit pending and never minted": {func(g *subnetv1.GenesisState) { g.Pending.Amounts[0]++ }, "minted"},
		"a subnet too few":                {func(g *subnetv1.GenesisState) { g.Counter.Existing++ }, "existing subnets"},
		"a uid out of order":              {func(g *subnetv1.GenesisState) { g.Subnets[0].Neurons[0].Uid = 1 }, "uids must count up"},
		"a vacancy miscounted":            {func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.Vacant = 0 }, "vacant"},
		"a registration to come":          {func(g *subnetv1.GenesisState) { g.Subnets[0].Neurons[0].Registered = height + 1 }, "registration of uid 0"},
		"more neurons than seats":         {func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.Hyperparams.MaxUids = 1 }, "neurons: 2"},
		"a row of nobody": {func(g *subnetv1.GenesisState) {
			g.Subnets[0].Weights = []subnetv1.UidRow{{Uid: 2}}
		}, "uid 2 has a row"},
		"an outcome too short":        {func(g *subnetv1.GenesisState) { g.Subnets[0].Outcome.Permit = nil }, "a vector has 0 elements"},
		"pay for nobody":              {func(g *subnetv1.GenesisState) { g.Subnets[0].Outcome.Emission[2] = 1 }, "has a permit or pay"},
		"root weights without stake":  {func(g *subnetv1.GenesisState) { g.Bindings = nil }, "root weights and no validator"},
		"an owner's hotkey unclaimed": {func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.OwnerHotkey = "somebody" }, "is nobody's"},
		"a commit older than its neuron": {func(g *subnetv1.GenesisState) {
			g.Commits[0].Height = g.Subnets[0].Neurons[0].Registered - 1
		}, "was given out at"},
		"two commits of an epoch": {func(g *subnetv1.GenesisState) {
			again := g.Commits[0]
			again.Id, g.NextCommit = g.NextCommit, g.NextCommit+1
			g.Commits = append(g.Commits, again)
		}, "has two of epoch"},
	} {
		t.Run(name, func(t *testing.T) {
			g := state()
			c.change(g)
			require.ErrorContains(t, simulation.CheckState(g, height), c.want)
		})
	}
}

// TestRandomParamsAreValid whatever is drawn and however little people have.
func TestRandomParamsAreValid(t *testing.T) {
	for seed := range int64(500) {
		r := rand.New(rand.NewSource(seed))
		p := simulation.RandomParams(r, uint64(seed)*1_000+1, subnetv1.Beacon{})
		require.NoError(t, keeper.ValidateParams(p), "seed %d", seed)
	}
}
