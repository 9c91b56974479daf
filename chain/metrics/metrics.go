// Package metrics tells Prometheus what the blocks of a node did to subnets:
//
//	plexus_subnet_events_total{kind,netuid}           epochs, failed epochs, registrations, weights, …
//	plexus_subnet_epoch_nplx_total{netuid,part}       what epochs paid the owner, burned and carried over
//	plexus_minted_nplx_total, plexus_burned_nplx_total
//	plexus_block_execution_seconds{epochs}            time to execute a block, apart for those with epochs
//
// It looks at what blocks returned and at the clock from outside of the
// application, so that nothing of it can reach the state:
//
//	observed, err := metrics.Watch(chain, prometheus.DefaultRegisterer)
//
// and observed takes the place of chain. Counters start at the node's start,
// and count the blocks that it replays.
package metrics

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/prometheus/client_golang/prometheus"

	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
)

const (
	prefix = keeper.ModuleName + "_" // of the types of the module's events
	epoch  = prefix + "epoch"
)

// epochParts are the attributes of an epoch's event that are amounts.
var epochParts = map[string]bool{"owner": true, "burned": true, "carried": true}

// Observed is an application whose blocks are counted.
type Observed struct {
	servertypes.Application

	events, epochAmounts *prometheus.CounterVec
	minted, burned       prometheus.Counter
	execution            *prometheus.HistogramVec
}

// Watch registers the metrics and returns the application that feeds them. It
// fails when reg has them already.
func Watch(chain servertypes.Application, reg prometheus.Registerer) (*Observed, error) {
	o := &Observed{
		Application: chain,
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_subnet_events_total", Help: "Events of the subnet module by kind.",
		}, []string{"kind", "netuid"}),
		epochAmounts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plexus_subnet_epoch_nplx_total", Help: "What epochs paid the owner, burned, and carried over, in nplx.",
		}, []string{"netuid", "part"}),
		minted: prometheus.NewCounter(prometheus.CounterOpts{Name: "plexus_minted_nplx_total", Help: "Newly minted nplx."}),
		burned: prometheus.NewCounter(prometheus.CounterOpts{Name: "plexus_burned_nplx_total", Help: "Burned nplx, slashes included."}),
		execution: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plexus_block_execution_seconds", Help: "Time to execute a block, apart for blocks in which epochs ran.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"epochs"}),
	}
	for _, c := range []prometheus.Collector{o.events, o.epochAmounts, o.minted, o.burned, o.execution} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the chain: %w", err)
		}
	}
	return o, nil
}

// FinalizeBlock executes a block and counts what it did.
func (o *Observed) FinalizeBlock(req *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	start := time.Now()
	res, err := o.Application.FinalizeBlock(req)
	if err != nil {
		return res, err
	}
	took, epochs := time.Since(start), o.count(res.Events)
	for _, tx := range res.TxResults {
		o.count(tx.Events)
	}
	o.execution.WithLabelValues(strconv.FormatBool(epochs)).Observe(took.Seconds())
	return res, nil
}

// count enters events, and tells whether epochs were among them.
func (o *Observed) count(events []abci.Event) (epochs bool) {
	for _, e := range events {
		switch {
		case e.Type == banktypes.EventTypeCoinMint:
			o.minted.Add(nplx(e))
		case e.Type == banktypes.EventTypeCoinBurn:
			o.burned.Add(nplx(e))
		case strings.HasPrefix(e.Type, prefix):
			netuid := attribute(e, "netuid")
			o.events.WithLabelValues(strings.TrimPrefix(e.Type, prefix), netuid).Inc()
			if e.Type == epoch {
				epochs = true
				o.countEpoch(e, netuid)
			}
		}
	}
	return epochs
}

func (o *Observed) countEpoch(e abci.Event, netuid string) {
	for _, a := range e.Attributes {
		amount, err := strconv.ParseUint(a.Value, 10, 64)
		if err == nil && epochParts[a.Key] {
			o.epochAmounts.WithLabelValues(netuid, a.Key).Add(float64(amount))
		}
	}
}

// nplx is the amount of an event of the bank.
func nplx(e abci.Event) float64 {
	coins, err := sdk.ParseCoinsNormalized(attribute(e, sdk.AttributeKeyAmount))
	if err != nil {
		return 0
	}
	return float64(coins.AmountOf(network.Denom).Uint64())
}

func attribute(e abci.Event, key string) string {
	for _, a := range e.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}
