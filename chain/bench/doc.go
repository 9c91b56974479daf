// Package bench measures the chain as a node runs it: whole blocks of the whole
// application, its state on disk in the node's own database. There is no code in
// it but benchmarks. docs/operations.md says what they gave.
//
//	go test ./chain/bench -run '^$' -bench . -benchtime 1x -timeout 30m
package bench
