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

	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/validator/alert"
	"github.com/plexusnet/plexus/validator/health"
	"github.com/plexusnet/plexus/validator/mechanism"
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
	MaxAnswer     int           // bytes of an answer, where the task does not bound it; 16 MiB
	Shopped       float64       // share of the questions that a shopper asks too, where there are shoppers; 0.25
	Ban           time.Duration // how long a miner earns nothing after a dishonest answer; 12 h
	Window        int           // rounds that a miner's health is kept of; 120
	Behind        time.Duration // without a new block, after which the chain is behind; 2 min
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
	o.MaxAnswer = orDefault(o.MaxAnswer, oip.DefaultMaxMessageBytes)
	o.Shopped = orDefault(o.Shopped, 0.25)
	o.Ban = orDefault(o.Ban, 12*time.Hour)
	o.Window = orDefault(o.Window, 120)
	o.Behind = orDefault(o.Behind, 2*time.Minute)
	return o
}

func orDefault[T int | float64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// isolatedPart is the part of the challenges that a miner gets which stands apart from its own history.
const isolatedPart = 4

// Validator scores the miners of one subnet for as long as it runs.
type Validator struct {
	Member    membership.Member
	Chain     Chain
	Mechanism mechanism.Mechanism
	Book      *store.Book // what must outlive the process
	Shared    *Shared
	Bind      bool // bind the hotkey to the operator's staking validator if it has no stake
	Options   Options
	Log       *slog.Logger

	reached func(point string) // for tests: called at each point of the loop, if not nil
	lookout lookout

	mu    sync.Mutex // guards what follows
	knows knowledge
	graph *metagraph.Metagraph // of the last round
	asked time.Time            // when that was
}

// at tells tests where the loop is.
func (v *Validator) at(point string) {
	if v.reached != nil {
		v.reached(point)
	}
}

// Run joins the subnet and works until ctx ends. Chain and miners that are down are waited for. The error says why the
// validator cannot join, or that what was saved cannot be read; what goes wrong later is logged and tried again.
func (v *Validator) Run(ctx context.Context) error {
	if err := v.prepare(); err != nil {
		return err
	}
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
	var group errgroup.Group
	group.Go(func() error { v.probe(ctx); return nil })
	group.Go(func() error { v.watch(ctx); return nil })
	group.Go(func() error { v.lookout.run(ctx, v.Options.Behind); return nil })
	err = group.Wait()
	v.Log.Info("stopped", "netuid", v.Member.Netuid)
	return err
}

// prepare takes back what was saved.
func (v *Validator) prepare() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.Options = v.Options.withDefaults()
	v.lookout = lookout{alerts: v.Shared.Alerts, netuid: v.Member.Netuid, hotkey: v.Member.Hotkey, moved: time.Now()}
	v.knows = knowledge{keep: v.Options.Window, distinct: v.Mechanism.Describe().Distinct,
		scorer: Scorer{HalfLife: v.Options.HalfLife, Ban: v.Options.Ban}}
	return v.knows.restore(v.Book)
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
func (v *Validator) probe(ctx context.Context) {
	random := rand.New(rand.NewChaCha8(randomSeed()))
	for ctx.Err() == nil {
		next := time.After(v.Options.RoundInterval)
		if err := v.round(ctx, random); err != nil && ctx.Err() == nil {
			v.Log.Error("round failed, trying again", "netuid", v.Member.Netuid, "error", err, "in", v.Options.RoundInterval)
			v.lookout.alert(alert.ChallengeFailures, fmt.Sprintf("a round failed: %v", err))
			v.Shared.Metrics.roundFailed(v.Member.Netuid)
		}
		select {
		case <-ctx.Done():
		case <-next:
		}
	}
}

func randomSeed() (seed [32]byte) {
	cryptorand.Read(seed[:]) // never fails: without randomness the process ends
	return seed
}

// round asks everybody once. What it learns is saved whole or not at all.
func (v *Validator) round(ctx context.Context, random *rand.Rand) error {
	graph, err := v.metagraph(ctx)
	if err != nil {
		return err
	}
	drawn, err := v.Mechanism.Draw(ctx, v.Options.Challenges)
	if err != nil {
		return fmt.Errorf("draw challenges: %w", err)
	}
	v.at("drawn")
	probes := v.plan(graph, len(drawn.Challenges()), random)
	if len(probes) == 0 {
		v.Log.Info("nobody to ask: no miner has announced an endpoint", "netuid", v.Member.Netuid, "height", graph.Height)
		return nil
	}
	p := prober{askers: v.Shared.askers, deadline: v.Options.Deadline, miners: v.Options.Miners, inFlight: v.Options.InFlight,
		limit: answerLimit(v.Mechanism.Describe().Task, v.Options.MaxAnswer), memory: v.Shared.memory, round: drawn, sample: newSample(random)}
	start := time.Now()
	results, err := p.run(ctx, probes)
	if ctx.Err() != nil {
		return nil // cut short by the end of the program: no evidence about anybody
	}
	if err != nil {
		return err
	}
	v.at("asked")
	if err := v.learn(graph, results); err != nil {
		return err
	}
	v.at("saved")
	v.report(graph, time.Since(start), results)
	return nil
}

func (v *Validator) metagraph(ctx context.Context) (*metagraph.Metagraph, error) {
	var graph *metagraph.Metagraph
	err := v.Chain.Retry(ctx, "read the metagraph", func(ctx context.Context) (err error) {
		graph, err = v.Chain.Metagraph(ctx, v.Member.Netuid)
		return err
	})
	if err == nil {
		v.lookout.heard(graph.Height)
	}
	return graph, err
}

func (v *Validator) plan(graph *metagraph.Metagraph, challenges int, random *rand.Rand) []probe {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.knows.retain(graph)
	return planner{
		self: v.Member.Hotkey, challenges: challenges, shoppers: len(v.Shared.askers) - 1, shopped: v.Options.Shopped,
		apart: max(1, challenges/isolatedPart), known: v.knows.scorer.Known, isolated: v.knows.isolated, random: random,
	}.plan(graph)
}

// learn adds a round to what is known, and saves it.
func (v *Validator) learn(graph *metagraph.Metagraph, results []Result) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	v.knows.observe(now, results)
	v.graph, v.asked = graph, now
	v.at("judged")
	return v.knows.save(v.Book, results)
}

// report tells log, metrics and, where much went wrong, somebody of a round.
func (v *Validator) report(graph *metagraph.Metagraph, took time.Duration, results []Result) {
	v.mu.Lock()
	round, known := v.knows.round, v.knows.scorer.Evidence(graph, time.Now(), func(identity) bool { return false })
	worthless := v.knows.worthless()
	v.mu.Unlock()
	slices.SortFunc(results, func(a, b Result) int { return cmp.Compare(a.Neuron.UID, b.Neuron.UID) })
	scores := make([]string, len(results))
	for i, r := range results {
		uid := r.Neuron.UID
		scores[i] = fmt.Sprintf("%d=%.3f", uid, known[uid].Accuracy())
		log := v.Log.Debug
		if r.Answered < r.Asked || r.Dishonest != nil {
			log = v.Log.Warn
		}
		log("asked", "netuid", v.Member.Netuid, "round", round, "uid", uid, "asked", r.Asked, "answered", r.Answered, "score", r.Score(),
			"deficit", r.Deficit, "latency", r.latency().Round(10*time.Microsecond), "reason", r.Reason, "dishonest", r.Dishonest)
		if why, ok := worthless[identify(r.Neuron)]; ok {
			v.Log.Warn("earns nothing", "netuid", v.Member.Netuid, "uid", uid, "reason", why)
		}
	}
	v.Log.Info("round", "netuid", v.Member.Netuid, "round", round, "challenges", v.Options.Challenges,
		"took", took.Round(time.Millisecond), "accuracy", strings.Join(scores, " "))
	v.Shared.Metrics.rounded(v.Member.Netuid, took, results, known, len(worthless))
	v.lookout.answers(results)
}

// evidence is what counts of a subnet's neurons, and after how many rounds.
func (v *Validator) evidence(graph *metagraph.Metagraph) (map[uint16]Evidence, int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.knows.evidence(graph, time.Now()), int(v.knows.round)
}

// Health is how the subnet's miners fare, as of the last round; ok is false before the first.
func (v *Validator) Health() (s health.Subnet, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.graph == nil {
		return s, false
	}
	return health.Subnet{
		Netuid: v.Member.Netuid, Hotkey: v.Member.Hotkey, Height: v.graph.Height, Round: v.knows.round, At: v.asked.Unix(),
		Miners: v.knows.health(v.graph, v.weigher(), time.Now()),
	}, true
}

func (v *Validator) weigher() Weigher {
	return Weigher{Chance: v.Mechanism.Describe().Chance, Quantile: v.Options.Quantile, Sharpness: v.Options.Sharpness}
}

// maxWait is how long a validator waits at most before it tries again what failed.
const maxWait = 30 * time.Second

// watch sets weights whenever they are due.
func (v *Validator) watch(ctx context.Context) {
	s := &setter{member: v.Member, chain: v.Chain, log: v.Log, weigher: v.weigher(), lookout: &v.lookout, metrics: v.Shared.Metrics,
		committer: committer{chain: v.Chain, book: v.Book, netuid: v.Member.Netuid, hotkey: v.Member.Hotkey, log: v.Log, at: v.at}}
	lost, wait := false, v.Options.PollInterval
	for ctx.Err() == nil {
		err := v.Chain.Retry(ctx, "set weights", func(ctx context.Context) error { return s.step(ctx, v.evidence) })
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, membership.ErrDeregistered):
			if !lost {
				v.Log.Error("deregistered: still scoring, earning nothing", "netuid", v.Member.Netuid, "error", err)
				v.lookout.alert(alert.Deregistered, err.Error())
			}
		case err != nil:
			v.Log.Error("setting weights failed, trying again", "netuid", v.Member.Netuid, "error", err, "in", wait)
			v.Shared.Metrics.weighed(v.Member.Netuid, "failed")
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
