package validator

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/validator/alert"
	"github.com/plexusnet/plexus/validator/mechanism"
)

// TestTwoUidsWithOneModelEarnOnce: real models behind real servers. The second uid has the first one's model; two others
// were trained on their own.
func TestTwoUidsWithOneModelEarnOnce(t *testing.T) {
	chain := chaintest.New(1)
	good := minertest.Classifier(t, 2000)
	neurons, _ := miners(t, good, good, minertest.Classifier(t, 1500), minertest.Classifier(t, 700))
	chain.Add(neurons...)
	chain.LimitWeights(1)
	var v *Validator
	start(t, chain, func(made *Validator) { v = made })
	require.Eventually(t, func() bool {
		chain.Mine(1)
		w := weights(chain)
		return w[0] > 0 && w[1] == 0 && w[2] > 0 && w[3] > 0
	}, soon, 20*time.Millisecond)
	seen, ok := v.Health()
	require.True(t, ok)
	require.Len(t, seen.Miners, 4)
	require.Equal(t, []string{"copy of uid 0"}, seen.Miners[1].Flags)
	require.Zero(t, seen.Miners[1].Skill)
	require.Empty(t, seen.Miners[2].Flags)
	require.Positive(t, seen.Miners[0].Skill)
	require.InDelta(t, 1, seen.Miners[0].Uptime, 1e-9)
	require.Positive(t, seen.Miners[0].Latency.P99)
}

func TestWhatIsKnownOutlivesTheValidator(t *testing.T) {
	chain := chaintest.New(1)
	neurons, _ := miners(t, minertest.Classifier(t, 1000), minertest.Classifier(t, 4000))
	chain.Add(neurons...)
	var first *Validator
	_, stop := start(t, chain, func(v *Validator) { first = v })
	require.Eventually(t, func() bool { s, ok := first.Health(); return ok && s.Round > 5 }, soon, often)
	require.NoError(t, stop())
	var second *Validator
	_, stop = start(t, chain, func(v *Validator) {
		v.Book = first.Book
		v.Options.RoundInterval = time.Hour
		second = v
	})
	require.Eventually(t, func() bool { s, ok := second.Health(); return ok && s.Round > first.knows.round }, soon, often)
	require.NoError(t, stop())
	require.Equal(t, first.knows.round+1, second.knows.round, "it goes on counting")
	for id, account := range second.knows.scorer.seen {
		require.Greater(t, account.Asked, first.knows.scorer.seen[id].Asked/2)
		require.Equal(t, first.knows.scorer.seen[id].First, account.First)
		require.Len(t, second.knows.windows[id].Rounds, int(second.knows.round))
	}
}

// suspicious calls every answer dishonest.
type suspicious struct{ mechanism.Mechanism }

func (s suspicious) Draw(ctx context.Context, n int) (mechanism.Round, error) {
	r, err := s.Mechanism.Draw(ctx, n)
	return suspiciousRound{r}, err
}

type suspiciousRound struct{ mechanism.Round }

func (r suspiciousRound) Judge(ctx context.Context, answers []mechanism.Answer) ([]mechanism.Mark, error) {
	marks, err := r.Round.Judge(ctx, answers)
	for i := range marks {
		if answers[i].Err == nil {
			marks[i] = mechanism.Mark{Score: 1, Dishonest: true, Reason: errors.New("half precision")}
		}
	}
	return marks, err
}

func TestTheDishonestEarnNothing(t *testing.T) {
	chain := chaintest.New(1)
	neurons, _ := miners(t, minertest.Classifier(t, 100))
	chain.Add(neurons...)
	var v *Validator
	text, _ := start(t, chain, func(made *Validator) { made.Mechanism, v = suspicious{made.Mechanism}, made })
	require.Eventually(t, func() bool { return weights(chain)[self(chain)] == 65535 }, soon, often, "nobody else is worth anything")
	require.Eventually(t, func() bool { return text.count("half precision") > 0 }, soon, often, "a round is reported after it counts")
	seen, _ := v.Health()
	require.Contains(t, seen.Miners[0].Flags[0], "dishonest, until ")
	require.Contains(t, seen.Miners[0].Flags[0], "half precision")
}

// broken cannot judge.
type broken struct{ mechanism.Mechanism }

var errBroken = errors.New("out of order")

func (broken) Draw(context.Context, int) (mechanism.Round, error) { return nil, errBroken }

// told collects what a webhook is told.
func told(t *testing.T, v *Validator) func(alert.Kind) bool {
	t.Helper()
	var mu sync.Mutex
	var kinds []alert.Kind
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var a alert.Alert
		if json.NewDecoder(req.Body).Decode(&a) == nil && a.Netuid == 1 && a.Hotkey == "validator" && a.Message != "" {
			mu.Lock()
			kinds = append(kinds, a.Kind)
			mu.Unlock()
		}
	}))
	sender, err := alert.New(server.URL, alert.Options{Client: server.Client()})
	require.NoError(t, err)
	v.Shared.Alerts = sender
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { sender.Run(ctx); close(done) }()
	t.Cleanup(func() {
		cancel()
		<-done
		server.Client().CloseIdleConnections()
		server.Close()
	})
	return func(kind alert.Kind) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(kinds, kind)
	}
}

func TestSomebodyIsTold(t *testing.T) {
	tests := map[alert.Kind]struct {
		change func(*Validator)
		happen func(*chaintest.Chain)
	}{
		alert.WeightsLate: {func(v *Validator) { v.Options.Behind = time.Hour }, func(c *chaintest.Chain) {
			c.Change(func(g *metagraph.Metagraph, _ *metagraph.Rules) { g.LastEpoch, g.Height, g.NextEpoch = 100, 109, 110 })
			c.Refuse(chaintest.ErrRefused)
		}},
		alert.TrustFalling: {nil, func(c *chaintest.Chain) {
			c.Change(func(g *metagraph.Metagraph, _ *metagraph.Rules) {
				g.Neurons[0].Vtrust = 60000 - 10000*uint16(min(g.Height, 5))
				g.Height++
				g.LastEpoch, g.NextEpoch = g.Height, g.Height+10
			})
			time.Sleep(20 * time.Millisecond)
		}},
		alert.ChainBehind:       {func(v *Validator) { v.Options.Behind = 50 * time.Millisecond }, func(c *chaintest.Chain) { c.Down(true) }},
		alert.ChallengeFailures: {func(v *Validator) { v.Mechanism = broken{v.Mechanism} }, func(*chaintest.Chain) {}},
		alert.Deregistered:      {nil, func(c *chaintest.Chain) { c.Replace("validator", "another") }},
	}
	for kind, test := range tests {
		t.Run(string(kind), func(t *testing.T) {
			chain := chaintest.New(1)
			chain.Add(metagraph.Neuron{Hotkey: "validator", Stake: 1, Permit: true, Vtrust: 60000})
			var heard func(alert.Kind) bool
			text, _ := start(t, chain, func(v *Validator) {
				heard = told(t, v)
				if test.change != nil {
					test.change(v)
				}
			})
			require.Eventually(t, func() bool { return text.count("msg=joined") == 1 }, soon, often)
			require.Eventually(t, func() bool { test.happen(chain); return heard(kind) }, soon, often)
		})
	}
}

func TestLateness(t *testing.T) {
	graph := &metagraph.Metagraph{LastEpoch: 100, NextEpoch: 180, Height: 170}
	may := metagraph.Standing{Stake: 1, Permit: true, Updated: 90}
	tests := map[string]struct {
		change func(*metagraph.Standing, *metagraph.Metagraph)
		late   bool
	}{
		"an eighth is left":    {func(*metagraph.Standing, *metagraph.Metagraph) {}, true},
		"more is left":         {func(_ *metagraph.Standing, g *metagraph.Metagraph) { g.Height = 169 }, false},
		"weights are set":      {func(s *metagraph.Standing, _ *metagraph.Metagraph) { s.Updated = 150 }, false},
		"no permit":            {func(s *metagraph.Standing, _ *metagraph.Metagraph) { s.Permit = false }, false},
		"no stake":             {func(s *metagraph.Standing, _ *metagraph.Metagraph) { s.Stake = 0 }, false},
		"the epoch is overdue": {func(_ *metagraph.Standing, g *metagraph.Metagraph) { g.Height = 190 }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			standing, at := may, *graph
			test.change(&standing, &at)
			_, late := lateness(standing, &at)
			require.Equal(t, test.late, late)
		})
	}
}

// TestAFailingSubnetStopsNoOther: one of two subnets does not exist.
func TestAFailingSubnetStopsNoOther(t *testing.T) {
	chain := chaintest.New(1)
	neurons, _ := miners(t, minertest.Classifier(t, 4000))
	chain.Add(neurons...)
	view := chain.As("validator")
	logger, text := log()
	common := shared(t)
	var fleet Fleet
	for _, netuid := range []uint32{2, 1} {
		fleet = append(fleet, &Validator{
			Member: membership.Member{Netuid: netuid, Hotkey: "validator", HotkeyName: "v", CanRegister: true, MaxBurn: 1e9, Chain: view, Log: logger},
			Chain:  view, Mechanism: digitsByAccuracy(t), Book: newBook(t), Shared: common, Bind: true, Log: logger,
			Options: Options{RoundInterval: 20 * time.Millisecond, PollInterval: 2 * time.Millisecond},
		})
	}
	require.Equal(t, []uint32{1, 2}, fleet.Netuids())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- fleet.Run(ctx) }()
	require.Eventually(t, func() bool { return weights(chain)[0] == 65535 }, soon, often)
	require.Eventually(t, func() bool { return text.count("subnet stopped, trying again") == 1 }, soon, often)
	_, ok := fleet.Subnet(2)
	require.False(t, ok)
	_, ok = fleet.Subnet(1)
	require.True(t, ok)
	cancel()
	require.NoError(t, <-done)
}

// TestShoppersGetTheSame: a real miner answers both askers alike, and loses nothing.
func TestShoppersGetTheSame(t *testing.T) {
	neurons, _ := miners(t, minertest.Classifier(t, 4000))
	p := newProber(t, 40)
	p.askers = shared(t, oip.Dialer{}, oip.Dialer{}).askers
	probes := planner{challenges: 40, shoppers: 2, shopped: 1, known: never, isolated: never, random: seeded()}.plan(&metagraph.Metagraph{Neurons: neurons})
	require.Len(t, probes[0].order, 80)
	results, err := p.run(t.Context(), probes)
	require.NoError(t, err)
	require.Equal(t, 40, results[0].Asked)
	require.Equal(t, 40, results[0].Shopped)
	require.Zero(t, results[0].Deficit)
	require.Equal(t, results[0].Sum, results[0].Score())

	p.askers[2].Close() // who turns one of the shoppers away counts as if it had turned everybody away
	results, err = p.run(t.Context(), probes)
	require.NoError(t, err)
	require.Positive(t, results[0].Deficit)
	require.Less(t, results[0].Score(), 0.8*results[0].Sum)
}
