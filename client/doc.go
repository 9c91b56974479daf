// Package client calls the miners of a subnet: it finds them on the chain, asks the best one, and goes on to the next
// when one fails.
//
//	c := client.New(chain, client.Options{}) // chain is an onchain.Chain
//	defer c.Close()
//	answer, err := c.Infer(ctx, client.Request{Netuid: 1, Inputs: []models.Tensor{image}})
//	...
//	fmt.Println(answer.Outputs, answer.Miner.UID, answer.Elapsed)
//
// The best miner is the one with the highest incentive, which is what the subnet's validators, weighed by their stake,
// think of it. The list of miners is read again after Options.Refresh; connections are kept.
//
// A caller who can tell a right-looking answer from nonsense gives a Check: an answer that fails it counts as a failure
// of the miner's, and the next one is asked.
package client
