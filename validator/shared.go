package validator

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/validator/alert"
	"github.com/plexusnet/plexus/validator/health"
)

// DefaultMemory bounds the answers of all subnets that are not judged yet.
const DefaultMemory = 256 << 20

// Shared is what the validators of one process have in common.
type Shared struct {
	Metrics *Metrics      // nil: nothing is counted
	Alerts  *alert.Sender // nil: nobody is told

	askers []*client.Pool
	memory *memory
}

// NewShared returns what validators share: connections to miners in their own name and in the names of shoppers, other
// identities in which a part of the questions is asked; and so many bytes for answers that are not judged yet, at least
// those of one miner (0: DefaultMemory). The caller closes it.
func NewShared(own oip.Dialer, shoppers []oip.Dialer, memoryBytes int64) *Shared {
	if memoryBytes <= 0 {
		memoryBytes = DefaultMemory
	}
	s := &Shared{memory: newMemory(memoryBytes)}
	for _, dialer := range append([]oip.Dialer{own}, shoppers...) {
		s.askers = append(s.askers, client.NewPool(dialer))
	}
	return s
}

// Close closes all connections.
func (s *Shared) Close() {
	for _, pool := range s.askers {
		pool.Close()
	}
}

// Fleet is the validators of one process, one per subnet.
type Fleet []*Validator

// againAfter is when a subnet that failed is tried again.
const againAfter = time.Minute

// Run runs all until ctx ends. One that fails is tried again every minute and does not stop the others; if there is only
// one, its error is returned.
func (f Fleet) Run(ctx context.Context) error {
	if len(f) == 1 {
		return f[0].Run(ctx)
	}
	var group errgroup.Group
	for _, v := range f {
		group.Go(func() error { v.persist(ctx, againAfter); return nil })
	}
	return group.Wait()
}

// persist runs a validator again and again.
func (v *Validator) persist(ctx context.Context, pause time.Duration) {
	for ctx.Err() == nil {
		err := v.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		v.Log.Error("subnet stopped, trying again", "netuid", v.Member.Netuid, "error", err, "in", pause)
		v.Shared.Alerts.Send(alert.Alert{Kind: alert.SubnetStopped, Netuid: v.Member.Netuid, Hotkey: v.Member.Hotkey, Message: fmt.Sprint(err)})
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Netuids implements health.Source.
func (f Fleet) Netuids() []uint32 {
	netuids := make([]uint32, len(f))
	for i, v := range f {
		netuids[i] = v.Member.Netuid
	}
	slices.Sort(netuids)
	return netuids
}

// Subnet implements health.Source.
func (f Fleet) Subnet(netuid uint32) (health.Subnet, bool) {
	for _, v := range f {
		if v.Member.Netuid == netuid {
			return v.Health()
		}
	}
	return health.Subnet{}, false
}

// lookout tells somebody when things go wrong. It is safe for concurrent use.
type lookout struct {
	alerts *alert.Sender
	netuid uint32
	hotkey string

	mu     sync.Mutex
	height uint64
	moved  time.Time // when the height was last seen to grow
	epoch  uint64    // height of the last epoch that was looked at
	trust  uint16    // in it
}

func (l *lookout) alert(kind alert.Kind, message string) {
	l.alerts.Send(alert.Alert{Kind: kind, Netuid: l.netuid, Hotkey: l.hotkey, Message: message})
}

// heard takes note of the chain's height.
func (l *lookout) heard(height uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if height > l.height {
		l.height, l.moved = height, time.Now()
	}
}

// run looks whether the chain goes on, until ctx ends.
func (l *lookout) run(ctx context.Context, behind time.Duration) {
	tick := time.NewTicker(max(behind/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.mu.Lock()
		height, still := l.height, time.Since(l.moved)
		l.mu.Unlock()
		if still > behind {
			l.alert(alert.ChainBehind, fmt.Sprintf("no block after %d for %s: the node is down, behind its network, or the network stands still", height, still.Round(time.Second)))
		}
	}
}

// trusted takes note of the validator's trust, once per epoch.
func (l *lookout) trusted(lastEpoch uint64, trust uint16) {
	l.mu.Lock()
	before, fresh := l.trust, lastEpoch > l.epoch
	if fresh {
		l.epoch, l.trust = lastEpoch, trust
	}
	l.mu.Unlock()
	if fresh && 5*uint32(trust) <= 4*uint32(before) && before > 0 {
		l.alert(alert.TrustFalling, fmt.Sprintf("validator trust fell from %.3f to %.3f: its weights differ from what the others agree on", share16(before), share16(trust)))
	}
}

func share16(v uint16) float64 { return float64(v) / (1<<16 - 1) }

// answers looks at a round as a whole.
func (l *lookout) answers(results []Result) {
	asked, answered := 0, 0
	for _, r := range results {
		if r.Neuron.Endpoint.Serves() {
			asked += r.Asked
			answered += r.Answered
		}
	}
	if 2*answered < asked {
		l.alert(alert.ChallengeFailures, fmt.Sprintf("of %d questions %d were answered: is this machine's own network at fault?", asked, answered))
	}
}
