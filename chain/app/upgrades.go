package app

import (
	"context"
	"fmt"

	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
)

// Upgrade is one coordinated change of the chain's code. Governance names it
// and a height; every node stops there and goes on with the binary that knows
// the name.
type Upgrade struct {
	Name string
	// Stores that the new code adds, renames or drops.
	Stores storetypes.StoreUpgrades
	// Migrate changes state beyond the modules' own migrations; nil: nothing.
	Migrate func(ctx context.Context, a *App) error
}

// upgrades are those that this binary knows, oldest first.
func upgrades() []Upgrade {
	return []Upgrade{
		// Payment channels: a new module, with its default parameters.
		{Name: "channels", Stores: storetypes.StoreUpgrades{Added: []string{channelkeeper.StoreKey}}},
	}
}

// registerUpgrades lets the chain go through the given upgrades. It must run
// before the state is loaded: at the height of an upgrade its stores change.
// The old binary left the plan below the home folder when it stopped; an
// application without a home has none.
func (a *App) registerUpgrades(known []Upgrade, home string) error {
	var planned upgradetypes.Plan
	if home != "" {
		var err error
		if planned, err = a.Upgrade.ReadUpgradeInfoFromDisk(); err != nil {
			return fmt.Errorf("read the planned upgrade: %w", err)
		}
	}
	for _, u := range known {
		a.Upgrade.SetUpgradeHandler(u.Name, a.upgradeHandler(u))
		if u.Name == planned.Name && !a.Upgrade.IsSkipHeight(planned.Height) {
			a.SetStoreLoader(upgradetypes.UpgradeStoreLoader(planned.Height, &u.Stores))
		}
	}
	return nil
}

func (a *App) upgradeHandler(u Upgrade) upgradetypes.UpgradeHandler {
	return func(ctx context.Context, _ upgradetypes.Plan, from module.VersionMap) (module.VersionMap, error) {
		to, err := a.modules.RunMigrations(ctx, a.configurator, from)
		if err != nil {
			return nil, fmt.Errorf("upgrade %s: migrate the modules: %w", u.Name, err)
		}
		if u.Migrate == nil {
			return to, nil
		}
		if err := u.Migrate(ctx, a); err != nil {
			return nil, fmt.Errorf("upgrade %s: %w", u.Name, err)
		}
		return to, nil
	}
}
