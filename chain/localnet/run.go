package localnet

import (
	"context"
	"errors"
	"fmt"
	"time"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/localnet/supervisor"
	"github.com/plexusnet/plexus/subnet"
)

var (
	// ErrInexact: supply or split did not add up. The Summary says what.
	ErrInexact = errors.New("the books of the chain do not add up")
	// ErrInterrupted: the run was ended before its last epoch.
	ErrInterrupted = errors.New("interrupted")
)

// lookAgain is the pause after a chain that did not answer.
const lookAgain = 500 * time.Millisecond

// Run brings a network up, watches it for the epochs asked for, and takes it
// down. It returns what it saw, also with an error, if it saw an epoch.
//
// Before miners are paid for the first time, any process that dies ends the
// run; later only the node does, unless it is one of those to be restarted. The
// context's end is the normal end of a run without Epochs.
func Run(ctx context.Context, o Options) (_ *Summary, err error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("local network: %w", err)
	}
	n, err := newStage(o)
	if err != nil {
		return nil, fmt.Errorf("local network: %w", err)
	}
	defer func() { err = errors.Join(err, n.close()) }()
	if o.Kill != nil {
		defer context.AfterFunc(o.Kill, n.sup.Kill)()
	}
	if o.Started != nil {
		o.Started(n.at)
	}
	w := &watch{stage: n}
	err = w.run(ctx)
	return w.summary(), err
}

// watch follows a network from its start to its end.
type watch struct {
	*stage
	ledger *ledger
	last   snapshot
	seen   *View
	first  time.Duration // when miners were first paid
}

func (w *watch) run(ctx context.Context) error {
	up, cancel := context.WithTimeoutCause(ctx, w.StartTimeout, errStartTimeout)
	defer cancel()
	if err := w.duringStart(up); err != nil {
		return w.ending(ctx, up, err)
	}
	if err := w.open(up); err != nil {
		return w.ending(ctx, up, err)
	}
	for w.ledger.paid == 0 {
		if err := w.step(up); err != nil {
			return w.ending(ctx, up, err)
		}
	}
	w.first = time.Since(w.start)
	w.say("miners were paid for the first time")
	for w.Epochs == 0 || w.ledger.paid < w.Epochs {
		if err := w.step(ctx); err != nil {
			return w.ending(ctx, ctx, err)
		}
	}
	return w.exact()
}

var errStartTimeout = errors.New("start timeout")

// duringStart brings the network up, and gives up when a process dies
// meanwhile.
func (w *watch) duringStart(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.bringUp(ctx) }()
	select {
	case err := <-done:
		return err
	case death := <-w.sup.Deaths():
		cancel()
		<-done
		return death
	}
}

// open prepares the ledger, once the chain has answered for the first time.
func (w *watch) open(ctx context.Context) error {
	info, err := w.chain.Subnet(ctx, w.netuid)
	if err != nil {
		return err
	}
	params, err := w.chain.Params(ctx)
	if err != nil {
		return err
	}
	rule := subnet.Split{Owner: params.OwnerBps, Miners: params.MinerBps, Validators: params.ValidatorBps}
	w.ledger = newLedger(rule, subnet.BlockReward(w.files.Supply), info.Subnet.Created)
	return nil
}

// step waits for a block and takes it in.
func (w *watch) step(ctx context.Context) error {
	if err := w.mourn(); err != nil {
		return err
	}
	next := uint64(0)
	if w.seen != nil {
		next = w.seen.Height + 1
	}
	err := w.look(ctx, next)
	if errors.Is(err, chainclient.ErrUnavailable) {
		return sleep(ctx, lookAgain)
	}
	return err
}

func (w *watch) look(ctx context.Context, height uint64) error {
	if _, err := w.chain.WaitHeight(ctx, height); err != nil {
		return err
	}
	s, err := w.ask(ctx)
	if err != nil {
		return err
	}
	fresh := w.ledger.record(s)
	w.last, w.seen = s, w.view(s, w.ledger)
	w.screen.show(w.seen, fresh)
	return nil
}

// mourn tells of processes that died, and fails when the network cannot go on
// without one.
func (w *watch) mourn() error {
	for {
		select {
		case death := <-w.sup.Deaths():
			if err := w.afterDeath(death); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (w *watch) afterDeath(death supervisor.Death) error {
	if death.Restarted {
		w.say("%s died (%s) and is started again", death.Name, death.State)
		return nil
	}
	if w.ledger.paid == 0 || death.Name == nodeName {
		return death
	}
	w.say("%s died (%s); its log is %s", death.Name, death.State, death.Log)
	return nil
}

// ending says what an error means: the caller ended the run, the start took too
// long, or the network failed.
func (w *watch) ending(ctx, up context.Context, err error) error {
	switch {
	case ctx.Err() != nil && w.Epochs == 0:
		return nil
	case ctx.Err() != nil:
		paid := 0
		if w.ledger != nil {
			paid = w.ledger.paid
		}
		return fmt.Errorf("%w after %d of %d epochs", ErrInterrupted, paid, w.Epochs)
	case errors.Is(context.Cause(up), errStartTimeout):
		return w.neverPaid(w.seen)
	}
	return err
}

func (w *watch) summary() *Summary {
	if w.seen == nil {
		return nil
	}
	s := summarize(w.at, w.files.Supply, w.seen, w.last, w.ledger)
	s.FirstPaid = w.first.Seconds()
	return s
}

func (w *watch) exact() error {
	if s := w.summary(); !s.Supply.Exact || !s.Split.Exact {
		return ErrInexact
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
