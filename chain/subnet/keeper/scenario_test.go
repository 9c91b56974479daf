package keeper_test

import (
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/consensus"
	"github.com/plexusnet/plexus/consensus/fixed"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// machine is what a scenario runs on: the chain, or the rules without one.
// Every step is one block.
type machine interface {
	register(coldkey, hotkey apptest.Account)
	weigh(hotkey apptest.Account, pairs ...uint32)
	delegate(to apptest.Validator, nplx uint64)
	wait(blocks int)
}

// whale delegates; the money of the others is compared, the whale's is not,
// for it also earns by delegating.
var whale = apptest.NewAccount("whale")

// scenario is the script: miners come, go and are judged, stake moves, and a
// full subnet replaces its weakest. Checks happen between its steps.
func scenario(m machine, check func()) {
	newcomer, late := apptest.NewAccount("newcomer"), apptest.NewAccount("late")
	m.register(large.Account(), watcher)
	m.register(small.Account(), second)
	m.register(alice, minerA)
	m.register(bob, minerB)
	m.wait(2 * tempo) // the first epochs give permits and burn the miners' part
	check()
	m.weigh(watcher, 2, 700, 3, 300)
	m.weigh(second, 2, 100, 3, 900)
	m.wait(tempo)
	check()
	m.delegate(small, 500*subnet.PLX) // now the small one is the larger
	m.wait(tempo)
	check()
	m.weigh(watcher, 2, 1, 3, 1)
	m.register(alice, newcomer) // the fifth of five uids
	m.wait(3 * tempo)
	check()
	m.weigh(second, 2, 65535, 3, 1, 4, 33)
	m.weigh(watcher, 3, 5, 2, 5)
	m.wait(2*tempo + 3)
	check()
	m.register(bob, late) // takes the place of the weakest
	m.wait(1)
	m.weigh(second, 2, 3, 3, 2, 4, 1)
	m.wait(2 * tempo)
	check()
	m.wait(60) // weights grow older than the activity cutoff
	check()
}

func TestScenarioOnTheChainAndByTheRulesAlone(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*subnetv1.Hyperparams)
	}{
		{"Yuma3", func(*subnetv1.Hyperparams) {}},
		{"Yuma3 with liquid alpha", func(h *subnetv1.Hyperparams) { h.LiquidAlpha = true }},
		{"Yuma2", func(h *subnetv1.Hyperparams) { h.YumaVersion = 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := with(base(), func(p *subnetv1.Params) {
				p.Defaults.MaxUids, p.Defaults.MaxValidators, p.Defaults.ActivityCutoff = 5, 5, 40
				c.change(&p.Defaults)
			})
			cfg.Balances = append(cfg.Balances, apptest.Balance{Account: whale, Nplx: 1000 * subnet.PLX})
			both := pair{t: t, chain: onChain{newTestnet(t, cfg)}}
			both.start()
			scenario(both, both.check)
			require.Greater(t, both.checks, 5)
		})
	}
}

// pair runs every step on the chain and on the rules.
type pair struct {
	t      *testing.T
	chain  onChain
	rules  *rules
	checks int
}

// start binds the validators, opens the subnet, and gives the rules what the
// chain has then.
func (p *pair) start() {
	n := p.chain
	n.Must(large.Account(), bindMsg(large, watcher))
	n.Must(small.Account(), bindMsg(small, second))
	before := n.Emission()
	n.withSubnet()
	hyper, err := keeper.HyperparamsFromProto(n.subnet().Hyperparams)
	require.NoError(p.t, err)
	p.rules = &rules{
		t: p.t, hyper: hyper, height: n.Height() - 1, supply: before.Supply,
		clock:   subnet.Clock{LastEpoch: n.Height(), Tempo: hyper.Tempo},
		price:   hyper.BurnStart,
		priceAt: n.Height(),
		tokens:  map[string]uint64{watcher.String(): large.Tokens, second.String(): small.Tokens},
		operators: map[string]string{
			watcher.String(): large.Account().Operator().String(), second.String(): small.Account().Operator().String(),
		},
		balances: map[string]uint64{},
	}
	for _, a := range []apptest.Account{owner, alice, bob} {
		p.rules.balances[a.String()] = n.Balance(a.Address())
	}
	p.rules.endBlock()
}

func (p pair) register(coldkey, hotkey apptest.Account) {
	p.t.Helper()
	p.chain.register(coldkey, hotkey)
	p.rules.register(coldkey, hotkey)
}

func (p pair) weigh(hotkey apptest.Account, pairs ...uint32) {
	p.t.Helper()
	p.chain.weigh(hotkey, pairs...)
	p.rules.weigh(hotkey, pairs...)
}

func (p pair) delegate(to apptest.Validator, nplx uint64) {
	p.chain.delegate(to, nplx)
	p.rules.delegate(to, nplx)
}

func (p pair) wait(blocks int) {
	p.chain.wait(blocks)
	p.rules.wait(blocks)
}

// check compares everything that either side knows.
func (p *pair) check() {
	t, r, n := p.t, p.rules, p.chain
	t.Helper()
	p.checks++
	require.Equal(t, n.Height(), r.height)
	e := n.Emission()
	require.Equal(t, r.supply, e.Supply)
	require.Equal(t, r.pending, e.Pending)
	for _, a := range []apptest.Account{owner, alice, bob} {
		require.Equal(t, r.balances[a.String()], n.Balance(a.Address()), "balance of %s", a.Name)
	}
	var state subnetv1.GenesisState
	require.NoError(t, n.App().Encoding().Codec.UnmarshalJSON(json.RawMessage(moduleState(t, n.testnet)), &state))
	s := state.Subnets[0]
	require.Equal(t, r.epochs, s.Subnet.Epochs)
	require.Equal(t, r.clock.LastEpoch, s.Subnet.LastEpoch)
	require.Equal(t, r.outcome, s.Outcome)
	var streams []subnetv1.Stream
	for _, st := range r.streams {
		streams = append(streams, subnetv1.Stream{Validator: st.Validator, Total: st.Total, Start: st.Start, Length: st.Length})
	}
	require.Equal(t, streams, s.Streams.Streams)
	require.Len(t, s.Neurons, len(r.neurons))
	stored := map[uint32]subnetv1.Row{}
	for _, row := range s.Bonds {
		stored[row.Uid] = row.Row
	}
	for uid, neuron := range r.neurons {
		require.Equal(t, neuron.hotkey, s.Neurons[uid].Hotkey)
		require.Equal(t, pack(neuron.Bonds), append([]byte{}, stored[uint32(uid)].Entries...), "bonds of uid %d", uid)
	}
}

func pack(row consensus.Row) []byte {
	packed := []byte{}
	for _, e := range row {
		packed = binary.BigEndian.AppendUint16(packed, e.UID)
		packed = binary.BigEndian.AppendUint16(packed, e.Value)
	}
	return packed
}

// onChain sends the steps as transactions.
type onChain struct{ testnet }

func (c onChain) weigh(hotkey apptest.Account, pairs ...uint32) {
	c.Must(hotkey, weightsMsg(hotkey, pairs...))
}

func (c onChain) delegate(to apptest.Validator, nplx uint64) {
	c.Must(whale, delegate(whale, to, nplx))
}
func (c onChain) wait(blocks int) { c.Advance(blocks) }

// rules is one subnet driven by the functions of package subnet alone.
type rules struct {
	t              *testing.T
	hyper          subnet.Hyperparams
	engine         consensus.Engine
	height, epochs uint64
	supply         uint64
	pending        uint64
	clock          subnet.Clock
	price, priceAt uint64
	neurons        []ruled
	streams        []subnet.Stream
	outcome        subnetv1.Outcome
	tokens         map[string]uint64 // by hotkey
	operators      map[string]string // by hotkey
	balances       map[string]uint64
}

type ruled struct {
	subnet.Neuron
	hotkey, coldkey string
	hasSet          bool
}

func (r *rules) register(coldkey, hotkey apptest.Account) {
	now := r.height + 1
	price := r.hyper.RegistrationPrice(r.price, r.priceAt, now)
	if _, watched := r.balances[coldkey.String()]; watched {
		r.balances[coldkey.String()] -= price
	}
	r.supply -= price
	r.price, r.priceAt = r.hyper.PriceAfter(price), now
	newcomer := ruled{Neuron: subnet.Neuron{Registered: now, Updated: now}, hotkey: hotkey.String(), coldkey: coldkey.String()}
	if len(r.neurons) < int(r.hyper.MaxUIDs) {
		r.neurons = append(r.neurons, newcomer)
		o := &r.outcome
		for _, v := range []*[]uint32{&o.Incentive, &o.Dividends, &o.Consensus, &o.Trust, &o.ValidatorTrust, &o.StakeWeight} {
			*v = append(*v, 0)
		}
		o.Emission, o.Tokens = append(o.Emission, 0), append(o.Tokens, 0)
		o.Permit, o.Active = append(o.Permit, false), append(o.Active, false)
	} else {
		var standing []subnet.Standing
		for uid, n := range r.neurons {
			standing = append(standing, subnet.Standing{Registered: n.Registered, Emission: r.outcome.Emission[uid]})
		}
		uid, err := r.hyper.Replaceable(standing, now)
		require.NoError(r.t, err)
		r.neurons[uid] = newcomer
		o := &r.outcome
		for _, v := range [][]uint32{o.Incentive, o.Dividends, o.Consensus, o.Trust, o.ValidatorTrust, o.StakeWeight} {
			v[uid] = 0
		}
		o.Emission[uid], o.Tokens[uid], o.Permit[uid], o.Active[uid] = 0, 0, false, false
	}
	r.endBlock()
}

func (r *rules) weigh(hotkey apptest.Account, pairs ...uint32) {
	for uid := range r.neurons {
		n := &r.neurons[uid]
		if n.hotkey != hotkey.String() {
			continue
		}
		msg := weightsMsg(hotkey, pairs...)
		author := subnet.Author{UID: uint16(uid), Stake: r.tokens[n.hotkey], Permit: r.outcome.Permit[uid], HasSet: n.hasSet, Updated: n.Updated}
		row, err := r.hyper.CheckWeights(0, len(r.neurons), r.height+1, author, subnet.Opinion{UIDs: msg.Uids, Values: msg.Values})
		require.NoError(r.t, err)
		n.Weights, n.Updated, n.hasSet = row, r.height+1, true
	}
	r.endBlock()
}

func (r *rules) delegate(to apptest.Validator, nplx uint64) {
	for hotkey, operator := range r.operators {
		if operator == to.Account().Operator().String() {
			r.tokens[hotkey] += nplx
		}
	}
	r.endBlock()
}

func (r *rules) wait(blocks int) {
	for range blocks {
		r.endBlock()
	}
}

// endBlock is section 1 to 4 of the protocol for one subnet.
func (r *rules) endBlock() {
	r.height++
	reward := subnet.BlockReward(r.supply)
	r.supply += reward
	r.pending += subnet.Apportion(reward, subnet.RootShares(nil, 1))[0]
	if len(subnet.DueEpochs([]subnet.Clock{r.clock}, r.height, 16)) > 0 {
		r.epoch()
	}
}

func (r *rules) epoch() {
	e := subnet.Epoch{
		Height: r.height, LastEpoch: r.outcome.Height, Pending: r.pending, OwnerUID: -1,
		Split: subnet.DefaultSplit(), Hyperparams: r.hyper,
	}
	for uid, n := range r.neurons {
		n.Stake, n.LastStake, n.Permit = r.tokens[n.hotkey], r.outcome.Tokens[uid], r.outcome.Permit[uid]
		e.Neurons = append(e.Neurons, n.Neuron)
	}
	result, err := e.Run(&r.engine)
	require.NoError(r.t, err)
	r.pending = result.Carried
	r.supply -= result.Burned
	r.balances[owner.String()] += result.Owner
	r.streams = subnet.Running(r.streams, r.height)
	out := result.Output
	o := subnetv1.Outcome{
		Height: r.height, Incentive: u16s(out.Incentive), Dividends: u16s(out.Dividends), Consensus: u16s(out.Consensus),
		Trust: u16s(out.Trust), ValidatorTrust: u16s(out.ValidatorTrust), StakeWeight: u16s(out.Stake),
	}
	for uid := range r.neurons {
		n := &r.neurons[uid]
		if _, watched := r.balances[n.coldkey]; watched {
			r.balances[n.coldkey] += result.Miners[uid]
		}
		if part := result.Validators[uid]; part > 0 {
			r.streams = append(r.streams, subnet.Stream{Validator: r.operators[n.hotkey], Total: part, Start: r.height, Length: r.hyper.Tempo})
		}
		n.Bonds = append(consensus.Row{}, out.Bonds[uid]...)
		o.Emission = append(o.Emission, result.Miners[uid]+result.Validators[uid])
		o.Tokens = append(o.Tokens, r.tokens[n.hotkey])
		o.Permit, o.Active = append(o.Permit, out.Permit[uid]), append(o.Active, out.Active[uid])
	}
	r.outcome = o
	r.clock.LastEpoch = r.height
	r.epochs++
}

func u16s(v []fixed.I32F32) []uint32 {
	var stored []uint32
	for _, x := range v {
		stored = append(stored, uint32(x.U16()))
	}
	return stored
}
