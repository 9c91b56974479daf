package miner

import (
	"context"
	"fmt"
	"math/bits"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner/schedule"
	"github.com/plexusnet/plexus/miner/till"
)

// Strangers is how callers are met that show no identity.
type Strangers string

// The ways to meet strangers.
const (
	StrangersOpen    Strangers = "open"    // like everybody else, after them in line
	StrangersLimited Strangers = "limited" // by StrangerRate, all strangers of one host together
	StrangersRefused Strangers = "refuse"
)

// Payment is how a miner means to be paid by its callers. Validators of the subnet, with a permit, never pay.
type Payment string

// The ways to be paid.
const (
	PaymentOff     Payment = "off"     // nothing is asked for and nothing taken
	PaymentAccept  Payment = "accept"  // who pays goes first, the others after them in line
	PaymentRequire Payment = "require" // who does not pay is refused
)

// Policy says who may call. The zero value lets everybody in. It applies where connections are mutually authenticated;
// a plaintext listener serves programs of its own machine.
type Policy struct {
	Strangers    Strangers // StrangersOpen when empty
	StrangerRate float64   // requests per second of one host's strangers, where they are limited; 1 when 0
	Rate         float64   // requests per second of one account; no bound when 0
	Allow        []string  // accounts that may call; empty: all that are not blocked
	Block        []string  // accounts that may not
	Payment      Payment   // PaymentOff when empty
}

// Check says what is wrong with a policy.
func (p Policy) Check() error {
	if !slices.Contains([]Strangers{"", StrangersOpen, StrangersLimited, StrangersRefused}, p.Strangers) {
		return fmt.Errorf("strangers: %q is none of %s, %s, %s", p.Strangers, StrangersOpen, StrangersLimited, StrangersRefused)
	}
	if !slices.Contains([]Payment{"", PaymentOff, PaymentAccept, PaymentRequire}, p.Payment) {
		return fmt.Errorf("payment: %q is none of %s, %s, %s", p.Payment, PaymentOff, PaymentAccept, PaymentRequire)
	}
	if p.Rate < 0 || p.StrangerRate < 0 {
		return fmt.Errorf("rates per second: want 0 or more, got %v and %v", p.Rate, p.StrangerRate)
	}
	return nil
}

// caller is who asks, as far as it is known.
type caller struct {
	name   string        // for the fair queue and the rate limit: the account, or the host of a stranger
	weight uint64        // share against others
	shown  identity.Peer // what the connection has proved; nobody for strangers
}

type callerKey struct{}

// callerOf returns who asks; an unknown host where nobody has said.
func callerOf(ctx context.Context) caller {
	if c, ok := ctx.Value(callerKey{}).(caller); ok {
		return c
	}
	return caller{name: host(ctx), weight: 1}
}

func host(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	if address, ok := p.Addr.(*net.TCPAddr); ok {
		return address.IP.String()
	}
	return p.Addr.String()
}

// doorkeeper applies a policy.
type doorkeeper struct {
	policy    Policy
	directory *Directory
	till      *till.Till // nil: nothing is paid

	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

// maxLimiters bounds the callers whose rate is remembered. One who is forgotten starts with a full bucket again.
const maxLimiters = 4096

// admit returns ctx with the caller in it, or the reason to refuse. It looks at nothing but the connection and the lists.
func (d *doorkeeper) admit(ctx context.Context, auth oip.AuthInfo, authenticated bool) (context.Context, error) {
	if !authenticated {
		return ctx, nil // plaintext
	}
	switch {
	case auth.Err != nil:
		return ctx, status.Error(codes.Unauthenticated, auth.Err.Error())
	case auth.Shown && !time.Now().Before(auth.Peer.Expiry):
		return ctx, status.Error(codes.Unauthenticated, "the certificate of this connection has expired; connect anew")
	case !auth.Shown:
		return d.admitStranger(ctx)
	}
	address := auth.Peer.Address
	if slices.Contains(d.policy.Block, address) || (len(d.policy.Allow) > 0 && !slices.Contains(d.policy.Allow, address)) {
		return ctx, status.Errorf(codes.PermissionDenied, "this miner does not serve the account %s", address)
	}
	if err := d.limit(address, d.policy.Rate); err != nil {
		return ctx, err
	}
	return context.WithValue(ctx, callerKey{}, caller{name: address, weight: d.directory.Weight(address), shown: auth.Peer}), nil
}

func (d *doorkeeper) admitStranger(ctx context.Context) (context.Context, error) {
	if d.policy.Strangers == StrangersRefused || len(d.policy.Allow) > 0 {
		return ctx, status.Error(codes.Unauthenticated, "this miner serves accounts of the chain only: show a node certificate (docs/protocol.md section 8)")
	}
	name := host(ctx)
	if d.policy.Strangers == StrangersLimited {
		limit := d.policy.StrangerRate
		if limit == 0 {
			limit = 1
		}
		if err := d.limit(name, limit); err != nil {
			return ctx, err
		}
	}
	return context.WithValue(ctx, callerKey{}, caller{name: name, weight: 1}), nil
}

// limit takes one request out of the caller's bucket, which holds what comes in a second, or 1.
func (d *doorkeeper) limit(name string, perSecond float64) error {
	if perSecond == 0 {
		return nil
	}
	d.mu.Lock()
	l := d.limiters[name]
	if l == nil {
		if d.limiters == nil || len(d.limiters) >= maxLimiters {
			d.limiters = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
		d.limiters[name] = l
	}
	d.mu.Unlock()
	if l.Allow() {
		return nil
	}
	wait := time.Duration(float64(time.Second) / perSecond)
	return fullStatus(&schedule.FullError{RetryAfter: wait, Reason: fmt.Sprintf("more than %g requests per second of %s", perSecond, name)})
}

// Directory knows the accounts of a subnet and what they have at stake. The zero value knows nobody.
type Directory struct {
	current atomic.Pointer[standings]
}

type standings struct {
	weights map[string]uint64
	height  uint64
}

// The shares that callers start from in the queue. Stake adds one for each doubling.
const (
	weightAccount   = 2 // has proved an account of the chain, such as a payer
	weightNeuron    = 3
	weightValidator = 8
)

const plx = 1_000_000_000 // nplx

// Update takes in how a subnet stands.
func (d *Directory) Update(graph *metagraph.Metagraph) {
	s := &standings{weights: make(map[string]uint64, len(graph.Neurons)), height: graph.Height}
	for _, n := range graph.Neurons {
		s.weights[n.Hotkey] = weightNeuron
		if n.Permit {
			s.weights[n.Hotkey] = weightValidator + uint64(bits.Len64(n.Stake/plx))
		}
	}
	d.current.Store(s)
}

// Weight returns an account's share in the queue.
func (d *Directory) Weight(address string) uint64 {
	if s := d.load(); s != nil && s.weights[address] > 0 {
		return s.weights[address]
	}
	return weightAccount
}

// Permit reports whether an account is a validator of the subnet, with a permit.
func (d *Directory) Permit(address string) bool {
	s := d.load()
	return s != nil && s.weights[address] >= weightValidator
}

// Height returns the height of the chain at the last update, 0 before the first.
func (d *Directory) Height() uint64 {
	if s := d.load(); s != nil {
		return s.height
	}
	return 0
}

func (d *Directory) load() *standings {
	if d == nil {
		return nil
	}
	return d.current.Load()
}

// Watch reads the subnet again and again until ctx ends. A chain that is down leaves what was known.
func (d *Directory) Watch(ctx context.Context, interval time.Duration, read func(context.Context) (*metagraph.Metagraph, error)) {
	for {
		if graph, err := read(ctx); err == nil {
			d.Update(graph)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}
