// Package economy simulates the network itself: the rules of packages subnet
// and consensus, which the chain runs by, with agents around them.
//
// Subpackage machine is the chain without a chain: every balance an integer,
// every rule the chain's own. This package moves it with agents, which think in
// floats: miners that enter and leave by profit, validators honest and not,
// delegators after yields, callers with a demand that prices move, owners of
// subnets, and a price of the token.
//
//	cfg := economy.Default()
//	cfg.Blocks = 365 * 7200
//	cfg.Miners[0].Entry = economy.EntryProfit
//	model, err := economy.New(cfg)
//	err = model.Run(ctx, seed, recorder)
//
// A Config is also what a scenario's network section says in YAML. Equal seeds
// give equal runs (bit for bit on one kind of processor: others may fuse the
// agents' multiplications), and every group draws from a stream of its own, so
// that changing one group leaves the luck of the others as it was.
//
// What is simpler than the network: nothing is slashed, transactions pay no gas,
// the beacon is never late, one payment channel stands for all of a group's in a
// subnet, and what is undelegated comes back after a number of blocks instead of
// a time.
package economy
