package app

import (
	"fmt"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	reflectionv1 "cosmossdk.io/api/cosmos/reflection/v1"

	runtimeservices "github.com/cosmos/cosmos-sdk/runtime/services"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authsims "github.com/cosmos/cosmos-sdk/x/auth/simulation"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	authzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"
	"github.com/cosmos/cosmos-sdk/x/bank"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/consensus"
	consensustypes "github.com/cosmos/cosmos-sdk/x/consensus/types"
	distr "github.com/cosmos/cosmos-sdk/x/distribution"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	"github.com/cosmos/cosmos-sdk/x/evidence"
	evidencetypes "github.com/cosmos/cosmos-sdk/x/evidence/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	feegrantmodule "github.com/cosmos/cosmos-sdk/x/feegrant/module"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	"github.com/cosmos/cosmos-sdk/x/gov"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	"github.com/cosmos/cosmos-sdk/x/slashing"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	"github.com/cosmos/cosmos-sdk/x/staking"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	"github.com/cosmos/cosmos-sdk/x/upgrade"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	chainchannel "github.com/plexusnet/plexus/chain/channel"
	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	chainsubnet "github.com/plexusnet/plexus/chain/subnet"
	subnetkeeper "github.com/plexusnet/plexus/chain/subnet/keeper"
)

// buildModules puts the modules together and fixes the orders in which they
// act in a block and in a genesis.
func (a *App) buildModules() error {
	cdc, registry := a.encoding.Codec, a.encoding.Registry
	a.modules = module.NewManager(
		genutil.NewAppModule(a.Accounts, a.Staking, a, a.encoding.TxConfig),
		auth.NewAppModule(cdc, a.Accounts, authsims.RandomGenesisAccounts),
		bank.NewAppModule(cdc, a.Bank, a.Accounts),
		staking.NewAppModule(cdc, a.Staking, a.Accounts, a.Bank),
		distr.NewAppModule(cdc, a.Distribution, a.Accounts, a.Bank, a.Staking),
		slashing.NewAppModule(cdc, a.Slashing, a.Accounts, a.Bank, a.Staking, registry),
		gov.NewAppModule(cdc, a.Gov, a.Accounts, a.Bank),
		upgrade.NewAppModule(a.Upgrade, a.Accounts.AddressCodec()),
		evidence.NewAppModule(*a.Evidence),
		authzmodule.NewAppModule(cdc, a.Authz, a.Accounts, a.Bank, registry),
		feegrantmodule.NewAppModule(cdc, a.Accounts, a.Bank, a.FeeGrant, registry),
		consensus.NewAppModule(cdc, a.Consensus),
		chainsubnet.NewModule(a.Subnet),
		chainchannel.NewModule(a.Channel),
	)
	a.basics = module.NewBasicManagerFromManager(a.modules, map[string]module.AppModuleBasic{
		genutiltypes.ModuleName: genutil.NewAppModuleBasic(genutiltypes.DefaultMessageValidator),
		govtypes.ModuleName:     gov.NewAppModuleBasic(nil),
	})
	a.basics.RegisterLegacyAminoCodec(a.encoding.Amino)
	a.basics.RegisterInterfaces(registry)

	// Upgrades change the code before anything else runs it.
	a.modules.SetOrderPreBlockers(upgradetypes.ModuleName, authtypes.ModuleName)
	// Distribution hands out the fees of the last block before slashing can
	// change who shares in them.
	a.modules.SetOrderBeginBlockers(
		distrtypes.ModuleName, slashingtypes.ModuleName, evidencetypes.ModuleName,
		stakingtypes.ModuleName, genutiltypes.ModuleName, authz.ModuleName,
	)
	// Epochs read stake as the block left it; staking then computes the next
	// validator set.
	a.modules.SetOrderEndBlockers(
		banktypes.ModuleName, govtypes.ModuleName, subnetkeeper.ModuleName, stakingtypes.ModuleName,
		genutiltypes.ModuleName, feegrant.ModuleName,
	)
	// Distribution and slashing come before genutil, whose transactions create
	// the first validators and call their hooks; our own modules last, so that
	// they can compare their accounts with their balances.
	order := []string{
		authtypes.ModuleName, banktypes.ModuleName, distrtypes.ModuleName, stakingtypes.ModuleName,
		slashingtypes.ModuleName, govtypes.ModuleName, genutiltypes.ModuleName, evidencetypes.ModuleName,
		authz.ModuleName, feegrant.ModuleName, upgradetypes.ModuleName, consensustypes.ModuleName,
		subnetkeeper.ModuleName, channelkeeper.ModuleName,
	}
	a.modules.SetOrderInitGenesis(order...)
	a.modules.SetOrderExportGenesis(order...)

	a.configurator = module.NewConfigurator(cdc, a.MsgServiceRouter(), a.GRPCQueryRouter())
	if err := a.modules.RegisterServices(a.configurator); err != nil {
		return fmt.Errorf("register the modules' services: %w", err)
	}
	return a.registerIntrospection()
}

// registerIntrospection offers what command lines and explorers ask about a
// chain they do not know.
func (a *App) registerIntrospection() error {
	autocliv1.RegisterQueryServer(a.GRPCQueryRouter(), runtimeservices.NewAutoCLIQueryService(modulesAsAny(a.modules)))
	reflection, err := runtimeservices.NewReflectionService()
	if err != nil {
		return fmt.Errorf("reflection service: %w", err)
	}
	reflectionv1.RegisterReflectionServiceServer(a.GRPCQueryRouter(), reflection)
	return nil
}

func modulesAsAny(m *module.Manager) map[string]any { return m.Modules }
