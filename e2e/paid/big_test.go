//go:build paid

package paid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/localnet/supervisor"
	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/identity"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
	"github.com/plexusnet/plexus/subnet"
)

const (
	callers    = 10
	miners     = 20
	atOnce     = 2         // calls that each caller has in hand
	deposit    = 3_000_000 // nplx
	step       = 200_000   // nplx, some 20 calls
	killEvery  = time.Second
	closeEvery = time.Second
	downAtOnce = 4
)

// TestHundredThousandPaidRequests has ten callers and a gateway pay twenty miners while miners and the gateway are
// killed and channels closed at random. Then everything is closed, redeemed and collected, and the books are compared.
func TestHundredThousandPaidRequests(t *testing.T) {
	p := plan{miners: miners, blockTime: 500 * time.Millisecond, closeDelay: 50, margin: 20}
	for i := range callers {
		p.payers = append(p.payers, fmt.Sprintf("caller-%d", i))
	}
	p.payers = append(p.payers, gatewayer)
	n := newNetwork(t, p)
	s := &storm{network: n, total: requests(t), rand: rand.New(rand.NewPCG(1, 7))}
	s.startMiners()
	before := n.balances(append(n.minerNames(), p.payers...))
	for _, name := range p.payers[:callers] {
		s.callers = append(s.callers, s.open(name))
	}
	s.openChannels()
	s.records = make([]record, s.total)
	took := s.blow()
	s.settle()
	b := n.compare(p.payers, before)
	s.report(b, took)
}

// requests is how many calls are made.
func requests(t *testing.T) int {
	text := os.Getenv("PLEXUS_PAID_REQUESTS")
	if text == "" {
		return 100_000
	}
	count, err := strconv.Atoi(text)
	require.NoError(t, err, "PLEXUS_PAID_REQUESTS")
	return count
}

// storm is the run.
type storm struct {
	*network
	total   int
	callers []*payer
	miners  []*server
	gateway relay
	records []record
	next    atomic.Int64
	retired sync.Mutex // guards what follows
	rand    *rand.Rand
	deaths  []death
	byUs    int // channels that callers closed
	byThem  int // channels that miners closed
}

// payer is a caller.
type payer struct {
	name   string
	purse  *purse
	wallet *wallet.Wallet
	client *client.Client
}

// server is a miner, of which there is a process now and then.
type server struct {
	index, port int
	hotkey      string
	mu          sync.Mutex // held while it is down
	process     *process
}

// record is what became of a request.
type record struct {
	start    time.Time
	elapsed  time.Duration
	attempts int
	err      error

	mu    sync.Mutex // what is told of its calls
	first string     // hotkey of the miner that was asked first
	over  time.Duration
	fails bool // that one came to nothing
}

// death is one of a miner.
type death struct {
	hotkey   string
	way      way
	from, to time.Time
}

type way string

const (
	killed way = "killed"        // the process dies: its connections break
	frozen way = "frozen"        // the process stops answering, and dies later: nothing breaks
	rested way = "stopped"       // the process is told to end, redeems, and its owner closes a channel
	thaw       = 2 * time.Second // until a frozen one is killed
)

func (s *storm) startMiners() {
	ports, err := supervisor.FreePorts(miners)
	require.NoError(s.t, err)
	for i := range miners {
		m := &server{index: i, port: ports[i], hotkey: s.address(minerName(i) + "-hot")}
		m.process = s.launch(minerName(i), s.minerArgs(i, m.port)...)
		s.miners = append(s.miners, m)
	}
	s.serves()
	for _, m := range s.miners {
		s.listening(m.port)
	}
}

// open makes a caller with a wallet of its own.
func (s *storm) open(name string) *payer {
	t := s.t
	node, err := chainclient.Dial(chainclient.Config{Address: s.node(), ChainID: chainID})
	require.NoError(t, err)
	t.Cleanup(func() { _ = node.Close() })
	nodes := onchain.Nodes{Free: node, Paying: node} // gas is free on this network
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, name), 0o700))
	key, err := identity.LoadOrCreateKey(s.nodeKey(name))
	require.NoError(t, err)
	signer := s.signer(name)
	id, err := oip.NodeIdentity(key, chainID, signer)
	require.NoError(t, err)
	money, err := onchain.NewWallet(nodes, signer)
	require.NoError(t, err)
	file, err := os.Create(filepath.Join(s.logs(), name+".log"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	log := slog.New(slog.NewTextHandler(file, nil))

	p := &payer{name: name, purse: &purse{Chain: money, payer: name, ready: make(chan struct{}), accounts: map[uint64]*account{}}}
	p.wallet, err = wallet.Open(wallet.Options{Path: filepath.Join(s.dir, name, "wallet.db"), Chain: p.purse, ChainID: chainID, Key: key,
		Budget: 100 * subnet.PLX, Deposit: deposit, Step: step, Duration: 100_000, Interval: 2 * time.Second, Log: log})
	require.NoError(t, err)
	p.purse.wallet = p.wallet
	close(p.purse.ready)
	t.Cleanup(func() { _ = p.wallet.Close() })
	p.client = client.New(onchain.New(nodes, onchain.Keys{}, log), client.Options{Wallet: p.wallet, Pay: client.PayAlways, Dialer: oip.Dialer{Identity: id},
		MaxPrice: 1_000_000, Among: miners, Spares: miners - 1, Log: log, Observe: func(c client.Call) {
			p.purse.observe(c)
			s.observe(c)
		}})
	return p
}

// observe notes what became of the miner that a request asked first.
func (s *storm) observe(c client.Call) {
	i, err := strconv.Atoi(c.Tag)
	if err != nil || c.Attempt != 1 {
		return
	}
	r := &s.records[i]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.first, r.over, r.fails = c.Miner.Hotkey, c.Elapsed, !c.Won
}

// openChannels has each caller open a channel to each miner: an account has one transaction in a block, and who calls before
// they are open waits.
func (s *storm) openChannels() {
	var group sync.WaitGroup
	for _, p := range s.callers {
		for _, m := range s.miners {
			group.Go(func() {
				if _, err := p.wallet.OpenChannel(context.Background(), wallet.Payee{Netuid: netuid, Hotkey: m.hotkey}); err != nil {
					s.t.Errorf("%s: %v", p.name, err)
				}
			})
		}
	}
	group.Wait()
}

// blow makes all requests while miners die and channels are closed, and returns how long that took.
func (s *storm) blow() time.Duration {
	ctx, calm := context.WithCancel(context.Background())
	var weather, load sync.WaitGroup
	weather.Go(func() { s.every(ctx, killEvery, func() { s.strike(ctx, &weather) }) })
	weather.Go(func() { s.every(ctx, closeEvery, func() { weather.Go(s.closeOne) }) })
	weather.Go(func() {
		s.every(ctx, 20*time.Second, func() { s.t.Logf("%d requests", min(int(s.next.Load()), s.total)) })
	})
	weather.Go(func() { s.gateway.run(ctx, s.network) })
	start := time.Now()
	for _, p := range s.callers {
		for range atOnce {
			load.Go(func() { s.call(p) })
		}
	}
	load.Wait()
	took := time.Since(start)
	calm()
	weather.Wait()
	return took
}

func (s *storm) every(ctx context.Context, pause time.Duration, do func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			do()
		}
	}
}

// call makes requests until there are enough.
func (s *storm) call(p *payer) {
	input := []models.Tensor{models.FromFloat32s(digits.InputName, []int64{1, 1, digits.Size, digits.Size}, make([]float32, digits.Size*digits.Size))}
	for {
		i := int(s.next.Add(1)) - 1
		if i >= s.total {
			return
		}
		r := &s.records[i]
		r.start = time.Now()
		answer, err := p.client.Infer(context.Background(), client.Request{Netuid: netuid, Inputs: input, Tag: strconv.Itoa(i),
			Expect: payment.Usage{Output: 4 << 10, Compute: 20 * time.Millisecond}})
		r.elapsed, r.err = time.Since(r.start), err
		if err == nil {
			r.attempts = 1 + len(answer.Failed) + answer.InHand
		}
	}
}

// strike brings a miner down at random, and up again a little later.
func (s *storm) strike(ctx context.Context, group *sync.WaitGroup) {
	s.retired.Lock()
	m := s.miners[s.rand.IntN(len(s.miners))]
	dice, pause := s.rand.IntN(10), time.Duration(s.rand.Int64N(int64(2*time.Second)))
	s.retired.Unlock()
	if s.down() >= downAtOnce || !m.mu.TryLock() {
		return
	}
	how := killed
	switch {
	case dice < 2:
		how = frozen
	case dice < 4:
		how = rested
	}
	group.Go(func() {
		defer m.mu.Unlock()
		d := death{hotkey: m.hotkey, way: how, from: time.Now()}
		switch how {
		case frozen:
			_ = m.process.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(thaw)
			m.process.kill()
		case rested:
			if err := m.process.stop(); err != nil {
				s.t.Errorf("%s: %v", minerName(m.index), err)
			}
			s.closeByMiner(m)
		default:
			m.process.kill()
		}
		time.Sleep(pause)
		var err error
		if m.process, err = s.begin(minerName(m.index), s.minerArgs(m.index, m.port)...); err != nil {
			s.t.Errorf("%s: %v", minerName(m.index), err)
			return
		}
		s.listening(m.port)
		d.to = time.Now()
		s.retired.Lock()
		defer s.retired.Unlock()
		s.deaths = append(s.deaths, d)
	})
}

// down is how many miners are down.
func (s *storm) down() (count int) {
	for _, m := range s.miners {
		if m.mu.TryLock() {
			m.mu.Unlock()
		} else {
			count++
		}
	}
	return count
}

// closeByMiner closes the channel of which most is redeemed, as the payee: that takes effect at once, so that the miner must
// be down and must have redeemed.
func (s *storm) closeByMiner(m *server) {
	name := minerName(m.index)
	open, err := s.chain.Channels(context.Background(), chainclient.ChannelsOf{Hotkey: m.hotkey})
	if err != nil {
		s.t.Errorf("%s: %v", name, err)
		return
	}
	pending := map[uint64]uint64{}
	for _, l := range s.earnings(name).Lanes {
		pending[l.Channel] += l.Pending
	}
	open = slices.DeleteFunc(open, func(c chainclient.Channel) bool { return c.ClosesAt != 0 || pending[c.ID] > 0 })
	if len(open) == 0 {
		return
	}
	best := slices.MaxFunc(open, func(a, b chainclient.Channel) int { return int(int64(a.Redeemed) - int64(b.Redeemed)) })
	signer, err := chainclient.NewSigner(s.keys, name)
	if err == nil {
		_, err = s.chain.Submit(context.Background(), signer, &channelv1.MsgClose{Sender: signer.Address(), Channel: best.ID})
	}
	if err != nil {
		s.t.Logf("%s did not close channel %d: %v", name, best.ID, err) // its payer was faster
		return
	}
	s.retired.Lock()
	defer s.retired.Unlock()
	s.byThem++
}

// closeOne closes one of the channels of one of the callers.
func (s *storm) closeOne() {
	s.retired.Lock()
	p, dice := s.callers[s.rand.IntN(callers)], s.rand.Int()
	s.retired.Unlock()
	open := slices.DeleteFunc(p.wallet.Channels(), func(c wallet.Channel) bool { return c.State != wallet.StateOpen })
	if len(open) == 0 {
		return
	}
	c := open[dice%len(open)]
	if err := p.wallet.CloseChannel(context.Background(), c.ID); err != nil {
		s.t.Logf("%s did not close channel %d: %v", p.name, c.ID, err) // its miner was faster
		return
	}
	s.retired.Lock()
	defer s.retired.Unlock()
	s.byUs++
}

// settle closes everything and waits until it is redeemed and collected.
func (s *storm) settle() {
	var group sync.WaitGroup
	for _, p := range append(slices.Clone(s.callers), s.open(gatewayer)) { // the gateway has left its wallet
		group.Go(func() { s.close(p) })
	}
	group.Wait()
	for _, m := range s.miners {
		group.Go(func() {
			if err := m.process.stop(); err != nil {
				s.t.Errorf("%s: %v", minerName(m.index), err)
			}
		})
	}
	group.Wait()
}

// close ends a caller's calls and its channels, those included that were being opened when its calls ended.
func (s *storm) close(p *payer) {
	p.client.Close()
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(time.Second) {
		left := p.wallet.Channels()
		if len(left) == 0 && p.wallet.Balance().Out == p.wallet.Balance().Spent {
			return
		}
		for _, c := range left {
			if c.State != wallet.StateOpen {
				continue // the wallet goes on with it by itself
			}
			if err := p.wallet.CloseChannel(context.Background(), c.ID); err != nil && !errors.Is(err, wallet.ErrNoChannel) {
				s.t.Logf("%s did not close channel %d: %v", p.name, c.ID, err)
			}
		}
	}
	s.t.Errorf("%s still has channels: %+v", p.name, p.wallet.Channels())
}

// report lays the books of callers and miners beside those of the chain, and tells what was seen.
func (s *storm) report(b books, took time.Duration) {
	t := s.t
	var charged, unsure, unpaid, ahead, signed, most, failures uint64
	calls, channels := 0, 0
	for _, p := range s.callers {
		for id, a := range p.purse.accounts {
			who := fmt.Sprintf("channel %d of %s", id, p.name)
			assert.True(t, a.collected, who)
			assert.Zero(t, a.forFailures, "%s: a call that failed was charged for", who)
			assert.LessOrEqual(t, a.redeemed(), a.signed, "%s: more was redeemed than signed", who)
			assert.LessOrEqual(t, a.charged, a.redeemed()+step, "%s: answers are unpaid beyond a step", who)
			bound := a.charged + a.unsure + atOnce*a.limit + step
			assert.LessOrEqual(t, a.signed, bound, "%s: more was signed than was agreed to, in hand and a step", who)
			calls, channels, failures = calls+a.calls, channels+1, failures+a.forFailures
			charged, unsure, signed = charged+a.charged, unsure+a.unsure, signed+a.signed
			if a.charged > a.redeemed() {
				unpaid += a.charged - a.redeemed()
				most = max(most, a.charged-a.redeemed())
			} else {
				ahead += a.redeemed() - a.charged
			}
		}
	}
	var owed, redeemed, lost uint64
	for _, name := range s.minerNames() {
		e := s.earnings(name)
		owed, redeemed, lost = owed+e.Owed, redeemed+e.Redeemed, lost+e.Lost
		assert.Zero(t, e.Pending, name)
		assert.LessOrEqual(t, e.Owed, e.Redeemed+step, "%s: answers are unpaid beyond a step", name)
	}
	assert.Equal(t, b.paid, redeemed, "what the miners say they redeemed is what callers paid")

	failed, moved := 0, 0
	var all []time.Duration
	reasons := map[string]int{}
	for i := range s.records {
		r := &s.records[i]
		switch {
		case r.err != nil:
			failed++
			reasons[brief(r.err)]++
		case r.attempts > 1:
			moved++
		}
		if r.err == nil {
			all = append(all, r.elapsed)
		}
		if r.elapsed > time.Second {
			t.Logf("request %d took %s: %d calls, first of %s: %s", i, r.elapsed, r.attempts, r.first, r.over)
		}
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(name string, value any, unit string) { fmt.Fprintf(w, "%s\t%v %s\n", name, value, unit) }
	row("paid by callers, by their balances", b.paid, "nplx")
	row("received by payees, by their balances", b.received, "nplx")
	row("burned, by the chain", b.burned, "nplx")
	row("paid - received - burned", int64(b.paid)-int64(b.received)-int64(b.burned), "nplx")
	row("redeemed, by the miners' tills", redeemed, "nplx")
	row("signed by the ten callers", signed, "nplx")
	row("charged for answers, by the ten callers", charged, "nplx")
	row("owed, by the miners' tills", owed, "nplx")
	row("limits of calls of unknown outcome", unsure, "nplx")
	row("of it unpaid, in all; on one lane at most", fmt.Sprintf("%d; %d", unpaid, most), fmt.Sprintf("nplx (a step is %d)", step))
	row("paid ahead by them and not used", ahead, "nplx")
	row("signed and not redeemed in time, by the tills", lost, "nplx")
	row("charged for calls that failed", failures, "nplx")
	row("requests", s.total, "")
	row("of them failed", failed, "")
	row("of them answered by another than the first", moved, "")
	row("calls of miners", calls, "")
	row("channels; of them the gateway's", fmt.Sprintf("%d; %d", b.channels, b.channels-uint64(channels)), "")
	row("of them closed at random by callers", s.byUs, "")
	row("of them closed at random by miners", s.byThem, "")
	row("requests to the gateway answered; killed under way", fmt.Sprintf("%d; %d times", s.gateway.answered, s.gateway.kills), "")
	row("charged for them, by its ledger; perhaps", fmt.Sprintf("%d; %d", s.gateway.charged, s.gateway.uncertain), "nplx")
	row("vouchers redeemed", b.vouchers, "")
	for _, way := range []way{killed, frozen, rested} {
		row("miners "+string(way), len(slices.DeleteFunc(slices.Clone(s.deaths), func(d death) bool { return d.way != way })), "")
	}
	row("throughput", fmt.Sprintf("%.0f", float64(s.total)/took.Seconds()), "requests/s")
	row("latency p50, p99", fmt.Sprintf("%s, %s", at(all, 50), at(all, 99)), "")
	usual := at(all, 50)
	var late strings.Builder
	for _, way := range []way{killed, frozen, rested} {
		fmt.Fprintf(&late, "asked first a miner that was just %s: %s\n", way, spread(s.extra(way, usual)))
	}
	require.NoError(t, w.Flush())
	t.Logf("\n%sextra latency over p50 of requests that\n%sfailures: %v", &text, &late, reasons)
	assert.Positive(t, s.gateway.answered, "the gateway answered")
	assert.LessOrEqual(t, uint64(channels), b.channels, "the others are the gateway's")
	assert.LessOrEqual(t, failed, s.total/1000, "of a thousand requests one may fail when all that it asks are down")
}

// brief is what an error is about.
func brief(err error) string {
	text := err.Error()
	return text[:min(len(text), 160)]
}

// extra are how much longer than usual those requests took that first asked a miner just when it was down.
func (s *storm) extra(way way, usual time.Duration) []time.Duration {
	var all []time.Duration
	for i := range s.records {
		r := &s.records[i]
		if r.err != nil || !r.fails {
			continue
		}
		hit := slices.ContainsFunc(s.deaths, func(d death) bool {
			return d.way == way && d.hotkey == r.first && r.start.Before(d.to) && r.start.Add(r.over).After(d.from)
		})
		if hit {
			all = append(all, max(0, r.elapsed-usual))
		}
	}
	return all
}

func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	within := 0
	for _, d := range all {
		if d <= 200*time.Millisecond {
			within++
		}
	}
	return fmt.Sprintf("%d requests, p50 %s, p90 %s, p99 %s, at most %s; within 200 ms: %.1f %%", len(all), at(all, 50), at(all, 90), at(all, 99), at(all, 100),
		100*float64(within)/float64(len(all)))
}

// at is a percentile.
func at(all []time.Duration, percent int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, len(all)*percent/100)].Round(100 * time.Microsecond)
}
