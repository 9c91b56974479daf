package validator

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/validator/anomaly"
	"github.com/plexusnet/plexus/validator/duplicates"
	"github.com/plexusnet/plexus/validator/health"
	"github.com/plexusnet/plexus/validator/store"
)

// knowledge is all that a validator knows of the miners of a subnet. It is not safe for concurrent use.
type knowledge struct {
	scorer   Scorer
	distinct bool // models that answer alike are one
	copies   duplicates.Detector
	watches  map[identity]*anomaly.Watch
	windows  map[identity]*health.Window
	keep     int // rounds in a window
	round    uint64
}

// What is saved. A score's, a watch's and a pair's record is written anew after each round, a window's round once.

type savedAccount struct {
	UID        uint16
	Hotkey     string
	Registered uint64
	Account    Account
	Watch      anomaly.Watch
}

type savedRound struct {
	UID        uint16
	Hotkey     string
	Registered uint64
	Round      health.Round
}

func accountRecords() store.Kind[savedAccount] {
	return store.Kind[savedAccount]{Name: "accounts", Version: 1}
}
func pairRecords() store.Kind[duplicates.Pair] {
	return store.Kind[duplicates.Pair]{Name: "pairs", Version: 1}
}
func suspicionRecords() store.Kind[duplicates.Suspicions] {
	return store.Kind[duplicates.Suspicions]{Name: "suspicions", Version: 1}
}
func roundRecords() store.Kind[savedRound]      { return store.Kind[savedRound]{Name: "rounds", Version: 1} }
func counterRecords() store.Kind[uint64]        { return store.Kind[uint64]{Name: "counters", Version: 1} }
func roundKey(round uint64, id identity) string { return fmt.Sprintf("%020d/%s", round, id.key()) }

const (
	roundsKey     = "rounds"
	suspicionsKey = "all"
)

// restore takes back what was saved.
func (k *knowledge) restore(book *store.Book) error {
	k.scorer.seen = map[identity]Account{}
	k.watches, k.windows = map[identity]*anomaly.Watch{}, map[identity]*health.Window{}
	return book.View(func(tx *store.Tx) (err error) {
		if k.round, _, err = counterRecords().Get(tx, roundsKey); err != nil {
			return err
		}
		err = accountRecords().Each(tx, "", func(_ string, s savedAccount) error {
			id := identity{uid: s.UID, hotkey: s.Hotkey, registered: s.Registered}
			k.scorer.seen[id], k.watches[id] = s.Account, &s.Watch
			return nil
		})
		if err != nil {
			return err
		}
		var pairs []duplicates.Pair
		err = pairRecords().Each(tx, "", func(_ string, p duplicates.Pair) error { pairs = append(pairs, p); return nil })
		if err != nil {
			return err
		}
		k.copies.Restore(pairs)
		suspicions, _, err := suspicionRecords().Get(tx, suspicionsKey)
		if err == nil {
			err = k.copies.RestoreSuspicions(suspicions)
		}
		if err != nil {
			return err
		}
		return roundRecords().Each(tx, "", func(_ string, s savedRound) error {
			k.window(identity{uid: s.UID, hotkey: s.Hotkey, registered: s.Registered}).Add(s.Round, k.keep)
			return nil
		})
	})
}

func (k *knowledge) window(id identity) *health.Window {
	if k.windows[id] == nil {
		k.windows[id] = &health.Window{}
	}
	return k.windows[id]
}

func (k *knowledge) watch(id identity) *anomaly.Watch {
	if k.watches[id] == nil {
		k.watches[id] = &anomaly.Watch{}
	}
	return k.watches[id]
}

// retain forgets every neuron that is not in the subnet any more.
func (k *knowledge) retain(graph *metagraph.Metagraph) {
	present := presence(graph)
	keys := make(map[string]bool, len(present))
	for id := range present {
		keys[id.key()] = true
	}
	k.scorer.Retain(graph)
	k.copies.Retain(func(id string) bool { return keys[id] })
	maps.DeleteFunc(k.watches, func(id identity, _ *anomaly.Watch) bool { return !present[id] })
	maps.DeleteFunc(k.windows, func(id identity, _ *health.Window) bool { return !present[id] })
}

// observe adds a round.
func (k *knowledge) observe(now time.Time, results []Result) {
	k.round++
	before := maps.Clone(k.scorer.seen)
	k.scorer.Observe(k.round, now, results)
	anyone := slices.ContainsFunc(results, func(r Result) bool { return r.Answered > 0 })
	slower := k.slower(results)
	var answers []duplicates.Answers
	for _, r := range results {
		id := identify(r.Neuron)
		k.window(id).Add(k.healthOf(now, r), k.keep)
		if anyone { // if nobody answered, the fault may be the validator's own
			k.watch(id).Observe(sampleOf(r).Quicker(slower))
		}
		answers = append(answers, k.answersOf(id, before[id].Evidence, r))
	}
	if k.distinct {
		k.copies.Observe(k.round, answers)
	}
}

func sampleOf(r Result) anomaly.Sample {
	return anomaly.Sample{Score: r.Mean(), Failed: share(r.Asked-r.Answered, r.Asked), Latency: r.latency().Seconds(), Asked: r.Asked}
}

// slower is by how much all miners are slower than they were; that much is nobody's own fault.
func (k *knowledge) slower(results []Result) anomaly.Delay {
	var delays []anomaly.Delay
	for _, r := range results {
		if d, ok := k.watch(identify(r.Neuron)).Slower(sampleOf(r)); ok {
			delays = append(delays, d)
		}
	}
	return anomaly.Common(delays)
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func (k *knowledge) healthOf(now time.Time, r Result) health.Round {
	return health.Round{At: now.Unix(), Asked: r.Asked, Answered: r.Answered, Score: r.Mean(), Failures: r.Failures, Micros: health.Latencies(r.Latencies)}
}

func (k *knowledge) answersOf(id identity, before Evidence, r Result) duplicates.Answers {
	took := duplicates.Latency{Answers: float64(len(r.Latencies))}
	for _, l := range r.Latencies {
		took.Seconds += l.Seconds()
	}
	return duplicates.Answers{
		Miner:  duplicates.Miner{ID: id.key(), UID: id.uid, Registered: id.registered, First: k.scorer.seen[id].First},
		Before: duplicates.Record{Score: before.Right, Asked: before.Asked}, Now: duplicates.Record{Score: r.Score(), Asked: float64(r.Asked)},
		Latency: took, Outputs: r.Outputs, Choices: r.Choices,
	}
}

// save writes the round that was observed last, and all that follows from it, in one transaction.
func (k *knowledge) save(book *store.Book, results []Result) error {
	return book.Update(func(tx *store.Tx) error {
		if err := counterRecords().Put(tx, roundsKey, k.round); err != nil {
			return err
		}
		if err := k.saveAccounts(tx); err != nil {
			return err
		}
		if err := k.savePairs(tx); err != nil {
			return err
		}
		return k.saveRounds(tx, results)
	})
}

func (k *knowledge) saveAccounts(tx *store.Tx) error {
	if err := accountRecords().Clear(tx); err != nil {
		return err
	}
	for id, account := range k.scorer.seen {
		record := savedAccount{UID: id.uid, Hotkey: id.hotkey, Registered: id.registered, Account: account, Watch: *k.watch(id)}
		if err := accountRecords().Put(tx, id.key(), record); err != nil {
			return err
		}
	}
	return nil
}

func (k *knowledge) savePairs(tx *store.Tx) error {
	if err := pairRecords().Clear(tx); err != nil {
		return err
	}
	for _, p := range k.copies.Pairs() {
		if err := pairRecords().Put(tx, p.A.Miner.ID+"|"+p.B.Miner.ID, p); err != nil {
			return err
		}
	}
	return suspicionRecords().Put(tx, suspicionsKey, k.copies.Suspicions())
}

// saveRounds adds this round to the windows, and removes what fell out of them.
func (k *knowledge) saveRounds(tx *store.Tx, results []Result) error {
	for _, r := range results {
		id := identify(r.Neuron)
		window := k.window(id).Rounds
		record := savedRound{UID: id.uid, Hotkey: id.hotkey, Registered: id.registered, Round: window[len(window)-1]}
		if err := roundRecords().Put(tx, roundKey(k.round, id), record); err != nil {
			return err
		}
	}
	var old []string
	err := roundRecords().Keys(tx, func(key string) bool {
		over := key < fmt.Sprintf("%020d", k.round-min(k.round, uint64(k.keep))+1)
		if over {
			old = append(old, key)
		}
		return over
	})
	for _, key := range old {
		if err == nil {
			err = roundRecords().Delete(tx, key)
		}
	}
	return err
}

// worthless returns why a neuron earns nothing although it answers, for each that does.
func (k *knowledge) worthless() map[identity]string {
	out := map[identity]string{}
	copies := k.copies.Copies()
	uids := make(map[string]uint16, len(k.scorer.seen))
	for id := range k.scorer.seen {
		uids[id.key()] = id.uid
	}
	for id := range k.scorer.seen {
		if original, ok := copies[id.key()]; ok {
			out[id] = fmt.Sprintf("copy of uid %d", uids[original])
		}
		if w := k.watches[id]; w != nil && w.Flagged {
			out[id] = fmt.Sprintf("unlike itself: %v", w.Reasons())
		}
	}
	return out
}

// isolated tells whether a neuron stands apart from its own history.
func (k *knowledge) isolated(id identity) bool {
	w := k.watches[id]
	return w != nil && w.Flagged
}

// evidence is what counts of each neuron, by uid.
func (k *knowledge) evidence(graph *metagraph.Metagraph, now time.Time) map[uint16]Evidence {
	worthless := k.worthless()
	return k.scorer.Evidence(graph, now, func(id identity) bool { _, ok := worthless[id]; return ok })
}

// health is how each of the subnet's miners fares, in order of uid.
func (k *knowledge) health(graph *metagraph.Metagraph, weigher Weigher, now time.Time) []health.Miner {
	worthless, counts := k.worthless(), k.evidence(graph, now)
	miners := []health.Miner{}
	for _, n := range graph.Neurons {
		id := identify(n)
		account, ok := k.scorer.seen[id]
		if !ok {
			continue
		}
		m := k.window(id).Summary()
		m.UID, m.Hotkey, m.Registered, m.Model = n.UID, n.Hotkey, n.Registered, n.Endpoint.Model
		m.Accuracy, m.Skill = account.Accuracy(), weigher.Skill(counts[n.UID])
		if why, ok := worthless[id]; ok {
			m.Flags = append(m.Flags, why)
		}
		if account.Banned.After(now) {
			m.Flags = append(m.Flags, fmt.Sprintf("dishonest, until %s: %s", account.Banned.UTC().Format(time.RFC3339), account.Reason))
		}
		miners = append(miners, m)
	}
	return miners
}
