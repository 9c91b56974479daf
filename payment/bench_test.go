package payment_test

import (
	"crypto/ed25519"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/payment"
)

func BenchmarkSign(b *testing.B) {
	_, key := newKey(1)
	v := payment.Voucher{Channel: 7, Lane: 3, Nonce: 9, Amount: 1000}
	b.ReportAllocs()
	for b.Loop() {
		v = payment.Sign(chainID, key, v)
	}
}

// BenchmarkVerify has beside it what the standard library's check alone costs.
func BenchmarkVerify(b *testing.B) {
	pub, key := newKey(1)
	v := payment.Sign(chainID, key, payment.Voucher{Channel: 7, Lane: 3, Nonce: 9, Amount: 1000})
	b.Run("strict", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.NoError(b, v.Verify(chainID, pub))
		}
	})
	b.Run("library", func(b *testing.B) {
		message := v.Message(chainID)
		b.ReportAllocs()
		for b.Loop() {
			require.True(b, ed25519.Verify(pub, message, v.Signature))
		}
	})
}

func BenchmarkCheckKey(b *testing.B) {
	pub, _ := newKey(1)
	for b.Loop() {
		require.NoError(b, payment.CheckKey(pub))
	}
}

// BenchmarkRedeem takes vouchers that rise, without the time to sign them.
func BenchmarkRedeem(b *testing.B) {
	c, key := newChannel()
	vouchers := make([]payment.Voucher, 500)
	for i := range vouchers {
		n := uint64(i + 1)
		vouchers[i] = payment.Sign(chainID, key, payment.Voucher{Channel: 7, Nonce: n, Amount: n})
	}
	fresh := c.Clone()
	for i := 0; b.Loop(); i++ {
		if i%len(vouchers) == 0 {
			c = fresh.Clone()
		}
		_, err := c.Redeem(chainID, 50, vouchers[i%len(vouchers)], maxLanes)
		require.NoError(b, err)
	}
}

func BenchmarkCharge(b *testing.B) {
	p := payment.Price{Request: 1000, Input: 10, Output: 20, Compute: 1_000_000}
	u := payment.Usage{Input: 3136, Output: 40, Compute: 1500 * time.Microsecond}
	for b.Loop() {
		p.Charge(u)
	}
}

// BenchmarkWindowPass lets the whole supply fade away under the longest
// smoothing that the chain's parameters allow: its largest effort for one window.
func BenchmarkWindowPass(b *testing.B) {
	for b.Loop() {
		w := payment.Window{Burned: 21_000_000 * 1_000_000_000}
		w.Pass(math.MaxUint64, 100)
	}
}
