// Package tillchain joins a till to the chain itself: it asks and signs through chain/client and translates both ways.
//
//	chain := tillchain.New(node, signer, func(attempt int) (*chainclient.Client, error) { return paying, nil })
//	till, err := till.Open(till.Config{Chain: chain, ...})
package tillchain

import (
	"context"
	"errors"
	"fmt"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// codespace is that of the chain's module for channels: what it refuses is refused for what the vouchers are, and what
// others refuse, such as a fee that is too low, for how they were sent.
const codespace = "channel"

// Chain is a till.Chain, seen through one node. It is safe for concurrent use.
type Chain struct {
	node   *chainclient.Client
	signer *chainclient.Signer
	paying func(attempt int) (*chainclient.Client, error)
}

// New returns a view of the chain. Questions go to node. The signer sends redemptions, by the client that paying returns
// for an attempt, 0 being the first. Closing the clients stays the caller's.
func New(node *chainclient.Client, signer *chainclient.Signer, paying func(attempt int) (*chainclient.Client, error)) *Chain {
	return &Chain{node: node, signer: signer, paying: paying}
}

// Height implements till.Chain.
func (c *Chain) Height(ctx context.Context) (uint64, error) {
	status, err := c.node.Status(ctx)
	if err == nil && status.CatchingUp {
		return 0, fmt.Errorf("node %s is behind the network: %w", c.node.Address(), chainclient.ErrUnavailable)
	}
	return status.Height, err
}

// Terms implements till.Chain.
func (c *Chain) Terms(ctx context.Context) (till.Terms, error) {
	params, err := c.node.ChannelParams(ctx)
	if err != nil {
		return till.Terms{}, err
	}
	return till.Terms{MaxVouchers: int(params.MaxVouchers)}, nil
}

// Channel implements till.Chain.
func (c *Chain) Channel(ctx context.Context, id uint64) (till.Channel, error) {
	known, err := c.node.Channel(ctx, id)
	if errors.Is(err, chainclient.ErrNotFound) {
		return till.Channel{}, fmt.Errorf("%w: %w", till.ErrNoChannel, err)
	}
	if err != nil {
		return till.Channel{}, err
	}
	return till.Channel{Channel: known.Channel, Payer: known.Payer, Hotkey: known.Hotkey, CloseDelay: known.CloseDelay,
		MaxLanes: known.MaxLanes, Height: known.Height}, nil
}

// Redeem implements till.Chain.
func (c *Chain) Redeem(ctx context.Context, attempt int, vouchers []payment.Voucher) ([]uint64, error) {
	client, err := c.paying(attempt)
	if err != nil {
		return nil, err
	}
	msg := &channelv1.MsgRedeem{Sender: c.signer.Address()}
	for _, v := range vouchers {
		msg.Vouchers = append(msg.Vouchers, channelv1.Voucher{Channel: v.Channel, Lane: v.Lane, Nonce: v.Nonce, Amount: v.Amount, Signature: v.Signature})
	}
	result, err := client.Submit(ctx, c.signer, msg)
	if err != nil {
		return nil, refusal(err)
	}
	var resp channelv1.MsgRedeemResponse
	if err := result.Response(0, &resp); err != nil {
		return nil, err
	}
	return resp.Redeemed, nil
}

// refusal tells what the chain refuses of the vouchers from what may go well the next time.
func refusal(err error) error {
	if tx := (*chainclient.TxError)(nil); errors.As(err, &tx) && tx.Codespace == codespace {
		return fmt.Errorf("%w: %w", till.ErrRefused, err)
	}
	return err
}
