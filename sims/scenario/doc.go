// Package scenario reads questions to the simulator from YAML files.
//
// A scenario names a model by exactly one section, says how long and how often to run it and what to record, and may
// ask what happens if parameters change:
//
//	name: kappa against a cabal
//	seed: 1
//	runs: 100
//	duration: 90d
//	record: {every: 1d, columns: [honest.income, cabal.income]}
//	network:
//	  validators:
//	    - {name: honest, count: 6, stake: 1000}
//	    - {name: cabal, count: 4, stake: 1000, strategy: cabal, party: cabal}
//	sweep:
//	  parameters:
//	    - {path: network.hyperparams.kappa, values: [19660, 32767, 45874]}
//
// Section network is package economy's Config, preset one of package presets. A dotted path, such as
// network.validators.1.stake, names any field; Set and Build change the YAML by it before it is decoded, so that every
// field is a parameter. Everything is strict: what is not a field is an Error with file, line and path, and says what
// there is instead.
package scenario
