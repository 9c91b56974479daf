package economy

import (
	"fmt"
	"math"
	"slices"

	"github.com/plexusnet/plexus/sims"
	"github.com/plexusnet/plexus/sims/economy/machine"
)

// columnsPerSubnet is up to how many subnets each has columns of its own.
const columnsPerSubnet = 64

// record is what a run records with, kept between records.
type record struct {
	values   []float64
	holdings []uint64
	places   machine.Places
	wealth   lorenz // of accounts, the market's aside
	stake    lorenz // of validators
	income   lorenz // of miners
	opinion  opinion
}

// column is a column with where its values come from.
type column struct {
	sims.Column
	of func(*run) float64
}

// columnsOf lists the columns of a configuration, in order.
func columnsOf(c *Config) []column {
	list := []column{
		{sims.Column{Name: "supply", Unit: "PLX", Doc: "all tokens there are"}, func(r *run) float64 { return plx(r.m.Supply()) }},
		{sims.Column{Name: "minted", Unit: "PLX", Doc: "all block rewards since the beginning"}, func(r *run) float64 { return plx(r.m.Minted()) }},
		{sims.Column{Name: "burned", Unit: "PLX", Doc: "burned since the beginning: registrations, fees, what nobody earned"}, func(r *run) float64 { return plx(r.m.Burned()) }},
		{sims.Column{Name: "reward", Unit: "PLX/block", Doc: "what the next block mints"}, func(r *run) float64 { return plx(r.m.Reward()) }},
		{sims.Column{Name: "staked", Unit: "1", Doc: "share of the supply that is delegated or unbonding"}, func(r *run) float64 { return ratio(plx(r.m.Staked()), plx(r.m.Supply())) }},
		{sims.Column{Name: "price", Unit: "USD/PLX", Doc: "price of the token"}, func(r *run) float64 { return r.price.now }},
		{sims.Column{Name: "fees", Unit: "PLX", Doc: "redeemed from payment channels since the beginning"}, func(r *run) float64 { return plx(r.fees()) }},
		{sims.Column{Name: "fees_burned", Unit: "PLX", Doc: "burned of the fees since the beginning"}, func(r *run) float64 { return plx(r.feesBurned()) }},
		{sims.Column{Name: "gini_wealth", Unit: "1", Doc: "Gini coefficient of what accounts have in all, the market's aside"}, func(r *run) float64 { return r.rec.wealth.gini() }},
		{sims.Column{Name: "gini_stake", Unit: "1", Doc: "Gini coefficient of the stake of validators"}, func(r *run) float64 { return r.rec.stake.gini() }},
		{sims.Column{Name: "gini_income", Unit: "1", Doc: "Gini coefficient of what miners with a uid earned in the last market step"}, (*run).giniIncome},
		{sims.Column{Name: "vtrust", Unit: "1", Doc: "validator trust in the last epochs, mean by stake"}, (*run).vtrust},
		{sims.Column{Name: "merit", Unit: "1", Doc: "correlation of quality and incentive over all uids of miners"}, (*run).merit},
		{sims.Column{Name: "quality", Unit: "1", Doc: "quality that is paid: mean by incentive"}, (*run).paidQuality},
	}
	add := func(name, unit, doc string, of func(*run) float64) {
		list = append(list, column{sims.Column{Name: name, Unit: unit, Doc: doc}, of})
	}
	total := 0
	for i := range c.Subnets {
		name, first, count := c.Subnets[i].Name, total, c.Subnets[i].Count
		total += count
		add(name+".share", "1", "share of the group's subnets in the block reward", func(r *run) float64 { return r.share(first, count) })
		add(name+".owner_paid", "PLX", "emission paid to the owners of the group", func(r *run) float64 { return r.ownerPaid(first, count) })
	}
	if total <= columnsPerSubnet {
		for i := range total {
			add(fmt.Sprintf("subnet.%d.share", i), "1", "share of the subnet in the block reward", func(r *run) float64 { return r.share(i, 1) })
			add(fmt.Sprintf("subnet.%d.neurons", i), "1", "uids that are taken in the subnet", func(r *run) float64 { return r.neurons(i) })
			add(fmt.Sprintf("subnet.%d.registration", i), "PLX", "what a registration in the subnet burns", func(r *run) float64 { return r.registration(i) })
		}
	}
	for i := range c.Validators {
		name := c.Validators[i].Name
		add(name+".stake", "PLX", "stake behind the group's validators", func(r *run) float64 { return r.validators[i].tokens(r) })
		add(name+".income", "PLX", "rewards and commission withdrawn by the group so far", func(r *run) float64 { return plx(r.validators[i].income) })
		add(name+".yield", "1/year", "what stake with the group earned in the last market step, mean by stake", func(r *run) float64 { return r.validators[i].meanYield(r) })
		add(name+".vtrust", "1", "validator trust of the group in the last epochs, mean over uids", func(r *run) float64 { return r.validators[i].vtrust() })
	}
	for i := range c.Miners {
		name := c.Miners[i].Name
		add(name+".income", "PLX", "earned by the group's miners so far", func(r *run) float64 { return plx(r.miners[i].income) })
		add(name+".incentive", "1", "sum of the group's incentives over subnets", func(r *run) float64 { return r.miners[i].incentive() })
		add(name+".uids", "1", "uids that the group has", func(r *run) float64 { return r.miners[i].uids() })
	}
	for i := range c.Delegators {
		name := c.Delegators[i].Name
		add(name+".stake", "PLX", "delegated by the group", func(r *run) float64 { return plx(r.delegators[i].staked(r)) })
		add(name+".income", "PLX", "rewards withdrawn by the group so far", func(r *run) float64 { return plx(r.delegators[i].rewarded) })
	}
	for i := range c.Callers {
		name := c.Callers[i].Name
		add(name+".spent", "PLX", "spent by the group on requests so far", func(r *run) float64 { return plx(r.callers[i].total) })
	}
	for at, name := range c.parties() {
		add("party."+name+".earned", "PLX", "what the party has more than at the beginning, with what it sold and without what it bought", func(r *run) float64 { return r.earned(at) })
		add("party."+name+".profit", "USD", "what the party has more than at the beginning at the current price, with proceeds and without purchases and costs", func(r *run) float64 { return r.profit(at) })
	}
	return append(list, distributions()...)
}

// parties lists the parties, the market aside, in the order in which their
// accounts open.
func (c *Config) parties() []string {
	var names []string
	add := func(name string, count int) {
		if count > 0 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := range c.Subnets {
		add(c.Subnets[i].Party, c.Subnets[i].Count)
	}
	for i := range c.Validators {
		add(c.Validators[i].Party, c.Validators[i].Count)
	}
	for i := range c.Miners {
		add(c.Miners[i].Party, c.Miners[i].Count)
	}
	for i := range c.Delegators {
		add(c.Delegators[i].Party, c.Delegators[i].Count)
	}
	for i := range c.Callers {
		add(c.Callers[i].Party, 1)
	}
	return names
}

// Columns implements sims.Model.
func (m *Model) Columns() []sims.Column {
	columns := make([]sims.Column, len(m.columns))
	for i, c := range m.columns {
		columns[i] = c.Column
	}
	return columns
}

// record records the state.
func (r *run) record(rec sims.Recorder) error {
	r.holdings()
	r.distribute()
	r.rec.values = r.rec.values[:0]
	for _, c := range r.columns {
		r.rec.values = append(r.rec.values, c.of(r))
	}
	step := r.m.Height() - r.start
	return rec.Record(step, float64(step)*r.cfg.BlockSeconds, r.rec.values)
}

func (r *run) holdings() []uint64 {
	r.rec.holdings = r.m.Holdings(r.rec.holdings)
	return r.rec.holdings
}

// has is what the accounts of a party have in all, by the last holdings.
func (r *run) has(party int) (nplx uint64) {
	for a, h := range r.rec.holdings {
		if r.partyOf[a] == party {
			nplx += h
		}
	}
	return nplx
}

// earned and profit leave out the market, which is party 0.
func (r *run) earned(at int) float64 {
	p := &r.parties[at+1]
	return plx(r.has(at+1)) - plx(p.first) + plx(p.sold) - plx(p.bought)
}

func (r *run) profit(at int) float64 {
	p := &r.parties[at+1]
	return (plx(r.has(at+1))-plx(p.first))*r.price.now + p.usd
}

func (r *run) fees() (nplx uint64) {
	for _, g := range r.callers {
		nplx += g.total
	}
	return nplx
}

func (r *run) feesBurned() (nplx uint64) {
	for _, g := range r.callers {
		nplx += g.burned
	}
	return nplx
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func (r *run) giniIncome() float64 {
	r.rec.income.reset()
	for _, g := range r.miners {
		for _, m := range g.members {
			if m.seated() {
				r.rec.income.add(plx(m.income))
			}
		}
	}
	r.rec.income.sort()
	return r.rec.income.gini()
}

// neuronsOfMiners visits every uid that a miner has.
func (r *run) neuronsOfMiners(visit func(*miner, *machine.Neuron)) {
	for _, n := range r.subnets {
		if n.chain == nil {
			continue
		}
		for uid, s := range n.seats {
			if s.miner != nil {
				visit(s.miner, &n.chain.Neurons[uid])
			}
		}
	}
}

func (r *run) vtrust() float64 {
	sum, weight := 0.0, 0.0
	for _, n := range r.subnets {
		if n.chain == nil {
			continue
		}
		for uid, s := range n.seats {
			if s.validator != nil {
				stake := float64(n.chain.Neurons[uid].StakeShare)
				sum += stake * float64(n.chain.Neurons[uid].ValidatorTrust) / 65535
				weight += stake
			}
		}
	}
	return ratio(sum, weight)
}

func (r *run) merit() float64 {
	var n, x, y, xx, yy, xy float64
	r.neuronsOfMiners(func(m *miner, at *machine.Neuron) {
		q, i := m.quality, float64(at.Incentive)/65535
		n, x, y, xx, yy, xy = n+1, x+q, y+i, xx+q*q, yy+i*i, xy+q*i
	})
	d := (n*xx - x*x) * (n*yy - y*y)
	if d <= 0 {
		return 0
	}
	return (n*xy - x*y) / math.Sqrt(d)
}

func (r *run) paidQuality() float64 {
	sum, weight := 0.0, 0.0
	r.neuronsOfMiners(func(m *miner, at *machine.Neuron) {
		sum += m.quality * float64(at.Incentive)
		weight += float64(at.Incentive)
	})
	return ratio(sum, weight)
}

func (r *run) share(first, count int) float64 {
	shares, sum := r.m.Shares(), 0.0
	for _, n := range r.subnets[first : first+count] {
		if at := slices.Index(r.m.Subnets(), n.chain); at >= 0 {
			sum += shares[at]
		}
	}
	return sum
}

func (r *run) ownerPaid(first, count int) (sum float64) {
	for _, n := range r.subnets[first : first+count] {
		if n.chain != nil {
			sum += plx(n.chain.Ledger.OwnerPaid)
		}
	}
	return sum
}

func (r *run) neurons(i int) (taken float64) {
	for _, s := range r.subnets[i].seats {
		if s.miner != nil || s.validator != nil {
			taken++
		}
	}
	return taken
}

func (r *run) registration(i int) float64 {
	if r.subnets[i].chain == nil {
		return 0
	}
	return plx(r.m.Price(r.subnets[i].chain))
}

func (g *validatorGroup) tokens(r *run) (sum float64) {
	for _, v := range g.members {
		sum += plx(r.m.Tokens(v.operator))
	}
	return sum
}

func (g *validatorGroup) meanYield(r *run) float64 {
	sum, weight := 0.0, 0.0
	for _, v := range g.members {
		stake := plx(r.m.Tokens(v.operator))
		sum += stake * v.yield
		weight += stake
	}
	return ratio(sum, weight)
}

func (g *validatorGroup) vtrust() float64 {
	sum, n := 0.0, 0.0
	for _, v := range g.members {
		for _, voted := range v.nets {
			if uid, seated := v.uids[voted]; seated && voted.chain != nil {
				sum += float64(voted.chain.Neurons[uid].ValidatorTrust) / 65535
				n++
			}
		}
	}
	return ratio(sum, n)
}

func (g *minerGroup) incentive() (sum float64) {
	for _, m := range g.members {
		sum += m.incentive()
	}
	return sum
}

func (g *minerGroup) uids() (n float64) {
	for _, m := range g.members {
		for _, uid := range m.uids {
			if uid != machine.None {
				n++
			}
		}
	}
	return n
}
