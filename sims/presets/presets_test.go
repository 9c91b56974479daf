package presets_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/presets"
)

func TestPublishedFigures(t *testing.T) {
	checks, err := presets.Checks(context.Background())
	require.NoError(t, err)
	checked := map[string]bool{}
	for _, c := range checks {
		t.Run(c.Preset+"/"+c.Figure, func(t *testing.T) {
			require.InDelta(t, c.Published, c.Computed, c.Tolerance)
			require.True(t, c.Passes())
		})
		checked[c.Preset] = true
	}
	for _, name := range presets.Names() {
		require.True(t, checked[name], "%s is checked by nothing", name)
	}
}

func TestCheckCanFail(t *testing.T) {
	require.False(t, presets.Check{Published: 1, Computed: 1.2, Tolerance: 0.1}.Passes())
	require.False(t, presets.Check{Published: 1, Computed: math.NaN(), Tolerance: 0.1}.Passes())
}

func TestPresetsAreDescribed(t *testing.T) {
	for _, p := range presets.All() {
		t.Run(p.Name, func(t *testing.T) {
			require.NotEmpty(t, p.Title)
			require.NotEmpty(t, p.About)
			require.NotEmpty(t, p.Source)
			require.NotEmpty(t, p.Certainty)
			for _, param := range p.Params {
				require.NotEmpty(t, param.Doc, param.Name)
				require.NotEmpty(t, param.Unit, param.Name)
				require.LessOrEqual(t, param.Min, param.Default, param.Name)
				require.GreaterOrEqual(t, param.Max, param.Default, param.Name)
			}
			model, err := presets.New(p.Name, nil)
			require.NoError(t, err)
			require.NotEmpty(t, model.Columns())
		})
	}
}

// Every parameter at either end of its range gives a run whose books balance and whose numbers are finite.
func TestBoundsOfParameters(t *testing.T) {
	for _, p := range presets.All() {
		for _, param := range p.Params {
			for _, x := range []float64{param.Min, param.Max} {
				if param.Name == "years" {
					x = min(x, 2*param.Default)
				}
				model, err := presets.New(p.Name, map[string]float64{param.Name: x})
				require.NoError(t, err)
				err = model.Run(context.Background(), 1, sims.RecorderFunc(func(step uint64, _ float64, values []float64) error {
					for i, v := range values {
						require.False(t, math.IsNaN(v) || math.IsInf(v, 0), "%s with %s = %g: %s at step %d", p.Name, param.Name, x, model.Columns()[i].Name, step)
					}
					return nil
				}))
				require.NoError(t, err, "%s with %s = %g", p.Name, param.Name, x)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		preset string
		params map[string]float64
		says   []string
	}{
		"unknown preset":    {"dogecoin", nil, []string{`"dogecoin"`, "bittensor"}},
		"unknown parameter": {"helium", map[string]float64{"halvings": 1}, []string{`"halvings"`, "burned"}},
		"too large":         {"bittensor", map[string]float64{"recycled": 1.5}, []string{"recycled is 1.5", "0 to 1"}},
		"not a number":      {"bittensor", map[string]float64{"recycled": math.NaN()}, []string{"NaN"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := presets.New(c.preset, c.params)
			require.ErrorIs(t, err, presets.ErrPreset)
			for _, s := range c.says {
				require.ErrorContains(t, err, s)
			}
		})
	}
}

// column returns a column of a run by step.
func column(t *testing.T, preset string, params map[string]float64, name string) map[uint64]float64 {
	t.Helper()
	model, err := presets.New(preset, params)
	require.NoError(t, err)
	out := map[uint64]float64{}
	for i, c := range model.Columns() {
		if c.Name != name {
			continue
		}
		require.NoError(t, model.Run(context.Background(), 1, sims.RecorderFunc(func(step uint64, _ float64, values []float64) error {
			out[step] = values[i]
			return nil
		})))
		return out
	}
	t.Fatalf("%s has no column %s", preset, name)
	return nil
}

func TestBittensorHalvesAtItsBlocks(t *testing.T) {
	const recorded = 4 * 1800 // blocks between records
	supply := column(t, "bittensor", map[string]float64{"years": 20}, "supply")
	for blocks, issued := range map[uint64]float64{10_500_000: 10.5e6, 21_000_000: 15.75e6, 31_500_000: 18.375e6} {
		before := supply[blocks/recorded*4]
		require.InDelta(t, issued, before, recorded, "after %d blocks", blocks)
		require.LessOrEqual(t, before, issued, "after %d blocks", blocks)
		require.Greater(t, supply[(blocks/recorded+1)*4], issued, "after %d blocks", blocks)
	}
	recycled := column(t, "bittensor", map[string]float64{"years": 20, "recycled": 0.3}, "reward")
	plain := column(t, "bittensor", map[string]float64{"years": 20}, "reward")
	last := uint64(20 * 365 * 4)
	require.Less(t, plain[last], recycled[last], "burning delays the halving")
}

func TestHeliumMintsAgainWhatIsBurned(t *testing.T) {
	// Under the cap the supply is as if nothing were burned, but for the day between.
	plain := column(t, "helium", map[string]float64{"years": 10}, "supply")
	little := column(t, "helium", map[string]float64{"years": 10, "burned": 1000}, "supply")
	require.InDelta(t, plain[3650]-1000, little[3650], 1e-3)
	much := column(t, "helium", map[string]float64{"years": 10, "burned": 3000}, "supply")
	require.InDelta(t, plain[3650]-3650*3000+3649*34.24*48, much[3650], 1e-3)
}

func TestDeepbrainReleasesWithin150Days(t *testing.T) {
	vesting := column(t, "deepbrain", map[string]float64{"years": 2}, "vesting")
	daily := 0.75 * 1e9 / 365
	require.InEpsilon(t, daily*(150+1)/2, vesting[700], 1e-9, "a pipe of 150 days holds half of what entered in them")
	rent := column(t, "deepbrain", map[string]float64{"years": 14, "rent": 1e5}, "mined")
	plain := column(t, "deepbrain", map[string]float64{"years": 14}, "mined")
	require.InDelta(t, plain[8*365], rent[8*365], 1)
	require.InDelta(t, plain[13*365]+0.5*1e5*8*365, rent[13*365], 1e-2, "half of the rent of eight years comes back in the next five")
}

func TestFilecoinLocks(t *testing.T) {
	vesting := column(t, "filecoin", nil, "vesting")
	minted := column(t, "filecoin", nil, "minted_to_vesting")
	expected := 0.0
	for age := range uint64(180) {
		expected += minted[1000-age] * (1 - float64(age)/180)
	}
	require.InEpsilon(t, expected, vesting[1000], 1e-6)
	// FIP-0081 raises the pledge where quality-adjusted power is under the baseline.
	with := column(t, "filecoin", map[string]float64{"years": 6.5}, "required")
	without := column(t, "filecoin", map[string]float64{"years": 6.5, "gamma_day": 1e5}, "required")
	require.InEpsilon(t, without[1500], with[1500], 1e-12)
	require.Greater(t, with[2000], without[2000])
}

func TestFilecoinWithoutPowerMintsOnlySimply(t *testing.T) {
	mined := column(t, "filecoin", map[string]float64{"power_start": 0.001, "power_doubling": 1e6, "power_peak": 0.0011, "years": 3}, "mined")
	simple := column(t, "filecoin", map[string]float64{"years": 3}, "simple_minted")
	require.InEpsilon(t, simple[3*365], mined[3*365], 0.01)
	require.Greater(t, mined[3*365], simple[3*365])
}

func TestLivepeerTurnsAtItsTarget(t *testing.T) {
	inflation := column(t, "livepeer", map[string]float64{"years": 1, "bonding": 0.005}, "inflation")
	require.Equal(t, 137+3*100.0, inflation[100], "half is bonded in round 100")
	require.Equal(t, 137+3*100.0-3*50, inflation[150])
}
