package onchain

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/metagraph"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func answer() *subnetv1.QueryMetagraphResponse {
	return &subnetv1.QueryMetagraphResponse{
		Netuid: 3, Height: 40, LastEpoch: 36, NextEpoch: 46,
		Hotkeys: []string{"h0", "h1"}, Coldkeys: []string{"c0", "c1"},
		Endpoints: []subnetv1.Endpoint{{}, {Host: "127.0.0.1", Port: 8500, Protocol: "oip-v2-grpc", TlsKeyHash: []byte{1}, Model: "m",
			ModelSha256: []byte{2}, Price: 7, Height: 9, PriceInputKib: 11, PriceOutputKib: 12, PriceComputeSecond: 13}},
		Registered: []uint64{1, 2}, Updated: []uint64{3, 4}, Stake: []uint64{5, 6}, Incentive: []uint32{7, 65535}, Dividends: []uint32{9, 10},
		Consensus: []uint32{0, 0}, Trust: []uint32{11, 12}, ValidatorTrust: []uint32{15, 16}, Emission: []uint64{13, 14},
		Permit: []bool{true, false}, Active: []bool{true, true}, Immune: []bool{false, false},
	}
}

func TestMetagraphIsTranslated(t *testing.T) {
	got, err := fromMetagraph(answer())
	require.NoError(t, err)
	require.Equal(t, &metagraph.Metagraph{Netuid: 3, Height: 40, LastEpoch: 36, NextEpoch: 46, Neurons: []metagraph.Neuron{
		{UID: 0, Hotkey: "h0", Coldkey: "c0", Registered: 1, Stake: 5, Incentive: 7, Dividends: 9, Trust: 11, Vtrust: 15, Emission: 13, Permit: true},
		{UID: 1, Hotkey: "h1", Coldkey: "c1", Registered: 2, Stake: 6, Incentive: 65535, Dividends: 10, Trust: 12, Vtrust: 16, Emission: 14,
			Endpoint: metagraph.Endpoint{Host: "127.0.0.1", Port: 8500, Protocol: "oip-v2-grpc", TLSKeyHash: []byte{1}, Model: "m", ModelSHA256: []byte{2},
				Price: 7, InputPrice: 11, OutputPrice: 12, ComputePrice: 13}},
	}}, got)
}

func TestAMetagraphThatContradictsItselfIsRefused(t *testing.T) {
	tests := map[string]func(*subnetv1.QueryMetagraphResponse){
		"hotkeys":   func(a *subnetv1.QueryMetagraphResponse) { a.Hotkeys = a.Hotkeys[:1] },
		"coldkeys":  func(a *subnetv1.QueryMetagraphResponse) { a.Coldkeys = nil },
		"endpoints": func(a *subnetv1.QueryMetagraphResponse) { a.Endpoints = a.Endpoints[:1] },
		"stake":     func(a *subnetv1.QueryMetagraphResponse) { a.Stake = nil },
		"incentive": func(a *subnetv1.QueryMetagraphResponse) { a.Incentive = append(a.Incentive, 1) },
		"permit":    func(a *subnetv1.QueryMetagraphResponse) { a.Permit = nil },
		"a port":    func(a *subnetv1.QueryMetagraphResponse) { a.Endpoints[1].Port = 65536 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			a := answer()
			change(a)
			_, err := fromMetagraph(a)
			require.ErrorIs(t, err, ErrMalformed)
		})
	}
}

func TestNeuronIsTranslated(t *testing.T) {
	got, err := fromNeuron(&subnetv1.QueryNeuronResponse{Neuron: subnetv1.Neuron{Uid: 4, Hotkey: "h", Coldkey: "c", Registered: 5},
		Stake: 6, Permit: true, Updated: 7, BlocksUntilWeights: 8, BlocksUntilServe: 9, Emission: 10})
	require.NoError(t, err)
	require.Equal(t, metagraph.Standing{UID: 4, Coldkey: "c", Registered: 5, Stake: 6, Permit: true, Updated: 7,
		BlocksUntilWeights: 8, BlocksUntilServe: 9, Emission: 10}, got)
	_, err = fromNeuron(&subnetv1.QueryNeuronResponse{Neuron: subnetv1.Neuron{Uid: 65536}})
	require.ErrorIs(t, err, ErrMalformed)
}

func TestErrorsKeepTheirMeaning(t *testing.T) {
	gone := translate(fmt.Errorf("neuron: %w", chainclient.ErrNotFound))
	require.ErrorIs(t, gone, metagraph.ErrNotFound)
	require.ErrorIs(t, gone, chainclient.ErrNotFound)
	require.EqualError(t, gone, "neuron: not found on the chain")
	down := translate(fmt.Errorf("neuron: %w", chainclient.ErrUnavailable))
	require.ErrorIs(t, down, metagraph.ErrUnavailable)
	refused := &chainclient.TxError{Codespace: "subnet", Code: 3}
	require.Equal(t, error(refused), translate(refused))
	require.NoError(t, translate(nil))
	poor := signing(&chainclient.Signer{}, fmt.Errorf("account: %w", chainclient.ErrNotFound))
	require.NotErrorIs(t, poor, metagraph.ErrNotFound, "an account is no neuron")
}

func TestWithoutAKeyNothingIsSigned(t *testing.T) {
	chain := New(Nodes{}, Keys{}, slog.New(slog.DiscardHandler))
	ctx := context.Background()
	require.ErrorIs(t, chain.Register(ctx, 1, 1), ErrNoKey)
	require.ErrorIs(t, chain.Serve(ctx, 1, metagraph.Endpoint{}), ErrNoKey)
	require.ErrorIs(t, chain.SetWeights(ctx, 1, 0, nil), ErrNoKey)
	require.ErrorIs(t, chain.BindHotkey(ctx), ErrNoKey)
}

func TestRetryWaitsForAnUnavailableChainOnly(t *testing.T) {
	chain := New(Nodes{}, Keys{}, slog.New(slog.DiscardHandler))
	tries := 0
	err := chain.Retry(context.Background(), "test", func(context.Context) error {
		if tries++; tries < 2 {
			return metagraph.ErrUnavailable
		}
		return metagraph.ErrNotFound
	})
	require.ErrorIs(t, err, metagraph.ErrNotFound)
	require.Equal(t, 2, tries)
}
