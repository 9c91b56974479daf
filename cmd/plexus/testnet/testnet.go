// Package testnetcmd is `plexus testnet`: the files of a network of several
// nodes, ready to be started here or carried to other machines.
package testnetcmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/beacon"
	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/chain/localnet/files"
	subnetkeeper "github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// portsPerNode is how many ports a node listens on: RPC, P2P, gRPC and REST.
const portsPerNode = 4

// settings are the flags of the command.
type settings struct {
	dir       string
	chainID   string
	nodes     int
	accounts  int
	stake     uint64
	balance   uint64
	host      string
	port      int
	blockTime time.Duration
	gasPrice  string
	scale     uint64
	hide      string
	beaconKey string
	output    string
}

// Command returns `plexus testnet`.
func Command() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "testnet",
		Short: "Write the files of a network of N nodes",
		Long: `Write the home folders of a network of N nodes, each with its keys, its
configuration and the same genesis, in which every node's validator has the
same stake. Keys lie unencrypted in the folders: this is for test networks.`,
		Example: `  plexus testnet --nodes 4 --dir ./net --block-time 1s
  plexus start --home ./net/node0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "testnet", "folder to write; must not hold a network yet")
	f.StringVar(&s.chainID, "chain-id", "plexus-testnet-1", "name of the chain")
	f.IntVar(&s.nodes, "nodes", 4, "how many nodes, each a validator")
	f.IntVar(&s.accounts, "accounts", 4, "how many further accounts with a balance, account0 and so on")
	f.Uint64Var(&s.stake, "stake", 1000, "PLX that each validator stakes")
	f.Uint64Var(&s.balance, "balance", 1000, "PLX that each validator and account has beside")
	f.StringVar(&s.host, "host", "127.0.0.1", "address that the nodes listen on")
	f.IntVar(&s.port, "port", 26600, "first port; each node takes four: RPC, P2P, gRPC and REST")
	f.DurationVar(&s.blockTime, "block-time", 12*time.Second, "distance between blocks")
	f.StringVar(&s.gasPrice, "gas-price", "0.001", "nplx that the nodes ask for a unit of gas")
	f.Uint64Var(&s.scale, "scale", 1, "divide all periods that are counted in blocks by this, for tests")
	f.StringVar(&s.hide, "commit-reveal", subnet.CommitRevealTimelock, "how new subnets hide weights: timelock, hash or off")
	f.StringVar(&s.beaconKey, "beacon-key", "", "key file of plexus beacon keygen that opens timelocked weights, or drand: its quicknet does (default: a new key, beacon.key in --dir)")
	f.StringVarP(&s.output, "output", "o", "text", "format of the result: text or json")
	return cmd
}

func (s *settings) run(out io.Writer) error {
	if err := s.check(); err != nil {
		return err
	}
	params := subnetkeeper.DefaultParams()
	hyper, err := subnetkeeper.HyperparamsFromProto(params.Defaults)
	if err != nil {
		return err
	}
	params.Defaults = subnetkeeper.HyperparamsToProto(hyper.Scaled(s.scale))
	if err := s.hideWeights(&params); err != nil {
		return err
	}
	channels := files.ScaleChannels(channelkeeper.DefaultParams(), 1, s.scale)
	spec := files.Spec{
		ChainID:     s.chainID,
		Dir:         s.dir,
		Params:      params,
		Channels:    &channels,
		BlockTime:   s.blockTime,
		Paced:       true,
		MinGasPrice: s.gasPrice,
	}
	for i := range s.nodes {
		port := s.port + portsPerNode*i
		spec.Validators = append(spec.Validators, files.Validator{
			Name:    fmt.Sprintf("node%d", i),
			Stake:   s.stake * subnet.PLX,
			Balance: s.balance * subnet.PLX,
			Node:    &files.Node{Host: s.host, RPC: port, P2P: port + 1, GRPC: port + 2, REST: port + 3},
		})
	}
	for i := range s.accounts {
		spec.Accounts = append(spec.Accounts, files.Account{Name: fmt.Sprintf("account%d", i), Balance: s.balance * subnet.PLX})
	}
	network, err := files.Write(spec)
	if err != nil {
		return err
	}
	return s.report(out, spec, network)
}

// drand stands for the beacon that the chain's default parameters name.
const drand = "drand"

// hideWeights says how weights are hidden in new subnets, and who opens them.
func (s *settings) hideWeights(params *subnetv1.Params) error {
	params.Defaults.CommitReveal = s.hide
	if s.beaconKey == drand || s.beaconKey == "" && !s.ownBeacon() {
		return nil
	}
	key, err := s.loadBeacon()
	if err != nil {
		return err
	}
	params.Beacon.PublicKey, params.Beacon.GenesisTime = key.Public().Bytes(), time.Now().Unix()
	return nil
}

// ownBeacon tells whether the network gets a beacon of its own.
func (s *settings) ownBeacon() bool {
	return s.hide == subnet.CommitRevealTimelock && s.beaconKey == ""
}

func (s *settings) beaconFile() string {
	if s.ownBeacon() {
		return filepath.Join(s.dir, "beacon.key")
	}
	return s.beaconKey
}

func (s *settings) loadBeacon() (timelock.SecretKey, error) {
	if !s.ownBeacon() {
		return beacon.LoadKey(s.beaconFile())
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return timelock.SecretKey{}, err
	}
	return beacon.CreateKey(s.beaconFile())
}

func (s *settings) check() error {
	var errs []error
	if s.nodes < 1 || s.port < 1 || s.port+portsPerNode*s.nodes > 65536 {
		errs = append(errs, fmt.Errorf("--nodes %d from --port %d: want at least one node and ports up to 65535", s.nodes, s.port))
	}
	if s.accounts < 0 {
		errs = append(errs, fmt.Errorf("--accounts %d: want 0 or more", s.accounts))
	}
	const most = subnet.Cap / subnet.PLX
	if s.stake < 1 || s.stake > most || s.balance > most {
		errs = append(errs, fmt.Errorf("--stake %d and --balance %d: want 1 to %d PLX at stake and at most %d beside", s.stake, s.balance, most, most))
	} else if total := uint64(max(s.nodes, 0))*(s.stake+s.balance) + uint64(max(s.accounts, 0))*s.balance; total > most {
		errs = append(errs, fmt.Errorf("%d PLX in all, but there can be only %d: lower --stake, --balance, --nodes or --accounts", total, most))
	}
	if s.scale < 1 {
		errs = append(errs, fmt.Errorf("--scale %d: want 1 or more", s.scale))
	}
	if s.hide != subnet.CommitRevealTimelock && s.hide != subnet.CommitRevealHash && s.hide != subnet.CommitRevealOff {
		errs = append(errs, fmt.Errorf("--commit-reveal %q: want timelock, hash or off", s.hide))
	}
	if s.output != "text" && s.output != "json" {
		errs = append(errs, fmt.Errorf("--output %q: want text or json", s.output))
	}
	return errors.Join(errs...)
}

// node is one node in the report.
type node struct {
	Name    string `json:"name"`
	Home    string `json:"home"`
	Address string `json:"address"`
	RPC     string `json:"rpc"`
	GRPC    string `json:"grpc"`
	REST    string `json:"rest"`
}

func (s *settings) report(out io.Writer, spec files.Spec, network *files.Network) error {
	nodes := make([]node, len(spec.Validators))
	for i, v := range spec.Validators {
		at := func(port int) string { return fmt.Sprintf("%s:%d", s.host, port) }
		nodes[i] = node{v.Name, network.Homes[v.Name], network.Addresses[v.Name], at(v.Node.RPC), at(v.Node.GRPC), at(v.Node.REST)}
	}
	if s.output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"chain_id": network.ChainID, "nodes": nodes, "keys": network.KeyDir, "addresses": network.Addresses})
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(out, "Network %s in %s\n\n", network.ChainID, s.dir)
	fmt.Fprintln(table, "NODE\tHOME\tRPC\tGRPC\tREST")
	for _, n := range nodes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", n.Name, n.Home, n.RPC, n.GRPC, n.REST)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprint(out, s.beaconHint(spec, network))
	_, err := fmt.Fprintf(out, "\nKeys are in %s (--keyring-backend test). Start every node:\n  plexus start --home %s\n",
		network.KeyDir, filepath.Join(s.dir, "node0"))
	return err
}

// beaconHint is the command that opens timelocked weights.
func (s *settings) beaconHint(spec files.Spec, network *files.Network) string {
	if s.hide != subnet.CommitRevealTimelock || s.beaconKey == drand {
		return ""
	}
	from := spec.Validators[0].Name
	if len(spec.Accounts) > 0 {
		from = spec.Accounts[0].Name
	}
	return fmt.Sprintf("\nWeights are hidden until the beacon's rounds open them. Run one beside the nodes:\n  plexus beacon run --key %s --from %s --node %s:%d --keyring-backend test --keyring-dir %s\n",
		s.beaconFile(), from, s.host, spec.Validators[0].Node.GRPC, network.KeyDir)
}
