package wallet_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/metadata"

	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/client/wallet/wallettest"
	"github.com/plexusnet/plexus/miner/till/tilltest"
	"github.com/plexusnet/plexus/payment"
)

func TestMain(m *testing.M) {
	if operation := os.Getenv(crashVariable); operation != "" {
		crashAt(operation)
		return
	}
	goleak.VerifyTestMain(m)
}

const start = 1_000_000 // nplx that the payer has

// bench is a payer on a chain in memory.
type bench struct {
	chain   *tilltest.Chain
	payer   *wallettest.Payer
	account wallettest.Account
	path    string
}

func newBench(t *testing.T) *bench {
	chain, account := tilltest.NewChain(wallettest.ChainID), wallettest.NewAccount(t)
	return &bench{chain: chain, account: account, payer: wallettest.NewPayer(chain, account.Address, start), path: filepath.Join(t.TempDir(), "wallet.db")}
}

func (b *bench) open(t *testing.T, change ...func(*wallet.Options)) *wallet.Wallet {
	t.Helper()
	o := wallet.Options{Path: b.path, Budget: 100_000, Deposit: 10_000, Step: 500, Duration: 1000}
	for _, c := range change {
		c(&o)
	}
	return wallettest.Open(t, b.payer, b.account, o)
}

func to(hotkey string) wallet.Payee { return wallet.Payee{Netuid: 1, Hotkey: hotkey} }

// carried is what a payment puts on a call.
func carried(t *testing.T, p *wallet.Payment) (channel, limit string, voucher *payment.Voucher) {
	t.Helper()
	md, _ := metadata.FromOutgoingContext(p.Outgoing(context.Background()))
	if raw := md.Get(oip.HeaderVoucher); len(raw) > 0 {
		voucher = &payment.Voucher{}
		require.NoError(t, voucher.UnmarshalBinary([]byte(raw[0])))
	}
	return md.Get(oip.HeaderChannel)[0], md.Get(oip.HeaderLimit)[0], voucher
}

func TestAChannelIsOpenedWhenItIsNeededAndVouchersAreSignedInSteps(t *testing.T) {
	b := newBench(t)
	w := b.open(t)
	require.Empty(t, w.Channels())
	require.False(t, w.Ready(to("miner"), 100))

	p, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	channel, limit, voucher := carried(t, p)
	require.Equal(t, "1/0", channel)
	require.Equal(t, "100", limit)
	require.EqualValues(t, 600, voucher.Amount, "the call and a step")
	require.NoError(t, voucher.Verify(wallettest.ChainID, b.account.Public()))
	require.NoError(t, p.Settle(100, 100))

	for i := range 5 {
		p, err = w.Reserve(t.Context(), to("miner"), 100)
		require.NoError(t, err)
		_, _, voucher = carried(t, p)
		require.Nil(t, voucher, "the miner has it")
		require.NoError(t, p.Settle(100, uint64(200+100*i)))
	}
	p, err = w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	_, _, voucher = carried(t, p)
	require.EqualValues(t, 1200, voucher.Amount)
	require.EqualValues(t, 2, voucher.Nonce)
	p.Release()
	require.Len(t, w.Channels(), 1)
	require.Len(t, b.payer.Opened(), 1)
	require.EqualValues(t, start-10_000, b.payer.Balance())
}

func TestTheVoucherGoesAlongUntilTheMinerHasIt(t *testing.T) {
	w := newBench(t).open(t)
	first, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	second, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	_, _, one := carried(t, first)
	_, _, other := carried(t, second)
	require.Equal(t, one, other, "either may come first")
	first.Unknown()
	third, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	_, _, again := carried(t, third)
	require.NotNil(t, again, "nobody knows whether the first arrived")
	require.NoError(t, second.Settle(100, 100))
	require.NoError(t, third.Settle(100, 200))
	fourth, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	_, _, none := carried(t, fourth)
	require.Nil(t, none)
	fourth.Release()
}

func TestADepositIsToppedUpBeforeItRunsDry(t *testing.T) {
	b := newBench(t)
	w := b.open(t, func(o *wallet.Options) { o.Budget = 25_000 })
	owed := uint64(0)
	spend := func() error {
		p, err := w.Reserve(t.Context(), to("miner"), 1000)
		if err != nil {
			return err
		}
		owed += 1000
		return p.Settle(1000, owed)
	}
	for range 20 {
		require.NoError(t, spend())
	}
	require.Eventually(t, func() bool { return w.Balance().Out == 25_000 || w.Channels()[0].Deposit > 20_000 }, 5*time.Second, time.Millisecond)
	var err error
	for err == nil {
		err = spend()
	}
	require.ErrorIs(t, err, wallet.ErrOverBudget)
	require.LessOrEqual(t, b.payer.Balance(), uint64(start-20_000))
	require.GreaterOrEqual(t, b.payer.Balance(), uint64(start-25_000))
	require.LessOrEqual(t, w.Balance().Out, uint64(25_000))
}

func TestWhatMayNotBeSpentIsNot(t *testing.T) {
	b := newBench(t)
	w := b.open(t, func(o *wallet.Options) { o.Budget = 15_000 })
	_, err := w.Reserve(t.Context(), to("miner"), 10_001)
	require.ErrorIs(t, err, wallet.ErrLimit)
	p, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	p.Release()
	_, err = w.Reserve(t.Context(), to("another"), 100)
	require.ErrorIs(t, err, wallet.ErrOverBudget)
	require.Len(t, b.payer.Opened(), 1)

	poor := newBench(t)
	poor.payer = wallettest.NewPayer(poor.chain, poor.account.Address, 9_999)
	w = poor.open(t)
	_, err = w.Reserve(t.Context(), to("miner"), 100)
	require.ErrorIs(t, err, wallet.ErrNoFunds)
	require.Zero(t, w.Balance().Out, "what was refused is not out")
}

func TestSpendingIsBoundedInTime(t *testing.T) {
	b := newBench(t)
	limited := func(o *wallet.Options) { o.Spend, o.Window = 1000, time.Hour }
	w := b.open(t, limited)
	p, err := w.Reserve(t.Context(), to("miner"), 400)
	require.NoError(t, err)
	_, _, v := carried(t, p)
	require.EqualValues(t, 900, v.Amount)
	require.NoError(t, p.Settle(400, 400))
	p, err = w.Reserve(t.Context(), to("miner"), 600)
	require.NoError(t, err)
	_, _, v = carried(t, p)
	require.EqualValues(t, 1000, v.Amount, "no step beyond the bound")
	require.NoError(t, p.Settle(600, 1000))
	_, err = w.Reserve(t.Context(), to("miner"), 1)
	require.ErrorIs(t, err, wallet.ErrOverBudget)
	require.NoError(t, w.Close())
	w = b.open(t, limited)
	_, err = w.Reserve(t.Context(), to("miner"), 1)
	require.ErrorIs(t, err, wallet.ErrOverBudget, "a restart changes nothing")
}

func TestAMinerThatClaimsTooMuchIsDropped(t *testing.T) {
	b := newBench(t)
	w := b.open(t)
	p, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	require.ErrorIs(t, p.Settle(100, 700), wallet.ErrDispute)
	require.Eventually(t, func() bool { return w.Channels()[0].State == wallet.StateDisputed && w.Channels()[0].ClosesAt > 0 }, 5*time.Second, time.Millisecond)
	require.False(t, w.Ready(to("miner"), 100))

	p, err = w.Reserve(t.Context(), to("another"), 100)
	require.NoError(t, err)
	require.ErrorIs(t, p.Answer(t.Context(), wallet.Demand{Owed: 101, Needed: 200}), wallet.ErrDispute)

	require.Eventually(t, func() bool { return w.Channels()[1].ClosesAt > 0 }, 5*time.Second, time.Millisecond)
	b.chain.Advance(tilltest.CloseDelay)
	require.Eventually(t, func() bool { return b.payer.Balance() == start }, 5*time.Second, time.Millisecond, "the deposits come back")
	require.Zero(t, w.Balance().Out)
}

func TestAMinerThatIsOwedMoreThanTheWalletKnewOfIsSignedMore(t *testing.T) {
	w := newBench(t).open(t)
	lost, err := w.Reserve(t.Context(), to("miner"), 600)
	require.NoError(t, err)
	lost.Unknown() // and charged for
	p, err := w.Reserve(t.Context(), to("miner"), 600)
	require.NoError(t, err)
	require.NoError(t, p.Answer(t.Context(), wallet.Demand{Owed: 600, Signed: 1100, Nonce: 1, Needed: 1200}))
	_, _, v := carried(t, p)
	require.EqualValues(t, 1700, v.Amount)
	require.NoError(t, p.Settle(600, 1200))

	p, err = w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	require.ErrorIs(t, p.Answer(t.Context(), wallet.Demand{Owed: 1200, Signed: 1700, Nonce: 2, Needed: 5000}), wallet.ErrRefused, "more than can be owed")
}

func TestChannelsAreClosedAndCollected(t *testing.T) {
	b := newBench(t)
	w := b.open(t)
	p, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	_, _, v := carried(t, p)
	require.NoError(t, p.Settle(100, 100))
	_, err = b.chain.Redeem(t.Context(), 0, []payment.Voucher{*v})
	require.NoError(t, err)

	require.ErrorIs(t, w.CloseChannel(t.Context(), 99), wallet.ErrNoChannel)
	_, err = w.Collect(t.Context(), 1)
	require.ErrorIs(t, err, payment.ErrOpen)
	require.NoError(t, w.CloseChannel(t.Context(), 1))
	require.Equal(t, wallet.StateClosing, w.Channels()[0].State)
	p, err = w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err, "over another channel")
	require.EqualValues(t, 2, p.Channel())
	p.Release()
	b.chain.Advance(tilltest.CloseDelay)
	require.Eventually(t, func() bool { return len(w.Channels()) == 1 }, 5*time.Second, time.Millisecond, "the first is collected")
	require.EqualValues(t, start-600-10_000, b.payer.Balance())
	require.EqualValues(t, 600, w.Balance().Spent)
	require.EqualValues(t, 10_600, w.Balance().Out)
}

func TestClosingAChannelThatOthersHaveClosedSucceeds(t *testing.T) {
	b := newBench(t)
	w := b.open(t, func(o *wallet.Options) { o.Interval = time.Hour })
	for id := uint64(1); id <= 2; id++ {
		_, err := w.OpenChannel(t.Context(), to(fmt.Sprint("miner-", id)))
		require.NoError(t, err)
		require.NoError(t, b.chain.Close(id), "without the wallet's knowledge")
	}
	require.NoError(t, w.CloseChannel(t.Context(), 1))
	closing := w.Channels()[0]
	require.Equal(t, wallet.StateClosing, closing.State)
	require.NotZero(t, closing.ClosesAt, "the wallet knows when it ends")
	b.chain.Advance(tilltest.CloseDelay)
	require.NoError(t, w.CloseChannel(t.Context(), 2), "it has ended even")
}

func TestAChannelInUseIsExtendedAndOneThatIsNotEnds(t *testing.T) {
	b := newBench(t)
	w := b.open(t)
	p, err := w.Reserve(t.Context(), to("busy"), 100)
	require.NoError(t, err)
	p.Release()
	idle, err := w.Reserve(t.Context(), to("idle"), 100)
	require.NoError(t, err)
	idle.Release()
	require.NoError(t, w.Look(t.Context()), "from here on only one is used")
	b.chain.Advance(800)
	p, err = w.Reserve(t.Context(), to("busy"), 100)
	require.NoError(t, err)
	p.Release()
	require.Eventually(t, func() bool { return w.Channels()[0].Expires > 1700 }, 5*time.Second, time.Millisecond)
	b.chain.Advance(250)
	require.Eventually(t, func() bool { return len(w.Channels()) == 1 }, 5*time.Second, time.Millisecond)
	require.EqualValues(t, start-10_000, b.payer.Balance())
}

func TestAnOpeningWithoutAnAnswerIsFoundAgain(t *testing.T) {
	b := newBench(t)
	b.payer.Mute(true)
	w := b.open(t)
	_, err := w.Reserve(t.Context(), to("miner"), 100)
	require.ErrorIs(t, err, metagraph.ErrUnavailable)
	b.payer.Mute(false)
	require.Eventually(t, func() bool { return w.Ready(to("miner"), 100) }, 5*time.Second, time.Millisecond)
	require.Len(t, b.payer.Opened(), 1, "and no other is opened")
	require.EqualValues(t, 10_000, w.Balance().Out)
}

func TestChannelsOlderThanTheWalletAreNotSpentFrom(t *testing.T) {
	b := newBench(t)
	w := b.open(t)
	p, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	p.Unknown()
	require.NoError(t, w.Close())
	require.NoError(t, os.Remove(b.path))

	w = b.open(t)
	require.Eventually(t, func() bool { return len(w.Channels()) == 1 }, 5*time.Second, time.Millisecond)
	require.Equal(t, wallet.StateForeign, w.Channels()[0].State)
	require.Zero(t, w.Balance().Out)
	p, err = w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	require.EqualValues(t, 2, p.Channel(), "what was signed on the first is not known")
	p.Release()
	require.NoError(t, w.CloseChannel(t.Context(), 1), "but its money comes back")
}

func TestAWalletIsOfOneKeyAndOneProcess(t *testing.T) {
	b := newBench(t)
	w := b.open(t)
	_, err := wallet.Open(wallet.Options{Path: b.path, ChainID: wallettest.ChainID, Key: b.account.Key})
	require.ErrorIs(t, err, wallet.ErrInUse)
	require.NoError(t, w.Close())
	_, err = wallet.Open(wallet.Options{Path: b.path, ChainID: wallettest.ChainID, Key: wallettest.NewAccount(t).Key})
	require.ErrorIs(t, err, wallet.ErrForeign)
	_, err = wallet.Open(wallet.Options{Path: b.path, ChainID: "another", Key: b.account.Key})
	require.ErrorIs(t, err, wallet.ErrForeign)
	info, err := os.Stat(b.path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Chmod(b.path, 0o644))
	_, err = wallet.Open(wallet.Options{Path: b.path, ChainID: wallettest.ChainID, Key: b.account.Key})
	require.ErrorContains(t, err, "chmod 600")
	for name, o := range map[string]wallet.Options{
		"no file":   {ChainID: "x", Key: b.account.Key},
		"no chain":  {Path: b.path, Key: b.account.Key},
		"no key":    {Path: b.path, ChainID: "x"},
		"no budget": {Path: b.path, ChainID: "x", Key: b.account.Key, Chain: b.payer},
		"long step": {Path: b.path, ChainID: "x", Key: b.account.Key, Step: 2, Deposit: 1},
	} {
		_, err := wallet.Open(o)
		require.Error(t, err, name)
	}
}

// TestManyCallsAtOnceOnOneLane: what is charged adds up, each call is covered, and few vouchers are signed.
func TestManyCallsAtOnceOnOneLane(t *testing.T) {
	b := newBench(t)
	w := b.open(t, func(o *wallet.Options) { o.Budget, o.Deposit, o.Step = 500_000, 200_000, 5_000 })
	var mu sync.Mutex
	owed, nonce := uint64(0), uint64(0)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 50 {
				p, err := w.Reserve(t.Context(), to("miner"), 100)
				if err != nil {
					t.Error(err)
					return
				}
				_, _, v := carried(t, p)
				mu.Lock()
				if v != nil {
					nonce = max(nonce, v.Nonce)
				}
				owed += 100
				now := owed
				mu.Unlock()
				if err := p.Settle(100, now); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	one := w.Channels()[0]
	require.EqualValues(t, 80_000, one.Owed)
	require.Zero(t, one.InHand)
	require.GreaterOrEqual(t, one.Signed, uint64(80_000))
	require.LessOrEqual(t, one.Signed, uint64(80_000+16*100+5_000))
	require.Less(t, nonce, uint64(60), "%d vouchers for 800 calls", nonce)
}

func TestACallerThatGivesUpLeavesTheOpeningToGoOn(t *testing.T) {
	b := newBench(t)
	b.payer.BlockTime(200 * time.Millisecond)
	w := b.open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := w.Reserve(ctx, to("miner"), 100)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Eventually(t, func() bool { return w.Ready(to("miner"), 100) }, 5*time.Second, time.Millisecond)
	require.Len(t, b.payer.Opened(), 1)
}

func TestAMinerThatTakesNoChannelGetsNoSecond(t *testing.T) {
	b := newBench(t)
	w := b.open(t)
	p, err := w.Reserve(t.Context(), to("miner"), 100)
	require.NoError(t, err)
	p.Closing()
	_, err = w.Reserve(t.Context(), to("miner"), 100)
	require.ErrorIs(t, err, wallet.ErrRefused)
	require.Len(t, b.payer.Opened(), 1)
	require.NoError(t, w.Close())
	_, err = w.Reserve(t.Context(), to("miner"), 100)
	require.Error(t, err)
	require.False(t, errors.Is(err, wallet.ErrRefused) && w.Ready(to("miner"), 1))
}
