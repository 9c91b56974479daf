package minercmd

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/stretchr/testify/require"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models/ort/library"
	"github.com/plexusnet/plexus/models/ort/orttest"
	"github.com/plexusnet/plexus/proto/inference"
)

// output is what a command writes, readable meanwhile.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// keys makes a keyring with a hotkey "hot" and returns the flags that name it.
func keys(t *testing.T) []string {
	t.Helper()
	folder := t.TempDir()
	kr, err := chainclient.OpenKeyring(folder, keyring.BackendTest, nil)
	require.NoError(t, err)
	_, _, err = kr.NewMnemonic("hot", keyring.English, "m/44'/118'/0'/0/0", "", hd.Secp256k1)
	require.NoError(t, err)
	return []string{"--keyring-backend", "test", "--keyring-dir", folder}
}

func runtimeFlag(t *testing.T) []string {
	t.Helper()
	path, err := orttest.Library()
	if errors.Is(err, library.ErrNpm) || errors.Is(err, library.ErrDownload) || errors.Is(err, library.ErrPlatform) {
		t.Skipf("no ONNX Runtime to test with: %v", err)
	}
	require.NoError(t, err)
	return []string{"--onnxruntime", path}
}

func freePort(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer lis.Close()
	return lis.Addr().String()
}

func execute(ctx context.Context, out *output, args ...string) error {
	cmd := Command()
	cmd.SetArgs(append([]string{"start", "--netuid", "1", "--hotkey", "hot"}, args...))
	cmd.SetOut(out)
	cmd.SetErr(out)
	return cmd.ExecuteContext(ctx)
}

func TestMinerServesWhileTheChainIsDown(t *testing.T) {
	cert, key := minertest.CertificateFiles(t)
	identity, err := oip.LoadIdentity(cert, key)
	require.NoError(t, err)
	t.Run("plaintext", func(t *testing.T) { servesWithoutChain(t, nil) })
	t.Run("TLS", func(t *testing.T) { servesWithoutChain(t, identity.KeyHash(), "--tls-cert", cert, "--tls-key", key) })
}

func servesWithoutChain(t *testing.T, keyHash []byte, flags ...string) {
	folder := minertest.Folder(t, map[string][]byte{"digits": minertest.Classifier(t, 10)})
	address, dead := freePort(t), freePort(t)
	args := append(append(keys(t), runtimeFlag(t)...), "--models", folder, "--listen", address, "--node", dead)
	args = append(args, flags...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, done := &output{}, make(chan error, 1)
	go func() { done <- execute(ctx, out, args...) }()

	conn, err := oip.Dialer{}.Dial(oip.Endpoint{Address: address, TLSKeyHash: keyHash})
	require.NoError(t, err)
	defer conn.Close()
	service := inference.NewGRPCInferenceServiceClient(conn)
	require.Eventually(t, func() bool {
		ready, err := service.ModelReady(t.Context(), &inference.ModelReadyRequest{Name: "digits"})
		return err == nil && ready.Ready
	}, 20*time.Second, 10*time.Millisecond, "%s", out)
	require.Eventually(t, func() bool { return bytes.Contains([]byte(out.String()), []byte("chain unavailable, retrying")) }, 20*time.Second, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-done, "told to stop, it stops without an error")
	require.Contains(t, out.String(), "stopped serving")
}

func TestStartRefusesWhatCannotWork(t *testing.T) {
	good := minertest.Folder(t, map[string][]byte{"digits": minertest.Classifier(t, 10)})
	two := minertest.Folder(t, map[string][]byte{"a": minertest.Classifier(t, 10), "b": minertest.Classifier(t, 10)})
	corrupt := minertest.Folder(t, map[string][]byte{"bad": []byte("not ONNX")})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	ring, ort := keys(t), runtimeFlag(t)
	mutual := func(models string) []string {
		return []string{"--models", models, "--listen", "127.0.0.1:0", "--node-key", filepath.Join(t.TempDir(), "node.pem"), "--chain-id", "plexus-test-1", "--till", filepath.Join(t.TempDir(), "till.db")}
	}
	tests := map[string]struct {
		args []string
		says []string
	}{
		"port in use":             {[]string{"--models", good, "--listen", taken.Addr().String()}, []string{taken.Addr().String(), "in use", "--listen"}},
		"metrics port in use":     {[]string{"--models", good, "--listen", "127.0.0.1:0", "--metrics", taken.Addr().String()}, []string{taken.Addr().String(), "--metrics"}},
		"plaintext for everybody": {[]string{"--models", good, "--listen", "0.0.0.0:0"}, []string{"--insecure", "--tls-cert"}},
		"nowhere to call":         {[]string{"--models", good, "--listen", "0.0.0.0:0", "--insecure"}, []string{"--external"}},
		"a corrupt model":         {[]string{"--models", corrupt, "--listen", "127.0.0.1:0"}, []string{filepath.Join("bad", "1", "model.onnx")}},
		"no folder":               {[]string{"--models", filepath.Join(good, "none")}, []string{filepath.Join(good, "none")}},
		"two models":              {[]string{"--models", two, "--listen", "127.0.0.1:0"}, []string{"a, b", "--model"}},
		"a model not there":       {[]string{"--models", two, "--listen", "127.0.0.1:0", "--model", "c"}, []string{"--model c", "a, b"}},
		"no such key":             {[]string{"--models", good, "--coldkey", "cold"}, []string{`"cold"`, "plexus keys list"}},
		"not an amount":           {[]string{"--models", good, "--max-burn", "much"}, []string{"--max-burn", `"much"`, "1.5plx"}},
		"not a price":             {[]string{"--models", good, "--listen", "127.0.0.1:0", "--price", "little"}, []string{"--price"}},
		"no price of input":       {[]string{"--models", good, "--listen", "127.0.0.1:0", "--price-input-kib", "-1"}, []string{"--price-input-kib"}},
		"no price of output":      {[]string{"--models", good, "--listen", "127.0.0.1:0", "--price-output-kib", "?"}, []string{"--price-output-kib"}},
		"too dear by the second":  {[]string{"--models", good, "--listen", "127.0.0.1:0", "--price-compute-second", "21000001plx"}, []string{"--price-compute-second", "21000000 PLX"}},
		"half of TLS":             {[]string{"--models", good, "--tls-cert", "cert.pem"}, []string{"--tls-key"}},
		"no GPU":                  {[]string{"--models", good, "--provider", "cuda"}, []string{"--provider cuda", "--provider cpu"}},
		"no provider":             {[]string{"--models", good, "--provider", "tpu"}, []string{`"tpu"`, "tensorrt"}},
		"a node key for no chain": {[]string{"--models", good, "--node-key", filepath.Join(good, "node.pem")}, []string{"--chain-id"}},
		"no way with strangers":   {[]string{"--models", good, "--strangers", "maybe"}, []string{`"maybe"`, "limited"}},
		"REST port in use":        {[]string{"--models", good, "--listen", "127.0.0.1:0", "--rest", taken.Addr().String()}, []string{"--rest", "in use"}},
		"no certificate":          {[]string{"--models", good, "--tls-cert", "cert.pem", "--tls-key", "key.pem"}, []string{"cert.pem"}},
		"not an external address": {[]string{"--models", good, "--listen", "127.0.0.1:0", "--external", "example.org"}, []string{"--external", "HOST:PORT"}},
		"external without a port": {[]string{"--models", good, "--listen", "127.0.0.1:0", "--external", "example.org:0"}, []string{"65535"}},
		"paid, by nobody known":   {[]string{"--models", good, "--payment", "require", "--price", "1"}, []string{"--node-key", "--chain-id"}},
		"paid, for nothing":       {append([]string{"--payment", "require"}, mutual(good)...), []string{"--price", "accept"}},
		"no way to be paid":       {append([]string{"--payment", "later"}, mutual(good)...), []string{`"later"`, "require"}},
		"not a threshold":         {append([]string{"--payment", "accept", "--redeem-threshold", "much"}, mutual(good)...), []string{"--redeem-threshold"}},
		"no margin":               {append([]string{"--payment", "accept", "--payment-margin", "0"}, mutual(good)...), []string{"--payment-margin"}},
		"no lanes":                {append([]string{"--payment", "accept", "--max-lanes", "-1"}, mutual(good)...), []string{"--max-lanes"}},
		"no key to redeem with":   {append([]string{"--payment", "accept", "--redeem-from", "nobody"}, mutual(good)...), []string{`"nobody"`}},
		"no runtime":              {[]string{"--models", good, "--onnxruntime", filepath.Join(good, "none.so")}, []string{"none.so", "--onnxruntime"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			out := &output{}
			err := execute(t.Context(), out, append(append(append([]string{"--node", freePort(t)}, ring...), ort...), test.args...)...)
			require.Error(t, err)
			for _, word := range test.says {
				require.ErrorContains(t, err, word)
			}
			require.NotContains(t, out.String(), "stopped serving", "nothing was served before it was found out")
		})
	}
}

func TestHelpTellsAnExample(t *testing.T) {
	out := &output{}
	cmd := Command()
	cmd.SetArgs([]string{"start", "--help"})
	cmd.SetOut(out)
	require.NoError(t, cmd.Execute())
	require.Contains(t, out.String(), "plexus miner start --netuid 1")
	_, err := os.Stat(filepath.Join(t.TempDir(), "keyring-test"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
