package economy

import (
	"fmt"
	"slices"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/economy/machine"
)

// lorenz is how much is held by how many, the poorest first. Nothing held is
// negative.
type lorenz struct {
	sorted []float64
	below  []float64 // what the poorest i hold together
}

func (l *lorenz) reset()        { l.sorted = l.sorted[:0] }
func (l *lorenz) add(x float64) { l.sorted = append(l.sorted, x) }

// sort makes what was added ready to be asked about.
func (l *lorenz) sort() {
	slices.Sort(l.sorted)
	l.below = append(l.below[:0], 0)
	for i, x := range l.sorted {
		l.below = append(l.below, l.below[i]+x)
	}
}

// gini returns the Gini coefficient; 0 where nothing is held.
func (l *lorenz) gini() float64 {
	n := float64(len(l.sorted))
	sum, weighted := 0.0, 0.0
	for i, x := range l.sorted {
		sum += x
		weighted += float64(i+1) * x
	}
	if sum == 0 {
		return 0
	}
	return max((2*weighted/sum-n-1)/n, 0)
}

// share returns what part of all the poorest percent hold, straight between
// holders; where nothing is held, as if all held the same.
func (l *lorenz) share(percent float64) float64 {
	n := len(l.sorted)
	sum := l.below[n]
	if sum == 0 {
		return percent / 100
	}
	at := percent / 100 * float64(n)
	i := min(int(at), n-1)
	return (l.below[i] + (at-float64(i))*l.sorted[i]) / sum
}

// lorenzAt are the percents of holders at which curves are recorded.
func lorenzAt() []float64 { return []float64{10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99} }

// distribute finds out who holds what, by the last holdings.
func (r *run) distribute() {
	r.rec.places = r.m.Places()
	r.rec.wealth.reset()
	for a, h := range r.rec.holdings {
		if r.partyOf[a] != 0 {
			r.rec.wealth.add(plx(h))
		}
	}
	r.rec.wealth.sort()
	r.rec.stake.reset()
	for _, g := range r.validators {
		for _, v := range g.members {
			r.rec.stake.add(plx(r.m.Tokens(v.operator)))
		}
	}
	r.rec.stake.sort()
}

// distributions are the columns of which package report draws stacked areas
// and Lorenz curves.
func distributions() []column {
	var list []column
	part := func(name, doc string, of func(*machine.Places) uint64) {
		list = append(list, column{sims.Column{Name: "stack.supply." + name, Unit: "PLX", Doc: doc}, func(r *run) float64 { return plx(of(&r.rec.places)) }})
	}
	part("staked", "part of the supply that is delegated or unbonding", func(p *machine.Places) uint64 { return p.Staked })
	part("locked", "part of the supply that owners of subnets have locked", func(p *machine.Places) uint64 { return p.Locked })
	part("channels", "part of the supply that waits in payment channels", func(p *machine.Places) uint64 { return p.Escrow })
	part("rewards", "part of the supply that validators and delegators could withdraw", func(p *machine.Places) uint64 { return p.Rewards })
	part("streaming", "part of the supply that streams still owe to validators", func(p *machine.Places) uint64 { return p.Streaming })
	part("pending", "part of the supply that waits for epochs", func(p *machine.Places) uint64 { return p.Pending })
	part("liquid", "part of the supply in the balances of accounts, the market's too", func(p *machine.Places) uint64 { return p.Liquid })
	for _, percent := range lorenzAt() {
		list = append(list, column{sims.Column{Name: fmt.Sprintf("lorenz.wealth.%g", percent), Unit: "1",
			Doc: fmt.Sprintf("part of what accounts have in all, the market's aside, that the poorest %g %% have", percent)},
			func(r *run) float64 { return r.rec.wealth.share(percent) }})
	}
	for _, percent := range lorenzAt() {
		list = append(list, column{sims.Column{Name: fmt.Sprintf("lorenz.stake.%g", percent), Unit: "1",
			Doc: fmt.Sprintf("part of the stake of validators that the least %g %% of them have", percent)},
			func(r *run) float64 { return r.rec.stake.share(percent) }})
	}
	return list
}
