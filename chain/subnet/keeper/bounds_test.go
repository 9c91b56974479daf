package keeper_test

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// bound is a field of a message of parameters with values at the edge of what
// validation lets and just beyond it. A field of which every value is good has
// none beyond.
type bound[M any] struct {
	field   string // in Go
	in, out []any
	beside  func(*M) // what else has to change for the values to make sense
	by      string   // name of a field that may be blamed instead, since its bound is this one
}

// set puts a value into a field.
func set[M any](t *testing.T, m *M, field string, value any) {
	t.Helper()
	f := reflect.ValueOf(m).Elem().FieldByName(field)
	v := reflect.ValueOf(value)
	require.True(t, f.IsValid(), field)
	converted := v.Convert(f.Type())
	require.Equal(t, fmt.Sprint(value), fmt.Sprint(converted), "%s cannot hold the value", field)
	f.Set(converted)
}

// jsonName is the name under which people know a field.
func jsonName[M any](field string) string {
	f, _ := reflect.TypeFor[M]().FieldByName(field)
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// requireEveryField fails where a message has a field without a case, or a case
// has no field.
func requireEveryField[M any](t *testing.T, cases []bound[M], elsewhere ...string) {
	t.Helper()
	var fields, covered []string
	for f := range reflect.TypeFor[M]().Fields() {
		fields = append(fields, f.Name)
	}
	for _, c := range cases {
		covered = append(covered, c.field)
		require.NotEmpty(t, c.in, c.field)
	}
	covered = append(covered, elsewhere...)
	slices.Sort(fields)
	slices.Sort(covered)
	require.Equal(t, fields, covered)
}

func paramsBounds() []bound[subnetv1.Params] {
	type params = subnetv1.Params
	const period = 100_000_000
	return []bound[params]{
		{"OwnerBps", []any{0, 10_000}, []any{10_001}, func(p *params) { p.MinerBps, p.ValidatorBps = 10_000-min(p.OwnerBps, 10_000), 0 }, "split"},
		{"MinerBps", []any{0, 10_000}, []any{10_001}, func(p *params) { p.ValidatorBps, p.OwnerBps = 10_000-min(p.MinerBps, 10_000), 0 }, "split"},
		{"ValidatorBps", []any{0, 10_000}, []any{10_001}, func(p *params) { p.OwnerBps, p.MinerBps = 10_000-min(p.ValidatorBps, 10_000), 0 }, "split"},
		{"MaxEpochsPerBlock", []any{1, 65535}, []any{0, 65536}, nil, ""},
		{"MaxSubnets", []any{1, 65535}, []any{0, 65536}, nil, ""},
		{"MinLock", []any{0, subnet.Cap}, []any{subnet.Cap + 1}, nil, ""},
		{"LockInterval", []any{1, period}, []any{0, period + 1}, nil, ""},
		{"StakeThreshold", []any{0, subnet.Cap}, []any{subnet.Cap + 1}, nil, ""},
		{"HyperparamsRateLimit", []any{0, period}, []any{period + 1}, nil, ""},
		{"HyperparamsFreeze", []any{0, period}, []any{period + 1}, nil, ""},
		{"RootWeightsRateLimit", []any{1, period}, []any{0, period + 1}, nil, ""},
		{"MaxRevealsPerBlock", []any{1, 256}, []any{0, 257}, nil, ""},
		{"MaxHistory", []any{0, 1000}, []any{1001}, nil, ""},
		{"SwapCost", []any{0, subnet.Cap}, []any{subnet.Cap + 1}, nil, ""},
		{"FailedCommitFee", []any{0, subnet.Cap}, []any{subnet.Cap + 1}, nil, ""},
		{"DemandMix", []any{0, 10_000}, []any{10_001}, nil, ""},
		{"DemandCap", []any{0, 10_000}, []any{10_001}, nil, ""},
	}
}

func beaconBounds() []bound[subnetv1.Beacon] {
	other := timelock.NewSecretKey().Public().Bytes()
	short, noPoint := other[:len(other)-1], make([]byte, len(other))
	return []bound[subnetv1.Beacon]{
		{"PublicKey", []any{[]byte{}, other}, []any{short, noPoint}, nil, ""},
		{"GenesisTime", []any{0, math.MaxInt64}, []any{-1}, nil, ""},
		{"PeriodSeconds", []any{1, 86_400}, []any{0, 86_401}, nil, ""},
	}
}

func hyperparamsBounds() []bound[subnetv1.Hyperparams] {
	type hyper = subnetv1.Hyperparams
	const period = 100_000_000
	// The bounds of these follow from the others.
	few := func(h *hyper) { h.MaxValidators, h.MinNonImmune, h.MinAllowedWeights = 1, 0, 1 }
	return []bound[hyper]{
		{"Tempo", []any{1, 1_000_000}, []any{0, 1_000_001}, nil, ""},
		{"Kappa", []any{1, 65534}, []any{0, 65535, 65536 + 32767}, nil, ""},
		{"BondsMovingAverage", []any{0, 1_000_000}, []any{1_000_001}, nil, ""},
		{"BondsPenalty", []any{0, 65535}, []any{65536}, nil, ""},
		{"YumaVersion", []any{2, 3}, []any{1, 4}, nil, ""},
		{"LiquidAlpha", []any{true, false}, nil, nil, ""},
		{"AlphaLow", []any{1, 58982}, []any{0, 58983, 65536}, nil, ""},
		{"AlphaHigh", []any{45875, 65535}, []any{45874, 65536}, nil, "alpha_low"},
		{"AlphaSteepness", []any{-32767, 32767}, []any{-32768, 32768, math.MinInt32}, nil, ""},
		{"MaxUids", []any{1, 4096}, []any{0, 4097}, few, ""},
		{"MaxValidators", []any{1, 256}, []any{0, 257}, nil, ""},
		{"MinAllowedWeights", []any{0, 256}, []any{257}, nil, ""},
		{"MaxWeight", []any{1, 65535}, []any{0, 65536}, nil, ""},
		{"ImmunityPeriod", []any{0, period}, []any{period + 1}, nil, ""},
		{"ActivityCutoff", []any{1, period}, []any{0, period + 1}, nil, ""},
		{"WeightsRateLimit", []any{1, period}, []any{0, period + 1}, nil, ""},
		{"WeightsVersion", []any{0, uint64(math.MaxUint64)}, nil, nil, ""},
		{"ServingRateLimit", []any{1, period}, []any{0, period + 1}, nil, ""},
		{"BurnStart", []any{subnet.PLX / 2000, 100 * subnet.PLX}, []any{subnet.PLX/2000 - 1, 100*subnet.PLX + 1}, nil, ""},
		{"BurnMin", []any{0, subnet.PLX}, []any{subnet.PLX + 1}, nil, "burn_start"},
		{"BurnMax", []any{subnet.PLX, subnet.Cap}, []any{subnet.PLX - 1, subnet.Cap + 1}, nil, "burn_start"},
		{"BurnIncrease", []any{10_000, 100_000}, []any{9_999, 100_001}, nil, ""},
		{"BurnHalfLife", []any{1, period}, []any{0, period + 1}, nil, ""},
		{"MinNonImmune", []any{0, 256}, []any{257}, nil, ""},
		{"CommitReveal", []any{"timelock", "hash", "off"}, []any{"", "Off", "rot13"}, nil, ""},
		{"RevealPeriod", []any{1, 100}, []any{0, 101}, nil, ""},
	}
}

func TestEveryParameterHasItsBoundsTested(t *testing.T) {
	requireEveryField(t, paramsBounds(), "Defaults", "Beacon")
	requireEveryField(t, beaconBounds())
	requireEveryField(t, hyperparamsBounds())
}

// requireBounds has every value of every field judged: those within the bounds
// are taken and stored, those beyond refused with the name of the field. A
// change starts from what fresh returns.
func requireBounds[M any](t *testing.T, cases []bound[M], fresh func() M, change func(M) (M, error)) {
	t.Helper()
	try := func(t *testing.T, c bound[M], value any) (wanted, got M, err error) {
		wanted = fresh()
		set(t, &wanted, c.field, value)
		if c.beside != nil {
			c.beside(&wanted)
		}
		got, err = change(wanted)
		return wanted, got, err
	}
	for _, c := range cases {
		for _, value := range c.in {
			t.Run(fmt.Sprintf("%s %.20v is in", c.field, value), func(t *testing.T) {
				wanted, got, err := try(t, c, value)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(wanted), fmt.Sprint(got))
			})
		}
		for _, value := range c.out {
			t.Run(fmt.Sprintf("%s %.20v is out", c.field, value), func(t *testing.T) {
				_, _, err := try(t, c, value)
				require.ErrorIs(t, err, keeper.ErrInvalidParams)
				require.Regexp(t, `\b(`+jsonName[M](c.field)+`|`+cmp.Or(c.by, "-")+`)\b`, err.Error())
			})
		}
	}
}

// TestGovernanceIsHeldToTheBounds of every parameter of the network, of its
// beacon, of the hyperparameters that new subnets get, and of those of a subnet
// that exists.
func TestGovernanceIsHeldToTheBounds(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	params := func() subnetv1.Params {
		p := keeper.DefaultParams()
		testParams(&p)
		return p
	}
	update := func(p subnetv1.Params) (subnetv1.Params, error) {
		ctx := n.Context()
		_, err := keeper.NewMsgServer(n.App().Subnet).UpdateParams(ctx, &subnetv1.MsgUpdateParams{Authority: n.Authority(), Params: p})
		if err != nil {
			return p, err
		}
		stored, err := keeper.NewQueryServer(n.App().Subnet).Params(ctx, &subnetv1.QueryParamsRequest{})
		require.NoError(t, err)
		return stored.Params, nil
	}
	t.Run("params", func(t *testing.T) { requireBounds(t, paramsBounds(), params, update) })
	t.Run("beacon", func(t *testing.T) {
		requireBounds(t, beaconBounds(), keeper.DefaultBeacon, func(b subnetv1.Beacon) (subnetv1.Beacon, error) {
			p := params()
			p.Beacon = b
			stored, err := update(p)
			return stored.Beacon, err
		})
	})
	hyperparams := func() subnetv1.Hyperparams { return params().Defaults }
	t.Run("defaults", func(t *testing.T) {
		requireBounds(t, hyperparamsBounds(), hyperparams, func(h subnetv1.Hyperparams) (subnetv1.Hyperparams, error) {
			p := params()
			p.Defaults = h
			stored, err := update(p)
			return stored.Defaults, err
		})
	})
	t.Run("hyperparams", func(t *testing.T) {
		requireBounds(t, hyperparamsBounds(), hyperparams, func(h subnetv1.Hyperparams) (subnetv1.Hyperparams, error) {
			if h == n.subnet().Hyperparams {
				return h, nil // a message that changes nothing is refused
			}
			ctx, err := n.govern(&subnetv1.MsgSetHyperparams{Sender: n.Authority(), Netuid: 1, Hyperparams: h})
			if err != nil {
				return h, err
			}
			res, err := keeper.NewQueryServer(n.App().Subnet).Subnet(ctx, &subnetv1.QuerySubnetRequest{Netuid: 1})
			require.NoError(t, err)
			return res.Subnet.Subnet.Hyperparams, nil
		})
	})
}
