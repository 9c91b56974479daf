package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

var (
	// ErrNoMiners: nobody in the subnet serves.
	ErrNoMiners = errors.New("no miner serves")
	// ErrNoAnswer: every miner that was asked failed. The error lists them with their reasons.
	ErrNoAnswer = errors.New("no miner answered")
)

// Directory tells who serves. Errors wrap metagraph.ErrNotFound and metagraph.ErrUnavailable.
type Directory interface {
	Metagraph(ctx context.Context, netuid uint32) (*metagraph.Metagraph, error)
}

// Options tune a client. A zero field takes the default.
type Options struct {
	Dialer   oip.Dialer
	Timeout  time.Duration // for one miner; 5 s
	Attempts int           // miners asked before giving up; 3
	Refresh  time.Duration // how long the list of miners is good; 10 s
	Log      *slog.Logger  // silent when nil
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.Refresh <= 0 {
		o.Refresh = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Request is what to ask of a subnet.
type Request struct {
	Netuid  uint32
	Inputs  []models.Tensor
	Outputs []string // none: all
	// Check, if given, says what is wrong with an answer; the next miner is asked then.
	Check func(outputs []models.Tensor) error
}

// Answer is what a miner answered.
type Answer struct {
	Miner   metagraph.Neuron
	Model   string
	Version string
	Outputs []models.Tensor
	Elapsed time.Duration // of the successful call
	Failed  []Failure     // miners that were asked before
}

// Failure is a miner that did not answer, and why.
type Failure struct {
	Miner metagraph.Neuron
	Err   error
}

// Error reads like: uid 3 (127.0.0.1:8500): connection refused.
func (f Failure) Error() string {
	return fmt.Sprintf("uid %d (%s): %v", f.Miner.UID, f.Miner.Endpoint.Address(), f.Err)
}

// Unwrap returns the reason.
func (f Failure) Unwrap() error { return f.Err }

// Client calls miners. It is safe for concurrent use. Close it when done.
type Client struct {
	directory Directory
	options   Options
	pool      *Pool

	mu     sync.Mutex
	graphs map[uint32]listing
}

type listing struct {
	graph *metagraph.Metagraph
	read  time.Time
}

// New returns a client of the miners that directory lists. It connects to none of them before the first call.
func New(directory Directory, options Options) *Client {
	o := options.withDefaults()
	return &Client{directory: directory, options: o, pool: NewPool(o.Dialer), graphs: map[uint32]listing{}}
}

// Close closes all connections.
func (c *Client) Close() { c.pool.Close() }

// Miners returns the miners that serve in the subnet, the best first. Errors wrap ErrNoMiners, metagraph.ErrNotFound
// (no such subnet) or metagraph.ErrUnavailable (the chain is down, and was never seen up).
func (c *Client) Miners(ctx context.Context, netuid uint32) ([]metagraph.Neuron, error) {
	graph, err := c.graph(ctx, netuid)
	if err != nil {
		return nil, err
	}
	ranked := Rank(graph)
	if len(ranked) == 0 {
		return nil, fmt.Errorf("%w in subnet %d: of its %d neurons, none has announced an endpoint", ErrNoMiners, netuid, len(graph.Neurons))
	}
	return ranked, nil
}

// Rank returns the neurons that serve over the Open Inference Protocol, the highest incentive first and lower uids first
// among equals.
func Rank(graph *metagraph.Metagraph) []metagraph.Neuron {
	serving := slices.DeleteFunc(slices.Clone(graph.Neurons), func(n metagraph.Neuron) bool {
		return !n.Endpoint.Serves() || n.Endpoint.Protocol != oip.Protocol
	})
	slices.SortStableFunc(serving, func(a, b metagraph.Neuron) int { return cmp.Compare(b.Incentive, a.Incentive) })
	return serving
}

// graph returns the subnet as last read, and reads it when that is long ago. A chain that has gone away does not keep
// callers from the miners they know.
func (c *Client) graph(ctx context.Context, netuid uint32) (*metagraph.Metagraph, error) {
	c.mu.Lock()
	known, ok := c.graphs[netuid]
	c.mu.Unlock()
	if ok && time.Since(known.read) < c.options.Refresh {
		return known.graph, nil
	}
	graph, err := c.directory.Metagraph(ctx, netuid)
	if err != nil {
		if ok && errors.Is(err, metagraph.ErrUnavailable) {
			c.options.Log.Warn("chain unavailable, using the miners known", "netuid", netuid, "height", known.graph.Height, "error", err)
			return known.graph, nil
		}
		return nil, fmt.Errorf("find the miners of subnet %d: %w", netuid, err)
	}
	c.mu.Lock()
	c.graphs[netuid] = listing{graph: graph, read: time.Now()}
	c.mu.Unlock()
	return graph, nil
}

// Infer asks the subnet's miners, the best first, until one answers. Errors are those of Miners and ErrNoAnswer; that
// of an ended ctx is returned as it is.
func (c *Client) Infer(ctx context.Context, req Request) (*Answer, error) {
	miners, err := c.Miners(ctx, req.Netuid)
	if err != nil {
		return nil, err
	}
	var failed []Failure
	for _, miner := range miners[:min(len(miners), c.options.Attempts)] {
		answer, err := c.ask(ctx, miner, req)
		if err == nil {
			answer.Failed = failed
			return answer, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("infer in subnet %d: %w", req.Netuid, ctx.Err())
		}
		c.options.Log.Info("miner failed, asking the next", "uid", miner.UID, "endpoint", miner.Endpoint.Address(), "error", err)
		failed = append(failed, Failure{Miner: miner, Err: err})
	}
	return nil, noAnswer(req.Netuid, failed)
}

func noAnswer(netuid uint32, failed []Failure) error {
	reasons := make([]error, len(failed))
	for i, f := range failed {
		reasons[i] = f
	}
	return fmt.Errorf("%w in subnet %d: %w", ErrNoAnswer, netuid, errors.Join(reasons...))
}

// ask calls one miner.
func (c *Client) ask(ctx context.Context, miner metagraph.Neuron, req Request) (*Answer, error) {
	service, err := c.pool.Service(miner.Endpoint)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	start := time.Now()
	message := oip.Request{Model: miner.Endpoint.Model, Inputs: req.Inputs, Outputs: req.Outputs}.Message()
	resp, err := service.ModelInfer(ctx, message)
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(start)
	outputs, err := checked(resp)
	if err != nil {
		return nil, err
	}
	if req.Check != nil {
		if err := req.Check(outputs); err != nil {
			return nil, fmt.Errorf("answer refused: %w", err)
		}
	}
	return &Answer{Miner: miner, Model: resp.ModelName, Version: resp.ModelVersion, Outputs: outputs, Elapsed: elapsed}, nil
}

// checked returns the tensors of a response that are well formed, each and all.
func checked(resp *inference.ModelInferResponse) ([]models.Tensor, error) {
	outputs, err := oip.Outputs(resp)
	if err != nil {
		return nil, fmt.Errorf("malformed answer: %w", err)
	}
	for _, t := range outputs {
		if err := t.Validate(models.Limits{}); err != nil {
			return nil, fmt.Errorf("malformed answer: %w", err)
		}
	}
	return outputs, nil
}
