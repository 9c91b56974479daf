package economy

import (
	"math"
	"math/rand/v2"

	"github.com/plexusnet/plexus/sims/economy/machine"
	"github.com/plexusnet/plexus/subnet"
)

type validatorGroup struct {
	at      int // in the configuration
	members []*validator
	present bool
	income  uint64 // rewards and commission withdrawn so far, nplx
}

type validator struct {
	group    *validatorGroup
	account  machine.Account
	hotkey   machine.Hotkey
	operator machine.Operator
	self     machine.Delegation
	stake    uint64 // that it means to have delegated to itself at least, nplx
	nets     []*net
	uids     map[*net]int
	views    map[*net]*view
	noise    float64
	cost     float64 // USD a day
	luck     float64 // decides which copies it sees through
	rand     *rand.Rand
	perStake float64 // RewardPerStake at the last step
	yield    float64 // a year, of what is delegated to it
}

// view is what a validator has measured in a subnet.
type view struct {
	spoke    bool
	at       uint64 // epochs when it last spoke
	opinions uint64
	quality  []float64 // by uid, negative: not measured
	of       []uint64  // by uid, when the neuron that was measured had registered
}

// opinion is scratch for what is said, of all validators in turn.
type opinion struct {
	weights []float64 // by uid
	uids    []uint32
	values  []uint32
}

func (r *run) addValidators() {
	for i := range r.cfg.Validators {
		cfg := &r.cfg.Validators[i]
		g := &validatorGroup{at: i, present: !cfg.Absent}
		for k := range cfg.Count {
			draw := r.source.Stream("validators."+cfg.Name, k)
			v := &validator{group: g, uids: map[*net]int{}, views: map[*net]*view{}, rand: draw, luck: draw.Float64()}
			v.stake = nplx(cfg.Stake.Draw(draw, 0, 21e6))
			v.account = r.open(cfg.Party, v.stake+nplx(cfg.Balance.Draw(draw, 0, 21e6)))
			v.noise, v.cost = cfg.Noise.Draw(draw, 0, 1e6), cfg.Cost.Draw(draw, 0, 1e12)
			v.hotkey = r.m.NewHotkey(v.account)
			v.operator = r.m.NewOperator(v.account, cfg.Commission)
			v.self = r.m.NewDelegation(v.account, v.operator)
			r.m.Bind(v.operator, v.hotkey)
			g.members = append(g.members, v)
			v.nets = r.served(cfg.Subnets)
			for _, n := range v.nets {
				n.serving = append(n.serving, v)
				v.views[n] = &view{}
			}
		}
		r.validators = append(r.validators, g)
	}
}

func (r *run) validatorConfig(v *validator) *ValidatorGroup { return &r.cfg.Validators[v.group.at] }

// seatValidator stakes a validator and registers it where it serves; at genesis
// for nothing.
func (r *run) seatValidator(v *validator, genesis bool) error {
	if !v.group.present {
		return nil
	}
	if has, _ := r.m.Stake(v.self); has == 0 && v.stake > 0 && r.afford(v.account, v.stake) {
		if err := r.m.Delegate(v.self, v.stake); err != nil {
			return err
		}
	}
	for _, n := range v.nets {
		if _, seated := v.uids[n]; seated || n.chain == nil {
			continue
		}
		uid, err := 0, error(nil)
		if genesis {
			uid, err = r.m.AddNeuron(n.chain, v.hotkey)
		} else if r.afford(v.account, r.m.Price(n.chain)) {
			uid, err = r.m.Register(n.chain, v.hotkey, subnet.Cap)
		} else {
			continue
		}
		if err != nil {
			if genesis {
				return err
			}
			continue // full of the immune: next time
		}
		n.sit(uid, seat{validator: v})
	}
	return nil
}

// vote lets the validators of a subnet say what they think of its miners.
// Copiers come last, since they wait for what others say.
func (r *run) vote(n *net) {
	for _, copiers := range []bool{false, true} {
		for _, v := range n.serving {
			cfg := r.validatorConfig(v)
			if !v.group.present || (cfg.Strategy == Copier) != copiers {
				continue
			}
			uid, seated := v.uids[n]
			if !seated || !n.chain.Neurons[uid].Permit {
				continue
			}
			view := v.views[n]
			if view.spoke && n.chain.Epochs < view.at+cfg.WeightsEvery {
				continue
			}
			if o, ok := r.opinionOf(v, cfg, n, uid, view); ok && r.say(n, uid, o) == nil {
				view.spoke, view.at = true, n.chain.Epochs
				view.opinions++
			}
		}
	}
}

// say sets or commits weights, by what the subnet asks for.
func (r *run) say(n *net, uid int, o subnet.Opinion) error {
	o.Version = n.chain.Hyper.WeightsVersion
	if n.chain.Hyper.CommitReveal == subnet.CommitRevealOff {
		return r.m.SetWeights(n.chain, uid, o)
	}
	if n.chain.Hyper.CommitReveal == subnet.CommitRevealHash && n.chain.Epochs > 0 {
		due := n.chain.Epochs - min(n.chain.Epochs, n.chain.Hyper.RevealPeriod)
		_ = r.m.Open(n.chain, uid, due) // there may be none
	}
	// A commit outlives this call.
	o.UIDs, o.Values = append([]uint32(nil), o.UIDs...), append([]uint32(nil), o.Values...)
	return r.m.Commit(n.chain, uid, 0, o)
}

// opinionOf is what a validator says of a subnet by its strategy; false where
// it has nothing to say.
func (r *run) opinionOf(v *validator, cfg *ValidatorGroup, n *net, uid int, seen *view) (subnet.Opinion, bool) {
	w := r.scratch(n)
	switch cfg.Strategy {
	case Self:
		w[uid] = 1
	case Copier:
		r.copyOthers(w, v, n)
	case Equal:
		for at := range w {
			if n.seats[at].miner != nil {
				w[at] = 1
			}
		}
	case Cabal:
		if r.favourOwn(w, cfg.Party, n) {
			break
		}
		fallthrough
	default:
		again := cfg.Strategy == Lazy && seen.opinions > 0 || seen.opinions%cfg.MeasureEvery != 0
		r.measure(w, v, cfg, n, seen, again)
	}
	return r.scaled(w)
}

func (r *run) scratch(n *net) []float64 {
	if cap(r.rec.opinion.weights) < len(n.seats) {
		r.rec.opinion.weights = make([]float64, len(n.seats)+64)
	}
	w := r.rec.opinion.weights[:len(n.seats)]
	clear(w)
	return w
}

// favourOwn gives everything to the miners of a party, if there are any.
func (r *run) favourOwn(w []float64, party string, n *net) bool {
	any := false
	for uid := range w {
		if m := n.seats[uid].miner; m != nil && r.owns(party, m.account) {
			w[uid], any = 1, true
		}
	}
	return any
}

// measure weighs miners by their quality as the validator measures it, or as it
// did before.
func (r *run) measure(w []float64, v *validator, cfg *ValidatorGroup, n *net, seen *view, again bool) {
	for len(seen.quality) < len(n.seats) {
		seen.quality, seen.of = append(seen.quality, -1), append(seen.of, 0)
	}
	for uid := range w {
		m := n.seats[uid].miner
		if m == nil {
			continue
		}
		if n.seats[uid].copy > 0 && frac(m.luck+v.luck) < cfg.DetectCopies {
			continue // before it is measured, so that the draws of others stay theirs
		}
		registered := n.chain.Neurons[uid].Registered
		if !again || seen.quality[uid] < 0 || seen.of[uid] != registered && cfg.Strategy != Lazy {
			seen.quality[uid], seen.of[uid] = m.quality+v.noise*v.rand.NormFloat64(), registered
		}
		x := max(seen.quality[uid], 0)
		if cfg.Power != 1 {
			x = math.Pow(x, cfg.Power)
		}
		w[uid] = x
	}
}

func frac(x float64) float64 { return x - math.Floor(x) }

// copyOthers weighs as the others do, by stake, as far as it can be seen.
func (r *run) copyOthers(w []float64, v *validator, n *net) {
	for _, other := range n.serving {
		uid, seated := other.uids[n]
		if other == v || !seated {
			continue
		}
		row := n.chain.Neurons[uid].Weights
		sum := 0.0
		for _, e := range row {
			sum += float64(e.Value)
		}
		if sum == 0 {
			continue
		}
		stake := float64(r.m.StakeOf(other.hotkey)) / sum
		for _, e := range row {
			if int(e.UID) < len(w) {
				w[e.UID] += stake * float64(e.Value)
			}
		}
	}
}

// scaled turns weights into an opinion; false where all are 0.
func (r *run) scaled(w []float64) (subnet.Opinion, bool) {
	top := 0.0
	for _, x := range w {
		top = max(top, x)
	}
	if !(top > 0) {
		return subnet.Opinion{}, false
	}
	o := &r.rec.opinion
	o.uids, o.values = o.uids[:0], o.values[:0]
	for uid, x := range w {
		if x > 0 {
			o.uids = append(o.uids, uint32(uid))
			o.values = append(o.values, uint32(math.Round(x/top*65535)))
		}
	}
	return subnet.Opinion{UIDs: o.uids, Values: o.values}, true
}

// rootEvery is after how many blocks root weights are thought over.
const rootEvery = 7 * 7200

// voteOnSubnets lets the validators set root weights.
func (r *run) voteOnSubnets() {
	r.rootStale, r.rootAt = false, r.m.Height()+rootEvery
	for _, g := range r.validators {
		cfg := &r.cfg.Validators[g.at]
		if !g.present || cfg.Root == RootNone {
			continue
		}
		o, ok := r.rootOpinion(cfg)
		if !ok {
			continue
		}
		for _, v := range g.members {
			_ = r.m.SetRootWeights(v.hotkey, o) // without stake, or too early: next time
		}
	}
}

func (r *run) rootOpinion(cfg *ValidatorGroup) (subnet.RootOpinion, bool) {
	var o subnet.RootOpinion
	weights, top := make([]float64, len(r.subnets)), 0.0
	for i, n := range r.subnets {
		switch {
		case n.chain == nil:
		case cfg.Root == RootEqual:
			weights[i] = 1
		case cfg.Root == RootOwn && r.owns(cfg.Party, n.owner):
			weights[i] = 1
		case cfg.Root == RootValue:
			weights[i] = r.cfg.Subnets[n.group].Value
		}
		top = max(top, weights[i])
	}
	for i, w := range weights {
		if w > 0 {
			o.Netuids = append(o.Netuids, r.subnets[i].chain.Netuid)
			o.Values = append(o.Values, uint32(math.Round(w/top*65535)))
		}
	}
	return o, top > 0
}

// step withdraws, sells and stakes again what the validators have earned, and
// pays their costs.
func (g *validatorGroup) step(r *run, days float64) {
	cfg := &r.cfg.Validators[g.at]
	for _, v := range g.members {
		perStake := r.m.RewardPerStake(v.operator)
		v.yield = (perStake - v.perStake) / days * 365.25
		v.perStake = perStake
		income := r.m.Withdraw(v.self) + r.m.WithdrawCommission(v.operator)
		g.income += income
		if !g.present {
			continue
		}
		r.spend(v.account, v.cost*days)
		r.sell(v.account, uint64(float64(income)*cfg.Sell))
		if again := min(uint64(float64(income)*cfg.Compound), r.m.Balance(v.account)); again > 0 {
			if err := r.m.Delegate(v.self, again); err != nil {
				continue
			}
		}
		_ = r.seatValidator(v, false)
	}
}

// leave takes the stake of a group back, and its say with it.
func (g *validatorGroup) leave(r *run) {
	g.present = false
	for _, v := range g.members {
		stake, _ := r.m.Stake(v.self)
		r.m.Undelegate(v.self, stake)
		for _, n := range v.nets {
			if uid, seated := v.uids[n]; seated && n.chain != nil && r.m.Deregister(n.chain, uid) == nil {
				n.rise(uid)
			}
		}
	}
}

func (g *validatorGroup) enter(r *run) error {
	g.present, r.rootStale = true, true
	for _, v := range g.members {
		if err := r.seatValidator(v, false); err != nil {
			return err
		}
	}
	return nil
}
