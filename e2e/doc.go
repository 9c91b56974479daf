// Package e2e holds the end-to-end tests: `plexus localnet` with real
// processes, looked at and disturbed from outside, as a user would. There is no
// code in it but tests.
//
// The binary is built once, or taken from the variable PLEXUS_BINARY. With
// -short nothing runs.
package e2e
