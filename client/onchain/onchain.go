// Package onchain joins the plain view of the chain that miner, validator and client have (client/metagraph) to the
// chain itself: it asks and signs through chain/client and translates both ways.
//
//	chain := onchain.New(onchain.Nodes{Free: node}, onchain.Keys{Hotkey: hotkey}, log)
//	graph, err := chain.Metagraph(ctx, 1)
//	...
//	err = chain.Serve(ctx, 1, endpoint)
package onchain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/metagraph"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// ErrNoKey is returned where something must be signed by a key that was not given.
var ErrNoKey = errors.New("no key to sign with")

// ErrMalformed is returned for an answer of the chain that contradicts itself.
var ErrMalformed = errors.New("malformed answer of the chain")

// Keys are the accounts that sign. Those that are nil cannot.
type Keys struct {
	Hotkey   *chainclient.Signer // daily work: serve, weights
	Coldkey  *chainclient.Signer // pays for the registration and receives
	Operator *chainclient.Signer // the account of a staking validator's operator
}

// Nodes are clients of one and the same node. The daily work of a registered hotkey costs nothing, and a hotkey has
// nothing to pay with; registering and binding pay for their gas.
type Nodes struct {
	Free   *chainclient.Client // offers no fee
	Paying *chainclient.Client // offers a gas price; may be nil where nothing is registered or bound
}

// Close closes the clients there are.
func (n Nodes) Close() {
	for _, c := range []*chainclient.Client{n.Free, n.Paying} {
		if c != nil {
			c.Close()
		}
	}
}

// Chain is a chain seen through one node. It is safe for concurrent use.
type Chain struct {
	node   *chainclient.Client
	paying *chainclient.Client
	keys   Keys
	log    *slog.Logger
}

// New returns a view of the chain; closing the nodes stays the caller's.
func New(nodes Nodes, keys Keys, log *slog.Logger) *Chain {
	return &Chain{node: nodes.Free, paying: nodes.Paying, keys: keys, log: log}
}

// Retry runs fn again, ever slower, for as long as it fails because the chain is unavailable, and says so once.
func (c *Chain) Retry(ctx context.Context, what string, fn func(context.Context) error) error {
	return chainclient.Retry(ctx, what, c.log, func(ctx context.Context) error {
		err := fn(ctx)
		if errors.Is(err, metagraph.ErrUnavailable) && !errors.Is(err, chainclient.ErrUnavailable) {
			return fmt.Errorf("%w: %w", chainclient.ErrUnavailable, err)
		}
		return err
	})
}

// Metagraph returns the subnet's neurons.
func (c *Chain) Metagraph(ctx context.Context, netuid uint32) (*metagraph.Metagraph, error) {
	answer, err := c.node.Metagraph(ctx, netuid)
	if err != nil {
		return nil, translate(err)
	}
	return fromMetagraph(answer)
}

// Standing returns how the hotkey stands.
func (c *Chain) Standing(ctx context.Context, netuid uint32, hotkey string) (metagraph.Standing, error) {
	answer, err := c.node.Neuron(ctx, netuid, hotkey)
	if err != nil {
		return metagraph.Standing{}, translate(err)
	}
	return fromNeuron(answer)
}

// Rules returns the subnet's rules.
func (c *Chain) Rules(ctx context.Context, netuid uint32) (metagraph.Rules, error) {
	answer, err := c.node.Subnet(ctx, netuid)
	if err != nil {
		return metagraph.Rules{}, translate(err)
	}
	h := answer.Subnet.Hyperparams
	return metagraph.Rules{
		Name:              answer.Subnet.Name,
		OwnerHotkey:       answer.Subnet.OwnerHotkey,
		RegistrationPrice: answer.RegistrationPrice,
		Tempo:             h.Tempo,
		WeightsVersion:    h.WeightsVersion,
		MinAllowedWeights: h.MinAllowedWeights,
		MaxWeight:         uint16(min(h.MaxWeight, math.MaxUint16)),
		NextEpoch:         answer.NextEpoch,
		Epochs:            answer.Subnet.Epochs,
		CommitReveal:      h.CommitReveal,
	}, nil
}

// Register buys the hotkey a uid with the coldkey's money, for at most maxBurn nplx.
func (c *Chain) Register(ctx context.Context, netuid uint32, maxBurn uint64) error {
	if c.keys.Coldkey == nil || c.keys.Hotkey == nil || c.paying == nil {
		return fmt.Errorf("%w: registering needs a coldkey and a hotkey", ErrNoKey)
	}
	proof, err := c.paying.ProveHotkey(ctx, c.keys.Hotkey, c.keys.Coldkey.Address())
	if err != nil {
		return translate(err)
	}
	_, err = c.paying.Submit(ctx, c.keys.Coldkey, &subnetv1.MsgRegister{Coldkey: c.keys.Coldkey.Address(),
		Hotkey: c.keys.Hotkey.Address(), Netuid: netuid, MaxBurn: maxBurn, HotkeyProof: proof})
	return signing(c.keys.Coldkey, err)
}

// Serve announces where the hotkey's neuron answers.
func (c *Chain) Serve(ctx context.Context, netuid uint32, e metagraph.Endpoint) error {
	if c.keys.Hotkey == nil {
		return fmt.Errorf("%w: announcing an endpoint needs a hotkey", ErrNoKey)
	}
	_, err := c.node.Submit(ctx, c.keys.Hotkey, &subnetv1.MsgServe{
		Hotkey: c.keys.Hotkey.Address(), Netuid: netuid, Endpoint: subnetv1.Endpoint{
			Host: e.Host, Port: uint32(e.Port), Protocol: e.Protocol, TlsKeyHash: e.TLSKeyHash,
			Model: e.Model, ModelSha256: e.ModelSHA256, Price: e.Price,
			PriceInputKib: e.InputPrice, PriceOutputKib: e.OutputPrice, PriceComputeSecond: e.ComputePrice}})
	return signing(c.keys.Hotkey, err)
}

// SetWeights sets the hotkey's opinion of the subnet's neurons.
func (c *Chain) SetWeights(ctx context.Context, netuid uint32, version uint64, weights []metagraph.Weight) error {
	if c.keys.Hotkey == nil {
		return fmt.Errorf("%w: setting weights needs a hotkey", ErrNoKey)
	}
	row := fromWeights(weights)
	_, err := c.node.Submit(ctx, c.keys.Hotkey, &subnetv1.MsgSetWeights{
		Hotkey: c.keys.Hotkey.Address(), Netuid: netuid, Version: version, Uids: row.UIDs, Values: row.Values})
	return signing(c.keys.Hotkey, err)
}

// BindHotkey makes the stake of the operator's staking validator count for the hotkey.
func (c *Chain) BindHotkey(ctx context.Context) error {
	if c.keys.Operator == nil || c.keys.Hotkey == nil || c.paying == nil {
		return fmt.Errorf("%w: binding needs an operator and a hotkey", ErrNoKey)
	}
	proof, err := c.paying.ProveHotkey(ctx, c.keys.Hotkey, c.keys.Operator.Address())
	if err != nil {
		return translate(err)
	}
	_, err = c.paying.Submit(ctx, c.keys.Operator, &subnetv1.MsgBindHotkey{
		Operator: c.keys.Operator.Address(), Hotkey: c.keys.Hotkey.Address(), HotkeyProof: proof})
	return signing(c.keys.Operator, err)
}

// failure is an error of the chain client, under the name that this side knows it by.
type failure struct {
	kind error
	err  error
}

// Error says what the chain client said; that names the kind already.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns the kind and the chain client's error.
func (f *failure) Unwrap() []error { return []error{f.kind, f.err} }

func translate(err error) error {
	switch {
	case errors.Is(err, chainclient.ErrNotFound):
		return &failure{kind: metagraph.ErrNotFound, err: err}
	case errors.Is(err, chainclient.ErrUnavailable):
		return &failure{kind: metagraph.ErrUnavailable, err: err}
	default:
		return err
	}
}

// signing translates what came of a transaction. An account that the chain does not know cannot sign, which is another
// matter than a neuron that it does not know.
func signing(s *chainclient.Signer, err error) error {
	if errors.Is(err, chainclient.ErrNotFound) {
		return fmt.Errorf("the chain does not know the account %s (%s): send it some coins first: %v", s.Name(), s.Address(), err)
	}
	return translate(err)
}

func fromMetagraph(a *subnetv1.QueryMetagraphResponse) (*metagraph.Metagraph, error) {
	n := len(a.Hotkeys)
	for _, length := range []int{len(a.Coldkeys), len(a.Endpoints), len(a.Registered), len(a.Stake), len(a.Incentive),
		len(a.Dividends), len(a.Trust), len(a.ValidatorTrust), len(a.Emission), len(a.Permit)} {
		if length != n {
			return nil, fmt.Errorf("%w: metagraph of subnet %d has %d hotkeys and %d of another field", ErrMalformed, a.Netuid, n, length)
		}
	}
	if n > math.MaxUint16+1 {
		return nil, fmt.Errorf("%w: %d neurons", ErrMalformed, n)
	}
	out := &metagraph.Metagraph{Netuid: a.Netuid, Height: a.Height, LastEpoch: a.LastEpoch, NextEpoch: a.NextEpoch, Neurons: make([]metagraph.Neuron, n)}
	for i := range out.Neurons {
		endpoint, err := fromEndpoint(&a.Endpoints[i])
		if err != nil {
			return nil, fmt.Errorf("uid %d: %w", i, err)
		}
		out.Neurons[i] = metagraph.Neuron{
			UID: uint16(i), Hotkey: a.Hotkeys[i], Coldkey: a.Coldkeys[i], Endpoint: endpoint, Registered: a.Registered[i], Stake: a.Stake[i],
			Incentive: share(a.Incentive[i]), Dividends: share(a.Dividends[i]), Trust: share(a.Trust[i]), Vtrust: share(a.ValidatorTrust[i]), Emission: a.Emission[i], Permit: a.Permit[i],
		}
	}
	return out, nil
}

func fromNeuron(a *subnetv1.QueryNeuronResponse) (metagraph.Standing, error) {
	if a.Neuron.Uid > math.MaxUint16 {
		return metagraph.Standing{}, fmt.Errorf("%w: uid %d", ErrMalformed, a.Neuron.Uid)
	}
	endpoint, err := fromEndpoint(a.Neuron.Endpoint)
	if err != nil {
		return metagraph.Standing{}, err
	}
	return metagraph.Standing{
		UID: uint16(a.Neuron.Uid), Coldkey: a.Neuron.Coldkey, Registered: a.Neuron.Registered, Endpoint: endpoint,
		Stake: a.Stake, Permit: a.Permit, Updated: a.Updated, BlocksUntilWeights: a.BlocksUntilWeights,
		BlocksUntilServe: a.BlocksUntilServe, Emission: a.Emission,
	}, nil
}

func fromEndpoint(e *subnetv1.Endpoint) (metagraph.Endpoint, error) {
	if e == nil {
		return metagraph.Endpoint{}, nil
	}
	if e.Port > math.MaxUint16 {
		return metagraph.Endpoint{}, fmt.Errorf("%w: port %d", ErrMalformed, e.Port)
	}
	return metagraph.Endpoint{Host: e.Host, Port: uint16(e.Port), Protocol: e.Protocol, TLSKeyHash: e.TlsKeyHash,
		Model: e.Model, ModelSHA256: e.ModelSha256, Price: e.Price,
		InputPrice: e.PriceInputKib, OutputPrice: e.PriceOutputKib, ComputePrice: e.PriceComputeSecond}, nil
}

func share(v uint32) uint16 { return uint16(min(v, math.MaxUint16)) }
