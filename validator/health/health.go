package health

import (
	"maps"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
)

// Sampled is how many latencies of a round are kept.
const Sampled = 64

// Round is one round of one miner.
type Round struct {
	At       int64          `json:"at"` // seconds of Unix time
	Asked    int            `json:"asked"`
	Answered int            `json:"answered"`
	Score    float64        `json:"score"`              // mean over what was asked, 0 to 1
	Failures map[string]int `json:"failures,omitempty"` // by reason
	Micros   []uint32       `json:"micros,omitempty"`   // latencies of answers, microseconds; at most Sampled
}

// Latencies returns durations as a round keeps them.
func Latencies(took []time.Duration) []uint32 {
	took = took[:min(len(took), Sampled)]
	out := make([]uint32, len(took))
	for i, d := range took {
		out[i] = uint32(min(max(d.Microseconds(), 0), 1<<32-1))
	}
	return out
}

// Window is the last rounds of a miner, oldest first.
type Window struct {
	Rounds []Round
}

// Add takes in a round; no more than keep are kept.
func (w *Window) Add(r Round, keep int) {
	w.Rounds = append(w.Rounds, r)
	if over := len(w.Rounds) - keep; over > 0 {
		w.Rounds = slices.Delete(w.Rounds, 0, over)
	}
}

// Latency has percentiles of the time from a question to the whole answer, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
}

// Point is the score of one round.
type Point struct {
	At    int64   `json:"at"` // seconds of Unix time
	Score float64 `json:"score"`
}

// Miner is the health of one neuron over a window.
type Miner struct {
	UID        uint16 `json:"uid"`
	Hotkey     string `json:"hotkey"`
	Registered uint64 `json:"registered"` // height
	Model      string `json:"model"`

	From     int64          `json:"from"` // of the window; seconds of Unix time
	To       int64          `json:"to"`
	Rounds   int            `json:"rounds"`
	Asked    int            `json:"asked"`
	Answered int            `json:"answered"`
	Uptime   float64        `json:"uptime"` // share of rounds with an answer, 0 to 1
	Latency  *Latency       `json:"latency"`
	Failures map[string]int `json:"failures"`
	Scores   []Point        `json:"scores"`

	Accuracy float64  `json:"accuracy"` // moving average of the score
	Skill    float64  `json:"skill"`    // what is rewarded of it: 0 to 1
	Flags    []string `json:"flags"`    // such as "copy of uid 4", "dishonest until ...", "unlike itself: latency"
}

// Subnet is the health of a subnet's miners, as one validator sees it.
type Subnet struct {
	Netuid uint32  `json:"netuid"`
	Hotkey string  `json:"hotkey"` // of the validator
	Height uint64  `json:"height"` // of the chain, in the last round
	Round  uint64  `json:"round"`
	At     int64   `json:"at"` // seconds of Unix time
	Miners []Miner `json:"miners"`
	// Verified says that the report is signed for its hotkey; a Client finds that out.
	Verified bool `json:"-"`
}

// Summary sums the window up; who the miner is is left to the caller.
func (w *Window) Summary() Miner {
	m := Miner{Rounds: len(w.Rounds), Failures: map[string]int{}, Scores: make([]Point, 0, len(w.Rounds)), Flags: []string{}}
	if len(w.Rounds) == 0 {
		return m
	}
	m.From, m.To = w.Rounds[0].At, w.Rounds[len(w.Rounds)-1].At
	up := 0
	var took []float64
	for _, r := range w.Rounds {
		m.Asked += r.Asked
		m.Answered += r.Answered
		if r.Answered > 0 {
			up++
		}
		for reason, n := range r.Failures {
			m.Failures[reason] += n
		}
		m.Scores = append(m.Scores, Point{At: r.At, Score: r.Score})
		for _, micros := range r.Micros {
			took = append(took, float64(micros)/1000)
		}
	}
	m.Uptime = float64(up) / float64(len(w.Rounds))
	m.Latency = percentiles(took)
	return m
}

// percentiles returns nil where there is nothing to take them of.
func percentiles(took []float64) *Latency {
	if len(took) == 0 {
		return nil
	}
	slices.Sort(took)
	at := func(q float64) float64 { return stat.Quantile(q, stat.Empirical, took, nil) }
	return &Latency{P50: at(0.5), P95: at(0.95), P99: at(0.99)}
}

// Reasons returns the reasons of failures, the most frequent first.
func (m Miner) Reasons() []string {
	return slices.SortedFunc(maps.Keys(m.Failures), func(a, b string) int {
		if m.Failures[a] != m.Failures[b] {
			return m.Failures[b] - m.Failures[a]
		}
		return slices.Compare([]byte(a), []byte(b))
	})
}
