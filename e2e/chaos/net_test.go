//go:build chaos && linux

package chaos

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/localnet/files"
	"github.com/plexusnet/plexus/chain/localnet/supervisor"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/subnet"
)

const (
	gasPrice = "0.001"
	// tempo makes epochs frequent; the other periods are scaled with it.
	tempo = 10
	// startBound is how long a node may take to answer, syncBound to reach the
	// others: generous, the machine may be busy.
	startBound = time.Minute
	syncBound  = 2 * time.Minute
)

// node is one node over all its lives.
type node struct {
	name  string
	home  string
	at    files.Node
	space string   // network namespace; empty: the one of the test
	args  []string // of `plexus start`
	lives int
	kills int
	rpc   *rpchttp.HTTP
}

// life names the process of the current life.
func (n *node) life() string { return fmt.Sprintf("%s.%d", n.name, n.lives) }

// network is a chain of real processes.
type network struct {
	t     *testing.T
	dir   string
	logs  string
	files *files.Network
	sup   *supervisor.Supervisor
	nodes []*node
	keys  keyring.Keyring
}

// plan says what network a test wants.
type plan struct {
	blockTime time.Duration
	paced     bool
	accounts  []files.Account
	// place says where node i lives; nil: on free ports of loopback.
	place func(i int) (at files.Node, space string)
	args  []string // of every `plexus start`
}

const nodeCount = 4

// newNetwork writes the files of four validators of equal stake.
func newNetwork(t *testing.T, p plan) *network {
	t.Helper()
	dir := t.TempDir()
	n := &network{t: t, dir: dir, logs: filepath.Join(dir, "logs")}
	params := files.Scale(keeper.DefaultParams(), tempo)
	// A small subnet, so that registrations soon replace neurons.
	params.Defaults.MaxUids = 24
	params.Defaults.MaxValidators = 8
	params.Defaults.ImmunityPeriod = 20
	params.Defaults.MinNonImmune = 2
	params.Defaults.CommitReveal = subnet.CommitRevealOff // weights go as often as the load sends them
	spec := files.Spec{
		ChainID: "plexus-chaos", Dir: dir, Params: params, BlockTime: p.blockTime, Paced: p.paced,
		MinGasPrice: gasPrice, Accounts: p.accounts,
	}
	place := p.place
	if place == nil {
		place = loopback(t)
	}
	for i := range nodeCount {
		at, space := place(i)
		at.Home = filepath.Join(dir, fmt.Sprintf("node%d", i))
		n.nodes = append(n.nodes, &node{name: fmt.Sprintf("node%d", i), home: at.Home, at: at, space: space, args: p.args})
		spec.Validators = append(spec.Validators, files.Validator{
			Name: fmt.Sprintf("node%d", i), Stake: 1000 * subnet.PLX, Balance: 1000 * subnet.PLX, Node: &at,
		})
	}
	var err error
	n.files, err = files.Write(spec)
	require.NoError(t, err)
	n.keys, err = chainclient.OpenKeyring(n.files.KeyDir, keyring.BackendTest, nil)
	require.NoError(t, err)
	n.sup, err = supervisor.New(n.logs, nil)
	require.NoError(t, err)
	t.Cleanup(n.close)
	for _, node := range n.nodes {
		n.connect(node)
	}
	return n
}

func loopback(t *testing.T) func(int) (files.Node, string) {
	return func(int) (files.Node, string) {
		ports, err := supervisor.FreePorts(4)
		require.NoError(t, err)
		return files.Node{Host: "127.0.0.1", RPC: ports[0], P2P: ports[1], GRPC: ports[2], REST: ports[3]}, ""
	}
}

func (n *network) close() {
	if err := n.sup.Stop(); err != nil {
		n.t.Log(err)
	}
	if !n.t.Failed() {
		return
	}
	for _, node := range n.nodes {
		text, _ := os.ReadFile(supervisor.LogPath(n.logs, node.life()))
		n.t.Logf("end of the log of %s:\n%s", node.life(), text[max(0, len(text)-3000):])
	}
}

// connect prepares the way to a node's RPC listener.
func (n *network) connect(node *node) {
	n.t.Helper()
	dial := (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	if node.space != "" {
		dial = dialIn(node.space)
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: dial}}
	var err error
	node.rpc, err = rpchttp.NewWithClient(fmt.Sprintf("http://%s:%d", node.at.Host, node.at.RPC), "/websocket", client)
	require.NoError(n.t, err)
}

// launch starts a node and does not wait for it.
func (n *network) launch(node *node) {
	n.t.Helper()
	node.lives++
	args := append([]string{"start", "--home", node.home}, node.args...)
	path := binary
	if node.space != "" {
		ip, err := exec.LookPath("ip")
		require.NoError(n.t, err)
		path, args = ip, append([]string{"netns", "exec", node.space, binary}, args...)
	}
	require.NoError(n.t, n.sup.Start(n.t.Context(), supervisor.Process{
		Name: node.life(), Path: path, Args: args, Env: cleanEnv(), Grace: 30 * time.Second,
	}))
}

// cleanEnv is the environment without what would configure plexus.
func cleanEnv() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "PLEXUS_") {
			env = append(env, pair)
		}
	}
	return env
}

// startAll starts every node and returns when all make blocks.
func (n *network) startAll() {
	n.t.Helper()
	for _, node := range n.nodes {
		n.launch(node)
	}
	for _, node := range n.nodes {
		n.waitHeight(node, 2, startBound)
	}
}

// kill is a power cut: no process gets a chance to tidy up.
func (n *network) kill(node *node) {
	n.t.Helper()
	node.kills++
	n.end(node, syscall.SIGKILL)
}

// stop asks a node to end.
func (n *network) stop(node *node) {
	n.t.Helper()
	n.end(node, syscall.SIGTERM)
}

func (n *network) end(node *node, sig syscall.Signal) {
	n.t.Helper()
	require.NoError(n.t, n.sup.Signal(node.life(), sig))
	require.Eventually(n.t, func() bool { _, alive := n.sup.Running(node.life()); return !alive },
		startBound, 20*time.Millisecond, "%s does not end by %s", node.life(), sig)
}

// height is the last block of a node, 0 while it does not answer.
func (n *node) height(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	status, err := n.rpc.Status(ctx)
	if err != nil {
		return 0
	}
	return status.SyncInfo.LatestBlockHeight
}

func (n *network) waitHeight(node *node, height int64, within time.Duration) {
	n.t.Helper()
	deadline := time.Now().Add(within)
	for node.height(n.t.Context()) < height {
		n.requireAlive(node)
		require.True(n.t, time.Now().Before(deadline), "%s is at height %d after %s, not at %d", node.name, node.height(n.t.Context()), within, height)
		time.Sleep(100 * time.Millisecond)
	}
}

func (n *network) requireAlive(node *node) {
	n.t.Helper()
	if _, alive := n.sup.Running(node.life()); !alive {
		text, _ := os.ReadFile(supervisor.LogPath(n.logs, node.life()))
		require.Fail(n.t, node.life()+" ended by itself", "%s", text[max(0, len(text)-4000):])
	}
}

// waitSynced returns when a node takes part in consensus again, at the height
// of the others.
func (n *network) waitSynced(node *node) {
	n.t.Helper()
	deadline := time.Now().Add(syncBound)
	for {
		n.requireAlive(node)
		status, err := node.rpc.Status(n.t.Context())
		if err == nil && !status.SyncInfo.CatchingUp && status.SyncInfo.LatestBlockHeight+1 >= n.top() {
			return
		}
		require.True(n.t, time.Now().Before(deadline), "%s has not caught up within %s: %v %v", node.name, syncBound, status, err)
		time.Sleep(100 * time.Millisecond)
	}
}

// top is the height of the node that is furthest.
func (n *network) top() int64 {
	top := int64(0)
	for _, node := range n.nodes {
		top = max(top, node.height(n.t.Context()))
	}
	return top
}

// common is the last height that all the given nodes have.
func (n *network) common(nodes ...*node) int64 {
	low := nodes[0].height(n.t.Context())
	for _, node := range nodes {
		low = min(low, node.height(n.t.Context()))
	}
	return low
}

// plexus runs a command to its end and returns what it printed.
func plexus(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t, binary, args...)
	require.NoError(t, err, "plexus %s", strings.Join(args, " "))
	return out
}

func command(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = cleanEnv()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s%s", err, out, stderr.String())
	}
	return string(out), err
}

// execute runs a command that must also run when the test is over.
func execute(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}
