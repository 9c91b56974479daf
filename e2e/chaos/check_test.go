//go:build chaos && linux

package chaos

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	rpcclient "github.com/cometbft/cometbft/rpc/client"
	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/types/query"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	chainnetwork "github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// requireSameBlocks compares, height by height, the block that each node holds
// and the application hash that each node itself computed from it. It returns
// the times of the blocks, from height from on.
func requireSameBlocks(t *testing.T, from, to int64, nodes ...*node) []time.Time {
	t.Helper()
	var times []time.Time
	for h := from; h <= to; h++ {
		var wantBlock, wantApp string
		for i, n := range nodes {
			header, err := n.rpc.Header(t.Context(), &h)
			require.NoError(t, err, "header %d of %s", h, n.name)
			results, err := n.rpc.BlockResults(t.Context(), &h)
			require.NoError(t, err, "results of block %d of %s", h, n.name)
			block, app := header.Header.Hash().String(), hex.EncodeToString(results.AppHash)
			if i == 0 {
				wantBlock, wantApp = block, app
				times = append(times, header.Header.Time)
				require.NotEmpty(t, app)
				continue
			}
			require.Equal(t, wantBlock, block, "block %d of %s and %s", h, nodes[0].name, n.name)
			require.Equal(t, wantApp, app, "application hash after block %d of %s and %s", h, nodes[0].name, n.name)
		}
	}
	return times
}

// ask is a query of a node's state after a block.
func ask(ctx context.Context, n *node, height int64, method string, req, resp proto.Message) error {
	raw, err := proto.Marshal(req)
	if err != nil {
		return err
	}
	answer, err := n.rpc.ABCIQueryWithOptions(ctx, method, raw, rpcclient.ABCIQueryOptions{Height: height})
	if err != nil {
		return fmt.Errorf("%s at height %d of %s: %w", method, height, n.name, err)
	}
	if answer.Response.Code != 0 {
		return fmt.Errorf("%s at height %d of %s: %s", method, height, n.name, answer.Response.Log)
	}
	return proto.Unmarshal(answer.Response.Value, resp)
}

// requireExactSupply reckons what there must be from the genesis and the
// heights, and compares it with the books of a node and with the sum of all
// its balances after a block.
func requireExactSupply(t *testing.T, n *node, height int64, genesis uint64) subnetv1.QueryEmissionResponse {
	t.Helper()
	var e subnetv1.QueryEmissionResponse
	require.NoError(t, ask(t.Context(), n, height, "/plexus.subnet.v1.Query/Emission", &subnetv1.QueryEmissionRequest{}, &e))
	var all subnetv1.QuerySubnetsResponse
	require.NoError(t, ask(t.Context(), n, height, "/plexus.subnet.v1.Query/Subnets", &subnetv1.QuerySubnetsRequest{}, &all))
	require.NotEmpty(t, all.Subnets)
	require.Equal(t, uint64(height), e.Height)

	rewarded := uint64(height) - all.Subnets[0].Subnet.Created + 1
	require.Less(t, e.Supply, subnet.Cap/2, "before the first halving every block mints a whole PLX")
	require.Equal(t, rewarded*subnet.PLX, e.Totals.Minted, n.name)
	require.Equal(t, genesis+rewarded*subnet.PLX-e.Totals.Burned, e.Supply, n.name)
	burned, locked := uint64(0), uint64(0)
	for _, s := range all.Subnets {
		burned += s.Subnet.Ledger.Burned + s.Subnet.Ledger.Registrations
		locked += s.Subnet.Lock
	}
	require.Equal(t, burned, e.Totals.Burned, "every burn stands in a ledger: %s", n.name)
	require.Equal(t, e.Pending+e.Streaming, e.EmissionAccount, n.name)
	require.Equal(t, e.Locked, e.LockAccount, n.name)
	require.Equal(t, locked, e.Locked, n.name)
	require.Equal(t, e.Supply, sumOfBalances(t, n, height), "the balances of %s add up to the supply", n.name)
	return e
}

func sumOfBalances(t *testing.T, n *node, height int64) uint64 {
	t.Helper()
	sum := uint64(0)
	for page := (&query.PageRequest{Limit: 500}); ; {
		var resp banktypes.QueryDenomOwnersResponse
		require.NoError(t, ask(t.Context(), n, height, "/cosmos.bank.v1beta1.Query/DenomOwners",
			&banktypes.QueryDenomOwnersRequest{Denom: chainnetwork.Denom, Pagination: page}, &resp))
		for _, owner := range resp.DenomOwners {
			sum += owner.Balance.Amount.Uint64()
		}
		if len(resp.Pagination.GetNextKey()) == 0 {
			return sum
		}
		page = &query.PageRequest{Limit: 500, Key: resp.Pagination.NextKey}
	}
}

// requireKept looks for every confirmed transaction on a node: it must stand in
// the node's own block of the height that was confirmed, and have succeeded. It
// returns how many the node's index of transactions, which is not part of
// consensus, does not find by their hash.
func requireKept(t *testing.T, n *node, receipts []receipt) (unindexed int) {
	t.Helper()
	type block struct {
		position map[string]int
		codes    []uint32
	}
	blocks := map[uint64]block{}
	for _, r := range receipts {
		b, known := blocks[r.height]
		if !known {
			h := int64(r.height)
			held, err := n.rpc.Block(t.Context(), &h)
			require.NoError(t, err)
			results, err := n.rpc.BlockResults(t.Context(), &h)
			require.NoError(t, err)
			b.position = map[string]int{}
			for i, tx := range held.Block.Txs {
				b.position[strings.ToUpper(hex.EncodeToString(tx.Hash()))] = i
			}
			for _, result := range results.TxsResults {
				b.codes = append(b.codes, result.Code)
			}
			blocks[r.height] = b
		}
		at, found := b.position[r.hash]
		require.True(t, found, "%s %s was confirmed at height %d, and %s has it not", r.kind, r.hash, r.height, n.name)
		require.Zero(t, b.codes[at], "%s %s succeeded, and %s says it failed", r.kind, r.hash, n.name)

		hash, err := hex.DecodeString(r.hash)
		require.NoError(t, err)
		indexed, err := n.rpc.Tx(t.Context(), hash, false)
		if err != nil {
			unindexed++
			continue
		}
		require.Equal(t, int64(r.height), indexed.Height)
	}
	return unindexed
}
