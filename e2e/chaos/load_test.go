//go:build chaos && linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/localnet/files"
	chainnetwork "github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

const (
	netuid  = 1
	senders = 4
	miners  = 4

	kindSetup    = "setup"
	kindTransfer = "transfer"
	kindRegister = "register"
	kindWeights  = "weights"
	kindServe    = "serve"
)

var kinds = []string{kindSetup, kindTransfer, kindRegister, kindWeights, kindServe}

// loadAccounts are the accounts that a load needs in the genesis.
func loadAccounts() []files.Account {
	rich := uint64(50_000 * subnet.PLX)
	all := []files.Account{{Name: "owner", Balance: rich}, {Name: "registrar", Balance: rich}, {Name: "mines", Balance: rich}}
	for i := range senders {
		all = append(all, files.Account{Name: fmt.Sprintf("sender%d", i), Balance: rich})
	}
	for i := range nodeCount {
		all = append(all, files.Account{Name: fmt.Sprintf("node%d-hot", i)})
	}
	for i := range miners {
		all = append(all, files.Account{Name: fmt.Sprintf("miner%d", i)})
	}
	return all
}

// receipt is a transaction that the chain confirmed.
type receipt struct {
	kind   string
	hash   string
	height uint64
	paid   bool // it carried a fee
}

// counts is what became of the transactions of a kind.
type counts struct{ confirmed, refused, unanswered int }

// load sends transactions of many kinds from many accounts to nodes chosen at
// random.
type load struct {
	net  *network
	free []*chainclient.Client // for duties, by node
	paid []*chainclient.Client

	mu       sync.Mutex
	rng      *rand.Rand
	receipts []receipt
	counts   map[string]*counts
	refusals map[string]int // by reason
	fault    error          // what should never happen

	stop context.CancelFunc
	done sync.WaitGroup
}

func newLoad(net *network, seed uint64) *load {
	l := &load{
		net: net, rng: rand.New(rand.NewPCG(seed, 1)),
		counts: map[string]*counts{}, refusals: map[string]int{},
	}
	for _, k := range kinds {
		l.counts[k] = &counts{}
	}
	for _, n := range net.nodes {
		for _, target := range []struct {
			list  *[]*chainclient.Client
			price string
		}{{&l.free, ""}, {&l.paid, gasPrice}} {
			c, err := chainclient.Dial(chainclient.Config{
				Address: fmt.Sprintf("%s:%d", n.at.Host, n.at.GRPC), ChainID: net.files.ChainID,
				GasPrice: target.price, GasAdjustment: 2, CallTimeout: 5 * time.Second, TxTimeout: 20 * time.Second,
			})
			require.NoError(net.t, err)
			net.t.Cleanup(func() { _ = c.Close() })
			*target.list = append(*target.list, c)
		}
	}
	return l
}

func (l *load) chance(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.IntN(n)
}

func (l *load) signer(name string) *chainclient.Signer {
	s, err := chainclient.NewSigner(l.net.keys, name)
	require.NoError(l.net.t, err)
	return s
}

// submit sends one transaction by some node and enters what became of it.
func (l *load) submit(ctx context.Context, kind string, duty bool, signer *chainclient.Signer, msg sdk.Msg) error {
	clients := l.paid
	if duty {
		clients = l.free
	}
	res, err := clients[l.chance(len(clients))].Submit(ctx, signer, msg)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[kind]
	var refused *chainclient.TxError
	switch {
	case err == nil:
		c.confirmed++
		l.receipts = append(l.receipts, receipt{kind: kind, hash: res.Hash, height: res.Height, paid: !duty})
	case ctx.Err() != nil: // the load was stopped
	case errors.As(err, &refused):
		c.refused++
		l.refusals[fmt.Sprintf("%s: %s %d", kind, refused.Codespace, refused.Code)]++
	case errors.Is(err, chainclient.ErrUnavailable), errors.Is(err, chainclient.ErrNotFound):
		c.unanswered++
	default:
		l.fault = errors.Join(l.fault, fmt.Errorf("%s: %w", kind, err))
	}
	return err
}

// must sends one transaction that has to succeed.
func (l *load) must(signer *chainclient.Signer, msg sdk.Msg) {
	l.net.t.Helper()
	require.NoError(l.net.t, l.submit(l.net.t.Context(), kindSetup, false, signer, msg))
}

// setUp opens a subnet with validators and miners in it.
func (l *load) setUp() {
	owner, mines := l.signer("owner"), l.signer("mines")
	l.must(owner, &subnetv1.MsgCreateSubnet{Owner: owner.Address(), Name: "chaos", MaxLock: 1000 * subnet.PLX})
	for i := range nodeCount {
		operator := l.signer(fmt.Sprintf("node%d", i))
		hot := l.signer(fmt.Sprintf("node%d-hot", i))
		l.must(operator, &subnetv1.MsgBindHotkey{Operator: operator.Address(), Hotkey: hot.Address(), HotkeyProof: l.proof(hot, operator)})
		l.must(operator, l.register(operator, hot))
	}
	for i := range miners {
		l.must(mines, l.register(mines, l.signer(fmt.Sprintf("miner%d", i))))
	}
}

func (l *load) register(coldkey, hotkey *chainclient.Signer) *subnetv1.MsgRegister {
	return &subnetv1.MsgRegister{
		Coldkey: coldkey.Address(), Hotkey: hotkey.Address(), Netuid: netuid, MaxBurn: 100 * subnet.PLX, HotkeyProof: l.proof(hotkey, coldkey),
	}
}

// proof shows that a hotkey is there.
func (l *load) proof(hotkey, coldkey *chainclient.Signer) *subnetv1.HotkeyProof {
	signature, key, err := hotkey.SignBytes(subnetv1.HotkeyClaim(l.net.files.ChainID, coldkey.Address()))
	require.NoError(l.net.t, err)
	return &subnetv1.HotkeyProof{PublicKey: key, Signature: signature}
}

// run starts the senders. halt ends them.
func (l *load) run() {
	ctx, stop := context.WithCancel(l.net.t.Context())
	l.stop = stop
	for i := range senders {
		l.every(ctx, 400*time.Millisecond, l.transfers(i))
	}
	l.every(ctx, 3*time.Second, l.registrations())
	for i := range nodeCount {
		l.every(ctx, 3*time.Second, l.weights(i))
	}
	for i := range miners {
		l.every(ctx, 4*time.Second, l.serves(i))
	}
}

func (l *load) halt(t *testing.T) {
	l.stop()
	l.done.Wait()
	require.NoError(t, l.fault)
}

// every repeats work with pauses of up to twice the given length between.
func (l *load) every(ctx context.Context, pause time.Duration, work func(context.Context)) {
	l.done.Go(func() {
		for ctx.Err() == nil {
			work(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(l.chance(int(2 * pause)))):
			}
		}
	})
}

func (l *load) transfers(i int) func(context.Context) {
	from := l.signer(fmt.Sprintf("sender%d", i))
	return func(ctx context.Context) {
		to := l.net.files.Addresses[fmt.Sprintf("sender%d", (i+1+l.chance(senders-1))%senders)]
		coins := sdk.NewCoins(sdk.NewCoin(chainnetwork.Denom, sdkmath.NewInt(int64(1+l.chance(1_000_000)))))
		_ = l.submit(ctx, kindTransfer, false, from, &banktypes.MsgSend{FromAddress: from.Address(), ToAddress: to, Amount: coins})
	}
}

// registrations register hotkeys that do nothing, which replace each other
// when the subnet is full.
func (l *load) registrations() func(context.Context) {
	registrar := l.signer("registrar")
	return func(ctx context.Context) {
		raw := make([]byte, 20)
		for i := range raw {
			raw[i] = byte(l.chance(256))
		}
		key := secp256k1.GenPrivKeyFromSecret(raw)
		signature, err := key.Sign(subnetv1.HotkeyClaim(l.net.files.ChainID, registrar.Address()))
		if err != nil {
			panic(err) // no key of ours
		}
		_ = l.submit(ctx, kindRegister, false, registrar, &subnetv1.MsgRegister{
			Coldkey: registrar.Address(), Hotkey: sdk.AccAddress(key.PubKey().Address()).String(), Netuid: netuid, MaxBurn: 100 * subnet.PLX,
			HotkeyProof: &subnetv1.HotkeyProof{PublicKey: key.PubKey().Bytes(), Signature: signature},
		})
	}
}

// weights is a validator that prefers the named miners by whims, and registers
// again when it lost its uid.
func (l *load) weights(i int) func(context.Context) {
	hot, operator := l.signer(fmt.Sprintf("node%d-hot", i)), l.signer(fmt.Sprintf("node%d", i))
	return func(ctx context.Context) {
		meta, err := l.free[l.chance(len(l.free))].Metagraph(ctx, netuid)
		if err != nil {
			return // a node that is away
		}
		msg := &subnetv1.MsgSetWeights{Hotkey: hot.Address(), Netuid: netuid}
		registered := false
		for uid, hotkey := range meta.Hotkeys {
			registered = registered || hotkey == hot.Address()
			if meta.Endpoints[uid].Port == 0 {
				continue
			}
			msg.Uids = append(msg.Uids, uint32(uid))
			msg.Values = append(msg.Values, uint32(1+l.chance(65535)))
		}
		switch {
		case !registered:
			_ = l.submit(ctx, kindRegister, false, operator, l.register(operator, hot))
		case len(msg.Uids) > 0:
			_ = l.submit(ctx, kindWeights, true, hot, msg)
		}
	}
}

// serves is a miner that keeps moving.
func (l *load) serves(i int) func(context.Context) {
	hot, mines := l.signer(fmt.Sprintf("miner%d", i)), l.signer("mines")
	return func(ctx context.Context) {
		_, err := l.free[l.chance(len(l.free))].Neuron(ctx, netuid, hot.Address())
		if errors.Is(err, chainclient.ErrNotFound) {
			_ = l.submit(ctx, kindRegister, false, mines, l.register(mines, hot))
			return
		}
		if err != nil {
			return // a node that is away
		}
		_ = l.submit(ctx, kindServe, true, hot, &subnetv1.MsgServe{Hotkey: hot.Address(), Netuid: netuid, Endpoint: subnetv1.Endpoint{
			Host: "127.0.0.1", Port: uint32(1024 + l.chance(60_000)), Protocol: "oip-v2-grpc", Model: fmt.Sprintf("model-%d", i), ModelSha256: make([]byte, 32),
		}})
	}
}

// confirmed is what the chain said it has, and whether a fee was paid for it.
func (l *load) confirmed() (all []receipt, paid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.receipts {
		if r.paid {
			paid++
		}
	}
	return append(all, l.receipts...), paid
}
