//go:build chaos && linux

package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/spf13/viper"
	"github.com/stretchr/testify/require"

	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
)

const (
	leastKills = 2 // of every node
	mostPause  = 6 * time.Second
	mostDown   = 8 * time.Second
)

// TestNodesAreKilled cuts the power of one node after the other, at random
// moments, for random times, now and then once more while it recovers, under a
// load of transactions.
func TestNodesAreKilled(t *testing.T) {
	seed, span := seedOf(t), durationOf(t, "PLEXUS_CHAOS_TIME", 10*time.Minute)
	t.Logf("PLEXUS_CHAOS_SEED=%d PLEXUS_CHAOS_TIME=%s", seed, span)
	net := newNetwork(t, plan{blockTime: time.Second, accounts: loadAccounts()})
	net.startAll()
	load := newLoad(net, seed)
	load.setUp()
	load.run()
	watch := watchProgress(net)

	k := &killer{net: net, rng: rand.New(rand.NewPCG(seed, 2))}
	for end := time.Now().Add(span); time.Now().Before(end) || k.fewest() < leastKills; {
		k.strike()
	}
	stall := watch.end()
	load.halt(t)
	for _, n := range net.nodes {
		net.waitSynced(n)
	}
	last := net.common(net.nodes...)
	receipts, paid := load.confirmed()
	require.NotZero(t, paid)
	for _, kind := range kinds {
		require.NotZero(t, load.counts[kind].confirmed, "no %s transaction was confirmed: %v", kind, load.refusals)
	}

	times := requireSameBlocks(t, 1, last, net.nodes...)
	totals := make([]string, len(net.nodes))
	unindexed := make([]int, len(net.nodes))
	for i, n := range net.nodes {
		e := requireExactSupply(t, n, last, net.files.Supply)
		totals[i] = fmt.Sprintf("supply %d minted %d burned %d", e.Supply, e.Totals.Minted, e.Totals.Burned)
		require.Equal(t, totals[0], totals[i], n.name)
		unindexed[i] = requireKept(t, n, receipts)
		requireNobodySlashed(t, n, last)
	}
	report(t, net, load, times, stall, unindexed, totals[0], paid)
	bound := stallBound(t, net.nodes[0])
	require.Less(t, stall.longest, bound, "no block after height %d for %s; the rounds need at most %s", stall.after, stall.longest, bound)
}

// killer chooses whom to kill, every node equally often.
type killer struct {
	net *network
	rng *rand.Rand
	bag []*node
}

func (k *killer) fewest() int {
	fewest := k.net.nodes[0].kills
	for _, n := range k.net.nodes {
		fewest = min(fewest, n.kills)
	}
	return fewest
}

func (k *killer) within(d time.Duration) time.Duration { return time.Duration(k.rng.Int64N(int64(d))) }

// strike kills a node once or twice and returns when it is back. Three of four
// are enough for blocks, two are not, so there is one victim at a time.
func (k *killer) strike() {
	if len(k.bag) == 0 {
		k.bag = slices.Clone(k.net.nodes)
		k.rng.Shuffle(len(k.bag), func(i, j int) { k.bag[i], k.bag[j] = k.bag[j], k.bag[i] })
	}
	victim := k.bag[0]
	k.bag = k.bag[1:]
	time.Sleep(k.within(mostPause))
	at := k.net.top()
	k.net.kill(victim)
	down := k.within(mostDown)
	time.Sleep(down)
	k.net.launch(victim)
	again := ""
	if k.rng.IntN(3) == 0 {
		pause := k.within(4 * time.Second)
		time.Sleep(pause)
		k.net.kill(victim)
		k.net.launch(victim)
		again = fmt.Sprintf(", killed again %s after its start", pause.Round(time.Millisecond))
	}
	began := time.Now()
	k.net.waitSynced(victim)
	k.net.t.Logf("height %d: %s killed, down for %s%s, back after %s", at, victim.name, down.Round(time.Millisecond), again,
		time.Since(began).Round(100*time.Millisecond))
}

// stall is the longest time without a new block.
type stall struct {
	longest time.Duration
	after   int64 // height
}

// watcher follows the height of the network by the clock of the test.
type watcher struct {
	stop context.CancelFunc
	done sync.WaitGroup
	stall
}

func watchProgress(net *network) *watcher {
	ctx, stop := context.WithCancel(net.t.Context())
	w := &watcher{stop: stop}
	heights := make(chan int64)
	for _, n := range net.nodes {
		w.done.Go(func() {
			for ctx.Err() == nil {
				select {
				case heights <- n.height(ctx):
				case <-ctx.Done():
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	w.done.Go(func() {
		top, since := int64(0), time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case h := <-heights:
				if waited := time.Since(since); top > 0 && waited > w.longest {
					w.stall = stall{waited, top}
				}
				if h > top {
					top, since = h, time.Now()
				}
			}
		}
	})
	return w
}

func (w *watcher) end() stall {
	w.stop()
	w.done.Wait()
	return w.stall
}

// lostRounds is how many rounds one height can lose to one node that comes and
// goes. Validators of equal power propose in turn, so it is the proposer of at
// most one of four rounds in a row: one round is lost while it is away. A
// second one is lost when it has just come back and does not follow the rounds
// yet, so that its vote is missing once more where all three others are needed.
const lostRounds = 2

// stallBound is how long the engine may take from one block to the next by its
// own timeouts: the pause after a block, the rounds that are lost in full, and
// the time of one more for the round that succeeds, for everything that
// computing and the network take on a busy machine.
func stallBound(t *testing.T, n *node) time.Duration {
	t.Helper()
	v := viper.New()
	v.SetConfigFile(n.home + "/config/config.toml")
	require.NoError(t, v.ReadInConfig())
	cfg := cmtcfg.DefaultConfig()
	require.NoError(t, v.Unmarshal(cfg))
	c := cfg.Consensus
	bound := c.TimeoutCommit
	for round := range int32(lostRounds + 1) {
		bound += c.Propose(round) + c.Prevote(round) + c.Precommit(round)
	}
	return bound
}

// requireNobodySlashed: a node that is killed and comes back never signs two
// blocks of one height, and is not away for long enough to be jailed.
func requireNobodySlashed(t *testing.T, n *node, height int64) {
	t.Helper()
	var infos slashingtypes.QuerySigningInfosResponse
	require.NoError(t, ask(t.Context(), n, height, "/cosmos.slashing.v1beta1.Query/SigningInfos", &slashingtypes.QuerySigningInfosRequest{}, &infos))
	require.Len(t, infos.Info, nodeCount)
	for _, info := range infos.Info {
		require.False(t, info.Tombstoned, info.Address)
		require.True(t, info.JailedUntil.Unix() <= 0, "%s was jailed until %s", info.Address, info.JailedUntil)
	}
}

// intervals are the mean and the largest distance of consecutive times.
func intervals(times []time.Time) (mean, largest time.Duration) {
	for i := range times[1:] {
		largest = max(largest, times[i+1].Sub(times[i]))
	}
	return times[len(times)-1].Sub(times[0]) / time.Duration(len(times)-1), largest
}

func report(t *testing.T, net *network, load *load, times []time.Time, stall stall, unindexed []int, totals string, paid int) {
	t.Helper()
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tKILLS\tNOT IN THE INDEX")
	for i, n := range net.nodes {
		fmt.Fprintf(table, "%s\t%d\t%d\n", n.name, n.kills, unindexed[i])
	}
	fmt.Fprintln(table, "\nTRANSACTIONS\tCONFIRMED\tREFUSED\tUNANSWERED")
	for _, kind := range kinds {
		c := load.counts[kind]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", kind, c.confirmed, c.refused, c.unanswered)
	}
	_ = table.Flush()
	mean, largest := intervals(times[1:])
	fmt.Fprintf(&text, "\n%d confirmed transactions with a fee, all kept by every node; refusals:", paid)
	for _, reason := range slices.Sorted(maps.Keys(load.refusals)) {
		fmt.Fprintf(&text, " %s x %d;", reason, load.refusals[reason])
	}
	fmt.Fprintf(&text, "\n%d blocks, same application hash on every node after each; distance of their times: mean %s, largest %s\n",
		len(times), mean.Round(time.Millisecond), largest.Round(time.Millisecond))
	fmt.Fprintf(&text, "longest time without a new block, by the clock of the test: %s after height %d; the rounds need at most %s\n",
		stall.longest.Round(time.Millisecond), stall.after, stallBound(t, net.nodes[0]))
	fmt.Fprintf(&text, "%s nplx: genesis %d + minted - burned, and the sum of all balances, exactly\n", totals, net.files.Supply)
	t.Logf("summary\n%s", text.String())
}
