package subnet

import (
	"encoding/binary"
	"math"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSplitValidate(t *testing.T) {
	require.NoError(t, DefaultSplit().Validate())
	require.NoError(t, Split{Owner: 10_000}.Validate())
	for _, s := range []Split{{}, {Owner: 9999}, {Owner: 1800, Miners: 4100, Validators: 4101}, {math.MaxUint32, math.MaxUint32, 10_002}} {
		require.ErrorIs(t, s.Validate(), ErrInvalidParams, "%+v", s)
	}
}

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		name   string
		amount uint64
		want   Parts
	}{
		{"nothing", 0, Parts{}},
		{"too little to divide", 1, Parts{Rest: 1}},
		{"an odd amount", 10_001, Parts{1800, 4100, 4100, 1}},
		{"a block", PLX, Parts{180_000_000, 410_000_000, 410_000_000, 0}},
		{"an odd epoch", 360*PLX + 7, Parts{64_800_000_001, 147_600_000_002, 147_600_000_002, 2}},
		{"the largest number", math.MaxUint64, Parts{3320413933267719290, 7563165070220916162, 7563165070220916162, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := DefaultSplit().Divide(c.amount)
			c.want.Rest = c.amount - c.want.Owner - c.want.Miners - c.want.Validators
			require.Equal(t, c.want, got)
			require.Less(t, got.Rest, uint64(3), "rounding leaves less than a unit for each of three")
		})
	}
}

func TestDivideLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		owner := rapid.Uint32Range(0, 10_000).Draw(t, "owner")
		miners := rapid.Uint32Range(0, 10_000-owner).Draw(t, "miners")
		s := Split{owner, miners, 10_000 - owner - miners}
		amount := rapid.Uint64().Draw(t, "amount")
		p := s.Divide(amount)
		if p.Owner+p.Miners+p.Validators+p.Rest != amount || p.Rest > 2 {
			t.Fatalf("%+v of %d", p, amount)
		}
	})
}

func TestApportion(t *testing.T) {
	for _, c := range []struct {
		name         string
		amount       uint64
		shares, want []uint64
	}{
		{"nobody", 5, nil, []uint64{}},
		{"all shares zero", 5, []uint64{0, 0}, []uint64{0, 0}},
		{"one takes all", 5, []uint64{9}, []uint64{5}},
		{"ties go to the lower index", 5, []uint64{1, 1, 1}, []uint64{2, 2, 1}},
		{"the largest remainder first", 10, []uint64{1, 2, 4}, []uint64{1, 3, 6}},
		{"a share of zero gets nothing", 7, []uint64{0, 3, 0}, []uint64{0, 7, 0}},
		{"less than one each", 2, []uint64{1, 1, 1}, []uint64{1, 1, 0}},
		{"a single unit", 1, []uint64{1, 5, 5}, []uint64{0, 1, 0}},
		{"the largest numbers", math.MaxUint64, []uint64{math.MaxUint64 - 1, 1}, []uint64{math.MaxUint64 - 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, Apportion(c.amount, c.shares)) })
	}
}

// checkApportion states what Apportion promises.
func checkApportion(t require.TestingT, amount uint64, shares []uint64) {
	parts := Apportion(amount, shares)
	require.Len(t, parts, len(shares))
	sum, given := uint64(0), uint64(0)
	for _, s := range shares {
		sum += s
	}
	for i, p := range parts {
		given += p
		if shares[i] == 0 {
			require.Zero(t, p, "index %d has no share", i)
			continue
		}
		hi, lo := bits.Mul64(amount, shares[i])
		floor, rest := bits.Div64(hi, lo, sum)
		require.GreaterOrEqual(t, p, floor)
		if rest == 0 {
			require.Equal(t, floor, p, "an exact share is not rounded")
		} else {
			require.LessOrEqual(t, p-floor, uint64(1))
		}
	}
	if sum == 0 {
		require.Zero(t, given)
	} else {
		require.Equal(t, amount, given, "shares %v", shares)
	}
}

func TestApportionGivesEveryUnitToSomebody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares := rapid.SliceOfN(rapid.Uint64Range(0, math.MaxUint64/64), 0, 64).Draw(t, "shares")
		checkApportion(t, rapid.Uint64().Draw(t, "amount"), shares)
	})
}

func FuzzApportion(f *testing.F) {
	f.Add(uint64(1), []byte{0, 0, 0, 1, 0, 0, 0, 1})
	f.Add(uint64(math.MaxUint64), []byte{255, 255, 255, 255, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, amount uint64, raw []byte) {
		var shares []uint64
		for ; len(raw) >= 4 && len(shares) < 4096; raw = raw[4:] {
			shares = append(shares, uint64(binary.BigEndian.Uint32(raw)))
		}
		checkApportion(t, amount, shares)
	})
}

func BenchmarkApportion(b *testing.B) {
	for _, n := range []int{1, 64, 1024} {
		shares := RootShares(nil, n)
		b.Run(benchName("subnets", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Apportion(PLX-1, shares)
			}
		})
	}
}
