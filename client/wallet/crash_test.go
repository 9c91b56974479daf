package wallet_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/client/wallet/wallettest"
	"github.com/plexusnet/plexus/payment"
)

// crashVariable has the test program be a caller with a wallet, in a process of its own, that is killed. It is the folder
// where it finds its wallet, its key and the socket of the world around it.
const crashVariable = "PLEXUS_WALLET_CRASH"

const (
	crashLimit   = 100
	crashCallers = 4
	crashStep    = 700
	crashDeposit = 20_000
	crashBudget  = 400_000
)

func crashOptions(folder string, key ed25519.PrivateKey, chain wallet.Chain) wallet.Options {
	return wallet.Options{Path: filepath.Join(folder, "wallet.db"), Chain: chain, ChainID: wallettest.ChainID, Key: key, Budget: crashBudget,
		Deposit: crashDeposit, Step: crashStep, Duration: 1000, Interval: 5 * time.Millisecond}
}

// crashAt is the process that is killed: it pays for calls until then.
func crashAt(folder string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	conn, err := rpc.Dial("unix", filepath.Join(folder, "world"))
	fail(err)
	key, err := identity.LoadOrCreateKey(filepath.Join(folder, "key.pem"))
	fail(err)
	w, err := wallet.Open(crashOptions(folder, key, remoteChain{conn}))
	fail(err)
	var group sync.WaitGroup
	for range crashCallers {
		group.Go(func() {
			for {
				fail(payOnce(w, conn))
			}
		})
	}
	group.Wait()
}

// payOnce makes one paid call.
func payOnce(w *wallet.Wallet, conn *rpc.Client) error {
	p, err := w.Reserve(context.Background(), to("miner"), crashLimit)
	if errors.Is(err, metagraph.ErrUnavailable) {
		time.Sleep(5 * time.Millisecond)
		return nil
	}
	if err != nil {
		return err
	}
	for {
		md, _ := metadata.FromOutgoingContext(p.Outgoing(context.Background()))
		args := Paid{Channel: p.Channel()}
		if raw := md.Get(oip.HeaderVoucher); len(raw) > 0 {
			args.Voucher = []byte(raw[0])
		}
		var bill Bill
		if err := conn.Call("World.Infer", args, &bill); err != nil {
			return err
		}
		if !bill.Wants {
			return p.Settle(bill.Charged, bill.Owed)
		}
		if err := p.Answer(context.Background(), wallet.Demand{Owed: bill.Owed, Signed: bill.Signed, Nonce: bill.Nonce, Needed: bill.Needed}); err != nil {
			return err
		}
	}
}

// Paid is a call with what pays for it.
type Paid struct {
	Channel uint64
	Voucher []byte
}

// Bill is what a miner answers.
type Bill struct {
	Wants                 bool // more signed
	Charged, Owed         uint64
	Signed, Nonce, Needed uint64
}

// World is the chain and the miner around the process that is killed. They outlive it.
type World struct {
	payer *wallettest.Payer
	key   ed25519.PublicKey

	mu      sync.Mutex
	lanes   map[uint64]*counted
	problem error
	kill    func()
	at      string // where to kill: "open", "opened", "topped", "call", "answer"; else nowhere
	after   int    // times
}

// counted is what the miner keeps of a channel.
type counted struct {
	owed, reserved, signed, nonce uint64
	seen                          map[uint64]uint64 // amounts by nonce
}

// wrong is the first thing that a miner would not have taken.
func (w *World) wrong() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.problem
}

// point kills the process if it is time to, here.
func (w *World) point(where string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at != where || w.kill == nil {
		return
	}
	if w.after--; w.after <= 0 {
		w.kill()
		w.kill = nil
	}
}

// Infer is the miner: it charges anything up to the limit.
func (w *World) Infer(p Paid, bill *Bill) error {
	w.point("call")
	w.mu.Lock()
	lane := w.lanes[p.Channel]
	if lane == nil {
		lane = &counted{seen: map[uint64]uint64{}}
		w.lanes[p.Channel] = lane
	}
	if len(p.Voucher) > 0 {
		if err := lane.take(p, w.key); err != nil && w.problem == nil {
			w.problem = err
		}
	}
	if needed := lane.owed + lane.reserved + crashLimit; needed > lane.signed {
		*bill = Bill{Wants: true, Owed: lane.owed, Signed: lane.signed, Nonce: lane.nonce, Needed: needed}
		w.mu.Unlock()
		return nil
	}
	charge := rand.Uint64N(crashLimit + 1)
	lane.owed += charge
	*bill = Bill{Charged: charge, Owed: lane.owed}
	w.mu.Unlock()
	w.point("answer")
	return nil
}

// take takes in a voucher. One nonce must never stand for two amounts.
func (c *counted) take(p Paid, key ed25519.PublicKey) error {
	var v payment.Voucher
	if err := v.UnmarshalBinary(p.Voucher); err != nil {
		return err
	}
	if err := v.Verify(wallettest.ChainID, key); err != nil {
		return err
	}
	if other, seen := c.seen[v.Nonce]; seen && other != v.Amount {
		return fmt.Errorf("channel %d: nonce %d stands for %d and %d nplx", p.Channel, v.Nonce, other, v.Amount)
	}
	c.seen[v.Nonce] = v.Amount
	if v.Nonce > c.nonce {
		if v.Amount <= c.signed {
			return fmt.Errorf("channel %d: nonce %d signs %d nplx, %d were signed before", p.Channel, v.Nonce, v.Amount, c.signed)
		}
		c.nonce, c.signed = v.Nonce, v.Amount
	}
	return nil
}

// Height, Terms, Channels, Open, TopUp, Close and Collect are the chain.
func (w *World) Height(_ struct{}, out *uint64) (err error) {
	*out, err = w.payer.Height(context.Background())
	return err
}

// Terms tells the chain's parameters.
func (w *World) Terms(_ struct{}, out *wallet.Terms) (err error) {
	*out, err = w.payer.Terms(context.Background())
	return err
}

// Channels lists the payer's.
func (w *World) Channels(_ struct{}, out *[]wallet.Escrow) (err error) {
	*out, err = w.payer.Channels(context.Background())
	return err
}

// Open opens a channel.
func (w *World) Open(o wallet.Opening, out *uint64) (err error) {
	w.point("open")
	*out, err = w.payer.OpenChannel(context.Background(), o)
	w.point("opened")
	return err
}

// TopUp tops a channel up.
func (w *World) TopUp(a [3]uint64, _ *struct{}) error {
	err := w.payer.TopUp(context.Background(), a[0], a[1], a[2])
	w.point("topped")
	return err
}

// remoteChain is the chain to the process that is killed.
type remoteChain struct{ *rpc.Client }

func (c remoteChain) Height(context.Context) (out uint64, err error) {
	return out, c.Call("World.Height", struct{}{}, &out)
}

func (c remoteChain) Terms(context.Context) (out wallet.Terms, err error) {
	return out, c.Call("World.Terms", struct{}{}, &out)
}

func (c remoteChain) Channels(context.Context) (out []wallet.Escrow, err error) {
	return out, c.Call("World.Channels", struct{}{}, &out)
}

func (c remoteChain) OpenChannel(_ context.Context, o wallet.Opening) (out uint64, err error) {
	return out, c.Call("World.Open", o, &out)
}

func (c remoteChain) TopUp(_ context.Context, channel, amount, expires uint64) error {
	return c.Call("World.TopUp", [3]uint64{channel, amount, expires}, &struct{}{})
}

func (remoteChain) CloseChannel(context.Context, uint64) error { return errors.New("not asked for") }

func (remoteChain) Collect(context.Context, uint64) (uint64, error) {
	return 0, errors.New("not asked for")
}

// TestNothingIsLostWhenTheCallerIsKilled: a process that pays is killed (SIGKILL) at each point at which something has just
// become true elsewhere, and at any other time, again and again, and goes on with the same wallet. No nonce is used twice,
// what left is known, no money is out that the wallet does not know of, and in the end no more is signed than is owed, a
// step, and what was in hand.
func TestNothingIsLostWhenTheCallerIsKilled(t *testing.T) {
	folder, err := os.MkdirTemp("", "wallet") // a path that is short enough for a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	b := newBench(t)
	writeKey(t, filepath.Join(folder, "key.pem"), b.account.Key)
	world := &World{payer: b.payer, key: b.account.Public(), lanes: map[uint64]*counted{}}
	lis := listen(t, folder, world)
	defer lis.Close()

	for round, kill := range []struct {
		at    string
		after int
	}{{"open", 1}, {"opened", 1}, {"call", 1}, {"answer", 1}, {"call", 20}, {"answer", 33}, {"topped", 1}, {"call", 200}, {"topped", 2}, {"any", 3}, {"any", 20}, {"any", 57}, {"any", 110}, {"any", 200}} {
		if kill.at == "open" { // it was asked for, and never came: that is waited for
			b.payer.Fail(func(operation string) error {
				if operation == "open" {
					return errors.New("killed before")
				}
				return nil
			})
		}
		runUntilKilled(t, folder, world, kill.at, kill.after)
		b.payer.Fail(nil)
		b.chain.Advance(1)
		if kill.at == "open" {
			b.chain.Advance(50)
		}
		require.NoError(t, world.wrong(), "round %d: %s", round, kill.at)
	}

	w, err := wallet.Open(crashOptions(folder, b.account.Key, b.payer))
	require.NoError(t, err)
	defer w.Close()
	require.NoError(t, w.Look(t.Context()))
	require.LessOrEqual(t, w.Balance().Out, uint64(crashBudget))
	require.EqualValues(t, start-b.payer.Balance(), w.Balance().Out, "what left the account is what the wallet knows to be out")
	world.mu.Lock()
	defer world.mu.Unlock()
	for _, c := range w.Channels() {
		lane := world.lanes[c.ID]
		if lane == nil {
			require.LessOrEqual(t, c.Signed, uint64(crashCallers*crashLimit+crashStep), "channel %d, over which no call came", c.ID)
			continue
		}
		require.GreaterOrEqual(t, c.Signed, lane.signed, "channel %d: what left is known", c.ID)
		require.LessOrEqual(t, c.Signed, lane.owed+crashCallers*crashLimit+crashStep, "channel %d", c.ID)
		require.Equal(t, wallet.StateOpen, c.State, "channel %d: nobody was taken for a liar: %s", c.ID, c.Reason)
		t.Logf("channel %d: %d vouchers, %d nplx signed, %d owed", c.ID, lane.nonce, c.Signed, lane.owed)
	}
}

func writeKey(t *testing.T, path string, key ed25519.PrivateKey) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
}

func listen(t *testing.T, folder string, world *World) net.Listener {
	t.Helper()
	server := rpc.NewServer()
	require.NoError(t, server.Register(world))
	lis, err := net.Listen("unix", filepath.Join(folder, "world"))
	require.NoError(t, err)
	go func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			go server.ServeConn(conn)
		}
	}()
	return lis
}

// runUntilKilled starts the process and waits for its end.
func runUntilKilled(t *testing.T, folder string, world *World, at string, after int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashVariable+"="+folder)
	errors, err := cmd.StderrPipe()
	require.NoError(t, err)
	world.mu.Lock()
	world.at, world.after, world.kill = at, after, func() { _ = cmd.Process.Kill() }
	err = cmd.Start()
	world.mu.Unlock()
	require.NoError(t, err)
	if at == "any" {
		time.AfterFunc(time.Duration(after)*time.Millisecond+20*time.Millisecond, func() { _ = cmd.Process.Kill() })
	}
	guard := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	said, err := io.ReadAll(errors)
	require.NoError(t, err)
	_ = cmd.Wait()
	require.True(t, guard.Stop(), "%s %d: it was never reached", at, after)
	require.Empty(t, string(said), "%s %d", at, after)
	world.mu.Lock()
	world.kill = nil
	world.mu.Unlock()
}
