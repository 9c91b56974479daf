// Package accuracy is the mechanism of subnets whose miners bring models of their own: fresh labelled challenges of a
// kind of task (models/tasks), and a metric of the answers.
//
//	kind, err := tasks.ByName("digits")
//	m, err := accuracy.New(kind, accuracy.Options{Metric: accuracy.F1, Target: 50 * time.Millisecond, Deadline: time.Second})
//
// A metric is mapped to scores of 0 to 1. K is the number of classes, p a miner's probabilities, and a round's metric is
// taken over what the miner answered; what it did not answer, or answered in no form of the task, scores 0.
//
//	accuracy  1 for each answer whose most probable class is right (the lower of two that are equal), else 0
//	f1        for every answer: the macro-averaged F1 over the classes that occur among labels or answers of the round,
//	          F1 = 2 TP / (2 TP + FP + FN)
//	logloss   for every answer: max(0, 1 - L / ln K), L the mean of -ln p(true), each at most 16 nats: 0 for a blind
//	          guess and for who is certain and wrong too often, 1 for who is always certain and right
//	rmse      for every answer: max(0, 1 - E / E0), E the root of the mean squared distance of p from the truth (1 for
//	          the true class), E0 that of a blind guess, sqrt((K-1)/K)
//
// Who guesses scores 1/K by accuracy and F1, and 0 by the others; that is Description.Chance. Accuracy and F1 see only
// the most probable class. Log-loss and RMSE are proper scores, which reward saying how sure one is: a copy that hides by
// sharpening the answers that it takes from another loses by them.
//
// Latency counts as a factor on each score: 1 up to Target, falling in a straight line to 0 at Deadline.
package accuracy
