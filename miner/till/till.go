package till

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/payment"
)

// Config says whose till it is, what is charged, and bounds everything that others can make grow. A zero field takes the
// default.
type Config struct {
	ChainID string
	Netuid  uint32
	Hotkey  string // of the miner: channels to others are unknown here
	Price   payment.Price
	Store   string // path of the file; made where there is none, mode 0600
	Chain   Chain

	Margin        uint64        // blocks before a channel's end from which nobody is let in and all is redeemed; 20
	Interval      time.Duration // between looks at the chain; 5 s
	MaxBlind      time.Duration // without a look at the chain after which paid requests are refused; 2 min
	Threshold     uint64        // nplx to redeem that are worth a transaction; 1 PLX
	RedeemEvery   time.Duration // least time between transactions that are not urgent; 10 min
	FlushInterval time.Duration // between writes of what is owed; 1 s
	Gather        time.Duration // between writes of vouchers, where several requests wait for one; 3 ms
	CallTimeout   time.Duration // of one question to the chain; 5 s
	RedeemTimeout time.Duration // of one transaction; 90 s

	MaxLanes            int   // in memory and in the store; 65536
	MaxChannelsPerPayer int   // 64
	MaxInHand           int   // requests of one lane; 256
	MaxLookups          int   // channels that are asked for at the same time; 8
	MaxStrange          int   // channels remembered that no voucher came for, known or not; 4096
	MaxStoreBytes       int64 // from which on no new lane is opened; 1 GiB

	Log *slog.Logger // silent when nil
}

func (c Config) withDefaults() Config {
	c.Margin = cmp.Or(c.Margin, 20)
	c.Interval = positive(c.Interval, 5*time.Second)
	c.MaxBlind = positive(c.MaxBlind, 2*time.Minute)
	c.Threshold = cmp.Or(c.Threshold, 1_000_000_000)
	c.RedeemEvery = positive(c.RedeemEvery, 10*time.Minute)
	c.FlushInterval = positive(c.FlushInterval, time.Second)
	c.Gather = positive(c.Gather, 3*time.Millisecond)
	c.CallTimeout = positive(c.CallTimeout, 5*time.Second)
	c.RedeemTimeout = positive(c.RedeemTimeout, 90*time.Second)
	c.MaxLanes = positive(c.MaxLanes, 1<<16)
	c.MaxChannelsPerPayer = positive(c.MaxChannelsPerPayer, 64)
	c.MaxInHand = positive(c.MaxInHand, 256)
	c.MaxLookups = positive(c.MaxLookups, 8)
	c.MaxStrange = positive(c.MaxStrange, 4096)
	c.MaxStoreBytes = positive(c.MaxStoreBytes, 1<<30)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func positive[T int | int64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

func (c Config) check() error {
	var errs []error
	if c.ChainID == "" || c.Hotkey == "" || c.Netuid == 0 {
		errs = append(errs, errors.New("a till needs the chain, the subnet and the hotkey that it is for"))
	}
	if c.Store == "" || c.Chain == nil {
		errs = append(errs, errors.New("a till needs a store and a chain"))
	}
	return errors.Join(errs...)
}

// Till decides about paid requests and keeps the money. It is safe for concurrent use.
type Till struct {
	cfg     Config
	store   *store
	journal *journal
	stop    context.CancelFunc // ends the journal
	stopped chan struct{}      // closed when it has
	count   counters

	book    book
	lanes   atomic.Int64 // in the book
	flights singleflight.Group
	lookups chan struct{} // holds a token for each question at the chain

	height atomic.Uint64 // 0: not known yet
	looked atomic.Int64  // Unix nanoseconds
	terms  atomic.Pointer[Terms]

	mu      sync.Mutex
	unknown map[uint64]time.Time // channels that are not there or not ours, and when they were not
	payers  map[string]int       // kept channels of each
	past    past

	redeeming sync.Mutex // one redemption at a time
	regular   time.Time  // of the last one that was not urgent
	attempt   int        // tries since the last success
	retry     time.Time  // not before
}

// Open opens the store and returns a till with what is in it. It asks the chain nothing: until Run has, paid requests are
// told to come back. Errors wrap ErrCorrupt, ErrBusy, ErrReadable or ErrForeign and say what to do.
func Open(cfg Config) (*Till, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s, err := openStore(cfg.Store, cfg.ChainID+" "+strconv.FormatUint(uint64(cfg.Netuid), 10)+" "+cfg.Hotkey)
	if err != nil {
		return nil, err
	}
	channels, gone, err := s.load()
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	t := &Till{cfg: cfg, store: s, journal: newJournal(s, cfg.FlushInterval, cfg.Gather, cfg.Log), past: gone, stopped: make(chan struct{}),
		lookups: make(chan struct{}, cfg.MaxLookups), unknown: map[uint64]time.Time{}, payers: map[string]int{}}
	t.journal.wrote = t.count.wrote
	for _, c := range channels {
		t.book.put(c)
		t.payers[c.payer]++
		t.lanes.Add(int64(len(c.lanes)))
	}
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	go func() {
		defer close(t.stopped)
		t.journal.run(ctx)
	}()
	return t, nil
}

// Close writes what is not written yet and closes the store. No request may be in hand.
func (t *Till) Close() error {
	t.stop()
	<-t.stopped
	return t.store.close()
}

// Price is what is charged.
func (t *Till) Price() payment.Price { return t.cfg.Price }

// Run looks at the chain and redeems until ctx ends. What goes wrong is logged, counted and tried again.
func (t *Till) Run(ctx context.Context) {
	var group errgroup.Group
	group.Go(func() error { t.every(ctx, t.Look); return nil })
	group.Go(func() error { t.every(ctx, t.Redeem); return nil })
	_ = group.Wait() // neither fails
}

func (t *Till) every(ctx context.Context, do func(context.Context)) {
	for do(ctx); pause(ctx, t.cfg.Interval); {
		do(ctx)
	}
}

// Look asks the chain once how high it is and how the channels stand that it is time to ask about.
func (t *Till) Look(ctx context.Context) {
	if err := t.look(ctx); err != nil && ctx.Err() == nil {
		t.cfg.Log.Warn("the chain does not say how channels stand", "error", err)
	}
	t.forget()
}

func (t *Till) look(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, t.cfg.CallTimeout)
	defer cancel()
	terms, err := t.cfg.Chain.Terms(asking)
	if err != nil {
		return fmt.Errorf("rules of channels: %w", err)
	}
	height, err := t.cfg.Chain.Height(asking)
	if err != nil {
		return fmt.Errorf("height: %w", err)
	}
	t.terms.Store(&terms)
	t.rise(height)
	t.looked.Store(time.Now().UnixNano())
	var group errgroup.Group
	group.SetLimit(t.cfg.MaxLookups)
	for _, c := range t.book.all() {
		if t.due(c, height) {
			group.Go(func() error { return t.refresh(ctx, c.id) })
		}
	}
	return group.Wait()
}

// rise takes in that the chain has come to a height.
func (t *Till) rise(height uint64) {
	for seen := t.height.Load(); height > seen && !t.height.CompareAndSwap(seen, height); seen = t.height.Load() {
	}
}

// stale returns the blocks for which it is safe to go by what the chain said of a channel: its payer may close it in the
// very next block, and that must be seen before its last Margin blocks begin. The caller holds the channel's mu.
func (t *Till) stale(c *channel) uint64 {
	delay := c.known.CloseDelay
	return max(1, (delay-min(delay, t.cfg.Margin))/2)
}

// due reports whether it is time to ask about a channel again. One that nobody pays on and that owes nothing is asked
// about when somebody comes.
func (t *Till) due(c *channel, height uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.kept {
		return false
	}
	if c.seen == 0 {
		return true
	}
	ending := height+t.cfg.Margin >= c.known.End()
	return height > c.seen && (ending || height-c.seen >= max(1, t.stale(c)/2))
}

// refresh asks the chain about a channel; those who want the same answer at the same time share it.
func (t *Till) refresh(ctx context.Context, id uint64) error {
	flight := t.flights.DoChan(strconv.FormatUint(id, 10), func() (any, error) {
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.cfg.CallTimeout)
		defer cancel()
		select {
		case t.lookups <- struct{}{}:
			defer func() { <-t.lookups }()
		case <-asking.Done():
			return nil, asking.Err()
		}
		return nil, t.ask(asking, id)
	})
	select {
	case answer := <-flight:
		return answer.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask reads a channel and takes in how it stands.
func (t *Till) ask(ctx context.Context, id uint64) error {
	known, err := t.cfg.Chain.Channel(ctx, id)
	if errors.Is(err, ErrNoChannel) || err == nil && !t.ours(known) {
		t.missing(id)
		return fmt.Errorf("%w: %d", ErrNoChannel, id)
	}
	if err != nil {
		return fmt.Errorf("channel %d: %w", id, err)
	}
	c := t.book.get(id)
	if c == nil {
		c = t.book.put(newChannel(known))
		t.crowd()
	}
	t.rise(known.Height)
	before := c.count()
	c.update(known)
	t.lanes.Add(int64(c.count() - before))
	return nil
}

func (t *Till) ours(c Channel) bool {
	return c.Netuid == t.cfg.Netuid && c.Hotkey == t.cfg.Hotkey && len(c.VoucherKey) > 0
}

// missing remembers that the chain has no such channel. A channel that the till holds vouchers of has been collected.
func (t *Till) missing(id uint64) {
	if c := t.book.get(id); c != nil {
		c.mu.Lock()
		c.collected = true
		c.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.unknown) >= t.cfg.MaxStrange {
		clear(t.unknown)
	}
	t.unknown[id] = time.Now()
}

// crowd forgets channels that no voucher came for, when there are too many of them.
func (t *Till) crowd() {
	idle := func(c *channel) bool { return !c.kept && !c.used() }
	n := 0
	for _, c := range t.book.all() {
		c.mu.Lock()
		if idle(c) {
			n++
		}
		c.mu.Unlock()
	}
	if n <= t.cfg.MaxStrange {
		return
	}
	for _, c := range t.book.drop(func(c *channel) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.gone = c.gone || idle(c)
		return c.gone
	}) {
		t.lanes.Add(-int64(c.count()))
	}
}

// askAgain is how long an answer of the chain is good for that keeps somebody from paying: a channel may have been opened,
// topped up or prolonged since.
const askAgain = 250 * time.Millisecond

// find returns a channel, from memory or from the chain. The error is a *Refusal.
func (t *Till) find(ctx context.Context, id uint64) (*channel, error) {
	if c := t.book.get(id); c != nil {
		return c, nil
	}
	t.mu.Lock()
	absent := t.unknown[id]
	t.mu.Unlock()
	if time.Since(absent) < askAgain {
		return nil, t.noChannel(id)
	}
	if err := t.refresh(ctx, id); err != nil {
		return nil, t.lost(ctx, id, err)
	}
	if c := t.book.get(id); c != nil {
		return c, nil
	}
	return nil, t.unavailable(fmt.Sprintf("too many channels are asked about; try %d again", id))
}

// lost says to a caller why a channel could not be asked about.
func (t *Till) lost(ctx context.Context, id uint64, err error) error {
	switch {
	case errors.Is(err, ErrNoChannel):
		return t.noChannel(id)
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		t.cfg.Log.Warn("the chain does not say how a channel stands", "channel", id, "error", err)
		return t.unavailable(fmt.Sprintf("the miner cannot see channel %d on the chain now; try again later", id))
	}
}

func (t *Till) noChannel(id uint64) *Refusal {
	return &Refusal{Code: codes.FailedPrecondition, Reason: oip.ReasonChannelUnknown,
		Message: fmt.Sprintf("channel %d is none to %s in subnet %d on chain %s", id, t.cfg.Hotkey, t.cfg.Netuid, t.cfg.ChainID)}
}
