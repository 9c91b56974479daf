package till

import (
	"crypto/ed25519"
	"fmt"
	"sync"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

	"github.com/plexusnet/plexus/payment"
)

// verifier checks signatures by one key as payment.Voucher.Verify does, in less than half of the time: what depends on the
// key alone is done once. The zero value is useful.
type verifier struct {
	once sync.Once
	key  *voi.ExpandedPublicKey
	err  error // why the key can have signed nothing
}

// verify says whether the key, always the same, signed a voucher. Errors: payment.ErrForged.
func (r *verifier) verify(chainID string, key ed25519.PublicKey, v payment.Voucher) error {
	r.once.Do(func() {
		if r.err = payment.CheckKey(key); r.err == nil {
			r.key, r.err = voi.NewExpandedPublicKey(voi.PublicKey(key))
		}
	})
	if r.err != nil {
		return fmt.Errorf("voucher key: %w: %w", r.err, payment.ErrForged)
	}
	// As the standard library judges, which is what the chain goes by.
	if len(v.Signature) != ed25519.SignatureSize || !voi.VerifyExpandedWithOptions(r.key, v.Message(chainID), v.Signature, &voi.Options{Verify: voi.VerifyOptionsStdLib}) {
		return fmt.Errorf("lane %d, nonce %d, %d nplx: %w", v.Lane, v.Nonce, v.Amount, payment.ErrForged)
	}
	return nil
}
