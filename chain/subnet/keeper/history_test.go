package keeper_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func (n testnet) history(uid uint32) *subnetv1.QueryHistoryResponse {
	n.t.Helper()
	res, err := n.Subnet().History(context.Background(), &subnetv1.QueryHistoryRequest{Netuid: 1, Uid: uid})
	require.NoError(n.t, err)
	return res
}

func heights(h *subnetv1.QueryHistoryResponse) []uint64 {
	var heights []uint64
	for _, e := range h.Entries {
		heights = append(heights, e.Height)
	}
	return heights
}

// TestHistory: what the metagraph shows after each epoch is remembered, for the
// last three epochs, of whoever has the uid now.
func TestHistory(t *testing.T) {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) { p.MaxHistory = 3 })).withNeurons()
	var want []subnetv1.HistoryEntry
	for i := range uint32(5) {
		n.Must(watcher, weightsMsg(watcher, 2, 1+i, 3, 5))
		n.AdvanceTo(n.subnet().LastEpoch + tempo)
		m := n.metagraph()
		want = append(want, subnetv1.HistoryEntry{
			Height: n.Height(), Incentive: m.Incentive[2], Dividends: m.Dividends[2], Consensus: m.Consensus[2],
			Trust: m.Trust[2], ValidatorTrust: m.ValidatorTrust[2], Emission: m.Emission[2],
		})
	}
	got := n.history(2)
	require.Equal(t, minerA.String(), got.Hotkey)
	require.Equal(t, want[2:], got.Entries)
	require.Positive(t, n.history(0).Entries[2].Dividends)

	// The uid changes hands: its history starts anew.
	n.Must(alice, deregisterMsg(alice, minerA))
	require.Empty(t, n.history(2).Entries)
	n.register(alice, minerC)
	require.Empty(t, n.history(2).Entries)
	epochAt := n.subnet().LastEpoch + tempo
	n.AdvanceTo(epochAt)
	require.Equal(t, []uint64{epochAt}, heights(n.history(2)))
	require.Len(t, n.history(3).Entries, 3)

	_, err := n.Subnet().History(context.Background(), &subnetv1.QueryHistoryRequest{Netuid: 1, Uid: 4})
	require.ErrorContains(t, err, keeper.ErrUnknownUID.Error())

	// An export carries it.
	continued := newTestnet(t, apptest.Config{Exported: n.Export(), Validators: base().Validators})
	require.Equal(t, n.history(0), continued.history(0))
}

// TestHistoryOfAnotherLength: governance changes how much is remembered.
func TestHistoryOfAnotherLength(t *testing.T) {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) { p.MaxHistory = 5 })).withNeurons()
	epochs := func(k int) {
		for range k {
			n.AdvanceTo(n.subnet().LastEpoch + tempo)
		}
	}
	epochs(7)
	all := heights(n.history(0))
	require.Len(t, all, 5)
	for _, size := range []uint32{2, 4, 0, 3} {
		n = n.withParams(func(p *subnetv1.Params) { p.MaxHistory = size })
		want := heights(n.history(0))
		epochs(1)
		want = append(want, n.subnet().LastEpoch)
		require.Equal(t, want[len(want)-min(len(want), int(size)):], append([]uint64{}, heights(n.history(0))...), "size %d", size)
	}
}

// withParams continues a chain from an export in which governance has changed
// the parameters.
func (n testnet) withParams(change func(*subnetv1.Params)) testnet {
	n.t.Helper()
	exported := n.Export()
	var all map[string]json.RawMessage
	require.NoError(n.t, json.Unmarshal(exported.AppState, &all))
	var state subnetv1.GenesisState
	cdc := n.App().Encoding().Codec
	require.NoError(n.t, cdc.UnmarshalJSON(all[keeper.ModuleName], &state))
	change(&state.Params)
	raw, err := cdc.MarshalJSON(&state)
	require.NoError(n.t, err)
	all[keeper.ModuleName] = raw
	exported.AppState, err = json.Marshal(all)
	require.NoError(n.t, err)
	return newTestnet(n.t, apptest.Config{Exported: exported, Validators: base().Validators})
}
