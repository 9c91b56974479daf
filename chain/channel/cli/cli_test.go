package cli

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// keyFile writes a key as nodes and OpenSSL do.
func keyFile(t *testing.T) (string, ed25519.PrivateKey) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "voucher.pem")
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return path, key
}

// TestSignedVouchersCanBeRedeemed: what one command prints, the other reads.
func TestSignedVouchersCanBeRedeemed(t *testing.T) {
	path, key := keyFile(t)
	cmd := voucherCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"7", "3", "9", "5000000", "--key-file", path, "--chain-id", "plexus-1"})
	require.NoError(t, cmd.Execute())
	vouchers, err := parseVouchers([]string{strings.TrimSpace(out.String())})
	require.NoError(t, err)
	require.Len(t, vouchers, 1)
	require.Equal(t, []uint64{7, 3, 9, 5_000_000}, []uint64{vouchers[0].Channel, uint64(vouchers[0].Lane), vouchers[0].Nonce, vouchers[0].Amount})
	require.NoError(t, payment.Voucher(vouchers[0]).Verify("plexus-1", key.Public().(ed25519.PublicKey)))
}

func TestVoucherRefusals(t *testing.T) {
	path, _ := keyFile(t)
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"no chain", []string{"7", "3", "9", "5", "--key-file", path}, "--chain-id"},
		{"no key", []string{"7", "3", "9", "5", "--chain-id", "c"}, "key-file"},
		{"a key that is not there", []string{"7", "3", "9", "5", "--chain-id", "c", "--key-file", path + "x"}, "--key-file"},
		{"lane beyond 32 bits", []string{"7", "4294967296", "9", "5", "--chain-id", "c", "--key-file", path}, "lane"},
		{"negative amount", []string{"--chain-id", "c", "--key-file", path, "--", "7", "3", "9", "-5"}, "amount"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := voucherCommand()
			cmd.SetArgs(c.args)
			cmd.SetOut(io.Discard)
			cmd.SetErr(io.Discard)
			cmd.SilenceUsage = true
			require.ErrorContains(t, cmd.Execute(), c.says)
		})
	}
	_, err := parseVouchers([]string{"AAAA"})
	require.ErrorIs(t, err, payment.ErrMalformed)
	require.ErrorContains(t, err, "voucher 1")
}

func TestVoucherKeyFlag(t *testing.T) {
	path, key := keyFile(t)
	public := key.Public().(ed25519.PublicKey)
	of := func(args ...string) ([]byte, error) {
		cmd := openCommand()
		require.NoError(t, cmd.ParseFlags(args))
		return voucherKeyFlag(cmd)
	}
	for _, args := range [][]string{{"--key-file", path}, {"--voucher-key", hex.EncodeToString(public)}} {
		got, err := of(args...)
		require.NoError(t, err)
		require.Equal(t, []byte(public), got)
	}
	for _, args := range [][]string{nil, {"--key-file", path, "--voucher-key", "00"}} {
		_, err := of(args...)
		require.ErrorContains(t, err, "give one of")
	}
	_, err := of("--voucher-key", "00")
	require.ErrorIs(t, err, payment.ErrInvalidKey)
	junk := filepath.Join(t.TempDir(), "junk")
	require.NoError(t, os.WriteFile(junk, []byte("junk"), 0o600))
	_, err = of("--key-file", junk)
	require.ErrorContains(t, err, "no PEM")
}

func table(t *testing.T, show func(io.Writer)) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, printTable(&b, show))
	return b.String()
}

func TestTables(t *testing.T) {
	c := channelv1.Channel{
		Id: 7, Payer: "plexus1payer", Netuid: 1, Hotkey: "plexus1hot", Payee: "plexus1cold", VoucherKey: []byte{1, 2}, Deposit: 2_500_000_000,
		Redeemed: 500_000_000, Opened: 10, Expires: 900, CloseDelay: 600, MaxLanes: 16, Lanes: []channelv1.Lane{{Id: 3, Nonce: 9, Redeemed: 500_000_000}},
	}
	closing := c
	closing.Id, closing.ClosesAt = 8, 60
	require.Equal(t, strings.TrimPrefix(`
CHANNEL  NETUID  HOTKEY      PAYER         DEPOSIT  REDEEMED  LEFT   STATE    ENDS AT
7        1       plexus1hot  plexus1payer  2.5 PLX  0.5 PLX   2 PLX  open     900
8        1       plexus1hot  plexus1payer  2.5 PLX  0.5 PLX   2 PLX  closing  60
`, "\n"), table(t, func(w io.Writer) {
		showChannels(w, &channelv1.QueryChannelsResponse{Channels: []channelv1.Channel{c, closing}, Height: 50})
	}))
	require.Contains(t, table(t, func(w io.Writer) { showChannels(w, &channelv1.QueryChannelsResponse{}) }), "plexus tx channel open")
	require.Equal(t, strings.TrimPrefix(`
channel                        7
state                          ended at height 950
ends at height                 900
payer                          plexus1payer
payee                          plexus1cold
hotkey                         plexus1hot in subnet 1
voucher key                    0102
deposit                        2.5 PLX
redeemed                       0.5 PLX
left                           2 PLX
opened at height               10
blocks after the payer closes  600
lanes used                     1 of 16

LANE  NONCE  REDEEMED
3     9      0.5 PLX
`, "\n"), table(t, func(w io.Writer) { showChannel(w, &channelv1.QueryChannelResponse{Channel: c, End: 900, Height: 950}) }))
	require.Contains(t, table(t, func(w io.Writer) {
		showDemand(w, &channelv1.QueryDemandResponse{Demand: channelv1.Demand{WindowStart: 300, WindowBlocks: 100, SmoothedBurned: 5}})
	}), "window                       100 blocks from height 300\n")
	require.Contains(t, table(t, func(w io.Writer) {
		showTotals(w, &channelv1.QueryTotalsResponse{Totals: channelv1.Totals{Opened: 3, Escrowed: 1_000_000_000}, EscrowAccount: 1_000_000_000})
	}), "held by the escrow account  1 PLX\n")
	require.Contains(t, table(t, func(w io.Writer) {
		showParams(w, &channelv1.QueryParamsResponse{Params: channelv1.Params{FeeBurn: 500}})
	}), "fee_burn          500\n")
}
