//go:build dishonest

package dishonest

import (
	"context"
	"crypto/sha256"
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
	"github.com/plexusnet/plexus/models/audio"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/quantize"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/models/text"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

const (
	chainID = "plexus-dishonest"
	netuid  = 1
	// pinnedNetuid is the subnet of the mechanism "replay".
	pinnedNetuid = 2
	blockTime    = 400 * time.Millisecond
	tempo        = 20 // blocks
	// roundInterval gives a validator three rounds in an epoch.
	roundInterval = 2600 * time.Millisecond
	challenges    = 36
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

// In the subnet that pins a model there are one honest validator and one honest miner.
const (
	replayer      = "replayer"
	replayerStake = 5_000 * subnet.PLX
	exact         = "exact"
)

// branch is a subnet of another task: one honest validator, an honest miner of each grade, and some who are not.
type branch struct {
	netuid    uint32
	task      string
	validator string
}

func branches() []branch {
	return []branch{{3, text.Name, "reader"}, {4, audio.Name, "listener"}}
}

// miner is the name of an honest one.
func (b branch) miner(grade classifier.Grade) string { return b.task + "-" + grade.Name }

func (b branch) grades() []classifier.Grade {
	grades, err := classifier.GradesOf(b.task)
	if err != nil {
		panic(err) // a task that there is not
	}
	return grades
}

// network is the chain of a test, and who takes part in it.
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
	s.Validators = append(s.Validators, files.Validator{Name: replayer, Stake: replayerStake, Balance: pocketMoney})
	s.Accounts = append(s.Accounts, files.Account{Name: replayer + "-hot"}, files.Account{Name: exact, Balance: pocketMoney}, files.Account{Name: exact + "-hot"})
	for _, b := range branches() {
		s.Validators = append(s.Validators, files.Validator{Name: b.validator, Stake: replayerStake, Balance: pocketMoney})
		s.Accounts = append(s.Accounts, files.Account{Name: b.validator + "-hot"})
		for _, grade := range b.grades() {
			s.Accounts = append(s.Accounts, files.Account{Name: b.miner(grade), Balance: pocketMoney}, files.Account{Name: b.miner(grade) + "-hot"})
		}
	}
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

// startChain starts node and beacon and opens the subnets.
func (n *network) startChain() {
	n.t.Helper()
	node := n.plexus(nodeName, "start", "--home", n.at.Home, "--log_no_color")
	node.Ready = func(ctx context.Context) error { _, err := n.chain.Status(ctx); return err }
	n.start(node)
	owner, err := chainclient.NewSigner(n.keys, ownerName)
	require.NoError(n.t, err)
	for _, name := range []string{"digits", "pinned", text.Name, audio.Name} { // 1 to 4
		_, err = n.chain.Submit(n.t.Context(), owner, &subnetv1.MsgCreateSubnet{Owner: owner.Address(), Name: name, MaxLock: pocketMoney})
		require.NoError(n.t, err)
	}
	n.start(n.plexus(beaconName, append([]string{"beacon", "run", "--from", beaconName, "--key", n.beaconKey(), "--interval", (blockTime / 2).String()},
		n.common(beaconName)...)...))
}

// common are the flags of every program beside the node.
func (n *network) common(name string) []string {
	return []string{"--home", filepath.Join(n.dir, name), "--node", n.node(), "--chain-id", chainID, "--keyring-backend", "test", "--keyring-dir", n.files.KeyDir}
}

func (n *network) member(role string, netuid uint32, name string) []string {
	return append([]string{role, "start", "--netuid", strconv.FormatUint(uint64(netuid), 10), "--hotkey", name + "-hot", "--coldkey", name, "--max-burn", "1000plx",
		"--node-key", filepath.Join(n.dir, name, "node.pem")}, n.common(name)...)
}

func (n *network) startValidators() {
	n.t.Helper()
	for _, v := range honestValidators() {
		n.startValidator(v.name, netuid, "--shopper", v.name+"-shopper")
	}
	for _, b := range branches() {
		n.startValidator(b.validator, b.netuid, "--task", b.task)
	}
}

func (n *network) startValidator(name string, netuid uint32, flags ...string) {
	n.t.Helper()
	args := append(n.member("validator", netuid, name), "--operator", name, "--round-interval", roundInterval.String(),
		"--deadline", (roundInterval * 3 / 4).String(), "--challenges", strconv.Itoa(challenges),
		"--poll-interval", (blockTime / 2).String(), "--api", "", "--metrics", "")
	n.start(n.plexus(name, append(args, flags...)...))
}

// startReplayer starts the validator of the subnet that pins a model.
func (n *network) startReplayer(pinned string) {
	n.t.Helper()
	model, err := os.ReadFile(pinned)
	require.NoError(n.t, err)
	n.startValidator(replayer, pinnedNetuid, "--mechanism", "replay", "--pinned-model", pinned, "--pinned-sha256", fmt.Sprintf("%x", sha256.Sum256(model)))
}

// trainHonest returns the folder of the honest miners' models.
func (n *network) trainHonest() string {
	n.t.Helper()
	cache, err := localnet.ModelCache(1)
	require.NoError(n.t, err)
	train := n.plexus("model-train", "model", "train", "--task", "all", "--skip-existing", "--out", cache, "--seed", "1")
	require.NoError(n.t, n.sup.Run(n.t.Context(), train))
	return cache
}

// startMiners starts an honest miner for each grade of model, and one of the pinned model.
func (n *network) startMiners(models string) {
	n.t.Helper()
	for _, grade := range classifier.Grades() {
		n.startMiner(grade.Name, netuid, filepath.Join(models, grade.ModelName()))
	}
	n.startMiner(exact, pinnedNetuid, filepath.Join(models, pinnedModel))
	for _, b := range branches() {
		for _, grade := range b.grades() {
			n.startMiner(b.miner(grade), b.netuid, filepath.Join(models, grade.ModelName()))
		}
	}
}

// pinnedModel is the one of the second subnet: the best there is of the honest miners'.
const pinnedModel = "digits-large"

func pinnedFile(models string) string { return filepath.Join(models, pinnedModel, "1", "model.onnx") }

func (n *network) startMiner(name string, netuid uint32, model string) {
	n.t.Helper()
	port, err := supervisor.FreePorts(1)
	require.NoError(n.t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port[0])
	p := n.plexus(name, append(n.member("miner", netuid, name), "--models", model, "--strangers", "open", "--listen", address, "--watch-interval", "2s")...)
	p.Ready = func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	n.start(p)
}

// startPlan starts a process of this binary.
func (n *network) startPlan(p plan) {
	n.t.Helper()
	p.Node, p.Keys, p.Folder = n.node(), n.files.KeyDir, filepath.Join(n.dir, string(p.Role))
	require.NoError(n.t, os.MkdirAll(p.Folder, 0o700))
	raw, err := json.Marshal(p)
	require.NoError(n.t, err)
	path := filepath.Join(p.Folder, "plan.json")
	require.NoError(n.t, os.WriteFile(path, raw, 0o600))
	n.start(supervisor.Process{Name: string(p.Role), Env: append(cleanEnv(), planVariable+"="+path)})
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

// cheapen makes cheaper versions of the pinned model, by the mildest schemes there are.
func cheapen(pinned, folder string) error {
	model, err := os.ReadFile(pinned)
	if err != nil {
		return err
	}
	for name, scheme := range map[string]quantize.Scheme{halfFloats: quantize.FP16Weights, bytewise: quantize.INT8Channels} {
		cheap, _, err := quantize.Apply(model, scheme)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name+".onnx"), cheap, 0o600); err != nil {
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
