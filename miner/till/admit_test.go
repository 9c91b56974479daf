package till_test

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/payment"
)

func TestAPaidRequest(t *testing.T) {
	f := newFixture(t)
	sale, err := f.Admit(t.Context(), f.who, f.offer(0, 100, f.voucher(0, 1, 500)))
	require.NoError(t, err)
	require.NoError(t, sale.Input(3*1024))
	lane := f.Earnings().Lanes[0]
	require.Equal(t, [3]uint64{500, 0, 100}, [3]uint64{lane.Signed, lane.Owed, lane.Reserved})

	bill, err := sale.Settle(t.Context(), till.Answered, payment.Usage{Output: 1024, Compute: 5 * time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, till.Bill{Charged: 10 + 3 + 2 + 5, Owed: 20}, bill)

	// The next ones need no voucher until what is signed is used up.
	require.Equal(t, till.Bill{Charged: 10, Owed: 30}, f.pay(0, 470, nil))
	_, err = f.Admit(t.Context(), f.who, f.offer(0, 471, nil))
	r := refused(t, err, codes.FailedPrecondition, oip.ReasonPaymentRequired)
	require.Equal(t, map[string]string{"owed": "30", "signed": "500", "nonce": "1", "needed": "501",
		"price_request": "10", "price_input_kib": "1", "price_output_kib": "2", "price_compute_second": "1000"}, r.Metadata)
	details := r.GRPCStatus().Details()
	require.Len(t, details, 1)
	info := details[0].(*errdetails.ErrorInfo)
	require.Equal(t, [2]string{"PAYMENT_REQUIRED", "plexus"}, [2]string{info.Reason, info.Domain})
	require.Equal(t, "501", info.Metadata["needed"])
	require.Equal(t, till.Bill{Charged: 10, Owed: 40}, f.pay(0, 471, f.voucher(0, 2, 501)))
}

func TestWhatARequestCosts(t *testing.T) {
	tests := map[string]struct {
		limit   uint64
		input   uint64
		outcome till.Outcome
		usage   payment.Usage
		want    uint64
	}{
		"what it used":                         {1000, 1024, till.Answered, payment.Usage{Output: 2048, Compute: time.Second}, 10 + 1 + 4 + 1000 - 15},
		"at most its limit":                    {100, 0, till.Answered, payment.Usage{Compute: time.Hour}, 100},
		"parts of a KiB, rounded up once":      {100, 1, till.Answered, payment.Usage{Output: 1}, 11},
		"nothing, failed":                      {100, 1024, till.Failed, payment.Usage{Output: 1024, Compute: time.Second}, 0},
		"request and input, cancelled":         {100, 5 * 1024, till.Cancelled, payment.Usage{Output: 1024, Compute: time.Second}, 15},
		"its limit, where that is all of it":   {15, 5 * 1024, till.Cancelled, payment.Usage{}, 15},
		"its limit, where a sum would go over": {math.MaxUint64, 0, till.Answered, payment.Usage{Output: math.MaxUint64, Compute: math.MaxInt64}, 1_000_000},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			limit := min(c.limit, 1_000_000)
			if limit > 985 && limit < 1_000_000 {
				limit = 1000
			}
			sale, err := f.Admit(t.Context(), f.who, f.offer(0, limit, f.voucher(0, 1, 1_000_000)))
			require.NoError(t, err)
			require.NoError(t, sale.Input(c.input))
			bill, err := sale.Settle(t.Context(), c.outcome, c.usage)
			require.NoError(t, err)
			require.Equal(t, c.want, bill.Charged)
			lane := f.Earnings().Lanes[0]
			require.Equal(t, [2]uint64{c.want, 0}, [2]uint64{lane.Owed, lane.Reserved})
		})
	}
}

func TestLimits(t *testing.T) {
	f := newFixture(t, func(c *till.Config) { c.MaxInHand = 2; c.MaxLanes = 3; c.MaxChannelsPerPayer = 1 })
	_, err := f.Admit(t.Context(), f.who, f.offer(0, 9, f.voucher(0, 1, 500)))
	r := refused(t, err, codes.FailedPrecondition, oip.ReasonLimitTooLow)
	require.Equal(t, "10", r.Metadata["minimum"])
	require.Equal(t, uint64(500), f.Earnings().Signed, "the voucher was taken all the same")

	sale, err := f.Admit(t.Context(), f.who, f.offer(0, 10, nil))
	require.NoError(t, err)
	r = refused(t, sale.Input(1024), codes.FailedPrecondition, oip.ReasonLimitTooLow)
	require.Equal(t, "11", r.Metadata["minimum"])
	bill, err := sale.Settle(t.Context(), till.Failed, payment.Usage{})
	require.NoError(t, err)
	require.Equal(t, till.Bill{}, bill)
	require.Zero(t, f.Earnings().Lanes[0].Reserved)

	var hold []*till.Sale
	for range 2 {
		sale, err := f.Admit(t.Context(), f.who, f.offer(0, 10, nil))
		require.NoError(t, err)
		hold = append(hold, sale)
	}
	_, err = f.Admit(t.Context(), f.who, f.offer(0, 10, nil))
	refused(t, err, codes.ResourceExhausted, till.ReasonFull)
	for _, s := range hold {
		s.Drop()
		s.Drop() // twice is once
	}
	require.Zero(t, f.Earnings().Lanes[0].Reserved)

	f.pay(1, 10, f.voucher(1, 1, 10))
	f.pay(2, 10, f.voucher(2, 1, 10))
	_, err = f.Admit(t.Context(), f.who, f.offer(3, 10, f.voucher(3, 1, 10)))
	refused(t, err, codes.ResourceExhausted, till.ReasonFull)
	require.Contains(t, err.Error(), "3 lanes")

	second := newFixture(t, func(c *till.Config) { c.MaxChannelsPerPayer = 1 })
	second.pay(0, 10, second.voucher(0, 1, 10))
	second.channel = second.open(100, 10_000)
	_, err = second.Admit(t.Context(), second.who, second.offer(0, 10, second.voucher(0, 1, 10)))
	refused(t, err, codes.ResourceExhausted, till.ReasonFull)

	full := newFixture(t, func(c *till.Config) { c.MaxStoreBytes = 1 })
	_, err = full.Admit(t.Context(), full.who, full.offer(0, 10, full.voucher(0, 1, 10)))
	refused(t, err, codes.ResourceExhausted, till.ReasonFull)
}

func TestWhoMaySpend(t *testing.T) {
	f := newFixture(t)
	other := keyOf(9)
	for name, c := range map[string]struct {
		who  till.Caller
		want bool
	}{
		"the payer's account":                  {till.Caller{Account: payer, NodeKey: public(other)}, true},
		"another account with the voucher key": {till.Caller{Account: "plx1gateway", NodeKey: public(f.key)}, true},
		"another account":                      {till.Caller{Account: "plx1thief", NodeKey: public(other)}, false},
		"nobody":                               {till.Caller{}, false},
		"half of the key":                      {till.Caller{Account: "plx1thief", NodeKey: public(f.key)[:16]}, false},
	} {
		t.Run(name, func(t *testing.T) {
			sale, err := f.Admit(t.Context(), c.who, f.offer(0, 10, f.voucher(0, 1, 500)))
			_, known := f.Owed(c.who, f.offer(0, 10, nil))
			if c.want {
				require.NoError(t, err)
				sale.Drop()
				require.True(t, known)
				return
			}
			refused(t, err, codes.PermissionDenied, till.ReasonDenied)
			require.False(t, known, "nor is he told what is owed")
		})
	}
}

// TestAttacks: whatever comes with a request, nobody gets credit that the chain would not pay.
func TestAttacks(t *testing.T) {
	overspend := func(f *fixture) till.Offer { // over the deposit, by two lanes together
		f.pay(0, 10, f.voucher(0, 1, 600_000))
		return f.offer(1, 10, f.voucher(1, 1, 400_001))
	}
	tests := map[string]struct {
		offer  func(f *fixture) till.Offer
		code   codes.Code
		reason string
	}{
		"a forged voucher": {func(f *fixture) till.Offer {
			v := f.voucher(0, 1, 500)
			v.Amount = 900
			return f.offer(0, 10, v)
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"signed by another key": {func(f *fixture) till.Offer {
			v := payment.Sign(chainID, keyOf(9), payment.Voucher{Channel: f.channel, Nonce: 1, Amount: 500})
			return f.offer(0, 10, &v)
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"for another chain": {func(f *fixture) till.Offer {
			v := payment.Sign("plexus-other-1", f.key, payment.Voucher{Channel: f.channel, Nonce: 1, Amount: 500})
			return f.offer(0, 10, &v)
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"a malleable signature": {func(f *fixture) till.Offer {
			v := f.voucher(0, 1, 500)
			addOrder(v.Signature[32:])
			return f.offer(0, 10, v)
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"no signature": {func(f *fixture) till.Offer {
			return f.offer(0, 10, &payment.Voucher{Channel: f.channel, Nonce: 1, Amount: 500})
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"of another lane": {func(f *fixture) till.Offer { return f.offer(1, 10, f.voucher(0, 1, 500)) },
			codes.InvalidArgument, oip.ReasonVoucherRefused},
		"of another channel of the payer": {func(f *fixture) till.Offer {
			o := f.offer(0, 10, f.voucher(0, 1, 500))
			o.Channel = f.open(1000, 10_000)
			return o
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"a channel to another miner": {func(f *fixture) till.Offer {
			f.channel = f.chain.Open(tilltest.Opening{Payer: payer, Netuid: netuid, Hotkey: "plx1other", Key: public(f.key), Deposit: 1000, Expires: 10_000})
			return f.offer(0, 10, f.voucher(0, 1, 500))
		}, codes.FailedPrecondition, oip.ReasonChannelUnknown},
		"a channel of another subnet": {func(f *fixture) till.Offer {
			f.channel = f.chain.Open(tilltest.Opening{Payer: payer, Netuid: netuid + 1, Hotkey: hotkey, Key: public(f.key), Deposit: 1000, Expires: 10_000})
			return f.offer(0, 10, f.voucher(0, 1, 500))
		}, codes.FailedPrecondition, oip.ReasonChannelUnknown},
		"a channel that is not there": {func(f *fixture) till.Offer {
			f.channel = 77
			return f.offer(0, 10, f.voucher(0, 1, 500))
		}, codes.FailedPrecondition, oip.ReasonChannelUnknown},
		"more than the deposit": {func(f *fixture) till.Offer { return f.offer(0, 10, f.voucher(0, 1, 1_000_001)) },
			codes.InvalidArgument, oip.ReasonVoucherRefused},
		"lanes that add up to more than the deposit": {overspend, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"the largest amount there is": {func(f *fixture) till.Offer {
			f.pay(0, 10, f.voucher(0, 1, 600_000))
			return f.offer(1, 10, f.voucher(1, 1, math.MaxUint64))
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"one lane too many": {func(f *fixture) till.Offer {
			for lane := range uint32(tilltest.MaxLanes) {
				f.pay(lane, 10, f.voucher(lane, 1, 10))
			}
			return f.offer(99, 10, f.voucher(99, 1, 10))
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"a later nonce for less": {func(f *fixture) till.Offer {
			f.pay(0, 10, f.voucher(0, 1, 500))
			return f.offer(0, 10, f.voucher(0, 2, 400))
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"an earlier nonce for more": {func(f *fixture) till.Offer {
			f.pay(0, 10, f.voucher(0, 5, 500))
			return f.offer(0, 10, f.voucher(0, 4, 600))
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"the same nonce for more": {func(f *fixture) till.Offer {
			f.pay(0, 10, f.voucher(0, 5, 500))
			return f.offer(0, 10, f.voucher(0, 5, 600))
		}, codes.InvalidArgument, oip.ReasonVoucherRefused},
		"a voucher that came before": {func(f *fixture) till.Offer {
			f.pay(0, 20, f.voucher(0, 1, 20))
			f.pay(0, 10, nil)
			return f.offer(0, 10, f.voucher(0, 1, 20))
		}, codes.FailedPrecondition, oip.ReasonPaymentRequired},
		"a smaller voucher that was overtaken": {func(f *fixture) till.Offer {
			f.pay(0, 20, f.voucher(0, 2, 20))
			f.pay(0, 10, nil)
			return f.offer(0, 10, f.voucher(0, 1, 15))
		}, codes.FailedPrecondition, oip.ReasonPaymentRequired},
		"a limit beyond all numbers": {func(f *fixture) till.Offer {
			f.pay(0, 10, f.voucher(0, 1, 500))
			return f.offer(0, math.MaxUint64, nil)
		}, codes.FailedPrecondition, oip.ReasonPaymentRequired},
		"a lane that nothing was signed on": {func(f *fixture) till.Offer {
			f.pay(0, 10, f.voucher(0, 1, 500))
			return f.offer(1, 10, nil)
		}, codes.FailedPrecondition, oip.ReasonPaymentRequired},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			o := c.offer(f)
			before := f.Earnings()
			_, err := f.Admit(t.Context(), f.who, o)
			refused(t, err, c.code, c.reason)
			after := f.Earnings()
			require.Equal(t, before.Signed, after.Signed)
			require.Equal(t, before.Owed, after.Owed)
			f.Finish(t.Context())
			require.Equal(t, after.Signed, f.chain.Paid(), "the chain pays what was accepted")
		})
	}
}

// addOrder adds the order of the group to a scalar, little-endian: the same signature, written differently.
func addOrder(s []byte) {
	order := [32]byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
	carry := 0
	for i := range order {
		sum := int(s[i]) + int(order[i]) + carry
		s[i], carry = byte(sum), sum>>8
	}
}

// TestTheEndOfAChannel: nobody is let in within the margin, to the block.
func TestTheEndOfAChannel(t *testing.T) {
	for name, c := range map[string]struct {
		close bool
		end   uint64
	}{
		"expires": {false, 200},
		"closed":  {true, 1 + 50 + tilltest.CloseDelay}, // closed at height 51
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.channel = f.open(1000, 200)
			f.pay(0, 10, f.voucher(0, 1, 500))
			f.chain.Advance(50)
			if c.close {
				require.NoError(t, f.chain.Close(f.channel))
			}
			f.chain.Advance(c.end - margin - 1 - 51)
			f.Look(t.Context())
			f.pay(0, 10, nil) // one block before the margin
			f.chain.Advance(1)
			f.Look(t.Context())
			_, err := f.Admit(t.Context(), f.who, f.offer(0, 10, nil))
			r := refused(t, err, codes.FailedPrecondition, oip.ReasonChannelClosing)
			require.Equal(t, strconv.FormatUint(c.end, 10), r.Metadata["end"])
		})
	}
}

// TestACloseIsSeenInTime: with nobody looking at the chain but the requests themselves.
func TestACloseIsSeenInTime(t *testing.T) {
	f := newFixture(t)
	f.pay(0, 10, f.voucher(0, 1, 500))
	require.NoError(t, f.chain.Close(f.channel))
	for range tilltest.CloseDelay - margin {
		sale, err := f.Admit(t.Context(), f.who, f.offer(0, 10, nil))
		require.NoError(t, err)
		sale.Drop()
		f.chain.Advance(1)
		f.Look(t.Context())
	}
	_, err := f.Admit(t.Context(), f.who, f.offer(0, 10, nil))
	refused(t, err, codes.FailedPrecondition, oip.ReasonChannelClosing)
}

func TestAProlongedChannelIsTakenAtOnce(t *testing.T) {
	f := newFixture(t)
	f.channel = f.open(1000, 50)
	f.chain.Advance(45)
	f.Look(t.Context())
	_, err := f.Admit(t.Context(), f.who, f.offer(0, 10, f.voucher(0, 1, 500)))
	refused(t, err, codes.FailedPrecondition, oip.ReasonChannelClosing)
	require.NoError(t, f.chain.TopUp(f.channel, 1000, 5000))
	require.Eventually(t, func() bool {
		sale, err := f.Admit(t.Context(), f.who, f.offer(0, 10, f.voucher(0, 1, 2000)))
		if err == nil {
			sale.Drop()
		}
		return err == nil
	}, 5*time.Second, 10*time.Millisecond, "more than the first deposit, and beyond the first expiry")
}

func TestAChannelThatIsOpenedLate(t *testing.T) {
	f := newFixture(t)
	f.channel++
	_, err := f.Admit(t.Context(), f.who, f.offer(0, 10, f.voucher(0, 1, 500)))
	refused(t, err, codes.FailedPrecondition, oip.ReasonChannelUnknown)
	asked := f.chain.Asked()
	_, err = f.Admit(t.Context(), f.who, f.offer(0, 10, f.voucher(0, 1, 500)))
	refused(t, err, codes.FailedPrecondition, oip.ReasonChannelUnknown)
	require.Equal(t, asked, f.chain.Asked(), "the chain is not asked for every request")
	require.Equal(t, f.channel, f.open(1000, 10_000))
	require.Eventually(t, func() bool {
		sale, err := f.Admit(t.Context(), f.who, f.offer(0, 10, f.voucher(0, 1, 500)))
		if err == nil {
			sale.Drop()
		}
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
}

func TestWithoutAChain(t *testing.T) {
	f := newFixture(t, func(c *till.Config) { c.MaxBlind = 50 * time.Millisecond })
	f.pay(0, 10, f.voucher(0, 1, 500))
	f.chain.SetDown(true)
	f.Look(t.Context())
	require.Eventually(t, func() bool {
		sale, err := f.Admit(t.Context(), f.who, f.offer(0, 10, nil))
		if err == nil {
			sale.Drop()
			return false
		}
		r := refused(t, err, codes.Unavailable, till.ReasonUnavailable)
		return r.Retry > 0
	}, 5*time.Second, time.Millisecond, "for some time one can go by what was seen")
	f.chain.SetDown(false)
	f.Look(t.Context())
	f.pay(0, 10, nil)

	f.end()
	f.chain.SetDown(true)
	f.start()
	_, err := f.Admit(t.Context(), f.who, f.offer(0, 10, nil))
	refused(t, err, codes.Unavailable, till.ReasonUnavailable)
}

func TestACallerWhoLeaves(t *testing.T) {
	f := newFixture(t)
	sale, err := f.Admit(t.Context(), f.who, f.offer(0, 100, f.voucher(0, 1, 500)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, sale.Input(1024))
	bill, err := sale.Settle(ctx, till.Cancelled, payment.Usage{Compute: time.Second})
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, uint64(11), bill.Charged)
	_, err = f.Admit(ctx, f.who, till.Offer{Channel: 99, Limit: 10})
	require.True(t, errors.Is(err, context.Canceled), "%v", err)
}

func TestParseOffer(t *testing.T) {
	raw, err := payment.Sign(chainID, keyOf(1), payment.Voucher{Channel: 7, Lane: 2, Nonce: 1, Amount: 5}).MarshalBinary()
	require.NoError(t, err)
	o, err := till.ParseOffer("7/2", "500", raw)
	require.NoError(t, err)
	require.Equal(t, [3]uint64{7, 2, 500}, [3]uint64{o.Channel, uint64(o.Lane), o.Limit})
	require.Equal(t, uint64(5), o.Voucher.Amount)
	for _, c := range [][2]string{{"7", "500"}, {"7/", "500"}, {"/2", "500"}, {"7/2/3", "500"}, {"-7/2", "500"}, {"7/4294967296", "500"},
		{"18446744073709551616/0", "500"}, {"7/2", ""}, {"7/2", "1e3"}, {"7/2", "-1"}, {"", ""}} {
		_, err := till.ParseOffer(c[0], c[1], nil)
		refused(t, err, codes.InvalidArgument, till.ReasonMalformed)
	}
	_, err = till.ParseOffer("7/2", "500", raw[1:])
	refused(t, err, codes.InvalidArgument, oip.ReasonVoucherRefused)
}

func FuzzParseOffer(f *testing.F) {
	f.Add("7/2", "500", []byte("short"))
	f.Fuzz(func(t *testing.T, channel, limit string, voucher []byte) {
		o, err := till.ParseOffer(channel, limit, voucher)
		if err != nil {
			return
		}
		require.Equal(t, channel, strconv.FormatUint(o.Channel, 10)+"/"+strconv.FormatUint(uint64(o.Lane), 10))
	})
}

// TestManyAtOnce: lanes are used by many at the same time, and the books are right.
func TestManyAtOnce(t *testing.T) {
	f := newFixture(t)
	const lanes, each = 8, 60
	channels := []uint64{f.open(1_000_000, 1<<40), f.open(1_000_000, 1<<40)}
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				f.chain.Advance(1)
				f.Look(t.Context())
				f.Redeem(t.Context())
				for _, l := range f.Earnings().Lanes {
					if l.Signed < l.Owed+l.Reserved {
						t.Errorf("lane %d/%d: signed %d, owed %d, reserved %d", l.Channel, l.Lane, l.Signed, l.Owed, l.Reserved)
					}
				}
			}
		}
	})
	var group sync.WaitGroup
	for _, channel := range channels {
		for lane := range uint32(lanes) {
			group.Go(func() { hammer(t, f, channel, lane, each) })
		}
	}
	group.Wait()
	close(stop)
	looking.Wait()
	want := uint64(len(channels) * lanes * each * 10)
	e := f.Earnings()
	require.Equal(t, want, e.Owed)
	require.Len(t, e.Lanes, len(channels)*lanes)
	f.Finish(t.Context())
	require.Equal(t, e.Signed, f.chain.Paid())
	require.Zero(t, f.Earnings().Pending)
}

// hammer sends requests on a lane, a few at the same time, with a voucher for every third.
func hammer(t *testing.T, f *fixture, channel uint64, lane uint32, n int) {
	var group sync.WaitGroup
	tokens := make(chan struct{}, 3)
	for i := range n {
		var v *payment.Voucher
		if i%3 == 0 { // enough for all that follow up to the next one
			signed := payment.Sign(chainID, f.key, payment.Voucher{Channel: channel, Lane: lane, Nonce: uint64(i + 1), Amount: uint64(i+9) * 20})
			v = &signed
			sale, err := f.Admit(t.Context(), f.who, till.Offer{Channel: channel, Lane: lane, Limit: 20, Voucher: v})
			if err != nil {
				t.Error(err)
				return
			}
			settleOne(t, sale)
			continue
		}
		tokens <- struct{}{}
		group.Go(func() {
			defer func() { <-tokens }()
			sale, err := f.Admit(t.Context(), f.who, till.Offer{Channel: channel, Lane: lane, Limit: 20})
			if err != nil {
				t.Error(err)
				return
			}
			settleOne(t, sale)
		})
	}
	group.Wait()
}

func settleOne(t *testing.T, sale *till.Sale) {
	if _, err := sale.Settle(t.Context(), till.Answered, payment.Usage{}); err != nil {
		t.Error(err)
	}
}
