package keeper_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	errorsmod "cosmossdk.io/errors"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// TestReadme keeps the module's README complete: every message, query,
// parameter, hyperparameter and error has its line.
func TestReadme(t *testing.T) {
	raw, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	readme := string(raw)
	for m := range reflect.TypeFor[subnetv1.MsgServer]().Methods() {
		require.Contains(t, readme, "| `Msg"+m.Name+"` |")
	}
	for m := range reflect.TypeFor[subnetv1.QueryServer]().Methods() {
		require.Contains(t, readme, "| `"+m.Name+"` | `/")
	}
	for _, message := range []reflect.Type{reflect.TypeFor[subnetv1.Params](), reflect.TypeFor[subnetv1.Hyperparams]()} {
		for f := range message.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			require.Contains(t, readme, "`"+name+"`")
		}
	}
	for _, e := range []*errorsmod.Error{
		keeper.ErrUnknownSubnet, keeper.ErrNotRegistered, keeper.ErrRegistered, keeper.ErrHotkeyTaken, keeper.ErrInvalidRequest,
		keeper.ErrUnauthorized, keeper.ErrNoValidator, keeper.ErrSubnetLimit, keeper.ErrStakeTooLow, keeper.ErrWrongVersion,
		keeper.ErrRateLimited, keeper.ErrNoPermit, keeper.ErrInvalidWeights, keeper.ErrUnknownUID, keeper.ErrTooFewWeights,
		keeper.ErrWeightTooLarge, keeper.ErrSubnetFull, keeper.ErrPriceTooHigh, keeper.ErrInvalidEndpoint, keeper.ErrInvalidParams,
		keeper.ErrGoverned, keeper.ErrFrozen, keeper.ErrInvalidIdentity, keeper.ErrNoIdentity, keeper.ErrUnprovenHotkey,
		keeper.ErrCommitReveal, keeper.ErrWrongEpoch, keeper.ErrCommitted, keeper.ErrNoBeacon, keeper.ErrWrongRound, keeper.ErrInvalidCommit,
		keeper.ErrUnknownCommit, keeper.ErrNotDue, keeper.ErrExpired, keeper.ErrWrongOpening, keeper.ErrSuperseded, keeper.ErrChangedHands,
		keeper.ErrUselessPulse, keeper.ErrInvalidPulse,
	} {
		require.Contains(t, readme, fmt.Sprintf("| %d | %s |", e.ABCICode(), e))
	}
}
