package validator

import (
	"context"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/validator/store"
)

// What a validator in a process of its own is told by its environment: the store, the chain, the point of its loop at
// which it kills itself, and how often it passes that point before.
const (
	crashStore = "VALIDATOR_CRASH_TEST_STORE"
	crashChain = "VALIDATOR_CRASH_TEST_CHAIN"
	crashPoint = "VALIDATOR_CRASH_TEST_POINT"
	crashAfter = "VALIDATOR_CRASH_TEST_AFTER"
)

// TestKilledAtAnyMoment kills a real process, by SIGKILL, at each point of the loop, and looks at what the next one finds:
// every commit that the chain has can be opened, and no finished round is lost.
func TestKilledAtAnyMoment(t *testing.T) {
	if os.Getenv(crashStore) != "" {
		runUntilKilled(t)
		return
	}
	neurons, _ := miners(t, minertest.Classifier(t, 300))
	for _, point := range []string{"drawn", "asked", "judged", "saved", "sealed", "committed", "due", "opened"} {
		for after := range 2 {
			t.Run(point+strconv.Itoa(after), func(t *testing.T) {
				t.Parallel()
				crash(t, neurons, point, after)
			})
		}
	}
}

func crash(t *testing.T, neurons []metagraph.Neuron, point string, after int) {
	chain := chaintest.New(1)
	chain.Change(func(_ *metagraph.Metagraph, r *metagraph.Rules) { r.CommitReveal = metagraph.RevealHash })
	chain.Add(neurons...)
	chain.Add(metagraph.Neuron{Hotkey: "validator", Stake: 1, Permit: true})
	address := serveChain(t, chain)
	path := filepath.Join(t.TempDir(), "validator.db")

	victim := process(t, address, path, point, after)
	require.NoError(t, victim.Start())
	lines := victim.Stdout.(*lockedText)
	err := victim.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", lines)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", lines)
	finished := strings.Count(lines.String(), "round saved")

	kept, err := store.Open(path)
	require.NoError(t, err, "a killed process leaves a store that opens")
	k := knowledge{keep: 100}
	require.NoError(t, k.restore(kept.Book(1, "validator")))
	require.GreaterOrEqual(t, int(k.round), finished, "no finished round is lost")
	require.LessOrEqual(t, int(k.round), finished+1)
	if finished > 0 {
		require.NotEmpty(t, k.scorer.seen)
	}
	logger, _ := log()
	c := &committer{chain: chain.As("validator"), book: kept.Book(1, "validator"), netuid: 1, hotkey: "validator", log: logger}
	hashes := map[string]bool{}
	for _, sealed := range c.kept(t) {
		hash, err := c.chain.SealHash(sealed)
		require.NoError(t, err)
		hashes[string(hash)] = true
	}
	for _, commit := range chain.Committed("validator") {
		if commit.State == metagraph.CommitHidden {
			require.True(t, hashes[string(commit.Hash)], "every hidden commit can be opened")
		}
	}
	require.NoError(t, kept.Close())

	before := len(chain.Committed("validator"))
	next := process(t, address, path, "", 0)
	require.NoError(t, next.Start())
	defer func() {
		require.NoError(t, next.Process.Kill())
		_ = next.Wait()
	}()
	require.Eventually(t, func() bool {
		commits := chain.Committed("validator")
		return len(commits) > before && commits[before].State == metagraph.CommitRevealed
	}, time.Minute, 10*time.Millisecond, "the next process goes on: %s", next.Stdout.(*lockedText))
	for _, commit := range chain.Committed("validator")[:before] {
		require.Equal(t, metagraph.CommitRevealed, commit.State, "and what was committed before is opened in time")
	}
}

type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// process is this test binary as a validator.
func process(t *testing.T, chain, path, point string, after int) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledAtAnyMoment$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), crashStore+"="+path, crashChain+"="+chain, crashPoint+"="+point, crashAfter+"="+strconv.Itoa(after))
	text := &lockedText{}
	cmd.Stdout, cmd.Stderr = text, text
	return cmd
}

// runUntilKilled is the other process.
func runUntilKilled(t *testing.T) {
	remote, err := rpc.Dial("tcp", os.Getenv(crashChain))
	require.NoError(t, err)
	defer remote.Close()
	kept, err := store.Open(os.Getenv(crashStore))
	require.NoError(t, err)
	defer kept.Close()
	left, err := strconv.Atoi(os.Getenv(crashAfter))
	require.NoError(t, err)
	var mu sync.Mutex
	reached := func(point string) {
		mu.Lock()
		defer mu.Unlock()
		if point == "saved" {
			os.Stdout.WriteString("round saved\n")
		}
		if point != os.Getenv(crashPoint) {
			return
		}
		if left--; left < 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	logger, _ := log()
	chain := &remoteChain{client: remote}
	v := &Validator{
		Member: membership.Member{Netuid: 1, Hotkey: "validator", HotkeyName: "validator1", Chain: chain, Log: logger},
		Chain:  chain, Mechanism: digitsByAccuracy(t), Book: kept.Book(1, "validator"), Shared: shared(t), Log: logger, reached: reached,
		Options: Options{RoundInterval: 50 * time.Millisecond, Challenges: 8, Deadline: 5 * time.Second, PollInterval: 5 * time.Millisecond},
	}
	require.NoError(t, v.Run(t.Context()))
}

// serveChain lets another process use a chain.
func serveChain(t *testing.T, chain *chaintest.Chain) string {
	t.Helper()
	server := rpc.NewServer()
	require.NoError(t, server.RegisterName("Chain", &chainService{view: chain.As("validator")}))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var open sync.WaitGroup
	open.Add(1)
	go func() {
		defer open.Done()
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			go func() { defer open.Done(); server.ServeConn(conn) }()
		}
	}()
	t.Cleanup(func() { require.NoError(t, lis.Close()); open.Wait() })
	return lis.Addr().String()
}

// chainService is a chain by net/rpc: every method takes one value and fills in another. A block passes with every fifth
// look of the validator's, so that time stands still while there is none, and no machine is too slow.
type chainService struct {
	view  *chaintest.View
	looks atomic.Int64
}

// Nothing stands for no value.
type Nothing struct{}

func (c *chainService) Metagraph(_ Nothing, out *metagraph.Metagraph) error {
	graph, err := c.view.Metagraph(context.Background(), 1)
	if err == nil {
		*out = *graph
	}
	return err
}

func (c *chainService) Standing(_ Nothing, out *metagraph.Standing) (err error) {
	if c.looks.Add(1)%5 == 0 {
		c.view.Mine(1)
	}
	*out, err = c.view.Standing(context.Background(), 1, "validator")
	return err
}

func (c *chainService) Rules(_ Nothing, out *metagraph.Rules) (err error) {
	*out, err = c.view.Rules(context.Background(), 1)
	return err
}

func (c *chainService) Seal(row []metagraph.Weight, out *metagraph.Sealed) (err error) {
	*out, err = c.view.SealWeights(context.Background(), 1, row)
	return err
}

func (c *chainService) Hash(s metagraph.Sealed, out *[]byte) (err error) {
	*out, err = c.view.SealHash(s)
	return err
}

func (c *chainService) Commit(s metagraph.Sealed, _ *Nothing) error {
	return c.view.CommitHash(context.Background(), 1, s)
}

func (c *chainService) Open(s metagraph.Sealed, _ *Nothing) error {
	return c.view.OpenHash(context.Background(), 1, s)
}

func (c *chainService) Commits(_ Nothing, out *[]metagraph.Commit) (err error) {
	*out, err = c.view.Commits(context.Background(), 1, "validator")
	return err
}

// remoteChain is the other end: a Chain that hides weights behind hashes.
type remoteChain struct {
	Chain
	client *rpc.Client
}

func ask[In, Out any](c *remoteChain, method string, in In) (out Out, err error) {
	err = c.client.Call("Chain."+method, in, &out)
	return out, err
}

func (c *remoteChain) Metagraph(context.Context, uint32) (*metagraph.Metagraph, error) {
	graph, err := ask[Nothing, metagraph.Metagraph](c, "Metagraph", Nothing{})
	return &graph, err
}

func (c *remoteChain) Standing(context.Context, uint32, string) (metagraph.Standing, error) {
	return ask[Nothing, metagraph.Standing](c, "Standing", Nothing{})
}

func (c *remoteChain) Rules(context.Context, uint32) (metagraph.Rules, error) {
	return ask[Nothing, metagraph.Rules](c, "Rules", Nothing{})
}

func (c *remoteChain) SealWeights(_ context.Context, _ uint32, row []metagraph.Weight) (metagraph.Sealed, error) {
	return ask[[]metagraph.Weight, metagraph.Sealed](c, "Seal", row)
}

func (c *remoteChain) SealHash(s metagraph.Sealed) ([]byte, error) {
	return ask[metagraph.Sealed, []byte](c, "Hash", s)
}

func (c *remoteChain) CommitHash(_ context.Context, _ uint32, s metagraph.Sealed) error {
	_, err := ask[metagraph.Sealed, Nothing](c, "Commit", s)
	return err
}

func (c *remoteChain) OpenHash(_ context.Context, _ uint32, s metagraph.Sealed) error {
	_, err := ask[metagraph.Sealed, Nothing](c, "Open", s)
	return err
}

func (c *remoteChain) Commits(context.Context, uint32, string) ([]metagraph.Commit, error) {
	return ask[Nothing, []metagraph.Commit](c, "Commits", Nothing{})
}

func (c *remoteChain) Retry(ctx context.Context, _ string, fn func(context.Context) error) error {
	return fn(ctx)
}
