package subnet

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/payment"
)

func TestMixDemand(t *testing.T) {
	half := DemandRules{Mix: 5000, Cap: 5000}
	for _, c := range []struct {
		name         string
		reward       uint64
		root, burned []uint64
		rules        DemandRules
		want         []Emission
	}{
		{"no subnet", 100, nil, nil, half, []Emission{}},
		{"no demand", 100, []uint64{3, 1}, []uint64{0, 0}, half, []Emission{{75, 0}, {25, 0}}},
		{"no mix", 100, []uint64{3, 1}, []uint64{0, 40}, DemandRules{Cap: 5000}, []Emission{{75, 0}, {25, 0}}},
		{"no cap: nothing comes back", 100, []uint64{3, 1}, []uint64{0, 40}, DemandRules{Mix: 5000}, []Emission{{75, 0}, {25, 0}}},
		{"the cap binds: half of 40 burned", 100, []uint64{3, 1}, []uint64{0, 40}, half, []Emission{{60, 0}, {20, 20}}},
		{"the mix binds: half of the reward", 100, []uint64{3, 1}, []uint64{0, 1000}, half, []Emission{{37, 0}, {13, 50}}},
		{"demand in proportion to what is burned", 100, []uint64{1, 1}, []uint64{10, 30}, half, []Emission{{40, 5}, {40, 15}}},
		{"a subnet that root weights leave out", 100, []uint64{1, 0}, []uint64{0, 40}, half, []Emission{{80, 0}, {0, 20}}},
		{"demand rounds down, root takes the rest", 100, []uint64{1, 1, 1}, []uint64{1, 1, 1}, half, []Emission{{34, 0}, {33, 0}, {33, 0}}},
		{"what demand moves is taken by the largest remainder", 100, []uint64{1, 1, 1}, []uint64{2, 0, 0}, half, []Emission{{33, 1}, {33, 0}, {33, 0}}},
		{"all follows demand", 100, []uint64{1, 1}, []uint64{1000, 0}, DemandRules{Mix: 10_000, Cap: 10_000}, []Emission{{0, 100}, {0, 0}}},
		{"nothing to share", 0, []uint64{1, 1}, []uint64{1000, 0}, half, []Emission{{0, 0}, {0, 0}}},
		{"more burned than there can be", 100, []uint64{1, 1}, []uint64{Cap, 1}, half, []Emission{{50, 0}, {50, 0}}},
		{"a sum that overflows", 100, []uint64{1, 1}, []uint64{math.MaxUint64, 2}, half, []Emission{{50, 0}, {50, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, MixDemand(c.reward, c.root, c.burned, c.rules)) })
	}
}

func TestDemandRulesValidate(t *testing.T) {
	require.NoError(t, DefaultDemandRules().Validate())
	require.NoError(t, DemandRules{}.Validate())
	require.NoError(t, DemandRules{Mix: 10_000, Cap: 10_000}.Validate())
	require.ErrorIs(t, DemandRules{Mix: 10_001}.Validate(), ErrInvalidParams)
	require.ErrorIs(t, DemandRules{Cap: 10_001}.Validate(), ErrInvalidParams)
	require.Zero(t, DefaultDemandRules().Mix, "root weights alone decide until a network says otherwise")
	require.LessOrEqual(t, DefaultDemandRules().Cap, uint32(5000))
}

func TestAmountsOf(t *testing.T) {
	burned := []NetuidAmount{{1, 10}, {3, 30}, {4, 40}}
	require.Equal(t, []uint64{0, 30, 0}, AmountsOf([]uint32{2, 3, 7}, burned), "removed subnets drop out, others have none")
	require.Equal(t, []uint64{0}, AmountsOf([]uint32{1}, nil))
	require.Empty(t, AmountsOf(nil, burned))
}

// drawDemand draws subnets with root shares, and demand rules.
func drawDemand(t *rapid.T) (root []uint64, rules DemandRules) {
	root = rapid.SliceOfN(rapid.Uint64Range(0, 1<<33), 1, 9).Draw(t, "root shares")
	root[rapid.IntRange(0, len(root)-1).Draw(t, "of")] |= 1 // RootShares never gives all zeros
	return root, DemandRules{
		Mix: rapid.Uint32Range(0, 10_000).Draw(t, "mix"),
		Cap: rapid.Uint32Range(0, 10_000).Draw(t, "cap"),
	}
}

func drawBurned(t *rapid.T, n int) []uint64 {
	return rapid.SliceOfN(rapid.OneOf(rapid.Uint64Range(0, 9), rapid.Uint64Range(0, 4*PLX), rapid.Uint64Range(0, Cap/16)), n, n).Draw(t, "burned")
}

func drawReward(t *rapid.T) uint64 { return BlockReward(rapid.Uint64Range(0, Cap).Draw(t, "supply")) }

// checkMix states what MixDemand promises.
func checkMix(t require.TestingT, reward uint64, root, burned []uint64, rules DemandRules) {
	whole := Apportion(reward, root)
	total, moved := uint64(0), uint64(0)
	for j, e := range MixDemand(reward, root, burned, rules) {
		require.LessOrEqual(t, e.Root, whole[j], "demand takes from the root part and never adds to it")
		require.True(t, atMost(e.Demand, uint64(rules.Cap), burned[j]), "%d nplx come back of %d burned", e.Demand, burned[j])
		total += e.Total()
		moved += e.Demand
	}
	require.Equal(t, reward, total, "no unit is made or lost")
	require.True(t, atMost(moved, uint64(rules.Mix), reward), "%d of %d nplx follow demand", moved, reward)
}

// atMost tells whether part <= bps of whole, in numbers of any size.
func atMost(part, bps, whole uint64) bool {
	left := new(big.Int).Mul(new(big.Int).SetUint64(part), new(big.Int).SetUint64(BasisPoints))
	right := new(big.Int).Mul(new(big.Int).SetUint64(whole), new(big.Int).SetUint64(bps))
	return left.Cmp(right) <= 0
}

func TestBurningForASubnetReturnsAtMostTheCap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root, rules := drawDemand(t)
		checkMix(t, drawReward(t), root, drawBurned(t, len(root)), rules)
	})
}

func FuzzMixDemand(f *testing.F) {
	f.Add(PLX, uint32(5000), uint32(5000), uint64(1), uint64(2), uint64(3), uint64(4))
	f.Add(PLX, uint32(10_000), uint32(10_000), uint64(0), uint64(1), Cap, uint64(0))
	f.Add(uint64(math.MaxUint64), uint32(1), uint32(1), uint64(1), uint64(1), uint64(math.MaxUint64), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, reward uint64, mix, most uint32, rootA, rootB, burnedA, burnedB uint64) {
		rules := DemandRules{Mix: mix, Cap: most}
		if rules.Validate() != nil || rootA > math.MaxUint64-rootB || rootA+rootB == 0 {
			return
		}
		checkMix(t, reward, []uint64{rootA, rootB}, []uint64{burnedA, burnedB}, rules)
	})
}

// TestMixDemandFollowsTheFormula compares with exact fractions. A demand part
// is floored twice; a root part is an apportionment less an apportionment of
// the demand, each off by less than 1, of a sum floored per subnet.
func TestMixDemandFollowsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root, rules := drawDemand(t)
		burned, reward := drawBurned(t, len(root)), drawReward(t)
		if reward == 0 {
			return
		}
		bound := big.NewRat(int64(len(root))+5, 1)
		exact := exactMix(reward, root, burned, rules)
		for j, e := range MixDemand(reward, root, burned, rules) {
			off := new(big.Rat).Sub(rational(e.Total()), exact[j])
			if off.Abs(off).Cmp(bound) >= 0 {
				t.Fatalf("subnet %d gets %d nplx, exactly %s, more than %s off", j, e.Total(), exact[j].FloatString(3), bound)
			}
		}
	})
}

// exactMix is E ((1-m) root_j + m burned_j/B), m = min(Mix, Cap B/E).
func exactMix(reward uint64, root, burned []uint64, rules DemandRules) []*big.Rat {
	sum := func(v []uint64) *big.Rat {
		s := new(big.Rat)
		for _, x := range v {
			s.Add(s, rational(x))
		}
		return s
	}
	part := func(x uint64, of *big.Rat) *big.Rat {
		if of.Sign() == 0 {
			return new(big.Rat)
		}
		return new(big.Rat).Quo(rational(x), of)
	}
	m := big.NewRat(int64(rules.Mix), int64(BasisPoints))
	capped := new(big.Rat).Mul(big.NewRat(int64(rules.Cap), int64(BasisPoints)), part(1, rational(reward)))
	if capped.Mul(capped, sum(burned)); capped.Cmp(m) < 0 {
		m = capped
	}
	exact := make([]*big.Rat, len(root))
	for j := range root {
		byRoot := new(big.Rat).Mul(new(big.Rat).Sub(big.NewRat(1, 1), m), part(root[j], sum(root)))
		byDemand := new(big.Rat).Mul(m, part(burned[j], sum(burned)))
		exact[j] = byRoot.Mul(byRoot.Add(byRoot, byDemand), rational(reward))
	}
	return exact
}

func rational(n uint64) *big.Rat { return new(big.Rat).SetInt(new(big.Int).SetUint64(n)) }

// TestWithoutMixNothingChanges: demand that a network does not count leaves
// the shares bit for bit what root weights make them.
func TestWithoutMixNothingChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root, rules := drawDemand(t)
		rules.Mix = 0
		reward := drawReward(t)
		whole := Apportion(reward, root)
		for j, e := range MixDemand(reward, root, drawBurned(t, len(root)), rules) {
			require.Equal(t, Emission{Root: whole[j]}, e)
		}
	})
}

// TestMoreDemandNeverPaysLess: who burns more for a subnet gets no less for it.
func TestMoreDemandNeverPaysLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root, rules := drawDemand(t)
		burned, reward := drawBurned(t, len(root)), drawReward(t)
		j := rapid.IntRange(0, len(root)-1).Draw(t, "subnet")
		before := MixDemand(reward, root, burned, rules)[j].Demand
		burned[j] += rapid.Uint64Range(0, PLX).Draw(t, "more")
		require.GreaterOrEqual(t, MixDemand(reward, root, burned, rules)[j].Demand, before)
	})
}

// windowed counts as the chain does: a change of its parameters ends a window.
type windowed struct {
	payment.Window
	length, passed uint64
	smoothing      uint32
}

func (s *windowed) block(burned uint64) (perBlock uint64) {
	if s.passed == s.length {
		s.Pass(1, s.smoothing)
		s.passed = 0
	}
	s.passed++
	s.Add(burned, burned)
	return s.Smoothed(s.smoothing) / s.length
}

func (s *windowed) change(t *rapid.T) {
	s.Pass(1, s.smoothing)
	s.passed = 0
	s.length = rapid.Uint64Range(1, 20).Draw(t, "blocks of a window")
	s.smoothing = rapid.Uint32Range(1, 10).Draw(t, "smoothing")
}

// TestFarmingLosesOverTime runs the smoothing and the mix over many blocks in
// which burns come when and where they like, the windows, the reward, the rules
// and the root shares change under way, and subnets share the reward with each
// other. Whoever burns for a subnet, and is alone in it, gets at most the
// largest cap of what it burned beyond what it had without burning.
func TestFarmingLosesOverTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root, rules := drawDemand(t)
		n := len(root)
		smoothers := make([]windowed, n)
		for j := range smoothers {
			smoothers[j] = windowed{length: 1, smoothing: 1}
		}
		burned, counted, demand := make([]uint64, n), make([]uint64, n), make([]uint64, n)
		got, without := make([]uint64, n), make([]uint64, n)
		most, reward := uint32(0), PLX
		for range rapid.IntRange(1, 60).Draw(t, "blocks") {
			if rapid.IntRange(0, 9).Draw(t, "change") == 0 {
				for j := range smoothers {
					smoothers[j].change(t)
				}
				reward = PLX >> rapid.IntRange(0, 8).Draw(t, "halvings")
				next, r := drawDemand(t)
				rules = r
				copy(root, next)
				root[0] |= 1 // RootShares never gives all zeros
			}
			most = max(most, rules.Cap)
			perBlock := make([]uint64, n)
			for j := range n {
				b := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, 40*PLX)).Draw(t, "burn")
				burned[j] += b
				perBlock[j] = smoothers[j].block(b)
				counted[j] += perBlock[j]
				require.LessOrEqual(t, counted[j], burned[j], "what is burned counts once")
			}
			whole := Apportion(reward, root)
			for j, e := range MixDemand(reward, root, perBlock, rules) {
				demand[j] += e.Demand
				got[j] += e.Total()
				without[j] += whole[j]
			}
		}
		for j := range n {
			require.True(t, atMost(demand[j], uint64(most), burned[j]), "%d nplx came back of %d burned", demand[j], burned[j])
			require.True(t, got[j] <= without[j] || atMost(got[j]-without[j], uint64(most), burned[j]))
		}
	})
}

// TestABurnComesBackInFull states that the bound is met and not merely kept:
// alone in demand, a burn returns the cap of it but for what rounding keeps.
func TestABurnComesBackInFull(t *testing.T) {
	const blocks, smoothing, windows = 100, 5, 200
	rules := DemandRules{Mix: 10_000, Cap: 5000}
	counter, back := windowed{length: blocks, smoothing: smoothing}, uint64(0)
	burn := 10 * PLX
	for range blocks * windows {
		back += MixDemand(PLX, []uint64{1, 1}, []uint64{counter.block(burn), 0}, rules)[0].Demand
		burn = 0
	}
	require.LessOrEqual(t, back, 5*PLX)
	require.Greater(t, back, 5*PLX-blocks*(windows+smoothing)) // a block rounds down by less than 1 nplx
}

func BenchmarkMixDemand(b *testing.B) {
	for _, n := range []int{64, 1024} {
		root, burned := make([]uint64, n), make([]uint64, n)
		for j := range n {
			root[j], burned[j] = uint64(j+1)<<20, uint64(n-j)*1000
		}
		for _, c := range []struct {
			name  string
			rules DemandRules
		}{{"off", DemandRules{Cap: 5000}}, {"on", DemandRules{Mix: 3000, Cap: 5000}}} {
			b.Run(benchName("subnets", n)+", "+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					MixDemand(PLX, root, burned, c.rules)
				}
			})
		}
	}
}
