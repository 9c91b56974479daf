package subnet

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestImmune(t *testing.T) {
	h := Hyperparams{ImmunityPeriod: 10}
	require.True(t, h.Immune(100, 100))
	require.True(t, h.Immune(100, 109))
	require.False(t, h.Immune(100, 110))
	require.False(t, Hyperparams{}.Immune(100, 100), "no period, no immunity")
	require.True(t, h.Immune(math.MaxUint64, 5), "no overflow")
}

func TestReplaceable(t *testing.T) {
	for _, c := range []struct {
		name    string
		minimum uint32
		neurons []Standing
		want    uint16
		err     error
	}{
		{"the lowest emission", 0, []Standing{{1, 5}, {1, 3}, {1, 4}}, 1, nil},
		{"then the older registration", 0, []Standing{{3, 5}, {2, 5}, {1, 6}}, 1, nil},
		{"then the lower uid", 0, []Standing{{1, 6}, {2, 5}, {2, 5}}, 1, nil},
		{"an immune one stays, however little it earns", 0, []Standing{{95, 0}, {1, 9}}, 1, nil},
		{"all immune", 0, []Standing{{95, 0}, {96, 0}}, 0, ErrSubnetFull},
		{"as many as must stay", 2, []Standing{{1, 5}, {1, 6}, {95, 0}}, 0, ErrSubnetFull},
		{"one more than must stay", 2, []Standing{{1, 5}, {1, 4}, {1, 6}, {95, 0}}, 1, nil},
		{"nobody", 0, nil, 0, ErrSubnetFull},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Hyperparams{ImmunityPeriod: 10, MinNonImmune: c.minimum}.Replaceable(c.neurons, 100)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestReplaceableIsTheWeakestThatMayGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Hyperparams{ImmunityPeriod: 10, MinNonImmune: rapid.Uint32Range(0, 4).Draw(t, "minimum")}
		neurons := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Standing {
			return Standing{rapid.Uint64Range(80, 100).Draw(t, "registered"), rapid.Uint64Range(0, 3).Draw(t, "emission")}
		}), 0, 12).Draw(t, "neurons")
		open := uint32(0)
		for _, n := range neurons {
			if n.Registered+10 <= 100 {
				open++
			}
		}
		out, err := h.Replaceable(neurons, 100)
		if (err == nil) != (open > h.MinNonImmune) {
			t.Fatalf("%d may go, %d must stay: %v", open, h.MinNonImmune, err)
		}
		if err != nil {
			return
		}
		gone := neurons[out]
		for uid, n := range neurons {
			if n.Registered+10 > 100 || uid == int(out) {
				continue
			}
			before := [3]uint64{n.Emission, n.Registered, uint64(uid)}
			chosen := [3]uint64{gone.Emission, gone.Registered, uint64(out)}
			for i := range before {
				if before[i] != chosen[i] {
					if before[i] < chosen[i] {
						t.Fatalf("uid %d should have gone, not %d", uid, out)
					}
					break
				}
			}
		}
	})
}
