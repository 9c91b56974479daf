// Package attacks is a collection of attacks on the network as scenarios: what
// each earns against the same party behaving honestly, as a function of its
// size.
//
//	for _, name := range attacks.Names() {
//		a, err := attacks.Load(name)
//		table, err := a.Table(ctx)
//	}
//
// Each is an ordinary scenario file, which plexus sim runs, sweeps and compares
// like any other: as it stands the party "attacker" attacks, its compare
// section says how the same party would behave honestly, and its sweep section
// names what its success depends on. Both sides of a comparison draw the same
// numbers, so that what they differ by is the attack.
package attacks
