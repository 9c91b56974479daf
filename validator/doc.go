// Package validator finds out how good miners are and tells the chain.
//
// It works in rounds. A round draws fresh challenges whose answers are known, asks all miners that serve the same ones
// at the same time, and adds what came back to the evidence about each. Once per epoch, when the chain allows it, the
// evidence becomes weights. Each step is a small part that can be tested alone:
//
//	planner   whom to ask what, in which order          pure
//	prober    asks, within deadlines                    network
//	scorer    gathers evidence per neuron               pure
//	weigher   evidence to weights                       pure
//	setter    when weights are due                      chain
//	committer handing them in, plain or hidden          chain, store
//
// Validator puts them together:
//
//	v := validator.Validator{Member: member, Chain: chain, Task: task, Book: store.Book(1, hotkey), Log: log}
//	err := v.Run(ctx)
//
// # Scores
//
// Every challenge is answered right or not: a wrong answer, one that is malformed, one that is too late and none at all
// count the same. Old evidence fades: what was seen HalfLife challenges ago counts half. With r right answers of n so
// weighed, a miner's accuracy is taken to be
//
//	a = the Quantile of Beta(1 + r, 1 + n - r)
//
// that is, what it is at least, with a probability of 1 - Quantile (a Bayesian estimate from an even prior). So a
// miner that was asked little earns little until more is known, and luck is not mistaken for skill. Then
//
//	skill  = max(0, (a - chance) / (1 - chance))
//	weight = skill ^ Sharpness
//
// where chance is the accuracy of guessing, 1/10 for ten classes: who guesses gets exactly nothing, and the last few
// per cent of accuracy, which are the hard ones, are worth more than the first. If nobody is better than chance, the
// validator gives its whole weight to itself, which counts for nobody: the miners' part of the epoch is burned.
package validator
