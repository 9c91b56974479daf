// Package mechanism says what a subnet rewards: a Mechanism draws challenges and judges the answers to them, and knows
// nothing of miners, connections or the chain.
//
//	round, err := m.Draw(ctx, 32)                 // fresh challenges, the same for every miner
//	... ask a miner round.Challenges() ...
//	marks, err := round.Judge(ctx, answers)       // one mark per answer
//
// The packages below it are the mechanisms: accuracy (miners bring their own models), replay (the subnet pins one) and
// external (a program of the subnet owner's, in any language).
package mechanism
