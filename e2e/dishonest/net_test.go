//go:build dishonest

package dishonest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	"github.com/plexusnet/plexus/beacon"
	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/localnet"
	"github.com/plexusnet/plexus/chain/localnet/files"
	"github.com/plexusnet/plexus/chain/localnet/supervisor"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/tasks"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

const (
	chainID   = "plexus-dishonest"
	netuid    = 1
	blockTime = 400 * time.Millisecond
	tempo     = 20 // blocks
	// roundInterval gives a validator three rounds in an epoch.
	roundInterval = 2600 * time.Millisecond
	challenges    = 24
	pocketMoney   = 2_000 * subnet.PLX

	ownerName  = "owner"
	beaconName = "beacon"
	nodeName   = "node"
)

// honest validators hold a majority together, and none alone.
type honestValidator struct {
	name  string
	stake uint64
}

func honestValidators() []honestValidator {
	return []honestValidator{
		{"validator-1", 28_000 * subnet.PLX},
		{"validator-2", 22_000 * subnet.PLX},
		{"validator-3", 15_000 * subnet.PLX},
	}
}

// net is the network of a test.
type network struct {
	t     *testing.T
	dir   string
	at    files.Node
	files *files.Network
	sup   *supervisor.Supervisor
	chain *chainclient.Client
	keys  keyring.Keyring
}

// newNetwork writes the files of a network in which everybody has keys and money.
func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, dir: t.TempDir()}
	ports, err := supervisor.FreePorts(4)
	require.NoError(t, err)
	n.at = files.Node{Home: filepath.Join(n.dir, nodeName), RPC: ports[0], P2P: ports[1], GRPC: ports[2], REST: ports[3]}
	key, err := beacon.CreateKey(n.beaconKey())
	require.NoError(t, err)
	n.files, err = files.Write(n.spec(key.Public().Bytes()))
	require.NoError(t, err)
	n.keys, err = chainclient.OpenKeyring(n.files.KeyDir, keyring.BackendTest, nil)
	require.NoError(t, err)
	n.sup, err = supervisor.New(filepath.Join(n.dir, "logs"), nil)
	require.NoError(t, err)
	t.Cleanup(n.close)
	n.chain, err = chainclient.Dial(chainclient.Config{Address: n.node(), ChainID: chainID})
	require.NoError(t, err)
	t.Cleanup(func() { _ = n.chain.Close() })
	return n
}

func (n *network) beaconKey() string { return filepath.Join(n.dir, "beacon.key") }
func (n *network) node() string      { return fmt.Sprintf("127.0.0.1:%d", n.at.GRPC) }

// spec has the rules of production, with a faster clock.
func (n *network) spec(beaconKey []byte) files.Spec {
	params := files.Scale(keeper.DefaultParams(), tempo)
	params.Beacon = subnetv1.Beacon{PublicKey: beaconKey, GenesisTime: time.Now().Unix(), PeriodSeconds: 1}
	s := files.Spec{ChainID: chainID, Dir: filepath.Join(n.dir, "genesis"), Params: params, BlockTime: blockTime, Paced: true, ActiveValidators: 1,
		Accounts: []files.Account{{Name: ownerName, Balance: pocketMoney}, {Name: beaconName, Balance: subnet.PLX}}}
	for _, v := range honestValidators() {
		s.Validators = append(s.Validators, files.Validator{Name: v.name, Stake: v.stake, Balance: pocketMoney})
		s.Accounts = append(s.Accounts, files.Account{Name: v.name + "-hot"}, files.Account{Name: v.name + "-shopper"})
	}
	s.Validators[0].Node = &n.at
	for _, i := range insiders() {
		s.Validators = append(s.Validators, files.Validator{Name: i.name, Stake: i.stake, Balance: pocketMoney})
		s.Accounts = append(s.Accounts, files.Account{Name: i.hotkey()})
	}
	for _, grade := range classifier.Grades() {
		s.Accounts = append(s.Accounts, files.Account{Name: grade.Name, Balance: pocketMoney}, files.Account{Name: grade.Name + "-hot"})
	}
	for _, r := range rogues() {
		s.Accounts = append(s.Accounts, files.Account{Name: r.name, Balance: pocketMoney})
		for _, hotkey := range r.hotkeys() {
			s.Accounts = append(s.Accounts, files.Account{Name: hotkey})
		}
	}
	return s
}

func (n *network) close() {
	if err := n.sup.Stop(); err != nil {
		n.t.Log(err)
	}
	if keep := os.Getenv("PLEXUS_DISHONEST_LOGS"); keep != "" {
		require.NoError(n.t, os.CopyFS(keep, os.DirFS(filepath.Join(n.dir, "logs"))))
	}
	if !n.t.Failed() {
		return
	}
	logs, _ := filepath.Glob(filepath.Join(n.dir, "logs", "*.log"))
	for _, path := range logs {
		text, _ := os.ReadFile(path)
		n.t.Logf("end of %s:\n%s", filepath.Base(path), text[max(0, len(text)-1500):])
	}
}

// cleanEnv is the environment without what would configure plexus; the place of ONNX Runtime is the same for all.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "PLEXUS_") && !strings.HasPrefix(pair, "PLEXUS_ONNXRUNTIME=")
	})
}

func (n *network) start(p supervisor.Process) {
	n.t.Helper()
	require.NoError(n.t, n.sup.Start(n.t.Context(), p))
}

func (n *network) plexus(name string, args ...string) supervisor.Process {
	return supervisor.Process{Name: name, Path: binary, Args: args, Env: cleanEnv(), ReadyTimeout: time.Minute}
}

// startChain starts node and beacon and opens the subnet.
func (n *network) startChain() {
	n.t.Helper()
	node := n.plexus(nodeName, "start", "--home", n.at.Home, "--log_no_color")
	node.Ready = func(ctx context.Context) error { _, err := n.chain.Status(ctx); return err }
	n.start(node)
	owner, err := chainclient.NewSigner(n.keys, ownerName)
	require.NoError(n.t, err)
	_, err = n.chain.Submit(n.t.Context(), owner, &subnetv1.MsgCreateSubnet{Owner: owner.Address(), Name: "digits", MaxLock: pocketMoney})
	require.NoError(n.t, err)
	n.start(n.plexus(beaconName, append([]string{"beacon", "run", "--from", beaconName, "--key", n.beaconKey(), "--interval", (blockTime / 2).String()},
		n.common(beaconName)...)...))
}

// common are the flags of every program beside the node.
func (n *network) common(name string) []string {
	return []string{"--home", filepath.Join(n.dir, name), "--node", n.node(), "--chain-id", chainID, "--keyring-backend", "test", "--keyring-dir", n.files.KeyDir}
}

func (n *network) member(role, name string) []string {
	return append([]string{role, "start", "--netuid", strconv.Itoa(netuid), "--hotkey", name + "-hot", "--coldkey", name, "--max-burn", "1000plx",
		"--node-key", filepath.Join(n.dir, name, "node.pem")}, n.common(name)...)
}

func (n *network) startValidators() {
	n.t.Helper()
	for _, v := range honestValidators() {
		n.start(n.plexus(v.name, append(n.member("validator", v.name), "--operator", v.name, "--shopper", v.name+"-shopper",
			"--round-interval", roundInterval.String(), "--deadline", (roundInterval*3/4).String(), "--challenges", strconv.Itoa(challenges),
			"--poll-interval", (blockTime/2).String(), "--api", "", "--metrics", "")...))
	}
}

// startMiners starts an honest miner for each grade of model.
func (n *network) startMiners() {
	n.t.Helper()
	cache, err := localnet.ModelCache(1)
	require.NoError(n.t, err)
	require.NoError(n.t, n.sup.Run(n.t.Context(), n.plexus("model-train", "model", "train", "--skip-existing", "--out", cache, "--seed", "1")))
	for _, grade := range classifier.Grades() {
		port, err := supervisor.FreePorts(1)
		require.NoError(n.t, err)
		p := n.plexus(grade.Name, append(n.member("miner", grade.Name), "--models", filepath.Join(cache, grade.ModelName()), "--strangers", "open",
			"--listen", fmt.Sprintf("127.0.0.1:%d", port[0]), "--watch-interval", "2s")...)
		p.Ready = func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port[0]))
			if err == nil {
				_ = conn.Close()
			}
			return err
		}
		n.start(p)
	}
}

// startDishonest starts the process of all the dishonest.
func (n *network) startDishonest(models, victim string) {
	n.t.Helper()
	folder := filepath.Join(n.dir, "dishonest")
	require.NoError(n.t, os.MkdirAll(folder, 0o700))
	raw, err := json.Marshal(plan{Node: n.node(), ChainID: chainID, Keys: n.files.KeyDir, Netuid: netuid, Folder: folder, Models: models, Victim: victim})
	require.NoError(n.t, err)
	path := filepath.Join(folder, "plan.json")
	require.NoError(n.t, os.WriteFile(path, raw, 0o600))
	n.start(supervisor.Process{Name: "dishonest", Env: append(cleanEnv(), planVariable+"="+path)})
}

// trainRogues trains what the dishonest have of their own: every model from a seed of its own, so that none is a copy of
// another's.
func trainRogues(ctx context.Context, folder string) error {
	kind, err := tasks.ByName(digits.Name)
	if err != nil {
		return err
	}
	for i, r := range rogues() {
		if r.grade == "" {
			continue
		}
		grade, err := gradeOf(r.grade)
		if err != nil {
			return err
		}
		trained, err := classifier.Train(ctx, kind, grade, classifier.Options{Seed: uint64(100 + i), HeldOut: 500})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, r.name+".onnx"), trained.ONNX, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// gradeOf is a grade of the honest, or that of the sybils: the smallest, trained on a third of the examples, so that even
// the one of them that is paid for the model is worth less than any honest miner.
func gradeOf(name string) (classifier.Grade, error) {
	if name != "sybil" {
		return classifier.ByName(digits.Name, name)
	}
	grade, err := classifier.ByName(digits.Name, "small")
	grade.Examples /= 3
	return grade, err
}
