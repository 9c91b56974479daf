package walletcmd

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/client/wallet/wallettest"
	"github.com/plexusnet/plexus/miner/till/tilltest"
)

func execute(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := Command()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.Execute()
	return out.String(), err
}

func TestListReadsAWalletThatNobodyUses(t *testing.T) {
	chain, account := tilltest.NewChain(wallettest.ChainID), wallettest.NewAccount(t)
	path := filepath.Join(t.TempDir(), "wallet.db")
	w := wallettest.Open(t, wallettest.NewPayer(chain, account.Address, 10e9), account, wallet.Options{Path: path, Budget: 5e9})
	p, err := w.Reserve(t.Context(), wallet.Payee{Netuid: 1, Hotkey: "plx1miner"}, 1_000_000)
	require.NoError(t, err)
	require.NoError(t, p.Settle(1_000_000, 1_000_000))

	_, err = execute("list", "--wallet", path)
	require.ErrorIs(t, err, wallet.ErrInUse)
	require.NoError(t, w.Close())

	out, err := execute("list", "--wallet", path, "--output", "json")
	require.NoError(t, err)
	var got listing
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.EqualValues(t, 1e9, got.Out)
	require.Equal(t, []wallet.Channel{{ID: 1, Netuid: 1, Hotkey: "plx1miner", State: wallet.StateOpen, Deposit: 1e9,
		Signed: 11_000_000, Owed: 1_000_000, Expires: 50_401}}, got.Channels)

	out, err = execute("list", "--wallet", path)
	require.NoError(t, err)
	require.Contains(t, out, "1        1       plx1miner  open   1 PLX    0.011 PLX  0.001 PLX  0 PLX     50401\n")
	require.Contains(t, out, "out in channels or spent: 1 PLX")
}

func TestWhatCannotWorkIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no such wallet":    {[]string{"list", "--wallet", filepath.Join(t.TempDir(), "none.db")}, "none.db"},
		"no such format":    {[]string{"close", "--payer", "x", "--output", "xml", "7"}, "xml"},
		"not a channel":     {[]string{"collect", "--payer", "x", "seven"}, "plexus wallet list"},
		"nobody to pay":     {[]string{"close", "7"}, "payer"},
		"no subnet to open": {[]string{"open", "--payer", "x", "plx1"}, "netuid"},
	} {
		_, err := execute(c.args...)
		require.ErrorContains(t, err, c.says, name)
	}
}
