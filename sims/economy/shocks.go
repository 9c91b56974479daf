package economy

import (
	"fmt"

	"github.com/plexusnet/plexus/subnet"
)

// shock lets one happen.
func (r *run) shock(s Shock) error {
	if err := r.set(s.Set); err != nil {
		return err
	}
	if s.Price > 0 {
		r.price.now *= s.Price
	}
	if s.Demand > 0 {
		r.demand *= s.Demand
	}
	if s.Leave != "" {
		r.leave(s.Leave)
	}
	if s.Enter != "" {
		if err := r.enter(s.Enter); err != nil {
			return err
		}
	}
	if s.Stake == nil {
		return nil
	}
	for _, g := range r.validators {
		if r.cfg.Validators[g.at].Name != s.Stake.Group {
			continue
		}
		for _, v := range g.members {
			if err := r.moveStake(v, s.Stake.PLX); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) moveStake(v *validator, amount float64) error {
	if amount < 0 {
		v.stake -= min(v.stake, r.m.Undelegate(v.self, nplx(-amount)))
		return nil
	}
	bought := r.buy(v.account, nplx(amount))
	v.stake += bought
	return r.m.Delegate(v.self, bought)
}

// set changes parameters, and tells the machine.
func (r *run) set(values map[string]any) error {
	if len(values) == 0 {
		return nil
	}
	for _, path := range sortedKeys(values) {
		if err := r.cfg.setLive(path, values[path]); err != nil {
			return err
		}
	}
	r.m.SetParams(r.params())
	for _, n := range r.subnets {
		if n.chain == nil {
			continue
		}
		hyper := subnet.Hyperparams(r.cfg.Subnets[n.group].Hyperparams)
		if hyper == n.chain.Hyper {
			continue
		}
		if err := r.m.SetHyperparams(n.chain, hyper); err != nil {
			return fmt.Errorf("subnet %d: %w", n.chain.Netuid, err)
		}
		for uid := range n.chain.Neurons {
			if n.chain.Neurons[uid].Hotkey < 0 && uid < len(n.seats) {
				n.rise(uid)
			}
		}
	}
	for _, g := range r.validators {
		for _, v := range g.members {
			r.m.SetCommission(v.operator, r.cfg.Validators[g.at].Commission)
		}
	}
	r.rootStale = true
	return nil
}

func (r *run) leave(name string) {
	for i, n := range r.subnets {
		if r.cfg.Subnets[r.subnets[i].group].Name == name && n.chain != nil {
			r.m.RemoveSubnet(n.chain)
			for uid := range n.seats {
				n.rise(uid)
			}
			n.chain, n.seats = nil, nil
			r.rootStale = true
		}
	}
	for _, g := range r.validators {
		if r.cfg.Validators[g.at].Name == name {
			g.leave(r)
		}
	}
	for _, g := range r.miners {
		if r.cfg.Miners[g.at].Name == name {
			g.leave(r)
		}
	}
	for _, g := range r.delegators {
		if r.cfg.Delegators[g.at].Name == name {
			g.leave(r)
		}
	}
	for _, g := range r.callers {
		if r.cfg.Callers[g.at].Name == name {
			g.present = false
			for _, c := range g.channels {
				r.m.Collect(c)
			}
		}
	}
}

// enter lets a group come in. Subnets that were removed do not come back.
func (r *run) enter(name string) error {
	for _, g := range r.validators {
		if r.cfg.Validators[g.at].Name == name {
			if err := g.enter(r); err != nil {
				return err
			}
		}
	}
	for _, g := range r.miners {
		if r.cfg.Miners[g.at].Name == name {
			g.enter(r)
		}
	}
	for _, g := range r.delegators {
		if r.cfg.Delegators[g.at].Name == name {
			if err := g.enter(r); err != nil {
				return err
			}
		}
	}
	for _, g := range r.callers {
		if r.cfg.Callers[g.at].Name == name {
			g.present = true
		}
	}
	return nil
}
