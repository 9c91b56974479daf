//go:build sim

package app

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand"
	"strings"
	"sync"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	"github.com/cosmos/cosmos-sdk/testutil/simsx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1beta1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1beta1"
	"github.com/cosmos/cosmos-sdk/x/simulation/client/cli"

	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	channelsim "github.com/plexusnet/plexus/chain/channel/simulation"
	"github.com/plexusnet/plexus/chain/sealing"
	subnetkeeper "github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/subnet/simulation"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// simApp is the application as the SDK's simulator wants it, watched: after
// every block the invariants are checked, and the transactions of the block are
// known where one of them is broken.
type simApp struct {
	*App
	t       testing.TB
	seed    int64
	every   bool // check money after every transaction, to find the one that broke it
	manager *module.SimulationManager
	subnet  *simulation.Module
	channel *channelsim.Module

	header cmtproto.Header // of the last block
	block  []string        // what was delivered since its end
	events map[string]int
}

var _ simsx.SimulationApp = (*simApp)(nil)

func newSimApp(t testing.TB, seed int64, logger log.Logger, db dbm.DB, options servertypes.AppOptions, base ...func(*baseapp.BaseApp)) *simApp {
	t.Helper()
	a, err := New(logger, db, false, options, base...)
	require.NoError(t, err)
	s := &simApp{App: a, t: t, seed: seed, every: *simEveryTx, events: map[string]int{}}
	a.Gov.SetLegacyRouter(govv1beta1.NewRouter().AddRoute(govtypes.RouterKey, govv1beta1.ProposalHandler))
	s.subnet = simulation.New(s.config())
	s.channel = channelsim.New(channelsim.Config{
		Keeper: s.Channel, StoreKey: s.keys[channelkeeper.StoreKey], Accounts: s.Accounts, Bank: s.Bank, Subnets: s.Subnet,
		TxConfig: s.encoding.TxConfig,
	})
	s.manager = module.NewSimulationManagerFromAppModules(a.modules.Modules, map[string]module.AppModuleSimulation{
		authtypes.ModuleName:     auth.NewAppModule(a.encoding.Codec, a.Accounts, baseAccounts),
		subnetkeeper.ModuleName:  s.subnet,
		channelkeeper.ModuleName: s.channel,
	})
	s.manager.RegisterStoreDecoders()
	a.SetEndBlocker(s.endBlock)
	a.SetPrecommiter(s.precommit)
	a.SetPostHandler(s.delivered)
	require.NoError(t, a.LoadLatestVersion())
	return s
}

func (s *simApp) config() simulation.Config {
	return simulation.Config{
		Keeper: s.Subnet, StoreKey: s.keys[subnetkeeper.StoreKey], Accounts: s.Accounts, Bank: s.Bank,
		Staking: s.Staking, Gov: s.Gov, TxConfig: s.encoding.TxConfig, Seal: repeatableSeal,
		Proposals: []func(*mathrand.Rand) sdk.Msg{channelsim.UpdateParams},
	}
}

// baseAccounts makes every account of the simulation an ordinary one: the chain
// has no vesting.
func baseAccounts(state *module.SimulationState) authtypes.GenesisAccounts {
	accounts := make(authtypes.GenesisAccounts, len(state.Accounts))
	for i, a := range state.Accounts {
		accounts[i] = authtypes.NewBaseAccountWithAddress(a.Address)
	}
	return accounts
}

// simAccounts draws fewer accounts than the simulator asks for, so that they
// have something to do with each other.
func simAccounts(r *mathrand.Rand, n int) []simtypes.Account {
	return simtypes.RandomAccounts(r, 100+n%120)
}

// endBlock checks what must hold at the end of a block. The simulator delivers
// its transactions after this, as if they were of the next block.
func (s *simApp) endBlock(ctx sdk.Context) (sdk.EndBlock, error) {
	res, err := s.modules.EndBlock(ctx)
	if err != nil {
		s.broken(ctx, err)
	}
	for _, e := range res.Events {
		s.count(e)
	}
	quiet := ctx.WithEventManager(sdk.NewEventManager())
	if err := errors.Join(s.subnet.Check(quiet), s.channel.Check(quiet)); err != nil {
		s.broken(ctx, err)
	}
	if ctx.BlockHeight()%100 == 0 {
		fmt.Printf("seed %d: height %d, %d transactions delivered in the last block, %d epochs so far\n",
			s.seed, ctx.BlockHeight(), len(s.block), s.events["subnet_epoch"])
	}
	s.header, s.block = ctx.BlockHeader(), nil
	return res, nil
}

// precommit checks the money once more, after the transactions.
func (s *simApp) precommit(ctx sdk.Context) {
	if err := s.checkMoney(ctx); err != nil {
		s.broken(ctx, err)
	}
}

func (s *simApp) checkMoney(ctx sdk.Context) error {
	return errors.Join(s.subnet.CheckMoney(ctx), s.channel.CheckMoney(ctx))
}

// delivered notes a transaction.
func (s *simApp) delivered(ctx sdk.Context, tx sdk.Tx, _, success bool) (sdk.Context, error) {
	for _, msg := range tx.GetMsgs() {
		s.block = append(s.block, fmt.Sprintf("ok=%t %s %v", success, sdk.MsgTypeURL(msg), msg))
	}
	if s.every && success {
		if err := s.checkMoney(unmetered(ctx)); err != nil {
			s.broken(ctx, err)
		}
	}
	return ctx, nil
}

// count notes what blocks did, and fails where the chain had to save itself
// from a fault.
func (s *simApp) count(e abci.Event) {
	switch {
	case e.Type == "subnet_epoch_failed":
		s.t.Fatalf("seed %d, height %d: an epoch failed: %v\n%s", s.seed, s.header.Height+1, e.Attributes, s.repeat())
	case e.Type == "active_proposal":
		for _, a := range e.Attributes {
			if a.Key == "proposal_result" {
				s.events[a.Value]++
			}
		}
	case strings.HasPrefix(e.Type, "subnet_"), strings.HasPrefix(e.Type, "channel_"):
		s.events[e.Type]++
	}
}

// broken fails the test with what is needed to see it again.
func (s *simApp) broken(ctx sdk.Context, err error) {
	s.t.Helper()
	block := s.block
	if len(block) > 200 {
		block = block[len(block)-200:]
	}
	s.t.Fatalf("seed %d, block %d: %v\nsince the last check, oldest first:\n%s\n%s",
		s.seed, ctx.BlockHeight(), err, strings.Join(block, "\n"), s.repeat())
}

func (s *simApp) repeat() string {
	return fmt.Sprintf("again: go test -tags sim ./chain/app -run 'Simulation$' -args -Seed %d -NumBlocks %d -EveryTx", s.seed, min(s.header.Height+2, int64(cli.FlagNumBlocksValue)))
}

// repeatableSeal is sealing.Encrypt with randomness that follows from what is
// encrypted, so that the same seed makes the same chain to the byte.
func repeatableSeal(b subnetv1.Beacon, round uint64, w *subnetv1.SealedWeights) ([]byte, error) {
	encoded, err := w.Marshal()
	if err != nil {
		return nil, err
	}
	seed := sha256.Sum256(binary.BigEndian.AppendUint64(encoded, round))
	sealLock.Lock()
	defer sealLock.Unlock()
	system := rand.Reader
	rand.Reader = mathrand.New(mathrand.NewSource(int64(binary.BigEndian.Uint64(seed[:8]))))
	defer func() { rand.Reader = system }()
	return sealing.Encrypt(b, round, w)
}

// sealLock lends the process's source of randomness to one simulation at a time.
var sealLock sync.Mutex

// What the SDK's runner asks of an application.

func (s *simApp) LegacyAmino() *codec.LegacyAmino              { return s.encoding.Amino }
func (s *simApp) TxConfig() client.TxConfig                    { return s.encoding.TxConfig }
func (s *simApp) GetBaseApp() *baseapp.BaseApp                 { return s.BaseApp }
func (s *simApp) SimulationManager() *module.SimulationManager { return s.manager }
func (s *simApp) BeginBlocker(ctx sdk.Context) (sdk.BeginBlock, error) {
	return s.modules.BeginBlock(ctx)
}
func (s *simApp) EndBlocker(ctx sdk.Context) (sdk.EndBlock, error) { return s.endBlock(ctx) }

func (s *simApp) InitChainer(ctx sdk.Context, req *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	return s.initChain(ctx, req)
}

func (s *simApp) ExportAppStateAndValidators(bool, []string, []string) (servertypes.ExportedApp, error) {
	return s.Export(nil)
}

// states is how the simulator starts the application: from a random genesis.
func (s *simApp) states() simsx.SimStateFactory {
	return simsx.SimStateFactory{
		Codec:         s.encoding.Codec,
		AppStateFn:    simtestutil.AppStateFn(s.encoding.Codec, s.manager, s.DefaultGenesis()),
		BlockedAddr:   blockedAccounts(),
		AccountSource: s.Accounts,
		BalanceSource: s.Bank,
	}
}

// next makes a block without transactions, at the next height.
func (s *simApp) next(after time.Duration) sdk.Context {
	s.t.Helper()
	header := cmtproto.Header{ChainID: simsx.SimAppChainID, Height: s.LastBlockHeight() + 1, Time: s.header.Time.Add(after), ProposerAddress: s.header.ProposerAddress}
	if s.LastBlockHeight() == 0 {
		header.Height = s.header.Height + 1 // the first block after an import
	}
	_, err := s.FinalizeBlock(&abci.RequestFinalizeBlock{Height: header.Height, Time: header.Time, ProposerAddress: header.ProposerAddress})
	require.NoError(s.t, err)
	return s.NewContextLegacy(false, header)
}

// commit ends the block that next began.
func (s *simApp) commit() {
	s.t.Helper()
	s.SimWriteState()
	_, err := s.Commit()
	require.NoError(s.t, err)
}
