package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/apptest"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// tempo and the other periods of the test network are short, so that epochs
// come soon.
const tempo = 10

var (
	owner   = apptest.NewAccount("owner")
	alice   = apptest.NewAccount("alice")
	bob     = apptest.NewAccount("bob")
	poor    = apptest.NewAccount("poor")
	minerA  = apptest.NewAccount("miner-a")
	minerB  = apptest.NewAccount("miner-b")
	minerC  = apptest.NewAccount("miner-c")
	watcher = apptest.NewAccount("watcher") // hotkey of the large validator
	second  = apptest.NewAccount("second")  // hotkey of the small one

	large = apptest.Validator{Name: "large", Tokens: 300 * subnet.PLX, CommissionBps: 1800}
	small = apptest.Validator{Name: "small", Tokens: 100 * subnet.PLX, CommissionBps: 1800}
)

// testParams scales the network down.
func testParams(p *subnetv1.Params) {
	p.MinLock = 50 * subnet.PLX
	p.LockInterval = 100
	d := &p.Defaults
	d.Tempo = tempo
	d.ImmunityPeriod = 30
	d.ActivityCutoff = 1000
	d.WeightsRateLimit = 3
	d.ServingRateLimit = 3
	d.BurnHalfLife = 20
	d.MinNonImmune = 1
	d.CommitReveal = subnet.CommitRevealOff
}

// base is a network of two validators and some accounts with money.
func base() apptest.Config {
	rich := 10_000 * subnet.PLX
	return apptest.Config{
		Balances: []apptest.Balance{
			{Account: owner, Nplx: rich}, {Account: alice, Nplx: rich}, {Account: bob, Nplx: rich}, {Account: poor, Nplx: 1},
			{Account: large.Account(), Nplx: rich}, {Account: small.Account(), Nplx: rich},
		},
		Validators: []apptest.Validator{large, small},
		Params:     testParams,
	}
}

// with changes the parameters of a network further.
func with(cfg apptest.Config, change func(*subnetv1.Params)) apptest.Config {
	before := cfg.Params
	cfg.Params = func(p *subnetv1.Params) {
		before(p)
		change(p)
	}
	return cfg
}

// testnet is a chain with shorthands for what tests do all the time.
type testnet struct {
	*apptest.Chain
	t testing.TB
}

func newTestnet(t testing.TB, cfg apptest.Config) testnet { return testnet{apptest.New(t, cfg), t} }

func createMsg() *subnetv1.MsgCreateSubnet {
	return &subnetv1.MsgCreateSubnet{Owner: owner.String(), Name: "digits", MaxLock: subnet.Cap}
}

func registerMsg(coldkey, hotkey apptest.Account) *subnetv1.MsgRegister {
	return &subnetv1.MsgRegister{Coldkey: coldkey.String(), Hotkey: hotkey.String(), Netuid: 1, MaxBurn: subnet.Cap, HotkeyProof: hotkey.Proof(coldkey)}
}

func bindMsg(v apptest.Validator, hotkey apptest.Account) *subnetv1.MsgBindHotkey {
	return &subnetv1.MsgBindHotkey{Operator: v.Account().String(), Hotkey: hotkey.String(), HotkeyProof: hotkey.Proof(v.Account())}
}

func weightsMsg(hotkey apptest.Account, pairs ...uint32) *subnetv1.MsgSetWeights {
	msg := &subnetv1.MsgSetWeights{Hotkey: hotkey.String(), Netuid: 1}
	for i := 0; i < len(pairs); i += 2 {
		msg.Uids, msg.Values = append(msg.Uids, pairs[i]), append(msg.Values, pairs[i+1])
	}
	return msg
}

func (n testnet) register(coldkey, hotkey apptest.Account) {
	n.Must(coldkey, registerMsg(coldkey, hotkey))
}

// withSubnet opens subnet 1.
func (n testnet) withSubnet() testnet {
	n.Must(owner, createMsg())
	return n
}

// withNeurons registers the validators' hotkeys as uids 0 and 1 and two miners
// as 2 and 3, and waits for the first epoch, which gives permits.
func (n testnet) withNeurons() testnet {
	n.withSubnet()
	n.Must(large.Account(), bindMsg(large, watcher), registerMsg(large.Account(), watcher))
	n.Must(small.Account(), bindMsg(small, second), registerMsg(small.Account(), second))
	n.register(alice, minerA)
	n.register(bob, minerB)
	n.AdvanceTo(n.subnet().LastEpoch + 2*tempo)
	return n
}

func (n testnet) info() subnetv1.SubnetInfo {
	n.t.Helper()
	res, err := n.Subnet().Subnet(context.Background(), &subnetv1.QuerySubnetRequest{Netuid: 1})
	require.NoError(n.t, err)
	return res.Subnet
}

func (n testnet) subnet() subnetv1.Subnet { return n.info().Subnet }

func (n testnet) metagraph() *subnetv1.QueryMetagraphResponse {
	n.t.Helper()
	res, err := n.Subnet().Metagraph(context.Background(), &subnetv1.QueryMetagraphRequest{Netuid: 1})
	require.NoError(n.t, err)
	return res
}

func (n testnet) neuron(hotkey apptest.Account) *subnetv1.QueryNeuronResponse {
	n.t.Helper()
	res, err := n.Subnet().Neuron(context.Background(), &subnetv1.QueryNeuronRequest{Netuid: 1, Hotkey: hotkey.String()})
	require.NoError(n.t, err)
	return res
}

func (n testnet) params() subnetv1.Params {
	n.t.Helper()
	res, err := n.Subnet().Params(context.Background(), &subnetv1.QueryParamsRequest{})
	require.NoError(n.t, err)
	return res.Params
}
