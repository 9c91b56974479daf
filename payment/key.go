package payment

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"filippo.io/edwards25519"
)

// CheckKey says whether a public key may stand in a channel: 32 bytes, in their
// only canonical form, a point of the group of prime order and not its neutral
// element. Other points have signatures that anybody can make, or that
// different programs judge differently. Errors: ErrInvalidKey.
func CheckKey(pub []byte) error {
	point, err := decodeKey(pub)
	if err != nil {
		return err
	}
	// (l-1)P = -P exactly where lP is the neutral element, l being the group's order.
	one, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		return fmt.Errorf("scalar: %w", err)
	}
	last := edwards25519.NewScalar().Negate(one)
	if new(edwards25519.Point).ScalarMult(last, point).Equal(new(edwards25519.Point).Negate(point)) != 1 {
		return fmt.Errorf("%x lies outside the group of prime order: %w", pub, ErrInvalidKey)
	}
	return nil
}

// decodeKey reads a public key and refuses what is cheap to refuse: another
// encoding than the canonical one, and the points of small order, for which
// anybody can sign.
func decodeKey(pub []byte) (*edwards25519.Point, error) {
	if len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%d bytes, want %d: %w", len(pub), ed25519.PublicKeySize, ErrInvalidKey)
	}
	point, err := new(edwards25519.Point).SetBytes(pub)
	if err != nil {
		return nil, fmt.Errorf("%x is no point of the curve: %w", pub, ErrInvalidKey)
	}
	if !bytes.Equal(point.Bytes(), pub) {
		return nil, fmt.Errorf("%x is not in canonical form: %w", pub, ErrInvalidKey)
	}
	if new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, fmt.Errorf("%x is of small order: %w", pub, ErrInvalidKey)
	}
	return point, nil
}
