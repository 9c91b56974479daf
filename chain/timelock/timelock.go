package timelock

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/drand/kyber"
	bls "github.com/drand/kyber-bls12381"
	"github.com/drand/kyber/encrypt/ibe"
)

// Sizes in bytes.
const (
	PublicKeyBytes = 96 // compressed point of G2
	SignatureBytes = 48 // compressed point of G1
	SecretKeyBytes = 32

	keyBytes   = 16 // of AES-128
	tagBytes   = 16
	uEnd       = PublicKeyBytes
	vEnd       = uEnd + keyBytes
	wEnd       = vEnd + keyBytes
	noncesSize = 12

	// Overhead is how much longer a ciphertext is than its plaintext.
	Overhead = wEnd + tagBytes
	// MaxPlaintext bounds what is sealed and opened.
	MaxPlaintext = 64 << 10
)

// domain keeps our ciphertexts apart from those of other uses of a beacon.
const domain = "plexus timelock v1"

var (
	ErrInvalidKey    = errors.New("invalid beacon key")
	ErrInvalidPulse  = errors.New("signature is not the beacon's for this round")
	ErrUndecryptable = errors.New("ciphertext cannot be opened with this round")
	ErrTooLarge      = errors.New("plaintext is too large")
)

// PublicKey is the key of a beacon. Get one from ParsePublicKey.
type PublicKey struct{ point kyber.Point }

// ParsePublicKey reads a compressed point of G2 of PublicKeyBytes. Errors:
// ErrInvalidKey, also for the point at infinity, to which everybody has the
// secret.
func ParsePublicKey(raw []byte) (PublicKey, error) {
	if len(raw) != PublicKeyBytes {
		return PublicKey{}, fmt.Errorf("it has %d bytes, want %d: %w", len(raw), PublicKeyBytes, ErrInvalidKey)
	}
	point := bls.NullKyberG2()
	// This also checks that the point lies in the right subgroup.
	if err := point.UnmarshalBinary(raw); err != nil {
		return PublicKey{}, fmt.Errorf("it is no point of G2: %w", ErrInvalidKey)
	}
	if point.Equal(point.Null()) {
		return PublicKey{}, fmt.Errorf("it is the point at infinity: %w", ErrInvalidKey)
	}
	return PublicKey{point}, nil
}

// Bytes returns the compressed point.
func (k PublicKey) Bytes() []byte {
	raw, err := k.point.MarshalBinary()
	if err != nil {
		panic(err) // encoding a point cannot fail
	}
	return raw
}

// Verify checks a round's signature. Errors: ErrInvalidPulse.
func (k PublicKey) Verify(round uint64, signature []byte) error {
	if len(signature) != SignatureBytes {
		return fmt.Errorf("signature has %d bytes, want %d: %w", len(signature), SignatureBytes, ErrInvalidPulse)
	}
	point := bls.NullKyberG1()
	// This also checks that the point lies in the right subgroup.
	if err := point.UnmarshalBinary(signature); err != nil {
		return fmt.Errorf("round %d: it is no point of G1: %w", round, ErrInvalidPulse)
	}
	// e(H(round), key) = e(signature, generator)
	if !bls.NewBLS12381Suite().ValidatePairing(hashed(round), k.point, point, bls.NullKyberG2().Base()) {
		return fmt.Errorf("round %d: %w", round, ErrInvalidPulse)
	}
	return nil
}

// Seal encrypts a plaintext to a round. Errors: ErrTooLarge.
func (k PublicKey) Seal(round uint64, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, fmt.Errorf("%d bytes, the most is %d: %w", len(plaintext), MaxPlaintext, ErrTooLarge)
	}
	var key [keyBytes]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	wrapped, err := ibe.EncryptCCAonG2(bls.NewBLS12381Suite(), k.point, digest(round), key[:])
	if err != nil {
		return nil, fmt.Errorf("encrypt to round %d: %w", round, err)
	}
	sealed := make([]byte, 0, Overhead+len(plaintext))
	u, err := wrapped.U.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encrypt to round %d: %w", round, err)
	}
	sealed = append(append(append(sealed, u...), wrapped.V...), wrapped.W...)
	aead, err := newAEAD(key[:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(sealed, make([]byte, noncesSize), plaintext, additional(round)), nil
}

// Open decrypts what was sealed to a round. The signature must have passed
// Verify: with another one nothing opens. Errors: ErrUndecryptable.
func Open(round uint64, signature, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || len(sealed) > Overhead+MaxPlaintext {
		return nil, fmt.Errorf("it has %d bytes, want %d to %d: %w", len(sealed), Overhead, Overhead+MaxPlaintext, ErrUndecryptable)
	}
	private, u := bls.NullKyberG1(), bls.NullKyberG2()
	if err := private.UnmarshalBinary(signature); err != nil {
		return nil, fmt.Errorf("round %d: no signature: %w", round, ErrUndecryptable)
	}
	if err := u.UnmarshalBinary(sealed[:uEnd]); err != nil {
		return nil, fmt.Errorf("it does not start with a point of G2: %w", ErrUndecryptable)
	}
	key, err := ibe.DecryptCCAonG2(bls.NewBLS12381Suite(), private, &ibe.Ciphertext{U: u, V: sealed[uEnd:vEnd], W: sealed[vEnd:wEnd]})
	if err != nil {
		return nil, fmt.Errorf("round %d is not the one it was encrypted to: %w", round, ErrUndecryptable)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, make([]byte, noncesSize), sealed[wEnd:], additional(round))
	if err != nil {
		return nil, fmt.Errorf("its contents were changed: %w", ErrUndecryptable)
	}
	return plaintext, nil
}

// newAEAD returns AES-GCM. Every key serves one message, so its nonce is zero.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

func additional(round uint64) []byte { return binary.BigEndian.AppendUint64([]byte(domain), round) }

// hashed is the point of G1 that a round's signature is a multiple of.
func hashed(round uint64) kyber.Point { return bls.NullKyberG1().Hash(digest(round)) }

// digest is what a beacon signs for a round.
func digest(round uint64) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, round))
	return sum[:]
}
