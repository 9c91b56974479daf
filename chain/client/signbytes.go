package chainclient

import (
	"fmt"

	"github.com/cosmos/cosmos-sdk/types/tx/signing"
)

// SignBytes signs what is no transaction: the SHA-256 of message, by ECDSA, 64 bytes of R and S. It also returns the
// account's compressed public key. The message must start with a domain tag that no transaction can start with.
func (s *Signer) SignBytes(message []byte) (signature, publicKey []byte, err error) {
	signature, key, err := s.keyring.Sign(s.name, message, signing.SignMode_SIGN_MODE_DIRECT)
	if err != nil {
		return nil, nil, fmt.Errorf("sign with key %q: %w", s.name, err)
	}
	return signature, key.Bytes(), nil
}
