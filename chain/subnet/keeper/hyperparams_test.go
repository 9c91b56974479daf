package keeper_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// hyperparamsMsg changes hyperparameters of subnet 1 as its owner.
func (n testnet) hyperparamsMsg(change func(*subnetv1.Hyperparams)) *subnetv1.MsgSetHyperparams {
	msg := &subnetv1.MsgSetHyperparams{Sender: owner.String(), Netuid: 1, Hyperparams: n.subnet().Hyperparams}
	change(&msg.Hyperparams)
	return msg
}

// refuse is Refuse for a signer whom an epoch may pay in the same block.
func (n testnet) refuse(want *errorsmod.Error, signer apptest.Account, msg sdk.Msg) {
	n.t.Helper()
	_, err := n.Do(apptest.Tx{Signer: signer, Msgs: []sdk.Msg{msg}})
	require.ErrorIs(n.t, err, want, "refused otherwise: %v", err)
}

func ownersPace(p *subnetv1.Params) { p.HyperparamsRateLimit, p.HyperparamsFreeze = 15, 4 }

func TestSetHyperparams(t *testing.T) {
	n := newTestnet(t, with(base(), ownersPace)).withSubnet()
	n.Must(owner, n.hyperparamsMsg(func(h *subnetv1.Hyperparams) {
		h.MinAllowedWeights, h.WeightsVersion, h.ImmunityPeriod, h.CommitReveal = 2, 7, 44, "off"
	}))
	s := n.subnet()
	require.EqualValues(t, 2, s.Hyperparams.MinAllowedWeights)
	require.EqualValues(t, 7, s.Hyperparams.WeightsVersion)
	require.EqualValues(t, 44, s.Hyperparams.ImmunityPeriod)
	require.Equal(t, n.Height(), s.HyperparamsHeight)
}

func TestSetHyperparamsRefusals(t *testing.T) {
	n := newTestnet(t, with(base(), ownersPace)).withSubnet()
	for _, c := range []struct {
		name   string
		signer apptest.Account
		change func(*subnetv1.MsgSetHyperparams)
		want   *errorsmod.Error
	}{
		{"unknown subnet", owner, func(m *subnetv1.MsgSetHyperparams) { m.Netuid = 2 }, keeper.ErrUnknownSubnet},
		{"not the owner", alice, func(m *subnetv1.MsgSetHyperparams) { m.Sender = alice.String() }, keeper.ErrUnauthorized},
		{"nothing changes", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.WeightsVersion = 0 }, keeper.ErrInvalidRequest},
		{"out of bounds", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.YumaVersion = 4 }, keeper.ErrInvalidParams},
		{"more than its field holds", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.MaxWeight = 65536 }, keeper.ErrInvalidParams},
		{"no such scheme", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.CommitReveal = "rot13" }, keeper.ErrInvalidParams},
		{"reveal period 0", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.RevealPeriod = 0 }, keeper.ErrInvalidParams},
		{"tempo", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.Tempo = 1 }, keeper.ErrGoverned},
		{"kappa", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.Kappa = 1 }, keeper.ErrGoverned},
		{"max_uids", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.MaxUids = 4096 }, keeper.ErrGoverned},
		{"max_validators", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.MaxValidators = 256 }, keeper.ErrGoverned},
		{"weights_rate_limit", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.WeightsRateLimit = 1 }, keeper.ErrGoverned},
		{"serving_rate_limit", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.ServingRateLimit = 1 }, keeper.ErrGoverned},
		{"burn_min", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.BurnMin = 0 }, keeper.ErrGoverned},
		{"burn_max", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.BurnMax++ }, keeper.ErrGoverned},
		{"burn_start", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.BurnStart++ }, keeper.ErrGoverned},
		{"burn_increase", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.BurnIncrease++ }, keeper.ErrGoverned},
		{"burn_half_life", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.BurnHalfLife++ }, keeper.ErrGoverned},
		{"min_non_immune", owner, func(m *subnetv1.MsgSetHyperparams) { m.Hyperparams.MinNonImmune++ }, keeper.ErrGoverned},
	} {
		t.Run(c.name, func(t *testing.T) {
			msg := n.hyperparamsMsg(func(h *subnetv1.Hyperparams) { h.WeightsVersion = 9 })
			c.change(msg)
			before := n.subnet().Hyperparams
			n.refuse(c.want, c.signer, msg)
			require.Equal(t, before, n.subnet().Hyperparams)
		})
	}
}

// TestOwnersChangeAtTheirPace: the epochs are at created + 10, + 20, ...; a
// change is refused 15 blocks after the last, and in the last 4 blocks whose
// messages an epoch sees.
func TestOwnersChangeAtTheirPace(t *testing.T) {
	n := newTestnet(t, with(base(), ownersPace)).withSubnet()
	created := n.subnet().Created
	change := func(version uint64) *subnetv1.MsgSetHyperparams {
		return n.hyperparamsMsg(func(h *subnetv1.Hyperparams) { h.WeightsVersion = version })
	}
	n.Must(owner, change(1)) // at created + 1
	n.AdvanceTo(created + 14)
	n.refuse(keeper.ErrRateLimited, owner, change(2)) // at created + 15
	n.Must(owner, change(2))                          // at created + 16: in its block it is neither too early nor frozen
	n.AdvanceTo(created + 36)
	for range 4 {
		n.refuse(keeper.ErrFrozen, owner, change(3)) // created + 37 to + 40
	}
	require.Equal(t, created+40, n.subnet().LastEpoch)
	n.Must(owner, change(3))
}

// TestGovernanceChangesAnything at any time, within the bounds.
func TestGovernanceChangesAnything(t *testing.T) {
	n := newTestnet(t, with(base(), ownersPace)).withSubnet()
	n.AdvanceTo(n.subnet().Created + tempo - 1)
	msg := n.hyperparamsMsg(func(h *subnetv1.Hyperparams) { h.Tempo, h.Kappa = 20, 40000 })
	msg.Sender = n.Authority()
	ctx, err := n.govern(msg)
	require.NoError(t, err)
	res, err := keeper.NewQueryServer(n.App().Subnet).Subnet(ctx, &subnetv1.QuerySubnetRequest{Netuid: 1})
	require.NoError(t, err)
	require.EqualValues(t, 20, res.Subnet.Subnet.Hyperparams.Tempo)
	require.Zero(t, res.Subnet.Subnet.HyperparamsHeight, "the owner's own pace is not touched")

	msg.Hyperparams.Tempo = 0
	_, err = n.govern(msg)
	require.ErrorIs(t, err, keeper.ErrInvalidParams)
}

// TestLoweredMaxUIDs: the weakest leave at once, and their uids stay vacant
// until there is room.
func TestLoweredMaxUIDs(t *testing.T) {
	n := newTestnet(t, base()).withNeurons()
	n.Must(watcher, weightsMsg(watcher, 2, 9, 3, 1))
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	n.AdvanceTo(n.subnet().LastEpoch + tempo)
	m := n.metagraph()
	require.Greater(t, m.Emission[2], m.Emission[3])
	require.Greater(t, m.Emission[0], m.Emission[1])
	n.Advance(40) // past immunity

	msg := n.hyperparamsMsg(func(h *subnetv1.Hyperparams) { h.MaxUids, h.MaxValidators, h.MinNonImmune = 2, 2, 0 })
	msg.Sender = n.Authority()
	ctx, err := n.govern(msg)
	require.NoError(t, err)
	q := keeper.NewQueryServer(n.App().Subnet)
	after, err := q.Metagraph(ctx, &subnetv1.QueryMetagraphRequest{Netuid: 1})
	require.NoError(t, err)
	require.Equal(t, []string{watcher.String(), "", minerA.String(), ""}, after.Hotkeys)
	require.Equal(t, []uint64{0, 0}, []uint64{after.Emission[1], after.Emission[3]})

	register := registerMsg(bob, minerB)
	res, err := keeper.NewMsgServer(n.App().Subnet).Register(ctx, register)
	require.NoError(t, err)
	require.EqualValues(t, 2, res.Uid, "the subnet is full: the weakest makes room, vacant uids are not taken")
}
