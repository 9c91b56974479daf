package till

import (
	"context"
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/payment"
)

// stillChain has one channel and no blocks.
type stillChain struct{ channel Channel }

func (c stillChain) Height(context.Context) (uint64, error)           { return 1, nil }
func (c stillChain) Terms(context.Context) (Terms, error)             { return Terms{MaxVouchers: 10}, nil }
func (c stillChain) Channel(context.Context, uint64) (Channel, error) { return c.channel, nil }
func (c stillChain) Redeem(context.Context, int, []payment.Voucher) ([]uint64, error) {
	return nil, ErrRefused
}

func still(t *testing.T, key ed25519.PrivateKey) Config {
	return Config{ChainID: "plexus-test-1", Netuid: 1, Hotkey: "plx1miner", Price: payment.Price{Request: 10}, Store: filepath.Join(t.TempDir(), "till.db"),
		FlushInterval: time.Millisecond, Chain: stillChain{Channel{Channel: payment.Channel{ID: 1, Netuid: 1, VoucherKey: key.Public().(ed25519.PublicKey), Deposit: 1e6, Expires: 1000},
			Payer: "plx1payer", Hotkey: "plx1miner", CloseDelay: 100, MaxLanes: 64, Height: 1}}}
}

// TestADiskThatFails: an answer whose voucher is not on disk does not leave and costs nothing, and when the disk is back
// all is well, without the voucher coming again.
func TestADiskThatFails(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	cfg := still(t, key)
	one, err := Open(cfg)
	require.NoError(t, err)
	one.Look(t.Context())
	var broken sync.Mutex
	var fault error
	one.journal.commit = func(records []record) error {
		broken.Lock()
		defer broken.Unlock()
		if fault != nil {
			return fault
		}
		return one.store.save(records)
	}
	set := func(err error) { broken.Lock(); defer broken.Unlock(); fault = err }
	set(errors.New("no space left on device"))
	ask := func(v *payment.Voucher) (Bill, error) {
		sale, err := one.Admit(t.Context(), Caller{Account: "plx1payer"}, Offer{Channel: 1, Limit: 10, Voucher: v})
		require.NoError(t, err)
		return sale.Settle(t.Context(), Answered, payment.Usage{})
	}
	v := payment.Sign(cfg.ChainID, key, payment.Voucher{Channel: 1, Nonce: 1, Amount: 100})
	bill, err := ask(&v)
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, [2]any{codes.Unavailable, ReasonStore}, [2]any{refusal.Code, refusal.Reason})
	require.Equal(t, Bill{}, bill)
	set(nil)
	require.Eventually(t, func() bool {
		bill, err := ask(nil)
		return err == nil && bill.Charged == 10
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, one.Close())
	again, err := Open(cfg)
	require.NoError(t, err)
	require.Equal(t, uint64(100), again.Earnings().Signed)
	require.NoError(t, again.Close())
}

// TestOneWriteServesMany: requests that come at the same time wait for the same write.
func TestOneWriteServesMany(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	cfg := still(t, key)
	one, err := Open(cfg)
	require.NoError(t, err)
	one.Look(t.Context())
	gate := make(chan struct{})
	one.journal.commit = func(records []record) error {
		<-gate
		return one.store.save(records)
	}
	var group sync.WaitGroup
	for lane := range uint32(64) {
		group.Go(func() {
			v := payment.Sign(cfg.ChainID, key, payment.Voucher{Channel: 1, Lane: lane, Nonce: 1, Amount: 100})
			sale, err := one.Admit(t.Context(), Caller{Account: "plx1payer"}, Offer{Channel: 1, Lane: lane, Limit: 10, Voucher: &v})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := sale.Settle(t.Context(), Answered, payment.Usage{}); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool { return one.count.vouchers.Load() == 64 }, 10*time.Second, time.Millisecond)
	close(gate)
	group.Wait()
	require.LessOrEqual(t, one.count.writes.Load(), uint64(3+64/8), "writes")
	require.NoError(t, one.Close())
}
