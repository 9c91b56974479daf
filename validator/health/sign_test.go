package health

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/identity"
)

// hotkey is a key in memory that signs as the chain's accounts do.
type hotkey struct{ key *secp256k1.PrivateKey }

func (h hotkey) SignBytes(message []byte) (signature, publicKey []byte, err error) {
	digest := sha256.Sum256(message)
	return ecdsa.SignCompact(h.key, digest[:], true)[1:], h.key.PubKey().SerializeCompressed(), nil
}

const signedChain = "plexus-1"

// newSigner returns the signer of a new hotkey, and its address.
func newSigner(t *testing.T) (*Signer, string) {
	t.Helper()
	account, err := secp256k1.GeneratePrivateKey()
	require.NoError(t, err)
	address, err := identity.Address(account.PubKey().SerializeCompressed())
	require.NoError(t, err)
	_, node, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	cert, err := identity.Certificate(node, signedChain, hotkey{account}, time.Now().Add(time.Hour))
	require.NoError(t, err)
	return &Signer{ChainID: signedChain, Key: node, Certificate: func() (*tls.Certificate, error) { return &cert, nil }}, address
}

func TestASignedReportIsOfItsValidator(t *testing.T) {
	signer, address := newSigner(t)
	other, _ := newSigner(t)
	tests := map[string]struct {
		hotkey   string
		signer   *Signer
		chainID  string
		change   func(http.Header, []byte) []byte
		verified bool
		refused  string
	}{
		"signed":                       {hotkey: address, signer: signer, chainID: signedChain, verified: true},
		"not looked at":                {hotkey: address, signer: signer},
		"not signed":                   {hotkey: address, chainID: signedChain},
		"for another chain":            {hotkey: address, signer: signer, chainID: "plexus-2", refused: "plexus-1"},
		"in the name of another":       {hotkey: address, signer: other, chainID: signedChain, refused: "is signed for"},
		"with a node key of somebody":  {hotkey: address, signer: &Signer{ChainID: signedChain, Key: other.Key, Certificate: signer.Certificate}, chainID: signedChain, refused: "something else"},
		"with a number that was moved": {hotkey: address, signer: signer, chainID: signedChain, refused: "something else", change: func(_ http.Header, body []byte) []byte { return append(body, ' ') }},
		"without its certificate": {hotkey: address, signer: signer, chainID: signedChain, refused: identityHeader, change: func(h http.Header, body []byte) []byte {
			h.Del(identityHeader)
			return body
		}},
		"with garbage": {hotkey: address, signer: signer, chainID: signedChain, refused: signatureHeader, change: func(h http.Header, body []byte) []byte {
			h.Set(signatureHeader, "%")
			return body
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			api := SignedHandler(source{3: {Netuid: 3, Hotkey: test.hotkey, Height: 40, Miners: []Miner{}}}, test.signer)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				got := httptest.NewRecorder()
				api.ServeHTTP(got, req)
				body := got.Body.Bytes()
				if test.change != nil {
					body = test.change(got.Header(), body)
				}
				for key, values := range got.Header() {
					w.Header()[key] = values
				}
				_, _ = w.Write(body)
			}))
			defer server.Close()
			s, err := Client{URL: server.URL, HTTP: server.Client(), ChainID: test.chainID}.Miners(t.Context(), 3)
			if test.refused != "" {
				require.ErrorIs(t, err, ErrAPI)
				require.ErrorIs(t, err, ErrSignature)
				require.ErrorContains(t, err, test.refused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.verified, s.Verified)
		})
	}
}
