package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/cosmos/btcutil/bech32"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	//lint:ignore SA1019 the addresses of the chain's accounts are made with it
	"golang.org/x/crypto/ripemd160"
)

// ErrIdentity is wrapped by every reason not to know a peer.
var ErrIdentity = errors.New("identity refused")

const (
	// AddressPrefix starts the addresses of the chain's accounts.
	AddressPrefix = "plx"
	// MaxValidity bounds how long an account may vouch for a node key.
	MaxValidity = 90 * 24 * time.Hour

	domain       = "plexus/node-identity/v1"
	maxChainID   = 128
	maxExtension = 512
)

// extensionID returns the object identifier of the extension: below 2.25, where nobody has to be asked for a number.
func extensionID() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 25, 1823064273} }

// Account signs for an account of the chain.
type Account interface {
	// SignBytes returns the signature, 64 bytes of R and S, over the SHA-256 of message, and the compressed public key.
	SignBytes(message []byte) (signature, publicKey []byte, err error)
}

// Peer is who is at the other end of a connection.
type Peer struct {
	Address string            // of the account
	NodeKey ed25519.PublicKey // 32 bytes
	Expiry  time.Time
}

type extension struct {
	ChainID   string `asn1:"utf8"`
	PublicKey []byte
	Expiry    int64
	Signature []byte
}

// Message returns what the account signs.
func Message(chainID string, node ed25519.PublicKey, expiry time.Time) []byte {
	var out []byte
	for _, text := range []string{domain, chainID} {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(text))), text...)
	}
	out = append(out, node...)
	return binary.BigEndian.AppendUint64(out, uint64(expiry.Unix()))
}

// Certificate returns a self-signed certificate of the node key in which the account vouches for it until expiry.
func Certificate(node ed25519.PrivateKey, chainID string, account Account, expiry time.Time) (tls.Certificate, error) {
	none := tls.Certificate{}
	if chainID == "" || len(chainID) > maxChainID {
		return none, fmt.Errorf("node certificate: chain id %q: want 1 to %d bytes", chainID, maxChainID)
	}
	public := node.Public().(ed25519.PublicKey)
	signature, accountKey, err := account.SignBytes(Message(chainID, public, expiry))
	if err != nil {
		return none, fmt.Errorf("node certificate: sign with the account's key: %w", err)
	}
	value, err := asn1.Marshal(extension{ChainID: chainID, PublicKey: accountKey, Expiry: expiry.Unix(), Signature: signature})
	if err != nil {
		return none, fmt.Errorf("node certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plexus node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: expiry,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{{Id: extensionID(), Value: value}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, node)
	if err != nil {
		return none, fmt.Errorf("node certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return none, fmt.Errorf("node certificate: %w", err)
	}
	if _, err := Verify(leaf, chainID, time.Now()); err != nil {
		return none, fmt.Errorf("node certificate: %w", err) // a keyring that signs otherwise is found here, not by peers
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: node, Leaf: leaf}, nil
}

// Verify returns whom a certificate speaks for. That the peer holds the certificate's key is for TLS to have checked.
func Verify(cert *x509.Certificate, chainID string, now time.Time) (Peer, error) {
	node, ok := cert.PublicKey.(ed25519.PublicKey)
	if !ok {
		return Peer{}, fmt.Errorf("%w: the certificate's key is no Ed25519 node key", ErrIdentity)
	}
	claim, err := find(cert)
	if err != nil {
		return Peer{}, err
	}
	expiry := time.Unix(claim.Expiry, 0)
	switch {
	case claim.ChainID != chainID:
		return Peer{}, fmt.Errorf("%w: the certificate is for chain %q, this is %q", ErrIdentity, claim.ChainID, chainID)
	case !now.Before(expiry):
		return Peer{}, fmt.Errorf("%w: the certificate expired at %s", ErrIdentity, expiry.UTC().Format(time.RFC3339))
	case expiry.After(now.Add(MaxValidity + time.Hour)):
		return Peer{}, fmt.Errorf("%w: the certificate is good for more than %v", ErrIdentity, MaxValidity)
	}
	if err := checkSignature(claim.PublicKey, Message(chainID, node, expiry), claim.Signature); err != nil {
		return Peer{}, err
	}
	address, err := Address(claim.PublicKey)
	if err != nil {
		return Peer{}, err
	}
	return Peer{Address: address, NodeKey: node, Expiry: expiry}, nil
}

// find returns the one extension of ours.
func find(cert *x509.Certificate) (extension, error) {
	var claim extension
	found := 0
	for _, e := range cert.Extensions {
		if !e.Id.Equal(extensionID()) {
			continue
		}
		found++
		rest, err := asn1.Unmarshal(e.Value, &claim)
		if err != nil || len(rest) > 0 || len(e.Value) > maxExtension {
			return extension{}, fmt.Errorf("%w: malformed identity extension", ErrIdentity)
		}
	}
	if found != 1 {
		return extension{}, fmt.Errorf("%w: the certificate has %d identity extensions, want 1", ErrIdentity, found)
	}
	return claim, nil
}

func checkSignature(publicKey, message, signature []byte) error {
	key, err := secp256k1.ParsePubKey(publicKey)
	if err != nil || len(publicKey) != secp256k1.PubKeyBytesLenCompressed {
		return fmt.Errorf("%w: malformed account key", ErrIdentity)
	}
	if len(signature) != 64 {
		return fmt.Errorf("%w: signature of %d bytes, want 64", ErrIdentity, len(signature))
	}
	var r, s secp256k1.ModNScalar
	if r.SetByteSlice(signature[:32]) || s.SetByteSlice(signature[32:]) || s.IsOverHalfOrder() {
		return fmt.Errorf("%w: signature out of range", ErrIdentity)
	}
	digest := sha256.Sum256(message)
	if !ecdsa.NewSignature(&r, &s).Verify(digest[:], key) {
		return fmt.Errorf("%w: the account did not sign for this node key, chain and expiry", ErrIdentity)
	}
	return nil
}

// Address returns the account of a compressed secp256k1 public key.
func Address(publicKey []byte) (string, error) {
	sum := sha256.Sum256(publicKey)
	hash := ripemd160.New()
	hash.Write(sum[:])
	address, err := bech32.EncodeFromBase256(AddressPrefix, hash.Sum(nil))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	return address, nil
}

// LoadOrCreateKey reads the node key of a file, PKCS #8 in PEM, and makes one where there is no file. It refuses a file
// that others can read.
func LoadOrCreateKey(path string) (ed25519.PrivateKey, error) {
	key, err := loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	_, key, err = ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a node key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make a node key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return loadKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("write the node key %s: %w", path, err)
	}
	return key, nil
}

func loadKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("node key %s can be read by others (%v): run chmod 600 on it, or delete it to get a new one", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("node key %s holds no PRIVATE KEY in PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("node key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("node key %s is a %T, want Ed25519", path, parsed)
	}
	return key, nil
}
