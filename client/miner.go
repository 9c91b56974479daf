package client

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
)

// minerKey is what makes a miner another one to its callers: who it is and where it answers.
type minerKey struct {
	netuid   uint32
	hotkey   string
	endpoint string
}

// miner is what the client has seen of a miner. It outlives the lists of miners.
type miner struct {
	inHand  atomic.Int64
	asks    atomic.Bool // it, or another of its subnet with a price, has refused a call for want of payment
	probing atomic.Bool // somebody waits for its sign of life

	mu      sync.Mutex
	latency average       // seconds; rises at once, falls slowly
	success average       // of calls: 1 or 0
	output  average       // bytes of an answer
	answers int           // seen
	recent  [64]float64   // seconds, of the last answers: slot answers % 64
	p95     float64       // seconds, of recent
	busy    time.Time     // it asked not to be asked before
	trip    time.Duration // shortest that a sign of life took
	circuit circuit
}

// memory is how long ago what was seen of a miner counts by 1/e.
const memory = 10 * time.Second

// average is an exponentially weighted moving average over time.
type average struct {
	value float64
	at    time.Time
}

func (a *average) add(x float64, now time.Time) {
	if a.at.IsZero() {
		a.value, a.at = x, now
		return
	}
	w := math.Exp(-float64(now.Sub(a.at)) / float64(memory))
	a.value, a.at = a.value*w+x*(1-w), now
}

// peak is add, but for what is above the average: that becomes it.
func (a *average) peak(x float64, now time.Time) {
	if x > a.value {
		a.value, a.at = x, now
		return
	}
	a.add(x, now)
}

// perCall is how much one call moves the average of successes, which must fall with the calls, not with the time.
const perCall = 0.1

func (m *miner) succeeded(ok bool, now time.Time) {
	if m.success.at.IsZero() {
		m.success = average{1, now}
	}
	x := 0.0
	if ok {
		x = 1
	}
	m.success.value += perCall * (x - m.success.value)
	m.success.at = now
}

// answered takes in an answer that took so long and had so many bytes.
func (m *miner) answered(took time.Duration, bytes int, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seconds := took.Seconds()
	m.latency.peak(seconds, now)
	m.output.add(float64(bytes), now)
	m.recent[m.answers%len(m.recent)] = seconds
	if m.answers++; m.answers%16 == 0 || m.answers < 16 {
		m.p95 = quantile(m.recent[:min(m.answers, len(m.recent))], 0.95)
	}
	m.succeeded(true, now)
	m.circuit.close()
}

// outlasted takes in that no answer came in so long, and nobody waits for it any more.
func (m *miner) outlasted(took time.Duration, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seconds := took.Seconds(); seconds > m.latency.value {
		m.latency.peak(seconds, now)
	}
	m.circuit.trial = false
}

// failed takes in a failure, and isolates the miner where that is due.
func (m *miner) failed(v verdict, now time.Time, o *Options) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.circuit.trial = false
	switch v {
	case verdictInnocent:
		return
	case verdictLied:
		m.circuit.open(now, o.Distrust, o.Distrust)
	case verdictGone:
		m.circuit.trip(now, o.Isolate)
	case verdictFailed:
		if m.circuit.failures++; m.circuit.failures >= o.Failures || m.circuit.state == circuitHalf {
			m.circuit.trip(now, o.Isolate)
		}
	}
	m.succeeded(false, now)
}

// later takes in that a miner wants to be left alone for some time.
func (m *miner) later(wait time.Duration, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy = now.Add(min(wait, 5*time.Second))
}

// open reports whether the miner may be asked now.
func (m *miner) open(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.After(m.busy) && m.circuit.allows()
}

// enter takes a call in hand.
func (m *miner) enter() {
	m.inHand.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.circuit.trial = m.circuit.state == circuitHalf
}

// fade is how long it takes to forget, by 1/e, what was seen of a miner that nobody asks: so it is tried again one day.
const fade = 30 * time.Second

func (m *miner) leave() { m.inHand.Add(-1) }

// seen is what the choice goes by. A miner that was not asked yet has a latency of 0.
func (m *miner) seen(now time.Time) (latency, success float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	success = 1
	if !m.success.at.IsZero() {
		success = 1 - (1-m.success.value)*math.Exp(-float64(now.Sub(m.success.at))/float64(fade))
	}
	if idle := now.Sub(m.latency.at); m.latency.value > 0 && idle > memory {
		return m.latency.value * math.Exp(-float64(idle-memory)/float64(fade)), success
	}
	return m.latency.value, success
}

// slow is what 95 of 100 answers take at most, 0 where too few were seen.
func (m *miner) slow() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answers < 8 {
		return 0
	}
	return time.Duration(m.p95 * float64(time.Second))
}

// bytes is what an answer has, 0 where none was seen.
func (m *miner) bytes() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(m.output.value)
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// verdict is what a failure says about the miner.
type verdict int

const (
	verdictInnocent verdict = iota // nothing
	verdictFailed                  // it failed
	verdictGone                    // it cannot be reached
	verdictLied                    // it is not to be trusted
)

// circuit keeps callers from a miner that fails. Open, it lets nobody in; once its time is over and the miner gives a
// sign of life, one call may try; by what comes of that it closes, or opens for twice as long.
type circuit struct {
	state    circuitState
	failures int // in a row
	until    time.Time
	period   time.Duration
	trial    bool // a call tries
}

type circuitState int

const (
	circuitClosed circuitState = iota
	circuitOpen
	circuitHalf
)

func (c circuitState) String() string { return [...]string{"closed", "open", "half-open"}[c] }

func (c *circuit) allows() bool {
	return c.state == circuitClosed || (c.state == circuitHalf && !c.trial)
}

// maxPeriods bounds how long a miner is isolated, in first periods.
const maxPeriods = 64

// trip opens the circuit, for twice as long as the last time.
func (c *circuit) trip(now time.Time, first time.Duration) {
	if c.state == circuitOpen && now.Before(c.until) {
		return // calls that were in hand when it opened
	}
	c.open(now, min(max(first, 2*c.period), maxPeriods*first), 0)
}

// open opens the circuit for so long, and at least so long.
func (c *circuit) open(now time.Time, period, least time.Duration) {
	c.state, c.period, c.trial = circuitOpen, period, false
	if until := now.Add(max(period, least)); until.After(c.until) {
		c.until = until
	}
}

func (c *circuit) close() {
	if c.state != circuitOpen { // an answer to a call from before it opened changes nothing
		*c = circuit{}
	}
}

// due reports whether it is time to see whether the miner lives.
func (c *circuit) due(now time.Time) bool { return c.state == circuitOpen && !now.Before(c.until) }

// probe reports whether the miner should be asked for a sign of life.
func (m *miner) probe(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.circuit.due(now)
}

// probed takes in whether the miner gave a sign of life, and in what time.
func (m *miner) probed(alive bool, took time.Duration, now time.Time, o *Options) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if alive && (m.trip == 0 || took < m.trip) {
		m.trip = took
	}
	if !m.circuit.due(now) {
		return
	}
	if alive {
		m.circuit.state, m.circuit.trial = circuitHalf, false
		return
	}
	m.circuit.trip(now, o.Isolate)
}

// patience is how long a sign of life may take.
func (m *miner) patience(o *Options) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(o.Suspect, 3*m.trip)
}

// Health is what a client knows of a miner.
type Health struct {
	Miner    metagraph.Neuron `json:"miner"`
	State    string           `json:"state"` // "closed": it is asked; "open": it is isolated; "half-open": one call tries
	Until    time.Time        `json:"until"` // of the isolation
	InHand   int              `json:"in_hand"`
	Latency  time.Duration    `json:"latency"`  // moving average that rises at once
	P95      time.Duration    `json:"p95"`      // of the last answers
	Success  float64          `json:"success"`  // share of the last calls, 0 to 1
	Answers  int              `json:"answers"`  // seen
	AsksPay  bool             `json:"asks_pay"` // it has refused a call for want of payment
	LastTrip time.Duration    `json:"trip"`     // shortest that a sign of life took
}

func (m *miner) health(n metagraph.Neuron) Health {
	_, success := m.seen(time.Now())
	m.mu.Lock()
	defer m.mu.Unlock()
	h := Health{Miner: n, State: m.circuit.state.String(), InHand: int(m.inHand.Load()), Latency: time.Duration(m.latency.value * float64(time.Second)),
		P95: time.Duration(m.p95 * float64(time.Second)), Success: success, Answers: m.answers, AsksPay: m.asks.Load(), LastTrip: m.trip}
	if m.circuit.state == circuitOpen {
		h.Until = m.circuit.until
	}
	return h
}
