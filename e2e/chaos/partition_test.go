//go:build chaos && linux

package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	parted = 30 * time.Second
	// settle is for the block that was being agreed on when the network parted.
	settle = 3 * time.Second
	// healBound: connections that were silent send again after pauses that
	// double, so the first sign of life can take as long as the silence did.
	healBound = 2 * time.Minute
)

// TestPartitionHeals parts four nodes 2|2, which leaves nobody with two thirds,
// and 3|1, which does.
func TestPartitionHeals(t *testing.T) {
	fabric := newFabric(t, nodeCount)
	net := newNetwork(t, plan{blockTime: time.Second, accounts: loadAccounts(), place: fabric.place})
	net.startAll()
	// A subnet, so that every block mints and changes the state.
	plexusIn(t, net.nodes[0], "tx", "subnet", "create", "parted", "--max-lock", "1000000000000", "--from", "owner",
		"--home", net.files.KeyDir, "--gas-prices", gasPrice+"nplx", "--gas", "300000", "--yes", "--chain-id", net.files.ChainID)
	net.waitHeight(net.nodes[0], net.top()+3, startBound)

	t.Run("2|2 stands still and goes on when healed", func(t *testing.T) {
		fabric.part(2, 3)
		time.Sleep(settle)
		before := heights(net)
		time.Sleep(parted - settle)
		require.Equal(t, before, heights(net), "a block was made by half of the stake")
		fabric.heal()
		took := untilAll(t, net, before[0]+5)
		t.Logf("no block in %s from height %d on; five further blocks on all nodes %s after healing", parted-settle, before[0], took)
		requireSameBlocks(t, 1, net.common(net.nodes...), net.nodes...)
	})
	t.Run("3|1 goes on and the one catches up", func(t *testing.T) {
		fabric.part(3)
		time.Sleep(settle)
		before := heights(net)
		time.Sleep(parted - settle)
		after := heights(net)
		require.Equal(t, before[3], after[3], "one alone made a block")
		for i := range 3 {
			require.Greater(t, after[i], before[i]+5, "three of four make blocks")
		}
		fabric.heal()
		took := untilAll(t, net, after[0]+5)
		t.Logf("three made %d blocks in %s; the fourth had them all, and five more, %s after healing", after[0]-before[0], parted-settle, took)
		requireSameBlocks(t, 1, net.common(net.nodes...), net.nodes...)
	})
	last := net.common(net.nodes...)
	for _, n := range net.nodes {
		requireExactSupply(t, n, last, net.files.Supply)
	}
}

func heights(net *network) []int64 {
	var all []int64
	for _, n := range net.nodes {
		all = append(all, n.height(net.t.Context()))
	}
	return all
}

func untilAll(t *testing.T, net *network, height int64) time.Duration {
	t.Helper()
	began := time.Now()
	for _, n := range net.nodes {
		net.waitHeight(n, height, healBound)
	}
	return time.Since(began).Round(100 * time.Millisecond)
}

// plexusIn runs a command beside a node, in its namespace.
func plexusIn(t *testing.T, n *node, args ...string) string {
	t.Helper()
	out, err := command(t, "ip", append([]string{"netns", "exec", n.space, binary}, args...)...)
	require.NoError(t, err)
	return out
}
