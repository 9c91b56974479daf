// Package till takes the money of a miner: it decides which paid requests are let in, charges them, keeps the vouchers
// that pay for them, and redeems those on the chain in time.
//
//	till, err := till.Open(till.Config{ChainID: "plexus-1", Netuid: 1, Hotkey: hotkey, Price: price, Store: "till.db", Chain: chain})
//	...
//	defer till.Close()
//	go till.Run(ctx) // looks at the chain, redeems
//
// A request brings an Offer: a lane of a channel, the most that it may cost and, now and then, a voucher. It is let in
// where what is signed on the lane covers what is owed, what the requests in hand may still cost, and this one's limit:
//
//	sale, err := till.Admit(ctx, caller, offer) // a *Refusal says what is missing
//	...
//	err = sale.Input(bytes)                     // refuses a limit that request and input exceed already
//	... run the model ...
//	bill, err := sale.Settle(ctx, till.Answered, usage)
//
// so that on every lane, at every moment,
//
//	signed >= owed + reserved
//
// and no answer is ever without cover. Settle returns when the vouchers that cover the request are on disk; one fsync
// serves all that wait for one. What is owed is written along with vouchers and, in between, once in FlushInterval; after
// a crash it is what was written, so that at most what the last voucher signs ahead is lost, and never a voucher.
//
// What a till accepts, the chain will pay: it judges a voucher as payment.Channel.Redeem will when all vouchers in hand are
// redeemed before. It lets nobody in on a channel that ends within Margin blocks, so that the
// last vouchers can be redeemed before that; from then on Run redeems whatever it holds, and says aloud when it is late.
//
// The rules of channels, vouchers and charges are package payment's (docs/protocol.md section 8). A till is the only one
// of its hotkey: two that accept vouchers of the same lanes would both count the same money.
package till
