//go:build dishonest

package dishonest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/models/classifier"
	"github.com/plexusnet/plexus/models/digits"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

const (
	// settling is how many epochs pass between the arrival of the dishonest miners and the measurement: evidence about
	// newcomers is thin, what hides behind commit-reveal is an epoch late, and who passes on labels is found by some 50 of
	// its original's mistakes, of which there are about five in an epoch.
	settling = 15
	// settlingVotes is how many of them pass after the arrival of the dishonest validators.
	settlingVotes = 5
	// measured is how many epochs earnings are added up over.
	measured = 10
	// startBound bounds each step of the start.
	startBound = 2 * time.Minute
	// epochBound bounds the wait for an epoch; one takes tempo * blockTime on an idle machine.
	epochBound = 90 * time.Second
)

// TestDishonestyDoesNotPay lets all the dishonest join an honest network at once, and compares what everybody earns.
func TestDishonestyDoesNotPay(t *testing.T) {
	n := newNetwork(t)
	models := t.TempDir()
	trained := make(chan error, 1)
	go func() { trained <- trainRogues(t.Context(), models) }()
	n.startChain()
	n.startValidators()
	honest := n.trainHonest()
	n.startMiners(honest)
	n.startReplayer(pinnedFile(honest))
	victims := map[string]string{digits.Name: n.files.Addresses["large-hot"]}
	for _, b := range branches() {
		victims[b.task] = n.files.Addresses[b.task+"-large-hot"]
	}
	n.until("the honest miners are paid", func(m *subnetv1.QueryMetagraphResponse) bool {
		uid := slices.Index(m.Hotkeys, victims[digits.Name])
		return uid >= 0 && m.Emission[uid] > 0
	})
	require.NoError(t, errors.Join(<-trained, cheapen(pinnedFile(honest), models)))
	n.startPlan(plan{Role: roleMiners, Models: models, Victims: victims})
	n.until("all dishonest miners have joined", n.roguesAreThere)
	n.pass(settling - settlingVotes)
	n.startPlan(plan{Role: roleValidators})
	n.until("all dishonest validators have joined", n.insidersAreThere)

	epochs := measuredEpochs(t)
	n.pass(settlingVotes)
	l := n.follow(epochs)
	t.Logf("earnings over %d epochs of %d blocks, after %d epochs in which standings settled:\n%s", epochs, tempo, settling, n.table(l))
	n.compare(l)
}

// measuredEpochs is measured, or what PLEXUS_DISHONEST_EPOCHS says.
func measuredEpochs(t *testing.T) int {
	t.Helper()
	text := os.Getenv("PLEXUS_DISHONEST_EPOCHS")
	if text == "" {
		return measured
	}
	epochs, err := strconv.Atoi(text)
	require.NoError(t, err, "PLEXUS_DISHONEST_EPOCHS")
	require.Positive(t, epochs, "PLEXUS_DISHONEST_EPOCHS")
	return epochs
}

// until waits for the chain to show something.
func (n *network) until(what string, holds func(*subnetv1.QueryMetagraphResponse) bool) *subnetv1.QueryMetagraphResponse {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), startBound)
	defer cancel()
	for {
		m, err := n.chain.Metagraph(ctx, netuid)
		if err == nil && holds(m) {
			return m
		}
		if err != nil && !errors.Is(err, chainclient.ErrUnavailable) && ctx.Err() == nil {
			require.NoError(n.t, err, what)
		}
		n.requireAllAlive()
		select {
		case <-ctx.Done():
			require.Fail(n.t, what+": did not happen in time")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (n *network) requireAllAlive() {
	n.t.Helper()
	select {
	case death := <-n.sup.Deaths():
		require.NoError(n.t, death)
	default:
	}
}

// roguesAreThere tells whether every rogue has announced itself.
func (n *network) roguesAreThere(*subnetv1.QueryMetagraphResponse) bool {
	graphs := map[uint32]*subnetv1.QueryMetagraphResponse{}
	for _, r := range rogues() {
		graph := graphs[r.netuid()]
		if graph == nil {
			var err error
			if graph, err = n.chain.Metagraph(n.t.Context(), r.netuid()); err != nil {
				return false
			}
			graphs[r.netuid()] = graph
		}
		for _, hotkey := range r.hotkeys() {
			uid := slices.Index(graph.Hotkeys, n.files.Addresses[hotkey])
			if uid < 0 || graph.Endpoints[uid].Port == 0 {
				return false
			}
		}
	}
	return true
}

// insidersAreThere tells whether every insider has set weights.
func (n *network) insidersAreThere(m *subnetv1.QueryMetagraphResponse) bool {
	for _, i := range insiders() {
		uid := slices.Index(m.Hotkeys, n.files.Addresses[i.hotkey()])
		if uid < 0 || m.Stake[uid] != i.stake || m.Updated[uid] <= m.Registered[uid] {
			return false
		}
	}
	return true
}

// ledger is what everybody earned in the epochs that are measured, in nplx.
type ledger struct {
	earned   map[string]uint64 // by hotkey, as the chain lists the emission of the first subnet
	balances map[string]uint64 // by coldkey: what it holds more than before
	ratios   []float64         // in each epoch: the follower's dividends per stake, as a share of the honest validators'
}

// pass waits for epochs to pass.
func (n *network) pass(epochs int) {
	n.t.Helper()
	last := n.lastEpoch()
	for range epochs {
		last = n.epoch(last).LastEpoch
	}
}

func (n *network) lastEpoch() uint64 {
	n.t.Helper()
	return n.until("the chain to answer", func(*subnetv1.QueryMetagraphResponse) bool { return true }).LastEpoch
}

// follow adds up epoch by epoch.
func (n *network) follow(measure int) *ledger {
	n.t.Helper()
	last := n.lastEpoch()
	l := &ledger{earned: map[string]uint64{}}
	before := n.balances()
	for range measure {
		m := n.epoch(last)
		last = m.LastEpoch
		for uid, hotkey := range m.Hotkeys {
			l.earned[hotkey] += m.Emission[uid]
		}
		l.ratios = append(l.ratios, n.ratio(m))
	}
	l.balances = n.balances()
	for coldkey := range l.balances {
		l.balances[coldkey] -= before[coldkey]
	}
	return l
}

// epoch waits for the next one; none may be missed.
func (n *network) epoch(last uint64) *subnetv1.QueryMetagraphResponse {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), epochBound)
	defer cancel()
	m := n.until("the next epoch", func(m *subnetv1.QueryMetagraphResponse) bool { return m.LastEpoch > last || ctx.Err() != nil })
	require.Equal(n.t, last+tempo, m.LastEpoch, "an epoch was missed, or did not come within %s", epochBound)
	return m
}

// balances are those of the miners' coldkeys.
func (n *network) balances() map[string]uint64 {
	n.t.Helper()
	held := map[string]uint64{}
	for _, name := range n.coldkeys() {
		nplx, err := n.chain.Balance(n.t.Context(), n.files.Addresses[name])
		require.NoError(n.t, err)
		held[name] = nplx
	}
	return held
}

func (n *network) coldkeys() []string {
	names := []string{exact}
	for _, b := range branches() {
		for _, grade := range b.grades() {
			names = append(names, b.miner(grade))
		}
	}
	for _, grade := range classifier.Grades() {
		names = append(names, grade.Name)
	}
	for _, r := range rogues() {
		names = append(names, r.name)
	}
	return names
}

// perStake is what a validator earned in nplx for each PLX at stake.
func (n *network) perStake(l *ledger, name string, stake uint64) float64 {
	return float64(l.earned[n.files.Addresses[name+"-hot"]]) / float64(stake/subnet.PLX)
}

func (n *network) ratio(m *subnetv1.QueryMetagraphResponse) float64 {
	now := &ledger{earned: map[string]uint64{}}
	for uid, hotkey := range m.Hotkeys {
		now.earned[hotkey] = m.Emission[uid]
	}
	total, stake := 0.0, uint64(0)
	for _, v := range honestValidators() {
		total += n.perStake(now, v.name, v.stake) * float64(v.stake)
		stake += v.stake
	}
	follower := insiders()[0]
	return n.perStake(now, follower.name, follower.stake) / (total / float64(stake))
}

// table tells what everybody earned.
func (n *network) table(l *ledger) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	bar := n.worstHonest(l)
	fmt.Fprintln(w, "MINER\tUIDS\tEARNED PLX\tOF THE WORST HONEST\tITS BEST UID\t")
	row := func(name string, hotkeys ...string) {
		sum, best := uint64(0), uint64(0)
		for _, hotkey := range hotkeys {
			nplx := l.earned[n.files.Addresses[hotkey]]
			sum, best = sum+nplx, max(best, nplx)
		}
		fmt.Fprintf(w, "%s\t%d\t%.3f\t%.1f %%\t%.1f %%\t\n", name, len(hotkeys), plx(sum), percent(sum, bar), percent(best, bar))
	}
	for _, grade := range classifier.Grades() {
		row("honest: "+grade.ModelName(), grade.Name+"-hot")
	}
	for _, r := range rogues() {
		if r.netuid() == netuid {
			row(r.name+": "+r.about, r.hotkeys()...)
		}
	}
	fmt.Fprintln(w, "\t\t\t\t\t")
	fmt.Fprintln(w, "MINER OF A PINNED MODEL\tUIDS\tEARNED PLX\tOF THE HONEST\t\t")
	fmt.Fprintf(w, "honest: %s\t1\t%.3f\t100.0 %%\t\t\n", pinnedModel, plx(l.balances[exact]))
	for _, r := range rogues() {
		if r.pins {
			fmt.Fprintf(w, "%s: %s\t1\t%.3f\t%.1f %%\t\t\n", r.name, r.about, plx(l.balances[r.name]), percent(l.balances[r.name], l.balances[exact]))
		}
	}
	for _, b := range branches() {
		fmt.Fprintln(w, "\t\t\t\t\t")
		fmt.Fprintf(w, "MINER OF %s\tUIDS\tEARNED PLX\tOF THE WORST HONEST\t\t\n", strings.ToUpper(b.task))
		bar := l.worst(b)
		for _, grade := range b.grades() {
			fmt.Fprintf(w, "honest: %s\t1\t%.3f\t%.1f %%\t\t\n", grade.ModelName(), plx(l.balances[b.miner(grade)]), percent(l.balances[b.miner(grade)], bar))
		}
		for _, r := range b.rogues() {
			fmt.Fprintf(w, "%s: %s\t1\t%.3f\t%.1f %%\t\t\n", r.name, r.about, plx(l.balances[r.name]), percent(l.balances[r.name], bar))
		}
	}
	fmt.Fprintln(w, "\t\t\t\t\t")
	fmt.Fprintln(w, "VALIDATOR\tSTAKE PLX\tEARNED PLX\tNPLX PER STAKED PLX\tOF THE WORST HONEST\t")
	least := n.worstValidator(l)
	validator := func(name, about string, stake uint64) {
		each := n.perStake(l, name, stake)
		fmt.Fprintf(w, "%s: %s\t%d\t%.3f\t%.0f\t%.1f %%\t\n", name, about, stake/subnet.PLX, plx(l.earned[n.files.Addresses[name+"-hot"]]), each, 100*each/least)
	}
	for _, v := range honestValidators() {
		validator(v.name, "honest", v.stake)
	}
	for _, i := range insiders() {
		validator(i.name, i.about, i.stake)
	}
	_ = w.Flush()
	fmt.Fprintf(&text, "the follower's dividends per stake, as a share of the honest validators', epoch by epoch: %.3f\n", l.ratios)
	return text.String()
}

// worst is what the worst honest miner of a branch was paid.
func (l *ledger) worst(b branch) uint64 {
	var all []uint64
	for _, grade := range b.grades() {
		all = append(all, l.balances[b.miner(grade)])
	}
	return slices.Min(all)
}

func (b branch) rogues() []rogue {
	return slices.DeleteFunc(rogues(), func(r rogue) bool { return r.netuid() != b.netuid })
}

func plx(nplx uint64) float64                         { return float64(nplx) / float64(subnet.PLX) }
func percent(part, whole uint64) float64              { return 100 * float64(part) / float64(whole) }
func (n *network) of(l *ledger, hotkey string) uint64 { return l.earned[n.files.Addresses[hotkey]] }

func (n *network) worstHonest(l *ledger) uint64 {
	var all []uint64
	for _, grade := range classifier.Grades() {
		all = append(all, n.of(l, grade.Name+"-hot"))
	}
	return slices.Min(all)
}

func (n *network) worstValidator(l *ledger) float64 {
	var all []float64
	for _, v := range honestValidators() {
		all = append(all, n.perStake(l, v.name, v.stake))
	}
	return slices.Min(all)
}

// compare is the proof.
func (n *network) compare(l *ledger) {
	t := n.t
	bar := n.worstHonest(l)
	require.Positive(t, bar, "every honest miner is paid")
	for _, b := range branches() {
		n.compareBranch(l, b)
	}
	together := uint64(0)
	for _, r := range rogues() {
		if r.pins {
			require.Less(t, l.balances[r.name], l.balances[exact], "%s (%s) earned no less than the honest miner", r.name, r.about)
		}
		if r.netuid() != netuid {
			continue
		}
		sum := uint64(0)
		for _, hotkey := range r.hotkeys() {
			got := n.of(l, hotkey)
			require.Less(t, got, bar, "%s (%s) earned no less than the worst honest miner", hotkey, r.about)
			sum += got
		}
		require.Equal(t, sum, l.balances[r.name], "what the chain lists for %s is what it was paid", r.name)
		if r.copy {
			together += sum
		}
	}
	require.LessOrEqual(t, together, bar, "copies, parrots and sybils together earned more than one honest share")
	for _, grade := range classifier.Grades() {
		require.Equal(t, n.of(l, grade.Name+"-hot"), l.balances[grade.Name], "what the chain lists for %s is what it was paid", grade.Name)
	}
	for _, i := range insiders() {
		require.Less(t, n.perStake(l, i.name, i.stake), n.worstValidator(l), "%s (%s) earned no less per stake than every honest validator", i.name, i.about)
	}
}

// compareBranch is the proof for a subnet of another task.
func (n *network) compareBranch(l *ledger, b branch) {
	bar, together := l.worst(b), uint64(0)
	require.Positive(n.t, bar, "every honest miner of %s is paid", b.task)
	for _, r := range b.rogues() {
		require.Less(n.t, l.balances[r.name], bar, "%s (%s) earned no less than the worst honest miner", r.name, r.about)
		if r.copy {
			together += l.balances[r.name]
		}
	}
	require.LessOrEqual(n.t, together, bar, "copies and parrots of %s together earned more than one honest share", b.task)
}
