// Package parity holds no code but a test: one script run through the chain, in
// real blocks of real transactions, and through the machine of the simulator.
// After every block the supply and all balances are compared, and after every
// epoch all ranks, bonds, weights, streams and ledgers and every decimal of the
// distribution module, to the unit.
package parity
