// Package paid holds the end-to-end tests of paying: a chain, miners that want to be paid, callers with wallets and
// gateways, all of them real processes or the packages that those are made of, and at the end the books of all of them
// laid beside the balances on the chain.
//
//	go test ./e2e/paid     # one miner, the command line and a gateway; under 90 s
//	make test-paid         # ten callers, twenty miners, 100 000 requests, miners killed and channels closed at random
//
// There is no code in it but tests. The binary is built once, or taken from the variable PLEXUS_BINARY. The long run has the
// build tag `paid`; PLEXUS_PAID_REQUESTS says how many requests it makes, PLEXUS_PAID_LOGS names a folder in which the logs
// of all processes are left. With -short nothing runs.
package paid
