package miner

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plexusnet/plexus/miner/schedule"
)

// tally is a number of events and the time they took.
type tally struct{ count, nanoseconds atomic.Uint64 }

func (t *tally) add(took time.Duration) {
	t.count.Add(1)
	t.nanoseconds.Add(uint64(max(0, took)))
}

func (t *tally) microseconds() float64 { return float64(t.nanoseconds.Load()) / 1000 }

// modelStatistics counts what a version of a model does. Requests that ran together count as one execution.
type modelStatistics struct {
	name, version string
	success, fail tally // requests, waiting included
	queue         tally // waiting for a slot
	compute       tally // executions
	rows          atomic.Uint64
	last          atomic.Int64 // Unix milliseconds

	mu    sync.Mutex
	sizes map[int]*tally // executions by rows
}

// ran counts one execution of so many requests and rows.
func (m *modelStatistics) ran(_, rows int, took time.Duration, err error) {
	if err != nil {
		return
	}
	m.compute.add(took)
	m.rows.Add(uint64(rows))
	if rows = min(rows, maxCountedRows); rows < 1 {
		return
	}
	m.mu.Lock()
	t := m.sizes[rows]
	if t == nil {
		t = &tally{}
		m.sizes[rows] = t
	}
	m.mu.Unlock()
	t.add(took)
}

// maxCountedRows bounds the sizes that are told apart: strangers choose them.
const maxCountedRows = 64

// statistics counts what the models do, for ModelStatistics and, under the names that Triton Inference Server gives
// them, for Prometheus.
type statistics struct {
	models  sync.Map // name/version -> *modelStatistics
	waiting atomic.Pointer[schedule.Queue]
}

func (s *statistics) of(name, version string) *modelStatistics {
	type key struct{ name, version string }
	if m, ok := s.models.Load(key{name, version}); ok {
		return m.(*modelStatistics)
	}
	m, _ := s.models.LoadOrStore(key{name, version}, &modelStatistics{name: name, version: version, sizes: map[int]*tally{}})
	return m.(*modelStatistics)
}

// all returns the statistics by name and version.
func (s *statistics) all() []*modelStatistics {
	var all []*modelStatistics
	s.models.Range(func(_, m any) bool {
		all = append(all, m.(*modelStatistics))
		return true
	})
	slices.SortFunc(all, func(a, b *modelStatistics) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.version, b.version))
	})
	return all
}

var modelLabels = []string{"model", "version"}

// The metrics of statistics. The names and units are Triton's.
var (
	descSuccess  = prometheus.NewDesc("nv_inference_request_success", "Successful inference requests.", modelLabels, nil)
	descFailure  = prometheus.NewDesc("nv_inference_request_failure", "Failed inference requests.", modelLabels, nil)
	descRows     = prometheus.NewDesc("nv_inference_count", "Inferences performed; a request of a batch of n counts n.", modelLabels, nil)
	descRuns     = prometheus.NewDesc("nv_inference_exec_count", "Executions of the model; requests run together count once.", modelLabels, nil)
	descDuration = prometheus.NewDesc("nv_inference_request_duration_us", "Time of requests, waiting included, summed.", modelLabels, nil)
	descQueue    = prometheus.NewDesc("nv_inference_queue_duration_us", "Time that requests waited for a slot, summed.", modelLabels, nil)
	descCompute  = prometheus.NewDesc("nv_inference_compute_infer_duration_us", "Time of executions, summed.", modelLabels, nil)
	descPending  = prometheus.NewDesc("nv_inference_pending_request_count", "Requests that wait for a slot.", nil, nil)
)

// Describe implements prometheus.Collector.
func (s *statistics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descSuccess, descFailure, descRows, descRuns, descDuration, descQueue, descCompute, descPending} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s *statistics) Collect(out chan<- prometheus.Metric) {
	for _, m := range s.all() {
		for desc, value := range map[*prometheus.Desc]float64{
			descSuccess:  float64(m.success.count.Load()),
			descFailure:  float64(m.fail.count.Load()),
			descRows:     float64(m.rows.Load()),
			descRuns:     float64(m.compute.count.Load()),
			descDuration: m.success.microseconds(),
			descQueue:    m.queue.microseconds(),
			descCompute:  m.compute.microseconds(),
		} {
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, m.name, m.version)
		}
	}
	if q := s.waiting.Load(); q != nil {
		out <- prometheus.MustNewConstMetric(descPending, prometheus.GaugeValue, float64(q.Waiting()))
	}
}
