package chainclient

import (
	"context"
	"fmt"

	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// Channel is a payment channel as the chain has it: what package payment
// judges, and whose it is.
type Channel struct {
	payment.Channel
	Payer      string
	Payee      string // coldkey that receives, as it was at opening
	Hotkey     string // of the neuron that serves, as it was at opening
	Opened     uint64 // height
	CloseDelay uint64 // blocks between the payer's close and the end
	MaxLanes   int
	Height     uint64 // of the state that was read
}

// ChannelsOf selects channels by at most one of the three; the zero value
// selects all.
type ChannelsOf struct {
	Payer, Payee, Hotkey string
}

// Channel is one payment channel. Errors: ErrNotFound, also of a channel that
// was collected; ErrUnavailable.
func (c *Client) Channel(ctx context.Context, id uint64) (Channel, error) {
	resp, err := call(ctx, c, fmt.Sprintf("channel %d", id), c.channel.Channel, &channelv1.QueryChannelRequest{Channel: id})
	if err != nil {
		return Channel{}, err
	}
	return channelOf(&resp.Channel, resp.Height), nil
}

// Channels lists the channels that have not been collected, by id. Channels
// that are opened meanwhile may be missing. Errors: ErrUnavailable.
func (c *Client) Channels(ctx context.Context, of ChannelsOf) ([]Channel, error) {
	var all []Channel
	var key []byte
	for {
		resp, err := call(ctx, c, "channels", c.channel.Channels, &channelv1.QueryChannelsRequest{
			Payer: of.Payer, Payee: of.Payee, Hotkey: of.Hotkey, Pagination: &query.PageRequest{Key: key},
		})
		if err != nil {
			return nil, err
		}
		for i := range resp.Channels {
			all = append(all, channelOf(&resp.Channels[i], resp.Height))
		}
		key = resp.Pagination.GetNextKey()
		if len(key) == 0 {
			return all, nil
		}
	}
}

func channelOf(c *channelv1.Channel, height uint64) Channel {
	return Channel{
		Channel:    c.Rules(),
		Payer:      c.Payer,
		Payee:      c.Payee,
		Hotkey:     c.Hotkey,
		Opened:     c.Opened,
		CloseDelay: c.CloseDelay,
		MaxLanes:   int(c.MaxLanes),
		Height:     height,
	}
}

// ChannelParams are the rules of payment channels.
func (c *Client) ChannelParams(ctx context.Context) (*channelv1.Params, error) {
	resp, err := call(ctx, c, "params of channels", c.channel.Params, &channelv1.QueryParamsRequest{})
	if err != nil {
		return nil, err
	}
	return &resp.Params, nil
}

// SubnetDemand is what was redeemed of the channels to a subnet's miners. A
// subnet that nobody paid has none. Errors: ErrUnavailable.
func (c *Client) SubnetDemand(ctx context.Context, netuid uint32) (*channelv1.Demand, error) {
	resp, err := call(ctx, c, fmt.Sprintf("demand of subnet %d", netuid), c.channel.Demand, &channelv1.QueryDemandRequest{Netuid: netuid})
	if err != nil {
		return nil, err
	}
	return &resp.Demand, nil
}

// MinerDemand is what was redeemed of the channels to a hotkey in a subnet.
// Errors: ErrUnavailable.
func (c *Client) MinerDemand(ctx context.Context, netuid uint32, hotkey string) (*channelv1.Demand, error) {
	what := fmt.Sprintf("demand of %s in subnet %d", hotkey, netuid)
	resp, err := call(ctx, c, what, c.channel.MinerDemand, &channelv1.QueryMinerDemandRequest{Netuid: netuid, Hotkey: hotkey})
	if err != nil {
		return nil, err
	}
	return &resp.Demand, nil
}

// ChannelTotals is what moved through all channels, and the amounts that must
// agree with each other.
func (c *Client) ChannelTotals(ctx context.Context) (*channelv1.QueryTotalsResponse, error) {
	return call(ctx, c, "totals of channels", c.channel.Totals, &channelv1.QueryTotalsRequest{})
}

// channelSpace is the codespace of module channel.
const channelSpace = "channel"

// channelRefusal returns the rule behind a code of module channel. The module's
// README lists the codes; they never change.
func channelRefusal(code uint32) error {
	switch code {
	case 2:
		return ErrNotFound
	case 10:
		return payment.ErrForged
	case 11:
		return payment.ErrInvalidKey
	case 12:
		return payment.ErrReplayed
	case 13:
		return payment.ErrOverspent
	case 14:
		return payment.ErrTooManyLanes
	case 15:
		return payment.ErrClosed
	case 16:
		return payment.ErrClosing
	case 17:
		return payment.ErrOpen
	case 18:
		return payment.ErrInvalidTerms
	}
	return nil
}
