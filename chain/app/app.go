package app

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/spf13/cast"

	"cosmossdk.io/core/appmodule"
	"cosmossdk.io/core/store"
	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	"github.com/cosmos/cosmos-sdk/runtime"
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/cosmos/cosmos-sdk/server/api"
	"github.com/cosmos/cosmos-sdk/server/config"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/version"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	authzkeeper "github.com/cosmos/cosmos-sdk/x/authz/keeper"
	bankkeeper "github.com/cosmos/cosmos-sdk/x/bank/keeper"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	consensuskeeper "github.com/cosmos/cosmos-sdk/x/consensus/keeper"
	consensustypes "github.com/cosmos/cosmos-sdk/x/consensus/types"
	distrkeeper "github.com/cosmos/cosmos-sdk/x/distribution/keeper"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	evidencekeeper "github.com/cosmos/cosmos-sdk/x/evidence/keeper"
	evidencetypes "github.com/cosmos/cosmos-sdk/x/evidence/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	feegrantkeeper "github.com/cosmos/cosmos-sdk/x/feegrant/keeper"
	govkeeper "github.com/cosmos/cosmos-sdk/x/gov/keeper"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	slashingkeeper "github.com/cosmos/cosmos-sdk/x/slashing/keeper"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingkeeper "github.com/cosmos/cosmos-sdk/x/staking/keeper"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	upgradekeeper "github.com/cosmos/cosmos-sdk/x/upgrade/keeper"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/chain/network"
	subnetkeeper "github.com/plexusnet/plexus/chain/subnet/keeper"
)

// Name is the name of the application and of its binary.
const Name = "plexus"

var _ servertypes.Application = (*App)(nil)

// App is the chain. Keepers are exported for tests and tools; nothing changes
// them once New has returned.
type App struct {
	*baseapp.BaseApp

	Accounts     authkeeper.AccountKeeper
	Bank         bankkeeper.BaseKeeper
	Staking      *stakingkeeper.Keeper
	Slashing     slashingkeeper.Keeper
	Distribution distrkeeper.Keeper
	Gov          *govkeeper.Keeper
	Consensus    consensuskeeper.Keeper
	Upgrade      *upgradekeeper.Keeper
	Authz        authzkeeper.Keeper
	FeeGrant     feegrantkeeper.Keeper
	Evidence     *evidencekeeper.Keeper
	Subnet       *subnetkeeper.Keeper
	Channel      *channelkeeper.Keeper

	waiting      *waiting // duties in the mempool
	encoding     Encoding
	keys         map[string]*storetypes.KVStoreKey
	modules      *module.Manager
	basics       module.BasicManager
	configurator module.Configurator
	observe      func(height int64, blockTime time.Time) // nil: nobody watches
	closing      func() error
}

// moduleAccounts lists the accounts that belong to modules, with what each may
// do. Only the emission account may mint.
func moduleAccounts() map[string][]string {
	return map[string][]string{
		authtypes.FeeCollectorName:          nil,
		distrtypes.ModuleName:               nil,
		stakingtypes.BondedPoolName:         {authtypes.Burner, authtypes.Staking},
		stakingtypes.NotBondedPoolName:      {authtypes.Burner, authtypes.Staking},
		stakingtypes.KeyRotationFeePoolName: {authtypes.Burner},
		govtypes.ModuleName:                 {authtypes.Burner},
		subnetkeeper.EmissionAccount:        {authtypes.Minter, authtypes.Burner},
		subnetkeeper.LockAccount:            nil,
		channelkeeper.EscrowAccount:         nil,
	}
}

// blockedAccounts are the module accounts, which nobody may send to by hand:
// what they hold must equal what their modules owe. Governance may receive.
func blockedAccounts() map[string]bool {
	blocked := map[string]bool{}
	//determinism:allow maprange it fills another map
	for name := range moduleAccounts() {
		blocked[authtypes.NewModuleAddress(name).String()] = name != govtypes.ModuleName
	}
	return blocked
}

// New builds the application over a database. With load it opens the latest
// state; without, the caller loads the height it wants.
func New(logger log.Logger, db dbm.DB, load bool, options servertypes.AppOptions, baseOptions ...func(*baseapp.BaseApp)) (*App, error) {
	network.ConfigureAddresses()
	encoding, err := newEncoding()
	if err != nil {
		return nil, err
	}
	base := baseapp.NewBaseApp(Name, logger, db, encoding.TxConfig.TxDecoder(), baseOptions...)
	base.SetVersion(version.Version)
	base.SetInterfaceRegistry(encoding.Registry)
	base.SetTxEncoder(encoding.TxConfig.TxEncoder())

	a := &App{
		BaseApp:  base,
		waiting:  &waiting{},
		encoding: encoding,
		keys: storetypes.NewKVStoreKeys(
			authtypes.StoreKey, banktypes.StoreKey, stakingtypes.StoreKey, slashingtypes.StoreKey,
			distrtypes.StoreKey, govtypes.StoreKey, consensustypes.StoreKey, upgradetypes.StoreKey,
			authzkeeper.StoreKey, feegrant.StoreKey, evidencetypes.StoreKey, subnetkeeper.StoreKey,
			channelkeeper.StoreKey,
		),
		closing: sync.OnceValue(base.Close),
	}
	if err := a.buildKeepers(logger, options); err != nil {
		return nil, err
	}
	if err := a.buildModules(); err != nil {
		return nil, err
	}
	a.MountKVStores(a.keys)
	a.SetInitChainer(a.initChain)
	a.SetPreBlocker(func(ctx sdk.Context, _ *abci.RequestFinalizeBlock) (*sdk.ResponsePreBlock, error) {
		return a.modules.PreBlock(ctx)
	})
	a.SetBeginBlocker(a.modules.BeginBlock)
	a.SetEndBlocker(a.modules.EndBlock)
	a.SetAnteHandler(a.newAnteHandler())
	a.SetPrepareCheckStater(func(sdk.Context) { a.waiting.clear() })
	a.SetPrecommiter(func(ctx sdk.Context) {
		if a.observe != nil {
			a.observe(ctx.BlockHeight(), ctx.BlockTime())
		}
	})
	if err := a.registerUpgrades(upgrades(), cast.ToString(options.Get(flags.FlagHome))); err != nil {
		return nil, err
	}
	if load {
		if err := a.LoadLatestVersion(); err != nil {
			return nil, fmt.Errorf("load the latest state: %w", err)
		}
	}
	return a, nil
}

// buildKeepers wires the keepers, each from those above it.
func (a *App) buildKeepers(logger log.Logger, options servertypes.AppOptions) error {
	account, operator, consensus := addressCodecs()
	authority := authtypes.NewModuleAddress(govtypes.ModuleName).String()
	cdc := a.encoding.Codec
	store := func(key string) store.KVStoreService { return runtime.NewKVStoreService(a.keys[key]) }

	a.Consensus = consensuskeeper.NewKeeper(cdc, store(consensustypes.StoreKey), authority, runtime.EventService{})
	a.SetParamStore(a.Consensus.ParamsStore)
	a.Accounts = authkeeper.NewAccountKeeper(cdc, store(authtypes.StoreKey), authtypes.ProtoBaseAccount,
		moduleAccounts(), account, network.AddressPrefix, authority)
	a.Bank = bankkeeper.NewBaseKeeper(cdc, store(banktypes.StoreKey), a.Accounts, blockedAccounts(), authority, logger)
	a.Staking = stakingkeeper.NewKeeper(cdc, store(stakingtypes.StoreKey), a.Accounts, a.Bank, authority, operator, consensus)
	a.Distribution = distrkeeper.NewKeeper(cdc, store(distrtypes.StoreKey), a.Accounts, a.Bank, a.Staking,
		authtypes.FeeCollectorName, authority)
	a.Slashing = slashingkeeper.NewKeeper(cdc, a.encoding.Amino, store(slashingtypes.StoreKey), a.Staking, authority)
	a.Staking.SetHooks(stakingtypes.NewMultiStakingHooks(a.Distribution.Hooks(), a.Slashing.Hooks()))
	a.Authz = authzkeeper.NewKeeper(store(authzkeeper.StoreKey), cdc, a.MsgServiceRouter(), a.Accounts)
	a.FeeGrant = feegrantkeeper.NewKeeper(cdc, store(feegrant.StoreKey), a.Accounts)
	a.Gov = govkeeper.NewKeeper(cdc, store(govtypes.StoreKey), a.Accounts, a.Bank, a.Distribution,
		a.MsgServiceRouter(), govtypes.DefaultConfig(), authority,
		govkeeper.NewDefaultCalculateVoteResultsAndVotingPower(a.Staking))
	a.Upgrade = upgradekeeper.NewKeeper(skippedUpgrades(options), store(upgradetypes.StoreKey), cdc,
		cast.ToString(options.Get(flags.FlagHome)), a.BaseApp, authority)
	a.Evidence = evidencekeeper.NewKeeper(cdc, store(evidencetypes.StoreKey), a.Staking, a.Slashing,
		account, runtime.ProvideCometInfoService())

	var err error
	a.Subnet, err = subnetkeeper.New(cdc, store(subnetkeeper.StoreKey), authority, a.Accounts, a.Bank, a.Staking, a.Distribution)
	if err != nil {
		return fmt.Errorf("module %s: %w", subnetkeeper.ModuleName, err)
	}
	a.Channel, err = channelkeeper.New(cdc, store(channelkeeper.StoreKey), authority, a.Accounts, a.Bank, a.Subnet)
	if err != nil {
		return fmt.Errorf("module %s: %w", channelkeeper.ModuleName, err)
	}
	a.Subnet.CountDemand(a.Channel)
	return nil
}

func skippedUpgrades(options servertypes.AppOptions) map[int64]bool {
	skip := map[int64]bool{}
	for _, height := range cast.ToIntSlice(options.Get(server.FlagUnsafeSkipUpgrades)) {
		skip[int64(height)] = true
	}
	return skip
}

func (a *App) initChain(ctx sdk.Context, req *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	var genesis map[string]json.RawMessage
	if err := json.Unmarshal(req.AppStateBytes, &genesis); err != nil {
		return nil, fmt.Errorf("app_state of the genesis: %w", err)
	}
	if err := a.Upgrade.SetModuleVersionMap(ctx, a.modules.GetVersionMap()); err != nil {
		return nil, fmt.Errorf("module versions: %w", err)
	}
	return a.modules.InitGenesis(ctx, a.encoding.Codec, genesis)
}

// Close closes the databases. The engine and the server that runs it both do
// so; the second finds it done.
func (a *App) Close() error { return a.closing() }

// OnCommit calls observe after every block, with its height and time, before
// the node goes on to the next. What observe does cannot reach the state.
func (a *App) OnCommit(observe func(height int64, blockTime time.Time)) { a.observe = observe }

// Describe returns an application without state, for those who only ask what
// the chain is made of: codecs, modules, their genesis and their commands.
func Describe() (*App, error) {
	return New(log.NewNopLogger(), dbm.NewMemDB(), false, noOptions{})
}

type noOptions struct{}

// Get returns nothing for every option.
func (noOptions) Get(string) any { return nil }

// Encoding returns the codecs, which know every message of the chain.
func (a *App) Encoding() Encoding { return a.encoding }

// Modules returns the modules by name, for commands made from them.
func (a *App) Modules() map[string]appmodule.AppModule {
	modules := map[string]appmodule.AppModule{}
	//determinism:allow maprange it fills another map
	for name, m := range a.modules.Modules {
		if m, ok := m.(appmodule.AppModule); ok {
			modules[name] = m
		}
	}
	return modules
}

// Basics returns the parts of the modules that need no state: genesis, routes.
func (a *App) Basics() module.BasicManager { return a.basics }

// ModuleManager returns the manager of all modules.
func (a *App) ModuleManager() *module.Manager { return a.modules }

// DefaultGenesis returns the genesis of a new network: defaults of every
// module, in the denomination of the network.
func (a *App) DefaultGenesis() map[string]json.RawMessage {
	return a.basics.DefaultGenesis(a.encoding.Codec)
}

// Configurator returns what modules registered their services with.
func (a *App) Configurator() module.Configurator { return a.configurator }

// LoadHeight opens the state as it was after a block.
func (a *App) LoadHeight(height int64) error { return a.LoadVersion(height) }

// RegisterAPIRoutes offers transactions and queries over REST.
func (a *App) RegisterAPIRoutes(server *api.Server, _ config.APIConfig) {
	authtx.RegisterGRPCGatewayRoutes(server.ClientCtx, server.GRPCGatewayRouter)
	cmtservice.RegisterGRPCGatewayRoutes(server.ClientCtx, server.GRPCGatewayRouter)
	nodeservice.RegisterGRPCGatewayRoutes(server.ClientCtx, server.GRPCGatewayRouter)
	a.basics.RegisterGRPCGatewayRoutes(server.ClientCtx, server.GRPCGatewayRouter)
}

// RegisterTxService offers simulation and broadcast of transactions.
func (a *App) RegisterTxService(clientCtx client.Context) {
	authtx.RegisterTxService(a.GRPCQueryRouter(), clientCtx, a.Simulate, a.encoding.Registry)
}

// RegisterTendermintService offers blocks and the validator set.
func (a *App) RegisterTendermintService(clientCtx client.Context) {
	comet := server.NewCometABCIWrapper(a)
	cmtservice.RegisterTendermintService(clientCtx, a.GRPCQueryRouter(), a.encoding.Registry, comet.Query)
}

// RegisterNodeService offers the node's configuration and status.
func (a *App) RegisterNodeService(clientCtx client.Context, cfg config.Config) {
	nodeservice.RegisterNodeService(clientCtx, a.GRPCQueryRouter(), cfg, func() int64 {
		return a.CommitMultiStore().EarliestVersion()
	})
}
