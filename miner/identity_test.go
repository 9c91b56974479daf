package miner_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/receipt"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/proto/inference"
)

// account is a key in memory that signs as the chain's accounts do.
type account struct {
	key     *secp256k1.PrivateKey
	address string
}

func newAccount(t testing.TB) account {
	t.Helper()
	key, err := secp256k1.GeneratePrivateKey()
	require.NoError(t, err)
	address, err := identity.Address(key.PubKey().SerializeCompressed())
	require.NoError(t, err)
	return account{key, address}
}

func (a account) SignBytes(message []byte) (signature, publicKey []byte, err error) {
	digest := sha256.Sum256(message)
	return ecdsa.SignCompact(a.key, digest[:], true)[1:], a.key.PubKey().SerializeCompressed(), nil
}

// node makes a node identity of the account.
func node(t testing.TB, a account, chainID string) oip.Identity {
	t.Helper()
	key, err := identity.LoadOrCreateKey(filepath.Join(t.TempDir(), "node.pem"))
	require.NoError(t, err)
	id, err := oip.NodeIdentity(key, chainID, a)
	require.NoError(t, err)
	return id
}

const chainID = "plexus-test-1"

func call(t *testing.T, server *minertest.Server, who, expected oip.Identity, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	t.Helper()
	conn, err := oip.Dialer{Identity: who}.Dial(oip.Endpoint{Address: server.Address, TLSKeyHash: expected.KeyHash()})
	require.NoError(t, err)
	defer conn.Close()
	return inference.NewGRPCInferenceServiceClient(conn).ModelInfer(t.Context(), req)
}

func TestWhoMayCall(t *testing.T) {
	mine := node(t, newAccount(t), chainID)
	friend, enemy, other := newAccount(t), newAccount(t), newAccount(t)
	models := map[string][]byte{"digits": minertest.Classifier(t, 0)}
	for name, c := range map[string]struct {
		policy miner.Policy
		who    oip.Identity
		want   codes.Code
	}{
		"an account":                     {miner.Policy{}, node(t, friend, chainID), codes.OK},
		"an account, no strangers":       {miner.Policy{Strangers: miner.StrangersRefused}, node(t, friend, chainID), codes.OK},
		"a stranger":                     {miner.Policy{}, oip.Identity{}, codes.OK},
		"a stranger, refused":            {miner.Policy{Strangers: miner.StrangersRefused}, oip.Identity{}, codes.Unauthenticated},
		"another chain":                  {miner.Policy{}, node(t, friend, "plexus-test-2"), codes.Unauthenticated},
		"a certificate without identity": {miner.Policy{}, minertest.Identity(t), codes.OK}, // it is shown by no dialler of ours
		"blocked":                        {miner.Policy{Block: []string{enemy.address}}, node(t, enemy, chainID), codes.PermissionDenied},
		"not among those allowed":        {miner.Policy{Allow: []string{friend.address}}, node(t, other, chainID), codes.PermissionDenied},
		"allowed":                        {miner.Policy{Allow: []string{friend.address}}, node(t, friend, chainID), codes.OK},
		"a stranger where some are":      {miner.Policy{Allow: []string{friend.address}}, oip.Identity{}, codes.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			server := minertest.Serve(t, miner.ServerConfig{Identity: mine, Policy: c.policy}, models)
			_, err := call(t, server, c.who, mine, oip.Request{Model: "digits", Inputs: nil}.Message())
			want := c.want
			if want == codes.OK {
				want = codes.InvalidArgument // it came as far as the model
			}
			require.Equal(t, want, status.Code(err), "%v", err)
			_, err = call(t, server, c.who, mine, oip.Request{Model: "nothing of the kind"}.Message())
			if c.want != codes.OK {
				require.Equal(t, c.want, status.Code(err), "before anything is looked up")
			}
		})
	}
}

// TestAForeignCertificateIsRefused: a TLS client of any make, with a certificate of its own that speaks for nobody.
func TestAForeignCertificateIsRefused(t *testing.T) {
	mine := node(t, newAccount(t), chainID)
	cert, key := minertest.CertificateFiles(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	lis, err := miner.ListenREST("127.0.0.1:0", mine, false)
	require.NoError(t, err)
	repo, _ := openFolder(t, map[string][]byte{"digits": minertest.Classifier(t, 0)})
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { done <- miner.NewServer(repo, miner.ServerConfig{Identity: mine}).ServeREST(ctx, lis) }()
	get := func(certificates ...tls.Certificate) int {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certificates}}}
		resp, err := client.Get("https://" + lis.Addr().String() + "/v2/models/digits")
		require.NoError(t, err)
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		return resp.StatusCode
	}
	require.Equal(t, http.StatusUnauthorized, get(pair))
	require.Equal(t, http.StatusOK, get())
	stop()
	require.NoError(t, <-done)
}

func TestRatesPerCaller(t *testing.T) {
	mine := node(t, newAccount(t), chainID)
	server := minertest.Serve(t, miner.ServerConfig{Identity: mine, Policy: miner.Policy{Rate: 3, Strangers: miner.StrangersLimited, StrangerRate: 0.001}},
		map[string][]byte{"digits": minertest.Classifier(t, 0)})
	req := oip.Request{Model: "digits", Inputs: []models.Tensor{image(1)}}.Message()
	busy := node(t, newAccount(t), chainID)
	var err error
	for range 20 {
		if _, err = call(t, server, busy, mine, req); err != nil {
			break
		}
	}
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	hint, ok := status.Convert(err).Details()[0].(*errdetails.RetryInfo)
	require.True(t, ok)
	require.Positive(t, hint.RetryDelay.AsDuration())
	_, err = call(t, server, node(t, newAccount(t), chainID), mine, req)
	require.NoError(t, err, "another account is another matter")
	_, err = call(t, server, oip.Identity{}, mine, req)
	require.NoError(t, err)
	_, err = call(t, server, oip.Identity{}, mine, req)
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "strangers share what strangers get")
}

func TestReceipts(t *testing.T) {
	mine, a := node(t, newAccount(t), chainID), newAccount(t)
	directory := &miner.Directory{}
	directory.Update(&metagraph.Metagraph{Height: 77, Neurons: []metagraph.Neuron{{Hotkey: a.address, Stake: 1000e9, Permit: true}}})
	require.Greater(t, directory.Weight(a.address), directory.Weight("somebody"))
	file := minertest.Classifier(t, 0)
	server := minertest.Serve(t, miner.ServerConfig{Identity: mine, Directory: directory}, map[string][]byte{"digits": file})
	inputs := []models.Tensor{image(1)}
	req := oip.Request{Model: "digits", Inputs: inputs}.Message()
	resp, err := call(t, server, node(t, a, chainID), mine, req)
	require.NoError(t, err)
	require.Empty(t, resp.Parameters, "only when asked for")

	req.Parameters = map[string]*inference.InferParameter{receipt.Parameter: {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}}}
	resp, err = call(t, server, node(t, a, chainID), mine, req)
	require.NoError(t, err)
	outputs, err := oip.Outputs(resp)
	require.NoError(t, err)
	key, err := base64.StdEncoding.DecodeString(resp.Parameters[receipt.ParameterKey].GetStringParam())
	require.NoError(t, err)
	require.Equal(t, mine.NodeKey().Public(), ed25519.PublicKey(key))
	signature, err := base64.StdEncoding.DecodeString(resp.Parameters[receipt.Parameter].GetStringParam())
	require.NoError(t, err)
	hash := sha256.Sum256(file)
	require.Equal(t, hex.EncodeToString(hash[:]), resp.Parameters[receipt.ParameterModel].GetStringParam())
	height := uint64(resp.Parameters[receipt.ParameterHeight].GetInt64Param())
	require.Equal(t, uint64(77), height)
	require.True(t, receipt.Of("digits", inputs, hash, outputs, height).Verify(key, signature))
	require.False(t, receipt.Of("digits", inputs, hash, outputs, height+1).Verify(key, signature))
	require.False(t, receipt.Of("other", inputs, hash, outputs, height).Verify(key, signature))
	outputs[0].Data[0] ^= 1
	require.False(t, receipt.Of("digits", inputs, hash, outputs, height).Verify(key, signature))

	plain := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"digits": file})
	_, service := dial(t, plain.Address)
	_, err = service.ModelInfer(t.Context(), req)
	require.Equal(t, codes.FailedPrecondition, status.Code(err), "no key, no receipt")
}
