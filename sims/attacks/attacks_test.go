package attacks

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/sims/experiment"
)

// value is where a point of a sweep lies on one of its parameters.
func value(t *testing.T, g Gain, path string) float64 {
	t.Helper()
	for _, s := range g.Settings {
		if s.Path != path {
			continue
		}
		switch v := s.Value.(type) {
		case int:
			return float64(v)
		case int64:
			return float64(v)
		case uint64:
			return float64(v)
		case float64:
			return v
		}
		t.Fatalf("%s is %v", path, s.Value)
	}
	t.Fatalf("the sweep says nothing of %s", path)
	return 0
}

const (
	attackers = "network.validators.1.stake"
	kappa     = 0.5
)

// TestWhatAttacksEarn asserts the sign of what is known of each attack, at every
// point of its sweep.
func TestWhatAttacksEarn(t *testing.T) {
	for _, c := range []struct {
		attack string
		known  string
		wins   func(t *testing.T, g Gain) bool
	}{
		{"cabal", "loses below kappa, wins above", func(t *testing.T, g Gain) bool {
			stake := 4 * value(t, g, attackers)
			return stake/(stake+6000) > kappa
		}},
		{"whale", "loses below kappa, wins above", func(t *testing.T, g Gain) bool {
			stake := value(t, g, attackers)
			return stake/(stake+8000) > kappa
		}},
		{"copier", "wins where weights are plain, loses where they are hidden and quality moves", func(_ *testing.T, g Gain) bool {
			return g.Settings[0].Value == "off"
		}},
		{"lazy", "loses where quality moves", never},
		{"self", "loses with any stake", never},
		{"sybil", "wins where copies are not seen, loses where they are", func(t *testing.T, g Gain) bool {
			return value(t, g, "network.validators.0.detect_copies") == 0
		}},
		{"bots", "loses what it burns", never},
		{"wash", "loses at any demand_cap", never},
	} {
		t.Run(c.attack, func(t *testing.T) {
			a, err := Load(c.attack)
			require.NoError(t, err)
			table, err := a.Table(t.Context())
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(table), 3)
			for _, g := range table {
				t.Logf("%v: attacking %.1f PLX, honest %.1f PLX", g.Settings, g.Attack, g.Honest)
				if c.wins(t, g) {
					require.Positive(t, g.Of(), "%s: %v", c.known, g.Settings)
				} else {
					require.Negative(t, g.Of(), "%s: %v", c.known, g.Settings)
				}
			}
		})
	}
}

func never(*testing.T, Gain) bool { return false }

// TestEveryAttackIsTested so that none is added without a known result.
func TestEveryAttackIsTested(t *testing.T) {
	require.Equal(t, []string{"bots", "cabal", "copier", "lazy", "self", "sybil", "wash", "whale"}, Names())
	for _, name := range Names() {
		a, err := Load(name)
		require.NoError(t, err)
		require.Equal(t, name, a.Scenario.Name)
		require.NotEmpty(t, a.Doc)
	}
}

// TestHonestWhaleEarnsByItsStake: size alone brings nothing. What stake earns
// per PLX is the same for a small and a large honest validator.
func TestHonestWhaleEarnsByItsStake(t *testing.T) {
	a, err := Load("whale")
	require.NoError(t, err)
	var perPLX []float64
	for _, stake := range []float64{1000, 4000} {
		g, err := a.Gain(t.Context(), experiment.Setting{Path: attackers, Value: stake},
			// The others make room, so that all stake is the same.
			experiment.Setting{Path: "network.validators.0.stake", Value: (12_000 - stake) / 8})
		require.NoError(t, err)
		perPLX = append(perPLX, g.Honest/stake)
	}
	require.InEpsilon(t, perPLX[0], perPLX[1], 0.02)
}

// TestWashingLosesMoreTheMoreItPays, at every cap.
func TestWashingLosesMoreTheMoreItPays(t *testing.T) {
	a, err := Load("wash")
	require.NoError(t, err)
	for _, limit := range []float64{0, 10_000} {
		last := 0.0
		for _, requests := range []float64{1e6, 5e6, 20e6} {
			g, err := a.Gain(t.Context(), experiment.Setting{Path: "network.protocol.demand_cap", Value: limit},
				experiment.Setting{Path: "network.callers.0.requests", Value: requests})
			require.NoError(t, err)
			require.Less(t, g.Of(), last, "demand_cap %v, %v requests a day", limit, requests)
			last = g.Of()
		}
	}
}

func TestUnknownAttacksAreNamed(t *testing.T) {
	_, err := Load("kindness")
	require.ErrorIs(t, err, ErrUnknown)
	require.ErrorContains(t, err, "cabal")
}

func ExampleNames() {
	fmt.Println(Names())
	// Output: [bots cabal copier lazy self sybil wash whale]
}
