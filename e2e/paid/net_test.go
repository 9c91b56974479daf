package paid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"

	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/localnet"
	"github.com/plexusnet/plexus/chain/localnet/files"
	"github.com/plexusnet/plexus/chain/localnet/supervisor"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/miner/till"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

const (
	chainID     = "plexus-paid"
	netuid      = 1
	tempo       = 20 // blocks
	pocketMoney = 10_000 * subnet.PLX
	nodeName    = "node"
	ownerName   = "owner"
	// patience is the bound on whatever takes some blocks on a busy machine.
	patience = 2 * time.Minute
)

// prices are what every miner asks for: something of each kind.
var prices = []string{"--price", "5000nplx", "--price-input-kib", "500nplx", "--price-output-kib", "700nplx", "--price-compute-second", "0.001plx"}

// plan says how large a network is and how its clock goes.
type plan struct {
	miners     int
	payers     []string // accounts with money
	blockTime  time.Duration
	closeDelay uint64 // blocks
	margin     uint64 // blocks before a channel's end in which miners redeem
}

// network is a chain without validators of miners: nothing is emitted to them, so that whatever they have got in the end
// was paid by callers. Gas is free, so that whatever callers have lost was paid to miners.
type network struct {
	t     *testing.T
	plan  plan
	dir   string
	model string
	at    files.Node
	files *files.Network
	keys  keyring.Keyring
	chain *chainclient.Client
	stops sync.WaitGroup
}

// newNetwork starts the chain and opens the subnet.
func newNetwork(t *testing.T, p plan) *network {
	t.Helper()
	dir, err := os.MkdirTemp("", "paid-") // short, for the names of sockets are
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	n := &network{t: t, plan: p, dir: dir}
	require.NoError(t, os.MkdirAll(n.logs(), 0o700))
	t.Cleanup(n.tell)
	ports, err := supervisor.FreePorts(4)
	require.NoError(t, err)
	n.at = files.Node{Home: filepath.Join(n.dir, nodeName), RPC: ports[0], P2P: ports[1], GRPC: ports[2], REST: ports[3]}
	n.files, err = files.Write(n.spec())
	require.NoError(t, err)
	n.keys, err = chainclient.OpenKeyring(n.files.KeyDir, keyring.BackendTest, nil)
	require.NoError(t, err)
	n.chain, err = chainclient.Dial(chainclient.Config{Address: n.node(), ChainID: chainID})
	require.NoError(t, err)
	t.Cleanup(func() { _ = n.chain.Close() })
	n.model = n.train()
	n.launch(nodeName, "start", "--home", n.at.Home, "--log_no_color")
	n.until("the node answers", func(ctx context.Context) (bool, error) {
		_, err := n.chain.Status(ctx)
		return err == nil, err
	})
	n.submit(ownerName, &subnetv1.MsgCreateSubnet{Owner: n.address(ownerName), Name: "digits", MaxLock: pocketMoney})
	return n
}

func (n *network) logs() string               { return filepath.Join(n.dir, "logs") }
func (n *network) node() string               { return fmt.Sprintf("127.0.0.1:%d", n.at.GRPC) }
func (n *network) address(name string) string { return n.files.Addresses[name] }

// spec has the rules of production, with a faster clock.
func (n *network) spec() files.Spec {
	channels := files.ScaleChannels(channelkeeper.DefaultParams(), tempo, keeper.DefaultParams().Defaults.Tempo)
	channels.CloseDelay, channels.MaxDuration = n.plan.closeDelay, 1_000_000
	s := files.Spec{ChainID: chainID, Dir: filepath.Join(n.dir, "genesis"), Params: files.Scale(keeper.DefaultParams(), tempo), Channels: &channels,
		BlockTime: n.plan.blockTime, Paced: true,
		Validators: []files.Validator{{Name: "validator", Stake: 1000 * subnet.PLX, Balance: pocketMoney, Node: &n.at}},
		Accounts:   []files.Account{{Name: ownerName, Balance: pocketMoney}}}
	for _, name := range n.plan.payers {
		s.Accounts = append(s.Accounts, files.Account{Name: name, Balance: pocketMoney})
	}
	for i := range n.plan.miners {
		s.Accounts = append(s.Accounts, files.Account{Name: minerName(i), Balance: pocketMoney}, files.Account{Name: minerName(i) + "-hot"})
	}
	return s
}

func minerName(i int) string { return fmt.Sprintf("miner-%02d", i) }

// tell leaves the logs where somebody wants them, and shows their ends when the test has failed.
func (n *network) tell() {
	n.stops.Wait()
	if keep := os.Getenv("PLEXUS_PAID_LOGS"); keep != "" {
		require.NoError(n.t, os.CopyFS(keep, os.DirFS(n.logs())))
	}
	if !n.t.Failed() {
		return
	}
	logs, _ := filepath.Glob(filepath.Join(n.logs(), "*.log"))
	for _, path := range logs {
		text, _ := os.ReadFile(path)
		n.t.Logf("end of %s:\n%s", filepath.Base(path), text[max(0, len(text)-1200):])
	}
}

// train returns the folder of the smallest model.
func (n *network) train() string {
	n.t.Helper()
	cache, err := localnet.ModelCache(1)
	require.NoError(n.t, err)
	n.plexus("model", "train", "--task", "digits", "--grade", "small", "--skip-existing", "--out", cache, "--seed", "1")
	return filepath.Join(cache, "digits-small")
}

// process is a program that runs until it is told to end.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// launch starts a process of the binary; its log goes on where that of an earlier one of the name ended.
func (n *network) launch(name string, args ...string) *process {
	n.t.Helper()
	p, err := n.begin(name, args...)
	require.NoError(n.t, err)
	return p
}

func (n *network) begin(name string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(n.logs(), name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.Command(binary, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = log, log, cleanEnv()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	n.stops.Add(1)
	go func() {
		defer n.stops.Done()
		_ = p.cmd.Wait()
		close(p.done)
	}()
	n.t.Cleanup(p.kill)
	return p, nil
}

// kill ends the process at once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to end.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(time.Minute):
		return errors.New("has not ended within a minute")
	}
}

// plexus runs a command to its end and returns what it wrote.
func (n *network) plexus(args ...string) []byte {
	n.t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, cleanEnv()
	require.NoError(n.t, cmd.Run(), "plexus %s\n%s", strings.Join(args, " "), &errs)
	return out.Bytes()
}

// cleanEnv is the environment without what would configure plexus; the place of ONNX Runtime is the same for all.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "PLEXUS_") && !strings.HasPrefix(pair, "PLEXUS_ONNXRUNTIME=")
	})
}

// common are the flags of every program beside the node.
func (n *network) common(name string) []string {
	return []string{"--home", filepath.Join(n.dir, name), "--node", n.node(), "--chain-id", chainID, "--keyring-backend", "test",
		"--keyring-dir", n.files.KeyDir, "--gas-price", "0", "--node-key", n.nodeKey(name)}
}

func (n *network) nodeKey(name string) string { return filepath.Join(n.dir, name, "node.pem") }

// minerArgs start a miner that refuses who does not pay.
func (n *network) minerArgs(i, port int) []string {
	name := minerName(i)
	args := append([]string{"miner", "start", "--netuid", strconv.Itoa(netuid), "--hotkey", name + "-hot", "--coldkey", name, "--max-burn", "9000plx",
		"--models", n.model, "--batching=false", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--watch-interval", "2s",
		"--payment", "require", "--payment-margin", strconv.FormatUint(n.plan.margin, 10),
		"--redeem-interval", "15s", "--redeem-threshold", "0.001plx"}, prices...)
	return append(args, n.common(name)...)
}

// serves waits until all miners are announced.
func (n *network) serves() {
	n.t.Helper()
	n.until("all miners are announced", func(ctx context.Context) (bool, error) {
		m, err := n.chain.Metagraph(ctx, netuid)
		if err != nil {
			return false, err
		}
		up := 0
		for i := range m.Endpoints {
			if m.Endpoints[i].Port != 0 {
				up++
			}
		}
		return up == n.plan.miners, nil
	})
}

// listening waits until a port is served.
func (n *network) listening(port int) {
	n.t.Helper()
	n.until("port is served", func(context.Context) (bool, error) {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil, err
	})
}

// until waits for something to become so.
func (n *network) until(what string, holds func(context.Context) (bool, error)) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		ok, err := holds(ctx)
		if ok {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			require.Fail(n.t, "not within "+patience.String()+": "+what, "%v", err)
		}
	}
}

func (n *network) signer(name string) *chainclient.Signer {
	n.t.Helper()
	s, err := chainclient.NewSigner(n.keys, name)
	require.NoError(n.t, err)
	return s
}

func (n *network) submit(name string, msg sdk.Msg) {
	n.t.Helper()
	_, err := n.chain.Submit(n.t.Context(), n.signer(name), msg)
	require.NoError(n.t, err)
}

func (n *network) balance(name string) uint64 {
	n.t.Helper()
	nplx, err := n.chain.Balance(context.Background(), n.address(name))
	require.NoError(n.t, err)
	return nplx
}

// balances are those of some accounts, in nplx.
func (n *network) balances(names []string) map[string]uint64 {
	n.t.Helper()
	all := map[string]uint64{}
	for _, name := range names {
		all[name] = n.balance(name)
	}
	return all
}

func (n *network) minerNames() []string {
	var names []string
	for i := range n.plan.miners {
		names = append(names, minerName(i))
	}
	return names
}

// earnings are what the till of a miner says.
func (n *network) earnings(name string) till.Earnings {
	n.t.Helper()
	e, err := till.ReadEarnings(context.Background(), filepath.Join(n.dir, name, "till", fmt.Sprintf("%d-%s.db", netuid, n.address(name+"-hot"))))
	require.NoError(n.t, err)
	return e
}

// books are what the chain says of channels when the last of them is collected.
type books struct {
	channels, vouchers, paid, received, burned uint64
}

// compare compares the books of the chain with the balances of those who paid and of those who were paid, before and now, and
// both with its counts of demand.
func (n *network) compare(payers []string, before map[string]uint64) books {
	n.t.Helper()
	t, ctx := n.t, context.Background()
	totals, err := n.chain.ChannelTotals(ctx)
	require.NoError(t, err)
	assert.Zero(t, totals.Open, "every channel is collected")
	assert.Equal(t, totals.Totals.Opened, totals.Totals.Collected)
	assert.Zero(t, totals.Totals.Escrowed, "nothing is left in channels")
	assert.Zero(t, totals.EscrowAccount, "the escrow is empty")

	b := books{channels: totals.Totals.Opened, burned: totals.Totals.Burned}
	for _, name := range payers {
		b.paid += before[name] - n.balance(name)
	}
	demand := channelv1.Revenue{}
	for _, name := range n.minerNames() {
		got := n.balance(name) - before[name]
		counted, err := n.chain.MinerDemand(ctx, netuid, n.address(name+"-hot"))
		require.NoError(t, err)
		assert.Equal(t, counted.Total.Redeemed-counted.Total.Burned, got, "%s got what the chain counts as its demand, less what was burned", name)
		b.received += got
		demand.Vouchers += counted.Total.Vouchers
		demand.Redeemed += counted.Total.Redeemed
		demand.Burned += counted.Total.Burned
	}
	b.vouchers = demand.Vouchers
	whole, err := n.chain.SubnetDemand(ctx, netuid)
	require.NoError(t, err)
	assert.Equal(t, whole.Total, demand, "the demand of the subnet is that of its miners")
	assert.Equal(t, totals.Totals.Redeemed, demand.Redeemed)
	assert.Equal(t, totals.Totals.Burned, demand.Burned)

	assert.Positive(t, b.paid)
	assert.Positive(t, b.burned)
	assert.Equal(t, b.paid, b.received+b.burned, "paid = received + burned")
	assert.Equal(t, totals.Totals.Redeemed, b.paid, "what callers are poorer by is what was redeemed: the rest came back to the unit")
	return b
}
