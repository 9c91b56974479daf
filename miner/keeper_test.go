package miner_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/miner"
)

// log is a log that can be read while it is written.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}

var announced = metagraph.Endpoint{Host: "127.0.0.1", Port: 8500, Protocol: "oip-v2-grpc", Model: "digits", ModelSHA256: make([]byte, 32)}

func newKeeper(chain *chaintest.Chain, coldkey bool) (*miner.Keeper, *log) {
	out := &log{}
	logger := slog.New(slog.NewTextHandler(out, nil))
	view := chain.As("hot")
	return &miner.Keeper{
		Member: membership.Member{Netuid: 1, Hotkey: "hot", HotkeyName: "miner1", CanRegister: coldkey, MaxBurn: 1e9, Chain: view, Log: logger},
		Chain:  view, Endpoint: announced, Interval: 2 * time.Millisecond, Log: logger,
	}, out
}

// keep runs a keeper until the test ends; the function it returns ends it sooner and gives its error.
func keep(t *testing.T, chain *chaintest.Chain, coldkey bool) (*log, func() error) {
	t.Helper()
	keeper, out := newKeeper(chain, coldkey)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- keeper.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { stop() })
	return out, stop
}

func serves(chain *chaintest.Chain, want metagraph.Endpoint) func() bool {
	return func() bool {
		n, ok := chain.Neuron("hot")
		return ok && n.Endpoint.Equal(want)
	}
}

const soon, often = 30 * time.Second, time.Millisecond

func TestKeeperRegistersAndAnnouncesOnce(t *testing.T) {
	chain := chaintest.New(1)
	out, stop := keep(t, chain, true)
	require.Eventually(t, serves(chain, announced), soon, often)
	calls := chain.Calls()
	require.Eventually(t, func() bool { return chain.Calls() > calls+5 }, soon, often, "it goes on looking")
	require.NoError(t, stop())
	require.Equal(t, 1, out.count("msg=announced"))
}

func TestKeeperDoesNotAnnounceWhatTheChainKnows(t *testing.T) {
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Hotkey: "hot", Endpoint: announced})
	out, stop := keep(t, chain, false)
	require.Eventually(t, func() bool { return chain.Calls() > 3 }, soon, often)
	require.NoError(t, stop())
	require.Zero(t, out.count("msg=announced"))
}

func TestKeeperMendsWhatTheChainSays(t *testing.T) {
	chain := chaintest.New(1)
	_, _ = keep(t, chain, true)
	require.Eventually(t, serves(chain, announced), soon, often)
	chain.Change(func(g *metagraph.Metagraph, _ *metagraph.Rules) { g.Neurons[0].Endpoint.Port = 1 })
	require.Eventually(t, serves(chain, announced), soon, often)
}

func TestKeeperAnnouncesChangedPrices(t *testing.T) {
	for name, change := range map[string]func(*metagraph.Endpoint){
		"per request":           func(e *metagraph.Endpoint) { e.Price++ },
		"per KiB of input":      func(e *metagraph.Endpoint) { e.InputPrice++ },
		"per KiB of output":     func(e *metagraph.Endpoint) { e.OutputPrice++ },
		"per second of compute": func(e *metagraph.Endpoint) { e.ComputePrice++ },
	} {
		t.Run(name, func(t *testing.T) {
			chain := chaintest.New(1)
			before := announced
			change(&before)
			chain.Add(metagraph.Neuron{Hotkey: "hot", Endpoint: before})
			_, _ = keep(t, chain, false)
			require.Eventually(t, serves(chain, announced), soon, often)
		})
	}
}

func TestKeeperFailsWhenItMayNotRegister(t *testing.T) {
	chain := chaintest.New(1)
	keeper, out := newKeeper(chain, false)
	require.ErrorIs(t, keeper.Run(t.Context()), membership.ErrNotRegistered)
	require.Zero(t, out.count("msg=announced"))
}

func TestKeeperOutlivesTheChain(t *testing.T) {
	chain := chaintest.New(1)
	chain.Down(true)
	_, stop := keep(t, chain, true)
	require.Eventually(t, func() bool { return chain.Calls() > 3 }, soon, often)
	chain.Down(false)
	require.Eventually(t, serves(chain, announced), soon, often)

	chain.Down(true)
	calls := chain.Calls()
	require.Eventually(t, func() bool { return chain.Calls() > calls+3 }, soon, often)
	chain.Change(func(g *metagraph.Metagraph, _ *metagraph.Rules) { g.Neurons[0].Endpoint.Port = 1 })
	chain.Down(false)
	require.Eventually(t, serves(chain, announced), soon, often)

	chain.Down(true)
	require.NoError(t, stop(), "a keeper that is told to end ends, chain or no chain")
}

func TestKeeperSaysWhenItIsDeregistered(t *testing.T) {
	chain := chaintest.New(1)
	out, stop := keep(t, chain, true)
	require.Eventually(t, serves(chain, announced), soon, often)
	chain.Replace("hot", "another")
	require.Eventually(t, func() bool { return out.count("deregistered") > 0 }, soon, often)
	calls := chain.Calls()
	require.Eventually(t, func() bool { return chain.Calls() > calls+5 }, soon, often)
	require.Equal(t, 1, out.count("level=ERROR"), "it is said once")
	require.Equal(t, 1, out.count("costs 1 PLX now"), "with the price of another uid")
	_, registered := chain.Neuron("hot")
	require.False(t, registered, "nothing is bought without being asked")

	chain.Add(metagraph.Neuron{Hotkey: "hot"})
	require.Eventually(t, serves(chain, announced), soon, often, "registered again by its owner, it announces itself")
	require.NoError(t, stop())
	require.Equal(t, 1, out.count("registered again"))
}

func TestKeeperWaitsForTheServingRateLimit(t *testing.T) {
	chain := chaintest.New(1)
	chain.LimitServe(5)
	out, _ := keep(t, chain, true)
	require.Eventually(t, func() bool { return out.count("takes a new one only later") == 1 }, soon, often)
	require.Zero(t, out.count("level=ERROR"), "it does not even try")
	chain.LimitServe(0)
	require.Eventually(t, serves(chain, announced), soon, often)
}

func TestKeeperTriesAgainWhatWasRefused(t *testing.T) {
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Hotkey: "hot"})
	chain.Refuse(chaintest.ErrRefused)
	out, _ := keep(t, chain, true)
	require.Eventually(t, func() bool { return out.count("refused by the chain") > 1 }, soon, often)
	chain.Refuse(nil)
	require.Eventually(t, serves(chain, announced), soon, often)
}
