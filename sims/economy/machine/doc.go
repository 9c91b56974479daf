// Package machine is the network without a chain: what the chain's modules keep
// in a store, in plain memory, moved by the very same rules of packages subnet,
// consensus and payment, and of the SDK's staking and distribution modules as
// far as money goes. Every amount is an integer of nplx.
//
//	m := machine.New(machine.DefaultParams(), 0)
//	owner, alice := m.NewAccount(200*subnet.PLX), m.NewAccount(10*subnet.PLX)
//	s, err := m.CreateSubnet(owner, machine.None, subnet.DefaultHyperparams())
//	uid, err := m.Register(s, m.NewHotkey(alice), subnet.Cap)
//	err = m.Advance(360)
//
// What is done between two blocks is done in the next one, as transactions are:
// Now is the height that they see. Advance then makes blocks. It jumps over
// those in which nothing happens but minting and streaming, to the same state
// to the unit that Block makes one by one.
//
// After every step the books are compared: supply = balances + pending +
// streams + rewards + stake + locks + escrow, in constant time by running
// totals, and after every epoch by adding up all there is. What does not add up
// is an error that ends the run (ErrBooks).
package machine
