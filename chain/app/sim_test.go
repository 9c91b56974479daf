//go:build sim

package app

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	"github.com/cosmos/cosmos-sdk/testutil/simsx"
	"github.com/cosmos/cosmos-sdk/types/kv"
	"github.com/cosmos/cosmos-sdk/types/module"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"
	authzkeeper "github.com/cosmos/cosmos-sdk/x/authz/keeper"
	"github.com/cosmos/cosmos-sdk/x/simulation/client/cli"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	subnetkeeper "github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/subnet/simulation"
)

// simEveryTx asks for the money to be checked after every transaction.
var simEveryTx = flag.Bool("EveryTx", false, "check the money after every transaction, to find the one that breaks it")

// The SDK's simulator reads flags of its own: -Seed, -NumBlocks, -BlockSize.
func init() {
	cli.GetSimulatorFlags()
	flag.VisitAll(func(f *flag.Flag) {
		switch f.Name {
		case "Seed": // 0: the seeds of the test
			_, f.DefValue = f.Value.Set("0"), "0"
		case "BlockSize":
			_, f.DefValue = f.Value.Set("80"), "80"
		case "GenesisTime": // the same in every run
			_, f.DefValue = f.Value.Set("1767225600"), "1767225600"
		}
	})
}

// seeds are those asked for by flag, or those given. A seed also decides how
// often the simulator accuses validators of double signing, for which they are
// out for ever. With most seeds that is so often that none is left after some
// two hundred blocks, so the tests name seeds with which the chain lives on.
func seeds(of ...int64) []int64 {
	if cli.FlagSeedValue != 0 {
		return []int64{cli.FlagSeedValue}
	}
	return of
}

// simulate runs one seed of the SDK's simulator on a fresh application and hands
// it over, with the accounts that signed.
func simulate(t *testing.T, seed int64, blocks int, then func(*simApp, []simtypes.Account)) {
	t.Helper()
	cfg := cli.NewConfigFromFlags()
	cfg.ChainID, cfg.NumBlocks, cfg.Lean = simsx.SimAppChainID, blocks, true
	factory := func(logger log.Logger, db dbm.DB, _ bool, options servertypes.AppOptions, base ...func(*baseapp.BaseApp)) *simApp {
		return newSimApp(t, seed, logger, db, options, base...)
	}
	t.Cleanup(func() {
		if t.Skipped() { // by the simulator, which has nobody to propose a block
			t.Errorf("seed %d: no validator is left, and %d blocks are not reached", seed, blocks)
		}
	})
	start := time.Now()
	simsx.RunWithSeedAndRandAcc(t, cfg, factory, (*simApp).states, seed, nil, simAccounts,
		func(_ testing.TB, instance simsx.TestInstance[*simApp], accs []simtypes.Account) {
			s := instance.App
			require.EqualValues(t, blocks, s.LastBlockHeight(), "seed %d: the simulation ended early", seed)
			fmt.Printf("seed %d: %d blocks in %s, app hash %X, %d accounts\n", seed, blocks, time.Since(start).Round(time.Second), s.LastCommitID().Hash, len(accs))
			then(s, accs)
		})
}

// TestSimulation runs every module's operations for 500 blocks per seed, with
// the invariants checked after every block; exports the state, imports it into a
// fresh application, compares the two key by key, and lets the imported one live
// on.
func TestSimulation(t *testing.T) {
	total, events := simulation.New(simulation.Config{}).Tally(), map[string]int{}
	blocks := cli.FlagNumBlocksValue
	done := make(chan *simApp, 100)
	t.Run("seeds", func(t *testing.T) {
		for _, seed := range seeds(2, 20, 36, 54, 105) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				simulate(t, seed, blocks, func(s *simApp, accs []simtypes.Account) {
					s.next(time.Hour) // in which what was delivered last settles
					s.commit()
					done <- s
					imported := exportImport(t, s)
					carryOn(t, imported, accs, 50)
				})
			})
		}
	})
	close(done)
	for s := range done {
		total.Add(s.subnet.Tally())
		total.Add(s.channel.Tally())
		for name, n := range s.events {
			events[name] += n
		}
	}
	fmt.Println("what blocks did:")
	for _, name := range slices.Sorted(maps.Keys(events)) {
		fmt.Printf("  %-28s %d\n", name, events[name])
	}
	fmt.Print(total)
	if cli.FlagSeedValue == 0 && blocks >= 500 {
		requireCovered(t, total, events)
	}
}

// requireCovered wants every message of our modules to have been accepted, and
// every kind of thing that blocks do on their own to have happened.
func requireCovered(t *testing.T, total *simulation.Tally, events map[string]int) {
	t.Helper()
	for _, name := range []string{
		"MsgCreateSubnet", "MsgTransferSubnet", "MsgRemoveSubnet", "MsgSetHyperparams", "MsgRegister", "MsgDeregister", "MsgServe",
		"MsgSwapHotkey", "MsgSwapColdkey", "MsgSetIdentity", "MsgBindHotkey", "MsgSetRootWeights", "MsgSetWeights",
		"MsgCommitWeights", "MsgCommitHash", "MsgSubmitPulse",
		"MsgOpen", "MsgTopUp", "MsgRedeem", "MsgClose", "MsgCollect",
	} {
		require.Positive(t, total.Messages[name].Accepted, "%s was never accepted", name)
		require.Positive(t, total.Messages[name].Wrong, "%s was never refused", name)
	}
	for _, kind := range []string{"subnet_epoch", "subnet_reveal", "subnet_reveal_failed", "subnet_commit_expired", "subnet_params", "subnet_hyperparams", "channel_params", "proposal_passed"} {
		require.Positive(t, events[kind], "no block had an event %s", kind)
	}
}

// TestSimulationIsDeterministic runs the same seeds several times: every run
// ends with the same application hash.
func TestSimulationIsDeterministic(t *testing.T) {
	const runs, blocks = 3, 100
	for _, seed := range seeds(18, 54) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			var first []byte
			for run := range runs {
				simulate(t, seed, min(blocks, cli.FlagNumBlocksValue), func(s *simApp, _ []simtypes.Account) {
					hash := s.LastCommitID().Hash
					if run == 0 {
						first = hash
					}
					require.Equal(t, first, hash, "seed %d: run %d ended with another state", seed, run)
				})
			}
		})
	}
}

// notExported are prefixes of what the SDK's own modules do not take along:
// numbers and types of operations that unbond and the order of those that mature
// at the same time, past headers, the updates of one block, and the queue of
// grants that expire, in which those revoked stay.
func notExported() map[string][][]byte {
	return map[string][][]byte{
		stakingtypes.StoreKey: {
			stakingtypes.UnbondingIDKey, stakingtypes.UnbondingIndexKey, stakingtypes.UnbondingTypeKey,
			stakingtypes.UnbondingQueueKey, stakingtypes.RedelegationQueueKey,
			stakingtypes.HistoricalInfoKey, stakingtypes.ValidatorUpdatesKey,
		},
		authzkeeper.StoreKey: {authzkeeper.GrantQueuePrefix},
	}
}

// exportImport starts a new application from an export of s and compares their
// states.
func exportImport(t *testing.T, s *simApp) *simApp {
	t.Helper()
	exported, err := s.Export(nil)
	require.NoError(t, err)
	fresh := newSimApp(t, s.seed, log.NewNopLogger(), dbm.NewMemDB(), simtestutil.EmptyAppOptions{}, baseapp.SetChainID(simsx.SimAppChainID))
	var state map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(exported.AppState, &state))
	require.NoError(t, fresh.Basics().ValidateGenesis(fresh.encoding.Codec, fresh.encoding.TxConfig, state))
	_, err = fresh.InitChain(&abci.RequestInitChain{
		ChainId: simsx.SimAppChainID, InitialHeight: exported.Height, Time: s.header.Time,
		ConsensusParams: &exported.ConsensusParams, AppStateBytes: exported.AppState,
	})
	require.NoError(t, err, "seed %d", s.seed)
	fresh.header = s.header
	fresh.subnet = s.subnet.Continue(fresh.config())

	a, b := s.NewContextLegacy(true, s.header), fresh.NewContextLegacy(false, s.header)
	keys, differ := 0, map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(s.keys)) {
		left, right := simtestutil.DiffKVStores(a.KVStore(s.keys[name]), b.KVStore(fresh.keys[name]), notExported()[name])
		for i := range left {
			if isEmptyBitmap(name, left[i].Value) && len(right[i].Value) == 0 {
				continue
			}
			prefix := fmt.Sprintf("%s %02X", name, left[i].Key[:1])
			if differ[prefix]++; differ[prefix] < 3 {
				t.Errorf("seed %d: store %s differs\n%s", s.seed, name, describe(s, name, left[i], right[i]))
			}
		}
		it := a.KVStore(s.keys[name]).Iterator(nil, nil)
		for ; it.Valid(); it.Next() {
			keys++
		}
		require.NoError(t, it.Close())
	}
	require.Empty(t, differ, "seed %d: the imported chain differs from the exported one", s.seed)
	fmt.Printf("seed %d: export and import agree in %d keys of %d stores\n", s.seed, keys, len(s.keys))
	return fresh
}

// isEmptyBitmap tells the bitmap of a validator that has missed no block lately
// though it once did: slashing keeps it, and exports only blocks that were missed.
func isEmptyBitmap(store string, value []byte) bool {
	const length = 8 // bytes that say how many bits follow
	return store == slashingtypes.StoreKey && len(value) > length && !slices.ContainsFunc(value[length:], func(b byte) bool { return b != 0 })
}

// describe shows a difference between two stores.
func describe(s *simApp, store string, a, b kv.Pair) string {
	if store == subnetkeeper.StoreKey || store == channelkeeper.StoreKey {
		return s.manager.StoreDecoders[store](a, b)
	}
	return fmt.Sprintf("key %X (%q)\n  exported %X\n  imported %X", a.Key, a.Key, a.Value, b.Value)
}

// carryOn lets an imported application live for some blocks, with the same
// operations.
func carryOn(t *testing.T, s *simApp, accs []simtypes.Account, blocks int) {
	t.Helper()
	r := rand.New(rand.NewSource(s.seed))
	planned := map[int][]simtypes.Operation{}
	weighted := append(s.subnet.WeightedOperations(module.SimulationState{}), s.channel.WeightedOperations(module.SimulationState{})...)
	total := 0
	for _, w := range weighted {
		total += w.Weight()
	}
	draw := func() simtypes.Operation {
		n := r.Intn(total)
		for _, w := range weighted {
			if n -= w.Weight(); n < 0 {
				return w.Op()
			}
		}
		panic("unreachable: the weights add up")
	}
	for range blocks {
		ctx := s.next(7_500 * time.Second)
		ops := planned[int(ctx.BlockHeight())]
		for range 40 {
			ops = append(ops, draw())
		}
		for _, op := range ops {
			_, later, err := op(r, s.BaseApp, ctx, accs, simsx.SimAppChainID)
			require.NoError(t, err, "seed %d, after the import", s.seed)
			for _, f := range later {
				planned[f.BlockHeight] = append(planned[f.BlockHeight], f.Op)
			}
		}
		s.commit()
	}
	fmt.Printf("seed %d: %d blocks after the import, to height %d\n", s.seed, blocks, s.LastBlockHeight())
}
