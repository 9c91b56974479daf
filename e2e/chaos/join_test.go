//go:build chaos && linux

package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/localnet/supervisor"
)

const (
	snapshotInterval = 20
	// loadBlocks is how long the chain works before others join.
	loadBlocks = 45
)

// TestJoinAndExport has a fifth node join by state sync and a sixth by
// replaying every block, and starts a new chain from an export of the first.
func TestJoinAndExport(t *testing.T) {
	net := newNetwork(t, plan{
		blockTime: time.Second, accounts: loadAccounts(),
		args: []string{"--state-sync.snapshot-interval", fmt.Sprint(snapshotInterval)},
	})
	net.startAll()
	load := newLoad(net, seedOf(t))
	load.setUp()
	load.run()
	net.waitHeight(net.nodes[0], loadBlocks, syncBound)

	t.Run("a fifth node joins by state sync", func(t *testing.T) {
		fifth := net.newcomer("fifth")
		trusted := net.top() - snapshotInterval/2
		hash := blockHash(t, net.nodes[0], trusted)
		edit(t, fifth, "config.toml", "statesync", map[string]string{
			"enable":       "true",
			"rpc_servers":  fmt.Sprintf("%q", rpcAddress(net.nodes[0])+","+rpcAddress(net.nodes[1])),
			"trust_height": fmt.Sprint(trusted),
			"trust_hash":   fmt.Sprintf("%q", hash),
		})
		began := time.Now()
		net.launch(fifth)
		net.waitSynced(fifth)
		took := time.Since(began)
		status, err := fifth.rpc.Status(t.Context())
		require.NoError(t, err)
		base := status.SyncInfo.EarliestBlockHeight
		require.Greater(t, base, int64(snapshotInterval), "it must not have replayed the blocks before the snapshot")
		last := net.common(net.nodes...)
		requireSameBlocks(t, base, last, net.nodes[0], fifth)
		requireExactSupply(t, fifth, last, net.files.Supply)
		t.Logf("restored the state before block %d and followed to height %d in %s", base, last, took.Round(100*time.Millisecond))
	})
	t.Run("a sixth node joins by replay", func(t *testing.T) {
		sixth := net.newcomer("sixth")
		began := time.Now()
		net.launch(sixth)
		net.waitSynced(sixth)
		took := time.Since(began)
		last := net.common(net.nodes...)
		requireSameBlocks(t, 1, last, net.nodes[0], sixth)
		requireExactSupply(t, sixth, last, net.files.Supply)
		t.Logf("replayed %d blocks and followed in %s", last, took.Round(100*time.Millisecond))
	})
	load.halt(t)
	t.Run("a new chain from an export goes on as the old one does", func(t *testing.T) { exportAndGoOn(t, net) })
}

// newcomer is the home of a node that knows the genesis and its peers.
func (n *network) newcomer(name string) *node {
	n.t.Helper()
	at, _ := loopback(n.t)(0)
	at.Home = filepath.Join(n.dir, name)
	plexus(n.t, "init", name, "--chain-id", n.files.ChainID, "--home", at.Home)
	genesis, err := os.ReadFile(filepath.Join(n.nodes[0].home, "config", "genesis.json"))
	require.NoError(n.t, err)
	require.NoError(n.t, os.WriteFile(filepath.Join(at.Home, "config", "genesis.json"), genesis, 0o600))

	var peers []string
	for _, peer := range n.nodes[:nodeCount] {
		id := strings.TrimSpace(plexus(n.t, "comet", "show-node-id", "--home", peer.home))
		peers = append(peers, fmt.Sprintf("%s@%s:%d", id, peer.at.Host, peer.at.P2P))
	}
	node := &node{name: name, home: at.Home, at: at}
	edit(n.t, node, "config.toml", "rpc", map[string]string{"laddr": fmt.Sprintf(`"tcp://127.0.0.1:%d"`, at.RPC), "pprof_laddr": `""`})
	edit(n.t, node, "config.toml", "p2p", map[string]string{
		"laddr": fmt.Sprintf(`"tcp://127.0.0.1:%d"`, at.P2P), "persistent_peers": fmt.Sprintf("%q", strings.Join(peers, ",")),
		"addr_book_strict": "false", "allow_duplicate_ip": "true",
	})
	edit(n.t, node, "config.toml", "consensus", map[string]string{"timeout_commit": `"1s"`})
	edit(n.t, node, "app.toml", "api", map[string]string{"address": fmt.Sprintf(`"tcp://127.0.0.1:%d"`, at.REST)})
	edit(n.t, node, "app.toml", "grpc", map[string]string{"address": fmt.Sprintf(`"127.0.0.1:%d"`, at.GRPC)})
	n.connect(node)
	n.nodes = append(n.nodes, node)
	return node
}

func rpcAddress(n *node) string { return fmt.Sprintf("http://%s:%d", n.at.Host, n.at.RPC) }

func blockHash(t *testing.T, n *node, height int64) string {
	t.Helper()
	header, err := n.rpc.Header(t.Context(), &height)
	require.NoError(t, err)
	return header.Header.Hash().String()
}

// edit changes keys of one section of a node's configuration, as an operator
// does with an editor.
func edit(t *testing.T, n *node, file, section string, values map[string]string) {
	t.Helper()
	path := filepath.Join(n.home, "config", file)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	begin := bytes.Index(raw, []byte("\n["+section+"]\n"))
	require.GreaterOrEqual(t, begin, 0, "%s has no section %s", file, section)
	begin += len(section) + 4
	end := len(raw)
	if next := bytes.Index(raw[begin:], []byte("\n[")); next >= 0 {
		end = begin + next
	}
	body := raw[begin:end]
	for key, value := range values {
		line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(key) + ` = .*$`)
		require.True(t, line.Match(body), "%s: section %s has no key %s", file, section, key)
		body = line.ReplaceAllLiteral(body, []byte(key+" = "+value))
	}
	require.NoError(t, os.WriteFile(path, slices.Concat(raw[:begin], body, raw[end:]), 0o600))
}

// exportAndGoOn exports the state after a block that no transaction follows,
// starts four nodes from it, and compares the subnets of both chains some
// epochs later.
func exportAndGoOn(t *testing.T, net *network) {
	archive := net.nodes[len(net.nodes)-1] // the one that has replayed everything
	at := waitForSilence(t, net)
	const epochs = 3
	until := at + epochs*tempo
	net.waitHeight(archive, until, syncBound)
	net.stop(archive)
	exported := renamed(t, plexus(t, "export", "--height", fmt.Sprint(at), "--home", archive.home), net.files.ChainID+"-2")
	want := subnetState(t, archive, until)
	for _, n := range net.nodes[:len(net.nodes)-1] {
		net.stop(n)
	}

	fresh := &network{t: t, dir: filepath.Join(net.dir, "fresh"), files: net.files}
	fresh.logs = filepath.Join(fresh.dir, "logs")
	var err error
	fresh.sup, err = supervisor.New(fresh.logs, nil)
	require.NoError(t, err)
	t.Cleanup(fresh.close)
	for _, old := range net.nodes[:nodeCount] {
		node := &node{name: old.name, home: filepath.Join(fresh.dir, old.name), at: old.at}
		carryHome(t, old.home, node.home, exported)
		fresh.connect(node)
		fresh.nodes = append(fresh.nodes, node)
	}
	for _, n := range fresh.nodes {
		fresh.launch(n)
	}
	fresh.waitHeight(fresh.nodes[0], until+1, syncBound)
	for _, n := range fresh.nodes {
		fresh.waitSynced(n)
	}
	last := fresh.common(fresh.nodes...)
	requireSameBlocks(t, at+1, last, fresh.nodes...)
	requireExactSupply(t, fresh.nodes[0], last, net.files.Supply)
	fresh.stop(fresh.nodes[0])
	got := subnetState(t, fresh.nodes[0], until)
	require.JSONEq(t, want, got, "the subnets %d blocks after the export", until-at)
	t.Logf("exported after block %d; %d blocks and %d epochs later the subnets of both chains are equal to the unit; the new chain is at height %d",
		at, until-at, epochs, last)
}

// renamed gives a genesis another chain id. Nodes of the old chain would be
// taken for peers otherwise, with blocks that nobody can follow.
func renamed(t *testing.T, genesis, chainID string) string {
	t.Helper()
	var doc map[string]any
	decoder := json.NewDecoder(strings.NewReader(genesis))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&doc))
	doc["chain_id"] = chainID
	raw, err := json.Marshal(doc)
	require.NoError(t, err)
	return string(raw)
}

// waitForSilence returns a height after which no transaction follows.
func waitForSilence(t *testing.T, net *network) int64 {
	t.Helper()
	const quiet = 5
	for h, empty := net.top(), 0; ; h++ {
		net.waitHeight(net.nodes[0], h, startBound)
		block, err := net.nodes[0].rpc.Block(t.Context(), &h)
		require.NoError(t, err)
		if empty++; len(block.Block.Txs) > 0 {
			empty = 0
		}
		if empty == quiet {
			return h
		}
	}
}

// subnetState is the module's whole state after a block, of a stopped node.
func subnetState(t *testing.T, n *node, height int64) string {
	t.Helper()
	var genesis struct {
		AppState map[string]json.RawMessage `json:"app_state"`
	}
	out := plexus(t, "export", "--height", fmt.Sprint(height), "--modules-to-export", "subnet", "--home", n.home)
	require.NoError(t, json.Unmarshal([]byte(out), &genesis))
	require.NotEmpty(t, genesis.AppState["subnet"])
	return string(genesis.AppState["subnet"])
}

// carryHome makes the home of a node of the new chain: keys and configuration
// of the old one, the export as genesis, and no data.
func carryHome(t *testing.T, from, to, genesis string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(to, "config"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(to, "data"), 0o700))
	for _, name := range []string{"config.toml", "app.toml", "client.toml", "node_key.json", "priv_validator_key.json"} {
		raw, err := os.ReadFile(filepath.Join(from, "config", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, "config", name), raw, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(to, "config", "genesis.json"), []byte(genesis), 0o600))
	unsigned := `{"height":"0","round":0,"step":0}`
	require.NoError(t, os.WriteFile(filepath.Join(to, "data", "priv_validator_state.json"), []byte(unsigned), 0o600))
}
