// Package anomaly notices when a miner's behaviour breaks from its own history: it becomes wrong, slow or absent more
// than it ever was.
//
//	var w anomaly.Watch // of one miner; its exported fields are to be saved
//	w.Observe(anomaly.Sample{Score: 0.91, Failed: 0, Latency: 0.004, Asked: 32})
//	if w.Flagged { ... ask it less, weigh it 0 ... }
//
// Each round gives three numbers: the mean score, the share of questions without an answer and the logarithm of the mean
// latency (plus 10 ms, for what is below matters little). Each is compared with the miner's last History rounds by a
// robust z-score in the direction that is worse,
//
//	z = (x - median) / max(1.4826 MAD, floor)         at most 4
//
// where the floor is what chance alone does: the binomial deviation sqrt(p (1-p) / n), with p kept at least 1/n from 0
// and 1, for n questions; 0.25 (a quarter) for the logarithm of the latency. z feeds a CUSUM (Page 1954),
//
//	S = max(0, S + z - 1)                             at most h + 4
//
// and the miner is flagged when one of the three reaches h = 16, and no more when all are back at 0. Within the first
// Learn rounds nothing is flagged.
//
// For a miner whose z is standard normal the mean time between false alarms is, by Siegmund's approximation,
// (exp(2 b) - 2 b - 1) / 2 rounds with b = h + 1.166: 10^14. Medians of few rounds and discrete scores have heavier tails,
// which is why h is that large: in 10^6 rounds of very different honest miners there was no alarm (the test lets 10^5 pass). A
// break of three deviations is flagged after 8 rounds, one that is total after 6.
//
// What makes all miners slower at once is not any one's fault: a validator that has more of them to ask, a busy machine,
// its network. So the caller takes what is Common to everybody's Slower off all latencies, by Quicker: the median of the
// ratios or that of the seconds, whichever leaves a miner less. Only a delay is taken off: nobody can make others look slow
// by becoming quick.
//
// Rounds in which a miner stands apart, S > h/2, do not become its history; so it does not get used to its own decay. After
// Relearn rounds of being flagged the history starts anew: what was a break has become what the miner is.
package anomaly
