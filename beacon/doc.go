// Package beacon brings the rounds that hidden weights wait for to the chain.
//
// A Runner asks the chain which rounds its commits wait for, gets each from a
// Source once its time has come, and submits it; a useful pulse costs no fee.
// There are two sources: a Signer, a key of one's own, for test networks, and
// a Relay, which takes the rounds of a drand network from one of its HTTP
// endpoints. Anybody may run one; the chain takes each round once, from
// whoever is first.
//
//	runner := beacon.Runner{Chain: chain, Source: beacon.Relay{URL: url}, Log: log}
//	err := runner.Run(ctx)
package beacon
