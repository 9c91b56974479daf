package keeper_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	"github.com/plexusnet/plexus/chain/channel/keeper"
	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	"github.com/plexusnet/plexus/subnet"
)

// bound is a parameter with values at the edge of what validation lets and just
// beyond it.
type bound struct {
	field   string // in Go
	in, out []uint64
}

func bounds() []bound {
	return []bound{
		{"FeeBurn", []uint64{0, 5_000}, []uint64{5_001, 1<<32 - 1}},
		{"CloseDelay", []uint64{1, 1_000_000}, []uint64{0, 1_000_001}},
		{"MinDeposit", []uint64{1, subnet.Cap}, []uint64{0, subnet.Cap + 1}},
		{"MaxDuration", []uint64{1, 100_000_000}, []uint64{0, 100_000_001}},
		{"MaxLanes", []uint64{1, 256}, []uint64{0, 257}},
		{"MaxVouchers", []uint64{1, 1_000}, []uint64{0, 1_001}},
		{"DemandWindow", []uint64{1, 1_000_000}, []uint64{0, 1_000_001}},
		{"DemandSmoothing", []uint64{1, 100}, []uint64{0, 101}},
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func TestEveryParameterHasItsBoundsTested(t *testing.T) {
	var fields, covered []string
	for f := range reflect.TypeFor[channelv1.Params]().Fields() {
		fields = append(fields, f.Name)
	}
	for _, b := range bounds() {
		covered = append(covered, b.field)
		require.NotEmpty(t, b.in, b.field)
		require.NotEmpty(t, b.out, b.field)
	}
	slices.Sort(fields)
	slices.Sort(covered)
	require.Equal(t, fields, covered)
}

// TestGovernanceIsHeldToTheBounds of every parameter; nobody else changes any.
func TestGovernanceIsHeldToTheBounds(t *testing.T) {
	n := newTestnet(t, base())
	n.Refuse(keeper.ErrUnauthorized, eve, &channelv1.MsgUpdateParams{Authority: eve.String(), Params: testParams()})
	server, queries := keeper.NewMsgServer(n.App().Channel), keeper.NewQueryServer(n.App().Channel)
	try := func(t *testing.T, b bound, value uint64) (wanted, got channelv1.Params, err error) {
		wanted = testParams()
		reflect.ValueOf(&wanted).Elem().FieldByName(b.field).SetUint(value)
		ctx := n.Context()
		if _, err = server.UpdateParams(ctx, &channelv1.MsgUpdateParams{Authority: n.Authority(), Params: wanted}); err != nil {
			return wanted, got, err
		}
		res, err := queries.Params(ctx, &channelv1.QueryParamsRequest{})
		require.NoError(t, err)
		return wanted, res.Params, nil
	}
	for _, b := range bounds() {
		f, _ := reflect.TypeFor[channelv1.Params]().FieldByName(b.field)
		for _, value := range b.in {
			t.Run(fmt.Sprintf("%s %d is in", b.field, value), func(t *testing.T) {
				wanted, got, err := try(t, b, value)
				require.NoError(t, err)
				require.Equal(t, wanted, got)
			})
		}
		for _, value := range b.out {
			t.Run(fmt.Sprintf("%s %d is out", b.field, value), func(t *testing.T) {
				_, _, err := try(t, b, value)
				require.ErrorIs(t, err, keeper.ErrInvalidParams)
				require.ErrorContains(t, err, jsonName(f))
			})
		}
	}
}

// refusals are all errors of the module, with the rule of package payment that
// each stands for, if any.
func refusals() map[*errorsmod.Error]error {
	return map[*errorsmod.Error]error{
		keeper.ErrUnknownChannel: chainclient.ErrNotFound, keeper.ErrInvalidRequest: nil, keeper.ErrUnauthorized: nil, keeper.ErrInvalidParams: nil,
		keeper.ErrForged: payment.ErrForged, keeper.ErrInvalidKey: payment.ErrInvalidKey, keeper.ErrReplayed: payment.ErrReplayed,
		keeper.ErrOverspent: payment.ErrOverspent, keeper.ErrTooManyLanes: payment.ErrTooManyLanes, keeper.ErrClosed: payment.ErrClosed,
		keeper.ErrClosing: payment.ErrClosing, keeper.ErrOpen: payment.ErrOpen, keeper.ErrInvalidTerms: payment.ErrInvalidTerms,
	}
}

// TestClientsKnowEveryRefusal: what the chain client makes of a code is the rule
// that the chain gave the code to.
func TestClientsKnowEveryRefusal(t *testing.T) {
	seen := map[uint32]bool{}
	for e, rule := range refusals() {
		require.False(t, seen[e.ABCICode()], "%v", e)
		seen[e.ABCICode()] = true
		require.NotZero(t, e.GRPCStatus().Code())
		refused := &chainclient.TxError{Codespace: e.Codespace(), Code: e.ABCICode()}
		require.Equal(t, rule, refused.Unwrap(), "%v", e)
	}
}

// TestReadme keeps the module's README complete: every message, query, parameter
// with its default, and error has its line.
func TestReadme(t *testing.T) {
	raw, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	readme := string(raw)
	for m := range reflect.TypeFor[channelv1.MsgServer]().Methods() {
		require.Contains(t, readme, "| `Msg"+m.Name+"` |")
	}
	for m := range reflect.TypeFor[channelv1.QueryServer]().Methods() {
		require.Contains(t, readme, "| `"+m.Name+"` | `/")
	}
	defaults := reflect.ValueOf(keeper.DefaultParams())
	for f, v := range defaults.Fields() {
		require.Contains(t, readme, fmt.Sprintf("| `%s` | %d |", jsonName(f), v.Uint()))
	}
	for e := range refusals() {
		require.Contains(t, readme, fmt.Sprintf("| %d | %s |", e.ABCICode(), e))
	}
}
