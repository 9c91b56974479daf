// Package chaintest is a chain in memory, for tests of what works beside a chain. It keeps the rules that matter there:
// a hotkey registers once and pays, only registered hotkeys serve and set weights, weights are limited in rate and may be
// hidden for an epoch, and it can be down.
//
//	chain := chaintest.New(1)
//	member := chain.As("hotkey")
//	err := member.Register(ctx, 1, 1e9)
//	chain.Down(true) // and every call fails with metagraph.ErrUnavailable
package chaintest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/plexusnet/plexus/client/metagraph"
)

// ErrRefused is what the chain answers to a transaction that breaks its rules.
var ErrRefused = errors.New("refused by the chain")

// Chain is one subnet. It is safe for concurrent use.
type Chain struct {
	mu        sync.Mutex
	graph     metagraph.Metagraph
	rules     metagraph.Rules
	rateLimit uint64
	waitServe uint64
	updated   map[uint16]uint64
	weights   map[uint16][]metagraph.Weight
	bound     map[string]bool
	down      bool
	calls     int
	refuse    error
	commits   []commit
}

// New returns a chain with one empty subnet, in which a uid costs 1e9 nplx and epochs are 10 blocks apart.
func New(netuid uint32) *Chain {
	return &Chain{
		graph:   metagraph.Metagraph{Netuid: netuid, Height: 1, NextEpoch: 10},
		rules:   metagraph.Rules{Name: "test", RegistrationPrice: 1e9, Tempo: 10, MinAllowedWeights: 1, MaxWeight: 1<<16 - 1, CommitReveal: metagraph.RevealOff},
		updated: map[uint16]uint64{}, weights: map[uint16][]metagraph.Weight{}, bound: map[string]bool{},
	}
}

// Change changes the subnet.
func (c *Chain) Change(change func(graph *metagraph.Metagraph, rules *metagraph.Rules)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.graph, &c.rules)
}

// Add registers neurons, as others would; their uids follow the last.
func (c *Chain) Add(neurons ...metagraph.Neuron) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range neurons {
		n.UID = uint16(len(c.graph.Neurons))
		c.graph.Neurons = append(c.graph.Neurons, n)
	}
}

// Replace gives the uid of one hotkey to another.
func (c *Chain) Replace(old, hotkey string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range c.graph.Neurons {
		if n.Hotkey == old {
			c.graph.Neurons[i] = metagraph.Neuron{UID: n.UID, Hotkey: hotkey, Registered: c.graph.Height}
		}
	}
}

// Mine lets blocks pass; epochs run on time.
func (c *Chain) Mine(blocks uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range blocks {
		c.graph.Height++
		if c.graph.Height >= c.graph.NextEpoch {
			c.graph.LastEpoch = c.graph.Height
			c.graph.NextEpoch = c.graph.Height + c.rules.Tempo
			c.rules.Epochs++
			c.settle()
		}
	}
}

// Down takes the chain away, or brings it back.
func (c *Chain) Down(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

// Refuse makes the chain refuse every transaction with that error; nil ends it.
func (c *Chain) Refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = err
}

// LimitServe makes a new endpoint wait for so many blocks.
func (c *Chain) LimitServe(blocks uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waitServe = blocks
}

// LimitWeights is how many blocks must pass between weights of one hotkey.
func (c *Chain) LimitWeights(blocks uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rateLimit = blocks
}

// Calls is how often the chain was asked or told anything.
func (c *Chain) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// Weights is the row that a uid has set, and when.
func (c *Chain) Weights(uid uint16) (row []metagraph.Weight, height uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.weights[uid], c.updated[uid]
}

// Neuron is the neuron of a hotkey.
func (c *Chain) Neuron(hotkey string) (metagraph.Neuron, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.graph.Hotkey(hotkey)
}

// answer counts a call, and fails while the chain is down. The caller holds the lock.
func (c *Chain) answer() error {
	c.calls++
	if c.down {
		return fmt.Errorf("%w: connection refused", metagraph.ErrUnavailable)
	}
	return nil
}

// As is the chain to one who signs as a hotkey.
func (c *Chain) As(hotkey string) *View { return &View{Chain: c, hotkey: hotkey} }

// View implements the interfaces that miner, validator and client have of a chain.
type View struct {
	*Chain
	hotkey string
}

// Metagraph returns a copy of the subnet.
func (v *View) Metagraph(_ context.Context, netuid uint32) (*metagraph.Metagraph, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.subnet(netuid); err != nil {
		return nil, err
	}
	graph := v.graph
	graph.Neurons = slices.Clone(graph.Neurons)
	return &graph, nil
}

// subnet fails for another than the one there is. The caller holds the lock.
func (v *View) subnet(netuid uint32) error {
	if err := v.answer(); err != nil {
		return err
	}
	if netuid != v.graph.Netuid {
		return fmt.Errorf("subnet %d: %w", netuid, metagraph.ErrNotFound)
	}
	return nil
}

// Standing returns how a hotkey stands.
func (v *View) Standing(_ context.Context, netuid uint32, hotkey string) (metagraph.Standing, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.subnet(netuid); err != nil {
		return metagraph.Standing{}, err
	}
	n, ok := v.graph.Hotkey(hotkey)
	if !ok {
		return metagraph.Standing{}, fmt.Errorf("hotkey %s: %w", hotkey, metagraph.ErrNotFound)
	}
	s := metagraph.Standing{UID: n.UID, Coldkey: n.Coldkey, Registered: n.Registered, Endpoint: n.Endpoint, Stake: n.Stake,
		Permit: n.Permit, Updated: v.updated[n.UID], Emission: n.Emission, BlocksUntilServe: v.waitServe}
	if free := s.Updated + v.rateLimit; s.Updated > 0 && free > v.graph.Height {
		s.BlocksUntilWeights = free - v.graph.Height
	}
	return s, nil
}

// Rules returns the subnet's rules.
func (v *View) Rules(_ context.Context, netuid uint32) (metagraph.Rules, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.subnet(netuid); err != nil {
		return metagraph.Rules{}, err
	}
	rules := v.rules
	rules.NextEpoch = v.graph.NextEpoch
	return rules, nil
}

// transaction is how every transaction begins. The caller holds the lock.
func (v *View) transaction(netuid uint32) error {
	if err := v.subnet(netuid); err != nil {
		return err
	}
	return v.refuse
}

// Register gives the hotkey a uid.
func (v *View) Register(_ context.Context, netuid uint32, maxBurn uint64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.transaction(netuid); err != nil {
		return err
	}
	if _, ok := v.graph.Hotkey(v.hotkey); ok {
		return fmt.Errorf("%w: %s is registered", ErrRefused, v.hotkey)
	}
	if v.rules.RegistrationPrice > maxBurn {
		return fmt.Errorf("%w: price %d, at most %d", ErrRefused, v.rules.RegistrationPrice, maxBurn)
	}
	v.graph.Neurons = append(v.graph.Neurons, metagraph.Neuron{
		UID: uint16(len(v.graph.Neurons)), Hotkey: v.hotkey, Coldkey: "coldkey", Registered: v.graph.Height})
	return nil
}

// Serve announces an endpoint.
func (v *View) Serve(_ context.Context, netuid uint32, e metagraph.Endpoint) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.transaction(netuid); err != nil {
		return err
	}
	if v.waitServe > 0 {
		return fmt.Errorf("%w: rate limit", ErrRefused)
	}
	n, ok := v.graph.Hotkey(v.hotkey)
	if !ok {
		return fmt.Errorf("%w: %s is not registered", ErrRefused, v.hotkey)
	}
	v.graph.Neurons[n.UID].Endpoint = e
	return nil
}

// SetWeights sets a row.
func (v *View) SetWeights(_ context.Context, netuid uint32, version uint64, row []metagraph.Weight) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := v.author(netuid, metagraph.RevealOff)
	if err != nil {
		return err
	}
	if version != v.rules.WeightsVersion {
		return fmt.Errorf("%w: weights of %s", ErrRefused, v.hotkey)
	}
	if err := v.check(row); err != nil {
		return err
	}
	v.weights[n.UID], v.updated[n.UID] = slices.Clone(row), v.graph.Height
	return nil
}

// author is who may hand in weights now, in that way. The caller holds the lock.
func (v *View) author(netuid uint32, scheme string) (metagraph.Neuron, error) {
	if err := v.transaction(netuid); err != nil {
		return metagraph.Neuron{}, err
	}
	n, ok := v.graph.Hotkey(v.hotkey)
	if !ok || !n.Permit || v.rules.CommitReveal != scheme {
		return n, fmt.Errorf("%w: weights of %s", ErrRefused, v.hotkey)
	}
	if last := v.updated[n.UID]; last > 0 && last+v.rateLimit > v.graph.Height {
		return n, fmt.Errorf("%w: rate limit", ErrRefused)
	}
	return n, nil
}

// check refuses a row that breaks the subnet's rules. The caller holds the lock.
func (v *View) check(row []metagraph.Weight) error {
	if len(row) < int(v.rules.MinAllowedWeights) {
		return fmt.Errorf("%w: weights of %s", ErrRefused, v.hotkey)
	}
	for _, w := range row {
		if int(w.UID) >= len(v.graph.Neurons) {
			return fmt.Errorf("%w: no uid %d", ErrRefused, w.UID)
		}
	}
	return nil
}

// BindHotkey gives the hotkey a stake of 1e9 nplx and a permit.
func (v *View) BindHotkey(context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.transaction(v.graph.Netuid); err != nil {
		return err
	}
	n, ok := v.graph.Hotkey(v.hotkey)
	if !ok {
		return fmt.Errorf("%w: %s is not registered", ErrRefused, v.hotkey)
	}
	v.graph.Neurons[n.UID].Stake, v.graph.Neurons[n.UID].Permit = 1e9, true
	return nil
}

// Retry tries again every few milliseconds while the chain is down.
func (v *View) Retry(ctx context.Context, what string, fn func(context.Context) error) error {
	for {
		err := fn(ctx)
		if !errors.Is(err, metagraph.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}
