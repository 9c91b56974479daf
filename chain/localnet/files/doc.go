// Package files writes what the nodes of a new network start from: a home
// folder for each, keys, one genesis with accounts and staking validators, and
// the configuration of listeners and of the pace of blocks.
//
//	net, err := files.Write(files.Spec{
//		ChainID:   "plexus-local",
//		Dir:       dir,
//		BlockTime: time.Second,
//		Params:    files.Scale(keeper.DefaultParams(), 10),
//		Validators: []files.Validator{
//			{Name: "alice", Stake: 45 * plx, Node: &files.Node{RPC: 26657, P2P: 26656, GRPC: 9090, REST: 1317}},
//			{Name: "bob", Stake: 33 * plx},
//		},
//		ActiveValidators: 1,
//		Accounts:         []files.Account{{Name: "carol", Balance: 10 * plx}},
//	})
//	// then, for each node: plexus start --home net.Homes["alice"]
//
// A validator without a Node stakes and has opinions but makes no blocks. The
// genesis must leave it outside the block-producing set: ActiveValidators counts
// the validators with the largest stakes, and all of them need a node.
//
// Keys go into the unencrypted keyring "test" with file mode 0600, which is fit
// for test networks only.
package files
