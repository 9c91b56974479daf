package till_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/payment"
)

func TestRedeemsWhenItPays(t *testing.T) {
	f := newFixture(t, func(c *till.Config) { c.RedeemEvery = time.Hour })
	f.pay(0, 10, f.voucher(0, 1, 600))
	f.blocks(1)
	require.Empty(t, f.chain.Sent(), "600 are not worth a transaction")
	f.pay(1, 10, f.voucher(1, 1, 400))
	f.blocks(1)
	require.Len(t, f.chain.Sent(), 1)
	require.Len(t, f.chain.Sent()[0], 2)
	require.Equal(t, uint64(1000), f.chain.Paid())
	e := f.Earnings()
	require.Equal(t, [4]uint64{1000, 20, 1000, 0}, [4]uint64{e.Signed, e.Owed, e.Redeemed, e.Pending})
	f.pay(0, 10, f.voucher(0, 2, 5000))
	f.blocks(3)
	require.Len(t, f.chain.Sent(), 1, "not so soon again")
	f.Finish(t.Context())
	require.Equal(t, uint64(5400), f.chain.Paid())
}

func TestManyVouchersTakeSeveralTransactions(t *testing.T) {
	f := newFixture(t)
	for lane := range uint32(2*tilltest.MaxVouchers + 1) {
		f.pay(lane, 10, f.voucher(lane, 1, 1000-uint64(lane)))
	}
	f.blocks(1)
	require.Len(t, f.chain.Sent(), 2, "the last one alone is not worth it")
	f.Finish(t.Context())
	require.Len(t, f.chain.Sent(), 3)
	require.Equal(t, f.Earnings().Signed, f.chain.Paid())
}

// TestRedeemsBeforeTheEnd: whatever it brings, all of a channel that ends is redeemed, and that is in time.
func TestRedeemsBeforeTheEnd(t *testing.T) {
	for name, end := range map[string]func(*fixture) uint64{
		"expires": func(f *fixture) uint64 { return 200 },
		"closed": func(f *fixture) uint64 {
			f.blocks(20)
			require.NoError(f.t, f.chain.Close(f.channel))
			return 21 + tilltest.CloseDelay
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.channel = f.open(1000, 200)
			f.pay(0, 10, f.voucher(0, 1, 11))
			f.pay(1, 10, f.voucher(1, 1, 12))
			last := end(f)
			for height := f.Earnings().Height; height < last-margin-1; height = f.Earnings().Height {
				f.blocks(1)
			}
			require.Empty(t, f.chain.Sent())
			f.blocks(1)
			require.Equal(t, uint64(23), f.chain.Paid())
			require.Len(t, f.chain.Sent(), 1)
			f.blocks(margin + 2)
			_, err := f.chain.Collect(f.channel)
			require.NoError(t, err)
			require.Eventually(t, func() bool { f.blocks(1); return len(f.Earnings().Lanes) == 0 }, 5*time.Second, time.Millisecond, "forgotten")
			e := f.Earnings()
			require.Equal(t, [5]uint64{23, 20, 23, 0, 0}, [5]uint64{e.Signed, e.Owed, e.Redeemed, e.Pending, e.Lost})
			require.Equal(t, uint64(1), e.Ended.Channels)
			f.restart()
			require.Equal(t, e.Ended, f.Earnings().Ended, "sums are kept")
		})
	}
}

// TestAlarms: a redemption that does not succeed is said aloud, tried again, and what is lost is counted.
func TestAlarms(t *testing.T) {
	f := newFixture(t)
	f.channel = f.open(1000, 100)
	f.pay(0, 10, f.voucher(0, 1, 500))
	f.chain.SetRefuse(func(payment.Voucher) error { return errors.New("no room in blocks") })
	for f.Earnings().Height < 100-margin/2 {
		f.blocks(1)
	}
	require.Equal(t, 1, f.Earnings().Late)
	require.True(t, f.Earnings().Lanes[0].Late)
	require.Contains(t, f.log.String(), "about to end")
	require.Contains(t, f.log.String(), "refuses a voucher")

	f.chain.SetRefuse(nil)
	for f.Earnings().Height < 99 && f.chain.Paid() == 0 {
		f.blocks(1)
	}
	require.Equal(t, uint64(500), f.chain.Paid(), "it is tried again before the end")
	require.Zero(t, f.Earnings().Late)

	g := newFixture(t)
	g.channel = g.open(1000, 100)
	g.pay(0, 10, g.voucher(0, 1, 500))
	g.chain.SetRefuse(func(payment.Voucher) error { return errors.New("no room in blocks") })
	g.blocks(120)
	require.Eventually(t, func() bool { g.blocks(1); return g.Earnings().Lost == 500 }, 5*time.Second, time.Millisecond)
	require.Contains(t, g.log.String(), "money is lost")
}

// TestOneBadVoucherHoldsBackNoOther: the chain refuses transactions as a whole.
func TestOneBadVoucherHoldsBackNoOther(t *testing.T) {
	f := newFixture(t)
	for lane := range uint32(3) {
		f.pay(lane, 10, f.voucher(lane, 1, 1000))
	}
	f.chain.SetRefuse(func(v payment.Voucher) error {
		if v.Lane == 1 {
			return payment.ErrForged
		}
		return nil
	})
	f.blocks(1)
	require.Equal(t, uint64(2000), f.chain.Paid())
	f.chain.SetRefuse(nil)
	f.blocks(5)
	require.Equal(t, uint64(3000), f.chain.Paid())
}

// TestAnAnswerThatDoesNotCome: what the chain did is found out, and nothing is redeemed twice or thought lost.
func TestAnAnswerThatDoesNotCome(t *testing.T) {
	f := newFixture(t)
	f.pay(0, 10, f.voucher(0, 1, 1000))
	f.chain.SetMute(true)
	f.blocks(1)
	require.Equal(t, uint64(1000), f.chain.Paid())
	f.chain.SetMute(false)
	require.Eventually(t, func() bool { f.blocks(1); return f.Earnings().Redeemed == 1000 }, 5*time.Second, time.Millisecond)
	time.Sleep(5 * time.Millisecond)
	f.blocks(3)
	require.Len(t, f.chain.Sent(), 1)
	f.pay(0, 10, f.voucher(0, 2, 2500))
	require.Eventually(t, func() bool { f.blocks(1); return f.chain.Paid() == 2500 }, 5*time.Second, time.Millisecond)

	f.chain.SetDown(true)
	f.pay(0, 10, f.voucher(0, 3, 4000))
	f.blocks(1)
	f.chain.SetDown(false)
	require.Eventually(t, func() bool { f.blocks(1); return f.chain.Paid() == 4000 }, 5*time.Second, time.Millisecond)
}

// TestRedeemedByAnother: anyone may redeem; a till whose store is behind takes what the chain says.
func TestRedeemedByAnother(t *testing.T) {
	f := newFixture(t)
	f.pay(0, 10, f.voucher(0, 1, 400))
	_, err := f.chain.Redeem(t.Context(), 0, []payment.Voucher{*f.voucher(0, 1, 400)})
	require.NoError(t, err)
	f.pay(1, 10, f.voucher(1, 1, 900))
	f.Finish(t.Context())
	require.Equal(t, uint64(1300), f.chain.Paid())
	require.Zero(t, f.Earnings().Pending)

	// A voucher that this till never saw: it was paid, and there is that much credit.
	_, err = f.chain.Redeem(t.Context(), 0, []payment.Voucher{*f.voucher(0, 7, 1000)})
	require.NoError(t, err)
	f.blocks(tilltest.CloseDelay)
	require.Equal(t, till.Bill{Charged: 10, Owed: 20}, f.pay(0, 900, nil))
}

// TestRun: the loops do by themselves what the other tests do by hand.
func TestRun(t *testing.T) {
	f := newFixture(t)
	done := make(chan struct{})
	go func() { defer close(done); f.Run(t.Context()) }()
	f.pay(0, 10, f.voucher(0, 1, 5000))
	require.Eventually(t, func() bool { return f.chain.Paid() == 5000 }, 10*time.Second, time.Millisecond)
	f.channel = f.open(1000, 100)
	f.pay(0, 10, f.voucher(0, 1, 50))
	f.chain.Advance(90)
	require.Eventually(t, func() bool { return f.chain.Paid() == 5050 }, 10*time.Second, time.Millisecond)
	t.Cleanup(func() { <-done })
}
