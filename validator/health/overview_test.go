package health

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestGather(t *testing.T) {
	seen := func(uid uint16, hotkey string, uptime, p50 float64, flags ...string) Miner {
		m := Miner{UID: uid, Hotkey: hotkey, Registered: 5, Model: "m", Uptime: uptime, Accuracy: uptime / 2, Flags: flags, Failures: map[string]int{"unavailable": 2}}
		if p50 > 0 {
			m.Latency = &Latency{P50: p50, P95: 2 * p50, P99: 3 * p50}
		}
		return m
	}
	newcomer := seen(1, "c", 1, 1)
	newcomer.Registered, newcomer.Model = 40, "better"
	overviews := Gather([]Subnet{
		{Hotkey: "v1", Height: 30, Miners: []Miner{seen(1, "a", 0.5, 0, "copy of uid 4"), seen(9, "b", 1, 4)}},
		{Hotkey: "v2", Height: 50, Miners: []Miner{newcomer}},
		{Hotkey: "v3", Height: 20, Miners: []Miner{seen(1, "a", 1, 8, "copy of uid 4", "dishonest, until 2026-01-01T00:00:00Z: far off"), seen(9, "b", 0.8, 2)}},
		{Hotkey: "v4", Height: 20, Miners: []Miner{seen(9, "b", 0, 0, "dishonest, until 2026-01-02T00:00:00Z: far off")}},
	})
	require.Len(t, overviews, 3)
	require.Equal(t, []string{"c", "a", "b"}, []string{overviews[0].Hotkey, overviews[1].Hotkey, overviews[2].Hotkey}, "by uid, then the newer first")

	a, b := overviews[1], overviews[2]
	require.Equal(t, Spread{Median: 0.75, Min: 0.5, Max: 1}, a.Uptime)
	require.Equal(t, map[string]int{"copy of uid 4": 2, "dishonest": 1}, a.Flags)
	require.Equal(t, map[string]int{"unavailable": 4}, a.Failures)
	require.Equal(t, &LatencySpread{P50: Spread{8, 8, 8}, P95: Spread{16, 16, 16}, P99: Spread{24, 24, 24}}, a.Latency, "v1 got no answer to time")
	require.Equal(t, Spread{Median: 0.8, Min: 0, Max: 1}, b.Uptime)
	require.Equal(t, Spread{Median: 3, Min: 2, Max: 4}, b.Latency.P50)
	require.Equal(t, []string{"v1", "v3", "v4"}, []string{b.Opinions[0].Validator, b.Opinions[1].Validator, b.Opinions[2].Validator})
	require.Empty(t, Gather(nil))
}

// The highest block tells what a miner serves now, in whatever order the reports came.
func TestGatherTakesTheModelOfTheHighestBlock(t *testing.T) {
	old := Subnet{Height: 10, Miners: []Miner{{Hotkey: "a", Model: "old"}}}
	fresh := Subnet{Height: 11, Miners: []Miner{{Hotkey: "a", Model: "new"}}}
	require.Equal(t, "new", Gather([]Subnet{old, fresh})[0].Model)
	require.Equal(t, "new", Gather([]Subnet{fresh, old})[0].Model)
	require.Nil(t, Gather([]Subnet{old})[0].Latency)
}

func TestFlagKind(t *testing.T) {
	for flag, kind := range map[string]string{
		"copy of uid 4": "copy of uid 4", "unlike itself: [latency]": "unlike itself", "dishonest, until 2026: why, so": "dishonest", ":": ":", "": "",
	} {
		require.Equal(t, kind, FlagKind(flag), flag)
	}
}

func TestAMedianLiesBetweenTheEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var reports []Subnet
		for _, uptime := range rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 9).Draw(t, "uptimes") {
			reports = append(reports, Subnet{Miners: []Miner{{Hotkey: "a", Uptime: uptime}}})
		}
		s := Gather(reports)[0].Uptime
		require.LessOrEqual(t, s.Min, s.Median)
		require.LessOrEqual(t, s.Median, s.Max)
	})
}
