package payment

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// VoucherSize is the length of a voucher in bytes, as it travels and is stored.
const VoucherSize = 8 + 4 + 8 + 8 + ed25519.SignatureSize

// domain keeps what is signed here apart from everything else a key signs.
const domain = "plexus/voucher/v1"

// Voucher is a payer's promise: of this lane, the payee may have Amount in all.
type Voucher struct {
	Channel   uint64
	Lane      uint32
	Nonce     uint64 // rises with every voucher of the lane, from 1
	Amount    uint64 // nplx, cumulative over the lane
	Signature []byte // 64 bytes
}

// Message returns what the signature is of: the domain tag, the length of the
// chain id as 32 bits and the chain id, then channel, lane, nonce and amount,
// all big-endian.
func (v Voucher) Message(chainID string) []byte {
	message := make([]byte, 0, len(domain)+4+len(chainID)+VoucherSize-ed25519.SignatureSize)
	message = append(message, domain...)
	message = binary.BigEndian.AppendUint32(message, uint32(len(chainID)))
	message = append(message, chainID...)
	return v.appendFields(message)
}

func (v Voucher) appendFields(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, v.Channel)
	b = binary.BigEndian.AppendUint32(b, v.Lane)
	b = binary.BigEndian.AppendUint64(b, v.Nonce)
	return binary.BigEndian.AppendUint64(b, v.Amount)
}

// Sign returns the voucher with its signature. The key is that of a channel on
// the chain with this id.
func Sign(chainID string, key ed25519.PrivateKey, v Voucher) Voucher {
	v.Signature = ed25519.Sign(key, v.Message(chainID))
	return v
}

// Verify says whether the key signed the voucher for the chain. It is strict: a
// signature that was altered into another one of the same content is refused,
// and so is every signature by a key of small order. Errors: ErrForged.
func (v Voucher) Verify(chainID string, key ed25519.PublicKey) error {
	if _, err := decodeKey(key); err != nil {
		return fmt.Errorf("voucher key: %w: %w", err, ErrForged)
	}
	if !ed25519.Verify(key, v.Message(chainID), v.Signature) {
		return fmt.Errorf("lane %d, nonce %d, %d nplx: %w", v.Lane, v.Nonce, v.Amount, ErrForged)
	}
	return nil
}

// MarshalBinary returns the VoucherSize bytes of a signed voucher: channel (8),
// lane (4), nonce (8), amount (8), signature (64), all big-endian. Errors:
// ErrMalformed, where there is no signature.
func (v Voucher) MarshalBinary() ([]byte, error) {
	if len(v.Signature) != ed25519.SignatureSize {
		return nil, fmt.Errorf("signature has %d bytes, want %d: %w", len(v.Signature), ed25519.SignatureSize, ErrMalformed)
	}
	return append(v.appendFields(make([]byte, 0, VoucherSize)), v.Signature...), nil
}

// UnmarshalBinary reads what MarshalBinary wrote; every string of VoucherSize
// bytes is some voucher, signed or not. Errors: ErrMalformed.
func (v *Voucher) UnmarshalBinary(b []byte) error {
	if len(b) != VoucherSize {
		return fmt.Errorf("%d bytes, want %d: %w", len(b), VoucherSize, ErrMalformed)
	}
	*v = Voucher{
		Channel:   binary.BigEndian.Uint64(b),
		Lane:      binary.BigEndian.Uint32(b[8:]),
		Nonce:     binary.BigEndian.Uint64(b[12:]),
		Amount:    binary.BigEndian.Uint64(b[20:]),
		Signature: append([]byte(nil), b[28:]...),
	}
	return nil
}

// MarshalText returns the voucher's bytes in base64, for headers and commands.
func (v Voucher) MarshalText() ([]byte, error) {
	b, err := v.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads what MarshalText wrote. Errors: ErrMalformed.
func (v *Voucher) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("base64: %w: %w", err, ErrMalformed)
	}
	return v.UnmarshalBinary(b)
}
