package economy

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plexusnet/plexus/sims/economy/machine"
)

// delegatorGroup is a struct of arrays: a step that most sleep through costs a
// few nanoseconds each.
type delegatorGroup struct {
	at       int
	present  bool
	rand     *rand.Rand
	account  []machine.Account
	del      []machine.Delegation
	stake    []uint64 // that each came with, nplx
	odds     []float64
	choices  []*validator
	awake    []int32
	rewarded uint64
}

func (r *run) addDelegators() {
	for i := range r.cfg.Delegators {
		cfg := &r.cfg.Delegators[i]
		draw := r.source.Stream("delegators." + cfg.Name)
		g := &delegatorGroup{at: i, present: !cfg.Absent, rand: r.source.Stream("delegators."+cfg.Name, 1)}
		for range cfg.Count {
			stake := nplx(cfg.Stake.Draw(draw, 0, 21e6))
			g.stake = append(g.stake, stake)
			g.account = append(g.account, r.open(cfg.Party, stake))
		}
		r.delegators = append(r.delegators, g)
	}
}

// settleIn gives every delegator a validator, by stake at the beginning.
func (g *delegatorGroup) settleIn(r *run) error {
	g.look(r, 0)
	for k := range g.account {
		v := g.pick()
		if v == nil {
			return nil // nobody to delegate to
		}
		g.del = append(g.del, r.m.NewDelegation(g.account[k], v.operator))
		if g.present && g.stake[k] > 0 {
			if err := r.m.Delegate(g.del[k], g.stake[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// look weighs the validators: e to the sensitivity times the yield.
func (g *delegatorGroup) look(r *run, sensitivity float64) {
	g.choices, g.odds = g.choices[:0], g.odds[:0]
	best := math.Inf(-1)
	for _, group := range r.validators {
		if !group.present {
			continue
		}
		for _, v := range group.members {
			g.choices = append(g.choices, v)
			best = max(best, v.yield)
		}
	}
	sum := 0.0
	for _, v := range g.choices {
		sum += math.Exp(sensitivity * (v.yield - best))
		g.odds = append(g.odds, sum)
	}
}

// pick chooses a validator by the odds.
func (g *delegatorGroup) pick() *validator {
	if len(g.choices) == 0 {
		return nil
	}
	x := g.rand.Float64() * g.odds[len(g.odds)-1]
	at, _ := slices.BinarySearch(g.odds, x)
	return g.choices[min(at, len(g.choices)-1)]
}

// step wakes some delegators, who take their rewards and may move.
func (g *delegatorGroup) step(r *run, _ float64) {
	if !g.present || len(g.del) == 0 {
		return
	}
	cfg := &r.cfg.Delegators[g.at]
	g.awake = wake(g.awake, g.rand, len(g.del), cfg.Inertia)
	if len(g.awake) == 0 {
		return
	}
	g.look(r, cfg.Sensitivity)
	for _, k := range g.awake {
		reward := r.m.Withdraw(g.del[k])
		g.rewarded += reward
		r.sell(g.account[k], uint64(float64(reward)*cfg.Sell))
		v := g.pick()
		if v == nil {
			continue
		}
		if _, now := r.m.Stake(g.del[k]); now != v.operator {
			_ = r.m.Redelegate(g.del[k], v.operator)
		}
		if again := min(uint64(float64(reward)*cfg.Compound), r.m.Balance(g.account[k])); again > 0 {
			_ = r.m.Delegate(g.del[k], again)
		}
	}
}

// wake lists which of n agents do not let this step pass: one draw each.
func wake(dst []int32, r *rand.Rand, n int, inertia float64) []int32 {
	dst = dst[:0]
	asleep := uint64(inertia * (1 << 32))
	i := 0
	for ; i+1 < n; i += 2 { // two agents of one draw
		x := r.Uint64()
		if x>>32 >= asleep {
			dst = append(dst, int32(i))
		}
		if x&(1<<32-1) >= asleep {
			dst = append(dst, int32(i+1))
		}
	}
	if i < n && r.Uint64()>>32 >= asleep {
		dst = append(dst, int32(i))
	}
	return dst
}

func (g *delegatorGroup) leave(r *run) {
	g.present = false
	for _, d := range g.del {
		stake, _ := r.m.Stake(d)
		r.m.Undelegate(d, stake)
	}
}

func (g *delegatorGroup) enter(r *run) error {
	g.present = true
	for k, d := range g.del {
		if has, _ := r.m.Stake(d); has == 0 && g.stake[k] > 0 && r.afford(g.account[k], g.stake[k]) {
			if err := r.m.Delegate(d, g.stake[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// staked is what the group has delegated.
func (g *delegatorGroup) staked(r *run) (nplx uint64) {
	for _, d := range g.del {
		stake, _ := r.m.Stake(d)
		nplx += stake
	}
	return nplx
}
