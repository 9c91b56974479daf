package subnet

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestBlockRewardGolden follows the vectors that the field's first chain gives.
func TestBlockRewardGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/halving.json")
	require.NoError(t, err)
	var golden struct {
		Rows []struct {
			Issuance uint64 `json:"total_issuance_rao"`
			Reward   uint64 `json:"block_emission_rao"`
		} `json:"rows"`
	}
	require.NoError(t, json.Unmarshal(raw, &golden))
	require.NotEmpty(t, golden.Rows)
	for _, row := range golden.Rows {
		require.Equal(t, row.Reward, BlockReward(row.Issuance), "issuance %d", row.Issuance)
	}
}

func TestBlockReward(t *testing.T) {
	for _, c := range []struct {
		name           string
		supply, reward uint64
	}{
		{"nothing issued", 0, PLX},
		{"one unit before the first halving", 10_500_000*PLX - 1, PLX},
		{"first halving", 10_500_000 * PLX, PLX / 2},
		{"second halving", 15_750_000 * PLX, PLX / 4},
		{"third halving", 18_375_000 * PLX, PLX / 8},
		{"one unit left", Cap - 1, 0},
		{"at the cap", Cap, 0},
		{"above the cap", Cap + 1, 0},
		{"the largest number", 1<<64 - 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.reward, BlockReward(c.supply)) })
	}
}

func TestRewardNeverPassesTheCapAndHalvesWhereItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		supply := rapid.Uint64Range(0, Cap+10).Draw(t, "supply")
		reward, next := BlockReward(supply), NextHalving(supply)
		if supply < Cap && supply+reward > Cap {
			t.Fatalf("supply %d + reward %d passes the cap", supply, reward)
		}
		if next > Cap || (supply < Cap && next <= supply) {
			t.Fatalf("next halving of %d is at %d", supply, next)
		}
		if supply < Cap && BlockReward(next-1) != reward {
			t.Fatalf("the reward changed before the halving at %d", next)
		}
		if next < Cap && BlockReward(next) != reward/2 {
			t.Fatalf("the reward at %d is %d, want half of %d", next, BlockReward(next), reward)
		}
	})
}

func BenchmarkBlockReward(b *testing.B) {
	for b.Loop() {
		BlockReward(Cap - 1)
	}
}
