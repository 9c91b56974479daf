package simulation

import (
	"iter"
	"math/rand"

	sdk "github.com/cosmos/cosmos-sdk/types"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/network"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// snapshot is the module's state, read once for as long as nothing changes it.
type snapshot struct {
	height  int64
	state   *subnetv1.GenesisState
	coldkey map[string]string // of a hotkey
	bound   map[string]string // operator of a hotkey
}

// world is what an operation sees and draws from.
type world struct {
	*snapshot
	m       *Module
	r       *rand.Rand
	ctx     sdk.Context
	accs    []simtypes.Account
	chainID string
}

// look reads the state for one operation.
func (m *Module) look(r *rand.Rand, ctx sdk.Context, accs []simtypes.Account, chainID string) (*world, error) {
	if m.known == nil || m.known.height != ctx.BlockHeight() {
		state, err := m.cfg.Keeper.ExportGenesis(ctx)
		if err != nil {
			return nil, err
		}
		m.known = &snapshot{height: ctx.BlockHeight(), state: state, coldkey: map[string]string{}, bound: map[string]string{}}
		for _, h := range state.Hotkeys {
			m.known.coldkey[h.Hotkey] = h.Coldkey
		}
		for _, b := range state.Bindings {
			m.known.bound[b.Hotkey] = b.Validator
		}
	}
	if m.signers != len(accs) {
		m.byName, m.signers = map[string]simtypes.Account{}, len(accs)
		for _, a := range accs {
			m.byName[a.AddressBech32] = a
		}
	}
	return &world{snapshot: m.known, m: m, r: r, ctx: ctx, accs: accs, chainID: chainID}, nil
}

func (w *world) height() uint64 { return uint64(w.ctx.BlockHeight()) }

// spoil decides whether a message is to be wrong.
func (w *world) spoil() bool { return chance(w.r, 12) }

// balance returns what an account can spend, in nplx.
func (w *world) balance(addr sdk.AccAddress) uint64 {
	return w.m.cfg.Bank.SpendableCoin(w.ctx, addr, network.Denom).Amount.Uint64()
}

// account draws anybody.
func (w *world) account() simtypes.Account { return oneOf(w.r, w.accs) }

// payer draws the richest of a few.
func (w *world) payer() simtypes.Account {
	best := w.account()
	for range 4 {
		if a := w.account(); w.balance(a.Address) > w.balance(best.Address) {
			best = a
		}
	}
	return best
}

// other draws anybody but those named. There are more accounts than are ever
// named.
func (w *world) other(names ...string) simtypes.Account {
	for {
		a := w.account()
		named := false
		for _, n := range names {
			named = named || a.AddressBech32 == n
		}
		if !named {
			return a
		}
	}
}

// signer returns the account of an address, errNothing where the simulation has
// no key of it.
func (w *world) signer(address string) (simtypes.Account, error) {
	a, found := w.m.byName[address]
	if !found {
		return a, errNothing
	}
	return a, nil
}

// proof shows that a hotkey's key is there, if it is.
func (w *world) proof(hotkey, coldkey string) *subnetv1.HotkeyProof {
	a, err := w.signer(hotkey)
	if err != nil {
		return nil
	}
	signature, err := a.PrivKey.Sign(subnetv1.HotkeyClaim(w.chainID, coldkey))
	if err != nil {
		return nil
	}
	return &subnetv1.HotkeyProof{PublicKey: a.PrivKey.PubKey().Bytes(), Signature: signature}
}

// subnet draws a subnet.
func (w *world) subnet() (subnetv1.GenesisSubnet, error) {
	if len(w.state.Subnets) == 0 {
		return subnetv1.GenesisSubnet{}, errNothing
	}
	return oneOf(w.r, w.state.Subnets), nil
}

// subnetWith draws a subnet that hides weights in the given way.
func (w *world) subnetWith(scheme string) (subnetv1.GenesisSubnet, error) {
	var of []subnetv1.GenesisSubnet
	for _, s := range w.state.Subnets {
		if s.Subnet.Hyperparams.CommitReveal == scheme {
			of = append(of, s)
		}
	}
	if len(of) == 0 {
		return subnetv1.GenesisSubnet{}, errNothing
	}
	return oneOf(w.r, of), nil
}

// named returns the subnet of a netuid, if it exists.
func (w *world) named(netuid uint32) (subnetv1.GenesisSubnet, error) {
	for _, s := range w.state.Subnets {
		if s.Subnet.Netuid == netuid {
			return s, nil
		}
	}
	return subnetv1.GenesisSubnet{}, errNothing
}

// nobodysNetuid is one that no subnet has.
func (w *world) nobodysNetuid() uint32 {
	return max(w.state.Counter.NextNetuid, 1) + uint32(w.r.Intn(10))
}

// seated returns the neurons of a subnet that have a hotkey.
func seated(s subnetv1.GenesisSubnet) []subnetv1.Neuron {
	var of []subnetv1.Neuron
	for _, n := range s.Neurons {
		if n.Hotkey != "" {
			of = append(of, n)
		}
	}
	return of
}

// neuron draws one neuron of a subnet.
func (w *world) neuron(s subnetv1.GenesisSubnet) (subnetv1.Neuron, error) {
	of := seated(s)
	if len(of) == 0 {
		return subnetv1.Neuron{}, errNothing
	}
	return oneOf(w.r, of), nil
}

// validator draws a neuron with a permit, and seldom one without.
func (w *world) validator(s subnetv1.GenesisSubnet) (subnetv1.Neuron, error) {
	var of []subnetv1.Neuron
	for _, n := range seated(s) {
		if int(n.Uid) < len(s.Outcome.Permit) && s.Outcome.Permit[n.Uid] {
			of = append(of, n)
		}
	}
	if len(of) == 0 || chance(w.r, 5) {
		return w.neuron(s)
	}
	return oneOf(w.r, of), nil
}

// hotkey draws a hotkey that somebody owns.
func (w *world) hotkey() (hotkey, coldkey string, err error) {
	if len(w.state.Hotkeys) == 0 {
		return "", "", errNothing
	}
	h := oneOf(w.r, w.state.Hotkeys)
	return h.Hotkey, h.Coldkey, nil
}

// owned ranges over hotkeys and their coldkeys, in order.
func (w *world) owned() iter.Seq2[string, string] {
	return func(yield func(hotkey, coldkey string) bool) {
		for _, h := range w.state.Hotkeys {
			if !yield(h.Hotkey, h.Coldkey) {
				return
			}
		}
	}
}

// unused draws an account that is nobody's hotkey.
func (w *world) unused() (simtypes.Account, error) {
	for range 20 {
		if a := w.account(); w.coldkey[a.AddressBech32] == "" {
			return a, nil
		}
	}
	return simtypes.Account{}, errNothing
}

// operator draws a staking validator whose key the simulation has.
func (w *world) operator() (simtypes.Account, error) {
	validators, err := w.m.cfg.Staking.GetAllValidators(w.ctx)
	if err != nil {
		return simtypes.Account{}, err
	}
	if len(validators) == 0 {
		return simtypes.Account{}, errNothing
	}
	return w.signer(accountOf(oneOf(w.r, validators)))
}

// accountOf returns the account that operates a validator.
func accountOf(v stakingtypes.Validator) string {
	addr, err := sdk.ValAddressFromBech32(v.OperatorAddress)
	if err != nil {
		return "" // nobody's
	}
	return sdk.AccAddress(addr).String()
}

// text draws letters.
func (w *world) text(low, high uint64) string {
	return simtypes.RandStringOfLength(w.r, int(between(w.r, low, high)))
}

// bytes draws n bytes.
func (w *world) bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = w.r.Read(b) // never fails
	return b
}
