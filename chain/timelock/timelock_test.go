package timelock

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"github.com/drand/drand/v2/common"
	drandcrypto "github.com/drand/drand/v2/crypto"
	"github.com/drand/kyber/encrypt/ibe"
	"github.com/drand/tlock"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestQuicknetPulses(t *testing.T) {
	raw, schedule := Quicknet()
	key, err := ParsePublicKey(raw)
	require.NoError(t, err)
	require.Equal(t, raw, key.Bytes())
	// Published by drand's quicknet.
	signature, err := hex.DecodeString("b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39")
	require.NoError(t, err)
	require.NoError(t, key.Verify(1000, signature))
	require.ErrorIs(t, key.Verify(1001, signature), ErrInvalidPulse)
	require.EqualValues(t, 1000, schedule.RoundAt(1692803367+999*3))

	sealed, err := key.Seal(1000, []byte("hello"))
	require.NoError(t, err)
	plain, err := Open(1000, signature, sealed)
	require.NoError(t, err)
	require.Equal(t, "hello", string(plain))
}

// TestAgreesWithDrand compares with drand's own code: its beacons verify here,
// ours there, and what either encrypts the other decrypts.
func TestAgreesWithDrand(t *testing.T) {
	secret := NewSecretKey()
	scheme, err := drandcrypto.SchemeFromName(drandcrypto.SigsOnG1ID)
	require.NoError(t, err)
	signature, err := secret.Sign(77)
	require.NoError(t, err)
	beacon := common.Beacon{Round: 77, Signature: signature}
	require.NoError(t, scheme.VerifyBeacon(&beacon, secret.Public().point))
	theirs, err := scheme.AuthScheme.Sign(secret.scalar, scheme.DigestBeacon(&beacon))
	require.NoError(t, err)
	require.Equal(t, theirs, signature)

	sealed, err := secret.Public().Seal(77, []byte("ours"))
	require.NoError(t, err)
	wrapped, err := tlock.BytesToCiphertext(*scheme, sealed[:wEnd])
	require.NoError(t, err)
	key, err := tlock.TimeUnlock(*scheme, secret.Public().point, beacon, wrapped)
	require.NoError(t, err)
	aead, err := newAEAD(key)
	require.NoError(t, err)
	plain, err := aead.Open(nil, make([]byte, noncesSize), sealed[wEnd:], additional(77))
	require.NoError(t, err)
	require.Equal(t, "ours", string(plain))

	wrapped, err = tlock.TimeLock(*scheme, secret.Public().point, 77, bytes.Repeat([]byte{7}, keyBytes))
	require.NoError(t, err)
	require.Equal(t, "theirs", string(openWrapped(t, wrapped, scheme, signature)))
}

// openWrapped puts a message behind a key that drand's code wrapped, and opens
// it with ours.
func openWrapped(t *testing.T, wrapped *ibe.Ciphertext, scheme *drandcrypto.Scheme, signature []byte) []byte {
	sealed, err := tlock.CiphertextToBytes(*scheme, wrapped)
	require.NoError(t, err)
	aead, err := newAEAD(bytes.Repeat([]byte{7}, keyBytes))
	require.NoError(t, err)
	plain, err := Open(77, signature, aead.Seal(sealed, make([]byte, noncesSize), []byte("theirs"), additional(77)))
	require.NoError(t, err)
	return plain
}

func TestOpenRefuses(t *testing.T) {
	secret := NewSecretKey()
	sealed, err := secret.Public().Seal(5, []byte("weights"))
	require.NoError(t, err)
	signature := sign(t, secret, 5)
	flip := func(at int) []byte {
		changed := bytes.Clone(sealed)
		changed[at] ^= 1
		return changed
	}
	infinity := append([]byte{0xc0}, make([]byte, PublicKeyBytes-1)...)
	for name, c := range map[string]struct {
		round     uint64
		signature []byte
		sealed    []byte
	}{
		"empty":                    {5, signature, nil},
		"one byte short of a key":  {5, signature, sealed[:Overhead-1]},
		"too long":                 {5, signature, make([]byte, Overhead+MaxPlaintext+1)},
		"cut":                      {5, signature, sealed[:len(sealed)-1]},
		"point changed":            {5, signature, flip(3)},
		"point at infinity":        {5, signature, append(bytes.Clone(infinity), sealed[uEnd:]...)},
		"sigma changed":            {5, signature, flip(uEnd)},
		"key changed":              {5, signature, flip(vEnd)},
		"contents changed":         {5, signature, flip(wEnd)},
		"tag changed":              {5, signature, flip(len(sealed) - 1)},
		"another round's pulse":    {5, sign(t, secret, 6), sealed},
		"another round":            {6, signature, sealed},
		"another beacon's pulse":   {5, sign(t, NewSecretKey(), 5), sealed},
		"no signature":             {5, nil, sealed},
		"signature of zeros":       {5, make([]byte, SignatureBytes), sealed},
		"signature at infinity":    {5, append([]byte{0xc0}, make([]byte, SignatureBytes-1)...), sealed},
		"signature longer than 48": {5, append(bytes.Clone(signature), 0), sealed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(c.round, c.signature, c.sealed)
			require.ErrorIs(t, err, ErrUndecryptable)
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	secret := NewSecretKey()
	key := secret.Public()
	for name, signature := range map[string][]byte{
		"empty":          nil,
		"short":          sign(t, secret, 5)[:47],
		"infinity":       append([]byte{0xc0}, make([]byte, SignatureBytes-1)...),
		"zeros":          make([]byte, SignatureBytes),
		"another round":  sign(t, secret, 6),
		"another beacon": sign(t, NewSecretKey(), 5),
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, key.Verify(5, signature), ErrInvalidPulse)
		})
	}
	require.NoError(t, key.Verify(5, sign(t, secret, 5)))
}

func TestKeys(t *testing.T) {
	secret := NewSecretKey()
	again, err := ParseSecretKey(secret.Bytes())
	require.NoError(t, err)
	require.Equal(t, secret.Public().Bytes(), again.Public().Bytes())
	require.NotContains(t, secret.String(), hex.EncodeToString(secret.Bytes()))

	for name, raw := range map[string][]byte{
		"empty": nil, "short": make([]byte, 31), "zero": make([]byte, 32), "above the order": bytes.Repeat([]byte{0xff}, 32),
	} {
		_, err := ParseSecretKey(raw)
		require.ErrorIs(t, err, ErrInvalidKey, name)
	}
	for name, raw := range map[string][]byte{
		"empty": nil, "short": make([]byte, 95), "zeros": make([]byte, 96),
		"infinity": append([]byte{0xc0}, make([]byte, 95)...), "above the field": bytes.Repeat([]byte{0xff}, 96),
	} {
		_, err := ParsePublicKey(raw)
		require.ErrorIs(t, err, ErrInvalidKey, name)
	}
}

func TestSealBoundsItsInput(t *testing.T) {
	secret := NewSecretKey()
	_, err := secret.Public().Seal(1, make([]byte, MaxPlaintext+1))
	require.ErrorIs(t, err, ErrTooLarge)
	sealed, err := secret.Public().Seal(1, make([]byte, MaxPlaintext))
	require.NoError(t, err)
	plain, err := Open(1, sign(t, secret, 1), sealed)
	require.NoError(t, err)
	require.Len(t, plain, MaxPlaintext)
}

func TestSealedBytesDiffer(t *testing.T) {
	key := NewSecretKey().Public()
	one, err := key.Seal(1, []byte("same"))
	require.NoError(t, err)
	two, err := key.Seal(1, []byte("same"))
	require.NoError(t, err)
	require.NotEqual(t, one, two, "an opinion repeated must not be recognised")
	require.Len(t, one, len("same")+Overhead)
}

func TestSchedule(t *testing.T) {
	s := Schedule{Genesis: 1000, Period: 3}
	for _, c := range []struct {
		unix  int64
		at    uint64
		after uint64
	}{
		{math.MinInt64, 0, 1}, {0, 0, 1}, {999, 0, 1}, {1000, 1, 1}, {1001, 1, 2}, {1002, 1, 2}, {1003, 2, 2}, {1004, 2, 3},
	} {
		require.Equal(t, c.at, s.RoundAt(c.unix), "round at %d", c.unix)
		require.Equal(t, c.after, s.RoundAfter(c.unix), "round after %d", c.unix)
	}
	require.EqualValues(t, 1000, s.TimeOf(0))
	require.EqualValues(t, 1000, s.TimeOf(1))
	require.EqualValues(t, 1003, s.TimeOf(2))
	require.EqualValues(t, math.MaxInt64, s.TimeOf(math.MaxUint64))
	require.Zero(t, Schedule{}.RoundAt(5), "no period, no rounds")
}

func TestScheduleRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{Genesis: rapid.Int64().Draw(t, "genesis"), Period: rapid.Uint64Min(1).Draw(t, "period")}
		round := rapid.Uint64Min(1).Draw(t, "round")
		at := s.TimeOf(round)
		require.GreaterOrEqual(t, at, s.Genesis)
		if at == math.MaxInt64 {
			return
		}
		require.Equal(t, round, s.RoundAt(at))
		require.Equal(t, round, s.RoundAfter(at))
	})
}

func FuzzOpen(f *testing.F) {
	secret := NewSecretKey()
	sealed, err := secret.Public().Seal(5, []byte("weights"))
	require.NoError(f, err)
	signature := sign(f, secret, 5)
	f.Add(uint64(5), signature, sealed)
	f.Add(uint64(5), signature, sealed[:Overhead])
	f.Add(uint64(5), signature, append([]byte{0xc0}, make([]byte, Overhead)...))
	f.Fuzz(func(t *testing.T, round uint64, signature, sealed []byte) {
		one, err := Open(round, signature, sealed)
		two, again := Open(round, signature, sealed)
		if !bytes.Equal(one, two) || (err == nil) != (again == nil) {
			t.Fatal("two answers to one question")
		}
		if err != nil && !errors.Is(err, ErrUndecryptable) {
			t.Fatal(err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	secret := NewSecretKey()
	f.Add(secret.Public().Bytes(), uint64(5), sign(f, secret, 5))
	f.Fuzz(func(t *testing.T, key []byte, round uint64, signature []byte) {
		k, err := ParsePublicKey(key)
		if err != nil {
			if !errors.Is(err, ErrInvalidKey) {
				t.Fatal(err)
			}
			return
		}
		if err := k.Verify(round, signature); err != nil && !errors.Is(err, ErrInvalidPulse) {
			t.Fatal(err)
		}
	})
}

func sign(t testing.TB, s SecretKey, round uint64) []byte {
	signature, err := s.Sign(round)
	require.NoError(t, err)
	return signature
}

// The plaintext of a subnet with 256 neurons, and of the largest.
const (
	row256  = 1400
	row4096 = 20_600
)

func BenchmarkSeal(b *testing.B) {
	key := NewSecretKey().Public()
	for b.Loop() {
		if _, err := key.Seal(5, make([]byte, row256)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	secret := NewSecretKey()
	signature := sign(b, secret, 5)
	for name, size := range map[string]int{"uids=256": row256, "uids=4096": row4096} {
		b.Run(name, func(b *testing.B) {
			sealed, err := secret.Public().Seal(5, make([]byte, size))
			require.NoError(b, err)
			for b.Loop() {
				if _, err := Open(5, signature, sealed); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(sealed)), "B/ciphertext")
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	secret := NewSecretKey()
	key, signature := secret.Public(), sign(b, secret, 5)
	for b.Loop() {
		if err := key.Verify(5, signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParsePublicKey(b *testing.B) {
	raw := NewSecretKey().Public().Bytes()
	for b.Loop() {
		if _, err := ParsePublicKey(raw); err != nil {
			b.Fatal(err)
		}
	}
}
