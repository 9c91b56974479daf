package chainclient

import (
	"context"
	"fmt"
	"time"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	"github.com/cosmos/cosmos-sdk/types/query"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// Status is where a node stands.
type Status struct {
	ChainID    string
	Height     uint64 // of the state that queries see
	BlockTime  time.Time
	CatchingUp bool // still behind the network
}

// Status asks the node where it stands. Before its first block it is
// unavailable. Errors: ErrUnavailable, ErrWrongChain.
func (c *Client) Status(ctx context.Context) (Status, error) {
	chainID, err := c.ChainID(ctx)
	if err != nil {
		return Status{}, err
	}
	node, err := call(ctx, c, "status", c.node.Status, &nodeservice.StatusRequest{})
	if err != nil {
		return Status{}, err
	}
	sync, err := call(ctx, c, "sync state", c.comet.GetSyncing, &cmtservice.GetSyncingRequest{})
	if err != nil {
		return Status{}, err
	}
	st := Status{ChainID: chainID, Height: node.Height, CatchingUp: sync.Syncing}
	if node.Timestamp != nil {
		st.BlockTime = *node.Timestamp
	}
	return st, nil
}

// ChainID is the chain that the node serves. It is asked once; a node that
// serves another than Config.ChainID gives ErrWrongChain.
func (c *Client) ChainID(ctx context.Context) (string, error) {
	c.mu.Lock()
	known := c.chainID
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	info, err := call(ctx, c, "node info", c.comet.GetNodeInfo, &cmtservice.GetNodeInfoRequest{})
	if err != nil {
		return "", err
	}
	served := info.GetDefaultNodeInfo().GetNetwork()
	if served == "" {
		return "", fmt.Errorf("node %s does not say which chain it serves", c.cfg.Address)
	}
	if c.cfg.ChainID != "" && c.cfg.ChainID != served {
		return "", fmt.Errorf("node %s serves chain %q, wanted %q: %w", c.cfg.Address, served, c.cfg.ChainID, ErrWrongChain)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chainID = served
	return served, nil
}

// Params are the rules of the network.
func (c *Client) Params(ctx context.Context) (*subnetv1.Params, error) {
	resp, err := call(ctx, c, "params", c.subnet.Params, &subnetv1.QueryParamsRequest{})
	if err != nil {
		return nil, err
	}
	return &resp.Params, nil
}

// Subnets lists all subnets in order of netuid.
func (c *Client) Subnets(ctx context.Context) ([]subnetv1.SubnetInfo, error) {
	var all []subnetv1.SubnetInfo
	var key []byte
	for {
		resp, err := call(ctx, c, "subnets", c.subnet.Subnets, &subnetv1.QuerySubnetsRequest{
			Pagination: &query.PageRequest{Key: key},
		})
		if err != nil {
			return nil, err
		}
		all = append(all, resp.Subnets...)
		key = resp.Pagination.GetNextKey()
		if len(key) == 0 {
			return all, nil
		}
	}
}

// Subnet is one subnet. Errors: ErrNotFound, ErrUnavailable.
func (c *Client) Subnet(ctx context.Context, netuid uint32) (*subnetv1.SubnetInfo, error) {
	resp, err := call(ctx, c, fmt.Sprintf("subnet %d", netuid), c.subnet.Subnet, &subnetv1.QuerySubnetRequest{Netuid: netuid})
	if err != nil {
		return nil, err
	}
	return &resp.Subnet, nil
}

// Metagraph is everything about a subnet's neurons, as struct of arrays with
// one element per uid. Errors: ErrNotFound, ErrUnavailable.
func (c *Client) Metagraph(ctx context.Context, netuid uint32) (*subnetv1.QueryMetagraphResponse, error) {
	return call(ctx, c, fmt.Sprintf("metagraph of subnet %d", netuid), c.subnet.Metagraph, &subnetv1.QueryMetagraphRequest{Netuid: netuid})
}

// Neuron is the neuron of a hotkey in a subnet. Errors: ErrNotFound when it is
// not registered there, ErrUnavailable.
func (c *Client) Neuron(ctx context.Context, netuid uint32, hotkey string) (*subnetv1.QueryNeuronResponse, error) {
	what := fmt.Sprintf("neuron %s of subnet %d", hotkey, netuid)
	return call(ctx, c, what, c.subnet.Neuron, &subnetv1.QueryNeuronRequest{Netuid: netuid, Hotkey: hotkey})
}

// Weights is the stored weight matrix of a subnet, one row per uid that ever
// set weights.
func (c *Client) Weights(ctx context.Context, netuid uint32) ([]subnetv1.WeightRow, error) {
	resp, err := call(ctx, c, fmt.Sprintf("weights of subnet %d", netuid), c.subnet.Weights, &subnetv1.QueryWeightsRequest{Netuid: netuid})
	if err != nil {
		return nil, err
	}
	return resp.Rows, nil
}

// Emission is the state of issuance and of the supply invariant.
func (c *Client) Emission(ctx context.Context) (*subnetv1.QueryEmissionResponse, error) {
	return call(ctx, c, "emission", c.subnet.Emission, &subnetv1.QueryEmissionRequest{})
}

// Balance is what an account holds, in nplx. An account that was never used
// holds 0.
func (c *Client) Balance(ctx context.Context, address string) (uint64, error) {
	resp, err := call(ctx, c, "balance of "+address, c.bank.Balance, &banktypes.QueryBalanceRequest{Address: address, Denom: network.Denom})
	if err != nil {
		return 0, err
	}
	if resp.Balance == nil {
		return 0, nil
	}
	if !resp.Balance.Amount.IsUint64() {
		return 0, fmt.Errorf("balance of %s: %s does not fit 64 bits", address, resp.Balance)
	}
	return resp.Balance.Amount.Uint64(), nil
}

// WaitHeight returns once queries see the state of that height or a later one,
// and says which. It fails when the node becomes unavailable or ctx ends.
func (c *Client) WaitHeight(ctx context.Context, height uint64) (uint64, error) {
	for poll := newPoll(); ; {
		node, err := call(ctx, c, "status", c.node.Status, &nodeservice.StatusRequest{})
		if err != nil {
			return 0, err
		}
		if node.Height >= height {
			return node.Height, nil
		}
		if err := poll.wait(ctx); err != nil {
			return 0, fmt.Errorf("wait for height %d, now %d: %w", height, node.Height, err)
		}
	}
}
