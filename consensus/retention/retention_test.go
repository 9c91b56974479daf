package retention_test

import (
	"context"
	"math"
	"testing"

	"github.com/plexusnet/plexus/consensus/retention"
	"github.com/stretchr/testify/require"
)

// published are the figures read off the plots of Bittensor's consensus documentation: by honest stake, the needed
// honest utility in the base setting (sigma .4, kappa .5, beta 1, xi .5) and with one parameter changed.
var published = []struct {
	stake                            float64
	base, sigma0, sigma2, beta5, xi0 float64
}{
	{0.51, 0.886, 0.509, 0.705, 0.916, 0.926},
	{0.55, 0.764, 0.550, 0.660, 0.808, 0.848},
	{0.60, 0.733, 0.600, 0.667, 0.768, 0.824},
	{0.65, 0.732, 0.649, 0.691, 0.758, 0.820},
	{0.70, 0.749, 0.700, 0.724, 0.766, 0.827},
	{0.75, 0.777, 0.749, 0.764, 0.788, 0.840},
	{0.80, 0.813, 0.800, 0.807, 0.820, 0.858},
	{0.85, 0.856, 0.849, 0.854, 0.858, 0.885},
	{0.90, 0.904, 0.900, 0.902, 0.904, 0.917},
	{0.95, 0.951, 0.949, 0.950, 0.952, 0.955},
	{0.99, 0.990, 0.990, 0.990, 0.990, 0.990},
}

// tolerance is that of the published figures, for the mean of three seeds.
func tolerance(stake float64) float64 {
	if stake <= 0.55 {
		return 0.02
	}
	return 0.006
}

func TestPublishedRetention(t *testing.T) {
	const seeds = 3
	mean := func(t *testing.T, s retention.Setting) float64 {
		sum := 0.0
		for seed := range uint64(seeds) {
			s.Seed = seed + 1
			needed, err := retention.Needed(context.Background(), s, retention.Options{})
			require.NoError(t, err)
			sum += needed
		}
		return sum / seeds
	}
	for i, p := range published {
		if testing.Short() && i%5 != 2 {
			continue
		}
		change := func(f func(*retention.Setting)) retention.Setting {
			s := retention.Base(p.stake)
			f(&s)
			return s
		}
		require.InDelta(t, p.base, mean(t, retention.Base(p.stake)), tolerance(p.stake), "base, S_H %v", p.stake)
		if i%2 == 1 && p.stake != 0.55 {
			continue // every column at half of the stakes
		}
		require.InDelta(t, p.sigma0, mean(t, change(func(s *retention.Setting) { s.Sigma = 0 })), tolerance(p.stake), "sigma 0, S_H %v", p.stake)
		require.InDelta(t, p.sigma2, mean(t, change(func(s *retention.Setting) { s.Sigma = 0.2 })), tolerance(p.stake), "sigma .2, S_H %v", p.stake)
		require.InDelta(t, p.beta5, mean(t, change(func(s *retention.Setting) { s.Penalty = 0.5 })), tolerance(p.stake), "beta .5, S_H %v", p.stake)
		require.InDelta(t, p.xi0, mean(t, change(func(s *retention.Setting) { s.Xi = 0 })), tolerance(p.stake), "xi 0, S_H %v", p.stake)
	}
}

// TestHonestMajorityRetainsItsShare checks the source's other claims: major stake, honest utility, cabal utility and
// noise for which the honest majority keeps at least its share. The claims sit close to the line, so a single draw of
// the noise may miss it by a hair; the mean does not.
func TestHonestMajorityRetainsItsShare(t *testing.T) {
	const seeds, hair = 10, 0.0005
	for _, c := range []struct{ stake, honest, cabal, sigma float64 }{
		{0.51, 0.61, 0.8, 0.1}, {0.6, 0.74, 0.77, 0.4}, {0.6, 0.92, 1, 0.4}, {0.7, 0.83, 0.85, 1.0},
	} {
		mean := 0.0
		for seed := range uint64(seeds) {
			s := retention.Base(c.stake)
			s.Sigma, s.Seed = c.sigma, seed
			e, err := retention.Retained(s, c.honest, c.cabal)
			require.NoError(t, err)
			require.GreaterOrEqual(t, e, c.stake-hair, "%+v, seed %d", c, seed)
			mean += e / seeds
		}
		require.GreaterOrEqual(t, mean, c.stake, "%+v", c)
	}
}

// TestNeededIsThatOfTheMap compares the bisection with the whole grid, and worker counts with each other.
func TestNeededIsThatOfTheMap(t *testing.T) {
	s := retention.Base(0.6)
	s.Validators, s.Servers = 16, 64
	m, err := retention.Compute(context.Background(), s, retention.Options{Grid: 21})
	require.NoError(t, err)
	one, err := retention.Compute(context.Background(), s, retention.Options{Grid: 21, Workers: 1})
	require.NoError(t, err)
	require.Equal(t, one, m)
	needed, err := retention.Needed(context.Background(), s, retention.Options{Grid: 21})
	require.NoError(t, err)
	require.InDelta(t, m.Needed(), needed, 1e-12)
}

func TestBadSettings(t *testing.T) {
	for _, s := range []retention.Setting{
		{}, {HonestStake: 1}, {HonestStake: math.NaN()}, {HonestStake: 0.5, Kappa: 2}, {HonestStake: 0.5, Sigma: -1},
		{HonestStake: 0.5, Validators: 1, Servers: 5}, {HonestStake: 0.5, Xi: math.Inf(1)},
	} {
		_, err := retention.Compute(context.Background(), s, retention.Options{})
		require.ErrorIs(t, err, retention.ErrSetting)
	}
	_, err := retention.Compute(context.Background(), retention.Base(0.6), retention.Options{Grid: 1})
	require.ErrorIs(t, err, retention.ErrSetting)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = retention.Compute(ctx, retention.Base(0.6), retention.Options{})
	require.ErrorIs(t, err, context.Canceled)
}
