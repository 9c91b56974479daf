// Package simulation lets the Cosmos SDK's simulator live on the subnet module:
// random parameters with short tempos, an operation for every message, and what
// must hold after every block.
//
// An operation reads the state, draws who does what, signs a transaction and
// delivers it through the ante handler, like any other. Some messages are wrong
// on purpose and must be refused; what is meant to be right may be refused by a
// rule of the module (the Tally says how often and why), but never for a reason
// that the module has no error for. Messages plan others for later: validators
// set weights again when they may, hashes are opened when they are due, a beacon
// of the simulation's own publishes its rounds, and bonded validators vote on
// what was proposed to governance.
//
//	module := simulation.New(simulation.Config{Keeper: app.Subnet, ...})
//	manager := module.NewSimulationManagerFromAppModules(all, map[string]module.AppModuleSimulation{keeper.ModuleName: module})
//	...
//	if err := module.Check(ctx); err != nil { ... } // at the end of a block
//	fmt.Print(module.Tally())
//
// The simulation of the whole application is in chain/app (make test-sim).
package simulation
