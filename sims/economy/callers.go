package economy

import (
	"math"

	"github.com/plexusnet/plexus/sims/economy/machine"
	"github.com/plexusnet/plexus/subnet"
)

// callerGroup is a struct of arrays. The group pays through one channel for
// each subnet; how much each of its callers has spent is kept beside.
type callerGroup struct {
	at         int
	present    bool
	account    machine.Account
	nets       []*net
	channels   []machine.Channel
	requests   []float64 // a day, at the reference price
	elasticity []float64
	wanted     []float64 // requests a day at the price of asked
	asked      float64
	spent      []uint64 // nplx by caller
	total      uint64   // nplx spent by all
	burned     uint64   // nplx of it burned
	days       float64  // since the beginning
}

func (r *run) addCallers() {
	for i := range r.cfg.Callers {
		cfg := &r.cfg.Callers[i]
		draw := r.source.Stream("callers." + cfg.Name)
		g := &callerGroup{at: i, present: !cfg.Absent, nets: r.served(cfg.Subnets)}
		balance := uint64(0)
		for range cfg.Count {
			g.requests = append(g.requests, cfg.Requests.Draw(draw, 0, 1e15))
			g.elasticity = append(g.elasticity, cfg.Elasticity.Draw(draw, -100, 0))
			balance += nplx(cfg.Balance.Draw(draw, 0, 21e6))
		}
		g.wanted, g.spent = make([]float64, cfg.Count), make([]uint64, cfg.Count)
		g.account = r.open(cfg.Party, balance)
		r.callers = append(r.callers, g)
	}
}

// want applies the price to what every caller asks for, when it has changed.
func (g *callerGroup) want(price, reference float64) {
	if g.asked == price/reference {
		return
	}
	g.asked = price / reference
	log := math.Log(g.asked)
	for k, requests := range g.requests {
		g.wanted[k] = requests * math.Exp(g.elasticity[k]*log)
	}
}

// step lets the callers ask and pay.
func (g *callerGroup) step(r *run, days float64) error {
	cfg := &r.cfg.Callers[g.at]
	g.days += days
	if !g.present {
		return nil
	}
	g.want(cfg.RequestPrice, cfg.ReferencePrice)
	growth := math.Pow(1+cfg.Growth, g.days/365.25)
	nplxPer := cfg.RequestPrice / r.price.now * float64(subnet.PLX) * growth * r.demand * days
	due := charge(g.spent, g.wanted, nplxPer)
	if cfg.Own {
		due = min(due, r.m.Balance(g.account))
	} else if !r.afford(g.account, due) {
		due = r.m.Balance(g.account)
	}
	g.total += due
	return g.pay(r, cfg, due)
}

// charge adds to what each caller has spent and returns the sum. Nobody spends
// so much in a step that the sum could overflow.
func charge(spent []uint64, wanted []float64, nplxPer float64) (sum uint64) {
	most := float64(1<<62) / float64(len(wanted)+1)
	for k, w := range wanted {
		nplx := uint64(min(w*nplxPer, most))
		spent[k] += nplx
		sum += nplx
	}
	return sum
}

// pay divides what is due among the subnets, by their value, and in each among
// its miners.
func (g *callerGroup) pay(r *run, cfg *CallerGroup, due uint64) error {
	if g.channels == nil {
		for _, n := range g.nets {
			g.channels = append(g.channels, r.m.OpenChannel(g.account, n.chain))
		}
	}
	weights := make([]uint64, len(g.nets))
	for i, n := range g.nets {
		if n.chain != nil {
			weights[i] = uint64(r.cfg.Subnets[n.group].Value*1e6) + 1
		}
	}
	for i, part := range subnet.Apportion(due, weights) {
		payees, shares := r.payees(cfg, g.nets[i])
		if part == 0 || len(payees) == 0 {
			continue
		}
		if err := r.m.TopUp(g.channels[i], part); err != nil {
			return err
		}
		for k, nplx := range subnet.Apportion(part, shares) {
			burned, err := r.m.Redeem(g.channels[i], payees[k], nplx)
			if err != nil {
				return err
			}
			g.burned += burned
		}
	}
	return nil
}

// payees are who serves the calls in a subnet, and their shares of them.
func (r *run) payees(cfg *CallerGroup, n *net) (accounts []machine.Account, shares []uint64) {
	if n.chain == nil {
		return nil, nil
	}
	for uid, s := range n.seats {
		if s.miner == nil {
			continue
		}
		share := uint64(n.chain.Neurons[uid].Incentive)
		if cfg.Payees != "" {
			share = 0
			if r.owns(cfg.Payees, s.miner.account) {
				share = 1
			}
		}
		if share > 0 {
			accounts, shares = append(accounts, s.miner.account), append(shares, share)
		}
	}
	return accounts, shares
}
