// Package wallet pays miners for calls out of channels on the chain: it opens a channel to a miner when one is first
// needed, signs vouchers ahead in steps, tops up before a deposit runs dry, renews before a channel expires, and gets back
// what was not spent.
//
//	w, err := wallet.Open(wallet.Options{
//		Path:    "wallet.db",             // what was signed, for whom; 0600
//		Chain:   chain,                   // an onchain.Wallet
//		ChainID: "plexus-1",
//		Key:     key,                     // signs vouchers: the node key that connections are made with
//		Budget:  10 * amount.PLX,         // all that may ever be out in channels or spent
//	})
//	...
//	defer w.Close()
//	c := client.New(directory, client.Options{Wallet: w, Dialer: oip.Dialer{Identity: identity}})
//
// A client does the rest. What it does is this, once for each call:
//
//	p, err := w.Reserve(ctx, wallet.Payee{Netuid: 1, Hotkey: hotkey}, limit) // waits for a channel where there is none
//	resp, err := service.ModelInfer(p.Outgoing(ctx), message, grpc.Trailer(&trailer))
//	err = p.Settle(charged, owed) // as the trailer says; Unknown where there is none, Release where nothing was sent
//
// # What is signed
//
// A voucher says how much is owed in all, so the wallet keeps, for each lane, what it has agreed to (the charges that
// answers named, each within the limit of its call, and the limits of calls whose outcome it does not know), the limits
// of the calls in hand, and what the miner says is owed. A call needs min(owed, agreed) + in hand to be signed for; where
// less is, the wallet signs that and one step more, and never more than agreed + in hand + step, nor than the deposit.
// So a miner that takes the money and runs takes one step, and most calls need no new signature. The step is
// Options.Step.
//
// A miner that claims more than agreed + in hand, or charges a call more than its limit, lies: nothing more is signed for
// it (ErrDispute) and its channel is closed.
//
// A voucher is on disk before it leaves. After a crash all that was signed counts as agreed, until the miner has said
// what is owed while no call is in hand.
package wallet
