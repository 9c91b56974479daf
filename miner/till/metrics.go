package till

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counters count what a till does. The zero value is useful.
type counters struct {
	revenue  atomic.Uint64 // nplx charged
	redeemed atomic.Uint64 // nplx
	vouchers atomic.Uint64 // taken
	writes   atomic.Uint64
	written  atomic.Uint64 // lanes
	failures atomic.Uint64 // of writes
	writing  atomic.Uint64 // nanoseconds

	mu          sync.Mutex
	refusals    map[string]uint64 // by reason
	redemptions map[string]uint64 // by outcome
}

func (c *counters) refuse(reason string) { c.add(&c.refusals, reason) }

func (c *counters) redemption(outcome string) { c.add(&c.redemptions, outcome) }

func (c *counters) add(to *map[string]uint64, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *to == nil {
		*to = map[string]uint64{}
	}
	(*to)[key]++
}

func (c *counters) wrote(lanes int, took time.Duration, err error) {
	if err != nil {
		c.failures.Add(1)
		return
	}
	c.writes.Add(1)
	c.written.Add(uint64(lanes))
	c.writing.Add(uint64(took))
}

var (
	descRevenue  = prometheus.NewDesc("plexus_miner_revenue_nplx_total", "Charged for paid requests since the start.", nil, nil)
	descRedeemed = prometheus.NewDesc("plexus_miner_redeemed_nplx_total", "Redeemed on the chain since the start, burned part included.", nil, nil)
	descPending  = prometheus.NewDesc("plexus_miner_unredeemed_nplx", "Signed by vouchers in hand and not redeemed yet.", nil, nil)
	descOwed     = prometheus.NewDesc("plexus_miner_owed_nplx", "Owed on the open lanes, redeemed or not.", nil, nil)
	descLost     = prometheus.NewDesc("plexus_miner_lost_nplx_total", "Signed by vouchers whose channel ended before they were redeemed.", nil, nil)
	descLate     = prometheus.NewDesc("plexus_miner_late_channels", "Channels that are about to end with vouchers not redeemed.", nil, nil)
	descLanes    = prometheus.NewDesc("plexus_miner_lanes", "Lanes that are kept.", nil, nil)
	descVouchers = prometheus.NewDesc("plexus_miner_vouchers_total", "Vouchers taken.", nil, nil)
	descRefused  = prometheus.NewDesc("plexus_miner_payment_refused_total", "Requests refused for the way they were to be paid, by reason.", []string{"reason"}, nil)
	descRedeems  = prometheus.NewDesc("plexus_miner_redemptions_total", "Redemptions by outcome: done, refused by the chain, failed without an answer.", []string{"outcome"}, nil)
	descWrites   = prometheus.NewDesc("plexus_miner_voucher_writes_total", "Transactions of the store, each an fsync or two.", nil, nil)
	descWritten  = prometheus.NewDesc("plexus_miner_voucher_written_total", "Lanes written to the store.", nil, nil)
	descWriting  = prometheus.NewDesc("plexus_miner_voucher_write_seconds_total", "Time of the store's transactions.", nil, nil)
	descFailures = prometheus.NewDesc("plexus_miner_voucher_write_failures_total", "Transactions of the store that failed.", nil, nil)
)

// Describe implements prometheus.Collector.
func (t *Till) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRevenue, descRedeemed, descPending, descOwed, descLost, descLate, descLanes, descVouchers,
		descRefused, descRedeems, descWrites, descWritten, descWriting, descFailures} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (t *Till) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	e, c := t.Earnings(), &t.count
	gauge(descPending, float64(e.Pending))
	gauge(descLate, float64(e.Late))
	gauge(descLanes, float64(len(e.Lanes)))
	owed := uint64(0)
	for _, l := range e.Lanes {
		owed = add(owed, l.Owed)
	}
	gauge(descOwed, float64(owed))
	counter(descLost, float64(e.Lost))
	counter(descRevenue, float64(c.revenue.Load()))
	counter(descRedeemed, float64(c.redeemed.Load()))
	counter(descVouchers, float64(c.vouchers.Load()))
	counter(descWrites, float64(c.writes.Load()))
	counter(descWritten, float64(c.written.Load()))
	counter(descWriting, time.Duration(c.writing.Load()).Seconds())
	counter(descFailures, float64(c.failures.Load()))
	c.mu.Lock()
	defer c.mu.Unlock()
	for reason, n := range c.refusals {
		counter(descRefused, float64(n), reason)
	}
	for outcome, n := range c.redemptions {
		counter(descRedeems, float64(n), outcome)
	}
}
