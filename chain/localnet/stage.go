package localnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	"github.com/plexusnet/plexus/beacon"
	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/localnet/files"
	"github.com/plexusnet/plexus/chain/localnet/supervisor"
	"github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

const (
	nodeReady  = time.Minute
	minerReady = time.Minute
	// manyRestarts stands for no bound on restarts, in a run that somebody
	// watches.
	manyRestarts = 1000
)

// PlacesFile is where in its folder a network's Places are, as JSON.
const PlacesFile = "network.json"

// stage is a run in progress: the cast and where it plays.
type stage struct {
	Options
	start time.Time
	cast  []member
	at    Places
	ports ports

	sup    *supervisor.Supervisor
	files  *files.Network
	chain  *chainclient.Client
	netuid uint32

	accuracy map[string]float64 // by model
	screen   *screen
}

// newStage finds ports and opens the folder. The caller closes it.
func newStage(o Options) (*stage, error) {
	network.ConfigureAddresses()
	if o.ModelCache == "" {
		cache, err := ModelCache(o.Seed)
		if err != nil {
			return nil, err
		}
		o.ModelCache = cache
	}
	if entries, err := os.ReadDir(o.Dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("folder %s is not empty: a local network starts in a new one", o.Dir)
	}
	n := &stage{Options: o, start: time.Now(), cast: cast()}
	n.screen = newScreen(o)
	var err error
	if n.ports, err = findPorts(n.cast); err != nil {
		return nil, err
	}
	n.at = places(o.Dir, n.ports)
	if err := n.writePlaces(); err != nil {
		return nil, err
	}
	if n.sup, err = supervisor.New(n.at.Logs, nil); err != nil {
		return nil, err
	}
	if n.chain, err = chainclient.Dial(chainclient.Config{Address: n.at.GRPC, ChainID: n.at.ChainID}); err != nil {
		return nil, errors.Join(err, n.sup.Stop())
	}
	return n, nil
}

// writePlaces leaves a note for programs on where to find the network.
func (n *stage) writePlaces() error {
	raw, err := json.MarshalIndent(n.at, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.Dir, PlacesFile), append(raw, '\n'), 0o600)
}

func (n *stage) close() error { return errors.Join(n.sup.Stop(), n.chain.Close()) }

func findPorts(all []member) (ports, error) {
	free, err := supervisor.FreePorts(4 + len(all))
	if err != nil {
		return ports{}, err
	}
	p := ports{rpc: free[0], p2p: free[1], grpc: free[2], rest: free[3], members: map[string]int{}}
	for i, m := range all {
		p.members[m.name] = free[4+i]
	}
	return p, nil
}

// say prints a line of progress.
func (n *stage) say(format string, args ...any) {
	n.screen.note(time.Since(n.start), fmt.Sprintf(format, args...))
}

// bringUp starts everything. The node and the validators do not wait for the
// models: validators need two epochs before their stake counts, which is about
// what training takes.
func (n *stage) bringUp(ctx context.Context) error {
	key, err := beacon.CreateKey(beaconKey(n.Dir))
	if err != nil {
		return err
	}
	if n.files, err = files.Write(spec(n.Options, n.at, n.ports, key.Public().Bytes())); err != nil {
		return err
	}
	modelsReady := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(modelsReady)
		accuracy, err := n.prepareModels(ctx)
		n.accuracy = accuracy
		return err
	})
	group.Go(func() error {
		if err := n.startChain(ctx); err != nil {
			return err
		}
		if err := n.startBeacon(ctx); err != nil {
			return err
		}
		if err := n.startMembers(ctx, RoleValidator); err != nil {
			return err
		}
		select {
		case <-modelsReady:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return n.startMembers(ctx, RoleMiner)
	})
	return group.Wait()
}

// startChain starts the node and opens the subnet.
func (n *stage) startChain(ctx context.Context) error {
	n.say("starting the node; logs are in %s", n.at.Logs)
	err := n.sup.Start(ctx, supervisor.Process{
		Name: nodeName, Path: n.Binary, Args: nodeArgs(n.at), Env: environment(),
		Ready:        func(ctx context.Context) error { _, err := n.chain.Status(ctx); return err },
		ReadyTimeout: nodeReady,
		Restarts:     n.restarts(nodeName),
	})
	if err != nil {
		return err
	}
	n.say("chain %s: gRPC %s, RPC %s, REST %s", n.at.ChainID, n.at.GRPC, n.at.RPC, n.at.REST)
	return n.createSubnet(ctx)
}

// startBeacon starts the network's beacon, where weights are timelocked.
func (n *stage) startBeacon(ctx context.Context) error {
	if hiding(n.Options) != subnet.CommitRevealTimelock {
		return nil
	}
	return n.sup.Start(ctx, supervisor.Process{Name: beaconName, Path: n.Binary, Args: beaconArgs(n.Options, n.at),
		Env: environment(), Restarts: n.restarts(beaconName)})
}

func (n *stage) createSubnet(ctx context.Context) error {
	keys, err := chainclient.OpenKeyring(n.at.Home, keyring.BackendTest, nil)
	if err != nil {
		return err
	}
	owner, err := chainclient.NewSigner(keys, ownerName)
	if err != nil {
		return err
	}
	res, err := n.chain.Submit(ctx, owner, &subnetv1.MsgCreateSubnet{Owner: owner.Address(), Name: "digits", MaxLock: pocketMoney})
	if err != nil {
		return fmt.Errorf("create the subnet: %w", err)
	}
	var created subnetv1.MsgCreateSubnetResponse
	if err := res.Response(0, &created); err != nil {
		return err
	}
	n.netuid = created.Netuid
	n.say("subnet %d was created in block %d, tempo %d blocks", n.netuid, res.Height, n.Tempo)
	return nil
}

// startMembers starts everybody of a role at once.
func (n *stage) startMembers(ctx context.Context, role Role) error {
	group, ctx := errgroup.WithContext(ctx)
	var names []string
	for _, m := range n.cast {
		if m.role == role {
			names = append(names, m.name)
			group.Go(func() error { return n.sup.Start(ctx, n.process(m)) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	n.say("started %s", strings.Join(names, ", "))
	return nil
}

func (n *stage) process(m member) supervisor.Process {
	p := supervisor.Process{Name: m.name, Path: n.Binary, Env: environment(), Restarts: n.restarts(m.name)}
	address := n.ports.address(m)
	if m.role == RoleValidator {
		p.Args = validatorArgs(m, n.Options, n.at, n.netuid, address)
		return p
	}
	p.Args = minerArgs(m, n.Options, n.at, n.netuid, address)
	p.Ready = listens(address)
	p.ReadyTimeout = minerReady
	return p
}

// listens is ready once somebody accepts connections.
func listens(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
}

func (n *stage) restarts(name string) int {
	if slices.Contains(n.Restart, name) {
		return manyRestarts
	}
	return 0
}

// job runs a command of the binary to its end. Its standard output goes to the
// file answer, or into its log.
func (n *stage) job(ctx context.Context, name, answer string, args ...string) error {
	return n.sup.Run(ctx, supervisor.Process{Name: name, Path: n.Binary, Args: args, Stdout: answer, Env: environment()})
}

// environment is this program's without the settings of Plexus: those were
// meant for this command and not for the ones that it starts. The place of ONNX
// Runtime is the same for all.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "PLEXUS_") && !strings.HasPrefix(pair, "PLEXUS_ONNXRUNTIME=")
	})
}

// neverPaid is the error when StartTimeout passes without emission to miners.
func (n *stage) neverPaid(v *View) error {
	if v == nil {
		return fmt.Errorf("no block was seen within %s; see the logs in %s", n.StartTimeout, n.at.Logs)
	}
	return fmt.Errorf("no miner was paid within %s: height %d, epoch %d, supply %s; see the logs in %s",
		n.StartTimeout, v.Height, v.Epoch, FormatPLX(v.Supply), n.at.Logs)
}
