package localnet

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/chain/localnet/files"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/models/classifier"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// Role is what a member of the network does.
type Role string

// The roles.
const (
	RoleValidator Role = "validator"
	RoleMiner     Role = "miner"
)

const (
	nodeName   = "node"
	ownerName  = "owner"
	beaconName = "beacon"
	// untrained is the quality of the miner that answers garbage.
	untrained = "untrained"

	totalStake  = 100_000 * subnet.PLX
	pocketMoney = 1_000 * subnet.PLX // for fees, registrations, the lock of a subnet
	beaconMoney = subnet.PLX         // its account must exist; what it brings is free
	maxBurn     = "100plx"
)

// member is one neuron of the cast. Its process and its coldkey carry its name,
// its hotkey the name and "-hot".
type member struct {
	role    Role
	name    string
	quality string // of a miner's model
	model   string // a miner's, in the repository
	stake   uint64 // a validator's, nplx
}

func (m member) hotkey() string { return m.name + "-hot" }

// cast is everybody: validators of whom none has the majority, so that each
// epoch needs agreement, and a miner for every grade of model and one without
// training.
func cast() []member {
	var all []member
	for i, percent := range []uint64{45, 33, 22} {
		all = append(all, member{role: RoleValidator, name: fmt.Sprintf("validator-%d", i+1), stake: totalStake * percent / 100})
	}
	for _, grade := range classifier.Grades() {
		all = append(all, member{role: RoleMiner, name: "miner-" + grade.Name, quality: grade.Name, model: grade.ModelName()})
	}
	return append(all, member{role: RoleMiner, name: "miner-" + untrained, quality: untrained, model: untrainedModel})
}

func processNames() []string {
	names := []string{nodeName, beaconName}
	for _, m := range cast() {
		names = append(names, m.name)
	}
	return names
}

// ports are the listeners of the network, all on loopback.
type ports struct {
	rpc, p2p, grpc, rest int
	members              map[string]int // by name: what a miner serves on, and a validator its API
}

// address is where a member listens.
func (p ports) address(m member) string { return fmt.Sprintf("127.0.0.1:%d", p.members[m.name]) }

// Places is where a running network can be found.
type Places struct {
	Dir     string `json:"dir"`
	Home    string `json:"home"` // of the node; its keyring holds all keys
	Logs    string `json:"logs"`
	ChainID string `json:"chain_id"`
	GRPC    string `json:"grpc"` // host:port
	RPC     string `json:"rpc"`  // URL
	REST    string `json:"rest"` // URL
	// Health is where validators publish how miners fare, in the order of the cast: URLs.
	Health []string `json:"health"`
}

func places(dir string, p ports) Places {
	var apis []string
	for _, m := range cast() {
		if m.role == RoleValidator {
			apis = append(apis, "http://"+p.address(m))
		}
	}
	return Places{
		Dir:     dir,
		Home:    filepath.Join(dir, nodeName),
		Logs:    filepath.Join(dir, "logs"),
		ChainID: DefaultChainID,
		GRPC:    fmt.Sprintf("127.0.0.1:%d", p.grpc),
		RPC:     fmt.Sprintf("tcp://127.0.0.1:%d", p.rpc),
		REST:    fmt.Sprintf("http://127.0.0.1:%d", p.rest),
		Health:  apis,
	}
}

// beaconPeriod is how many seconds apart the rounds of the network's own beacon are, the least there is.
const beaconPeriod = 1

// shortestLocked is the shortest epoch in which weights are timelocked. A
// beacon counts seconds, and a round is some of them past the epoch that it is
// awaited in: in shorter epochs that would be the next one.
const shortestLocked = 5 * time.Second

// hiding is how the members hide their weights from each other.
func hiding(o Options) string {
	if time.Duration(o.Tempo)*o.BlockTime < shortestLocked {
		return subnet.CommitRevealHash
	}
	return subnet.CommitRevealTimelock
}

// spec is the genesis: only the validator with the largest stake makes blocks,
// so one node is enough; the stake of the others counts all the same. key is
// that of the network's beacon.
func spec(o Options, at Places, p ports, key []byte) files.Spec {
	params := files.Scale(keeper.DefaultParams(), o.Tempo)
	params.Defaults.CommitReveal = hiding(o)
	params.Beacon = subnetv1.Beacon{PublicKey: key, GenesisTime: time.Now().Unix(), PeriodSeconds: beaconPeriod}
	channels := files.ScaleChannels(channelkeeper.DefaultParams(), o.Tempo, keeper.DefaultParams().Defaults.Tempo)
	s := files.Spec{
		ChainID:          at.ChainID,
		Dir:              filepath.Join(o.Dir, "genesis"),
		Params:           params,
		Channels:         &channels,
		BlockTime:        o.BlockTime,
		ActiveValidators: 1,
		Accounts:         []files.Account{{Name: ownerName, Balance: pocketMoney}, {Name: beaconName, Balance: beaconMoney}},
	}
	for _, m := range cast() {
		s.Accounts = append(s.Accounts, files.Account{Name: m.hotkey()})
		if m.role == RoleMiner {
			s.Accounts = append(s.Accounts, files.Account{Name: m.name, Balance: pocketMoney})
			continue
		}
		v := files.Validator{Name: m.name, Stake: m.stake, Balance: pocketMoney}
		if len(s.Validators) == 0 {
			v.Node = &files.Node{Home: at.Home, RPC: p.rpc, P2P: p.p2p, GRPC: p.grpc, REST: p.rest}
		}
		s.Validators = append(s.Validators, v)
	}
	return s
}

// nodeArgs start the node.
func nodeArgs(at Places) []string {
	return []string{"start", "--home", at.Home, "--log_no_color"}
}

// beaconArgs start the process that brings the rounds in which timelocked
// weights open.
func beaconArgs(o Options, at Places) []string {
	return []string{
		"beacon", "run",
		"--home", filepath.Join(o.Dir, beaconName),
		"--node", at.GRPC,
		"--chain-id", at.ChainID,
		"--keyring-backend", "test",
		"--keyring-dir", at.Home,
		"--from", beaconName,
		"--key", beaconKey(o.Dir),
		"--interval", (o.BlockTime / 2).String(),
	}
}

func beaconKey(dir string) string { return filepath.Join(dir, "beacon.key") }

// memberArgs are what miners and validators have in common.
func memberArgs(m member, o Options, at Places, netuid uint32) []string {
	return []string{
		string(m.role), "start",
		"--home", filepath.Join(o.Dir, m.name),
		"--node", at.GRPC,
		"--chain-id", at.ChainID,
		"--keyring-backend", "test",
		"--keyring-dir", at.Home,
		"--netuid", strconv.FormatUint(uint64(netuid), 10),
		"--hotkey", m.hotkey(),
		"--coldkey", m.name,
		"--max-burn", maxBurn,
		"--node-key", filepath.Join(o.Dir, m.name, "node.pem"),
	}
}

// minerArgs start a miner on its own models. Connections are authenticated, as
// between machines; who has no account may ask all the same.
func minerArgs(m member, o Options, at Places, netuid uint32, address string) []string {
	args := append(memberArgs(m, o, at, netuid),
		"--models", modelsOf(o.Dir, m),
		"--listen", address,
		"--strangers", "open",
		"--watch-interval", max(2*o.BlockTime, time.Second).String(),
	)
	if o.Library != "" {
		args = append(args, "--onnxruntime", o.Library)
	}
	return args
}

// validatorArgs start a validator that looks at the miners several times per
// epoch, and publishes what it sees.
func validatorArgs(m member, o Options, at Places, netuid uint32, address string) []string {
	epoch := time.Duration(o.Tempo) * o.BlockTime
	round := min(max(epoch/5, 500*time.Millisecond), 30*time.Second)
	return append(memberArgs(m, o, at, netuid),
		"--operator", m.name,
		"--round-interval", round.String(),
		"--deadline", round.String(),
		"--poll-interval", (o.BlockTime / 2).String(),
		"--api", address,
		"--metrics", "", // three of them share this machine
	)
}

func modelsOf(dir string, m member) string { return filepath.Join(dir, m.name, "models") }
