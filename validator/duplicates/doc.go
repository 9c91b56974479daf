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
// # Whose mistakes are whose
//
// A copy that passes on nothing but the label, as 1 and zeros, shares no outputs with its original, but it shares its
// mistakes: it does not know where the original errs. So for every ordered pair, an original A and a suspect B, the
// challenges count that A has wrong and both answered by class, and whether B gives the same wrong class. Three CUSUMs of
// such agreements are kept, each against the most that another model does by itself:
//
//	entirely   p0 = 0.60, p1 = 0.97    who passes on nearly all labels: 52 mistakes suffice
//	mostly     p0 = 0.60, p1 = 0.80    who spoils up to 29 % of them, or asks another model for as many
//	redundant  p0 = 0.80 p1            who spoils labels where A is unsure
//
// The third asks whether B knows anything that A does not. Who passes on what A says agrees with A equally often whether A
// is right or wrong, among answers of which A is equally sure (four strata, up to 0.5, 0.75, 0.9 and 1); p1 is how often
// B agrees with A's right answers of the stratum, at most 0.98. It counts only for a B that agrees with at least 88 % of all
// A's right answers: a worse model may know nothing beside a better one and still be honest.
//
// A suspicion is proven when one of the sums reaches h = 25, and lasts until all are back at 0. Of the tasks of this
// program, a model repeats in the same way 2 to 54 % of the mistakes of another that was trained from another seed on other
// examples (the most between two of the same recipe). At 54 % the mean number of mistakes until a false proof is above
// e^(1.25 h) = 10^13. In 10 368 pairs of such models, 8000 challenges each, the most evidence was 8.2. A model that starts from
// another's numbers and examples and is only trained on longer repeats 32 to 83 %: such relatives can be taken for one.
//
// Who says what one of two others says, now this one's and now that one's label, repeats too few of either's mistakes. So
// for every suspect any two of the four miners that it repeats most are tried together: on challenges that both have wrong,
// whether it gives one of their two classes, with p0 = 0.78, p1 = 0.97 and the same h; 115 such challenges suffice. Other models
// do so in 4 to 73 % of them. The most evidence of honest miners was 8.3.
//
// What it cannot see: who spoils 30 % of the labels or more, asks others for half or less of them, or takes those of three or
// more; who corrects another's labels by a good model's where they are unsure. TestParrots tells what each is worth.
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
// Where it is mistakes that are shared, two that repeat each other's are told apart likewise: 1; 2, a record of less than half
// of the other's questions being none; 3, if the records clearly differ; 4. Where only one repeats the other's it is the copy
// if it came later or has changed, by the same signs; else neither is, for the other may have corrected what it took. Who
// repeats two is the copy if it came after both or has changed. The judgement of two stays after 4096 questions.
//
// Pairs are judged one by one and not as groups: who mixes the answers of two miners is a copy of both, and these are
// nothing to each other.
//
// # Cost
//
// Suspicions are kept of every ordered pair: 256 miners that all answer take 15 MB of memory, and of 32 challenges 60 ms of
// a core to compare and 6 MB to save. Outputs are sorted along a secret projection, and only neighbours are compared: two
// answers that agree are never farther apart along it than the tolerance allows.
package duplicates
