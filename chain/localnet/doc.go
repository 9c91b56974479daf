// Package localnet runs a whole Plexus network on one machine, out of real
// processes of one binary, and watches it earn: a node, a beacon that opens
// hidden weights, three validators of unequal stake, and four miners, three
// with models of different quality and one whose model was never trained.
//
//	summary, err := localnet.Run(ctx, localnet.Options{
//		Dir:       dir,
//		Out:       os.Stdout,
//		BlockTime: time.Second,
//		Tempo:     10,
//		Epochs:    8,
//	})
//
// Nothing in it is special to a test: the genesis has staking validators, the
// subnet is made by a transaction, miners and validators register themselves
// and pay for it, scores come from fresh challenges, and emission from Yuma
// consensus on the chain. Only the clock is faster, by the nodes' configuration
// and by a genesis whose periods are scaled to a shorter tempo.
//
// Run returns what it saw: who earned what beside how good its model is, and
// whether supply and split add up to the unit. When it returns, by whatever
// way, no process and no port is left; see package supervisor for what holds
// when the program is killed.
//
// The rest of the package is in three parts: cast.go says who takes part and
// how each process is started, view.go gathers what the chain says, and
// table.go, report.go and check.go turn that into text and verdicts without
// asking anybody.
package localnet
