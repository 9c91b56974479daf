// Package keeper is the adapter between the chain and the rules of package
// payment: it loads a channel, calls the rule, moves the money and stores what
// was decided.
//
// A channel is one record with its lanes, found by payer, payee and hotkey
// through indexes, and gone once it is collected. What is in all channels is
// held by one module account, whose balance always equals what the totals say is
// escrowed; query Totals shows both sides, and a genesis in which they differ is
// refused. Redeemed money leaves it on two ways only: to the payee, and through
// the one function that burns.
//
// Demand is counted as channels are redeemed. The counters of all subnets are
// one record, brought to the present window when it is read, so that nothing
// runs at the end of a block.
package keeper
