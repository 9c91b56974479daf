// Command determinism refuses, in the packages it is given, what could let two
// nodes compute different states from the same blocks: the order of a map, a
// float, a goroutine, the clock, randomness and the machine itself. It is made
// for packages that are part of a state transition; tests are not looked at.
//
// What is harmless says so, with the reason:
//
//	//determinism:display for logs        above a function: floats are allowed in it
//	//determinism:allow maprange sums     above a line, or at its end: the rule does not hold there
//
// A reason is required, and a directive that allows nothing is refused too.
// Assembly is not read: a package that has some must show by tests that it
// gives the bits of its Go.
package main

import "golang.org/x/tools/go/analysis/singlechecker"

func main() { singlechecker.Main(analyzer()) }
