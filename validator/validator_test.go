package validator

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/validator/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTask(t *testing.T) *Digits {
	t.Helper()
	task, err := NewDigits()
	require.NoError(t, err)
	return task
}

func TestDigitsDrawsFreshChallenges(t *testing.T) {
	task := newTask(t)
	seen, labels := map[string]bool{}, map[int]bool{}
	drawn, err := task.Draw(200)
	require.NoError(t, err)
	other, err := newTask(t).Draw(200)
	require.NoError(t, err)
	for _, c := range append(drawn, other...) {
		require.NoError(t, models.ValidateInputs(task.Describe().Inputs, c.Inputs, models.Limits{}))
		require.False(t, seen[string(c.Inputs[0].Data)], "no challenge is drawn twice")
		seen[string(c.Inputs[0].Data)] = true
		for label := range digits.Classes {
			if c.Judge([]models.Tensor{certain(label)}) == nil {
				labels[label] = true
			}
		}
	}
	require.Len(t, labels, digits.Classes)
}

func certain(label int) models.Tensor {
	p := make([]float32, digits.Classes)
	p[label] = 1
	return models.FromFloat32s(digits.OutputName, []int64{1, digits.Classes}, p)
}

func TestJudge(t *testing.T) {
	nan := certain(7)
	copy(nan.Data, []byte{0, 0, 0xc0, 0x7f})
	misnamed := certain(7)
	misnamed.Name = "logits"
	row := func(values ...float32) models.Tensor {
		return models.FromFloat32s(digits.OutputName, []int64{1, int64(len(values))}, values)
	}
	tests := map[string]struct {
		output models.Tensor
		wrong  bool
		fine   bool
	}{
		"right":             {output: certain(7), fine: true},
		"wrong":             {output: certain(8), wrong: true},
		"not a number":      {output: nan},
		"no probabilities":  {output: row(9, 1, 1, 1, 1, 1, 1, 1, 1, 1)},
		"negative":          {output: row(-1, 1, 1, 0, 0, 0, 0, 0, 0, 0)},
		"too few classes":   {output: row(0.5, 0.5)},
		"another name":      {output: misnamed},
		"two answers":       {output: models.FromFloat32s(digits.OutputName, []int64{2, 10}, make([]float32, 20))},
		"data cut short":    {output: models.Tensor{Name: digits.OutputName, Datatype: models.FP32, Shape: []int64{1, 10}, Data: make([]byte, 39)}},
		"another datatype":  {output: models.Tensor{Name: digits.OutputName, Datatype: models.FP64, Shape: []int64{1, 10}, Data: make([]byte, 80)}},
		"nothing was drawn": {output: models.Tensor{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := judgeDigit(7)([]models.Tensor{test.output})
			require.Equal(t, test.fine, err == nil, "%v", err)
			require.Equal(t, test.wrong, errors.Is(err, ErrWrong))
		})
	}
	require.Error(t, judgeDigit(7)(nil))
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
		minertest.Classifier(t, 2000),
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
	challenges, err := newTask(t).Draw(asked)
	require.NoError(t, err)
	pool := client.NewPool(Options{}.Dialer)
	defer pool.Close()
	p := prober{pool: pool, deadline: time.Minute, miners: 3, inFlight: 4, challenges: challenges}
	probes := plan(graph, "self", asked, func(identity) bool { return true }, rand.New(rand.NewPCG(1, 2)))
	results := map[uint16]Result{}
	for i, r := range p.run(t.Context(), probes) {
		require.Equal(t, probes[i].neuron.UID, r.Neuron.UID)
		require.Equal(t, asked, r.Asked)
		require.Equal(t, r.Asked, r.Right+r.Wrong+r.Malformed+r.Failed)
		results[r.Neuron.UID] = r
	}
	require.Len(t, results, 10)
	require.Greater(t, results[0].Right, asked/3, "a trained model is far better than chance")
	require.Zero(t, results[0].Failed+results[0].Malformed)
	require.Positive(t, results[0].Latency)
	require.Less(t, results[1].Right, asked/4, "an untrained one is not")
	require.Less(t, results[2].Right, asked/4, "nor is one that always says the same")
	require.Equal(t, asked, results[3].Malformed)
	require.Equal(t, asked, results[4].Malformed)
	for uid, says := range map[uint16]string{5: `"image"`, 6: "refused", 7: "plaintext", 8: "unknown model", 9: "no endpoint"} {
		require.Equal(t, asked, results[uid].Failed, uid)
		require.ErrorContains(t, results[uid].Reason, says)
	}
}

func TestProberWaitsNoLongerThanTheDeadline(t *testing.T) {
	neurons, _ := miners(t, minertest.Classifier(t, 10))
	slow := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"slow": minertest.SlowConstant(t, 5000, digits.Classes)})
	neurons = append(neurons, metagraph.Neuron{UID: 1, Endpoint: slow.Endpoint("slow")})
	challenges, err := newTask(t).Draw(64)
	require.NoError(t, err)
	pool := client.NewPool(Options{}.Dialer)
	defer pool.Close()
	p := prober{pool: pool, deadline: 2 * time.Second, miners: 2, inFlight: 4, challenges: challenges}
	probes := plan(&metagraph.Metagraph{Neurons: neurons}, "self", 64, nil, rand.New(rand.NewPCG(1, 2)))
	start := time.Now()
	for _, r := range p.run(t.Context(), probes) {
		require.Equal(t, 64, r.Asked)
		if r.Neuron.UID == 1 {
			require.Equal(t, 64, r.Failed)
		}
	}
	require.Less(t, time.Since(start), 20*time.Second, "64 answers of this model take minutes")
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
		Chain:  view, Task: newTask(t), Book: newBook(t), Bind: true, Log: logger,
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
	neurons, _ := miners(t, minertest.Classifier(t, 500))
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
	neurons, servers := miners(t, minertest.Classifier(t, 500), minertest.Classifier(t, 500))
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
	neurons, _ := miners(t, minertest.Classifier(t, 500))
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
		Chain: view, Task: newTask(t), Log: logger}
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
