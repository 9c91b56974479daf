package payment_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"slices"
	"testing"

	"filippo.io/edwards25519"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/payment"
)

const chainID = "plexus-test-1"

// newKey returns the key pair of a seed that is one byte repeated.
func newKey(seed byte) (ed25519.PublicKey, ed25519.PrivateKey) {
	key := ed25519.NewKeyFromSeed(slices.Repeat([]byte{seed}, ed25519.SeedSize))
	return key.Public().(ed25519.PublicKey), key
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// TestGoldenVouchers compares with signatures that OpenSSL made.
func TestGoldenVouchers(t *testing.T) {
	raw, err := os.ReadFile("testdata/vouchers.json")
	require.NoError(t, err)
	var vectors []struct {
		Name      string `json:"name"`
		ChainID   string `json:"chain_id"`
		Seed      string `json:"seed"`
		PublicKey string `json:"public_key"`
		Channel   uint64 `json:"channel,string"`
		Lane      uint32 `json:"lane"`
		Nonce     uint64 `json:"nonce,string"`
		Amount    uint64 `json:"amount,string"`
		Message   string `json:"message"`
		Binary    string `json:"binary"`
	}
	require.NoError(t, json.Unmarshal(raw, &vectors))
	require.NotEmpty(t, vectors)
	for _, vector := range vectors {
		t.Run(vector.Name, func(t *testing.T) {
			key := ed25519.NewKeyFromSeed(unhex(t, vector.Seed))
			v := payment.Voucher{Channel: vector.Channel, Lane: vector.Lane, Nonce: vector.Nonce, Amount: vector.Amount}
			require.Equal(t, unhex(t, vector.Message), v.Message(vector.ChainID))
			signed := payment.Sign(vector.ChainID, key, v)
			b, err := signed.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, unhex(t, vector.Binary), b)
			require.NoError(t, payment.CheckKey(unhex(t, vector.PublicKey)))
			require.NoError(t, signed.Verify(vector.ChainID, unhex(t, vector.PublicKey)))
		})
	}
}

func TestForgedVouchers(t *testing.T) {
	pub, key := newKey(1)
	other, otherKey := newKey(2)
	signed := payment.Sign(chainID, key, payment.Voucher{Channel: 7, Lane: 3, Nonce: 9, Amount: 1000})
	require.NoError(t, signed.Verify(chainID, pub))
	for _, c := range []struct {
		name  string
		chain string
		key   ed25519.PublicKey
		alter func(v *payment.Voucher)
	}{
		{"another channel", chainID, pub, func(v *payment.Voucher) { v.Channel++ }},
		{"another lane", chainID, pub, func(v *payment.Voucher) { v.Lane++ }},
		{"another nonce", chainID, pub, func(v *payment.Voucher) { v.Nonce++ }},
		{"another amount", chainID, pub, func(v *payment.Voucher) { v.Amount++ }},
		{"another chain", "plexus-test-2", pub, func(*payment.Voucher) {}},
		{"another key", chainID, other, func(*payment.Voucher) {}},
		{"signed by another key", chainID, pub, func(v *payment.Voucher) { *v = payment.Sign(chainID, otherKey, *v) }},
		{"no signature", chainID, pub, func(v *payment.Voucher) { v.Signature = nil }},
		{"short signature", chainID, pub, func(v *payment.Voucher) { v.Signature = v.Signature[:63] }},
		{"long signature", chainID, pub, func(v *payment.Voucher) { v.Signature = append(v.Signature, 0) }},
		{"S one order larger", chainID, pub, func(v *payment.Voucher) { addOrder(t, v.Signature) }},
		{"R of another encoding", chainID, pub, func(v *payment.Voucher) { v.Signature[31] ^= 0x80 }},
		{"no key", chainID, nil, func(*payment.Voucher) {}},
		{"half a key", chainID, pub[:16], func(*payment.Voucher) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := signed
			v.Signature = slices.Clone(v.Signature)
			c.alter(&v)
			require.ErrorIs(t, v.Verify(c.chain, c.key), payment.ErrForged)
		})
	}
}

// addOrder adds the order of the group to the S of a signature: the way to make
// a second signature of the same content without the key.
func addOrder(t testing.TB, signature []byte) {
	order, ok := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	require.True(t, ok)
	order.Add(order, new(big.Int).Lsh(big.NewInt(1), 252))
	little := slices.Clone(signature[32:])
	slices.Reverse(little)
	sum := new(big.Int).Add(new(big.Int).SetBytes(little), order).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	copy(signature[32:], sum)
}

// torsion returns the eight points of small order, in canonical form.
func torsion(t testing.TB) [][]byte {
	generator, err := new(edwards25519.Point).SetBytes(unhex(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))
	require.NoError(t, err)
	var points [][]byte
	for p := edwards25519.NewIdentityPoint(); len(points) < 8; p.Add(p, generator) {
		points = append(points, p.Bytes())
	}
	return points
}

func TestKeysOfSmallOrderAreRefused(t *testing.T) {
	seen := map[string]bool{}
	for _, point := range torsion(t) {
		seen[string(point)] = true
		require.ErrorIs(t, payment.CheckKey(point), payment.ErrInvalidKey, "%x", point)
	}
	require.Len(t, seen, 8)

	// With the neutral element as key, R = SB signs everything: Go's own check
	// takes it, ours does not.
	neutral := edwards25519.NewIdentityPoint().Bytes()
	s, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{5}, make([]byte, 31)...))
	require.NoError(t, err)
	forged := payment.Voucher{Channel: 1, Nonce: 1, Amount: 1_000_000}
	forged.Signature = append(new(edwards25519.Point).ScalarBaseMult(s).Bytes(), s.Bytes()...)
	require.True(t, ed25519.Verify(neutral, forged.Message(chainID), forged.Signature))
	require.ErrorIs(t, forged.Verify(chainID, neutral), payment.ErrForged)
}

func TestKeysOutsideThePrimeOrderGroupAreRefused(t *testing.T) {
	pub, _ := newKey(1)
	require.NoError(t, payment.CheckKey(pub))
	point, err := new(edwards25519.Point).SetBytes(pub)
	require.NoError(t, err)
	for i, small := range torsion(t) {
		offset, err := new(edwards25519.Point).SetBytes(small)
		require.NoError(t, err)
		mixed := new(edwards25519.Point).Add(point, offset).Bytes()
		if i == 0 {
			require.NoError(t, payment.CheckKey(mixed), "nothing was added")
			continue
		}
		require.ErrorIs(t, payment.CheckKey(mixed), payment.ErrInvalidKey, "%d/8", i)
	}
}

func TestKeysOfOddFormAreRefused(t *testing.T) {
	for _, c := range []struct{ name, key string }{
		{"none", ""},
		{"short", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f70751"},
		{"long", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a00"},
		{"no point", "0200000000000000000000000000000000000000000000000000000000000000"},
		{"one, with the sign of a zero", "0100000000000000000000000000000000000000000000000000000000000080"},
		{"one, the field's prime larger", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
		{"three, the field's prime larger", "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorIs(t, payment.CheckKey(unhex(t, c.key)), payment.ErrInvalidKey)
		})
	}
}

func TestVouchersTravel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := payment.Voucher{
			Channel:   rapid.Uint64().Draw(t, "channel"),
			Lane:      rapid.Uint32().Draw(t, "lane"),
			Nonce:     rapid.Uint64().Draw(t, "nonce"),
			Amount:    rapid.Uint64().Draw(t, "amount"),
			Signature: rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "signature"),
		}
		b, err := v.MarshalBinary()
		require.NoError(t, err)
		require.Len(t, b, payment.VoucherSize)
		var back payment.Voucher
		require.NoError(t, back.UnmarshalBinary(b))
		require.Equal(t, v, back)

		text, err := v.MarshalText()
		require.NoError(t, err)
		back = payment.Voucher{}
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, v, back)
	})
}

func TestMalformedVouchers(t *testing.T) {
	_, err := payment.Voucher{Channel: 1}.MarshalBinary()
	require.ErrorIs(t, err, payment.ErrMalformed, "not signed")
	_, err = payment.Voucher{Channel: 1}.MarshalText()
	require.ErrorIs(t, err, payment.ErrMalformed, "not signed")
	var v payment.Voucher
	for _, size := range []int{0, payment.VoucherSize - 1, payment.VoucherSize + 1} {
		require.ErrorIs(t, v.UnmarshalBinary(make([]byte, size)), payment.ErrMalformed)
	}
	require.ErrorIs(t, v.UnmarshalText([]byte("not base64!")), payment.ErrMalformed)
	require.Zero(t, v, "a refusal leaves it alone")
}

func FuzzVoucherUnmarshalBinary(f *testing.F) {
	pub, key := newKey(1)
	valid, err := payment.Sign(chainID, key, payment.Voucher{Channel: 1, Lane: 2, Nonce: 3, Amount: 4}).MarshalBinary()
	require.NoError(f, err)
	f.Add(valid)
	f.Add(valid[1:])
	f.Add(append(valid, 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var v payment.Voucher
		if err := v.UnmarshalBinary(b); err != nil {
			require.ErrorIs(t, err, payment.ErrMalformed)
			require.NotEqual(t, payment.VoucherSize, len(b))
			return
		}
		back, err := v.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, back)
		if v.Verify(chainID, pub) == nil {
			require.Equal(t, valid, b, "nobody else has the key")
		}
	})
}
