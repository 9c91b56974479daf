package payment_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/payment"
)

func TestCharge(t *testing.T) {
	for _, c := range []struct {
		name  string
		price payment.Price
		usage payment.Usage
		want  uint64
	}{
		{"a gift", payment.Price{}, payment.Usage{Input: 1 << 30, Output: 1 << 30, Compute: time.Hour}, 0},
		{"per request only", payment.Price{Request: 500}, payment.Usage{Input: 1 << 20, Compute: time.Second}, 500},
		{"a KiB of input", payment.Price{Input: 7}, payment.Usage{Input: 1024}, 7},
		{"a byte of input", payment.Price{Input: 7}, payment.Usage{Input: 1}, 1},
		{"a KiB of output", payment.Price{Output: 7}, payment.Usage{Output: 1024}, 7},
		{"a second", payment.Price{Compute: 7}, payment.Usage{Compute: time.Second}, 7},
		{"a nanosecond", payment.Price{Compute: 7}, payment.Usage{Compute: 1}, 1},
		{"rounded up once: halves of input and output", payment.Price{Input: 1, Output: 1}, payment.Usage{Input: 512, Output: 512}, 1},
		{"rounded up once: a half and half a second", payment.Price{Input: 1, Compute: 1}, payment.Usage{Input: 512, Compute: time.Second / 2}, 1},
		{"rounded up once: a nanosecond more", payment.Price{Input: 1, Compute: 1}, payment.Usage{Input: 512, Compute: time.Second/2 + 1}, 2},
		{"almost three wholes of rest", payment.Price{Input: 1023, Output: 1023, Compute: 999_999_999}, payment.Usage{Input: 1, Output: 1, Compute: 1}, 3},
		{"all parts", payment.Price{Request: 1000, Input: 10, Output: 20, Compute: 1_000_000},
			payment.Usage{Input: 3136, Output: 40, Compute: 1500 * time.Microsecond}, 1000 + 1532}, // 30.625 + 0.78125 + 1500
		{"a clock that ran backwards", payment.Price{Request: 3, Compute: 1000}, payment.Usage{Compute: -time.Second}, 3},
		{"saturates in a part", payment.Price{Input: math.MaxUint64}, payment.Usage{Input: math.MaxUint64}, math.MaxUint64},
		{"saturates in the sum", payment.Price{Request: math.MaxUint64, Input: 1}, payment.Usage{Input: 1}, math.MaxUint64},
		{"largest without", payment.Price{Request: math.MaxUint64 - 1, Input: 1}, payment.Usage{Input: 1}, math.MaxUint64},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, c.price.Charge(c.usage)) })
	}
}

// anyAmount draws small, everyday and enormous amounts.
func anyAmount(t *rapid.T, label string) uint64 {
	return rapid.Uint64().Draw(t, label) >> rapid.IntRange(0, 63).Draw(t, label+" shift")
}

// TestChargeIsExact compares with rational arithmetic.
func TestChargeIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := payment.Price{Request: anyAmount(t, "request"), Input: anyAmount(t, "in"), Output: anyAmount(t, "out"), Compute: anyAmount(t, "compute")}
		u := payment.Usage{Input: anyAmount(t, "input"), Output: anyAmount(t, "output"), Compute: time.Duration(anyAmount(t, "time") >> 1)}
		exact := new(big.Rat).SetInt(bigOf(p.Request))
		add := func(price, amount uint64, per int64) {
			product := new(big.Int).Mul(bigOf(price), bigOf(amount))
			exact.Add(exact, new(big.Rat).SetFrac(product, big.NewInt(per)))
		}
		add(p.Input, u.Input, 1024)
		add(p.Output, u.Output, 1024)
		add(p.Compute, uint64(u.Compute), 1_000_000_000)
		want, rest := new(big.Int).QuoRem(exact.Num(), exact.Denom(), new(big.Int))
		if rest.Sign() > 0 {
			want.Add(want, big.NewInt(1))
		}
		if !want.IsUint64() {
			want = bigOf(math.MaxUint64)
		}
		require.Equal(t, want.Uint64(), p.Charge(u))
	})
}

func bigOf(x uint64) *big.Int { return new(big.Int).SetUint64(x) }

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		name         string
		amount       uint64
		bps          uint32
		burned, paid uint64
	}{
		{"nothing", 0, 500, 0, 0},
		{"no burn", 1000, 0, 0, 1000},
		{"five per cent", 1000, 500, 50, 950},
		{"rounded up", 1001, 500, 51, 950},
		{"a single unit", 1, 1, 1, 0},
		{"everything", 1000, 10_000, 1000, 0},
		{"more than everything", 1000, 20_000, 1000, 0},
		{"the largest", math.MaxUint64, 500, math.MaxUint64/20 + 1, math.MaxUint64 - math.MaxUint64/20 - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			burned, paid := payment.Divide(c.amount, c.bps)
			require.Equal(t, []uint64{c.burned, c.paid}, []uint64{burned, paid})
		})
	}
}

func TestDivideLosesNothingAndSmallPiecesBurnNoLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyAmount(t, "a")>>1, anyAmount(t, "b")>>1
		bps := rapid.Uint32Range(0, 10_000).Draw(t, "bps")
		whole, paid := payment.Divide(a+b, bps)
		require.Equal(t, a+b, whole+paid)
		first, _ := payment.Divide(a, bps)
		second, _ := payment.Divide(b, bps)
		require.GreaterOrEqual(t, first+second, whole)
		require.LessOrEqual(t, first+second, whole+1)
	})
}
