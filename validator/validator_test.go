package validator

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/validator/mechanism"
	"github.com/plexusnet/plexus/validator/mechanism/accuracy"
	"github.com/plexusnet/plexus/validator/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// digitsByAccuracy is the mechanism of most tests.
func digitsByAccuracy(t *testing.T) mechanism.Mechanism {
	t.Helper()
	kind, err := tasks.ByName(digits.Name)
	require.NoError(t, err)
	m, err := accuracy.New(kind, accuracy.Options{})
	require.NoError(t, err)
	return m
}

func shared(t *testing.T, shoppers ...oip.Dialer) *Shared {
	t.Helper()
	s := NewShared(oip.Dialer{}, shoppers, 0)
	t.Cleanup(s.Close)
	return s
}

// miners serves models and returns the neurons that announce them, uid 0 first.
func miners(t *testing.T, files ...[]byte) ([]metagraph.Neuron, []*minertest.Server) {
	t.Helper()
	var neurons []metagraph.Neuron
	var servers []*minertest.Server
	for i, file := range files {
		server := minertest.Serve(t, miner.ServerConfig{DrainTimeout: time.Second}, map[string][]byte{"digits": file})
		servers = append(servers, server)
		neurons = append(neurons, metagraph.Neuron{UID: uint16(i), Hotkey: server.Address, Endpoint: server.Endpoint("digits")})
	}
	return neurons, servers
}

func TestProberCountsWhatComesBack(t *testing.T) {
	tenth := []float32{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}
	neurons, _ := miners(t,
		minertest.Classifier(t, 8000),
		minertest.Classifier(t, 0),
		minertest.Constant(t, []int64{1, 10}, tenth...),
		minertest.Constant(t, []int64{1, 3}, 1, 0, 0),
		minertest.Constant(t, []int64{1, 10}, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5),
		minertest.Slow(t, 1),
	)
	gone := metagraph.Neuron{UID: 6, Endpoint: metagraph.Endpoint{Host: "127.0.0.1", Port: 1, Protocol: "oip-v2-grpc"}}
	plaintext := metagraph.Neuron{UID: 7, Endpoint: metagraph.Endpoint{Host: "192.0.2.1", Port: 1, Protocol: "oip-v2-grpc"}}
	unnamed := neurons[0]
	unnamed.UID, unnamed.Endpoint.Model = 8, "another"
	silent := metagraph.Neuron{UID: 9}
	graph := &metagraph.Metagraph{Neurons: append(neurons, gone, plaintext, unnamed, silent)}

	const asked = 200
	p := newProber(t, asked)
	results := map[uint16]Result{}
	probes := planner{self: "self", challenges: asked, known: func(identity) bool { return true }, isolated: never, random: seeded()}.plan(graph)
	found, err := p.run(t.Context(), probes)
	require.NoError(t, err)
	for i, r := range found {
		require.Equal(t, probes[i].neuron.UID, r.Neuron.UID)
		require.Equal(t, asked, r.Asked)
		failed := 0
		for _, n := range r.Failures {
			failed += n
		}
		require.Equal(t, r.Asked, r.Answered+failed)
		results[r.Neuron.UID] = r
	}
	require.Len(t, results, 10)
	require.Greater(t, results[0].Score(), float64(asked)/3, "a trained model is far better than chance")
	require.Equal(t, asked, results[0].Answered)
	require.Positive(t, results[0].latency())
	require.Len(t, results[0].Outputs[0], digits.Classes)
	require.Less(t, results[1].Score(), float64(asked)/4, "an untrained one is not")
	require.Less(t, results[2].Score(), float64(asked)/4, "nor is one that always says the same")
	for uid, reason := range map[uint16]string{3: "not_an_answer", 4: "not_an_answer", 5: "invalid_argument", 6: "unavailable", 7: "plaintext", 8: "not_found", 9: "not_serving"} {
		require.Equal(t, map[string]int{reason: asked}, results[uid].Failures, "uid %d: %v", uid, results[uid].Reason)
	}
	for uid, says := range map[uint16]string{5: `"image"`, 6: "refused", 7: "plaintext", 8: "unknown model", 9: "no endpoint"} {
		require.ErrorContains(t, results[uid].Reason, says)
	}
}

// newProber asks so many challenges, as one validator without shoppers does.
func newProber(t *testing.T, challenges int) *prober {
	t.Helper()
	drawn, err := digitsByAccuracy(t).Draw(t.Context(), challenges)
	require.NoError(t, err)
	s := shared(t)
	return &prober{askers: s.askers, deadline: time.Minute, miners: 3, inFlight: 4, limit: 1 << 20, memory: s.memory, round: drawn, sample: newSample(seeded())}
}

func TestProberWaitsNoLongerThanTheDeadline(t *testing.T) {
	neurons, _ := miners(t, minertest.Classifier(t, 10))
	slow := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"slow": minertest.SlowConstant(t, 5000, digits.Classes)})
	neurons = append(neurons, metagraph.Neuron{UID: 1, Endpoint: slow.Endpoint("slow")})
	p := newProber(t, 64)
	p.deadline, p.miners = 2*time.Second, 2
	probes := planner{self: "self", challenges: 64, known: never, isolated: never, random: seeded()}.plan(&metagraph.Metagraph{Neurons: neurons})
	start := time.Now()
	results, err := p.run(t.Context(), probes)
	require.NoError(t, err)
	for _, r := range results {
		require.Equal(t, 64, r.Asked)
		if r.Neuron.UID == 1 {
			require.Zero(t, r.Answered)
		}
	}
	require.Less(t, time.Since(start), 20*time.Second, "64 answers of this model take minutes")
}

func TestProberTakesNoAnswerThatIsTooLarge(t *testing.T) {
	neurons, _ := miners(t, minertest.Classifier(t, 10))
	p := newProber(t, 4)
	p.limit = 20
	results, err := p.run(t.Context(), planner{challenges: 4, known: never, isolated: never, random: seeded()}.plan(&metagraph.Metagraph{Neurons: neurons}))
	require.NoError(t, err)
	require.Equal(t, map[string]int{"resource_exhausted": 4}, results[0].Failures)
}

func newBook(t *testing.T) *store.Book {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "validator.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s.Book(1, "validator")
}

func log() (*slog.Logger, *logText) {
	text := &logText{}
	return slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug})), text
}

type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}

// start runs a validator until the test ends; the function it returns ends it sooner and gives its error.
func start(t *testing.T, chain *chaintest.Chain, change func(*Validator)) (*logText, func() error) {
	t.Helper()
	logger, text := log()
	view := chain.As("validator")
	v := &Validator{
		Member: membership.Member{Netuid: 1, Hotkey: "validator", HotkeyName: "validator1", CanRegister: true, MaxBurn: 1e9, Chain: view, Log: logger},
		Chain:  view, Mechanism: digitsByAccuracy(t), Book: newBook(t), Shared: shared(t), Bind: true, Log: logger,
		Options: Options{RoundInterval: 20 * time.Millisecond, Challenges: 50, Deadline: 5 * time.Second, PollInterval: 2 * time.Millisecond},
	}
	if change != nil {
		change(v)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return v.Run(ctx) })
	stop := sync.OnceValue(func() error { cancel(); return group.Wait() })
	t.Cleanup(func() { stop() })
	return text, stop
}

const soon, often = time.Minute, 2 * time.Millisecond

// self is the uid of the validator under test.
func self(chain *chaintest.Chain) uint16 {
	n, _ := chain.Neuron("validator")
	return n.UID
}

func weights(chain *chaintest.Chain) map[uint16]int {
	row, _ := chain.Weights(self(chain))
	values := map[uint16]int{}
	for _, w := range row {
		values[w.UID] = int(w.Value)
	}
	return values
}

func TestValidatorPaysTheBetterModelMore(t *testing.T) {
	chain := chaintest.New(1)
	neurons, _ := miners(t, minertest.Classifier(t, 4000), minertest.Classifier(t, 150), minertest.Classifier(t, 0))
	chain.Add(neurons...)
	chain.LimitWeights(3)
	text, stop := start(t, chain, nil)
	ordered := func() bool {
		chain.Mine(1)
		w := weights(chain)
		return w[0] == 65535 && w[1] > 0 && w[1] < 60000 && w[2] == 0
	}
	require.Eventually(t, ordered, soon, 50*time.Millisecond, "%v", weights(chain))
	require.NoError(t, stop())
	require.Zero(t, text.count("level=ERROR"))
	require.NotZero(t, text.count("bound the hotkey"))
}

func TestValidatorSetsWeightsOncePerEpoch(t *testing.T) {
	chain := chaintest.New(1)
	neurons, _ := miners(t, minertest.Classifier(t, 4000))
	chain.Add(neurons...)
	text, _ := start(t, chain, nil)
	require.Eventually(t, func() bool { return text.count(`msg="weights set"`) == 1 }, soon, often, "the first as soon as there is evidence")
	require.Eventually(t, func() bool { return text.count("weights are set for this epoch") == 1 }, soon, often, "and it says how long until the next")
	chain.Mine(10) // into the next epoch
	require.Eventually(t, func() bool { return text.count("gathering evidence") == 1 }, soon, often)
	require.Equal(t, 1, text.count(`msg="weights set"`))
	chain.Mine(6)
	require.Eventually(t, func() bool { return text.count(`msg="weights set"`) == 2 }, soon, often)
	calls := chain.Calls()
	require.Eventually(t, func() bool { return chain.Calls() > calls+20 }, soon, often)
	require.Equal(t, 2, text.count(`msg="weights set"`))
}

func TestValidatorOutlivesChainAndMiners(t *testing.T) {
	chain := chaintest.New(1)
	chain.Down(true)
	neurons, servers := miners(t, minertest.Classifier(t, 4000), minertest.Classifier(t, 3000))
	chain.Add(neurons...)
	_, stop := start(t, chain, func(v *Validator) { v.Options.HalfLife = 100 })
	require.Eventually(t, func() bool { return chain.Calls() > 3 }, soon, often)
	chain.Down(false)
	require.Eventually(t, func() bool { return len(weights(chain)) == 2 }, soon, often)

	servers[1].Stop()
	chain.Down(true)
	calls := chain.Calls()
	require.Eventually(t, func() bool { return chain.Calls() > calls+3 }, soon, often)
	chain.Down(false)
	onlyFirst := func() bool {
		chain.Mine(1)
		w := weights(chain)
		return w[0] == 65535 && w[1] == 0
	}
	require.Eventually(t, onlyFirst, soon, 20*time.Millisecond, "who is gone earns ever less, and then nothing")

	servers[0].Stop()
	require.Eventually(t, func() bool {
		chain.Mine(1)
		return weights(chain)[self(chain)] == 65535
	}, soon, 20*time.Millisecond, "with nobody better than chance, the weight goes where it counts for nobody")
	chain.Down(true)
	require.NoError(t, stop())
}

func TestValidatorOfTheOwnerGivesItselfNothing(t *testing.T) {
	chain := chaintest.New(1)
	chain.Change(func(_ *metagraph.Metagraph, rules *metagraph.Rules) { rules.OwnerHotkey = "validator" })
	neurons, servers := miners(t, minertest.Classifier(t, 0))
	servers[0].Stop() // who answers at random is better than chance now and then; who is gone never is
	chain.Add(neurons...)
	text, _ := start(t, chain, nil)
	require.Eventually(t, func() bool { return text.count("nobody is better than chance") > 0 }, soon, often)
	require.Empty(t, weights(chain))
}

func TestValidatorTriesAgainWhatWasRefused(t *testing.T) {
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Hotkey: "validator", Stake: 1, Permit: true})
	neurons, _ := miners(t, minertest.Classifier(t, 4000))
	chain.Add(neurons...)
	chain.Refuse(chaintest.ErrRefused)
	text, _ := start(t, chain, nil)
	require.Eventually(t, func() bool { return text.count("setting weights failed") >= 2 }, soon, often)
	chain.Refuse(nil)
	require.Eventually(t, func() bool { return len(weights(chain)) > 0 }, soon, often)
}

func TestValidatorFailsWhenItMayNotRegister(t *testing.T) {
	view := chaintest.New(1).As("validator")
	logger, _ := log()
	v := &Validator{Member: membership.Member{Netuid: 1, Hotkey: "validator", HotkeyName: "validator1", Chain: view, Log: logger},
		Chain: view, Mechanism: digitsByAccuracy(t), Book: newBook(t), Shared: shared(t), Log: logger}
	require.ErrorIs(t, v.Run(t.Context()), membership.ErrNotRegistered)
}

func TestValidatorSaysWhenItIsDeregistered(t *testing.T) {
	chain := chaintest.New(1)
	text, _ := start(t, chain, nil)
	require.Eventually(t, func() bool { return text.count("msg=joined") == 1 }, soon, often)
	chain.Replace("validator", "another")
	require.Eventually(t, func() bool { return text.count("msg=\"deregistered") == 1 }, soon, often)
	calls := chain.Calls()
	require.Eventually(t, func() bool { return chain.Calls() > calls+10 }, soon, often)
	require.Equal(t, 1, text.count("msg=\"deregistered"), "once")
}
