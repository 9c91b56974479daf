package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics count what a gateway does, for Prometheus. No label holds what a caller may choose freely.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	calls    *prometheus.CounterVec
	charged  *prometheus.CounterVec
	elapsed  *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_gateway_requests_total", Help: "Requests by protocol (openai, rest, rpc) and HTTP status; errors of gRPC have status 200 and are in plexus_gateway_calls_total."}, []string{"protocol", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plexus_gateway_request_seconds", Help: "Time of requests, waiting and miners included.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)}, []string{"protocol"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_gateway_refused_total", Help: "Requests that were refused at the door, by reason."}, []string{"reason"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_gateway_calls_total", Help: "Calls of subnets by gRPC code."}, []string{"netuid", "code"}),
		charged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_gateway_charged_nplx_total", Help: "What miners charged."}, []string{"netuid"}),
		elapsed: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plexus_gateway_miner_seconds", Help: "Time that the miner took that answered.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)}, []string{"netuid"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plexus_gateway_panics_total", Help: "Requests that hit a fault of the gateway's own."}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.refused, m.calls, m.charged, m.elapsed, m.panics,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch adds what the door knows.
func (m *metrics) watch(d *door) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "plexus_gateway_in_flight", Help: "Requests in hand."}, func() float64 { return float64(d.inFlight()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "plexus_gateway_waiting", Help: "Requests that wait for their turn."}, func() float64 { return float64(d.waiting.Load()) }))
}

func (m *metrics) answered(protocol string, w *watched, took time.Duration) {
	m.requests.WithLabelValues(protocol, strconv.Itoa(w.status)).Inc()
	m.seconds.WithLabelValues(protocol).Observe(took.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
