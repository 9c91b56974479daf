//go:build chaos && linux

package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPace measures how exactly four paced nodes keep the distance of blocks.
func TestPace(t *testing.T) {
	target, span := durationOf(t, "PLEXUS_PACE_BLOCK", 2*time.Second), durationOf(t, "PLEXUS_PACE_TIME", 3*time.Minute)
	// The schedule starts anew with each node, and the first blocks find it.
	const leadIn = 5
	net := newNetwork(t, plan{blockTime: target, paced: true})
	for _, n := range net.nodes {
		net.launch(n)
	}
	last := leadIn + int64(span/target)
	net.waitHeight(net.nodes[0], last, 2*span+syncBound)
	times := requireSameBlocks(t, leadIn, last, net.nodes[:1]...)
	mean, largest := intervals(times)
	smallest := mean
	for i := range times[1:] {
		smallest = min(smallest, times[i+1].Sub(times[i]))
	}
	off := 100 * (mean.Seconds() - target.Seconds()) / target.Seconds()
	t.Logf("target %s: mean %s over %d blocks (%+.2f %%), smallest %s, largest %s",
		target, mean.Round(100*time.Microsecond), len(times)-1, off, smallest.Round(time.Millisecond), largest.Round(time.Millisecond))
	require.InDelta(t, 0, off, 1, "per cent")
}
