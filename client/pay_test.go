package client_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/client/wallet/wallettest"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/payment"
	"github.com/plexusnet/plexus/proto/inference"
)

// market is miners that want to be paid, on one chain, and a caller who has money.
type market struct {
	directory *chaintest.Chain
	chain     *tilltest.Chain
	account   wallettest.Account
	payer     *wallettest.Payer
	miners    []*wallettest.Served
}

const funds = 100 * amount.PLX

func newMarket(t testing.TB, miners ...wallettest.Miner) *market {
	t.Helper()
	m := &market{directory: chaintest.New(wallettest.Netuid), chain: tilltest.NewChain(wallettest.ChainID), account: wallettest.NewAccount(t)}
	m.payer = wallettest.NewPayer(m.chain, m.account.Address, funds)
	for i, one := range miners {
		served := wallettest.Serve(t, m.chain, one)
		m.miners = append(m.miners, served)
		m.directory.Add(served.Neuron("echo", uint16(1000-i)))
	}
	return m
}

func (m *market) wallet(t testing.TB, change ...func(*wallet.Options)) *wallet.Wallet {
	t.Helper()
	o := wallet.Options{Budget: 50 * amount.PLX, Duration: 10_000}
	for _, c := range change {
		c(&o)
	}
	return wallettest.Open(t, m.payer, m.account, o)
}

func (m *market) client(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	o.Dialer.Identity = m.account.Identity
	c := client.New(m.directory.As(""), o)
	t.Cleanup(c.Close)
	return c
}

func echo(t testing.TB) map[string][]byte {
	return map[string][]byte{"echo": minertest.Echo(t, models.FP32, models.Any)}
}

func numbers(n int) []models.Tensor {
	return []models.Tensor{models.FromFloat32s("in", []int64{int64(n)}, make([]float32, n))}
}

func TestAMinerIsPaidOnceItAsks(t *testing.T) {
	m := newMarket(t, wallettest.Miner{Price: payment.Price{Request: 1000, Input: 1024}, Files: echo(t)})
	w := m.wallet(t)
	var mu sync.Mutex
	var calls []client.Call
	c := m.client(t, client.Options{Wallet: w, Observe: func(call client.Call) { mu.Lock(); defer mu.Unlock(); calls = append(calls, call) }})
	for i := range 5 {
		answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(256), Tag: "me"})
		require.NoError(t, err)
		require.EqualValues(t, 2024, answer.Charged, "the request, and 1 KiB")
		require.Empty(t, answer.Failed)
		require.EqualValues(t, 2024*(i+1), w.Channels()[0].Owed)
	}
	c.Close()
	require.Len(t, calls, 5)
	for _, call := range calls {
		require.Equal(t, "me", call.Tag)
		require.True(t, call.Won)
		require.EqualValues(t, 2024, call.Charged)
		require.Equal(t, call.Limit, call.Charged, "a price without output and compute is known before")
	}
	require.Len(t, m.payer.Opened(), 1)
}

func TestNobodyPaysWithoutAWalletAboveThePriceOrWithoutMoney(t *testing.T) {
	m := newMarket(t, wallettest.Miner{Price: payment.Price{Request: 1000}, Files: echo(t)})
	request := client.Request{Netuid: 1, Inputs: numbers(4)}
	_, err := m.client(t, client.Options{}).Infer(t.Context(), request)
	require.ErrorIs(t, err, client.ErrPayment)
	require.ErrorIs(t, err, client.ErrNoAnswer)

	_, err = m.client(t, client.Options{Wallet: m.wallet(t), MaxPrice: 999}).Infer(t.Context(), request)
	require.ErrorIs(t, err, client.ErrPrice)
	require.Empty(t, m.payer.Opened(), "nothing is opened for what may not be paid")

	poor := wallettest.NewPayer(m.chain, m.account.Address, 5)
	w := wallettest.Open(t, poor, m.account, wallet.Options{Budget: amount.PLX})
	_, err = m.client(t, client.Options{Wallet: w, Pay: client.PayAlways}).Infer(t.Context(), request)
	require.ErrorIs(t, err, wallet.ErrNoFunds)

	stranger := client.New(m.directory.As(""), client.Options{Wallet: m.wallet(t), Pay: client.PayAlways})
	t.Cleanup(stranger.Close)
	_, err = stranger.Infer(t.Context(), request)
	require.ErrorContains(t, err, "node certificate", "who pays must show it")
}

func TestTheCheapestOfEqualsIsAskedMost(t *testing.T) {
	m := newMarket(t, wallettest.Miner{Price: payment.Price{Request: 9000}, Files: echo(t)}, wallettest.Miner{Price: payment.Price{Request: 100}, Files: echo(t)})
	c := m.client(t, client.Options{Wallet: m.wallet(t), Pay: client.PayAlways, Weights: client.Weights{Price: 8}})
	asked := map[uint16]int{}
	for range 20 {
		answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(4)})
		require.NoError(t, err)
		asked[answer.Miner.UID]++
	}
	require.GreaterOrEqual(t, asked[1], 15, "%v", asked)
}

// TestTheBooksBalance: many callers at once on one wallet, miners that stop in the middle; every answer is paid, nothing
// else is, and what tills say that they are owed is what the wallet agreed to.
func TestTheBooksBalance(t *testing.T) {
	price := wallettest.Miner{Price: payment.Price{Request: 1000, Output: 500}, Files: echo(t)}
	m := newMarket(t, price, price, price)
	w := m.wallet(t, func(o *wallet.Options) { o.Deposit, o.Step = 2_000_000, 20_000 })
	var mu sync.Mutex
	charged, unsure, answers := uint64(0), uint64(0), 0
	c := m.client(t, client.Options{Wallet: w, Pay: client.PayAlways, Observe: func(call client.Call) {
		mu.Lock()
		defer mu.Unlock()
		charged += call.Charged
		if call.Unsure {
			unsure += call.Limit
		}
		if call.Err != nil {
			require.Zero(t, call.Charged, "a failed call costs nothing")
		}
	}})
	var group sync.WaitGroup
	for caller := range 8 {
		group.Go(func() {
			for i := range 40 {
				if caller == 0 && i == 20 {
					m.miners[0].Stop()
				}
				answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(64)})
				if err != nil {
					t.Errorf("caller %d, call %d: %v", caller, i, err)
					continue
				}
				mu.Lock()
				answers++
				mu.Unlock()
				if answer.Charged != 1125 {
					t.Errorf("charged %d", answer.Charged)
				}
			}
		})
	}
	group.Wait()
	c.Close()
	require.Equal(t, 320, answers)
	require.EqualValues(t, 320*1125, charged)
	owed := uint64(0)
	for _, channel := range w.Channels() {
		require.Equal(t, wallet.StateOpen, channel.State, channel.Reason)
		require.Zero(t, channel.InHand)
		owed += channel.Owed
	}
	require.GreaterOrEqual(t, owed, charged)
	require.LessOrEqual(t, owed, charged+unsure)
}

func TestSparesAreKeptReady(t *testing.T) {
	price := wallettest.Miner{Price: payment.Price{Request: 1000}, Files: echo(t)}
	m := newMarket(t, price, price, price, price)
	m.payer.BlockTime(300 * time.Millisecond)
	w := m.wallet(t)
	c := m.client(t, client.Options{Wallet: w, Spares: 1, Among: 4})
	_, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(4)})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(w.Channels()) >= 2 }, 20*time.Second, 5*time.Millisecond, "the one that was asked, and a spare")
	opened := map[string]bool{}
	for _, channel := range w.Channels() {
		opened[channel.Hotkey] = true
	}
	for _, one := range m.miners {
		if one.Account.Address == w.Channels()[0].Hotkey {
			one.Stop()
		}
	}
	answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(4)})
	require.NoError(t, err)
	require.True(t, opened[answer.Miner.Hotkey], "no channel had to be opened for the answer")
	require.Eventually(t, func() bool { return len(w.Channels()) == 3 }, 20*time.Second, 5*time.Millisecond, "another spare")
	time.Sleep(400 * time.Millisecond)
	require.Len(t, w.Channels(), 3, "and no more")
}

// crook answers as a miner that lies about what it is owed.
type crook struct {
	inference.UnimplementedGRPCInferenceServiceServer
	charged, owed string
	err           error
	calls         int
	mu            sync.Mutex
}

func (c *crook) ModelInfer(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	c.mu.Lock()
	c.calls++
	c.mu.Unlock()
	if err := grpc.SetTrailer(ctx, metadata.Pairs(oip.TrailerCharged, c.charged, oip.TrailerOwed, c.owed)); err != nil {
		return nil, err
	}
	if c.err != nil {
		return nil, c.err
	}
	inputs, err := oip.Inputs(req)
	if err != nil {
		return nil, err
	}
	inputs[0].Name = "out"
	return oip.Response{Model: req.ModelName, Outputs: inputs}.Message(), nil
}

func (c *crook) serve(t testing.TB) metagraph.Endpoint {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	inference.RegisterGRPCInferenceServiceServer(server, c)
	done := make(chan error, 1)
	go func() { done <- server.Serve(lis) }()
	t.Cleanup(func() { server.Stop(); require.NoError(t, <-done) })
	return metagraph.Endpoint{Host: "127.0.0.1", Port: uint16(lis.Addr().(*net.TCPAddr).Port), Protocol: oip.Protocol, Model: "echo", Price: 1000}
}

func TestLiarsAreDropped(t *testing.T) {
	for name, c := range map[string]*crook{
		"claims more than it charged":      {charged: "1000", owed: "900000"},
		"charges more than the limit":      {charged: "1001", owed: "1001"},
		"charges for a failure":            {charged: "1000", owed: "1000", err: status.Error(codes.Internal, "broken")},
		"has charged for more than it had": {charged: "1000", owed: "1001"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMarket(t)
			m.directory.Add(metagraph.Neuron{Hotkey: "crook", Incentive: 9000, Endpoint: c.serve(t)})
			honest := wallettest.Serve(t, m.chain, wallettest.Miner{Price: payment.Price{Request: 1000}, Files: echo(t)})
			m.directory.Add(honest.Neuron("echo", 1))
			w := m.wallet(t)
			cl := m.client(t, client.Options{Wallet: w, Pay: client.PayAlways, Among: 1})
			for range 5 {
				_, err := cl.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(4)})
				require.NoError(t, err)
			}
			require.Equal(t, 1, c.calls)
			require.Eventually(t, func() bool {
				for _, channel := range w.Channels() {
					if channel.Hotkey == "crook" {
						return channel.State == wallet.StateDisputed && channel.Signed <= 1000+amount.PLX/100
					}
				}
				return false
			}, 5*time.Second, 5*time.Millisecond)
			health, err := cl.Health(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, "open", health[0].State)
			require.Greater(t, time.Until(health[0].Until), 5*time.Minute)
		})
	}
}

func TestAMinerThatRefusesWhatItIsPaidIsPassedOver(t *testing.T) {
	m := newMarket(t)
	c := &crook{charged: "0", owed: "0", err: status.Error(codes.PermissionDenied, "not for you")}
	m.directory.Add(metagraph.Neuron{Hotkey: "crook", Incentive: 9000, Endpoint: c.serve(t)})
	honest := wallettest.Serve(t, m.chain, wallettest.Miner{Price: payment.Price{Request: 1000}, Files: echo(t)})
	m.directory.Add(honest.Neuron("echo", 1))
	w := m.wallet(t)
	answer, err := m.client(t, client.Options{Wallet: w, Pay: client.PayAlways, Among: 1}).Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(4)})
	require.NoError(t, err)
	require.Len(t, answer.Failed, 1)
	require.Equal(t, codes.PermissionDenied, status.Code(answer.Failed[0].Err))
	for _, channel := range w.Channels() {
		require.Zero(t, channel.InHand)
	}
}
