// Package validator finds out how good miners are and tells the chain.
//
// It works in rounds. A round draws fresh challenges of the subnet's mechanism, asks all miners that serve the same ones
// at the same time, has the answers judged, and adds what came of it to what is known of each. Once per epoch, when the
// chain allows it, that becomes weights. Each step is a small part that can be tested alone:
//
//	planner    whom to ask what, in which order          pure
//	prober     asks, within deadlines and memory         network
//	Result     what came of it, by the worse identity    pure
//	Scorer     evidence per neuron                       pure
//	knowledge  that, copies, histories and health        pure, saved to the store
//	Weigher    evidence to weights                       pure
//	setter     when weights are due                      chain
//	committer  handing them in, plain or hidden          chain, store
//	lookout    tells somebody when things go wrong       webhook
//
// Packages below have a job each: mechanism (what is rewarded), duplicates (who copies whom), anomaly (who is unlike
// itself), health (what is published), alert, store. Validator puts them together for one subnet, Fleet for several:
//
//	shared := validator.NewShared(dialer, shoppers, 0)
//	v := &validator.Validator{Member: member, Chain: chain, Mechanism: m, Book: kept.Book(1, hotkey), Shared: shared, Log: log}
//	err := validator.Fleet{v}.Run(ctx)
//
// # What a crash loses
//
// The round in hand, and nothing else: a round is saved in one transaction when it is over, and the record of a row
// behind a hash before the hash is sent.
//
// # Scores
//
// A mechanism gives each answer a score of 0 to 1; one that is malformed, too late or missing scores 0. Old evidence
// fades: what was seen HalfLife challenges ago counts half. With scores that add up to r of n challenges so weighed, a
// miner's accuracy is taken to be
//
//	a = the Quantile of Beta(1 + r, 1 + n - r)
//
// that is, what it is at least, with a probability of 1 - Quantile (a Bayesian estimate from an even prior). So a
// miner that was asked little earns little until more is known, and luck is not mistaken for skill. Then
//
//	skill  = max(0, (a - chance) / (1 - chance))
//	weight = skill ^ Sharpness
//
// where chance is the mechanism's mean score of guessing, such as 1/10 for ten classes, and at least the a of who scored
// nothing: who guesses or never was right gets exactly nothing, and the last few per cent of accuracy, which are the hard
// ones, are worth more than the first. If nobody is better than chance, the
// validator gives its whole weight to itself, which counts for nobody: the miners' part of the epoch is burned.
package validator
