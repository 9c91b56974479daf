package onchain

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/wallet"
)

func TestWhatComesOfPayingIsTranslated(t *testing.T) {
	w := &Wallet{payer: &chainclient.Signer{}}
	other := errors.New("other")
	for name, c := range map[string]struct{ err, want error }{
		"nothing":           {nil, nil},
		"too little":        {&chainclient.TxError{Codespace: "sdk", Code: 5}, wallet.ErrNoFunds},
		"an unused account": {fmt.Errorf("account: %w", chainclient.ErrNotFound), wallet.ErrNoFunds},
		"no such channel":   {&chainclient.TxError{Codespace: "channel", Code: 2}, metagraph.ErrNotFound},
		"no answer":         {fmt.Errorf("node: %w", chainclient.ErrUnavailable), metagraph.ErrUnavailable},
		"anything else":     {other, other},
	} {
		require.ErrorIs(t, w.paying(c.err), c.want, name)
	}
	_, err := NewWallet(Nodes{}, nil)
	require.ErrorIs(t, err, ErrNoKey)
}
