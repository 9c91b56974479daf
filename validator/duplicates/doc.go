// Package duplicates finds miners that answer with one another's outputs, and says which of them is to be paid.
//
//	var d duplicates.Detector
//	d.Observe(round, answers)       // outputs of every miner on the same challenges, after each round
//	copies := d.Copies()            // who earns nothing while it matches, and whom it is a copy of
//
// It is pure: no clock, no randomness but the sampling that the caller did, no I/O; its Pairs are to be saved and
// restored, so that what it knows outlives a restart.
//
// # When two miners are one
//
// Two answers to a challenge agree if max|a-b| <= Tolerance max(|a|,|b|) over all outputs. Only answers that tell models
// apart count: those whose second largest output is at least ten tolerances of the largest. A saturated answer, 0.999 for
// one class, is given by every good model.
//
// For each pair the evidence is a CUSUM of likelihood ratios over the challenges that both answered informatively: with
// agreement of probability p1 = 0.35 among copies, and p0 = 0.05 among models of different origin,
//
//	S = min(2 h, max(0, S + ln(p1/p0) a + ln((1-p1)/(1-p0)) (n-a)))    a agreements of n in a round
//
// A pair matches once S >= h = 30, and does so until S is back at 0. Sixteen agreements in a row suffice. Drift is upward
// for whoever copies more than 16 % of its answers, in whatever rounds, so alternating or mixing only takes longer. The
// number of challenges until two honest miners match by chance is at least e^h = 10^13 on average, for every pair that
// agrees in less than p0 (Page 1954, Lorden 1971). What is added as noise below the tolerance changes nothing.
//
// What it cannot see: a copy that passes on nothing but the label, as 1 and zeros. By accuracy that costs it nothing; by
// the proper metrics of package accuracy it does.
//
// # Who is paid
//
// Of two that match one keeps its whole reward and the other earns nothing; so there is nothing to gain by copying, and
// nothing to take from whom one copies. The one that keeps it is found by what both had shown before they first agreed,
// and is remembered:
//
//  1. A miner whose quality is clearly another since than before (their 0.5 % and 99.5 % quantiles part) has changed into
//     the other: it is the copy. This is the squatter of an old uid that passes on a newcomer's answers, and the good
//     miner that takes on a worse one's to harm it. (Who became better and answers clearly faster than the other, which
//     who passes on answers cannot, has got a better model, and a newcomer took to it.)
//  2. A miner with a record before one without.
//  3. Of two with records that did not change, neither is a copy while less than half of their answers agree: who takes
//     so little that its quality stays the same gains nothing, and could be either. Else the better record counts, as the
//     lower bound of its score.
//  4. Who answered first; then who registered first; then the lower uid.
//
// The judgement is made anew until both were asked 1024 questions since they first agreed, and then stays.
//
// Pairs are judged one by one and not as groups: who mixes the answers of two miners is a copy of both, and these are
// nothing to each other.
//
// # Cost
//
// Outputs are sorted along a secret projection, and only neighbours are compared: two answers that agree are never
// farther apart along it than the tolerance allows.
package duplicates
