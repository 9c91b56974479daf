// Package keeper is the adapter between the chain and the rules of package
// subnet: it loads state, calls the rule, pays and stores what it decided.
//
// State is laid out for few, packed reads and writes: a row of weights or
// bonds is one blob, what an epoch leaves behind is one record of vectors per
// subnet, and the pending emission of all subnets is one record per block.
// Validator streams pay by the height alone, so a block that pays them writes
// nothing back.
//
// Money is held in two module accounts whose balances always equal what the
// state says they owe; query Emission shows both sides, and a genesis in which
// they differ is refused.
package keeper
