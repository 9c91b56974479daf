package app

import (
	"encoding/json"
	"fmt"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	"github.com/cosmos/cosmos-sdk/x/staking"
)

// Export returns the state as a genesis that a new chain can start from at the
// next height.
func (a *App) Export(modules []string) (servertypes.ExportedApp, error) {
	height := a.LastBlockHeight() + 1
	ctx := a.NewContextLegacy(true, cmtproto.Header{Height: a.LastBlockHeight()})
	state, err := a.modules.ExportGenesisForModules(ctx, a.encoding.Codec, modules)
	if err != nil {
		return servertypes.ExportedApp{}, fmt.Errorf("export the modules: %w", err)
	}
	raw, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return servertypes.ExportedApp{}, fmt.Errorf("encode the state: %w", err)
	}
	validators, err := staking.WriteValidators(ctx, a.Staking)
	if err != nil {
		return servertypes.ExportedApp{}, fmt.Errorf("export the validators: %w", err)
	}
	return servertypes.ExportedApp{
		AppState:        raw,
		Validators:      validators,
		Height:          height,
		ConsensusParams: a.GetConsensusParams(ctx),
	}, nil
}
