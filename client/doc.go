// Package client calls the miners of a subnet: it finds them on the chain, chooses one of the best, pays it where it wants
// to be paid, and asks another when one fails or is too slow.
//
//	c := client.New(chain, client.Options{}) // chain is an onchain.Chain
//	defer c.Close()
//	answer, err := c.Infer(ctx, client.Request{Netuid: 1, Inputs: []models.Tensor{image}})
//	...
//	fmt.Println(answer.Outputs, answer.Miner.UID, answer.Elapsed)
//
// With a wallet (client/wallet) it pays; connections then show who pays:
//
//	c := client.New(chain, client.Options{Wallet: w, Dialer: oip.Dialer{Identity: identity}, MaxPrice: 1_000_000})
//
// # Which miner
//
// Of the Options.Among best by incentive and price that may be asked now, two are taken at random, and of them the one is
// asked for which this is less:
//
//	latency · (calls in hand + 1) / (quality^Quality · success^Errors) · (1 + price / mean price)^Price
//
// latency is a moving average in seconds that rises at once and falls over 10 s; quality is the incentive over the best
// one, plus one each; success is the share of its last calls that it answered; price is what this call is expected to
// cost there, all four parts; the exponents are Options.Weights. What was seen of a miner that nobody asks fades over half
// a minute, so that it is tried again.
//
// # When a miner fails
//
// Another is asked: for up to Options.Attempts miners in all, and as long as retries are no more than a share of all
// requests (Options.RetryShare). One that cannot be reached, or fails Options.Failures times in a row, is isolated: nobody
// is asked to wait for it until it gives a sign of life and one call has succeeded. One that lies (a receipt that does
// not prove its answer, an answer that does not fit the request, more claimed than was agreed to) is left alone for
// Options.Distrust. A miner that has not answered for Options.Suspect is asked whether it lives; where it does not say so,
// another is asked while the first may still answer. With Options.Hedge another is asked in any case after a while. The
// first answer counts, and the other call is broken off.
//
// Connections to the best miners, and channels where they are paid, are kept ready; the list of miners is read again
// after Options.Refresh.
//
// A caller who can tell a right-looking answer from nonsense gives a Check: an answer that fails it counts as a failure
// of the miner's, and the next one is asked.
package client
