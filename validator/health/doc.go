// Package health is how miners fare, as data: what a validator publishes on its API and what others read from it.
//
//	var w health.Window                      // of one miner
//	w.Add(health.Round{At: now, Asked: 32, Answered: 31, Score: 0.9, Micros: took, Failures: map[string]int{"deadline_exceeded": 1}}, 120)
//	miner := w.Summary()
//
//	mux.Handle("/", health.Handler(source))  // GET /v1/subnets, /v1/subnets/{netuid}/miners[/{uid}]
//	report, err := health.Client{URL: "http://127.0.0.1:9600"}.Miners(ctx, 1)
//	for _, miner := range health.Gather([]health.Subnet{report, another}) // what several validators say of each
//
// A report on a subnet is signed with the validator's node key (SignedHandler), for which its hotkey vouches by the same
// certificate as on connections; a Client with a ChainID checks that.
//
// Percentiles are of the answers in the window, exact up to Sampled answers of each round. Uptime is the share of its
// rounds in which a miner answered at all.
package health
