package till_test

import (
	"bytes"
	"crypto/ed25519"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/payment"
)

const (
	chainID = "plexus-test-1"
	netuid  = 3
	hotkey  = "plx1miner"
	payer   = "plx1payer"
	margin  = 10
)

// keyOf makes a key that is the same in every run.
func keyOf(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// logs is what a till has logged, readable meanwhile.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// fixture is a till on a chain in memory, with one open channel of 1 000 000 nplx.
type fixture struct {
	*till.Till
	t       testing.TB
	chain   *tilltest.Chain
	cfg     till.Config
	channel uint64
	key     ed25519.PrivateKey
	who     till.Caller
	log     *logs
}

// price charges 10 nplx per request, 1 per KiB of input, 2 per KiB of output and 1000 per second.
var price = payment.Price{Request: 10, Input: 1, Output: 2, Compute: 1000}

func newFixture(t testing.TB, change ...func(*till.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, chain: tilltest.NewChain(chainID), key: keyOf(1), who: till.Caller{Account: payer}, log: &logs{}}
	f.channel = f.open(1_000_000, 10_000)
	f.cfg = till.Config{ChainID: chainID, Netuid: netuid, Hotkey: hotkey, Price: price, Store: filepath.Join(t.TempDir(), "till.db"),
		Chain: f.chain, Margin: margin, Interval: time.Millisecond, Threshold: 1000, RedeemEvery: time.Nanosecond, FlushInterval: time.Millisecond,
		Log: slog.New(slog.NewTextHandler(f.log, nil))}
	for _, c := range change {
		c(&f.cfg)
	}
	f.start()
	t.Cleanup(f.end)
	return f
}

func (f *fixture) start() {
	f.t.Helper()
	var err error
	f.Till, err = till.Open(f.cfg)
	require.NoError(f.t, err)
	f.Look(f.t.Context())
}

// end closes the till, unless that was done.
func (f *fixture) end() {
	if f.Till != nil {
		require.NoError(f.t, f.Close())
		f.Till = nil
	}
}

func (f *fixture) restart() {
	f.t.Helper()
	f.end()
	f.start()
}

func (f *fixture) open(deposit, expires uint64) uint64 {
	return f.chain.Open(tilltest.Opening{Payer: payer, Netuid: netuid, Hotkey: hotkey, Key: public(f.key), Deposit: deposit, Expires: expires})
}

// voucher signs for the fixture's channel.
func (f *fixture) voucher(lane uint32, nonce, amount uint64) *payment.Voucher {
	v := payment.Sign(chainID, f.key, payment.Voucher{Channel: f.channel, Lane: lane, Nonce: nonce, Amount: amount})
	return &v
}

func (f *fixture) offer(lane uint32, limit uint64, v *payment.Voucher) till.Offer {
	return till.Offer{Channel: f.channel, Lane: lane, Limit: limit, Voucher: v}
}

// pay has one request answered that costs what it costs to ask.
func (f *fixture) pay(lane uint32, limit uint64, v *payment.Voucher) till.Bill {
	f.t.Helper()
	sale, err := f.Admit(f.t.Context(), f.who, f.offer(lane, limit, v))
	require.NoError(f.t, err)
	bill, err := sale.Settle(f.t.Context(), till.Answered, payment.Usage{})
	require.NoError(f.t, err)
	return bill
}

// blocks lets blocks pass, and the till look at each.
func (f *fixture) blocks(n int) {
	for range n {
		f.chain.Advance(1)
		f.Look(f.t.Context())
		f.Redeem(f.t.Context())
	}
}

// refused checks that an error is a refusal of a kind and returns it.
func refused(t testing.TB, err error, code codes.Code, reason string) *till.Refusal {
	t.Helper()
	var r *till.Refusal
	require.ErrorAs(t, err, &r)
	require.Equal(t, reason, r.Reason, "%v", err)
	require.Equal(t, code, r.Code, "%v", err)
	return r
}
