package validator

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what validators do, for Prometheus. A nil Metrics counts nothing.
type Metrics struct {
	registry  *prometheus.Registry
	rounds    *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	answers   *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	score     *prometheus.GaugeVec
	worthless *prometheus.GaugeVec
	weights   *prometheus.CounterVec
	trust     *prometheus.GaugeVec
	until     *prometheus.GaugeVec
}

// NewMetrics returns metrics that are registered nowhere but in themselves.
func NewMetrics() *Metrics {
	subnet := []string{"netuid"}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_validator_rounds_total", Help: "Rounds by outcome: done or failed."}, []string{"netuid", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plexus_validator_round_seconds", Help: "Time of a round, from the first question to what was saved.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 13)}, subnet),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_validator_answers_total", Help: "Questions by what came of them: answered, or why not."}, []string{"netuid", "outcome"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plexus_validator_answer_seconds", Help: "Time from a question to the whole answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15)}, subnet),
		score: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plexus_validator_miner_score", Help: "Moving average of a miner's score, 0 to 1."}, []string{"netuid", "uid"}),
		worthless: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plexus_validator_flagged_miners", Help: "Miners that answer and earn nothing: copies, and those unlike themselves."}, subnet),
		weights: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_validator_weights_total", Help: "Weights by outcome: set or failed."}, []string{"netuid", "outcome"}),
		trust: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plexus_validator_trust", Help: "The validator's own trust in the last epoch, 0 to 1."}, subnet),
		until: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plexus_validator_blocks_until_weights", Help: "Blocks until weights may be set; 0: now."}, subnet),
	}
	m.registry.MustRegister(m.rounds, m.seconds, m.answers, m.latency, m.score, m.worthless, m.weights, m.trust, m.until,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers with all metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

func label(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func (m *Metrics) roundFailed(netuid uint32) {
	if m != nil {
		m.rounds.WithLabelValues(label(netuid), "failed").Inc()
	}
}

func (m *Metrics) rounded(netuid uint32, took time.Duration, results []Result, known map[uint16]Evidence, worthless int) {
	if m == nil {
		return
	}
	subnet := label(netuid)
	m.rounds.WithLabelValues(subnet, "done").Inc()
	m.seconds.WithLabelValues(subnet).Observe(took.Seconds())
	m.worthless.WithLabelValues(subnet).Set(float64(worthless))
	m.score.DeletePartialMatch(prometheus.Labels{"netuid": subnet})
	for uid, e := range known {
		m.score.WithLabelValues(subnet, label(uint32(uid))).Set(e.Accuracy())
	}
	latency := m.latency.WithLabelValues(subnet)
	for _, r := range results {
		m.answers.WithLabelValues(subnet, "answered").Add(float64(r.Answered))
		for reason, n := range r.Failures {
			m.answers.WithLabelValues(subnet, reason).Add(float64(n))
		}
		for _, l := range r.Latencies {
			latency.Observe(l.Seconds())
		}
	}
}

func (m *Metrics) weighed(netuid uint32, outcome string) {
	if m != nil {
		m.weights.WithLabelValues(label(netuid), outcome).Inc()
	}
}

func (m *Metrics) stands(netuid uint32, trust uint16, blocks uint64) {
	if m != nil {
		m.trust.WithLabelValues(label(netuid)).Set(share16(trust))
		m.until.WithLabelValues(label(netuid)).Set(float64(blocks))
	}
}
