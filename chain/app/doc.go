// Package app is the chain as an ABCI application: the Cosmos SDK's modules
// for accounts, money, staking, rewards, slashing and governance around the
// module of subnets. It is wired by hand, so that reading it from top to
// bottom shows what depends on what.
package app
