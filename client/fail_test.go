package client_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/receipt"
	"github.com/plexusnet/plexus/client/wallet/wallettest"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/payment"
)

// childVariable has the test program serve as a miner of its own, in a process that can be killed.
const childVariable = "PLEXUS_CLIENT_TEST_MINER"

// TestMinerProcess is that miner: it says where it answers and serves until it is killed.
func TestMinerProcess(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		t.Skip("it is started by other tests")
	}
	var neuron metagraph.Neuron
	if payer, key, paid := strings.Cut(os.Getenv(childVariable), " "); paid {
		neuron = servePaid(t, payer, key)
	} else {
		neuron = metagraph.Neuron{Endpoint: minertest.Serve(t, miner.ServerConfig{}, echo(t)).Endpoint("echo")}
	}
	text, err := json.Marshal(neuron)
	require.NoError(t, err)
	os.Stdout.WriteString("serving " + string(text) + "\n")
	select {}
}

// servePaid serves a miner that wants to be paid, on a chain of its own on which channel 1 is the payer's.
func servePaid(t *testing.T, payer, key string) metagraph.Neuron {
	chain := tilltest.NewChain(wallettest.ChainID)
	served := wallettest.Serve(t, chain, wallettest.Miner{Price: payment.Price{Request: 1000}, Files: echo(t), Policy: miner.PaymentAccept})
	public, err := hex.DecodeString(key)
	require.NoError(t, err)
	chain.Open(tilltest.Opening{Payer: payer, Netuid: wallettest.Netuid, Hotkey: served.Account.Address, Key: public, Deposit: 1 << 50, Expires: 1 << 40})
	return served.Neuron("echo", 1)
}

// process is a miner in a process of its own.
type process struct {
	*exec.Cmd
	neuron metagraph.Neuron
}

// startProcess starts one; payer is who pays it, empty where nobody does.
func startProcess(t testing.TB, payer string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], "-test.run=^TestMinerProcess$", "-test.timeout=10m")}
	p.Env = append(os.Environ(), childVariable+"="+cmp.Or(payer, "free"))
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			require.NoError(t, json.Unmarshal([]byte(text), &p.neuron))
			return p
		}
	}
	t.Skip("no miner came up: is there an ONNX Runtime?")
	return nil
}

// as is the miner under a name.
func (p *process) as(hotkey string, incentive uint16) metagraph.Neuron {
	n := p.neuron
	n.Hotkey, n.Incentive = hotkey, incentive
	return n
}

// TestADeadMinerIsFailedOver: a miner that is killed, or stopped so that it neither answers nor breaks off, in the middle
// of calls: each call has an answer from another.
func TestADeadMinerIsFailedOver(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			longest := failover(t, signal)
			t.Logf("the longest call took %v", longest)
			require.Less(t, longest, 3*time.Second, "well below the 5 s that one miner gets")
		})
	}
}

// failover asks the best miner from several goroutines, ends it by a signal, and returns what the longest call from then
// on took.
func failover(t testing.TB, signal syscall.Signal) time.Duration {
	t.Helper()
	dying, other := startProcess(t, ""), startProcess(t, "")
	chain := chaintest.New(1)
	chain.Add(dying.as("dying", 60000), other.as("other", 50000))
	c := client.New(chain.As(""), client.Options{Among: 1})
	defer c.Close()
	for range 20 {
		answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(16)})
		require.NoError(t, err)
		require.Equal(t, "dying", answer.Miner.Hotkey)
	}
	var longest, others atomic.Int64
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(16)})
				took := int64(time.Since(start))
				if err != nil {
					t.Error(err)
					return
				}
				for old := longest.Load(); took > old && !longest.CompareAndSwap(old, took); old = longest.Load() {
				}
				if answer.Miner.Hotkey == "other" {
					others.Add(1)
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	longest.Store(0)
	require.NoError(t, dying.Process.Signal(signal))
	require.Eventually(t, func() bool { return others.Load() > 100 }, 20*time.Second, time.Millisecond)
	cancel()
	group.Wait()
	return time.Duration(longest.Load())
}

// BenchmarkFailover is what the longest of the calls takes that are in hand when their miner dies, or come after.
func BenchmarkFailover(b *testing.B) {
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		b.Run(name, func(b *testing.B) {
			longest := time.Duration(0)
			for range b.N {
				longest = max(longest, failover(b, signal))
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms/longest")
		})
	}
}

// TestAMinerThatComesBackIsAskedAgain: isolated while it is gone, tried by one call once it gives a sign of life.
func TestAMinerThatComesBackIsAskedAgain(t *testing.T) {
	p := startProcess(t, "")
	chain := chaintest.New(1)
	chain.Add(p.as("sleeper", 60000), startProcess(t, "").as("other", 10))
	c := newClient(t, chain, client.Options{Among: 1, Isolate: 100 * time.Millisecond})
	asked := func() string {
		answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(16)})
		require.NoError(t, err)
		return answer.Miner.Hotkey
	}
	require.Equal(t, "sleeper", asked())
	require.NoError(t, p.Process.Signal(syscall.SIGSTOP))
	require.Eventually(t, func() bool { return asked() == "other" }, 10*time.Second, time.Millisecond)
	health, err := c.Health(t.Context(), 1)
	require.NoError(t, err)
	require.NotEqual(t, "closed", health[0].State)
	require.Equal(t, "other", asked(), "nobody waits for it again")
	require.NoError(t, p.Process.Signal(syscall.SIGCONT))
	require.Eventually(t, func() bool { return asked() == "sleeper" }, 10*time.Second, 10*time.Millisecond)
}

func slowly(t testing.TB, multiplications int) *minertest.Server {
	return minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"slow": minertest.Slow(t, multiplications)})
}

func one() []models.Tensor {
	return []models.Tensor{models.FromFloat32s("x", []int64{1}, []float32{1})}
}

func TestASlowAnswerIsHedgedAndTheLoserBrokenOff(t *testing.T) {
	slow, fast := slowly(t, 3000), slowly(t, 1)
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Hotkey: "slow", Incentive: 60000, Endpoint: slow.Endpoint("slow")}, metagraph.Neuron{Hotkey: "fast", Incentive: 1, Endpoint: fast.Endpoint("slow")})
	var mu sync.Mutex
	var calls []client.Call
	c := client.New(chain.As(""), client.Options{Among: 1, Timeout: time.Minute, Hedge: 30 * time.Millisecond,
		Observe: func(call client.Call) { mu.Lock(); defer mu.Unlock(); calls = append(calls, call) }})
	answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: one()})
	require.NoError(t, err)
	require.Equal(t, "fast", answer.Miner.Hotkey)
	require.Empty(t, answer.Failed, "the slow one has not failed")
	c.Close() // waits for the loser
	require.Len(t, calls, 2)
	for _, call := range calls {
		require.Equal(t, call.Miner.Hotkey == "fast", call.Won)
		require.Equal(t, call.Miner.Hotkey == "fast", call.Hedge)
		require.Less(t, call.Elapsed, 20*time.Second, "it was broken off")
	}
}

func TestASlowMinerThatLivesIsWaitedFor(t *testing.T) {
	slow, other := slowly(t, 100), slowly(t, 1)
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Hotkey: "slow", Incentive: 60000, Endpoint: slow.Endpoint("slow")}, metagraph.Neuron{Hotkey: "other", Incentive: 1, Endpoint: other.Endpoint("slow")})
	c := newClient(t, chain, client.Options{Among: 1, Timeout: time.Minute, Suspect: 500 * time.Millisecond})
	answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: one()})
	require.NoError(t, err)
	require.Equal(t, "slow", answer.Miner.Hotkey)
}

func TestRetriesAreBounded(t *testing.T) {
	garbage := minertest.Serve(t, miner.ServerConfig{}, echo(t))
	chain := chaintest.New(1)
	for _, hotkey := range []string{"a", "b", "c", "d"} {
		chain.Add(metagraph.Neuron{Hotkey: hotkey, Endpoint: garbage.Endpoint("echo")})
	}
	var asked atomic.Int64
	c := newClient(t, chain, client.Options{RetryShare: 0.1, RetryBurst: 5, Failures: 1 << 30, Observe: func(client.Call) { asked.Add(1) }})
	bounded := 0
	for range 100 {
		_, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: numbers(4), Check: func([]models.Tensor) error { return errors.New("wrong") }})
		require.ErrorIs(t, err, client.ErrNoAnswer)
		if errors.Is(err, client.ErrRetries) {
			bounded++
		}
	}
	require.Greater(t, bounded, 50)
	c.Close()
	require.LessOrEqual(t, asked.Load(), int64(100+5+10))
}

func TestReceiptsAreVerified(t *testing.T) {
	account := wallettest.NewAccount(t)
	server := minertest.Serve(t, miner.ServerConfig{Identity: account.Identity}, echo(t))
	request := client.Request{Netuid: 1, Inputs: numbers(4), Receipt: true}
	ask := func(e metagraph.Endpoint) (*client.Client, *client.Answer, error) {
		chain := chaintest.New(1)
		chain.Add(metagraph.Neuron{Hotkey: account.Address, Endpoint: e})
		c := newClient(t, chain, client.Options{})
		answer, err := c.Infer(t.Context(), request)
		return c, answer, err
	}
	_, answer, err := ask(server.Endpoint("echo"))
	require.NoError(t, err)
	require.True(t, answer.Receipt.Verify(answer.Receipt.NodeKey, answer.Receipt.Signature))
	require.Equal(t, receipt.Of("echo", request.Inputs, answer.Receipt.Model, answer.Outputs, answer.Receipt.Height), answer.Receipt.Receipt)

	other := server.Endpoint("echo")
	other.ModelSHA256 = make([]byte, 32)
	c, _, err := ask(other)
	require.ErrorIs(t, err, client.ErrReceipt, "it serves another model than it announced")
	health, err := c.Health(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "open", health[0].State)
	require.Greater(t, time.Until(health[0].Until), 5*time.Minute)

	nobody := minertest.Serve(t, miner.ServerConfig{}, echo(t))
	_, _, err = ask(nobody.Endpoint("echo"))
	require.ErrorContains(t, err, "no node key")
}

func TestAnswersMustFitTheRequest(t *testing.T) {
	for name, c := range map[string]struct {
		request client.Request
		fits    bool
	}{
		"as specified":       {client.Request{Specs: []models.TensorSpec{{Name: "out", Datatype: models.FP32, Shape: []int64{models.Any}}}}, true},
		"another datatype":   {client.Request{Specs: []models.TensorSpec{{Name: "out", Datatype: models.INT8, Shape: []int64{models.Any}}}}, false},
		"another shape":      {client.Request{Specs: []models.TensorSpec{{Name: "out", Datatype: models.FP32, Shape: []int64{5}}}}, false},
		"another name":       {client.Request{Specs: []models.TensorSpec{{Name: "no", Datatype: models.FP32}}}, false},
		"the outputs wanted": {client.Request{Outputs: []string{"out"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			server := minertest.Serve(t, miner.ServerConfig{}, echo(t))
			chain := chaintest.New(1)
			chain.Add(metagraph.Neuron{Endpoint: server.Endpoint("echo")})
			c.request.Netuid, c.request.Inputs = 1, numbers(4)
			_, err := newClient(t, chain, client.Options{}).Infer(t.Context(), c.request)
			if c.fits {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, client.ErrAnswer)
			}
		})
	}
}

func TestOnlyMinersOfTheModelAreAsked(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{}, echo(t))
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Endpoint: server.Endpoint("echo")})
	c := newClient(t, chain, client.Options{})
	_, err := c.Infer(t.Context(), client.Request{Netuid: 1, Model: "echo", Inputs: numbers(4)})
	require.NoError(t, err)
	_, err = c.Infer(t.Context(), client.Request{Netuid: 1, Model: "other", Inputs: numbers(4)})
	require.ErrorIs(t, err, client.ErrNoMiners)
	require.ErrorContains(t, err, "other")
}

// BenchmarkPaying is the caller's CPU time for a call, unpaid and paid, with the miner in a process of its own.
func BenchmarkPaying(b *testing.B) {
	for _, paid := range []bool{false, true} {
		b.Run(map[bool]string{false: "unpaid", true: "paid"}[paid], func(b *testing.B) {
			m := newMarket(b)
			p := startProcess(b, m.account.Address+" "+hex.EncodeToString(m.account.Public()))
			m.directory.Add(p.neuron)
			o := client.Options{Pay: client.PayNever}
			if paid {
				o.Wallet, o.Pay = m.wallet(b), client.PayAlways
			}
			c := m.client(b, o)
			request := client.Request{Netuid: wallettest.Netuid, Inputs: numbers(784)}
			for range 20 {
				_, err := c.Infer(b.Context(), request)
				require.NoError(b, err)
			}
			before := cpu(b)
			b.ResetTimer()
			for b.Loop() {
				if _, err := c.Infer(b.Context(), request); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "us-cpu/op")
		})
	}
}

func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
