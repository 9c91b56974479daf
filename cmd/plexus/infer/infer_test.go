package infercmd

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
)

func execute(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := Command()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.Execute()
	return out.String(), err
}

func codeOf(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}

func picture(t *testing.T) string {
	t.Helper()
	drawn := image.NewGray(image.Rect(0, 0, digits.Size, digits.Size))
	for y := 4; y < 24; y++ {
		drawn.Pix[y*drawn.Stride+14] = 255
	}
	path := filepath.Join(t.TempDir(), "one.png")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, png.Encode(file, drawn))
	return path
}

func TestWhatCannotWorkIsSaidWithItsCode(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.png")
	require.NoError(t, os.WriteFile(bad, []byte("not a picture"), 0o644))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dead := lis.Addr().String()
	require.NoError(t, lis.Close())
	tests := map[string]struct {
		args []string
		code int
		says []string
	}{
		"not a picture":   {[]string{bad}, exitImage, []string{bad, "PNG or JPEG"}},
		"no such picture": {[]string{bad + "x"}, exitImage, []string{bad + "x"}},
		"chain down":      {[]string{picture(t), "--node", dead}, exitChain, []string{dead, "--node", "start a node"}},
		"no such output":  {[]string{picture(t), "--output", "xml"}, 1, []string{"xml", "json"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := execute(append([]string{"--netuid", "1"}, test.args...)...)
			require.Error(t, err)
			require.Equal(t, test.code, codeOf(err), "%v", err)
			for _, word := range test.says {
				require.ErrorContains(t, err, word)
			}
		})
	}
	_, err = execute("--netuid", "1")
	require.Error(t, err, "no picture")
	_, err = execute(picture(t))
	require.ErrorContains(t, err, "netuid")
}

func TestExplain(t *testing.T) {
	tests := map[string]struct {
		err  error
		code int
		says string
	}{
		"no subnet":           {fmt.Errorf("subnet 9: %w", metagraph.ErrNotFound), exitNoMiners, "plexus query subnet list"},
		"nobody serves":       {fmt.Errorf("subnet 9: %w", client.ErrNoMiners), exitNoMiners, "plexus miner start"},
		"nobody answers":      {fmt.Errorf("subnet 9: %w", client.ErrNoAnswer), exitNoAnswer, "--attempts"},
		"in plaintext":        {fmt.Errorf("%w: %w", client.ErrNoAnswer, oip.ErrPlaintext), exitNoAnswer, "plaintext"},
		"the chain":           {fmt.Errorf("subnet 9: %w", metagraph.ErrUnavailable), exitChain, "127.0.0.1:9090"},
		"nothing to pay with": {fmt.Errorf("%w: %w", client.ErrNoAnswer, client.ErrPayment), exitPayment, "--payer"},
		"too dear":            {fmt.Errorf("%w: %w", client.ErrNoAnswer, client.ErrPrice), exitPayment, "--max-price"},
		"no money":            {fmt.Errorf("%w: %w", client.ErrNoAnswer, wallet.ErrNoFunds), exitPayment, "send coins"},
		"over budget":         {fmt.Errorf("%w: %w", client.ErrNoAnswer, wallet.ErrOverBudget), exitPayment, "--budget"},
		"anything else":       {errors.New("else"), 1, "else"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := explain(test.err, "127.0.0.1:9090")
			require.Equal(t, test.code, codeOf(err))
			require.ErrorIs(t, err, test.err)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestAskTellsWhoAnsweredWhat(t *testing.T) {
	server := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{
		"digits": minertest.Constant(t, []int64{1, 10}, 0, 0, 0.25, 0, 0, 0, 0, 0.75, 0, 0), "garbage": minertest.Constant(t, []int64{1, 2}, 1, 0)})
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Hotkey: "plx1bad", Incentive: 9, Endpoint: server.Endpoint("garbage")},
		metagraph.Neuron{Hotkey: "plx1good", Incentive: 5, Endpoint: server.Endpoint("digits")})
	c := client.New(chain.As(""), client.Options{})
	defer c.Close()
	input := models.FromFloat32s(digits.InputName, []int64{1, 1, digits.Size, digits.Size}, make([]float32, digits.Size*digits.Size))
	got, err := ask(t.Context(), c, 1, "seven.png", input)
	require.NoError(t, err)
	require.Equal(t, 7, got.Label)
	require.Equal(t, float32(0.75), got.Confidence)
	require.Equal(t, minerAnswer{UID: 1, Hotkey: "plx1good", Endpoint: server.Address, Model: "digits", Version: "1", Incentive: 5}, got.Miner)
	require.Len(t, got.Failed, 1, "an answer that makes no sense is no answer")

	got.ElapsedMS, got.Miner.Endpoint, got.Failed = 1.5, "127.0.0.1:8500", []string{"uid 0: reason"}
	var out bytes.Buffer
	require.NoError(t, table(&out, []answer{got}))
	require.Equal(t, `IMAGE      LABEL  CONFIDENCE  UID  HOTKEY    ENDPOINT        MODEL     TIME
seven.png  7      75.0%       1    plx1good  127.0.0.1:8500  digits/1  1.50ms

seven.png
  0    0.0%
  1    0.0%
  2   25.0%  ##########
  3    0.0%
  4    0.0%
  5    0.0%
  6    0.0%
  7   75.0%  ##############################
  8    0.0%
  9    0.0%
asked before, in vain: uid 0: reason
`, out.String())
}

// TestWhoAsks: a miner that serves accounts only answers the one that shows its account.
func TestWhoAsks(t *testing.T) {
	network.ConfigureAddresses()
	folder := t.TempDir()
	kr, err := chainclient.OpenKeyring(folder, keyring.BackendTest, strings.NewReader(""))
	require.NoError(t, err)
	for _, name := range []string{"miner", "alice"} {
		_, _, err = kr.NewMnemonic(name, keyring.English, "", keyring.DefaultBIP39Passphrase, hd.Secp256k1)
		require.NoError(t, err)
	}
	identityOf := func(args ...string) (id oip.Identity, err error) {
		cmd := Command()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		var s settings
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			s.hotkey, _ = cmd.Flags().GetString("hotkey")
			id, err = s.identity(cmd)
			return err
		}
		cmd.SetArgs(append([]string{"--netuid", "1", "x.png", "--keyring-backend", "test", "--keyring-dir", folder}, args...))
		return id, cmd.Execute()
	}
	named := func(name string) oip.Identity {
		id, err := identityOf("--hotkey", name, "--node-key", filepath.Join(folder, name+".pem"), "--chain-id", "plexus-1")
		require.NoError(t, err)
		require.True(t, id.Mutual())
		return id
	}
	server := minertest.Serve(t, miner.ServerConfig{Identity: named("miner"), Policy: miner.Policy{Strangers: miner.StrangersRefused}},
		map[string][]byte{"digits": minertest.Constant(t, []int64{1, 10}, 0, 0, 0.25, 0, 0, 0, 0, 0.75, 0, 0)})
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Hotkey: "plx1miner", Incentive: 9, Endpoint: server.Endpoint("digits")})
	asks := func(id oip.Identity) error {
		c := client.New(chain.As(""), client.Options{Dialer: oip.Dialer{Identity: id}})
		defer c.Close()
		_, err := ask(t.Context(), c, 1, "seven.png", models.FromFloat32s(digits.InputName, []int64{1, 1, digits.Size, digits.Size}, make([]float32, digits.Size*digits.Size)))
		return err
	}
	nobody, err := identityOf()
	require.NoError(t, err)
	require.ErrorContains(t, asks(nobody), "node certificate")
	require.NoError(t, asks(named("alice")))

	_, err = identityOf("--hotkey", "alice")
	require.ErrorContains(t, err, "go together")
	_, err = identityOf("--node-key", filepath.Join(folder, "x.pem"), "--chain-id", "plexus-1")
	require.ErrorContains(t, err, "go together")
	_, err = identityOf("--hotkey", "bob", "--node-key", filepath.Join(folder, "x.pem"), "--chain-id", "plexus-1")
	require.ErrorContains(t, err, "bob")
}
