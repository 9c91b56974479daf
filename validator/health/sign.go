package health

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/plexusnet/plexus/client/identity"
)

// Headers of a signed report.
const (
	identityHeader  = "Plexus-Identity"  // the certificate in which the hotkey vouches for the node key, DER in base64
	signatureHeader = "Plexus-Signature" // the node key's, of Message, in base64
)

const signatureDomain = "plexus/validator/health/1"

// ErrSignature is wrapped, with ErrAPI, for a report that is not of the validator that it says it is of.
var ErrSignature = errors.New("report is not signed by its validator")

// Signer signs reports with a validator's node key.
type Signer struct {
	ChainID string
	Key     ed25519.PrivateKey
	// Certificate returns the one that is current; it holds Key.
	Certificate func() (*tls.Certificate, error)
}

// Message is what the node key signs of a report: a domain tag, the chain's id, the height that the report is of and the
// SHA-256 of its body, each text after its length in two bytes, the height in eight.
func Message(chainID string, height uint64, body []byte) []byte {
	var out []byte
	for _, text := range []string{signatureDomain, chainID} {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(text))), text...)
	}
	out = binary.BigEndian.AppendUint64(out, height)
	hash := sha256.Sum256(body)
	return append(out, hash[:]...)
}

// sign adds the headers of a signed report. One that cannot be signed goes without: its reader is told so.
func (s *Signer) sign(h http.Header, height uint64, body []byte) {
	cert, err := s.Certificate()
	if err != nil || len(cert.Certificate) == 0 {
		return
	}
	h.Set(identityHeader, base64.StdEncoding.EncodeToString(cert.Certificate[0]))
	h.Set(signatureHeader, base64.StdEncoding.EncodeToString(ed25519.Sign(s.Key, Message(s.ChainID, height, body))))
}

// verify checks the headers of a report that came over. ok is false for one without a signature.
func verify(h http.Header, chainID string, now time.Time, s Subnet, body []byte) (ok bool, err error) {
	if h.Get(signatureHeader) == "" && h.Get(identityHeader) == "" {
		return false, nil
	}
	der, err := base64.StdEncoding.DecodeString(h.Get(identityHeader))
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", ErrSignature, identityHeader, err)
	}
	signature, err := base64.StdEncoding.DecodeString(h.Get(signatureHeader))
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", ErrSignature, signatureHeader, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", ErrSignature, identityHeader, err)
	}
	signer, err := identity.Verify(cert, chainID, now)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if signer.Address != s.Hotkey {
		return false, fmt.Errorf("%w: it says hotkey %q, and is signed for %s", ErrSignature, s.Hotkey, signer.Address)
	}
	if !ed25519.Verify(signer.NodeKey, Message(chainID, s.Height, body), signature) {
		return false, fmt.Errorf("%w: the signature is of something else", ErrSignature)
	}
	return true, nil
}
