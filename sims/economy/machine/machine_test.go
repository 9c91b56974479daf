package machine

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/subnet"
)

// short are hyperparameters in which much happens soon.
func short(scheme string) subnet.Hyperparams {
	h := subnet.DefaultHyperparams().Scaled(36)
	h.MaxUIDs, h.MaxValidators, h.MinNonImmune, h.ImmunityPeriod = 8, 4, 1, 30
	h.CommitReveal = scheme
	return h
}

// world is a machine with its cast, moved by numbers.
type world struct {
	*Machine
	accounts []Account
	hotkeys  []Hotkey
	dels     []Delegation
	channels []Channel
}

// newWorld has six accounts, three validators and twelve hotkeys, the first three
// of them the validators'.
func newWorld(supply uint64) *world {
	p := DefaultParams()
	p.UnbondingBlocks, p.RootWeightsRateLimit, p.MaxRevealsPerBlock, p.MaxEpochsPerBlock = 25, 3, 2, 2
	p.Demand, p.DemandWindow, p.DemandSmoothing = subnet.DemandRules{Mix: 3000, Cap: 9000}, 7, 3
	w := &world{Machine: New(p, 0)}
	for range 6 {
		w.accounts = append(w.accounts, w.NewAccount(supply/6))
	}
	for i := range 3 {
		o := w.NewOperator(w.accounts[i], uint32(1800*i))
		w.hotkeys = append(w.hotkeys, w.NewHotkey(w.accounts[i]))
		w.Bind(o, w.hotkeys[i])
		for _, a := range w.accounts {
			w.dels = append(w.dels, w.NewDelegation(a, o))
		}
	}
	for i := range 9 {
		w.hotkeys = append(w.hotkeys, w.NewHotkey(w.accounts[i%6]))
	}
	return w
}

// settled lets three validators with stake and two miners into a subnet of each
// scheme, and waits for the epochs that give permits.
func (w *world) settled(t require.TestingT) *world {
	for i := range 3 {
		require.NoError(t, w.Delegate(w.dels[7*i], uint64(200+100*i)*subnet.PLX))
	}
	for i := range uint64(3) {
		require.NoError(t, w.do(0, i, i))
		for _, h := range w.hotkeys[:5] {
			_, err := w.Register(w.Subnets()[i], h, subnet.Cap)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Advance(25))
	return w
}

// do does one thing that three numbers choose. What the rules refuse is part of
// the test: it must change nothing, on both sides.
func (w *world) do(a, b, c uint64) error {
	pick := func(n int) int { return int(b % uint64(max(n, 1))) }
	var s *Subnet
	if len(w.Subnets()) > 0 {
		s = w.Subnets()[pick(len(w.Subnets()))]
	}
	del := w.dels[pick(len(w.dels))]
	if a %= 21; s == nil && a > 1 {
		a = 0
	}
	switch a {
	case 0:
		scheme := []string{subnet.CommitRevealOff, subnet.CommitRevealTimelock, subnet.CommitRevealHash}[c%3]
		_, err := w.CreateSubnet(w.accounts[pick(6)], None, short(scheme))
		if err == nil {
			w.channels = append(w.channels, w.OpenChannel(w.accounts[5], w.Subnets()[len(w.Subnets())-1]))
		}
		return err
	case 1, 2:
		return w.Delegate(del, c%(50*subnet.PLX))
	case 3:
		w.Undelegate(del, c%(50*subnet.PLX))
	case 4:
		return w.Redelegate(del, Operator(c%3))
	case 5:
		w.Withdraw(del)
		w.WithdrawCommission(Operator(c % 3))
	case 6, 7:
		_, err := w.Register(s, w.hotkeys[c%12], subnet.Cap)
		return err
	case 8, 9, 10, 16, 17, 18, 19:
		uid := s.UIDOf(w.hotkeys[c%3])
		if uid == None {
			return ErrUnknown
		}
		o := subnet.Opinion{}
		for to := range s.Neurons {
			o.UIDs, o.Values = append(o.UIDs, uint32(to)), append(o.Values, uint32(c>>(to%40)+uint64(to))%65536)
		}
		if s.Hyper.CommitReveal == subnet.CommitRevealOff {
			return w.SetWeights(s, uid, o)
		}
		if s.Hyper.CommitReveal == subnet.CommitRevealHash && s.Epochs > 0 {
			_ = w.Open(s, uid, s.Epochs-1)
		}
		return w.Commit(s, uid, w.Now()+c%15, o)
	case 11:
		return w.SetRootWeights(w.hotkeys[c%3], subnet.RootOpinion{Netuids: []uint32{s.Netuid}, Values: []uint32{uint32(c%65535 + 1)}})
	case 12:
		return w.Deregister(s, int(c%8))
	case 13:
		ch := w.channels[pick(len(w.channels))]
		if err := w.TopUp(ch, c%subnet.PLX); err != nil {
			return err
		}
		_, err := w.Redeem(ch, w.accounts[c%6], c%subnet.PLX/2)
		return err
	case 14:
		if c%4 == 0 {
			w.RemoveSubnet(s)
		} else if c%4 == 1 {
			h := s.Hyper
			h.Tempo, h.MaxUIDs = 5+c%20, uint32(4+c%5)
			return w.SetHyperparams(s, h)
		}
	case 15:
		w.Jail(Operator(c%3), c%2 == 0)
	case 20:
		p := w.Params()
		p.FeeBurn, p.DemandWindow, p.DemandSmoothing = uint32(c%5000), 1+b%9, uint32(1+c%4)
		w.SetParams(p)
	}
	return nil
}

// TestJumpingIsTheSame: whatever is done, advancing by jumps and block by block
// leads to the same state to the unit, and the books balance all the way.
func TestJumpingIsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Some runs begin so close to a halving that it is passed.
		supply := rapid.SampledFrom([]uint64{60_000 * subnet.PLX, subnet.Cap/2 - 100*subnet.PLX, subnet.Cap - subnet.Cap>>20 - 40_000, subnet.Cap - 18}).Draw(t, "supply")
		jumps, blocks := newWorld(supply).settled(t), newWorld(supply).settled(t)
		type step struct{ a, b, c, n uint64 }
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b"), rapid.Uint64().Draw(t, "c"), rapid.Uint64Range(0, 40).Draw(t, "n")}
		}), 1, 60).Draw(t, "steps")
		for _, s := range steps {
			errJumps, errBlocks := jumps.do(s.a, s.b, s.c), blocks.do(s.a, s.b, s.c)
			if (errJumps == nil) != (errBlocks == nil) {
				t.Fatalf("jumping: %v, by blocks: %v", errJumps, errBlocks)
			}
			require.NoError(t, jumps.Advance(s.n))
			for range s.n {
				require.NoError(t, blocks.Block())
			}
			requireSame(t, jumps.Machine, blocks.Machine)
		}
		require.NoError(t, jumps.Audit())
	})
}

func requireSame(t require.TestingT, a, b *Machine) {
	a.settle()
	b.settle()
	require.Equal(t, b.height, a.height)
	require.Equal(t, b.books, a.books)
	require.Equal(t, b.balances, a.balances)
	require.Equal(t, b.operators, a.operators)
	require.Equal(t, b.dels, a.dels)
	require.Equal(t, b.pool, a.pool)
	require.Len(t, a.subnets, len(b.subnets))
	for i, s := range a.subnets {
		o := b.subnets[i]
		require.Equal(t, o.Neurons, s.Neurons)
		require.Equal(t, o.Ledger, s.Ledger)
		require.Equal(t, [4]uint64{o.Pending, o.Lock, o.LastEpoch, o.Epochs}, [4]uint64{s.Pending, s.Lock, s.LastEpoch, s.Epochs})
	}
}

// TestEveryHalvingAtItsBlock runs the whole issuance, and compares each
// halving's block and supply with what follows from the rule in plain sums.
func TestEveryHalvingAtItsBlock(t *testing.T) {
	p := DefaultParams()
	p.Split = subnet.Split{Owner: 10_000} // so that nothing is burned
	p.MinLock = 0
	m := New(p, 0)
	hyper := subnet.DefaultHyperparams()
	hyper.Tempo = subnet.MaxTempo
	_, err := m.CreateSubnet(m.NewAccount(0), None, hyper)
	require.NoError(t, err)

	supply, height := uint64(0), uint64(0)
	for k := uint(0); subnet.PLX>>k > 0; k++ {
		require.Equal(t, subnet.PLX>>k, m.Reward(), "reward after %d halvings", k)
		// It halves when all but 1/2^(k+1) of the cap exist.
		threshold := subnet.Cap - subnet.Cap>>(k+1)
		blocks := (threshold - supply + subnet.PLX>>k - 1) / (subnet.PLX >> k)
		require.NoError(t, m.Advance(blocks-1))
		require.Equal(t, subnet.PLX>>k, m.Reward(), "the block before halving %d", k+1)
		require.NoError(t, m.Advance(1))
		supply, height = supply+blocks*(subnet.PLX>>k), height+blocks
		require.Equal(t, supply, m.Supply())
		require.Equal(t, height, m.Height())
	}
	require.Zero(t, m.Reward())
	require.LessOrEqual(t, m.Supply(), subnet.Cap)
	require.Less(t, subnet.Cap-m.Supply(), subnet.PLX, "all but dust of 21 million exist")
	require.NoError(t, m.Advance(10_000_000))
	require.Equal(t, supply, m.Supply())
	require.EqualValues(t, 10_500_000, firstHalving(t))
}

// firstHalving is the block in which the reward is still whole and after which
// it is not.
func firstHalving(t *testing.T) uint64 {
	t.Helper()
	n, supply := uint64(0), uint64(0)
	for subnet.BlockReward(supply) == subnet.PLX {
		supply += subnet.PLX
		n++
	}
	return n
}

func TestAViolationEndsTheRun(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(*world)
	}{
		{"a balance out of nothing", func(w *world) { w.balances[0]++ }},
		{"a booked total out of nothing", func(w *world) { w.books.held++ }},
		{"a lost fraction of a reward", func(w *world) { w.pool.lo++ }},
		{"pending emission lost", func(w *world) { w.subnets[0].Pending-- }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(60_000 * subnet.PLX)
			require.NoError(t, w.do(0, 0, 0))
			require.NoError(t, w.Advance(5))
			c.harm(w)
			require.ErrorIs(t, w.Advance(20), ErrBooks)
		})
	}
}

// TestRemovedValidatorMidStream: what its streams still owe is burned, by jumps
// as block by block, also where that moves a halving.
func TestRemovedValidatorMidStream(t *testing.T) {
	run := func(advance func(*world, uint64)) *world {
		w := newWorld(subnet.Cap/2 - 100*subnet.PLX).settled(t)
		var taken uint64
		for d, operator := range w.Machine.dels.operator {
			if operator == 1 {
				taken += w.Undelegate(Delegation(d), subnet.Cap)
			}
		}
		require.Positive(t, taken)
		burned := w.Burned()
		require.Positive(t, w.Streaming())
		require.NoError(t, w.RemoveOperator(1))
		advance(w, 7)
		require.Greater(t, w.Burned(), burned)
		advance(w, 500)
		require.Error(t, w.Delegate(w.dels[6], 1), "it is gone")
		return w
	}
	jumps := run(func(w *world, n uint64) { require.NoError(t, w.Advance(n)) })
	blocks := run(func(w *world, n uint64) {
		for range n {
			require.NoError(t, w.Block())
		}
	})
	requireSame(t, jumps.Machine, blocks.Machine)
	require.Less(t, jumps.Reward(), subnet.PLX)
}

func TestWideArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nplx, n := rapid.Uint64Range(0, subnet.Cap).Draw(t, "nplx"), rapid.Uint64Range(1, subnet.Cap).Draw(t, "n")
		w := whole(nplx)
		back, rest := w.split()
		require.Equal(t, nplx, back)
		require.True(t, rest.isZero())
		ratio := w.over(n)
		require.False(t, w.less(ratio.times(n)))
		require.True(t, w.minus(ratio.times(n)).less(wide{lo: n}))
		require.Equal(t, w, w.minus(ratio).plus(ratio))
	})
}
