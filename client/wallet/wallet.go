package wallet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/plexusnet/plexus/client/amount"
)

// Options say where a wallet is kept, who pays and how much. A zero field takes the default.
type Options struct {
	Path    string             // of the wallet's file; required
	Chain   Chain              // in the payer's name; nil: nothing can be opened, topped up or closed
	ChainID string             // required
	Key     ed25519.PrivateKey // signs vouchers; required. Connections that pay must show its certificate

	Budget   uint64        // nplx that may be out in channels or spent, over the wallet's life; required where Chain is given
	Deposit  uint64        // nplx that a channel is opened with, and topped up to; 1 PLX
	Step     uint64        // nplx signed ahead; a hundredth of Deposit
	Duration uint64        // blocks that a channel is opened for; 50_400, a week of 12 s. At most what the chain allows
	Spend    uint64        // nplx that may be signed for within Window; no bound when 0
	Window   time.Duration // 24 h

	Interval time.Duration // between looks at the chain; 15 s
	Log      *slog.Logger  // silent when nil
}

func (o Options) withDefaults() Options {
	if o.Deposit == 0 {
		o.Deposit = amount.PLX
	}
	if o.Step == 0 {
		o.Step = max(1, o.Deposit/100)
	}
	if o.Duration == 0 {
		o.Duration = 50_400
	}
	if o.Window <= 0 {
		o.Window = 24 * time.Hour
	}
	if o.Interval <= 0 {
		o.Interval = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) check() error {
	switch {
	case o.Path == "":
		return errors.New("wallet: no file given")
	case o.ChainID == "":
		return errors.New("wallet: no chain id given: vouchers are for one chain")
	case len(o.Key) != ed25519.PrivateKeySize:
		return errors.New("wallet: no key given to sign vouchers with")
	case o.Chain != nil && o.Budget == 0:
		return errors.New("wallet: no budget given: say how much may be out in channels or spent")
	case o.Step > o.Deposit:
		return fmt.Errorf("wallet: a step of %s is more than the deposit of %s", amount.Format(o.Step), amount.Format(o.Deposit))
	}
	return nil
}

// Payee is a neuron that is paid.
type Payee struct {
	Netuid uint32 `json:"netuid"`
	Hotkey string `json:"hotkey"`
}

// State is how a channel stands.
type State string

// The states.
const (
	StateOpen     State = "open"
	StateClosing  State = "closing"  // by either side, or about to expire; collected when it ends
	StateDisputed State = "disputed" // the miner claimed too much: closed, and collected when it ends
	StateForeign  State = "foreign"  // of the same key, but older than this wallet: what was signed is not known
)

// Channel is a channel as the wallet sees it.
type Channel struct {
	ID       uint64 `json:"id"`
	Netuid   uint32 `json:"netuid"`
	Hotkey   string `json:"hotkey"`
	State    State  `json:"state"`
	Reason   string `json:"reason,omitempty"`    // of a dispute
	Deposit  uint64 `json:"deposit_nplx"`        // all that was paid in
	Redeemed uint64 `json:"redeemed_nplx"`       // as of the wallet's last look at the chain
	Signed   uint64 `json:"signed_nplx"`         // what the miner can redeem
	Owed     uint64 `json:"owed_nplx"`           // what it says it is owed
	InHand   uint64 `json:"in_hand_nplx"`        // limits of the calls in hand
	Expires  uint64 `json:"expires"`             // height
	ClosesAt uint64 `json:"closes_at,omitempty"` // height; 0: nobody closed it
}

// Balance is what a wallet comes to, in nplx.
type Balance struct {
	Budget uint64 `json:"budget_nplx"`
	Out    uint64 `json:"out_nplx"`    // of the budget: deposits in channels, and what collected channels had cost
	Signed uint64 `json:"signed_nplx"` // of open channels
	Owed   uint64 `json:"owed_nplx"`   // of open channels, as the miners say
	InHand uint64 `json:"in_hand_nplx"`
	Recent uint64 `json:"recent_nplx"` // signed for within the window
	Spent  uint64 `json:"spent_nplx"`  // by channels that were collected
}

// Wallet pays. It is safe for concurrent use; close it when done.
type Wallet struct {
	options Options
	store   *store
	ctx     context.Context // of what goes on in the background
	stop    context.CancelFunc
	group   sync.WaitGroup
	height  atomic.Uint64 // of the chain, as last seen
	fees    feeWindow

	mu       sync.Mutex // may be taken while a channel's is held, never the other way round
	totals   totals
	channels map[uint64]*channel
	current  map[Payee]*channel // where new calls go
	opening  map[Payee]*opening
	intents  map[Payee]intent // persisted
	pending  uint64           // nplx of top-ups under way
	counted  bool             // the chain was asked which channels there are, in this process
	closed   bool
}

// opening is a channel being opened, or one that could not be a moment ago.
type opening struct {
	done  chan struct{}
	ended bool
	err   error
	until time.Time // no other is tried before, where there is an error
}

// Open opens a wallet, or makes one. Errors wrap ErrInUse or ErrForeign, or are about the options or the file.
func Open(o Options) (*Wallet, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	s, err := openStore(o.Path, false)
	if err != nil {
		return nil, err
	}
	w, err := load(o, s)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if o.Chain != nil {
		w.group.Go(w.keep)
	}
	return w, nil
}

// load reads what the file holds. All that was signed counts as agreed then.
func load(o Options, s *store) (*Wallet, error) {
	c, err := s.read()
	if err != nil {
		return nil, err
	}
	w := &Wallet{options: o, store: s, channels: map[uint64]*channel{}, current: map[Payee]*channel{},
		opening: map[Payee]*opening{}, intents: map[Payee]intent{}}
	public := w.publicKey()
	if !c.existing {
		c.totals = totals{ChainID: o.ChainID, Key: public}
		if err := s.update(func(tx *bbolt.Tx) error { return put(tx, bucketWallet(), keyTotals(), c.totals) }); err != nil {
			return nil, err
		}
	}
	if c.totals.ChainID != o.ChainID || !bytes.Equal(c.totals.Key, public) {
		return nil, fmt.Errorf("%w: %s is of chain %q and key %x, not of chain %q and key %x", ErrForeign, o.Path, c.totals.ChainID, c.totals.Key, o.ChainID, public)
	}
	w.totals = c.totals
	w.fees = feeWindow{window: c.totals.Window, length: o.Window, most: o.Spend}
	w.ctx, w.stop = context.WithCancel(context.Background())
	for _, i := range c.intents {
		w.intents[i.Payee] = i
	}
	for _, r := range c.records {
		one, err := restore(w, r)
		if err != nil {
			return nil, err
		}
		w.channels[r.ID] = one
		if r.State == StateOpen {
			w.current[Payee{r.Netuid, r.Hotkey}] = one
		}
	}
	return w, nil
}

// Close ends the wallet's work; channels stay as they are. Calls in hand should have ended: those that have not count in
// full when the wallet is opened again.
func (w *Wallet) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	list := w.list()
	w.mu.Unlock()
	w.stop()
	w.group.Wait()
	var errs []error
	for _, c := range list {
		errs = append(errs, c.save()) // what is owed, so that less has to be asked next time
	}
	return errors.Join(append(errs, w.store.close())...)
}

// list returns the channels in order of id. The caller holds the lock.
func (w *Wallet) list() []*channel {
	list := make([]*channel, 0, len(w.channels))
	for _, c := range w.channels {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *channel) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return list
}

// Channels returns the wallet's channels, in order of id.
func (w *Wallet) Channels() []Channel {
	w.mu.Lock()
	list := w.list()
	w.mu.Unlock()
	out := make([]Channel, len(list))
	for i, c := range list {
		out[i] = c.view()
	}
	return out
}

// Balance returns what the wallet comes to.
func (w *Wallet) Balance() Balance {
	w.mu.Lock()
	b := Balance{Budget: w.options.Budget, Out: w.out(), Spent: w.totals.Spent, Recent: w.fees.sum()}
	list := w.list()
	w.mu.Unlock()
	for _, c := range list {
		v := c.view()
		b.Signed, b.Owed, b.InHand = add(b.Signed, v.Signed), add(b.Owed, v.Owed), add(b.InHand, v.InHand)
	}
	return b
}

// out is the part of the budget that is used. The caller holds the lock.
func (w *Wallet) out() uint64 {
	sum := add(w.totals.Spent, w.pending)
	for _, c := range w.channels {
		if c.deposit.Load() > 0 && !slices.Contains(w.totals.Before, c.id) {
			sum = add(sum, c.deposit.Load())
		}
	}
	for _, i := range w.intents {
		sum = add(sum, i.Deposit)
	}
	return sum
}

// afford fails where so much more would be over the budget. The caller holds the lock.
func (w *Wallet) afford(nplx uint64) error {
	if out := w.out(); add(out, nplx) > w.options.Budget {
		return fmt.Errorf("%w: %s of %s are out, %s more are needed; raise the budget, or close channels", ErrOverBudget,
			amount.Format(out), amount.Format(w.options.Budget), amount.Format(nplx))
	}
	return nil
}

// Ready reports whether a call of that limit could be paid for at once, without waiting for the chain.
func (w *Wallet) Ready(to Payee, limit uint64) bool {
	w.mu.Lock()
	c := w.current[to]
	w.mu.Unlock()
	return c != nil && c.ready(limit)
}

// Prepare sees to it that a channel to the miner is opened, or topped up where it runs dry. It does not wait.
func (w *Wallet) Prepare(to Payee) {
	if c, _ := w.find(to); c != nil {
		c.prepare()
	}
}

// Reserve takes a call of at most limit nplx in hand, waiting for the channel to be opened or topped up where that is
// needed. What it returns must be settled. Errors wrap ErrNoFunds, ErrOverBudget, ErrLimit, ErrDispute, ErrClosed or
// metagraph.ErrUnavailable, or are those of an ended ctx.
func (w *Wallet) Reserve(ctx context.Context, to Payee, limit uint64) (*Payment, error) {
	if limit > w.options.Deposit {
		return nil, fmt.Errorf("%w: %s, the deposit is %s", ErrLimit, amount.Format(limit), amount.Format(w.options.Deposit))
	}
	for {
		c, err := w.wait(ctx, to)
		if err != nil {
			return nil, err
		}
		p, err := c.reserve(ctx, limit)
		switch {
		case errors.Is(err, ErrDry):
			if err := c.refill(ctx); err != nil {
				return nil, err
			}
		case errors.Is(err, ErrClosing): // another is opened
		default:
			return p, err
		}
	}
}

// wait returns the channel for new calls to a miner, opened where there is none.
func (w *Wallet) wait(ctx context.Context, to Payee) (*channel, error) {
	for {
		c, o := w.find(to)
		switch {
		case c != nil:
			return c, nil
		case o == nil:
			return nil, ErrClosed
		}
		select {
		case <-o.done:
			if o.err != nil {
				return nil, o.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("open a channel to %s: %w", to.Hotkey, ctx.Err())
		}
	}
}

// failedFor is how long an opening that failed is not tried again.
const failedFor = 2 * time.Second

// find returns the channel for new calls to a miner, or the opening of one; neither where the wallet is closed.
func (w *Wallet) find(to Payee) (*channel, *opening) {
	w.mu.Lock()
	c := w.current[to]
	w.mu.Unlock()
	if c != nil && c.usable() {
		return c, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, nil
	}
	if now := w.current[to]; now != nil && now != c { // somebody was faster
		return now, nil
	}
	delete(w.current, to)
	o := w.opening[to]
	if o != nil && (!o.ended || time.Now().Before(o.until)) {
		return nil, o
	}
	o = &opening{done: make(chan struct{})}
	w.opening[to] = o
	w.group.Go(func() {
		err := w.open(w.ctx, to)
		w.mu.Lock()
		if o.ended, o.err = true, err; err != nil {
			o.until = time.Now().Add(failedFor)
		}
		w.mu.Unlock()
		close(o.done)
	})
	return nil, o
}

// shun opens no channel to a miner for some time.
func (w *Wallet) shun(to Payee, err error, until time.Time) {
	done := make(chan struct{})
	close(done)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opening[to] = &opening{done: done, ended: true, err: err, until: until}
}

// later runs something in the background, unless the wallet is closed.
func (w *Wallet) later(run func(context.Context)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.group.Go(func() { run(w.ctx) })
	return true
}

// lanes of other programs that share a channel would have other numbers.
const laneID = 0

// label is what a channel's lane is called in a call.
func label(id uint64) string {
	return strconv.FormatUint(id, 10) + "/" + strconv.Itoa(laneID)
}

// feeWindow bounds what is signed for within a time.
type feeWindow struct {
	mu     sync.Mutex
	window window
	length time.Duration
	most   uint64
}

func (f *feeWindow) sum() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.window.sum(time.Now(), f.length)
}

// take counts between least and wanted nplx, and returns how many.
func (f *feeWindow) take(least, wanted uint64) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.most > 0 {
		sum := f.window.sum(now, f.length)
		left := f.most - min(f.most, sum)
		if least > left {
			return 0, fmt.Errorf("%w: %s were signed for within %v, %s more are needed and %s are allowed; wait, or raise the limit", ErrOverBudget,
				amount.Format(sum), f.length, amount.Format(least), amount.Format(f.most))
		}
		wanted = min(wanted, left)
	}
	f.window.add(now, f.length, wanted)
	return wanted, nil
}

func (f *feeWindow) undo(nplx uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window.take(nplx)
}

func (f *feeWindow) snapshot() window {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.window
}

func (w *Wallet) publicKey() ed25519.PublicKey { return w.options.Key.Public().(ed25519.PublicKey) }
