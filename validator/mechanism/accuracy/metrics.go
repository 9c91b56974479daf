package accuracy

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Metric is what a round of answers is measured by.
type Metric string

// The metrics.
const (
	Accuracy Metric = "accuracy"
	F1       Metric = "f1"
	LogLoss  Metric = "logloss"
	RMSE     Metric = "rmse"
)

// Metrics returns all there are.
func Metrics() []Metric { return []Metric{Accuracy, F1, LogLoss, RMSE} }

// worstLoss is the most, in nats, that one answer can cost by log-loss.
const worstLoss = 16

// answered are answers in the task's form, with the truth.
type answered struct {
	classes       int
	labels        []int
	probabilities [][]float64
}

// chance is the mean score of who guesses among so many classes.
func (m Metric) chance(classes int) float64 {
	if m == Accuracy || m == F1 {
		return 1 / float64(classes)
	}
	return 0
}

// scores returns one score per answer.
func (m Metric) scores(a answered) []float64 {
	scores := make([]float64, len(a.labels))
	if len(scores) == 0 {
		return scores
	}
	if m == Accuracy {
		for i, label := range a.labels {
			if floats.MaxIdx(a.probabilities[i]) == label {
				scores[i] = 1
			}
		}
		return scores
	}
	whole := map[Metric]func() float64{F1: a.f1, LogLoss: a.logLoss, RMSE: a.rmse}[m]()
	for i := range scores {
		scores[i] = whole
	}
	return scores
}

// f1 is the macro-averaged F1.
func (a answered) f1() float64 {
	confusion := mat.NewDense(a.classes, a.classes, nil) // row: truth, column: answer
	for i, label := range a.labels {
		said := floats.MaxIdx(a.probabilities[i])
		confusion.Set(label, said, confusion.At(label, said)+1)
	}
	var each []float64
	for class := range a.classes {
		// Truths and answers of the class: 2 TP + FN + FP.
		if seen := mat.Sum(confusion.RowView(class)) + mat.Sum(confusion.ColView(class)); seen > 0 {
			each = append(each, 2*confusion.At(class, class)/seen)
		}
	}
	return stat.Mean(each, nil)
}

func (a answered) logLoss() float64 {
	losses := make([]float64, len(a.labels))
	for i, label := range a.labels {
		losses[i] = min(stat.CrossEntropy(a.truth(label), a.probabilities[i]), worstLoss)
	}
	return max(0, 1-stat.Mean(losses, nil)/math.Log(float64(a.classes)))
}

func (a answered) rmse() float64 {
	squares := make([]float64, len(a.labels))
	for i, label := range a.labels {
		distance := floats.Distance(a.probabilities[i], a.truth(label), 2)
		squares[i] = distance * distance
	}
	blind := math.Sqrt(1 - 1/float64(a.classes))
	return max(0, 1-math.Sqrt(stat.Mean(squares, nil))/blind)
}

func (a answered) truth(label int) []float64 {
	truth := make([]float64, a.classes)
	truth[label] = 1
	return truth
}
