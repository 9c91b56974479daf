package timelock

import (
	"crypto/rand"
	"fmt"

	"github.com/drand/kyber"
	bls "github.com/drand/kyber-bls12381"
	"github.com/drand/kyber/util/random"
)

// SecretKey signs the rounds of a beacon of one's own, for test networks: who
// has it can read everything early.
type SecretKey struct{ scalar kyber.Scalar }

// NewSecretKey draws a key.
func NewSecretKey() SecretKey {
	return SecretKey{bls.NewKyberScalar().Pick(random.New(rand.Reader))}
}

// ParseSecretKey reads SecretKeyBytes as Bytes writes them.
func ParseSecretKey(raw []byte) (SecretKey, error) {
	if len(raw) != SecretKeyBytes {
		return SecretKey{}, fmt.Errorf("secret key has %d bytes, want %d: %w", len(raw), SecretKeyBytes, ErrInvalidKey)
	}
	scalar := bls.NewKyberScalar()
	if err := scalar.UnmarshalBinary(raw); err != nil || scalar.Equal(bls.NewKyberScalar().Zero()) {
		return SecretKey{}, fmt.Errorf("secret key is out of range: %w", ErrInvalidKey)
	}
	return SecretKey{scalar}, nil
}

// Bytes returns the key for storage. Keep it secret.
func (s SecretKey) Bytes() []byte {
	raw, err := s.scalar.MarshalBinary()
	if err != nil {
		panic(err) // encoding a scalar cannot fail
	}
	return raw
}

// String keeps the key out of logs.
func (SecretKey) String() string { return "beacon secret key" }

// Public returns the key that verifies and encrypts.
func (s SecretKey) Public() PublicKey {
	return PublicKey{bls.NullKyberG2().Mul(s.scalar, nil)}
}

// Sign returns the signature of a round.
func (s SecretKey) Sign(round uint64) ([]byte, error) {
	point := hashed(round)
	return point.Mul(s.scalar, point).MarshalBinary()
}
