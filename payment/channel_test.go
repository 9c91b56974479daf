package payment_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/payment"
)

const maxLanes = 3

// newChannel returns channel 7 with 1000 nplx until height 100, and its key.
func newChannel() (payment.Channel, ed25519.PrivateKey) {
	pub, key := newKey(1)
	return payment.Channel{ID: 7, Netuid: 1, VoucherKey: pub, Deposit: 1000, Expires: 100}, key
}

func TestRedeem(t *testing.T) {
	c, key := newChannel()
	for _, step := range []struct {
		name     string
		lane     uint32
		nonce    uint64
		total    uint64
		redeemed uint64 // by this step
		left     uint64
	}{
		{"first", 5, 1, 100, 100, 900},
		{"only what is new", 5, 2, 150, 50, 850},
		{"nonces may be skipped", 5, 40, 151, 1, 849},
		{"another lane counts from 0", 0, 1, 100, 100, 749},
		{"and a third, up to the deposit", 9, 1, 749, 749, 0},
	} {
		amount, err := c.Redeem(chainID, 50, payment.Sign(chainID, key, payment.Voucher{Channel: 7, Lane: step.lane, Nonce: step.nonce, Amount: step.total}), maxLanes)
		require.NoError(t, err, step.name)
		require.Equal(t, step.redeemed, amount, step.name)
		require.Equal(t, step.left, c.Left(), step.name)
	}
	require.Equal(t, []payment.Lane{{ID: 0, Nonce: 1, Redeemed: 100}, {ID: 5, Nonce: 40, Redeemed: 151}, {ID: 9, Nonce: 1, Redeemed: 749}}, c.Lanes)
	require.NoError(t, c.Check())
}

func TestAttacksOnRedeeming(t *testing.T) {
	_, stranger := newKey(2)
	voucher := func(channel uint64, lane uint32, nonce, amount uint64) payment.Voucher {
		return payment.Voucher{Channel: channel, Lane: lane, Nonce: nonce, Amount: amount}
	}
	for _, c := range []struct {
		name    string
		height  uint64
		voucher payment.Voucher
		signer  ed25519.PrivateKey // the channel's, if nil
		alter   func(v *payment.Voucher)
		prepare func(c *payment.Channel)
		want    error
	}{
		{name: "replay", voucher: voucher(7, 1, 3, 300), want: payment.ErrReplayed},
		{name: "replay under an older nonce", voucher: voucher(7, 1, 2, 400), want: payment.ErrReplayed},
		{name: "replay under the same nonce, for more", voucher: voucher(7, 1, 3, 400), want: payment.ErrReplayed},
		{name: "newer nonce for no more", voucher: voucher(7, 1, 4, 300), want: payment.ErrReplayed},
		{name: "newer nonce for less", voucher: voucher(7, 1, 4, 200), want: payment.ErrReplayed},
		{name: "nonce 0", voucher: voucher(7, 2, 0, 10), want: payment.ErrReplayed},
		{name: "amount 0", voucher: voucher(7, 2, 1, 0), want: payment.ErrReplayed},
		{name: "over-redeem", voucher: voucher(7, 1, 4, 1001), want: payment.ErrOverspent},
		{name: "over-redeem by another lane", voucher: voucher(7, 2, 1, 701), want: payment.ErrOverspent},
		{name: "over-redeem with the largest number", voucher: voucher(7, 1, 4, math.MaxUint64), want: payment.ErrOverspent},
		{name: "wrong lane", voucher: voucher(7, 2, 4, 400), alter: func(v *payment.Voucher) { v.Lane = 1 }, want: payment.ErrForged},
		{name: "of another channel", voucher: voucher(8, 1, 4, 400), want: payment.ErrWrongChannel},
		{name: "double spend: of another channel with the same key, renamed", voucher: voucher(8, 1, 4, 400), alter: func(v *payment.Voucher) { v.Channel = 7 }, want: payment.ErrForged},
		{name: "forged by a stranger", voucher: voucher(7, 1, 4, 400), signer: stranger, want: payment.ErrForged},
		{name: "raised amount", voucher: voucher(7, 1, 4, 400), alter: func(v *payment.Voucher) { v.Amount++ }, want: payment.ErrForged},
		{name: "raised nonce", voucher: voucher(7, 1, 4, 400), alter: func(v *payment.Voucher) { v.Nonce++ }, want: payment.ErrForged},
		{name: "malleable signature", voucher: voucher(7, 1, 4, 400), alter: func(v *payment.Voucher) { addOrder(t, v.Signature) }, want: payment.ErrForged},
		{name: "at expiry", height: 100, voucher: voucher(7, 1, 4, 400), want: payment.ErrClosed},
		{name: "long after expiry", height: math.MaxUint64, voucher: voucher(7, 1, 4, 400), want: payment.ErrClosed},
		{name: "after a close", height: 60, voucher: voucher(7, 1, 4, 400), prepare: func(c *payment.Channel) { require.NoError(t, c.Close(50, 10)) }, want: payment.ErrClosed},
		{name: "in the block of the payee's close", height: 60, voucher: voucher(7, 1, 4, 400), prepare: func(c *payment.Channel) { require.NoError(t, c.Close(60, 0)) }, want: payment.ErrClosed},
		{name: "closing with an old voucher", height: 59, voucher: voucher(7, 1, 2, 200), prepare: func(c *payment.Channel) { require.NoError(t, c.Close(50, 10)) }, want: payment.ErrReplayed},
		{name: "one lane too many", voucher: voucher(7, 3, 1, 10), prepare: func(c *payment.Channel) {
			c.Lanes = append(c.Lanes, payment.Lane{ID: 2, Nonce: 1, Redeemed: 1}, payment.Lane{ID: 4, Nonce: 1, Redeemed: 1})
		}, want: payment.ErrTooManyLanes},
	} {
		t.Run(c.name, func(t *testing.T) {
			channel, key := newChannel()
			channel.Redeemed, channel.Lanes = 300, []payment.Lane{{ID: 1, Nonce: 3, Redeemed: 300}}
			if c.prepare != nil {
				c.prepare(&channel)
			}
			if c.signer != nil {
				key = c.signer
			}
			v := payment.Sign(chainID, key, c.voucher)
			if c.alter != nil {
				c.alter(&v)
			}
			before := channel.Clone()
			amount, err := channel.Redeem(chainID, max(c.height, 50), v, maxLanes)
			require.ErrorIs(t, err, c.want)
			require.Zero(t, amount)
			require.Equal(t, before, channel, "a refusal changes nothing")
		})
	}
}

// TestEveryHeightRedeemsOrCollects walks over the two ways to end.
func TestEveryHeightRedeemsOrCollects(t *testing.T) {
	for _, c := range []struct {
		name  string
		close func(c *payment.Channel) error
		end   uint64
	}{
		{"expiry", func(*payment.Channel) error { return nil }, 100},
		{"closed by the payer", func(c *payment.Channel) error { return c.Close(50, 20) }, 70},
		{"closed by the payee", func(c *payment.Channel) error { return c.Close(50, 0) }, 50},
		{"closed by both", func(c *payment.Channel) error {
			require.NoError(t, c.Close(50, 20))
			return c.Close(60, 0)
		}, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			channel, key := newChannel()
			require.NoError(t, c.close(&channel))
			require.Equal(t, c.end, channel.End())
			v := payment.Sign(chainID, key, payment.Voucher{Channel: 7, Nonce: 1, Amount: 10})
			for _, height := range []uint64{1, c.end - 1, c.end, c.end + 1, math.MaxUint64} {
				redeeming, collecting := channel.Clone(), channel.Clone()
				_, errRedeem := redeeming.Redeem(chainID, height, v, maxLanes)
				refund, errCollect := collecting.Collect(height)
				if height < c.end {
					require.NoError(t, errRedeem)
					require.ErrorIs(t, errCollect, payment.ErrOpen)
					continue
				}
				require.ErrorIs(t, errRedeem, payment.ErrClosed)
				require.NoError(t, errCollect)
				require.Equal(t, uint64(1000), refund)
				refund, err := collecting.Collect(height)
				require.NoError(t, err)
				require.Zero(t, refund, "a second time")
			}
		})
	}
}

func TestClose(t *testing.T) {
	for _, c := range []struct {
		name          string
		height, delay uint64
		before        uint64 // ClosesAt
		want          uint64
		err           error
	}{
		{"with a delay", 50, 10, 0, 60, nil},
		{"at once", 50, 0, 0, 50, nil},
		{"sooner than announced", 50, 5, 60, 55, nil},
		{"not later than announced", 55, 10, 60, 60, payment.ErrClosing},
		{"not as announced", 50, 10, 60, 60, payment.ErrClosing},
		{"expires sooner", 95, 10, 0, 0, payment.ErrClosing},
		{"expires as soon", 90, 10, 0, 0, payment.ErrClosing},
		{"a block before expiry", 89, 10, 0, 99, nil},
		{"a delay beyond numbers", 50, math.MaxUint64, 0, 0, payment.ErrClosing},
		{"after expiry", 100, 0, 0, 0, payment.ErrClosed},
		{"after a close", 60, 0, 60, 60, payment.ErrClosed},
		{"before the first block", 0, 0, 0, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			channel, _ := newChannel()
			channel.ClosesAt = c.before
			require.ErrorIs(t, channel.Close(c.height, c.delay), c.err)
			require.Equal(t, c.want, channel.ClosesAt)
		})
	}
}

func TestTopUp(t *testing.T) {
	terms := payment.Terms{MinDeposit: 10, MaxDuration: 1000}
	for _, c := range []struct {
		name            string
		height          uint64
		closesAt        uint64
		amount, expires uint64
		err             error
	}{
		{"deposit", 50, 0, 1, 0, nil},
		{"expiry", 50, 0, 0, 101, nil},
		{"both, as far as can be", 50, 0, 5, 1050, nil},
		{"too far", 50, 0, 5, 1051, payment.ErrInvalidTerms},
		{"as it was", 50, 0, 5, 100, payment.ErrInvalidTerms},
		{"shorter", 50, 0, 5, 99, payment.ErrInvalidTerms},
		{"nothing", 50, 0, 0, 0, payment.ErrInvalidTerms},
		{"more than a number holds", 50, 0, math.MaxUint64 - 999, 0, payment.ErrInvalidTerms},
		{"closing", 50, 60, 5, 0, payment.ErrClosing},
		{"expired", 100, 0, 5, 200, payment.ErrClosed},
		{"in its last block", 99, 0, 5, 200, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			channel, _ := newChannel()
			channel.ClosesAt = c.closesAt
			want := channel.Clone()
			if c.err == nil {
				want.Deposit += c.amount
				want.Expires = max(want.Expires, c.expires)
			}
			require.ErrorIs(t, channel.TopUp(c.height, c.amount, c.expires, terms), c.err)
			require.Equal(t, want, channel)
		})
	}
}

func TestOpen(t *testing.T) {
	terms := payment.Terms{MinDeposit: 10, MaxDuration: 1000}
	for _, c := range []struct {
		name  string
		terms payment.Terms
		alter func(c *payment.Channel)
		err   error
	}{
		{"usual", terms, func(*payment.Channel) {}, nil},
		{"smallest and shortest", terms, func(c *payment.Channel) { c.Deposit, c.Expires = 10, 51 }, nil},
		{"longest", terms, func(c *payment.Channel) { c.Expires = 1050 }, nil},
		{"too small", terms, func(c *payment.Channel) { c.Deposit = 9 }, payment.ErrInvalidTerms},
		{"empty where anything goes", payment.Terms{MaxDuration: 1000}, func(c *payment.Channel) { c.Deposit = 0 }, payment.ErrInvalidTerms},
		{"over already", terms, func(c *payment.Channel) { c.Expires = 50 }, payment.ErrInvalidTerms},
		{"too long", terms, func(c *payment.Channel) { c.Expires = 1051 }, payment.ErrInvalidTerms},
		{"no key", terms, func(c *payment.Channel) { c.VoucherKey = nil }, payment.ErrInvalidKey},
		{"key of small order", terms, func(c *payment.Channel) { c.VoucherKey = torsion(t)[3] }, payment.ErrInvalidKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			channel, _ := newChannel()
			c.alter(&channel)
			require.ErrorIs(t, c.terms.Open(channel, 50), c.err)
		})
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(c *payment.Channel)
		err   error
	}{
		{"as it is", func(*payment.Channel) {}, nil},
		{"bad key", func(c *payment.Channel) { c.VoucherKey = make([]byte, 32) }, payment.ErrInvalidKey},
		{"never expires", func(c *payment.Channel) { c.Expires = 0 }, payment.ErrInvalidTerms},
		{"lanes in disorder", func(c *payment.Channel) { slices.Reverse(c.Lanes) }, payment.ErrInvalidTerms},
		{"a lane twice", func(c *payment.Channel) { c.Lanes[1].ID = c.Lanes[0].ID }, payment.ErrInvalidTerms},
		{"a lane without a voucher", func(c *payment.Channel) { c.Lanes[0].Nonce = 0 }, payment.ErrInvalidTerms},
		{"an empty lane", func(c *payment.Channel) { c.Lanes[0].Redeemed, c.Redeemed = 0, 200 }, payment.ErrInvalidTerms},
		{"a wrong sum", func(c *payment.Channel) { c.Redeemed++ }, payment.ErrInvalidTerms},
		{"beyond the deposit", func(c *payment.Channel) { c.Deposit = 299 }, payment.ErrInvalidTerms},
		{"a sum beyond numbers", func(c *payment.Channel) { c.Lanes[1].Redeemed, c.Deposit = math.MaxUint64, math.MaxUint64 }, payment.ErrInvalidTerms},
	} {
		t.Run(c.name, func(t *testing.T) {
			channel, _ := newChannel()
			channel.Redeemed, channel.Lanes = 300, []payment.Lane{{ID: 1, Nonce: 3, Redeemed: 100}, {ID: 2, Nonce: 1, Redeemed: 200}}
			c.alter(&channel)
			require.ErrorIs(t, channel.Check(), c.err)
		})
	}
}

// ledger follows a channel through a sequence of calls and knows what must hold
// after each.
type ledger struct {
	channel   payment.Channel
	key       ed25519.PrivateKey
	height    uint64
	deposited uint64
	redeemed  uint64
	refunded  uint64
	collected bool
}

func (l *ledger) check(t require.TestingT) {
	require.NoError(t, l.channel.Check())
	require.Equal(t, l.redeemed, l.channel.Redeemed)
	require.Equal(t, l.deposited, l.redeemed+l.refunded+l.channel.Left(), "deposited = redeemed + refunded + left")
	require.LessOrEqual(t, len(l.channel.Lanes), maxLanes)
	if l.collected {
		require.Zero(t, l.channel.Left())
	}
}

func (l *ledger) redeem(t require.TestingT, lane uint32, nonce, total uint64) {
	before, was := l.channel.Clone(), l.channel.Lane(lane)
	amount, err := l.channel.Redeem(chainID, l.height, payment.Sign(chainID, l.key, payment.Voucher{Channel: l.channel.ID, Lane: lane, Nonce: nonce, Amount: total}), maxLanes)
	if err != nil {
		require.Zero(t, amount)
		require.Equal(t, before, l.channel)
		return
	}
	require.False(t, l.collected, "nothing is redeemed after the rest went back")
	require.Equal(t, total-was.Redeemed, amount)
	require.Greater(t, nonce, was.Nonce)
	require.Equal(t, payment.Lane{ID: lane, Nonce: nonce, Redeemed: total}, l.channel.Lane(lane))
	l.redeemed += amount
}

func (l *ledger) collect(t require.TestingT) {
	refund, err := l.channel.Collect(l.height)
	if err != nil {
		require.ErrorIs(t, err, payment.ErrOpen)
		return
	}
	l.refunded, l.collected = l.refunded+refund, true
}

func (l *ledger) topUp(amount, expires uint64) {
	if l.channel.TopUp(l.height, amount, expires, payment.Terms{MaxDuration: 500}) == nil {
		l.deposited += amount
	}
}

func TestNoSequenceLosesAUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		channel, key := newChannel()
		l := ledger{channel: channel, key: key, height: 1, deposited: channel.Deposit}
		t.Repeat(map[string]func(*rapid.T){
			"redeem": func(t *rapid.T) {
				l.redeem(t, rapid.Uint32Range(0, 4).Draw(t, "lane"), rapid.Uint64Range(0, 20).Draw(t, "nonce"), rapid.Uint64Range(0, 600).Draw(t, "total"))
			},
			"top up": func(t *rapid.T) {
				l.topUp(rapid.Uint64Range(0, 500).Draw(t, "amount"), rapid.SampledFrom([]uint64{0, l.height + 90, l.height + 501}).Draw(t, "expires"))
			},
			"close":   func(t *rapid.T) { _ = l.channel.Close(l.height, rapid.Uint64Range(0, 30).Draw(t, "delay")) },
			"collect": func(t *rapid.T) { l.collect(t) },
			"wait":    func(t *rapid.T) { l.height += rapid.Uint64Range(1, 25).Draw(t, "blocks") },
			"":        func(t *rapid.T) { l.check(t) },
		})
		l.height = math.MaxUint64
		l.collect(t)
		l.check(t)
		require.Equal(t, l.deposited, l.redeemed+l.refunded)
	})
}

// FuzzRedeemSequence reads calls from bytes: what is done, then its numbers.
func FuzzRedeemSequence(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 0, 100, 0, 1, 0, 1, 0, 100, 3, 0, 0, 0, 0, 200, 2, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 1, 3, 232, 1, 0, 0, 9, 0, 0, 4, 0, 0, 10, 0, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 2, 3, 240, 2, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		channel, key := newChannel()
		l := ledger{channel: channel, key: key, height: 1, deposited: channel.Deposit}
		for len(script) >= 6 && l.height < math.MaxUint32 {
			lane, first, second := uint32(script[1]), uint64(binary.BigEndian.Uint16(script[2:])), uint64(binary.BigEndian.Uint16(script[4:]))
			switch script[0] % 5 {
			case 0:
				l.redeem(t, lane, first, second)
			case 1:
				l.topUp(first, second)
			case 2:
				l.collect(t)
			case 3:
				l.height += second
			case 4:
				_ = l.channel.Close(l.height, first)
			}
			l.check(t)
			script = script[6:]
		}
		l.height = math.MaxUint64
		l.collect(t)
		require.Equal(t, l.deposited, l.redeemed+l.refunded)
	})
}
