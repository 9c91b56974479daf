package anomaly

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// How a Watch works; see the package's documentation.
const (
	History = 64  // rounds that are compared with
	Learn   = 16  // rounds before anything is flagged
	Relearn = 128 // flagged rounds after which the history starts anew

	allowance = 1.0
	limit     = 16.0
	worst     = 4.0 // the largest z
	quarter   = 0.25
	unfelt    = 0.01   // seconds of latency that matter little, added to all
	madScale  = 1.4826 // makes the median absolute deviation of a normal distribution its standard deviation
)

// Sample is a round of one miner.
type Sample struct {
	Score   float64 `json:"s"` // mean, 0 to 1
	Failed  float64 `json:"f"` // share of questions without an answer
	Latency float64 `json:"l"` // mean seconds; 0: nothing was answered
	Asked   int     `json:"n"`
}

// signals are what is watched, larger being worse.
const signals = 3

// signals returns what is watched of the sample. ok is false for one that the sample says nothing of.
func (s Sample) signals() (x [signals]float64, ok [signals]bool) {
	x[0], x[1] = -s.Score, s.Failed
	ok[0], ok[1] = s.Asked > 0, s.Asked > 0
	if s.Latency > 0 {
		x[2], ok[2] = math.Log(s.Latency+unfelt), true
	}
	return x, ok
}

// Delay is by how much latency is over what it was.
type Delay struct {
	Ratio   float64 // its logarithm, 10 ms added to both
	Seconds float64
}

// Slower is by how much the latency is over the median of the past; ok is false where there is too little to say.
func (w *Watch) Slower(s Sample) (by Delay, ok bool) {
	x, has := s.signals()
	past := w.past(2)
	if !has[2] || len(past) < Learn/2 {
		return Delay{}, false
	}
	middle := stat.Quantile(0.5, stat.Empirical, past, nil)
	return Delay{Ratio: x[2] - middle, Seconds: s.Latency - (math.Exp(middle) - unfelt)}, true
}

// Common is the delay of the miner in the middle, by ratio and by seconds, and nothing where that has become quicker: so
// nobody can make others look slow by becoming quick.
func Common(delays []Delay) Delay {
	if len(delays) == 0 {
		return Delay{}
	}
	middle := func(of func(Delay) float64) float64 {
		by := make([]float64, len(delays))
		for i, d := range delays {
			by[i] = of(d)
		}
		slices.Sort(by)
		return max(0, by[(len(by)-1)/2])
	}
	return Delay{
		Ratio:   middle(func(d Delay) float64 { return d.Ratio }),
		Seconds: middle(func(d Delay) float64 { return d.Seconds }),
	}
}

// Quicker is the sample with a delay taken off its latency, by ratio or by seconds, whichever leaves less: a machine that
// is busy takes longer for everything, a longer way takes the same of everybody.
func (s Sample) Quicker(by Delay) Sample {
	if s.Latency > 0 {
		s.Latency = max(min((s.Latency+unfelt)/math.Exp(by.Ratio)-unfelt, s.Latency-by.Seconds), math.SmallestNonzeroFloat64)
	}
	return s
}

// Watch follows one miner. The zero value is ready to use.
type Watch struct {
	Past    []Sample         // newest last
	Sums    [signals]float64 // S of score, failures and latency
	Flagged bool
	Since   int // rounds that it has been flagged
}

// Names of the signals, in the order of Sums.
func names() [signals]string { return [signals]string{"score", "failures", "latency"} }

// Reasons says which signals are out of the ordinary, worst first.
func (w *Watch) Reasons() []string {
	if !w.Flagged {
		return nil
	}
	order := []int{0, 1, 2}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case w.Sums[a] > w.Sums[b]:
			return -1
		case w.Sums[a] < w.Sums[b]:
			return 1
		}
		return 0
	})
	var out []string
	for _, i := range order {
		if w.Sums[i] > 0 {
			out = append(out, names()[i])
		}
	}
	return out
}

// Observe takes in a round.
func (w *Watch) Observe(s Sample) {
	if s.Asked <= 0 {
		return
	}
	if len(w.Past) < Learn {
		w.Past = append(w.Past, s)
		return
	}
	x, ok := s.signals()
	for i := range x {
		if ok[i] {
			w.Sums[i] = min(limit+worst, max(0, w.Sums[i]+w.z(i, x[i], s.Asked)-allowance))
		}
	}
	highest := max(w.Sums[0], w.Sums[1], w.Sums[2])
	switch {
	case highest >= limit:
		w.Flagged = true
	case highest == 0:
		w.Flagged = false
	}
	w.remember(s, highest)
}

// z compares a signal with the past. It is worst where the past knows nothing of the kind.
func (w *Watch) z(i int, x float64, asked int) float64 {
	past := w.past(i)
	if len(past) < Learn/2 {
		return 0
	}
	middle := stat.Quantile(0.5, stat.Empirical, past, nil)
	apart := make([]float64, len(past))
	for k, v := range past {
		apart[k] = math.Abs(v - middle)
	}
	slices.Sort(apart)
	deviation := max(madScale*stat.Quantile(0.5, stat.Empirical, apart, nil), chance(i, middle, asked))
	return min(worst, (x-middle)/deviation)
}

// past is what a signal was, in order of size.
func (w *Watch) past(i int) []float64 {
	var past []float64
	for _, s := range w.Past {
		if v, ok := s.signals(); ok[i] {
			past = append(past, v[i])
		}
	}
	slices.Sort(past)
	return past
}

// chance is how much a signal varies by chance alone, for a number of questions.
func chance(i int, middle float64, asked int) float64 {
	if i == 2 {
		return quarter
	}
	n := float64(asked)
	p := min(max(math.Abs(middle), 1/n), 1-1/n)
	return math.Sqrt(max(p*(1-p), 1/(4*n)) / n)
}

// remember makes an ordinary round part of the history.
func (w *Watch) remember(s Sample, highest float64) {
	if !w.Flagged {
		w.Since = 0
		if highest <= limit/2 {
			w.Past = append(w.Past, s)
			w.Past = slices.Clone(w.Past[max(0, len(w.Past)-History):])
		}
		return
	}
	if w.Since++; w.Since >= Relearn {
		*w = Watch{Past: []Sample{s}}
	}
}
