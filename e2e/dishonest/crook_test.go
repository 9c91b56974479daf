//go:build dishonest

package dishonest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/subnet"
)

// plan tells a process of this binary who it is, and where.
type plan struct {
	Role    role
	Node    string            // host:port of gRPC
	Keys    string            // home folder of the keyring
	Folder  string            // for node keys
	Models  string            // folder of NAME.onnx, a model for each of the dishonest who have one
	Victims map[string]string // hotkey of the honest miner that is copied, by task
}

// role is what a process of this binary does.
type role string

const (
	roleMiners     role = "rogues"   // all dishonest miners
	roleValidators role = "insiders" // all dishonest validators
)

// gang is what a process has for all whom it plays.
type gang struct {
	plan
	keys  keyring.Keyring
	nodes onchain.Nodes
	rt    *ort.Runtime
	log   *slog.Logger

	mu      sync.Mutex // guards signers
	signers map[string]*chainclient.Signer
}

// maxBurn is what the dishonest pay for a uid, if they must.
const maxBurn = 1000 * subnet.PLX

// play does what a plan says until a signal comes.
func play(path string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	g := &gang{log: slog.New(slog.NewTextHandler(os.Stderr, nil)), signers: map[string]*chainclient.Signer{}}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &g.plan); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if g.keys, err = chainclient.OpenKeyring(g.Keys, keyring.BackendTest, nil); err != nil {
		return err
	}
	node, err := chainclient.Dial(chainclient.Config{Address: g.Node, ChainID: chainID})
	if err != nil {
		return err
	}
	defer node.Close()
	g.nodes = onchain.Nodes{Free: node, Paying: node} // gas is free on this network
	if g.rt, err = ort.OpenFound("", ort.RuntimeOptions{}); err != nil {
		return err
	}
	defer g.rt.Close()
	group, ctx := errgroup.WithContext(ctx)
	if g.Role == roleValidators {
		for _, i := range insiders() {
			group.Go(func() error { return named(i.name, g.validate(ctx, i)) })
		}
		return group.Wait()
	}
	for _, r := range rogues() {
		group.Go(func() error { return named(r.name, g.mine(ctx, r)) })
	}
	return group.Wait()
}

func named(who string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", who, err)
	}
	return err
}

// signer returns a key, always by the same signer: that is what keeps the transactions of one account in order.
func (g *gang) signer(name string) (*chainclient.Signer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known := g.signers[name]; known != nil {
		return known, nil
	}
	signer, err := chainclient.NewSigner(g.keys, name)
	if err == nil {
		g.signers[name] = signer
	}
	return signer, err
}

// join returns a view of the chain for a hotkey of a coldkey, and what keeps it a member.
func (g *gang) join(netuid uint32, hotkey, coldkey string, operator bool) (*onchain.Chain, membership.Member, error) {
	hot, err := g.signer(hotkey)
	if err != nil {
		return nil, membership.Member{}, err
	}
	cold, err := g.signer(coldkey)
	if err != nil {
		return nil, membership.Member{}, err
	}
	keys := onchain.Keys{Hotkey: hot, Coldkey: cold}
	if operator {
		keys.Operator = cold
	}
	chain := onchain.New(g.nodes, keys, g.log)
	return chain, membership.Member{Netuid: netuid, Hotkey: hot.Address(), HotkeyName: hotkey, CanRegister: true, MaxBurn: maxBurn,
		Chain: chain, Log: g.log}, nil
}

// mine serves a rogue's library, for all of its hotkeys from one port, and keeps them registered and announced.
func (g *gang) mine(ctx context.Context, r rogue) error {
	id, err := g.identity(r.hotkeys()[0])
	if err != nil {
		return err
	}
	chain, _, err := g.join(r.netuid(), r.hotkeys()[0], r.name, false)
	if err != nil {
		return err
	}
	brain, err := r.make(ctx, g, chain, id)
	if err != nil {
		return err
	}
	lis, err := miner.Listen("127.0.0.1:0", id, false)
	if err != nil {
		return err
	}
	endpoint, err := endpointOf(lis.Addr(), id)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	serve := r.serve
	if serve == nil {
		serve = serveOpenly
	}
	group.Go(func() error { return serve(ctx, lis, id, brain) })
	for _, hotkey := range r.hotkeys() {
		chain, member, err := g.join(r.netuid(), hotkey, r.name, false)
		if err != nil {
			return err
		}
		keeper := &miner.Keeper{Member: member, Chain: chain, Endpoint: endpoint, Interval: 2 * time.Second, Log: g.log}
		group.Go(func() error { return keeper.Run(ctx) })
	}
	return group.Wait()
}

// identity is a node key of a hotkey's own.
func (g *gang) identity(hotkey string) (oip.Identity, error) {
	account, err := g.signer(hotkey)
	if err != nil {
		return oip.Identity{}, err
	}
	key, err := identity.LoadOrCreateKey(filepath.Join(g.Folder, hotkey+".pem"))
	if err != nil {
		return oip.Identity{}, err
	}
	return oip.NodeIdentity(key, chainID, account)
}

// servedModel is how all the dishonest call what they serve.
const servedModel = "digits"

func endpointOf(address net.Addr, id oip.Identity) (metagraph.Endpoint, error) {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return metagraph.Endpoint{}, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return metagraph.Endpoint{Host: host, Port: uint16(number), Protocol: oip.Protocol, TLSKeyHash: id.KeyHash(),
		Model: servedModel, ModelSHA256: make([]byte, 32)}, err
}

// serveOpenly is the server of every honest miner, on a dishonest library.
func serveOpenly(ctx context.Context, lis net.Listener, id oip.Identity, brain miner.Model) error {
	return server(id, brain).Serve(ctx, lis)
}

func server(id oip.Identity, brain miner.Model) *miner.Server {
	return miner.NewServer(single{brain}, miner.ServerConfig{Identity: id, Slots: 16, DrainTimeout: 100 * time.Millisecond})
}

// single is a library of one model, whatever it is called.
type single struct{ model miner.Model }

func (s single) Get(name, _ string) (miner.Served, error) {
	return miner.Served{Name: name, Version: "1", Model: s.model}, nil
}

func (s single) Versions(string) []string { return []string{"1"} }

// ended leaves out that the program was told to end.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
