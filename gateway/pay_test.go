package gateway_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/client/wallet/wallettest"
	"github.com/plexusnet/plexus/gateway"
	"github.com/plexusnet/plexus/gateway/keys"
	"github.com/plexusnet/plexus/gateway/ledger"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/payment"
	"github.com/plexusnet/plexus/proto/inference"
)

const price = 1000 // nplx per request

// paid is a gateway to miners that want to be paid, and the wallet that pays them.
func paid(t *testing.T, miners int, change func(*gateway.Config, *client.Options)) (*world, *wallet.Wallet, []*wallettest.Served) {
	t.Helper()
	chain, account := tilltest.NewChain(wallettest.ChainID), wallettest.NewAccount(t)
	purse := wallettest.Open(t, wallettest.NewPayer(chain, account.Address, 100*amount.PLX), account, wallet.Options{Budget: 50 * amount.PLX, Duration: 10_000})
	var served []*wallettest.Served
	w := start(t, nil, func(c *gateway.Config, o *client.Options) {
		o.Wallet, o.Pay, o.MaxPrice, o.Dialer.Identity = purse, client.PayAlways, 2*price, account.Identity
		if change != nil {
			change(c, o)
		}
	})
	for i := range miners {
		one := wallettest.Serve(t, chain, wallettest.Miner{Price: payment.Price{Request: price}, Files: map[string][]byte{"echo": minertest.Echo(t, models.FP32, models.Any)}})
		served = append(served, one)
		w.chain[1].Add(one.Neuron("echo", uint16(1000-i)))
	}
	return w, purse, served
}

func echoes(n int) *inference.ModelInferRequest {
	return oip.Request{Model: "subnet-1", Inputs: []models.Tensor{models.FromFloat32s("in", []int64{int64(n)}, ramp(n))}}.Message()
}

// owed is what the wallet agreed to pay, by channel.
func owed(purse *wallet.Wallet) map[uint64]uint64 {
	out := map[uint64]uint64{}
	for _, c := range purse.Channels() {
		out[c.ID] = c.Owed
	}
	return out
}

// charged is what the ledger says was paid, by channel.
func charged(entries []ledger.Entry) map[uint64]uint64 {
	out := map[uint64]uint64{}
	for _, e := range entries {
		if e.Channel != 0 {
			out[e.Channel] += e.Charged
		}
	}
	return out
}

// Whoever calls, and whichever miner answers: the books of the gateway say what the wallet says, and each key has its part.
func TestTheLedgerIsTheWallets(t *testing.T) {
	w, purse, miners := paid(t, 3, nil)
	secrets := []string{w.secret}
	for i := range 3 {
		secret, _, err := w.keys.Create(keys.Key{Name: fmt.Sprintf("key%d", i)})
		require.NoError(t, err)
		secrets = append(secrets, secret)
	}
	var answered atomic.Int64
	var group sync.WaitGroup
	for _, secret := range secrets {
		service := w.dial(t, secret)
		group.Go(func() {
			for range 40 {
				if _, err := service.ModelInfer(context.Background(), echoes(16)); err == nil && answered.Add(1) == 30 {
					miners[0].Stop()
				}
			}
		})
	}
	group.Wait()
	require.GreaterOrEqual(t, answered.Load(), int64(150), "a miner that stops costs few calls, if any")
	w.gateway.Close()
	entries := w.entries(t)
	paid, uncertain, each := uint64(0), uint64(0), map[string]uint64{}
	for _, e := range entries {
		paid, uncertain = paid+e.Charged, uncertain+e.Uncertain
		each[e.Key] += e.Charged + e.Uncertain
	}
	require.Equal(t, uint64(answered.Load())*price, paid)
	agreed, known := owed(purse), charged(entries)
	for channel := range known {
		require.Contains(t, agreed, channel, "the ledger knows no channel that the wallet does not")
	}
	sum := uint64(0)
	for channel, nplx := range agreed {
		require.GreaterOrEqual(t, nplx, known[channel], "channel %d", channel)
		sum += nplx
	}
	require.LessOrEqual(t, sum, paid+uncertain, "a call may have been on its way when the miner stopped")
	list, err := w.keys.List()
	require.NoError(t, err)
	for _, k := range list {
		require.Equal(t, each[k.Name], w.book.Spent(k.ID).Total, k.Name)
		require.Zero(t, w.book.Spent(k.ID).Held, k.Name)
	}
}

// However many calls are made at once, a key spends no more than it may, and nearly all that it may.
func TestABudgetHolds(t *testing.T) {
	w, purse, _ := paid(t, 2, nil)
	const budget = 60 * price
	secret, key, err := w.keys.Create(keys.Key{Name: "poor", BudgetTotal: budget, BudgetDay: 2 * budget})
	require.NoError(t, err)
	var answered, refused atomic.Int64
	var group sync.WaitGroup
	for range 16 {
		service := w.dial(t, secret)
		group.Go(func() {
			for range 20 {
				_, err := service.ModelInfer(context.Background(), echoes(4))
				switch {
				case err == nil:
					answered.Add(1)
				case status.Code(err) == codes.ResourceExhausted:
					refused.Add(1)
				}
			}
		})
	}
	group.Wait()
	require.LessOrEqual(t, answered.Load(), int64(60))
	service := w.dial(t, secret)
	for range 60 { // what was set aside for others is free again
		if _, err = service.ModelInfer(t.Context(), echoes(4)); err == nil {
			answered.Add(1)
		}
	}
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.ErrorContains(t, err, "budget is spent")
	require.GreaterOrEqual(t, answered.Load(), int64(58), "all but what three tries of a call may cost")
	require.LessOrEqual(t, answered.Load(), int64(60))
	require.Positive(t, refused.Load())
	require.Equal(t, uint64(answered.Load())*price, w.book.Spent(key.ID).Total)
	sum := uint64(0)
	for _, n := range owed(purse) {
		sum += n
	}
	require.Equal(t, uint64(answered.Load())*price, sum)

	code, body, _ := w.call(t, "POST", "/v1/embeddings", map[string]any{"model": "subnet-1", "input": "hi"}, "Authorization", "Bearer "+secret)
	require.Equal(t, 400, code, "what the model cannot do costs nothing: %s", body)
	code, body, headers := w.call(t, "POST", "/v2/models/subnet-1/infer", `{"inputs":[{"name":"in","datatype":"FP32","shape":[1],"data":[1]}]}`, "Authorization", "Bearer "+secret)
	require.Equal(t, 429, code, "%s", body)
	require.Equal(t, "false", headers.Get("X-Should-Retry"))
}

// A gateway that has nothing to pay with says so, and is not taken for a caller's fault.
func TestNothingToPayWith(t *testing.T) {
	w, _, _ := paid(t, 1, func(c *gateway.Config, o *client.Options) { o.Wallet = nil })
	_, err := w.dial(t, w.secret).ModelInfer(t.Context(), echoes(4))
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	require.ErrorContains(t, err, "cannot pay")
}

// A key that is taken back is refused by the next call, and one whose ledger cannot be written spends nothing.
func TestRevocationAndStatus(t *testing.T) {
	w, _, _ := paid(t, 1, nil)
	secret, key, err := w.keys.Create(keys.Key{Name: "web"})
	require.NoError(t, err)
	service := w.dial(t, secret)
	_, err = service.ModelInfer(t.Context(), echoes(4))
	require.NoError(t, err)
	state := w.gateway.Status(t.Context())
	require.True(t, state.Ready)
	require.Equal(t, uint64(price), state.Keys["web"].Total)
	require.Len(t, state.Subnets[0].Miners, 1)
	require.Len(t, state.Channels, 1)
	require.Equal(t, uint64(price), state.Wallet.Owed)

	_, err = keys.Open(w.keys.Path(), keys.Options{}).Revoke("web", time.Now())
	require.NoError(t, err)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := service.ModelInfer(context.Background(), echoes(4))
		require.Equal(c, codes.Unauthenticated, status.Code(err))
	}, 5*time.Second, 5*time.Millisecond)
	require.Equal(t, uint64(price), w.book.Spent(key.ID).Total)

	require.NoError(t, w.book.Close())
	_, err = w.dial(t, w.secret).ModelInfer(t.Context(), echoes(4))
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.ErrorContains(t, err, "ledger")
	require.Error(t, w.gateway.Ready(t.Context()))
	again, err := ledger.Open(filepath.Clean(w.ledger), ledger.Options{})
	require.NoError(t, err)
	require.Equal(t, uint64(price), again.Spent(key.ID).Total)
	require.NoError(t, again.Close())
}
