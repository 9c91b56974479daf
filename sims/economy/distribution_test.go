package economy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func lorenzOf(values ...float64) *lorenz {
	l := &lorenz{}
	for _, x := range values {
		l.add(x)
	}
	l.sort()
	return l
}

func TestLorenz(t *testing.T) {
	for _, c := range []struct {
		name     string
		held     []float64
		gini     float64
		p10, p50 float64
	}{
		{"nobody", nil, 0, 0.1, 0.5},
		{"nothing", []float64{0, 0}, 0, 0.1, 0.5},
		{"one", []float64{7}, 0, 0.1, 0.5},
		{"all the same", []float64{2, 2, 2, 2}, 0, 0.1, 0.5},
		{"one has it all", []float64{0, 0, 0, 8}, 0.75, 0, 0},
		{"one to four", []float64{4, 2, 3, 1}, 0.25, 0.04, 0.3},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := lorenzOf(c.held...)
			require.InDelta(t, c.gini, l.gini(), 1e-12)
			require.InDelta(t, c.p10, l.share(10), 1e-12)
			require.InDelta(t, c.p50, l.share(50), 1e-12)
			require.InDelta(t, 1, l.share(100), 1e-12)
		})
	}
}

// TestLorenzCurvesSag: below equality, rising, ever more steeply.
func TestLorenzCurvesSag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := lorenzOf(rapid.SliceOfN(rapid.Float64Range(0, 1e6), 1, 50).Draw(t, "held")...)
		last, slope := 0.0, 0.0
		for p := 1.0; p <= 100; p++ {
			now := l.share(p)
			require.LessOrEqual(t, now, p/100+1e-9)
			require.GreaterOrEqual(t, now-last, slope-1e-9)
			last, slope = now, now-last
		}
	})
}

// TestPartsSumToTheSupply at every record, in a network in which all parts
// have something.
func TestPartsSumToTheSupply(t *testing.T) {
	cfg := goldenConfigs()["everybody"]
	cfg.Blocks = 10 * 7200
	out := simulate(t, cfg, 1)
	most := map[string]float64{}
	for i := range out.rows {
		sum := 0.0
		for k, c := range out.columns {
			if strings.HasPrefix(c.Name, "stack.supply.") {
				sum += out.rows[i][k]
				most[c.Name] = max(most[c.Name], out.rows[i][k])
			}
		}
		require.InDelta(t, out.at(t, i, "supply"), sum, 1e-6)
		require.InDelta(t, out.at(t, i, "staked"), out.at(t, i, "stack.supply.staked")/out.at(t, i, "supply"), 1e-12)
	}
	require.Len(t, most, 7)
	for name, part := range most {
		if name != "stack.supply.channels" { // callers top up what they pay at once
			require.Positive(t, part, name)
		}
	}
}
