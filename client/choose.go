package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/payment"
)

// subnet is the miners of a subnet as last read, the best first.
type subnet struct {
	netuid     uint32
	graph      *metagraph.Metagraph
	read       time.Time
	candidates []candidate
}

// candidate is a miner in one list of them. It does not change.
type candidate struct {
	neuron  metagraph.Neuron
	price   payment.Price
	quality float64 // what its incentive divides the cost by: 0 to 1
	poolKey string
	payee   wallet.Payee
	miner   *miner
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

// priceOf is what a miner posts.
func priceOf(e metagraph.Endpoint) payment.Price {
	return payment.Price{Request: e.Price, Input: e.InputPrice, Output: e.OutputPrice, Compute: e.ComputePrice}
}

// typical is the usage by which miners are ranked before there is a request.
var typical = payment.Usage{Input: 4 << 10, Output: 4 << 10, Compute: 10 * time.Millisecond}

// list makes the candidates of a graph, the best by quality and price first.
func (c *Client) list(netuid uint32, graph *metagraph.Metagraph, now time.Time) *subnet {
	ranked := Rank(graph)
	s := &subnet{netuid: netuid, graph: graph, read: now, candidates: make([]candidate, len(ranked))}
	best, sum := 1.0, 0.0
	for i, n := range ranked {
		best = max(best, float64(n.Incentive)+1)
		sum += float64(priceOf(n.Endpoint).Charge(typical))
		s.candidates[i] = candidate{neuron: n, price: priceOf(n.Endpoint), poolKey: poolKey(n.Endpoint), payee: wallet.Payee{Netuid: netuid, Hotkey: n.Hotkey}}
	}
	mean := sum / float64(max(1, len(ranked)))
	merit := func(a *candidate) float64 {
		return a.quality / math.Pow(relative(a.price.Charge(typical), mean), c.options.Weights.Price)
	}
	for i := range s.candidates {
		one := &s.candidates[i]
		one.quality = math.Pow((float64(one.neuron.Incentive)+1)/best, c.options.Weights.Quality)
		one.miner = c.miner(minerKey{netuid, one.neuron.Hotkey, one.poolKey})
	}
	slices.SortStableFunc(s.candidates, func(a, b candidate) int { return cmp.Compare(merit(&b), merit(&a)) })
	if slices.ContainsFunc(s.candidates, func(one candidate) bool { return one.priced() && one.miner.asks.Load() }) {
		s.askToPay()
	}
	return s
}

func (one *candidate) priced() bool { return one.price != payment.Price{} }

// askToPay takes all miners with a price to want it, now that one of them has said so.
func (s *subnet) askToPay() {
	for i := range s.candidates {
		if s.candidates[i].priced() {
			s.candidates[i].miner.asks.Store(true)
		}
	}
}

// relative is a price in terms of the mean one: 1 where all is free.
func relative(nplx uint64, mean float64) float64 {
	if mean <= 0 {
		return 1
	}
	return 1 + float64(nplx)/mean
}

// miner returns what is known of a miner.
func (c *Client) miner(key minerKey) *miner {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.miners[key]
	if m == nil {
		m = &miner{}
		c.miners[key] = m
	}
	return m
}

// subnet returns the subnet's miners as last read, and reads them when that is long ago. A chain that has gone away does
// not keep callers from the miners they know.
func (c *Client) subnet(ctx context.Context, netuid uint32) (*subnet, error) {
	now := time.Now()
	c.mu.Lock()
	known := c.subnets[netuid]
	c.mu.Unlock()
	if known == nil || now.Sub(known.read) >= c.options.Refresh {
		fresh, err := c.read(ctx, netuid, known, now)
		if err != nil {
			return nil, err
		}
		known = fresh
	}
	if len(known.candidates) == 0 {
		return nil, fmt.Errorf("%w in subnet %d: of its %d neurons, none has announced an endpoint", ErrNoMiners, netuid, len(known.graph.Neurons))
	}
	return known, nil
}

func (c *Client) read(ctx context.Context, netuid uint32, known *subnet, now time.Time) (*subnet, error) {
	graph, err := c.directory.Metagraph(ctx, netuid)
	if err != nil {
		if known != nil && errors.Is(err, metagraph.ErrUnavailable) {
			c.options.Log.Warn("chain unavailable, using the miners known", "netuid", netuid, "height", known.graph.Height, "error", err)
			return known, nil
		}
		return nil, fmt.Errorf("find the miners of subnet %d: %w", netuid, err)
	}
	s := c.list(netuid, graph, now)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subnets[netuid] = s
	c.forget()
	return s, nil
}

// forget drops what is known of miners that are in no list any more. The caller holds the lock.
func (c *Client) forget() {
	total := 0
	for _, s := range c.subnets {
		total += len(s.candidates)
	}
	if len(c.miners) <= 2*total+64 {
		return
	}
	listed := map[*miner]bool{}
	for _, s := range c.subnets {
		for i := range s.candidates {
			listed[s.candidates[i].miner] = true
		}
	}
	for key, m := range c.miners {
		if !listed[m] && m.inHand.Load() == 0 {
			delete(c.miners, key)
		}
	}
}

// unseen is the latency, in seconds, of miners of which nothing is known and nothing of others either.
const unseen = 1e-3

// cost is what a call at a candidate comes to, in a unit of no name: docs/caller.md.
func (c *Client) cost(now time.Time, one *candidate, charge uint64, meanCharge, meanLatency float64) float64 {
	latency, success := one.miner.seen(now)
	if latency == 0 {
		latency = meanLatency
	}
	w := &c.options.Weights
	load := max(latency, 1e-4) * float64(one.miner.inHand.Load()+1)
	return load / one.quality / power(max(success, 0.01), w.Errors) * power(relative(charge, meanCharge), w.Price)
}

// power is math.Pow, quicker where that is easy.
func power(x, y float64) float64 {
	switch {
	case y == 0 || x == 1:
		return 1
	case y == 1:
		return x
	case y == 2:
		return x * x
	default:
		return math.Pow(x, y)
	}
}

// maxAmong bounds Options.Among.
const maxAmong = 64

// choose picks a miner for a request: of the best that may be asked and that it has not asked yet, two at random, and of
// them the one that costs less. nil: there is none.
func (r *race) choose() *candidate {
	now := time.Now()
	// The best that are ready; any that is ready; the best that need a channel first; any; those that are isolated.
	for _, want := range []func(*candidate) bool{
		func(one *candidate) bool { return one.miner.open(now) && r.ready(one) },
		func(one *candidate) bool { return one.miner.open(now) },
		func(*candidate) bool { return true },
	} {
		var found [maxAmong]*candidate
		n, among := 0, min(r.client.options.Among, maxAmong)
		for i := range r.subnet.candidates {
			one := &r.subnet.candidates[i]
			if n == among {
				break
			}
			if r.serves(one) && !r.asked(one) && want(one) {
				found[n] = one
				n++
			}
		}
		if n > 0 {
			return r.better(now, found[:n])
		}
	}
	return nil
}

// better is the power of two choices.
func (r *race) better(now time.Time, found []*candidate) *candidate {
	if len(found) == 1 {
		return found[0]
	}
	first, second := 0, 1
	if len(found) > 2 {
		first = rand.IntN(len(found))
		second = rand.IntN(len(found) - 1)
		if second >= first {
			second++
		}
	}
	if first > second {
		first, second = second, first // the better by rank wins where they cost the same
	}
	latency, charge := r.means(now, found)
	a, b := found[first], found[second]
	if r.client.cost(now, b, r.charge(b), charge, latency) < r.client.cost(now, a, r.charge(a), charge, latency) {
		return b
	}
	return a
}

// means are the mean latency of those of which one is known, and the mean charge.
func (r *race) means(now time.Time, found []*candidate) (latency, charge float64) {
	seen := 0
	for _, one := range found {
		if l, _ := one.miner.seen(now); l > 0 {
			latency += l
			seen++
		}
		charge += float64(r.charge(one))
	}
	if seen == 0 {
		return unseen, charge / float64(len(found))
	}
	return latency / float64(seen), charge / float64(len(found))
}

// serves reports whether a candidate has what is asked for, at a price that may be paid.
func (r *race) serves(one *candidate) bool {
	return r.req.Model == "" || one.neuron.Endpoint.Model == r.req.Model
}

// asked reports whether the request has asked that miner already.
func (r *race) asked(one *candidate) bool { return slices.Contains(r.tried, one.miner) }

// ready reports whether a call could go out at once, as far as payment is concerned.
func (r *race) ready(one *candidate) bool {
	if !r.client.pays(one) {
		return true
	}
	return r.client.options.Wallet.Ready(one.payee, r.limit(one))
}

// pays reports whether calls to a miner are paid for.
func (c *Client) pays(one *candidate) bool {
	switch c.options.Pay {
	case PayAlways:
		return one.priced() || one.miner.asks.Load()
	case PayAsked:
		return one.miner.asks.Load()
	default:
		return false
	}
}

// What a call is taken to need where nothing was seen and nothing was said.
const (
	expectOutput  = 64 << 10 // bytes
	expectCompute = time.Second
)

// charge is what a call is expected to cost at most.
func (r *race) charge(one *candidate) uint64 {
	if one.price == (payment.Price{Request: one.price.Request}) {
		return one.price.Request
	}
	return one.price.Charge(r.usage(one))
}

// usage is what a call is expected to take at most: what was said, or twice what was seen.
func (r *race) usage(one *candidate) payment.Usage {
	u := payment.Usage{Input: r.input, Output: r.req.Expect.Output, Compute: r.req.Expect.Compute}
	if u.Output == 0 {
		u.Output = expectOutput
		if seen := one.miner.bytes(); seen > 0 {
			u.Output = 2 * seen
		}
	}
	if u.Compute == 0 {
		u.Compute = expectCompute
		if seen := one.miner.slow(); seen > 0 {
			u.Compute = 2 * seen
		}
	}
	return u
}

// limit is the most that a call may cost there, in nplx.
func (r *race) limit(one *candidate) uint64 {
	limit := r.charge(one)
	if most := r.maxPrice(); most > 0 {
		limit = min(limit, most)
	}
	return limit
}

func (r *race) maxPrice() uint64 {
	if r.req.MaxPrice > 0 {
		return r.req.MaxPrice
	}
	return r.client.options.MaxPrice
}

// tooDear fails where request and input alone cost more than they may.
func (r *race) tooDear(one *candidate) error {
	return one.dearer(r.maxPrice(), r.input)
}

// dearer fails where a request and its input alone cost more than so much, if that is a bound at all.
func (one *candidate) dearer(most, input uint64) error {
	if most == 0 {
		return nil
	}
	if least := one.price.Charge(payment.Usage{Input: input}); least > most {
		return fmt.Errorf("%w: it asks %d nplx for the request and its input, at most %d may be paid", ErrPrice, least, most)
	}
	return nil
}
