package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/receipt"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/payment"
	"github.com/plexusnet/plexus/proto/inference"
)

// Directory tells who serves. Errors wrap metagraph.ErrNotFound and metagraph.ErrUnavailable.
type Directory interface {
	Metagraph(ctx context.Context, netuid uint32) (*metagraph.Metagraph, error)
}

// Pay says which calls are paid for.
type Pay string

// The ways to pay. Each needs a wallet but PayNever.
const (
	PayNever  Pay = "never"
	PayAsked  Pay = "asked"  // miners that have refused a call for want of payment
	PayAlways Pay = "always" // and all that have a price
)

// HedgeP95 asks another miner as well when one takes longer than 95 of 100 of its answers did.
const HedgeP95 time.Duration = -1

// Weights say how much what is known of a miner counts when one is chosen: exponents of the formula in the package's
// documentation. A zero field takes the default; a negative one means that it does not count.
type Weights struct {
	Quality float64 // the miner's incentive; 1
	Price   float64 // what the call is expected to cost there; 1
	Errors  float64 // the share of calls that it fails; 2
}

// Options tune a client. A zero field takes the default.
type Options struct {
	Dialer   oip.Dialer    // to be paid for, connections must show the identity of the wallet's payer or key
	Timeout  time.Duration // for one miner; 5 s
	Attempts int           // miners asked before giving up; 3
	Refresh  time.Duration // how long the list of miners is good; 10 s
	Log      *slog.Logger  // silent when nil

	Among   int     // of how many of the best miners one is chosen; 8. With 1 it is always the best
	Weights Weights // of what is known of them
	Spares  int     // miners beside the best that are kept ready, with connections and, where they are paid, channels; 2. None when negative

	Hedge   time.Duration // ask another miner as well when one has not answered for so long, or HedgeP95; not at all when 0
	Suspect time.Duration // ask a miner that has not answered for so long whether it lives, and another for the answer if it does not say so in that time; 80 ms. Never when negative

	RetryShare float64 // retries and hedges, per call; 0.2
	RetryBurst int     // retries and hedges beyond that share; 100

	Failures int           // in a row that isolate a miner; 3. One is enough where it cannot be reached
	Isolate  time.Duration // for how long at first; 1 s. Twice as long each time, to 64 times at most
	Distrust time.Duration // for how long where it lied: a wrong receipt, an answer that does not fit the request, too high a claim; 10 min

	Wallet   *wallet.Wallet // pays; nil: nothing does. Closing it stays the caller's, after the client
	Pay      Pay            // PayAsked where there is a wallet
	MaxPrice uint64         // nplx, the most that one call may cost; no bound but the miners' prices when 0

	// Observe, if given, is told of every call to a miner once it is over, those included that came to nothing: for
	// metrics and for the books. It is called from many goroutines and must not block.
	Observe func(Call)
}

func (o Options) withDefaults() Options {
	fill(&o.Timeout, 5*time.Second)
	fill(&o.Attempts, 3)
	fill(&o.Refresh, 10*time.Second)
	fill(&o.Among, 8)
	o.Weights = o.Weights.withDefaults()
	if o.Spares == 0 {
		o.Spares = 2
	}
	if o.Suspect == 0 {
		o.Suspect = 80 * time.Millisecond
	}
	fill(&o.RetryShare, 0.2)
	fill(&o.RetryBurst, 100)
	fill(&o.Failures, 3)
	fill(&o.Isolate, time.Second)
	fill(&o.Distrust, 10*time.Minute)
	if o.Pay == "" {
		o.Pay = PayAsked
	}
	if o.Wallet == nil {
		o.Pay = PayNever
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (w Weights) withDefaults() Weights {
	for _, one := range []struct {
		weight   *float64
		standard float64
	}{{&w.Quality, 1}, {&w.Price, 1}, {&w.Errors, 2}} {
		switch {
		case *one.weight == 0:
			*one.weight = one.standard
		case *one.weight < 0:
			*one.weight = 0
		}
	}
	return w
}

// fill gives a field that is not positive its default.
func fill[T int | float64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Request is what to ask of a subnet.
type Request struct {
	Netuid     uint32
	Model      string // ask only miners that announce this model; any when empty
	Inputs     []models.Tensor
	Outputs    []string // none: all
	ID         string
	Parameters map[string]*inference.InferParameter

	// Specs, if given, are what the outputs must look like.
	Specs []models.TensorSpec
	// Receipt asks for proof of the answer, and refuses one that comes without or with another's.
	Receipt bool
	// Check, if given, says what is wrong with an answer; the next miner is asked then.
	Check func(outputs []models.Tensor) error

	MaxPrice uint64        // nplx; Options.MaxPrice when 0
	Expect   payment.Usage // of output and compute, to know what a call may cost; what was seen before when 0
	Hedge    time.Duration // Options.Hedge when 0
	Tag      string        // comes back in each Call
}

// Answer is what a miner answered.
type Answer struct {
	Miner      metagraph.Neuron
	Model      string
	Version    string
	Outputs    []models.Tensor
	Parameters map[string]*inference.InferParameter
	Elapsed    time.Duration // of the successful call
	Charged    uint64        // nplx, of the successful call; others that were made for it are told to Observe
	Receipt    *Receipt      // where one was asked for
	Failed     []Failure     // miners that were asked before
	InHand     int           // calls made for it that were still in hand, and are broken off: Observe is told when they are over
}

// Receipt is proof of what a miner answered.
type Receipt struct {
	receipt.Receipt
	NodeKey   []byte // Ed25519 public key, 32 bytes
	Signature []byte // 64 bytes
}

// Call is one call to one miner, over.
type Call struct {
	Tag     string // of the request
	Netuid  uint32
	Miner   metagraph.Neuron
	Attempt int  // 1 for the first of a request
	Hedge   bool // made while another was in hand
	Won     bool // its answer is the request's
	Channel uint64
	Limit   uint64 // nplx that it might have cost at most; 0 where it was not paid for
	Charged uint64 // nplx
	Unsure  bool   // whether it was charged for, up to Limit, is not known: it was broken off
	Elapsed time.Duration
	Err     error
}

// Client calls miners. It is safe for concurrent use. Close it when done.
type Client struct {
	directory Directory
	options   Options
	pool      *Pool
	budget    budget

	ctx   context.Context // of what goes on in the background
	stop  context.CancelFunc
	start sync.Once
	group sync.WaitGroup
	kick  chan struct{} // wakes what goes on in the background

	mu      sync.Mutex
	closed  bool
	subnets map[uint32]*subnet
	miners  map[minerKey]*miner
}

// New returns a client of the miners that directory lists. It connects to none of them before the first call.
func New(directory Directory, options Options) *Client {
	o := options.withDefaults()
	c := &Client{directory: directory, options: o, pool: NewPool(o.Dialer), kick: make(chan struct{}, 1),
		subnets: map[uint32]*subnet{}, miners: map[minerKey]*miner{}}
	c.budget.share, c.budget.most, c.budget.left = o.RetryShare, float64(o.RetryBurst), float64(o.RetryBurst)
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Close breaks off what is in hand and closes all connections.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.group.Wait()
	c.pool.Close()
}

// Miners returns the miners that serve in the subnet, the best first. Errors wrap ErrNoMiners, metagraph.ErrNotFound
// (no such subnet) or metagraph.ErrUnavailable (the chain is down, and was never seen up).
func (c *Client) Miners(ctx context.Context, netuid uint32) ([]metagraph.Neuron, error) {
	s, err := c.subnet(ctx, netuid)
	if err != nil {
		return nil, err
	}
	return Rank(s.graph), nil
}

// Health returns what the client knows of the miners that serve in a subnet, the best first. Errors are those of Miners.
func (c *Client) Health(ctx context.Context, netuid uint32) ([]Health, error) {
	s, err := c.subnet(ctx, netuid)
	if err != nil {
		return nil, err
	}
	out := make([]Health, len(s.candidates))
	for i := range s.candidates {
		out[i] = s.candidates[i].miner.health(s.candidates[i].neuron)
	}
	return out, nil
}

// Infer asks one of the subnet's best miners, and others where that one fails or is too slow, until one answers. Errors
// are those of Miners, a *NoAnswerError, and that of an ended ctx as it is.
func (c *Client) Infer(ctx context.Context, req Request) (*Answer, error) {
	s, err := c.subnet(ctx, req.Netuid)
	if err != nil {
		return nil, err
	}
	c.background()
	answer, err := newRace(c, s, &req).run(ctx)
	if over := ended(ctx); err != nil && over != nil && !errors.Is(err, ErrNoAnswer) {
		return nil, fmt.Errorf("infer in subnet %d: %w", req.Netuid, over)
	}
	return answer, err
}
