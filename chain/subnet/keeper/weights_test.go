package keeper_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func TestSetWeights(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	require.Zero(t, n.neuron(watcher).BlocksUntilWeights)
	n.Must(watcher, weightsMsg(watcher, 3, 20, 2, 40, 1, 0))

	res, err := n.Subnet().Weights(context.Background(), &subnetv1.QueryWeightsRequest{Netuid: 1})
	require.NoError(t, err)
	require.Equal(t, []subnetv1.WeightRow{{Uid: 0, Updated: n.Height(), Uids: []uint32{1, 2, 3}, Values: []uint32{0, 65535, 32768}}}, res.Rows)
	require.Equal(t, n.Height(), n.neuron(watcher).Updated)
	require.Equal(t, n.Height(), n.metagraph().Updated[0])

	require.EqualValues(t, 2, n.neuron(watcher).BlocksUntilWeights)
	n.Refuse(keeper.ErrRateLimited, watcher, weightsMsg(watcher, 2, 1))
	n.Advance(1)
	n.Refuse(keeper.ErrRateLimited, watcher, weightsMsg(watcher, 2, 1))
	n.Advance(1)
	require.Zero(t, n.neuron(watcher).BlocksUntilWeights)
	n.Must(watcher, weightsMsg(watcher, 2, 1))
}

// refusal is one reason of protocol section 7; make changes the message or the
// network so that it applies.
type refusal struct {
	name string
	want *errorsmod.Error
	make func(testnet, *subnetv1.MsgSetWeights) (signer apptest.Account)
}

func refusals() []refusal {
	change := func(f func(*subnetv1.MsgSetWeights)) func(testnet, *subnetv1.MsgSetWeights) apptest.Account {
		return func(_ testnet, m *subnetv1.MsgSetWeights) apptest.Account {
			f(m)
			return watcher
		}
	}
	by := func(a apptest.Account) func(testnet, *subnetv1.MsgSetWeights) apptest.Account {
		return func(_ testnet, m *subnetv1.MsgSetWeights) apptest.Account {
			m.Hotkey = a.String()
			return a
		}
	}
	return []refusal{
		{"the subnet does not exist", keeper.ErrUnknownSubnet, change(func(m *subnetv1.MsgSetWeights) { m.Netuid = 9 })},
		{"not registered", keeper.ErrNotRegistered, by(alice)},
		{"stake below the threshold", keeper.ErrStakeTooLow, by(minerA)},
		{"wrong version", keeper.ErrWrongVersion, change(func(m *subnetv1.MsgSetWeights) { m.Version = 2 })},
		{"too early", keeper.ErrRateLimited, func(n testnet, m *subnetv1.MsgSetWeights) apptest.Account {
			n.Must(watcher, weightsMsg(watcher, 2, 1, 3, 1))
			return watcher
		}},
		{"no permit", keeper.ErrNoPermit, by(second)},
		{"a uid given twice", keeper.ErrInvalidWeights, change(func(m *subnetv1.MsgSetWeights) { m.Uids[0] = m.Uids[1] })},
		{"an unknown uid", keeper.ErrUnknownUID, change(func(m *subnetv1.MsgSetWeights) { m.Uids[0] = 4 })},
		{"too few weights", keeper.ErrTooFewWeights, change(func(m *subnetv1.MsgSetWeights) { m.Uids, m.Values = m.Uids[:1], m.Values[:1] })},
		{"more than 16 bits", keeper.ErrInvalidWeights, change(func(m *subnetv1.MsgSetWeights) { m.Values[0] = 65536 })},
		{"a value for every uid", keeper.ErrInvalidWeights, change(func(m *subnetv1.MsgSetWeights) { m.Values = m.Values[:1] })},
		{"a weight above the maximum", keeper.ErrWeightTooLarge, change(func(m *subnetv1.MsgSetWeights) { m.Values[0] = 100 })},
	}
}

// TestSetWeightsRefusals goes through the reasons in the order of protocol
// section 7.
func TestSetWeightsRefusals(t *testing.T) {
	n := newTestnet(t, with(base(), func(p *subnetv1.Params) {
		p.StakeThreshold = subnet.PLX
		p.Defaults.MaxValidators = 1
		p.Defaults.MinAllowedWeights = 2
		p.Defaults.MaxWeight = 40000
	})).withNeurons()
	require.Equal(t, []bool{true, false, false, false}, n.metagraph().Permit)
	for _, r := range refusals() {
		t.Run(r.name, func(t *testing.T) {
			n.Advance(3) // past the rate limit of what came before
			msg := weightsMsg(watcher, 2, 1, 3, 1)
			signer := r.make(n, msg)
			before, err := n.Subnet().Weights(context.Background(), &subnetv1.QueryWeightsRequest{Netuid: 1})
			require.NoError(t, err)
			n.Refuse(r.want, signer, msg)
			after, err := n.Subnet().Weights(context.Background(), &subnetv1.QueryWeightsRequest{Netuid: 1})
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
}

// TestLoneSelfWeightNeedsNoPermit and no stake.
func TestLoneSelfWeightNeedsNoPermit(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(minerA, weightsMsg(minerA, 2, 5))
	n.Refuse(keeper.ErrNoPermit, minerB, weightsMsg(minerB, 2, 5))
}

// TestBeforeTheFirstEpochNobodyHasAPermit but a lone self-weight passes.
func TestBeforeTheFirstEpochNobodyHasAPermit(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	n.Must(large.Account(), bindMsg(large, watcher), registerMsg(large.Account(), watcher))
	n.register(alice, minerA)
	n.Refuse(keeper.ErrNoPermit, watcher, weightsMsg(watcher, 1, 1))
	n.Must(watcher, weightsMsg(watcher, 0, 1))
}
