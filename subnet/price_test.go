package subnet

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRegistrationPrice(t *testing.T) {
	h := DefaultHyperparams()
	for _, c := range []struct {
		name                  string
		last, lastHeight, now uint64
		want                  uint64
	}{
		{"at once", PLX, 100, 100, PLX},
		{"before the last registration, on a bad clock", PLX, 100, 50, PLX},
		{"after a half-life", PLX, 100, 460, PLX / 2},
		{"after two", PLX, 100, 820, PLX / 4},
		{"falls to the floor", PLX, 100, 100_000, PLX / 2000},
		{"stays under the ceiling", 1000 * PLX, 100, 100, 100 * PLX},
		{"after more half-lives than bits", math.MaxUint64, 0, math.MaxUint64, PLX / 2000},
		{"a third of a half-life", 1_000_000_000, 0, 120, 793_700_526}, // 1e9 / 2^(1/3) = 793_700_525.98, its exponent cut to 32 bits
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, h.RegistrationPrice(c.last, c.lastHeight, c.now)) })
	}
}

func TestPriceAfter(t *testing.T) {
	h := DefaultHyperparams()
	require.Equal(t, 1_260_000_000*uint64(1), h.PriceAfter(PLX))
	require.Equal(t, 100*PLX, h.PriceAfter(99*PLX), "stops at the ceiling")
	require.Zero(t, h.PriceAfter(0))
	h.BurnMax, h.BurnIncrease = Cap, maxIncrease
	require.Equal(t, Cap, h.PriceAfter(Cap))
}

func TestPriceNeverRisesByItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Hyperparams{BurnMax: Cap, BurnHalfLife: rapid.Uint64Range(1, maxPeriod).Draw(t, "half-life")}
		last := rapid.Uint64Range(0, Cap).Draw(t, "last")
		passed := rapid.Uint64Range(0, 70*h.BurnHalfLife).Draw(t, "passed")
		now, next := h.RegistrationPrice(last, 0, passed), h.RegistrationPrice(last, 0, passed+1)
		if next > now {
			t.Fatalf("the price rises from %d to %d", now, next)
		}
	})
}

// TestPriceFollowsTheExactDecay compares with 200-bit arithmetic: off by less
// than 2^-31 of itself and one unit.
func TestPriceFollowsTheExactDecay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		halfLife := rapid.Uint64Range(1, maxPeriod).Draw(t, "half-life")
		amount := rapid.Uint64Range(0, Cap).Draw(t, "amount")
		blocks := rapid.Uint64Range(0, 60*halfLife).Draw(t, "blocks")
		want := exactHalve(amount, blocks, halfLife)
		got := float(halve(amount, blocks, halfLife))
		bound := new(big.Float).Mul(want, big.NewFloat(math.Exp2(-31)))
		bound.Add(bound, big.NewFloat(1))
		if diff := new(big.Float).Sub(want, got); diff.Abs(diff).Cmp(bound) > 0 {
			t.Fatalf("got %v, exact %v, bound %v", got, want, bound)
		}
	})
}

func float(x uint64) *big.Float { return new(big.Float).SetPrec(200).SetUint64(x) }

// exactHalve is amount * 2^(-blocks/halfLife): the whole half-lives by the
// exponent, the fraction by square roots of its binary digits.
func exactHalve(amount, blocks, halfLife uint64) *big.Float {
	result := float(amount)
	result.SetMantExp(result, -int(blocks/halfLife))
	rest, root := blocks%halfLife, float(2)
	for range 120 {
		root.Sqrt(root)
		if rest *= 2; rest >= halfLife {
			rest -= halfLife
			result.Quo(result, root)
		}
	}
	return result
}

func TestLockPrice(t *testing.T) {
	for _, c := range []struct {
		name                         string
		floor, last, since, interval uint64
		want                         uint64
	}{
		{"the first", 100, 0, 5, 10, 100},
		{"at once after another", 100, 80, 0, 10, 160},
		{"half an interval later", 100, 1000, 5, 10, 1500},
		{"an interval later", 100, 1000, 10, 10, 1000},
		{"the last block in which it counts", 0, 1000, 19, 10, 100},
		{"two intervals later", 100, 1000, 20, 10, 100},
		{"rounds up", 0, 3, 1, 2, 5}, // 6 - floor(1.5)
		{"all there can be", 1, Cap, 0, 1, 2 * Cap},
		{"the longest interval", 7, Cap, math.MaxUint64, math.MaxUint64, Cap},
		{"no interval", 7, Cap, 0, 0, 7},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, LockPrice(c.floor, c.last, c.since, c.interval)) })
	}
}

func TestLockPriceFallsToTheFloorAndNoFurther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		floor, last := rapid.Uint64Range(0, Cap).Draw(t, "floor"), rapid.Uint64Range(0, Cap).Draw(t, "last")
		interval, since := rapid.Uint64Min(1).Draw(t, "interval"), rapid.Uint64Max(math.MaxUint64-1).Draw(t, "since")
		now, next := LockPrice(floor, last, since, interval), LockPrice(floor, last, since+1, interval)
		if now < floor || now > max(floor, 2*last) || next > now {
			t.Fatalf("price %d, then %d", now, next)
		}
	})
}
