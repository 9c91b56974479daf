package experiment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Defaults of intervals.
const (
	DefaultConfidence = 0.95
	DefaultBootstrap  = 1000
	maxBootstrap      = 1_000_000
)

// Interval is a confidence interval.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// checkIntervals fills in the defaults of a confidence and a number of resamples.
func checkIntervals(confidence *float64, bootstrap *int) error {
	if *confidence == 0 {
		*confidence = DefaultConfidence
	}
	if *bootstrap == 0 {
		*bootstrap = DefaultBootstrap
	}
	if !(*confidence > 0 && *confidence < 1) {
		return fmt.Errorf("%w: confidence %g, want more than 0 and less than 1", ErrOptions, *confidence)
	}
	if *bootstrap < 0 || *bootstrap > maxBootstrap {
		return fmt.Errorf("%w: %d bootstrap resamples, want 1 to %d", ErrOptions, *bootstrap, maxBootstrap)
	}
	return nil
}

// moments returns mean and sample variance by Welford's update.
func moments(values []float64) (mean, variance float64) {
	var s cellMoments
	s.add(0, values)
	if len(values) < 2 {
		return s.mean, 0
	}
	return s.mean, s.squares / float64(len(values)-1)
}

// studentInterval is the t-interval of a mean.
func studentInterval(mean, variance float64, n int, confidence float64) Interval {
	if n < 2 || variance == 0 {
		return Interval{mean, mean}
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}.Quantile(0.5 + confidence/2)
	half := t * math.Sqrt(variance/float64(n))
	return Interval{mean - half, mean + half}
}

// bootstrapInterval is the percentile interval of a statistic of n things that are drawn with replacement.
func bootstrapInterval(n, resamples int, confidence float64, source *rand.Rand, statistic func(drawn []int) float64) Interval {
	drawn, values := make([]int, n), make([]float64, resamples)
	for i := range values {
		for k := range drawn {
			drawn[k] = source.IntN(n)
		}
		values[i] = statistic(drawn)
	}
	slices.Sort(values)
	return Interval{sortedQuantile(values, (1-confidence)/2), sortedQuantile(values, (1+confidence)/2)}
}

// sortedQuantile is the quantile of sorted values, of type 7.
func sortedQuantile(values []float64, p float64) float64 {
	rank := p * float64(len(values)-1)
	i := min(int(rank), len(values)-1)
	return between(rank, float64(i), values[i], float64(i+1), values[min(i+1, len(values)-1)])
}

// distribution describes values, in the order of their runs.
func distribution(values, probabilities []float64) Distribution {
	mean, variance := moments(values)
	sorted := slices.Sorted(slices.Values(values))
	d := Distribution{Runs: len(values), Mean: mean, SD: math.Sqrt(variance), Min: sorted[0], Max: sorted[len(sorted)-1]}
	for _, p := range probabilities {
		d.Quantiles = append(d.Quantiles, sortedQuantile(sorted, p))
	}
	return d
}

func meanOf(values []float64, drawn []int) float64 {
	sum := 0.0
	for _, i := range drawn {
		sum += values[i]
	}
	return sum / float64(len(drawn))
}
