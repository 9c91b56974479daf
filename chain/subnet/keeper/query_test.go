package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func TestMetagraphFields(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(watcher, weightsMsg(watcher, 2, 1, 3, 1))
	whole := n.metagraph()
	get := func(fields ...string) (*subnetv1.QueryMetagraphResponse, error) {
		return n.Subnet().Metagraph(context.Background(), &subnetv1.QueryMetagraphRequest{Netuid: 1, Fields: fields})
	}
	some, err := get("stake", "permit", "updated")
	require.NoError(t, err)
	require.Equal(t, &subnetv1.QueryMetagraphResponse{
		Netuid: 1, Height: whole.Height, LastEpoch: whole.LastEpoch, NextEpoch: whole.NextEpoch,
		Stake: whole.Stake, Permit: whole.Permit, Updated: whole.Updated,
	}, some)

	all := []string{
		"hotkeys", "coldkeys", "endpoints", "registered", "updated", "stake", "incentive", "dividends", "consensus", "trust",
		"validator_trust", "emission", "permit", "active", "immune",
	}
	each, err := get(all...)
	require.NoError(t, err)
	require.Equal(t, whole, each)
	for _, fields := range [][]string{{"weights"}, {"netuid"}, append(all, "stake")} {
		_, err := get(fields...)
		require.ErrorContains(t, err, "invalid request")
	}
}

func TestPositionsByPage(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.register(alice, minerC)
	whole := n.positions(alice)
	require.Len(t, whole.Positions, 2)
	var paged []subnetv1.Position
	page := &query.PageRequest{Limit: 1}
	for {
		res, err := n.Subnet().Positions(context.Background(), &subnetv1.QueryPositionsRequest{Account: alice.String(), Pagination: page})
		require.NoError(t, err)
		paged = append(paged, res.Positions...)
		if page.Key = res.Pagination.NextKey; len(page.Key) == 0 {
			break
		}
	}
	require.Equal(t, whole.Positions, paged)
	byHotkey := n.positions(minerA)
	require.Len(t, byHotkey.Positions, 1)
	require.Equal(t, minerA.String(), byHotkey.Positions[0].Neuron.Hotkey)
	require.Empty(t, n.positions(poor).Positions)
	_, err := n.Subnet().Positions(context.Background(), &subnetv1.QueryPositionsRequest{Account: "alice"})
	require.ErrorContains(t, err, "invalid request")
}

func TestWeightsAndBonds(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(watcher, weightsMsg(watcher, 2, 1, 3, 1))
	n.Must(second, weightsMsg(second, 2, 1))
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	weights, err := n.Subnet().Weights(context.Background(), &subnetv1.QueryWeightsRequest{Netuid: 1})
	require.NoError(t, err)
	require.Len(t, weights.Rows, 2)
	bonds, err := n.Subnet().Bonds(context.Background(), &subnetv1.QueryBondsRequest{Netuid: 1})
	require.NoError(t, err)
	require.Equal(t, []uint32{2, 3}, bonds.Rows[0].Uids)
	page, err := n.Subnet().Weights(context.Background(), &subnetv1.QueryWeightsRequest{Netuid: 1, Pagination: &query.PageRequest{Offset: 1, Limit: 1}})
	require.NoError(t, err)
	require.Equal(t, weights.Rows[1:], page.Rows)
	_, err = n.Subnet().Bonds(context.Background(), &subnetv1.QueryBondsRequest{Netuid: 2})
	require.ErrorContains(t, err, keeper.ErrUnknownSubnet.Error())
}

// TestExportOfEverything: vacant uids, identities, root weights, history and
// streams of removed subnets survive an export, and the chain goes on the same.
func TestExportOfEverything(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(owner, createMsg())
	n.Must(watcher, weightsMsg(watcher, 2, 1, 3, 1))
	n.Must(watcher, rootMsg(watcher, 2, 1, 1, 3))
	n.Must(alice, &subnetv1.MsgSetIdentity{Account: alice.String(), Identity: subnetv1.Identity{Name: "Alice"}})
	n.Must(bob, deregisterMsg(bob, minerB))
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	continued := newTestnet(t, apptest.Config{Exported: n.Export(), Validators: base().Validators})
	n.Advance(1)
	requireSameState(t, n, continued)
	for _, c := range []testnet{n, continued} {
		c.Advance(2 * tempo)
		c.register(alice, minerC)
		require.EqualValues(t, 3, c.neuron(minerC).Neuron.Uid)
	}
	requireSameState(t, n, continued)
}

func TestGenesisOfTheRestRefusals(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(bob, deregisterMsg(bob, minerB))
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	for name, spoil := range map[string]func(*subnetv1.GenesisState){
		"vacant miscounted":        func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.Vacant = 0 },
		"history of a later epoch": func(g *subnetv1.GenesisState) { g.Subnets[0].History[0].Epoch = 99 },
		"history cut":              func(g *subnetv1.GenesisState) { h := &g.Subnets[0].History[0]; h.Neurons = h.Neurons[1:] },
		"history beyond its size":  func(g *subnetv1.GenesisState) { g.Subnets[0].Subnet.HistorySize = 0 },
		"streams of no subnet":     func(g *subnetv1.GenesisState) { g.Streams = []subnetv1.GenesisStreams{{Netuid: 7}} },
		"streams of a live subnet": func(g *subnetv1.GenesisState) { g.Streams = []subnetv1.GenesisStreams{{Netuid: 1}} },
		"an identity with no name": func(g *subnetv1.GenesisState) { g.Identities = []subnetv1.GenesisIdentity{{Subject: "1"}} },
		"root weights out of order": func(g *subnetv1.GenesisState) {
			g.RootWeights = []subnetv1.GenesisRootRow{{Hotkey: alice.String(), Row: subnetv1.Row{Entries: []byte{0, 2, 0, 1, 0, 1, 0, 1}}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := n.App().Subnet.ExportGenesis(n.Context())
			require.NoError(t, err)
			require.NoError(t, keeper.ValidateGenesis(g))
			spoil(g)
			require.Error(t, keeper.ValidateGenesis(g))
		})
	}
}
