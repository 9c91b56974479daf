// Package apptest runs the whole chain inside a test, without CometBFT: real
// transactions, signed and passed through the ante handler, in real blocks.
//
// Every chain runs on three instances of the application at once. One checks
// transactions like a node with a mempool, one never does, and one crashes at
// random blocks (the seed decides which), before or after it has committed,
// and goes on from its database. After every block their answers are compared
// to the byte, and the modules' accounts with what their state says they owe. So
// each test of behaviour is also a test of determinism.
//
//	alice := apptest.NewAccount("alice")
//	chain := apptest.New(t, apptest.Config{
//		Balances:   []apptest.Balance{{Account: alice, Nplx: 1000 * subnet.PLX}},
//		Validators: []apptest.Validator{{Name: "val", Tokens: 100 * subnet.PLX}},
//	})
//	chain.Must(alice, &subnetv1.MsgCreateSubnet{Owner: alice.String(), Name: "digits", MaxLock: 100 * subnet.PLX})
//	chain.Advance(360)
//	metagraph, err := chain.Subnet().Metagraph(ctx, &subnetv1.QueryMetagraphRequest{Netuid: 1})
package apptest
