package identity_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/identity"
)

// account is a key in memory that signs as the chain's accounts do.
type account struct{ key *secp256k1.PrivateKey }

func newAccount(t testing.TB) account {
	t.Helper()
	key, err := secp256k1.GeneratePrivateKey()
	require.NoError(t, err)
	return account{key}
}

func (a account) SignBytes(message []byte) (signature, publicKey []byte, err error) {
	digest := sha256.Sum256(message)
	compact := ecdsa.SignCompact(a.key, digest[:], true)
	return compact[1:], a.key.PubKey().SerializeCompressed(), nil
}

func nodeKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

func TestACertificateSpeaksForItsAccount(t *testing.T) {
	a, node := newAccount(t), nodeKey(t)
	expiry := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	cert, err := identity.Certificate(node, "plexus-1", a, expiry)
	require.NoError(t, err)
	peer, err := identity.Verify(cert.Leaf, "plexus-1", time.Now())
	require.NoError(t, err)
	want, err := identity.Address(a.key.PubKey().SerializeCompressed())
	require.NoError(t, err)
	require.Equal(t, want, peer.Address)
	require.Contains(t, peer.Address, "plx1")
	require.Equal(t, node.Public(), peer.NodeKey)
	require.True(t, expiry.Equal(peer.Expiry))
}

// forger signs something else than it is asked to.
type forger struct {
	account
	change func([]byte) []byte
}

func (f forger) SignBytes(message []byte) (signature, publicKey []byte, err error) {
	return f.account.SignBytes(f.change(bytes.Clone(message)))
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	a, node := newAccount(t), nodeKey(t)
	cert, err := identity.Certificate(node, "plexus-1", a, time.Now().Add(time.Hour))
	require.NoError(t, err)
	now := time.Now()
	_, err = identity.Verify(cert.Leaf, "plexus-2", now)
	require.ErrorIs(t, err, identity.ErrIdentity, "another chain")
	_, err = identity.Verify(cert.Leaf, "plexus-1", now.Add(2*time.Hour))
	require.ErrorContains(t, err, "expired")
	_, err = identity.Certificate(node, "plexus-1", a, now.Add(-time.Minute))
	require.ErrorIs(t, err, identity.ErrIdentity)
	_, err = identity.Certificate(node, "plexus-1", a, now.Add(2*identity.MaxValidity))
	require.ErrorContains(t, err, "more than")
	for name, change := range map[string]func([]byte) []byte{
		"another node key": func(m []byte) []byte { m[len(m)-20] ^= 1; return m },
		"another expiry":   func(m []byte) []byte { m[len(m)-1] ^= 1; return m },
		"another domain":   func(m []byte) []byte { m[2] ^= 1; return m },
	} {
		_, err := identity.Certificate(node, "plexus-1", forger{a, change}, now.Add(time.Hour))
		require.ErrorIs(t, err, identity.ErrIdentity, name)
	}

	t.Run("another node's extension", func(t *testing.T) {
		thief := nodeKey(t)
		template := *cert.Leaf
		template.ExtraExtensions = template.Extensions
		template.PublicKey = thief.Public()
		der, err := x509.CreateCertificate(rand.Reader, &template, &template, thief.Public(), thief)
		require.NoError(t, err)
		stolen, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		_, err = identity.Verify(stolen, "plexus-1", now)
		require.ErrorIs(t, err, identity.ErrIdentity)
	})
	t.Run("no extension", func(t *testing.T) {
		template := *cert.Leaf
		template.ExtraExtensions = nil
		der, err := x509.CreateCertificate(rand.Reader, &template, &template, node.Public(), node)
		require.NoError(t, err)
		plain, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		_, err = identity.Verify(plain, "plexus-1", now)
		require.ErrorContains(t, err, "0 identity extensions")
	})
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config", "node.pem")
	key, err := identity.LoadOrCreateKey(path)
	require.NoError(t, err)
	again, err := identity.LoadOrCreateKey(path)
	require.NoError(t, err)
	require.Equal(t, key, again)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = identity.LoadOrCreateKey(path)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("no key"), 0o600))
	_, err = identity.LoadOrCreateKey(path)
	require.ErrorContains(t, err, path)
}

// FuzzVerify: no certificate makes it panic, and none that was changed is taken.
func FuzzVerify(f *testing.F) {
	cert, err := identity.Certificate(nodeKey(f), "plexus-1", newAccount(f), time.Now().Add(identity.MaxValidity))
	require.NoError(f, err)
	f.Add(cert.Leaf.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		if _, err := identity.Verify(parsed, "plexus-1", time.Now()); err == nil {
			require.Equal(t, cert.Leaf.RawSubjectPublicKeyInfo, parsed.RawSubjectPublicKeyInfo)
		}
	})
}
