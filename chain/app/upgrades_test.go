package app

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/store/v2/rootmulti"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

type homeOption string

func (h homeOption) Get(key string) any {
	if key == flags.FlagHome {
		return string(h)
	}
	return nil
}

// writePlan leaves a plan where a node that stopped for it leaves it.
func writePlan(t *testing.T, home string, plan any) {
	raw, err := json.Marshal(plan)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(home, "data"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, "data", "upgrade-info.json"), raw, 0o600))
}

func TestUpgradeHandlersAreRegisteredAndMigrate(t *testing.T) {
	home := t.TempDir()
	writePlan(t, home, upgradetypes.Plan{Name: "second", Height: 7})
	a, err := New(log.NewNopLogger(), dbm.NewMemDB(), false, homeOption(home))
	require.NoError(t, err)

	migrated := ""
	note := func(name string) func(context.Context, *App) error {
		return func(_ context.Context, got *App) error {
			require.Same(t, a, got)
			migrated = name
			return nil
		}
	}
	known := []Upgrade{{Name: "first", Migrate: note("first")}, {Name: "second", Migrate: note("second")}, {Name: "third"}}
	require.NoError(t, a.registerUpgrades(known, home))
	for _, u := range known {
		require.True(t, a.Upgrade.HasHandler(u.Name), u.Name)
	}
	require.False(t, a.Upgrade.HasHandler("unknown"))

	require.NoError(t, a.LoadLatestVersion())
	ctx := a.NewNextBlockContext(cmtproto.Header{Height: 7})
	versions, err := a.upgradeHandler(known[1])(ctx, upgradetypes.Plan{}, a.modules.GetVersionMap())
	require.NoError(t, err)
	require.Equal(t, "second", migrated)
	require.Equal(t, a.modules.GetVersionMap(), versions)
}

// TestTheUpgradeToChannels takes a chain on disk that has no such store through
// the upgrade that brings it: without the plan it does not load, with it the
// module starts with its defaults.
func TestTheUpgradeToChannels(t *testing.T) {
	described, err := Describe()
	require.NoError(t, err)
	db := dbm.NewMemDB()
	before := rootmulti.NewStore(db, log.NewNopLogger())
	for name, key := range described.keys {
		if name != channelkeeper.StoreKey {
			before.MountStoreWithDB(key, storetypes.StoreTypeIAVL, nil)
		}
	}
	require.NoError(t, before.LoadLatestVersion())
	for range 6 {
		before.Commit()
	}

	home := t.TempDir()
	_, err = New(log.NewNopLogger(), db, true, homeOption(home))
	require.Error(t, err, "a store is missing")

	writePlan(t, home, upgradetypes.Plan{Name: "channels", Height: 7})
	a, err := New(log.NewNopLogger(), db, true, homeOption(home))
	require.NoError(t, err)
	require.EqualValues(t, 6, a.LastBlockHeight())
	ctx := a.NewNextBlockContext(cmtproto.Header{Height: 7})
	from := a.modules.GetVersionMap()
	delete(from, channelkeeper.ModuleName)
	to, err := a.upgradeHandler(upgrades()[0])(ctx, upgradetypes.Plan{}, from)
	require.NoError(t, err)
	require.Equal(t, a.modules.GetVersionMap(), to)
	res, err := channelkeeper.NewQueryServer(a.Channel).Params(ctx, &channelv1.QueryParamsRequest{})
	require.NoError(t, err)
	require.Equal(t, channelkeeper.DefaultParams(), res.Params)
}

func TestAnUnreadablePlanStopsTheNode(t *testing.T) {
	home := t.TempDir()
	writePlan(t, home, map[string]any{"name": "", "height": 5})
	_, err := New(log.NewNopLogger(), dbm.NewMemDB(), false, homeOption(home))
	require.ErrorContains(t, err, "planned upgrade")
}

func TestDescribingTheChainTouchesNoFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Describe()
	require.NoError(t, err)
	left, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, left)
}
