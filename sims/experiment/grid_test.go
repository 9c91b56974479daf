package experiment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// feed adds values to a grid of one cell, in batches.
func feed(g *grid, values []float64, batch int) {
	g.grow(1)
	m := newMerger(g, batch)
	for chunk := range slices.Chunk(values, batch) {
		m.row(0, len(chunk), func(run int) []float64 { return chunk[run : run+1] })
	}
}

var probabilities = []float64{0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999}

// rankError is how far a value is from the quantile of p, in shares of all values: 0 if it lies between the values
// that rank around p.
func rankError(sorted []float64, value, p float64) float64 {
	n := float64(len(sorted))
	low, _ := slices.BinarySearch(sorted, value)
	high := low
	for high < len(sorted) && sorted[high] == value {
		high++
	}
	rank := p * (n - 1)
	// The value is as good as any rank from low-1 to high.
	return max(0, float64(low-1)-rank, rank-float64(high)) / n
}

// shapes are distributions to draw from; the seeds are fixed, so nothing here depends on luck.
var shapes = map[string]func(r *rand.Rand) float64{
	"uniform":     func(r *rand.Rand) float64 { return r.Float64() },
	"normal":      func(r *rand.Rand) float64 { return r.NormFloat64() },
	"exponential": func(r *rand.Rand) float64 { return r.ExpFloat64() },
	"lognormal":   func(r *rand.Rand) float64 { return math.Exp(2 * r.NormFloat64()) },
	"two humps":   func(r *rand.Rand) float64 { return r.NormFloat64() + 100*float64(r.IntN(2)) },
	"few values":  func(r *rand.Rand) float64 { return float64(r.IntN(5)) },
	"heavy tails": func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -2) },
}

// TestSketchErrorIsSmall is where docs/simulation.md has its figures from: the greatest error of a quantile's rank.
func TestSketchErrorIsSmall(t *testing.T) {
	for _, test := range []struct {
		size, runs    int
		middle, tails float64 // bounds of the error between 5 % and 95 %, and beyond
	}{
		{leastSketch, 1000, 0.04, 0.01},
		{38, 1000, 0.02, 0.006},
		{128, 10_000, 0.01, 0.002},
		{1024, 100_000, 0.002, 0.0003},
	} {
		worstMiddle, worstTails, worstFew := 0.0, 0.0, 0.0
		for name, draw := range shapes {
			for _, order := range []string{"as drawn", "rising", "falling"} {
				source := rand.New(rand.NewPCG(uint64(test.size), 1))
				values := make([]float64, test.runs)
				for i := range values {
					values[i] = draw(source)
				}
				sorted := slices.Sorted(slices.Values(values))
				switch order {
				case "rising":
					values = sorted
				case "falling":
					values = slices.Clone(sorted)
					slices.Reverse(values)
				}
				g := newGrid(1, test.size)
				feed(g, values, 20)
				d := g.cellAt(0, 0, probabilities)
				for i, p := range probabilities {
					e := rankError(sorted, d.Quantiles[i], p)
					if name == "few values" { // a centroid may hold two neighbouring values
						worstFew = max(worstFew, e)
						require.LessOrEqual(t, e, 2.5/float64(test.size), "%s %s, size %d, p %g", name, order, test.size, p)
						continue
					}
					if p < 0.05 || p > 0.95 {
						worstTails = max(worstTails, e)
						require.LessOrEqual(t, e, test.tails, "%s %s, size %d, p %g", name, order, test.size, p)
					} else {
						worstMiddle = max(worstMiddle, e)
						require.LessOrEqual(t, e, test.middle, "%s %s, size %d, p %g", name, order, test.size, p)
					}
				}
			}
		}
		t.Logf("%4d centroids, %6d runs: rank error at most %.2f %% from 5 %% to 95 %%, %.3f %% beyond; few distinct values %.2f %%",
			test.size, test.runs, 100*worstMiddle, 100*worstTails, 100*worstFew)
	}
}

// TestSketchKeepsItsPromises: whatever comes in whatever batches, weights and bounds hold, and as long as values fit they
// are exact.
func TestSketchKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(4, 60).Draw(t, "size")
		batch := rapid.IntRange(1, 64).Draw(t, "batch")
		values := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-1e6, 1e6), rapid.SampledFrom([]float64{0, 1, 1, 1e300, -1e300})), 1, 300).Draw(t, "values")
		g := newGrid(1, size)
		feed(g, values, batch)
		at := g.at[0]
		used := int(at.slab.used[0])
		total := uint32(0)
		for _, w := range at.slab.weights[:used] {
			require.Positive(t, w)
			total += w
		}
		require.EqualValues(t, len(values), total)
		require.LessOrEqual(t, used, size)
		require.True(t, slices.IsSorted(at.slab.means[:used]))
		d := g.cellAt(0, 0, probabilities)
		require.True(t, slices.IsSorted(d.Quantiles))
		sorted := slices.Sorted(slices.Values(values))
		require.Equal(t, sorted[0], d.Min)
		require.Equal(t, sorted[len(sorted)-1], d.Max)
		for i, p := range probabilities {
			require.GreaterOrEqual(t, d.Quantiles[i], d.Min)
			require.LessOrEqual(t, d.Quantiles[i], d.Max)
			if len(values) <= size {
				require.InDelta(t, sortedQuantile(sorted, p), d.Quantiles[i], 1e-9*math.Abs(d.Quantiles[i]))
			}
		}
	})
}

// TestConstantsStayExact: what never varies has that value in every figure, to the last bit.
func TestConstantsStayExact(t *testing.T) {
	g := newGrid(1, 30)
	values := slices.Repeat([]float64{0.1}, 1000)
	feed(g, values, 16)
	d := g.cellAt(0, 0, probabilities)
	require.Equal(t, Distribution{Runs: 1000, Mean: 0.1, Min: 0.1, Max: 0.1, Quantiles: slices.Repeat([]float64{0.1}, len(probabilities))}, d)
}

func TestWelfordOfLargeNumbers(t *testing.T) {
	values := []float64{1e15 + 1, 1e15 + 2, 1e15 + 3}
	mean, variance := moments(values)
	require.Equal(t, 1e15+2, mean)
	require.Equal(t, 1.0, variance)
}

func BenchmarkMerge(b *testing.B) {
	for _, size := range []int{38, 128, 1000} {
		b.Run(fmt.Sprintf("%d centroids", size), func(b *testing.B) {
			const batch = 20
			source, g := rand.New(rand.NewPCG(1, 2)), newGrid(1, size)
			g.grow(1)
			m := newMerger(g, batch)
			values := make([]float64, batch)
			n := 0
			for b.Loop() {
				for i := range values {
					values[i] = source.NormFloat64()
				}
				m.row(0, batch, func(run int) []float64 { return values[run : run+1] })
				n += batch
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/value")
		})
	}
}
