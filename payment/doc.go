// Package payment is how a caller pays a miner without a transaction per
// request: channels and vouchers, as plain functions. The chain, miners and
// callers all use these same rules.
//
// A channel holds a deposit in escrow on the chain, from one payer to one
// payee, and names an Ed25519 key. A Voucher signed with that key says "of lane
// L, I owe Amount in all": amounts are cumulative, so that only the last voucher
// of a lane counts and a lost or late one harms nobody. Lanes are independent
// counters of one deposit, so that many callers share a channel without
// waiting for each other.
//
//	voucher := payment.Sign(chainID, key, payment.Voucher{Channel: 7, Lane: 0, Nonce: 1, Amount: 5_000})
//	raw, err := voucher.MarshalBinary() // goes to the miner
//
// The miner checks what it is given against what it knows of the channel, with
// the very function by which the chain will later pay it:
//
//	channel := payment.Channel{ID: 7, VoucherKey: pub, Deposit: 1_000_000, Expires: 90_000}
//	amount, err := channel.Redeem(chainID, height, voucher, maxLanes)
//
// after which amount is what this voucher adds. A refusal is one of the errors
// of this package, wrapped with the values that explain it, and changes nothing.
//
// A channel ends at End: at the height it was opened until, or earlier when one
// side closes it, for the payer only after a delay in which later vouchers
// still count. Redeem works strictly below that height, Collect from it on:
// there is no height at which both do. What was not redeemed goes back, so that
//
//	deposited = redeemed + refunded,  redeemed = burned + paid
//
// hold to the unit. Amounts are integers of nplx (1 PLX = 1e9 nplx), heights are
// blocks. Nothing here reads a clock, a file or a store.
//
// Source: docs/protocol.md section 8.
package payment
