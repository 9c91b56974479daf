// Package pace keeps the blocks of a node at a steady distance.
//
// CometBFT pauses for a fixed time after each block, so that the distance of
// two blocks is the pause plus whatever agreeing took. A Pacer measures by the
// blocks' own times how far the chain has fallen behind its schedule and
// shortens the next pause by as much. It only chooses how long this node
// waits: nothing it does enters the state, and a chain on which every node
// paces differently, or not at all, is as correct as any other.
package pace

import "time"

// reanchorAfter is how many block times a chain may be off its schedule before
// the schedule starts anew: after a halt nobody wants blocks to hurry until
// they have caught up.
const reanchorAfter = 4

// Pacer chooses the pause after each block. It is not safe for concurrent use;
// a node calls it once per block.
type Pacer struct {
	target time.Duration

	running bool  // a block has gone by since the node started
	height  int64 // of the block that the schedule starts from
	start   time.Time
}

// New returns a pacer for a distance between blocks, more than 0.
func New(target time.Duration) *Pacer { return &Pacer{target: target} }

// Pause returns how long to wait after the block at height, which bears the
// time given: the target less half of what the chain is behind its schedule,
// never less than half of the target and never more than all of it.
//
// A block bears the time at which the one before it was agreed on, so what is
// measured is a block old. Making up for all of it at once would swing to and
// fro for ever; half of it settles.
func (p *Pacer) Pause(height int64, blockTime time.Time) time.Duration {
	if !p.running {
		// The first block bears the time of the genesis, or of the last block
		// before the node stopped.
		p.running = true
		return p.target
	}
	behind := blockTime.Sub(p.start) - time.Duration(height-p.height)*p.target
	if p.start.IsZero() || behind.Abs() > reanchorAfter*p.target {
		p.height, p.start = height, blockTime
		behind = 0
	}
	return min(max(p.target-behind/2, p.target/2), p.target)
}
