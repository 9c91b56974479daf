package economy

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/plexusnet/plexus/sims/economy/machine"
)

type minerGroup struct {
	at      int
	members []*miner
	present bool
	rand    *rand.Rand // of what wanders
	income  uint64     // nplx earned so far
}

type miner struct {
	group    *minerGroup
	net      *net
	account  machine.Account
	hotkeys  []machine.Hotkey
	uids     []int // by copy, None where it has none
	quality  float64
	luck     float64
	power    float64 // USD a day
	hardware float64 // USD
	equipped bool
	balance  uint64 // after its last step
	income   uint64 // nplx in the last step
	losing   int    // steps at a loss
}

func (r *run) addMiners() {
	for i := range r.cfg.Miners {
		cfg := &r.cfg.Miners[i]
		g := &minerGroup{at: i, present: !cfg.Absent, rand: r.source.Stream("drift." + cfg.Name)}
		nets := r.served(cfg.Subnets)
		for k := range cfg.Count {
			draw := r.source.Stream("miners."+cfg.Name, k)
			m := &miner{group: g, net: nets[k%len(nets)], luck: draw.Float64()}
			m.quality = cfg.Quality.Draw(draw, 0, 1)
			m.account = r.open(cfg.Party, nplx(cfg.Balance.Draw(draw, 0, 21e6)))
			m.power, m.hardware = cfg.Power.Draw(draw, 0, 1e12), cfg.Hardware.Draw(draw, 0, 1e12)
			for range cfg.Copies {
				m.hotkeys = append(m.hotkeys, r.m.NewHotkey(m.account))
				m.uids = append(m.uids, machine.None)
			}
			g.members = append(g.members, m)
		}
		r.miners = append(r.miners, g)
	}
}

// seatFirst registers those who are there from the beginning.
func (g *minerGroup) seatFirst(r *run) error {
	cfg := &r.cfg.Miners[g.at]
	begin := int(cfg.Start * float64(len(g.members)))
	for k, m := range g.members {
		if !g.present || k >= begin {
			continue
		}
		for copy, h := range m.hotkeys {
			uid, err := r.m.AddNeuron(m.net.chain, h)
			if err != nil {
				return err
			}
			m.net.sit(uid, seat{miner: m, copy: copy})
		}
		m.equip(r)
	}
	for _, m := range g.members {
		m.balance = r.m.Balance(m.account)
	}
	return nil
}

// equip buys the hardware, once.
func (m *miner) equip(r *run) {
	if !m.equipped {
		m.equipped = true
		r.spend(m.account, m.hardware)
	}
}

func (m *miner) seated() bool {
	return slices.ContainsFunc(m.uids, func(uid int) bool { return uid != machine.None })
}

// step counts what the miners have earned, sells a part of it, and lets them
// come and go.
func (g *minerGroup) step(r *run, days float64) {
	cfg := &r.cfg.Miners[g.at]
	for _, m := range g.members {
		if cfg.Drift > 0 {
			m.wander(cfg.Drift*math.Sqrt(days), g.rand)
		}
		m.income = r.m.Balance(m.account) - min(m.balance, r.m.Balance(m.account))
		g.income += m.income
		if g.present && m.net.chain != nil {
			m.act(r, cfg, days)
		}
		m.balance = r.m.Balance(m.account)
	}
}

// wander moves the quality, which 0 and 1 throw back.
func (m *miner) wander(sd float64, r *rand.Rand) {
	q := math.Mod(math.Abs(m.quality+sd*r.NormFloat64()), 2)
	m.quality = min(q, 2-q)
}

func (m *miner) act(r *run, cfg *MinerGroup, days float64) {
	seated := m.seated()
	if seated {
		r.spend(m.account, m.power*days)
	}
	r.sell(m.account, uint64(float64(m.income)*cfg.Sell))
	switch cfg.Entry {
	case EntryFixed, EntryBots:
		m.registerAll(r, cfg, false)
		return
	}
	if !seated {
		m.losing = 0
		if m.pays(r, cfg) {
			m.registerAll(r, cfg, true)
		}
		return
	}
	if m.power*days <= plx(m.income)*r.price.now {
		m.losing = 0
		return
	}
	if m.losing++; m.losing >= cfg.Patience {
		m.leave(r)
	}
}

// registerAll registers every hotkey that has no uid, buying what it takes if
// it may.
func (m *miner) registerAll(r *run, cfg *MinerGroup, buy bool) {
	for copy, h := range m.hotkeys {
		if m.uids[copy] != machine.None {
			continue
		}
		price := r.m.Price(m.net.chain)
		if price > nplx(cfg.MaxBurn) || r.m.Balance(m.account) < price && !(buy && r.afford(m.account, price)) {
			return
		}
		uid, err := r.m.Register(m.net.chain, h, nplx(cfg.MaxBurn))
		if err != nil {
			return // all are immune: next time
		}
		m.net.sit(uid, seat{miner: m, copy: copy})
		m.equip(r)
	}
}

// pays tells whether a miner that is out expects to earn its registration back
// in time: a part of what miners of its subnet get by its quality among theirs.
func (m *miner) pays(r *run, cfg *MinerGroup) bool {
	s := m.net.chain
	total := 0.0
	for _, seat := range m.net.seats {
		if seat.miner != nil {
			total += seat.miner.quality
		}
	}
	perDay := 86400 / r.cfg.BlockSeconds
	shares := r.m.Shares()
	at := slices.Index(r.m.Subnets(), s)
	emission := plx(r.m.Reward()) * perDay * shares[at] * float64(r.cfg.Protocol.MinerBps) / 10_000
	income := emission * m.quality / (total + m.quality) * r.price.now
	cost := m.power
	if !m.equipped {
		cost += m.hardware / cfg.HardwareDays
	}
	return (income-cost)*cfg.Payback > plx(r.m.Price(s))*r.price.now
}

func (m *miner) leave(r *run) {
	m.losing = 0
	for _, uid := range m.uids {
		if uid != machine.None && m.net.chain != nil && r.m.Deregister(m.net.chain, uid) == nil {
			m.net.rise(uid)
		}
	}
}

func (g *minerGroup) leave(r *run) {
	g.present = false
	for _, m := range g.members {
		m.leave(r)
	}
}

func (g *minerGroup) enter(r *run) {
	g.present = true
	cfg := &r.cfg.Miners[g.at]
	for _, m := range g.members {
		if m.net.chain != nil && cfg.Entry != EntryProfit {
			m.registerAll(r, cfg, true)
		}
	}
}

// incentive is the sum over the miner's uids, 0 to 1.
func (m *miner) incentive() float64 {
	sum := 0.0
	if m.net.chain == nil {
		return 0
	}
	for _, uid := range m.uids {
		if uid != machine.None {
			sum += float64(m.net.chain.Neurons[uid].Incentive) / 65535
		}
	}
	return sum
}
