package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func pulseOf(round uint64) *subnetv1.MsgSubmitPulse { return &subnetv1.MsgSubmitPulse{Round: round} }

func in(mode sdk.ExecMode, height int64) sdk.Context {
	return sdk.Context{}.WithExecMode(mode).WithBlockHeight(height)
}

func TestGateLetsOnePulseOfARoundIntoTheMempool(t *testing.T) {
	g := &pulseGate{}
	check := in(sdk.ExecModeCheck, 5)
	require.True(t, g.admit(check, pulseOf(7)))
	require.True(t, g.admit(check, pulseOf(7)), "the first proved wrong: another may try")
	g.accepted(check, pulseOf(7))
	require.False(t, g.admit(check, pulseOf(7)))
	require.True(t, g.admit(check, pulseOf(8)))

	next := in(sdk.ExecModeCheck, 6)
	require.True(t, g.admit(next, pulseOf(7)), "the next block starts anew")
	require.True(t, g.admit(in(sdk.ExecModeReCheck, 7), pulseOf(7)), "what is in the mempool stays")
	require.False(t, g.admit(in(sdk.ExecModeCheck, 7), pulseOf(7)), "and counts")
}

func TestGateBoundsTheChecksBetweenTwoBlocks(t *testing.T) {
	g := &pulseGate{}
	for i := range uint64(maxPulseChecks) {
		require.True(t, g.admit(in(sdk.ExecModeCheck, 5), pulseOf(i)))
	}
	require.False(t, g.admit(in(sdk.ExecModeCheck, 5), pulseOf(1000)))
	require.True(t, g.admit(in(sdk.ExecModeCheck, 6), pulseOf(1000)))
}

func TestGateDoesNotJudgeBlocks(t *testing.T) {
	g := &pulseGate{}
	for range 3 * maxPulseChecks {
		for _, mode := range []sdk.ExecMode{sdk.ExecModeFinalize, sdk.ExecModeSimulate, sdk.ExecModePrepareProposal, sdk.ExecModeProcessProposal} {
			require.True(t, g.admit(in(mode, 5), pulseOf(7)))
			g.accepted(in(mode, 5), pulseOf(7))
		}
	}
	require.True(t, g.admit(in(sdk.ExecModeCheck, 5), pulseOf(7)))
}
