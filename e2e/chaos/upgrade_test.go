//go:build chaos && linux

package chaos

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/localnet/supervisor"
)

const (
	upgradeName = "rehearsal"
	// migrated is what the upgrade's migration leaves behind.
	migrated = 4321
)

// TestUpgradeByGovernance votes for an upgrade, sees the old binary stop at its
// height, and goes on with a binary that knows it.
func TestUpgradeByGovernance(t *testing.T) {
	next := buildNext(t)
	net := newNetwork(t, plan{blockTime: time.Second, accounts: loadAccounts()})
	for _, n := range net.nodes {
		replace(t, filepath.Join(n.home, "config", "genesis.json"),
			`"voting_period": "172800s"`, `"voting_period": "20s"`, `"expedited_voting_period": "86400s"`, `"expedited_voting_period": "10s"`)
	}
	net.startAll()
	load := newLoad(net, seedOf(t))
	load.setUp()

	at := net.top() + 60
	tx := func(from string, words ...string) {
		plexus(t, append(append([]string{"tx"}, words...), "--from", from, "--home", net.files.KeyDir, "--chain-id", net.files.ChainID,
			"--gas", "400000", "--gas-prices", gasPrice+"nplx", "--yes")...)
	}
	tx("owner", "upgrade", "software-upgrade", upgradeName, "--upgrade-height", fmt.Sprint(at), "--title", "Rehearsal",
		"--summary", "A rehearsal", "--no-validate", "--deposit", "10000000nplx")
	net.waitHeight(net.nodes[0], net.top()+3, startBound)
	for _, n := range net.nodes {
		tx(n.name, "gov", "vote", "1", "yes")
	}

	deadline := time.Now().Add(syncBound)
	for _, n := range net.nodes {
		for !strings.Contains(logOf(net, n), fmt.Sprintf("UPGRADE %q NEEDED at height: %d", upgradeName, at)) {
			require.True(t, time.Now().Before(deadline), "%s did not stop for the upgrade; it is at height %d", n.name, n.height(t.Context()))
			time.Sleep(200 * time.Millisecond)
		}
	}
	for _, n := range net.nodes {
		net.stop(n)
	}
	binary, next = next, binary
	t.Cleanup(func() { binary = next })
	for _, n := range net.nodes {
		net.launch(n)
	}
	for _, n := range net.nodes {
		net.waitHeight(n, at+5, syncBound)
	}
	last := net.common(net.nodes...)
	requireSameBlocks(t, 1, last, net.nodes...)
	requireExactSupply(t, net.nodes[0], last, net.files.Supply)
	for height, want := range map[int64]uint32{at - 1: stakingtypes.DefaultHistoricalEntries, at: migrated} {
		var params stakingtypes.QueryParamsResponse
		require.NoError(t, ask(t.Context(), net.nodes[0], height, "/cosmos.staking.v1beta1.Query/Params", &stakingtypes.QueryParamsRequest{}, &params))
		require.Equal(t, want, params.Params.HistoricalEntries, "at height %d", height)
	}
	t.Logf("stopped for the upgrade at height %d, migrated, and at height %d with the next binary", at, last)
}

// buildNext builds a binary of this tree that knows one upgrade more.
func buildNext(t *testing.T) string {
	t.Helper()
	source, err := filepath.Abs("../../chain/app/upgrades.go")
	require.NoError(t, err)
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	const none = "func upgrades() []Upgrade { return nil }"
	require.Contains(t, string(text), none)
	one := fmt.Sprintf(`func upgrades() []Upgrade {
	return []Upgrade{{Name: %q, Migrate: func(ctx context.Context, a *App) error {
		params, err := a.Staking.GetParams(ctx)
		if err != nil {
			return err
		}
		params.HistoricalEntries = %d
		return a.Staking.SetParams(ctx, params)
	}}}
}`, upgradeName, migrated)
	dir := t.TempDir()
	changed := filepath.Join(dir, "upgrades.go")
	require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(text), none, one, 1)), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	path := filepath.Join(dir, "plexus")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, "../../cmd/plexus").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

func logOf(net *network, n *node) string {
	text, _ := os.ReadFile(supervisor.LogPath(net.logs, n.life()))
	return string(text)
}

// replace changes texts of a file, given as pairs.
func replace(t *testing.T, path string, pairs ...string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, string(raw), pairs[i], path)
	}
	require.NoError(t, os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(raw))), 0o600))
}
