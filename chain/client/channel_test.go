package chainclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// fakeChannels answers for three channels, in pages of two.
type fakeChannels struct {
	channelv1.UnimplementedQueryServer
	asked channelv1.QueryChannelsRequest
}

func testChannel(id uint64) channelv1.Channel {
	return channelv1.Channel{
		Id: id, Payer: "payer", Netuid: 3, Hotkey: "hotkey", Payee: "payee", VoucherKey: []byte{1}, Deposit: 100, Redeemed: 30,
		Opened: 5, Expires: 90, ClosesAt: 80, CloseDelay: 6, MaxLanes: 7, Lanes: []channelv1.Lane{{Id: 2, Nonce: 9, Redeemed: 30}},
	}
}

func (f *fakeChannels) Channel(_ context.Context, req *channelv1.QueryChannelRequest) (*channelv1.QueryChannelResponse, error) {
	if req.Channel > 3 {
		return nil, status.Errorf(codes.NotFound, "channel %d", req.Channel)
	}
	return &channelv1.QueryChannelResponse{Channel: testChannel(req.Channel), End: 80, Height: 44}, nil
}

func (f *fakeChannels) Channels(_ context.Context, req *channelv1.QueryChannelsRequest) (*channelv1.QueryChannelsResponse, error) {
	f.asked = *req
	if len(req.Pagination.GetKey()) == 0 {
		return &channelv1.QueryChannelsResponse{Channels: []channelv1.Channel{testChannel(1), testChannel(2)}, Pagination: pageKey("more"), Height: 44}, nil
	}
	return &channelv1.QueryChannelsResponse{Channels: []channelv1.Channel{testChannel(3)}, Height: 45}, nil
}

func (f *fakeChannels) Params(context.Context, *channelv1.QueryParamsRequest) (*channelv1.QueryParamsResponse, error) {
	return &channelv1.QueryParamsResponse{Params: channelv1.Params{FeeBurn: 500}}, nil
}

func (f *fakeChannels) Demand(_ context.Context, req *channelv1.QueryDemandRequest) (*channelv1.QueryDemandResponse, error) {
	return &channelv1.QueryDemandResponse{Demand: channelv1.Demand{SmoothedBurned: uint64(req.Netuid)}}, nil
}

func (f *fakeChannels) MinerDemand(_ context.Context, req *channelv1.QueryMinerDemandRequest) (*channelv1.QueryMinerDemandResponse, error) {
	return &channelv1.QueryMinerDemandResponse{Demand: channelv1.Demand{SmoothedBurned: uint64(req.Netuid), WindowBlocks: uint64(len(req.Hotkey))}}, nil
}

func (f *fakeChannels) Totals(context.Context, *channelv1.QueryTotalsRequest) (*channelv1.QueryTotalsResponse, error) {
	return &channelv1.QueryTotalsResponse{Totals: channelv1.Totals{Escrowed: 70}, EscrowAccount: 70}, nil
}

func TestChannelQueries(t *testing.T) {
	fake := &fakeChannels{}
	enc, err := newEncoding()
	require.NoError(t, err)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer(grpc.ForceServerCodec(enc.codec.GRPCCodec()))
	channelv1.RegisterQueryServer(srv, fake)
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(srv.Stop)
	chain, ctx := dial(t, Config{Address: lis.Addr().String()}), t.Context()

	want := Channel{
		Channel: payment.Channel{
			ID: 1, Netuid: 3, VoucherKey: []byte{1}, Deposit: 100, Redeemed: 30, Expires: 90, ClosesAt: 80,
			Lanes: []payment.Lane{{ID: 2, Nonce: 9, Redeemed: 30}},
		},
		Payer: "payer", Payee: "payee", Hotkey: "hotkey", Opened: 5, CloseDelay: 6, MaxLanes: 7, Height: 44,
	}
	got, err := chain.Channel(ctx, 1)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, uint64(80), got.End())
	_, err = chain.Channel(ctx, 4)
	require.ErrorIs(t, err, ErrNotFound)

	all, err := chain.Channels(ctx, ChannelsOf{Payee: "payee"})
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, want, all[0])
	require.Equal(t, []uint64{2, 3}, []uint64{all[1].ID, all[2].ID})
	require.Equal(t, uint64(45), all[2].Height)
	require.Equal(t, "payee", fake.asked.Payee)
	require.Empty(t, fake.asked.Payer+fake.asked.Hotkey)

	params, err := chain.ChannelParams(ctx)
	require.NoError(t, err)
	require.Equal(t, uint32(500), params.FeeBurn)
	demand, err := chain.SubnetDemand(ctx, 8)
	require.NoError(t, err)
	require.Equal(t, uint64(8), demand.SmoothedBurned)
	demand, err = chain.MinerDemand(ctx, 8, "abc")
	require.NoError(t, err)
	require.Equal(t, uint64(3), demand.WindowBlocks)
	totals, err := chain.ChannelTotals(ctx)
	require.NoError(t, err)
	require.Equal(t, uint64(70), totals.Totals.Escrowed)
}

func TestRefusedPaymentsNameTheirRule(t *testing.T) {
	refused := fmt.Errorf("redeem: %w", &TxError{Codespace: "channel", Code: 12})
	require.ErrorIs(t, refused, payment.ErrReplayed)
	require.NotErrorIs(t, refused, payment.ErrClosed)
	require.ErrorIs(t, error(&TxError{Codespace: "channel", Code: 2}), ErrNotFound)
	require.Nil(t, errors.Unwrap(&TxError{Codespace: "channel", Code: 9999}))
	require.Nil(t, errors.Unwrap(&TxError{Codespace: "subnet", Code: 12}))
}
