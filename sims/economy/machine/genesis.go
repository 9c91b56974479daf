package machine

import "github.com/plexusnet/plexus/subnet"

// AddSubnet opens a subnet as a genesis does: it locks what is given, nplx,
// instead of a price that rises with every one.
func (m *Machine) AddSubnet(owner Account, lock uint64, hyper subnet.Hyperparams) (*Subnet, error) {
	return m.open(owner, None, lock, hyper)
}

// AddNeuron gives a hotkey a uid as a genesis does: for nothing, and without
// moving the price.
func (m *Machine) AddNeuron(s *Subnet, h Hotkey) (uid int, err error) {
	if uid, err = m.seat(s); err != nil {
		return None, err
	}
	n := &s.Neurons[uid]
	*n = Neuron{Hotkey: h, Registered: m.Now(), Weights: n.Weights[:0], Bonds: n.Bonds[:0]}
	return uid, nil
}
