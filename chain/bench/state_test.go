package bench

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// scale is the size of a state: full subnets, in all of which the same
// validators have weights over every neuron. Miners differ from subnet to
// subnet, and each has an account of its own.
type scale struct {
	subnets, neurons, validators int
	tempo                        uint64
}

// owner owns every subnet and has no neuron.
func owner() apptest.Account { return apptest.NewAccount("owner") }

func validatorOf(uid int) apptest.Validator {
	return apptest.Validator{Name: fmt.Sprintf("validator %d", uid), Tokens: uint64(100+uid) * subnet.PLX}
}

// hotkeyOf is the hotkey of a validator, and an account with money.
func hotkeyOf(uid int) apptest.Account { return apptest.NewAccount(fmt.Sprintf("hotkey %d", uid)) }

func minerOf(netuid uint32, uid int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "miner %d of subnet %d", uid, netuid))
	return sdk.AccAddress(sum[:20]).String()
}

// config is a chain with that state at its genesis, on disk below home.
func (s scale) config(home string) apptest.Config {
	cfg := apptest.Config{
		Alone: true, Home: home,
		Balances: []apptest.Balance{{Account: owner(), Nplx: 1000 * subnet.PLX}},
		Params: func(p *subnetv1.Params) {
			d := &p.Defaults
			d.MaxUids, d.MaxValidators, d.Tempo = uint32(s.neurons), uint32(max(s.validators, 1)), s.tempo
			d.WeightsRateLimit, d.CommitReveal = 1, subnet.CommitRevealOff
		},
	}
	for uid := range s.validators {
		cfg.Validators = append(cfg.Validators, validatorOf(uid))
		cfg.Balances = append(cfg.Balances, apptest.Balance{Account: hotkeyOf(uid), Nplx: 100 * subnet.PLX})
	}
	if s.validators == 0 {
		cfg.Validators = []apptest.Validator{validatorOf(0)}
	}
	cfg.Genesis = func(g apptest.Genesis) error {
		var state subnetv1.GenesisState
		return g.Edit(keeper.ModuleName, &state, func() { s.fill(&state) })
	}
	return cfg
}

func (s scale) fill(g *subnetv1.GenesisState) {
	for uid := range s.validators {
		hotkey := hotkeyOf(uid).String()
		g.Hotkeys = append(g.Hotkeys, subnetv1.HotkeyOwner{Hotkey: hotkey, Coldkey: hotkey})
		g.Bindings = append(g.Bindings, subnetv1.Binding{Hotkey: hotkey, Validator: validatorOf(uid).Account().Operator().String()})
	}
	for netuid := uint32(1); netuid <= uint32(s.subnets); netuid++ {
		g.Subnets = append(g.Subnets, s.subnet(netuid, g))
	}
	g.Counter.NextNetuid = uint32(s.subnets) + 1
}

func (s scale) subnet(netuid uint32, g *subnetv1.GenesisState) subnetv1.GenesisSubnet {
	n := subnetv1.GenesisSubnet{Subnet: subnetv1.Subnet{
		Netuid: netuid, Owner: owner().String(), Name: "full", Neurons: uint32(s.neurons), Hyperparams: g.Params.Defaults,
	}}
	for uid := range s.neurons {
		hotkey := ""
		if uid < s.validators {
			hotkey = hotkeyOf(uid).String()
		} else {
			hotkey = minerOf(netuid, uid)
			g.Hotkeys = append(g.Hotkeys, subnetv1.HotkeyOwner{Hotkey: hotkey, Coldkey: hotkey})
		}
		n.Neurons = append(n.Neurons, subnetv1.Neuron{Uid: uint32(uid), Hotkey: hotkey, Coldkey: hotkey, Endpoint: endpointOf(uid)})
		n.Outcome.Permit = append(n.Outcome.Permit, uid < s.validators)
		if uid < s.validators {
			n.Outcome.Tokens = append(n.Outcome.Tokens, validatorOf(uid).Tokens)
			n.Weights = append(n.Weights, subnetv1.UidRow{Uid: uint32(uid), Row: s.row(netuid, uid)})
		}
	}
	return n
}

func endpointOf(uid int) *subnetv1.Endpoint {
	return &subnetv1.Endpoint{
		Host: "192.0.2.1", Port: uint32(1024 + uid), Protocol: "oip-v2-grpc", TlsKeyHash: make([]byte, 32),
		Model: "digits", ModelSha256: make([]byte, 32), Price: 1000, Height: 1,
		PriceInputKib: 10, PriceOutputKib: 10, PriceComputeSecond: 100_000,
	}
}

// value is what a validator thinks of a neuron: the validators agree roughly,
// so that every neuron is paid and consensus has something to clip.
func value(netuid uint32, uid, of int) uint32 {
	return uint32(20_000 + (of*7919+int(netuid)*104_729)%30_000 + (uid*31+of*17)%2000)
}

// row is a full row of weights, packed.
func (s scale) row(netuid uint32, uid int) subnetv1.Row {
	var packed []byte
	for of := range s.neurons {
		packed = binary.BigEndian.AppendUint16(packed, uint16(of))
		packed = binary.BigEndian.AppendUint16(packed, uint16(value(netuid, uid, of)))
	}
	return subnetv1.Row{Updated: 1, Entries: packed}
}

// chain is a running chain of some scale.
type chain struct {
	*apptest.Chain
	scale
	b *testing.B
}

func (c chain) info(netuid int) subnetv1.SubnetInfo {
	res, err := c.Subnet().Subnet(c.b.Context(), &subnetv1.QuerySubnetRequest{Netuid: uint32(netuid)})
	require.NoError(c.b, err)
	return res.Subnet
}

// costs sums up what blocks took.
type costs struct {
	blocks          int
	execute, commit time.Duration
	longest         time.Duration
}

func (c *costs) add(t apptest.Took) {
	c.blocks++
	c.execute += t.Execute
	c.commit += t.Commit
	c.longest = max(c.longest, t.Execute+t.Commit)
}

func (c costs) all() time.Duration { return c.execute + c.commit }

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// report shows the means and the longest per block. What the benchmark did
// around the blocks is no part of them, so ns/op is left out.
func (c costs) report(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(c.execute)/float64(c.blocks), "execute-ms/block")
	b.ReportMetric(ms(c.commit)/float64(c.blocks), "commit-ms/block")
	b.ReportMetric(ms(c.longest), "longest-ms")
}
