package channel

import (
	"context"
	"encoding/json"
	"fmt"

	gwruntime "github.com/grpc-ecosystem/grpc-gateway/runtime"
	"google.golang.org/grpc"

	"cosmossdk.io/core/appmodule"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"

	"github.com/plexusnet/plexus/chain/channel/keeper"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// consensusVersion counts the breaking changes of the stored state.
const consensusVersion = 1

var (
	_ module.HasGenesis          = Module{}
	_ module.AppModuleBasic      = Module{}
	_ appmodule.AppModule        = Module{}
	_ appmodule.HasServices      = Module{}
	_ module.HasConsensusVersion = Module{}
)

// Module plugs the keeper into the application.
type Module struct {
	keeper *keeper.Keeper
}

// NewModule returns the module of a keeper.
func NewModule(k *keeper.Keeper) Module { return Module{keeper: k} }

// IsAppModule marks the type for the module manager.
func (Module) IsAppModule() {}

// IsOnePerModuleType marks the type for the module manager.
func (Module) IsOnePerModuleType() {}

// Name returns the name of the module.
func (Module) Name() string { return keeper.ModuleName }

// ConsensusVersion returns the version of the stored state.
func (Module) ConsensusVersion() uint64 { return consensusVersion }

// RegisterLegacyAminoCodec has nothing to register: messages are signed as
// protobuf, or as amino JSON by their annotations.
func (Module) RegisterLegacyAminoCodec(*codec.LegacyAmino) {}

// RegisterInterfaces makes the messages known to the codec.
func (Module) RegisterInterfaces(registry codectypes.InterfaceRegistry) {
	channelv1.RegisterInterfaces(registry)
}

// RegisterGRPCGatewayRoutes offers the queries over REST.
func (Module) RegisterGRPCGatewayRoutes(clientCtx client.Context, mux *gwruntime.ServeMux) {
	if err := channelv1.RegisterQueryHandlerClient(context.Background(), mux, channelv1.NewQueryClient(clientCtx)); err != nil {
		panic(fmt.Errorf("REST routes of module %s: %w", keeper.ModuleName, err))
	}
}

// RegisterServices offers messages and queries.
func (m Module) RegisterServices(registrar grpc.ServiceRegistrar) error {
	channelv1.RegisterMsgServer(registrar, keeper.NewMsgServer(m.keeper))
	channelv1.RegisterQueryServer(registrar, keeper.NewQueryServer(m.keeper))
	return nil
}

// DefaultGenesis returns the state of a new network.
func (Module) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(keeper.DefaultGenesis())
}

// ValidateGenesis checks a genesis before a chain starts from it.
func (Module) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, raw json.RawMessage) error {
	var state channelv1.GenesisState
	if err := cdc.UnmarshalJSON(raw, &state); err != nil {
		return fmt.Errorf("genesis of module %s: %w", keeper.ModuleName, err)
	}
	return keeper.ValidateGenesis(&state)
}

// InitGenesis stores the genesis. A bad one stops the node before block 1.
func (m Module) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, raw json.RawMessage) {
	var state channelv1.GenesisState
	cdc.MustUnmarshalJSON(raw, &state)
	if err := m.keeper.InitGenesis(ctx, &state); err != nil {
		panic(fmt.Errorf("genesis of module %s: %w", keeper.ModuleName, err))
	}
}

// ExportGenesis returns the state as a genesis.
func (m Module) ExportGenesis(ctx sdk.Context, cdc codec.JSONCodec) json.RawMessage {
	state, err := m.keeper.ExportGenesis(ctx)
	if err != nil {
		panic(fmt.Errorf("export module %s: %w", keeper.ModuleName, err))
	}
	return cdc.MustMarshalJSON(state)
}
