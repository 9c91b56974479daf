package minercmd

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/payment"
	"github.com/plexusnet/plexus/proto/inference"
)

// earnings runs `plexus miner earnings`.
func earnings(ctx context.Context, args ...string) (string, error) {
	out := &output{}
	cmd := Command()
	cmd.SetArgs(append([]string{"earnings"}, args...))
	cmd.SetOut(out)
	cmd.SetErr(out)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

// TestAMinerThatIsPaidAndSeesNoChain refuses whoever does not pay, tells whoever would to come back, and answers for its
// till.
func TestAMinerThatIsPaidAndSeesNoChain(t *testing.T) {
	folder := minertest.Folder(t, map[string][]byte{"digits": minertest.Classifier(t, 10)})
	store, nodeKey, address := filepath.Join(t.TempDir(), "till.db"), filepath.Join(t.TempDir(), "node.pem"), freePort(t)
	args := append(append(keys(t), runtimeFlag(t)...), "--models", folder, "--listen", address, "--node", freePort(t), "--price", "5",
		"--payment", "require", "--node-key", nodeKey, "--chain-id", "plexus-test-1", "--till", store)
	key, err := identity.LoadOrCreateKey(nodeKey)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, done := &output{}, make(chan error, 1)
	go func() { done <- execute(ctx, out, args...) }()
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	hash := sha256.Sum256(spki)
	conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: address, TLSKeyHash: hash[:]})
	require.NoError(t, err)
	defer conn.Close()
	service := inference.NewGRPCInferenceServiceClient(conn)
	require.Eventually(t, func() bool {
		_, err = service.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: "digits"})
		return status.Code(err) == codes.FailedPrecondition
	}, 30*time.Second, 20*time.Millisecond, "%s", out)
	require.ErrorContains(t, err, "paid per request")

	var text string
	require.Eventually(t, func() bool {
		text, err = earnings(t.Context(), "--till", store, "--output", "json")
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	var e till.Earnings
	require.NoError(t, json.Unmarshal([]byte(text), &e))
	require.True(t, e.Running)
	cancel()
	require.NoError(t, <-done)
	text, err = earnings(t.Context(), "--till", store)
	require.NoError(t, err)
	require.Contains(t, text, "no miner runs")
}

func TestEarnings(t *testing.T) {
	chain := tilltest.NewChain("plexus-test-1")
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	id := chain.Open(tilltest.Opening{Payer: "plx1payer", Netuid: 1, Hotkey: "plx1miner", Key: key.Public().(ed25519.PublicKey), Deposit: 5e9, Expires: 1000})
	home := t.TempDir()
	path := filepath.Join(home, "till", "1-plx1miner.db")
	taken, err := till.Open(till.Config{ChainID: "plexus-test-1", Netuid: 1, Hotkey: "plx1miner", Price: payment.Price{Request: 2_000_000}, Store: path, Chain: chain})
	require.NoError(t, err)
	taken.Look(t.Context())
	v := payment.Sign("plexus-test-1", key, payment.Voucher{Channel: id, Nonce: 1, Amount: 1_500_000_000})
	sale, err := taken.Admit(t.Context(), till.Caller{Account: "plx1payer"}, till.Offer{Channel: id, Limit: 2_000_000, Voucher: &v})
	require.NoError(t, err)
	_, err = sale.Settle(t.Context(), till.Answered, payment.Usage{})
	require.NoError(t, err)
	require.NoError(t, taken.Close())

	text, err := earnings(t.Context(), "--till", path)
	require.NoError(t, err)
	for _, word := range []string{"plx1payer", "1.5", "0.002", "open", "1000"} {
		require.Contains(t, text, word)
	}
	_, err = earnings(t.Context(), "--till", path+".none")
	require.ErrorIs(t, err, till.ErrNoStore)
	_, err = earnings(t.Context(), "--till", path, "--output", "yaml")
	require.ErrorContains(t, err, "yaml")
	t.Setenv("HOME", home)
	_, err = earnings(t.Context())
	require.ErrorContains(t, err, "--payment")
}

func TestWhatARedemptionMustBring(t *testing.T) {
	for name, c := range map[string]struct {
		threshold, gasPrice string
		want                uint64
	}{
		"of gas":            {"", "0.001", 150_000},
		"where gas is free": {"", "0", 1},
		"said":              {"0.5plx", "0.001", 500_000_000},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := (&paymentSettings{threshold: c.threshold}).least(c.gasPrice)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := (&paymentSettings{}).least("cheap")
	require.Error(t, err)
	dearer, err := bumped("0.001", 3)
	require.NoError(t, err)
	require.Equal(t, "0.008000000000000000", dearer)
}
