package fixed_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/plexusnet/plexus/consensus/fixed"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// number draws values that reach every corner: limits, powers of two, small and arbitrary bits.
func number() *rapid.Generator[fixed.I32F32] {
	corner := rapid.SampledFrom([]int64{0, 1, -1, 1 << 32, -1 << 32, 1<<32 - 1, 1<<32 + 1, 1 << 62, math.MaxInt64, math.MinInt64, math.MinInt64 + 1})
	return rapid.Custom(func(t *rapid.T) fixed.I32F32 {
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			return fixed.I32F32(corner.Draw(t, "corner"))
		}
		return fixed.I32F32(rapid.Int64().Draw(t, "bits") >> rapid.IntRange(0, 63).Draw(t, "shift"))
	})
}

func saturate(v *big.Int) fixed.I32F32 {
	if v.IsInt64() {
		return fixed.I32F32(v.Int64())
	}
	if v.Sign() < 0 {
		return fixed.Min
	}
	return fixed.Max
}

func TestArithmeticMatchesBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := number().Draw(t, "x"), number().Draw(t, "y")
		bx, by := big.NewInt(int64(x)), big.NewInt(int64(y))

		require.Equal(t, saturate(new(big.Int).Add(bx, by)), x.Add(y), "add")
		require.Equal(t, saturate(new(big.Int).Sub(bx, by)), x.Sub(y), "sub")
		// big.Int's Rsh is an arithmetic shift (a floor), its Quo truncates.
		require.Equal(t, saturate(new(big.Int).Rsh(new(big.Int).Mul(bx, by), 32)), x.Mul(y), "mul")
		want := fixed.Zero
		if y != 0 {
			want = saturate(new(big.Int).Quo(new(big.Int).Lsh(bx, 32), by))
		}
		require.Equal(t, want, x.Div(y), "div")
	})
}

func TestProportions(t *testing.T) {
	for v := 0; v <= math.MaxUint16; v++ {
		x := fixed.FromU16(uint16(v))
		require.Equal(t, fixed.FromInt(int64(v)).Div(fixed.FromInt(math.MaxUint16)), x)
	}
	require.Equal(t, uint16(math.MaxUint16), fixed.One.U16())
	require.Equal(t, uint16(math.MaxUint16), fixed.Max.U16())
	require.Equal(t, uint16(0), fixed.I32F32(-1).U16())
	require.Equal(t, uint16(math.MaxUint16-1), (fixed.One - 1).U16())
	require.Equal(t, fixed.One, fixed.FromRatio(math.MaxUint64, math.MaxUint64))
	require.Equal(t, fixed.Zero, fixed.FromRatio(5, 0))
	require.Equal(t, fixed.Max, fixed.FromRatio(math.MaxUint64, 1))
	rapid.Check(t, func(t *rapid.T) {
		x := fixed.I32F32(rapid.Int64Range(0, int64(fixed.One)).Draw(t, "x"))
		n := rapid.Uint64().Draw(t, "n")
		want := new(big.Int).Rsh(new(big.Int).Mul(big.NewInt(int64(x)), new(big.Int).SetUint64(n)), 32)
		require.Equal(t, want.Uint64(), x.MulInt(n))
	})
}

// exactExp is the series of the protocol on big integers.
func exactExp(x fixed.I32F32) (bits int64, fits bool) {
	bx := new(big.Int).Abs(big.NewInt(int64(x)))
	term, sum := new(big.Int).Set(bx), new(big.Int).Add(bx, big.NewInt(1<<32))
	for i := int64(2); i <= 31; i++ {
		term.Rsh(term.Mul(term, bx), 32)
		if !term.IsInt64() {
			return 0, false
		}
		term.Quo(term, big.NewInt(i))
		if sum.Add(sum, term); !sum.IsInt64() {
			return 0, false
		}
	}
	if x < 0 {
		sum.Quo(new(big.Int).Lsh(big.NewInt(1), 64), sum)
	}
	return sum.Int64(), true
}

func TestExpIsTheSeries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := fixed.I32F32(rapid.Int64Range(-25<<32, 25<<32).Draw(t, "x"))
		want, fits := exactExp(x)
		switch {
		case fits:
			require.Equal(t, fixed.I32F32(want), fixed.Exp(x))
		case x > 0:
			require.Equal(t, fixed.Max, fixed.Exp(x))
		default:
			require.Equal(t, fixed.Zero, fixed.Exp(x))
		}
		if math.Abs(x.Float64()) < 10 {
			require.InEpsilon(t, math.Exp(x.Float64()), fixed.Exp(x).Float64(), 2e-5)
		}
	})
	require.Equal(t, fixed.One, fixed.Exp(0))
	require.Equal(t, fixed.Max, fixed.Exp(fixed.Max))
	require.Equal(t, fixed.Zero, fixed.Exp(fixed.Min))
}

func FuzzArithmetic(f *testing.F) {
	f.Add(int64(1), int64(0))
	f.Add(int64(math.MinInt64), int64(-1))
	f.Add(int64(math.MaxInt64), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, a, b int64) {
		x, y := fixed.I32F32(a), fixed.I32F32(b)
		if got, want := x.Mul(y), saturate(new(big.Int).Rsh(new(big.Int).Mul(big.NewInt(a), big.NewInt(b)), 32)); got != want {
			t.Fatalf("%d*%d = %d, want %d", a, b, got, want)
		}
		want := fixed.Zero
		if b != 0 {
			want = saturate(new(big.Int).Quo(new(big.Int).Lsh(big.NewInt(a), 32), big.NewInt(b)))
		}
		if got := x.Div(y); got != want {
			t.Fatalf("%d/%d = %d, want %d", a, b, got, want)
		}
		if e := fixed.Exp(x); e < 0 {
			t.Fatalf("exp(%d) = %d is negative", a, e)
		}
		if s := fixed.Sigmoid(x, y, fixed.One); s < 0 || s > fixed.One {
			t.Fatalf("sigmoid(%d, %d) = %d is no proportion", a, b, s)
		}
	})
}
