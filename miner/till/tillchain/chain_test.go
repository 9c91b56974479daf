package tillchain

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/payment"
)

var _ till.Chain = (*Chain)(nil)

// TestWhatIsRefusedForItsVouchers: a fee that is too low is no reason to give a voucher up.
func TestWhatIsRefusedForItsVouchers(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"a voucher":                 {&chainclient.TxError{Codespace: "channel", Code: 10}, true},
		"a voucher, further down":   {fmt.Errorf("submit: %w", &chainclient.TxError{Codespace: "channel", Code: 12}), true},
		"a fee that is too low":     {&chainclient.TxError{Codespace: "sdk", Code: 13}, false},
		"gas that ran out":          {&chainclient.TxError{Codespace: "sdk", Code: 11}, false},
		"a chain that is not there": {fmt.Errorf("submit: %w", chainclient.ErrUnavailable), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := refusal(c.err)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, errors.Is(err, till.ErrRefused))
		})
	}
	require.ErrorIs(t, refusal(&chainclient.TxError{Codespace: codespace, Code: 12}), payment.ErrReplayed)
}
