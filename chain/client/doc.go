// Package chainclient is how programs talk to a Plexus chain: typed queries
// and signed transactions over gRPC. It knows the chain's messages and nothing
// of the application behind them.
//
//	network.ConfigureAddresses()
//	chain, err := chainclient.Dial(chainclient.Config{Address: "127.0.0.1:9090"})
//	…
//	defer chain.Close()
//	meta, err := chain.Metagraph(ctx, 1)
//
// Dial opens nothing: the node may be down, and may come and go afterwards.
// Calls made meanwhile fail with ErrUnavailable, which Retry waits out:
//
//	err := chainclient.Retry(ctx, "read the metagraph", log, func(ctx context.Context) error {
//		meta, err = chain.Metagraph(ctx, 1)
//		return err
//	})
//
// A transaction needs a Signer, which is a key of a keyring:
//
//	kr, err := chainclient.OpenKeyring(home, "file", os.Stdin)
//	signer, err := chainclient.NewSigner(kr, "coldkey")
//	res, err := chain.Submit(ctx, signer, &subnetv1.MsgRegister{…})
//
// Submit estimates gas, signs, broadcasts and returns once the transaction
// stands in a block. A Signer has at most one transaction in flight, so its
// sequence numbers never race; other programs that use the same key are dealt
// with by asking the chain again. What the chain refuses comes back as a
// *TxError with the codespace and the code of the reason.
package chainclient
