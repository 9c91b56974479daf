package till

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"filippo.io/edwards25519"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/payment"
)

// smallOrder are the encodings of the eight points of small order, and those that are not canonical.
func smallOrder(t require.TestingT) [][]byte {
	var all [][]byte
	zero, one := make([]byte, 32), append([]byte{1}, make([]byte, 31)...)
	eight := []byte{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}
	p := append(append([]byte{0xed}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f)
	minus := append(append([]byte{0xec}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f)
	above := append(append([]byte{0xee}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f)
	for _, e := range [][]byte{zero, one, eight, p, minus, above} {
		signed := bytes.Clone(e)
		signed[31] |= 0x80
		all = append(all, e, signed)
	}
	point, err := new(edwards25519.Point).SetBytes(eight)
	require.NoError(t, err)
	return append(all, new(edwards25519.Point).Negate(point).Bytes())
}

// TestSignaturesAreJudgedAsOnTheChain: the two libraries agree on whatever becomes of a signature.
func TestSignaturesAreJudgedAsOnTheChain(t *testing.T) {
	const chainID = "plexus-test-1"
	small := smallOrder(t)
	accepted := 0
	check := func(t require.TestingT, key []byte, v payment.Voucher) {
		var fresh verifier
		theirs, ours := v.Verify(chainID, key), fresh.verify(chainID, key, v)
		require.Equal(t, theirs == nil, ours == nil, "payment: %v, till: %v", theirs, ours)
		if ours != nil {
			require.ErrorIs(t, ours, payment.ErrForged)
		} else {
			accepted++
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		key := ed25519.NewKeyFromSeed(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(r, "seed"))
		v := payment.Sign(chainID, key, payment.Voucher{Channel: rapid.Uint64().Draw(r, "channel"), Lane: rapid.Uint32().Draw(r, "lane"),
			Nonce: rapid.Uint64().Draw(r, "nonce"), Amount: rapid.Uint64().Draw(r, "amount")})
		public := bytes.Clone(key.Public().(ed25519.PublicKey))
		switch rapid.IntRange(0, 7).Draw(r, "change") {
		case 1:
			v.Signature[rapid.IntRange(0, 63).Draw(r, "at")] ^= byte(1) << rapid.IntRange(0, 7).Draw(r, "bit")
		case 2:
			v.Amount++
		case 3: // R of small order, in all encodings
			copy(v.Signature, small[rapid.IntRange(0, len(small)-1).Draw(r, "point")])
		case 4: // a key of small order
			public = small[rapid.IntRange(0, len(small)-1).Draw(r, "point")]
			copy(v.Signature, small[rapid.IntRange(0, len(small)-1).Draw(r, "R")])
			clear(v.Signature[32:])
		case 5: // R and a point of small order: valid to those who multiply by the cofactor
			point, err := new(edwards25519.Point).SetBytes(v.Signature[:32])
			require.NoError(r, err)
			low, err := new(edwards25519.Point).SetBytes(small[rapid.IntRange(0, 5).Draw(r, "point")])
			require.NoError(r, err)
			copy(v.Signature, new(edwards25519.Point).Add(point, low).Bytes())
		case 6: // S and the group's order
			order := [32]byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
			carry := 0
			for i := range order {
				sum := int(v.Signature[32+i]) + int(order[i]) + carry
				v.Signature[32+i], carry = byte(sum), sum>>8
			}
		case 7: // another length
			v.Signature = v.Signature[:rapid.IntRange(0, 63).Draw(r, "length")]
		}
		check(r, public, v)
	})
	require.Positive(t, accepted)
	for _, public := range small { // every pair, also those that satisfy the equation for S = 0
		for _, r := range small {
			check(t, public, payment.Voucher{Channel: 1, Lane: 1, Nonce: 1, Amount: 1, Signature: append(bytes.Clone(r), make([]byte, 32)...)})
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	public := key.Public().(ed25519.PublicKey)
	v := payment.Sign("plexus-test-1", key, payment.Voucher{Channel: 1, Nonce: 1, Amount: 1})
	b.Run("till", func(b *testing.B) {
		var r verifier
		for b.Loop() {
			require.NoError(b, r.verify("plexus-test-1", public, v))
		}
	})
	b.Run("payment", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, v.Verify("plexus-test-1", public))
		}
	})
}
