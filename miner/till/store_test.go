package till_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/payment"
)

// victimVariable makes the test binary a till that takes vouchers until it is killed; the value is its store.
const victimVariable = "PLEXUS_TILL_TEST_VICTIM"

func TestMain(m *testing.M) {
	if store := os.Getenv(victimVariable); store != "" {
		if err := takeUntilKilled(store); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestTheBooksSurviveARestart(t *testing.T) {
	f := newFixture(t)
	f.pay(0, 10, f.voucher(0, 3, 5000))
	f.pay(7, 10, f.voucher(7, 1, 20))
	f.pay(7, 10, nil)
	f.blocks(1)
	before := f.Earnings()
	f.restart()
	after := f.Earnings()
	before.Height, after.Height = 0, 0
	require.Equal(t, before, after)
	_, err := f.Admit(t.Context(), f.who, f.offer(7, 10, f.voucher(7, 1, 20)))
	require.ErrorContains(t, err, "need 30")
	f.pay(0, 10, nil)
}

// TestAStoreThatIsLost: what was redeemed was owed, and the rest is to be signed again.
func TestAStoreThatIsLost(t *testing.T) {
	f := newFixture(t)
	f.pay(0, 10, f.voucher(0, 1, 1000))
	f.blocks(1)
	f.end()
	require.NoError(t, os.Remove(f.cfg.Store))
	f.start()
	_, err := f.Admit(t.Context(), f.who, f.offer(0, 10, f.voucher(0, 1, 1000)))
	require.ErrorContains(t, err, "1000 owed")
	require.Equal(t, uint64(1010), f.pay(0, 10, f.voucher(0, 2, 1010)).Owed)
}

func TestStoresThatAreRefused(t *testing.T) {
	f := newFixture(t)
	f.pay(0, 10, f.voucher(0, 1, 1000))
	info, err := os.Stat(f.cfg.Store)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	_, err = till.Open(f.cfg)
	require.ErrorIs(t, err, till.ErrBusy)
	f.end()
	other := f.cfg
	other.Hotkey = "plx1other"
	_, err = till.Open(other)
	require.ErrorIs(t, err, till.ErrForeign)
	require.NoError(t, os.Chmod(f.cfg.Store, 0o640))
	_, err = till.Open(f.cfg)
	require.ErrorIs(t, err, till.ErrReadable)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(f.cfg.Store, 0o600))
	_, err = till.Open(till.Config{})
	require.Error(t, err)

	whole, err := os.ReadFile(f.cfg.Store)
	require.NoError(t, err)
	for name, damaged := range map[string][]byte{
		"not a store": []byte(strings.Repeat("nonsense", 4096)),
		"cut short":   whole[:4096],
	} {
		t.Run(name, func(t *testing.T) {
			cfg := f.cfg
			cfg.Store = filepath.Join(t.TempDir(), "till.db")
			require.NoError(t, os.WriteFile(cfg.Store, damaged, 0o600))
			_, err := till.Open(cfg)
			require.ErrorIs(t, err, till.ErrCorrupt)
			require.ErrorContains(t, err, cfg.Store)
		})
	}
}

// TestEarningsAreReadWhetherTheMinerRunsOrNot, also past a socket that somebody left who was killed.
func TestEarningsAreReadWhetherTheMinerRunsOrNot(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, os.WriteFile(f.cfg.Store+".sock", nil, 0o600))
	f.pay(0, 10, f.voucher(0, 1, 5000))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.ServeEarnings(ctx) }()
	var running till.Earnings
	require.Eventually(t, func() bool {
		var err error
		running, err = till.ReadEarnings(t.Context(), f.cfg.Store)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.True(t, running.Running)
	info, err := os.Stat(f.cfg.Store + ".sock")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	cancel()
	require.NoError(t, <-done)
	f.end()
	stopped, err := till.ReadEarnings(t.Context(), f.cfg.Store)
	require.NoError(t, err)
	require.False(t, stopped.Running)
	require.Equal(t, running.Lanes, stopped.Lanes)
	require.Equal(t, [3]uint64{5000, 10, 5000}, [3]uint64{stopped.Signed, stopped.Owed, stopped.Pending})
	_, err = till.ReadEarnings(t.Context(), f.cfg.Store+".none")
	require.ErrorIs(t, err, till.ErrNoStore)
	_, err = json.Marshal(stopped)
	require.NoError(t, err)
}

func TestMetrics(t *testing.T) {
	f := newFixture(t)
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(f.Till))
	f.pay(0, 10, f.voucher(0, 1, 500))
	_, err := f.Admit(t.Context(), till.Caller{}, f.offer(0, 10, nil))
	require.Error(t, err)
	families, err := registry.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, family := range families {
		m := family.GetMetric()[0]
		got[family.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		if family.GetName() == "plexus_miner_payment_refused_total" {
			require.Equal(t, "NOT_YOUR_CHANNEL", m.GetLabel()[0].GetValue())
		}
	}
	for name, want := range map[string]float64{"plexus_miner_payment_refused_total": 1, "plexus_miner_revenue_nplx_total": 10,
		"plexus_miner_unredeemed_nplx": 500, "plexus_miner_owed_nplx": 10, "plexus_miner_vouchers_total": 1, "plexus_miner_late_channels": 0} {
		value, ok := got[name]
		require.True(t, ok, name)
		require.Equal(t, want, value, name)
	}
}

// TestConservation: whatever callers, payers, blocks and crashes do, what is signed covers what is owed and reserved, what
// is charged is what is owed, and what the chain pays is what was signed and stays within the deposit.
func TestConservation(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFixture(t)
		defer f.end()
		f.channel = f.open(5000, 1<<40)
		nonce, charged := uint64(0), map[uint32]uint64{}
		hands := map[*till.Sale]struct {
			lane  uint32
			limit uint64
		}{}
		var order []*till.Sale
		settle := func(r *rapid.T) {
			if len(order) == 0 {
				r.Skip("nothing in hand")
			}
			i := rapid.IntRange(0, len(order)-1).Draw(r, "which")
			sale := order[i]
			order = slices.Delete(order, i, i+1)
			outcome := rapid.SampledFrom([]till.Outcome{till.Failed, till.Answered, till.Cancelled}).Draw(r, "outcome")
			usage := payment.Usage{Output: rapid.Uint64().Draw(r, "output"), Compute: time.Duration(rapid.Int64().Draw(r, "compute"))}
			bill, err := sale.Settle(t.Context(), outcome, usage)
			require.NoError(r, err)
			hand := hands[sale]
			require.LessOrEqual(r, bill.Charged, hand.limit)
			if outcome == till.Failed {
				require.Zero(r, bill.Charged)
			}
			charged[hand.lane] += bill.Charged
			require.Equal(r, charged[hand.lane], bill.Owed)
		}
		r.Repeat(map[string]func(*rapid.T){
			"ask": func(r *rapid.T) {
				lane := rapid.Uint32Range(0, 2).Draw(r, "lane")
				limit := rapid.Uint64Range(0, 300).Draw(r, "limit")
				var v *payment.Voucher
				if rapid.Bool().Draw(r, "signs") {
					nonce++
					v = f.voucher(lane, rapid.Uint64Range(1, nonce+1).Draw(r, "nonce"), rapid.Uint64Range(0, 4000).Draw(r, "amount"))
				}
				sale, err := f.Admit(t.Context(), f.who, f.offer(lane, limit, v))
				if err != nil {
					return
				}
				if sale.Input(rapid.Uint64Range(0, 1<<16).Draw(r, "input")) != nil {
					sale.Drop()
					return
				}
				hands[sale] = struct {
					lane  uint32
					limit uint64
				}{lane, limit}
				order = append(order, sale)
			},
			"settle": settle,
			"block":  func(*rapid.T) { f.blocks(1) },
			"restart": func(r *rapid.T) {
				if len(order) > 0 {
					r.Skip("requests in hand")
				}
				f.restart()
			},
			"": func(r *rapid.T) {
				e, owed := f.Earnings(), uint64(0)
				for _, l := range e.Lanes {
					require.GreaterOrEqual(r, l.Signed, l.Owed+l.Reserved, "lane %d", l.Lane)
					require.Equal(r, charged[l.Lane], l.Owed)
					require.LessOrEqual(r, l.Redeemed, l.Signed)
					owed += l.Owed
				}
				require.Equal(r, owed, e.Owed)
				require.LessOrEqual(r, e.Signed, uint64(5000))
				require.Equal(r, e.Redeemed, f.chain.Paid())
				require.Equal(r, e.Signed, e.Redeemed+e.Pending)
			},
		})
		for len(order) > 0 {
			settle(r)
		}
		f.Finish(t.Context())
		require.Equal(r, f.Earnings().Signed, f.chain.Paid())
	})
}

// The lanes, the requests at the same time on each, and the step in which the victim's callers sign ahead.
const (
	victimLanes = 4
	victimHands = 3
	victimLimit = 20
	victimStep  = 200
)

// answer is what the victim says of each request before the next: if it was said, it must never be forgotten.
type answer struct {
	Lane          uint32
	Nonce         uint64
	Signed        uint64
	Charged, Owed uint64
}

// takeUntilKilled answers paid requests on a store, and says what it answered.
func takeUntilKilled(path string) error {
	chain := tilltest.NewChain(chainID)
	key := keyOf(1)
	channel := chain.Open(tilltest.Opening{Payer: payer, Netuid: netuid, Hotkey: hotkey, Key: public(key), Deposit: 1 << 50, Expires: 1 << 40})
	t, err := till.Open(till.Config{ChainID: chainID, Netuid: netuid, Hotkey: hotkey, Price: price, Store: path, Chain: chain, FlushInterval: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	ctx := context.Background()
	t.Look(ctx)
	var group sync.WaitGroup
	var out sync.Mutex
	failed := make(chan error, victimLanes)
	for lane := range uint32(victimLanes) {
		group.Go(func() {
			owed, signed, nonce := uint64(0), uint64(0), uint64(0)
			for _, l := range t.Earnings().Lanes { // where the one before was killed
				if l.Lane == lane {
					owed, signed, nonce = l.Owed, l.Signed, l.Nonce
				}
			}
			for {
				var v *payment.Voucher
				if signed < owed+victimHands*victimLimit {
					nonce++
					signed = owed + victimHands*victimLimit + victimStep
					one := payment.Sign(chainID, key, payment.Voucher{Channel: channel, Lane: lane, Nonce: nonce, Amount: signed})
					v = &one
				}
				var hands [victimHands]*till.Sale
				for i := range hands {
					sale, err := t.Admit(ctx, till.Caller{Account: payer}, till.Offer{Channel: channel, Lane: lane, Limit: victimLimit, Voucher: v})
					if err != nil {
						failed <- err
						return
					}
					hands[i] = sale
				}
				for _, sale := range hands {
					bill, err := sale.Settle(ctx, till.Answered, payment.Usage{})
					if err != nil {
						failed <- err
						return
					}
					owed = bill.Owed
					out.Lock()
					err = json.NewEncoder(os.Stdout).Encode(answer{lane, nonce, signed, bill.Charged, bill.Owed})
					out.Unlock()
					if err != nil {
						failed <- err
						return
					}
				}
			}
		})
	}
	return <-failed
}

// TestKill9: a miner that is killed at any moment has every voucher that covers an answer which it gave, and what it has
// forgotten of what is owed stays within what the last voucher signed ahead.
func TestKill9(t *testing.T) {
	path := filepath.Join(t.TempDir(), "till.db")
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	random := rand.New(rand.NewPCG(7, 7))
	answered := 0
	for range rounds {
		said := killed(t, path, time.Duration(random.Int64N(int64(150*time.Millisecond))))
		answered += len(said)
		last := map[uint32]answer{}
		for _, a := range said {
			last[a.Lane] = a
		}
		e, err := till.ReadEarnings(t.Context(), path)
		require.NoError(t, err)
		for _, l := range e.Lanes {
			require.GreaterOrEqual(t, l.Signed, l.Owed)
			a, ok := last[l.Lane]
			if !ok {
				continue
			}
			delete(last, l.Lane)
			require.GreaterOrEqual(t, l.Nonce, a.Nonce, "lane %d: a voucher was forgotten", l.Lane)
			require.GreaterOrEqual(t, l.Signed, a.Signed)
			require.GreaterOrEqual(t, l.Signed, a.Owed, "an answer without cover")
			if a.Owed > l.Owed {
				require.LessOrEqual(t, a.Owed-l.Owed, uint64(victimStep+victimHands*victimLimit), "lane %d: more than a step is unpaid", l.Lane)
			}
		}
		require.Empty(t, last, "lanes that were answered on are not in the store")
	}
	require.Positive(t, answered)
	t.Logf("%d answers in %d lives", answered, rounds)

	// A chain pays all that is in the store, once.
	f := newFixture(t, func(c *till.Config) { c.Store = path })
	signed := f.Earnings().Signed
	f.end()
	f.chain = tilltest.NewChain(chainID)
	f.cfg.Chain = f.chain
	f.open(1<<50, 1<<40)
	f.start()
	f.Finish(t.Context())
	f.Finish(t.Context())
	require.Equal(t, signed, f.chain.Paid())
}

// killed runs a victim and kills it some time after its first answer, and returns what it said whole.
func killed(t *testing.T, path string, after time.Duration) []answer {
	t.Helper()
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), victimVariable+"="+path)
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	lines := bufio.NewReader(out)
	var said []answer
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		var a answer
		require.NoError(t, json.Unmarshal([]byte(line), &a))
		if said = append(said, a); len(said) == 1 {
			time.AfterFunc(after, func() { _ = victim.Process.Kill() })
		}
	}
	require.Error(t, victim.Wait(), "it was killed")
	require.NotEmpty(t, said)
	return said
}
