// Package dishonest holds the proof that it does not pay to be dishonest: one network of real processes with three
// honest validators and three honest miners, and with everybody who would like to be paid for less than that.
//
//	make test-dishonest
//
// There is no code in it but tests, and they run with the build tag `dishonest` only, for they take some minutes. Node,
// beacon, validators and honest miners are the binary, which is built once or taken from the variable PLEXUS_BINARY. The
// dishonest are a program of the tests, the test binary that is started again: they register, announce and answer by the
// same chain client and the same server as everybody, but on libraries, listeners and weights of their own. What each
// of them does is said in rogues (tricks_test.go) and insiders (insiders_test.go). A second subnet pins a model, for those
// who serve it on cheaper numbers; its honest validator is started from the test binary, too, out of package validator.
//
// Earnings are what the chain says. PLEXUS_DISHONEST_EPOCHS adds them up over more epochs or fewer, and
// PLEXUS_DISHONEST_LOGS names a folder in which the logs of all processes are left.
package dishonest
