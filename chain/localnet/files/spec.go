package files

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// commissionBps is what a validator takes of its delegators' rewards, in basis
// points: the protocol's default.
const commissionBps = 1800

// maxChainID is CometBFT's limit.
const maxChainID = 50

// Spec describes a network that is to be written.
type Spec struct {
	ChainID string
	// Dir is the folder of the network. Homes that are not named go below it.
	Dir string
	// KeyDir is the home folder whose keyring takes all keys. Empty: the home
	// of the first node.
	KeyDir string
	// Validators stake from the start, Accounts only hold a balance. All names
	// are key names and differ.
	Validators []Validator
	Accounts   []Account
	// ActiveValidators is how many validators make blocks: those with most at
	// stake. 0: all that there are.
	ActiveValidators int
	// Params are the rules of the subnet module.
	Params subnetv1.Params
	// Channels are the rules of the channel module. Nil: its defaults.
	Channels *channelv1.Params
	// BlockTime is the pause after a block before the next is proposed.
	BlockTime time.Duration
	// Paced has the nodes shorten that pause by what agreeing took, so that
	// BlockTime is the mean distance of blocks.
	Paced bool
	// MinGasPrice is what nodes ask for a unit of gas, a decimal number of
	// nplx. Empty: nothing.
	MinGasPrice string
}

// Validator is a staking validator of the genesis.
type Validator struct {
	Name    string // of its operator's key, and its moniker
	Stake   uint64 // nplx that it stakes itself
	Balance uint64 // nplx beside
	Node    *Node  // nil: makes no blocks
}

// Node is where one node lives and listens. All ports are on Host.
type Node struct {
	Home string // empty: Dir/NAME
	Host string // empty: 127.0.0.1
	RPC  int
	P2P  int
	GRPC int
	REST int
}

// Account is a key with a balance in the genesis.
type Account struct {
	Name    string
	Balance uint64 // nplx; 0: a key that the chain has not seen yet
}

// Network is what was written.
type Network struct {
	ChainID   string
	KeyDir    string
	Homes     map[string]string // of validators with a node, by name
	Addresses map[string]string // of all keys, by name
	Supply    uint64            // nplx in the genesis
}

// validate names everything that is wrong with s.
func (s Spec) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if s.ChainID == "" || len(s.ChainID) > maxChainID {
		refuse("chain id %q: want 1 to %d characters", s.ChainID, maxChainID)
	}
	if s.Dir == "" {
		refuse("no folder for the network")
	}
	if s.BlockTime <= 0 {
		refuse("block time %s: want more than 0", s.BlockTime)
	}
	seen := map[string]bool{}
	for _, name := range s.names() {
		if name == "" || seen[name] {
			refuse("key name %q: want every name once and none empty", name)
		}
		seen[name] = true
	}
	if s.ActiveValidators < 0 || s.ActiveValidators > len(s.Validators) {
		refuse("%d active validators of %d", s.ActiveValidators, len(s.Validators))
	}
	if len(s.Validators) == 0 {
		refuse("a network needs at least one validator")
	}
	for i, v := range s.byStake() {
		if i < s.active() && v.Node == nil {
			refuse("validator %s has one of the %d largest stakes but no node: no block could be made", v.Name, s.active())
		}
		if v.Stake == 0 {
			refuse("validator %s has nothing at stake", v.Name)
		}
		if v.Node != nil {
			errs = append(errs, v.Node.validate(v.Name))
		}
	}
	return errors.Join(errs...)
}

func (n Node) validate(name string) error {
	ports := []int{n.RPC, n.P2P, n.GRPC, n.REST}
	for i, port := range ports {
		if port < 1 || port > 65535 || slices.Contains(ports[:i], port) {
			return fmt.Errorf("node of %s: ports %v: want four different ones from 1 to 65535", name, ports)
		}
	}
	return nil
}

func (s Spec) active() int {
	if s.ActiveValidators == 0 {
		return len(s.Validators)
	}
	return s.ActiveValidators
}

func (s Spec) byStake() []Validator {
	sorted := slices.Clone(s.Validators)
	slices.SortStableFunc(sorted, func(a, b Validator) int { return cmp.Compare(b.Stake, a.Stake) })
	return sorted
}

func (s Spec) names() []string {
	var names []string
	for _, v := range s.Validators {
		names = append(names, v.Name)
	}
	for _, a := range s.Accounts {
		names = append(names, a.Name)
	}
	return names
}

// withDefaults fills in the folders. It expects a valid Spec.
func (s Spec) withDefaults() Spec {
	s.Validators = slices.Clone(s.Validators)
	for i, v := range s.Validators {
		if v.Node == nil {
			continue
		}
		node := *v.Node
		node.Home = cmp.Or(node.Home, filepath.Join(s.Dir, v.Name))
		node.Host = cmp.Or(node.Host, "127.0.0.1")
		s.Validators[i].Node = &node
		s.KeyDir = cmp.Or(s.KeyDir, node.Home)
	}
	return s
}
