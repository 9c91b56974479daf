// Package wallettest gives tests what it takes to pay a miner: accounts with identities, miners with tills, and a payer's
// view of the chain in memory that the tills look at.
//
//	chain := tilltest.NewChain(wallettest.ChainID)
//	alice := wallettest.NewAccount(t)
//	payer := wallettest.NewPayer(chain, alice.Address, 100*amount.PLX)
//	miner := wallettest.Serve(t, chain, wallettest.Miner{Price: payment.Price{Request: 1000}, Files: files})
//	w := wallettest.Open(t, payer, alice, wallet.Options{Budget: 50 * amount.PLX})
package wallettest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/payment"
)

// ChainID is the chain of these tests.
const ChainID = "plexus-test-1"

// Netuid is the subnet in which the miners serve.
const Netuid = 1

// Account is an account of the chain, with a node key that it vouches for.
type Account struct {
	Address  string
	Key      ed25519.PrivateKey // of the node; signs vouchers
	Identity oip.Identity
}

// Public is the key that verifies the account's vouchers.
func (a Account) Public() ed25519.PublicKey { return a.Key.Public().(ed25519.PublicKey) }

type signer struct{ key *secp256k1.PrivateKey }

func (s signer) SignBytes(message []byte) (signature, publicKey []byte, err error) {
	digest := sha256.Sum256(message)
	return ecdsa.SignCompact(s.key, digest[:], true)[1:], s.key.PubKey().SerializeCompressed(), nil
}

// NewAccount makes an account.
func NewAccount(t testing.TB) Account {
	t.Helper()
	secret, err := secp256k1.GeneratePrivateKey()
	check(t, err)
	address, err := identity.Address(secret.PubKey().SerializeCompressed())
	check(t, err)
	key, err := identity.LoadOrCreateKey(filepath.Join(t.TempDir(), "node.pem"))
	check(t, err)
	id, err := oip.NodeIdentity(key, ChainID, signer{secret})
	check(t, err)
	return Account{Address: address, Key: key, Identity: id}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Payer is the chain in the name of an account: a wallet.Chain. It is safe for concurrent use.
type Payer struct {
	chain   *tilltest.Chain
	address string

	mu      sync.Mutex
	balance uint64
	opened  []uint64
	terms   wallet.Terms
	block   time.Duration
	fail    func(operation string) error
	mute    bool
}

// NewPayer returns the chain in the name of an account that has so many nplx.
func NewPayer(chain *tilltest.Chain, address string, balance uint64) *Payer {
	return &Payer{chain: chain, address: address, balance: balance, terms: wallet.Terms{MinDeposit: 1, MaxDuration: 1 << 32, CloseDelay: tilltest.CloseDelay}}
}

// Fail lets operations fail with what fail returns for them: "height", "terms", "channels", "open", "topup", "close",
// "collect". nil ends it.
func (p *Payer) Fail(fail func(operation string) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = fail
}

// Mute lets transactions be carried out without an answer.
func (p *Payer) Mute(mute bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = mute
}

// BlockTime is how long each transaction takes.
func (p *Payer) BlockTime(block time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.block = block
}

// Balance is what the account holds.
func (p *Payer) Balance() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.balance
}

// Opened returns the channels that were opened, in order.
func (p *Payer) Opened() []uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.opened)
}

// begin is how every operation begins.
func (p *Payer) begin(ctx context.Context, operation string, transaction bool) error {
	p.mu.Lock()
	fail, block := p.fail, p.block
	p.mu.Unlock()
	if fail != nil {
		if err := fail(operation); err != nil {
			return err
		}
	}
	if !transaction || block == 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(block):
		return nil
	}
}

// end is how every transaction ends that was carried out.
func (p *Payer) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mute {
		return fmt.Errorf("%w: no answer", metagraph.ErrUnavailable)
	}
	return nil
}

func (p *Payer) pay(nplx uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.balance < nplx {
		return fmt.Errorf("%w: %d nplx", wallet.ErrNoFunds, p.balance)
	}
	p.balance -= nplx
	return nil
}

// Height implements wallet.Chain.
func (p *Payer) Height(ctx context.Context) (uint64, error) {
	if err := p.begin(ctx, "height", false); err != nil {
		return 0, err
	}
	return p.chain.Height(ctx)
}

// Terms implements wallet.Chain.
func (p *Payer) Terms(ctx context.Context) (wallet.Terms, error) {
	return p.terms, p.begin(ctx, "terms", false)
}

// Channels implements wallet.Chain.
func (p *Payer) Channels(ctx context.Context) ([]wallet.Escrow, error) {
	if err := p.begin(ctx, "channels", false); err != nil {
		return nil, err
	}
	var out []wallet.Escrow
	for _, id := range p.Opened() {
		c, err := p.chain.Channel(ctx, id)
		if errors.Is(err, till.ErrNoChannel) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, wallet.Escrow{Channel: c.Channel, Hotkey: c.Hotkey})
	}
	return out, nil
}

// OpenChannel implements wallet.Chain.
func (p *Payer) OpenChannel(ctx context.Context, o wallet.Opening) (uint64, error) {
	if err := p.begin(ctx, "open", true); err != nil {
		return 0, err
	}
	if err := p.pay(o.Deposit); err != nil {
		return 0, err
	}
	id := p.chain.Open(tilltest.Opening{Payer: p.address, Netuid: o.Netuid, Hotkey: o.Hotkey, Key: o.VoucherKey, Deposit: o.Deposit, Expires: o.Expires})
	p.mu.Lock()
	p.opened = append(p.opened, id)
	p.mu.Unlock()
	return id, p.end()
}

// TopUp implements wallet.Chain.
func (p *Payer) TopUp(ctx context.Context, channel, amount, expires uint64) error {
	if err := p.begin(ctx, "topup", true); err != nil {
		return err
	}
	if err := p.pay(amount); err != nil {
		return err
	}
	if err := p.chain.TopUp(channel, amount, expires); err != nil {
		return err
	}
	return p.end()
}

// CloseChannel implements wallet.Chain.
func (p *Payer) CloseChannel(ctx context.Context, channel uint64) error {
	if err := p.begin(ctx, "close", true); err != nil {
		return err
	}
	if err := p.chain.Close(channel); err != nil {
		return err
	}
	return p.end()
}

// Collect implements wallet.Chain.
func (p *Payer) Collect(ctx context.Context, channel uint64) (uint64, error) {
	if err := p.begin(ctx, "collect", true); err != nil {
		return 0, err
	}
	refund, err := p.chain.Collect(channel)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	p.balance += refund
	p.mu.Unlock()
	return refund, p.end()
}

// Open opens a wallet of the account until the test ends. What is not set of path, key, chain id and interval is.
func Open(t testing.TB, payer *Payer, account Account, o wallet.Options) *wallet.Wallet {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "wallet.db")
	}
	o.Chain, o.ChainID, o.Key = payer, ChainID, account.Key
	if o.Interval == 0 {
		o.Interval = 20 * time.Millisecond
	}
	w, err := wallet.Open(o)
	check(t, err)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Miner is a miner that wants to be paid.
type Miner struct {
	Price  payment.Price
	Files  map[string][]byte // models, by name
	Policy miner.Payment     // miner.PaymentRequire when empty
	Margin uint64            // blocks; till's own when 0
}

// Served is a miner that serves.
type Served struct {
	*minertest.Server
	Account Account
	Till    *till.Till
	price   payment.Price
}

// Serve serves a miner until the test ends. It skips the test where there is no ONNX Runtime to be had.
func Serve(t testing.TB, chain *tilltest.Chain, m Miner) *Served {
	t.Helper()
	account := NewAccount(t)
	money, err := till.Open(till.Config{ChainID: ChainID, Netuid: Netuid, Hotkey: account.Address, Price: m.Price, Chain: chain, Margin: m.Margin,
		Store: filepath.Join(t.TempDir(), "till.db"), Interval: 10 * time.Millisecond})
	check(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		money.Run(ctx)
	}()
	t.Cleanup(func() { // after the server has stopped
		stop()
		<-done
		if err := money.Close(); err != nil {
			t.Error(err)
		}
	})
	money.Look(ctx)
	if m.Policy == "" {
		m.Policy = miner.PaymentRequire
	}
	directory := &miner.Directory{}
	directory.Update(&metagraph.Metagraph{Netuid: Netuid, Height: 1})
	server := minertest.Serve(t, miner.ServerConfig{Identity: account.Identity, Till: money, Policy: miner.Policy{Payment: m.Policy},
		Directory: directory, DrainTimeout: time.Second}, m.Files)
	return &Served{Server: server, Account: account, Till: money, price: m.Price}
}

// Neuron is the miner as the chain lists it.
func (s *Served) Neuron(model string, incentive uint16) metagraph.Neuron {
	e := s.Endpoint(model)
	e.Price, e.InputPrice, e.OutputPrice, e.ComputePrice = s.price.Request, s.price.Input, s.price.Output, s.price.Compute
	return metagraph.Neuron{Hotkey: s.Account.Address, Incentive: incentive, Endpoint: e}
}
