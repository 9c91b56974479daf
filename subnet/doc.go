// Package subnet is the economics of the network as plain functions: issuance,
// the shares of subnets, the split of emission, registration and its price,
// pruning, the checks on weights and the epoch that pays for them.
//
// Nothing here reads a clock, a file or a store, draws a random number or uses
// a float: state goes in, decisions come out, the same on every machine. The
// chain and the simulator call the very same functions. Amounts are integers
// of nplx (1 PLX = 1e9 nplx); what is rounded off one account is always given
// to another, so that no unit is made or lost.
//
// An epoch in short:
//
//	e := subnet.Epoch{
//		Height:      360,
//		Pending:     360 * subnet.PLX,
//		OwnerUID:    -1,
//		Split:       subnet.DefaultSplit(),
//		Hyperparams: subnet.DefaultHyperparams(),
//		Neurons:     neurons, // with their stake, weights, bonds and permits
//	}
//	result, err := e.Run(&engine)
//
// after which result says what the owner, every miner and every validator
// gets, what is burned and what stays pending. Refusals are the errors of this
// package, wrapped with the values that explain them.
package subnet
