package keeper_test

import (
	"encoding/json"
	"math"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// TestExportContinuesTheSameChain: a chain that starts from an export, in the
// middle of a tempo with streams running, has the same state and goes on in the
// same way as the one that was exported.
func TestExportContinuesTheSameChain(t *testing.T) {
	n := newTestnet(t, base()).scored()
	n.epochOf()
	n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), OwnerHotkey: minerC.String(), OwnerHotkeyProof: minerC.Proof(alice), Name: "letters", MaxLock: subnet.Cap})
	n.Must(minerA, &subnetv1.MsgServe{Hotkey: minerA.String(), Netuid: 1, Endpoint: endpoint()})
	require.Positive(t, n.streaming())

	cfg := base()
	cfg.Exported = n.Export()
	require.EqualValues(t, n.Height()+1, cfg.Exported.Height)
	copied := newTestnet(t, cfg)
	n.Advance(1)
	require.Equal(t, n.Height(), copied.Height())
	requireSameState(t, n, copied)

	// Both live through the same three epochs.
	for _, c := range []testnet{n, copied} {
		c.epochOf()
		c.Must(watcher, weightsMsg(watcher, 2, 1, 3, 5))
		c.Must(bob, delegate(bob, small, 50*subnet.PLX))
		c.register(alice, apptest.NewAccount("latecomer"))
		c.epochOf()
		c.epochOf()
	}
	requireSameState(t, n, copied)
	for _, a := range []apptest.Account{owner, alice, bob, large.Account(), small.Account()} {
		require.Equal(t, n.Balance(a.Address()), copied.Balance(a.Address()), a.Name)
	}
	require.Equal(t, n.outstanding(large), copied.outstanding(large))
}

// TestImportStoresWhatWasExported compares the module's store of an exported
// and an imported chain key by key, with an empty subnet, one that had an epoch
// without neurons, and one in full life.
func TestImportStoresWhatWasExported(t *testing.T) {
	n := newTestnet(t, base()).scored()
	n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "idle", MaxLock: subnet.Cap})
	n.epochOf()
	n.epochOf()
	n.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "new", MaxLock: subnet.Cap})

	cfg := base()
	cfg.Exported = n.Export()
	copied := newTestnet(t, cfg)
	n.Advance(1)
	require.NotEmpty(t, storedUnder(t, n, 4), "the subnets")
	for prefix := range byte(64) {
		require.Equal(t, storedUnder(t, n, prefix), storedUnder(t, copied, prefix), "keys that start with %d", prefix)
	}
}

// storedUnder returns what the module has stored under a prefix, encoded.
func storedUnder(t *testing.T, n testnet, prefix byte) []byte {
	t.Helper()
	res, err := n.App().Query(t.Context(), &abci.RequestQuery{Path: "/store/" + keeper.StoreKey + "/subspace", Data: []byte{prefix}})
	require.NoError(t, err)
	require.Zero(t, res.Code, res.Log)
	return res.Value
}

func requireSameState(t *testing.T, a, b testnet) {
	t.Helper()
	left, right := moduleState(t, a), moduleState(t, b)
	require.JSONEq(t, string(left), string(right))
	require.Equal(t, a.Emission(), b.Emission())
}

func moduleState(t *testing.T, n testnet) json.RawMessage {
	t.Helper()
	var state map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(n.Export().AppState, &state))
	return state[keeper.ModuleName]
}

// goodGenesis is a state with one of everything, as ValidateGenesis wants it.
func goodGenesis() *subnetv1.GenesisState {
	g := keeper.DefaultGenesis()
	testParams(&g.Params)
	e := endpoint()
	operator := large.Account().Operator().String()
	g.Counter = subnetv1.SubnetCounter{NextNetuid: 2, LastLock: 5, LastLockHeight: 1}
	g.Hotkeys = []subnetv1.HotkeyOwner{{Hotkey: minerA.String(), Coldkey: alice.String()}, {Hotkey: watcher.String(), Coldkey: large.Account().String()}}
	g.Bindings = []subnetv1.Binding{{Hotkey: watcher.String(), Validator: operator}}
	g.Pending = subnetv1.Pending{Netuids: []uint32{1}, Amounts: []uint64{10}}
	g.Totals = subnetv1.Totals{Minted: 30}
	g.Subnets = []subnetv1.GenesisSubnet{{
		Subnet: subnetv1.Subnet{Netuid: 1, Owner: owner.String(), OwnerHotkey: minerA.String(), Name: "digits", Lock: 5, Neurons: 2, Hyperparams: g.Params.Defaults},
		Neurons: []subnetv1.Neuron{
			{Uid: 0, Hotkey: minerA.String(), Coldkey: alice.String(), Endpoint: &e},
			{Uid: 1, Hotkey: watcher.String(), Coldkey: large.Account().String()},
		},
		Weights: []subnetv1.UidRow{{Uid: 1, Row: subnetv1.Row{Entries: []byte{0, 0, 255, 255}}}},
		Bonds:   []subnetv1.UidRow{{Uid: 1, Row: subnetv1.Row{Entries: []byte{0, 0, 255, 255}}}},
		Streams: subnetv1.Streams{Streams: []subnetv1.Stream{{Validator: operator, Total: 20, Start: 0, Length: 10}}},
	}}
	return g
}

// genesisWith starts a chain from a state of the module and the money in its
// two accounts.
func genesisWith(state *subnetv1.GenesisState, emission, lock uint64) apptest.Config {
	cfg := base()
	cfg.Genesis = func(g apptest.Genesis) error {
		if emission > 0 {
			if err := g.Fund(authtypes.NewModuleAddress(keeper.EmissionAccount), emission); err != nil {
				return err
			}
		}
		if lock > 0 {
			if err := g.Fund(authtypes.NewModuleAddress(keeper.LockAccount), lock); err != nil {
				return err
			}
		}
		var stored subnetv1.GenesisState
		return g.Edit(keeper.ModuleName, &stored, func() { stored = *state })
	}
	return cfg
}

func TestGenesisWithOneOfEverythingRuns(t *testing.T) {
	n := newTestnet(t, genesisWith(goodGenesis(), 30, 5))
	m := n.metagraph()
	require.Len(t, m.Incentive, 2, "vectors reach every neuron")
	require.Len(t, m.Permit, 2)
	n.Advance(2*tempo + 1)
	require.EqualValues(t, 2, n.subnet().Epochs)
}

func TestGenesisRefusals(t *testing.T) {
	n := newTestnet(t, base())
	begin := func(g *subnetv1.GenesisState) error {
		ctx := n.Context()
		for account, nplx := range map[string]uint64{keeper.EmissionAccount: 30, keeper.LockAccount: 5} {
			require.NoError(t, n.App().Bank.SendCoinsFromAccountToModule(ctx, alice.Address(), account, coins(nplx)))
		}
		return n.App().Subnet.InitGenesis(ctx.WithBlockHeight(0), g)
	}
	for _, c := range []struct {
		name   string
		change func(*subnetv1.GenesisState)
	}{
		{"a split that does not add up", func(g *subnetv1.GenesisState) { g.Params.OwnerBps++ }},
		{"kappa above 16 bits", func(g *subnetv1.GenesisState) { g.Params.Defaults.Kappa = 65536 }},
		{"a subnet with bad hyperparameters", func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.Hyperparams.Tempo = 0 }},
		{"netuid 0", func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.Netuid = 0 }},
		{"the same netuid twice", func(g *subnetv1.GenesisState) { g.Subnets = append(g.Subnets, g.Subnets[0]) }},
		{"a counter behind", func(g *subnetv1.GenesisState) { g.Counter.NextNetuid = 1 }},
		{"a last lock beyond the cap", func(g *subnetv1.GenesisState) { g.Counter.LastLock = math.MaxUint64 }},
		{"a lock at a height beyond time", func(g *subnetv1.GenesisState) { g.Counter.LastLockHeight = math.MaxUint64 }},
		{"fewer pending amounts than netuids", func(g *subnetv1.GenesisState) { g.Pending.Amounts = nil }},
		{"pending emission of no subnet", func(g *subnetv1.GenesisState) { g.Pending.Netuids[0] = 2 }},
		{"pending emission out of order", func(g *subnetv1.GenesisState) {
			g.Pending = subnetv1.Pending{Netuids: []uint32{1, 1}, Amounts: []uint64{5, 5}}
		}},
		{"pending emission beyond the cap", func(g *subnetv1.GenesisState) { g.Pending.Amounts[0] = math.MaxUint64 }},
		{"a lock beyond the cap", func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.Lock = math.MaxUint64 }},
		{"streams that overflow", func(g *subnetv1.GenesisState) {
			s := g.Subnets[0].Streams.Streams
			for range 1000 {
				s = append(s, subnetv1.Stream{Validator: s[0].Validator, Total: subnet.Cap, Length: 10})
			}
			g.Subnets[0].Streams.Streams = s
		}},
		{"a stream of no length", func(g *subnetv1.GenesisState) { g.Subnets[0].Streams.Streams[0].Length = 0 }},
		{"a stream for ever", func(g *subnetv1.GenesisState) { g.Subnets[0].Streams.Streams[0].Length = math.MaxUint64 }},
		{"a stream at the end of time", func(g *subnetv1.GenesisState) { g.Subnets[0].Streams.Streams[0].Start = math.MaxUint64 }},
		{"a stream to no validator", func(g *subnetv1.GenesisState) { g.Subnets[0].Streams.Streams[0].Validator = "nobody" }},
		{"a subnet of nobody", func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.Owner = "nobody" }},
		{"an epoch at the end of time", func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.LastEpoch = math.MaxUint64 }},
		{"more neurons than listed", func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.Neurons = 3 }},
		{"uids with a gap", func(g *subnetv1.GenesisState) { g.Subnets[0].Neurons[1].Uid = 2 }},
		{"a hotkey with two uids", func(g *subnetv1.GenesisState) { g.Subnets[0].Neurons[1].Hotkey = minerA.String() }},
		{"a hotkey with two owners", func(g *subnetv1.GenesisState) { g.Hotkeys = append(g.Hotkeys, g.Hotkeys[0]) }},
		{"a neuron of another coldkey", func(g *subnetv1.GenesisState) { g.Subnets[0].Neurons[0].Coldkey = bob.String() }},
		{"a hotkey that is no address", func(g *subnetv1.GenesisState) { g.Hotkeys[1].Hotkey = "watcher" }},
		{"a validator with two hotkeys", func(g *subnetv1.GenesisState) {
			g.Bindings = append(g.Bindings, subnetv1.Binding{Hotkey: minerA.String(), Validator: g.Bindings[0].Validator})
		}},
		{"a registration at the end of time", func(g *subnetv1.GenesisState) { g.Subnets[0].Neurons[0].Registered = math.MaxUint64 }},
		{"a bad endpoint", func(g *subnetv1.GenesisState) { g.Subnets[0].Neurons[0].Endpoint.Port = 0 }},
		{"a torn row", func(g *subnetv1.GenesisState) { g.Subnets[0].Weights[0].Row.Entries = []byte{1, 2, 3} }},
		{"a row out of order", func(g *subnetv1.GenesisState) {
			g.Subnets[0].Bonds[0].Row.Entries = []byte{0, 1, 0, 1, 0, 0, 0, 1}
		}},
		{"a row past the last uid", func(g *subnetv1.GenesisState) { g.Subnets[0].Weights[0].Row.Entries = []byte{0, 2, 0, 1} }},
		{"a row of no uid", func(g *subnetv1.GenesisState) { g.Subnets[0].Weights[0].Uid = 2 }},
		{"two rows of a uid", func(g *subnetv1.GenesisState) {
			g.Subnets[0].Weights = append(g.Subnets[0].Weights, g.Subnets[0].Weights[0])
		}},
		{"weights set at the end of time", func(g *subnetv1.GenesisState) { g.Subnets[0].Weights[0].Row.Updated = math.MaxUint64 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := goodGenesis()
			require.NoError(t, begin(g))
			c.change(g)
			err := begin(g)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "holds", "refused for its money only")
		})
	}
}

func TestGenesisMustHoldItsMoney(t *testing.T) {
	for _, c := range []struct {
		name           string
		emission, lock uint64
		want           string
	}{
		{"too little for emission", 29, 5, "holds 29 nplx"},
		{"too much for emission", 31, 5, "holds 31 nplx"},
		{"too little locked", 30, 4, "holds 4 nplx"},
		{"nothing", 0, 0, "holds 0 nplx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := apptest.Start(t, genesisWith(goodGenesis(), c.emission, c.lock))
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("more than there can be", func(t *testing.T) {
		cfg := base()
		cfg.Genesis = func(g apptest.Genesis) error { return g.Fund(sdk.AccAddress(minerA.Address()), subnet.Cap) }
		_, err := apptest.Start(t, cfg)
		require.ErrorContains(t, err, "there can be")
	})
}
