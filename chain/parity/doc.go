// Package parity holds no code but tests: a script run through the chain, in
// real blocks of real transactions, and through the machine of the simulator.
// One script is the life of subnets and their stake, the other pays through
// channels and lets rewards follow demand while governance changes the rules.
// After every block the supply, all balances, the escrow and what is pending
// for every subnet are compared, and after every epoch all ranks, bonds,
// weights, streams and ledgers and every decimal of the distribution module, to
// the unit.
package parity
