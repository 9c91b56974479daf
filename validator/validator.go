package validator

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/validator/store"
)

// Options tune a validator. A zero field takes the default.
type Options struct {
	RoundInterval time.Duration // from the start of a round to the start of the next; 30 s
	Challenges    int           // per round; 32
	Deadline      time.Duration // what a miner gets for all of them; 10 s
	Miners        int           // asked at once; 64
	InFlight      int           // challenges that one miner has in hand at once; 4
	PollInterval  time.Duration // between looks at the chain; 2 s
	HalfLife      float64       // challenges after which evidence counts half; 512
	Quantile      float64       // see Weigher; 0.05
	Sharpness     float64       // see Weigher; 3
	Dialer        oip.Dialer    // to the miners
}

// DefaultOptions returns the options with every default filled in.
func DefaultOptions() Options { return Options{}.withDefaults() }

func (o Options) withDefaults() Options {
	o.RoundInterval = orDefault(o.RoundInterval, 30*time.Second)
	o.Challenges = orDefault(o.Challenges, 32)
	o.Deadline = orDefault(o.Deadline, 10*time.Second)
	o.Miners = orDefault(o.Miners, 64)
	o.InFlight = orDefault(o.InFlight, 4)
	o.PollInterval = orDefault(o.PollInterval, 2*time.Second)
	o.HalfLife = orDefault(o.HalfLife, 512)
	o.Quantile = orDefault(o.Quantile, DefaultQuantile)
	o.Sharpness = orDefault(o.Sharpness, DefaultSharpness)
	return o
}

func orDefault[T int | float64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Validator scores the miners of one subnet for as long as it runs.
type Validator struct {
	Member  membership.Member
	Chain   Chain
	Task    Task
	Bind    bool        // bind the hotkey to the operator's staking validator if it has no stake
	Book    *store.Book // what must outlive the process
	Options Options
	Log     *slog.Logger

	mu     sync.Mutex // guards what follows
	scorer Scorer
	rounds int
}

// Run joins the subnet and works until ctx ends. Chain and miners that are down are waited for. The error says why the
// validator cannot join; what goes wrong later is logged and tried again.
func (v *Validator) Run(ctx context.Context) error {
	v.Options = v.Options.withDefaults()
	v.scorer.HalfLife = v.Options.HalfLife
	standing, err := v.Member.Join(ctx)
	if err == nil {
		err = v.bind(ctx, standing)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	v.Log.Info("joined", "netuid", v.Member.Netuid, "uid", standing.UID, "hotkey", v.Member.Hotkey)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return v.probe(ctx) })
	group.Go(func() error { v.watch(ctx); return nil })
	err = group.Wait()
	v.Log.Info("stopped")
	return err
}

// bind gives the hotkey the stake of its staking validator, if that is asked for and needed.
func (v *Validator) bind(ctx context.Context, standing metagraph.Standing) error {
	if !v.Bind || standing.Stake > 0 {
		return nil
	}
	err := v.Chain.Retry(ctx, "bind the hotkey", v.Chain.BindHotkey)
	if err != nil {
		return fmt.Errorf("bind the hotkey to the operator's staking validator: %w", err)
	}
	v.Log.Info("bound the hotkey to its staking validator", "hotkey", v.Member.Hotkey)
	return nil
}

// probe runs rounds, at the pace that the options say.
func (v *Validator) probe(ctx context.Context) error {
	random := rand.New(rand.NewChaCha8(randomSeed()))
	pool := client.NewPool(v.Options.Dialer)
	defer pool.Close()
	for ctx.Err() == nil {
		next := time.After(v.Options.RoundInterval)
		if err := v.round(ctx, pool, random); err != nil && ctx.Err() == nil {
			v.Log.Error("round failed, trying again", "error", err, "in", v.Options.RoundInterval)
		}
		select {
		case <-ctx.Done():
		case <-next:
		}
	}
	return nil
}

func randomSeed() (seed [32]byte) {
	cryptorand.Read(seed[:]) // never fails: without randomness the process ends
	return seed
}

func (v *Validator) round(ctx context.Context, pool *client.Pool, random *rand.Rand) error {
	graph, err := v.graph(ctx)
	if err != nil {
		return err
	}
	challenges, err := v.Task.Draw(v.Options.Challenges)
	if err != nil {
		return err
	}
	v.mu.Lock()
	v.scorer.Retain(graph)
	probes := plan(graph, v.Member.Hotkey, len(challenges), v.scorer.Known, random)
	v.mu.Unlock()
	if len(probes) == 0 {
		v.Log.Info("nobody to ask: no miner has announced an endpoint", "netuid", v.Member.Netuid, "height", graph.Height)
		return nil
	}
	p := prober{pool: pool, deadline: v.Options.Deadline, miners: v.Options.Miners, inFlight: v.Options.InFlight, challenges: challenges}
	start := time.Now()
	results := p.run(ctx, probes)
	if ctx.Err() != nil {
		return nil // cut short by the end of the program: no evidence about anybody
	}
	v.mu.Lock()
	v.scorer.Observe(results)
	v.rounds++
	round, known := v.rounds, v.scorer.Evidence(graph)
	v.mu.Unlock()
	v.report(round, time.Since(start), results, known)
	return nil
}

func (v *Validator) graph(ctx context.Context) (*metagraph.Metagraph, error) {
	var graph *metagraph.Metagraph
	err := v.Chain.Retry(ctx, "read the metagraph", func(ctx context.Context) (err error) {
		graph, err = v.Chain.Metagraph(ctx, v.Member.Netuid)
		return err
	})
	return graph, err
}

func (v *Validator) report(round int, took time.Duration, results []Result, known map[uint16]Evidence) {
	slices.SortFunc(results, func(a, b Result) int { return cmp.Compare(a.Neuron.UID, b.Neuron.UID) })
	scores := make([]string, len(results))
	for i, r := range results {
		scores[i] = fmt.Sprintf("%d=%.3f", r.Neuron.UID, known[r.Neuron.UID].Accuracy())
		log := v.Log.Debug
		if r.Failed+r.Malformed > 0 {
			log = v.Log.Warn
		}
		log("asked", "round", round, "uid", r.Neuron.UID, "right", r.Right, "wrong", r.Wrong, "malformed", r.Malformed,
			"failed", r.Failed, "latency", r.Latency.Round(10*time.Microsecond), "reason", r.Reason)
	}
	v.Log.Info("round", "round", round, "challenges", v.Options.Challenges, "took", took.Round(time.Millisecond), "accuracy", strings.Join(scores, " "))
}

// evidence is what is known of a subnet's neurons, and after how many rounds.
func (v *Validator) evidence(graph *metagraph.Metagraph) (map[uint16]Evidence, int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.scorer.Evidence(graph), v.rounds
}

// maxWait is how long a validator waits at most before it tries again what failed.
const maxWait = 30 * time.Second

// watch sets weights whenever they are due.
func (v *Validator) watch(ctx context.Context) {
	s := &setter{member: v.Member, chain: v.Chain, log: v.Log,
		committer: committer{chain: v.Chain, book: v.Book, netuid: v.Member.Netuid, hotkey: v.Member.Hotkey, log: v.Log},
		weigher:   Weigher{Chance: v.Task.Chance(), Quantile: v.Options.Quantile, Sharpness: v.Options.Sharpness}}
	lost, wait := false, v.Options.PollInterval
	for ctx.Err() == nil {
		err := v.Chain.Retry(ctx, "set weights", func(ctx context.Context) error { return s.step(ctx, v.evidence) })
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, membership.ErrDeregistered):
			if !lost {
				v.Log.Error("deregistered: still scoring, earning nothing", "error", err)
			}
		case err != nil:
			v.Log.Error("setting weights failed, trying again", "error", err, "in", wait)
		case lost:
			v.Log.Info("registered again", "netuid", v.Member.Netuid)
		}
		lost = errors.Is(err, membership.ErrDeregistered)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		if wait = min(2*wait, maxWait); err == nil {
			wait = v.Options.PollInterval
		}
	}
}
