package miner

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/plexusnet/plexus/client/oip"
)

// Metrics counts what a miner does, for Prometheus.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  prometheus.Counter
	panics   prometheus.Counter
	uid      prometheus.Gauge
	emission prometheus.Gauge

	statistics statistics
}

// NewMetrics returns metrics that are registered nowhere but in themselves.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_miner_requests_total", Help: "Inference requests by model and gRPC code; no model: it is not served."}, []string{"model", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plexus_miner_request_seconds", Help: "Time of answered inference requests, waiting included.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)}, []string{"model"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plexus_miner_refused_total", Help: "Requests refused because too many were in hand."}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plexus_miner_panics_total", Help: "Requests that hit a fault of the server's own."}),
		uid: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "plexus_miner_uid", Help: "Uid on the chain; -1 while there is none."}),
		emission: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "plexus_miner_emission_nplx", Help: "Emission of the last epoch."}),
	}
	m.uid.Set(-1)
	m.registry.MustRegister(&m.statistics, m.requests, m.seconds, m.refused, m.panics, m.uid, m.emission,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds what another part of the program measures, such as its GPUs.
func (m *Metrics) Register(c prometheus.Collector) { m.registry.MustRegister(c) }

// Serve answers GET /metrics on a loopback address until ctx ends.
func (m *Metrics) Serve(ctx context.Context, lis net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ListenMetrics opens the listener for Serve, on this machine only.
func ListenMetrics(address string) (net.Listener, error) {
	if !oip.Loopback(address) {
		return nil, errors.New("--metrics " + address + ": metrics are unencrypted; listen on 127.0.0.1 and let a local agent collect them")
	}
	return listen(address, "--metrics")
}
