package external

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
)

// What a program is told in its environment.
const (
	EnvListen          = "PLEXUS_MECHANISM_LISTEN"            // where to serve, as gRPC names it: unix:PATH
	EnvMaxMessageBytes = "PLEXUS_MECHANISM_MAX_MESSAGE_BYTES" // the largest request that comes and response that may go
)

const (
	memoryInterval = 250 * time.Millisecond
	// outputWait is how long a program that has ended may keep its output open, by what escaped its group.
	outputWait = time.Second
)

// process is one run of a program.
type process struct {
	session
	cmd    *exec.Cmd
	conn   *grpc.ClientConn
	out    *output
	exited chan struct{} // closed when it has been waited for and its group is gone

	mu    sync.Mutex
	gone  bool   // its id may be another's
	why   string // it was killed; empty: it ended by itself
	state string // how it ended, and the last lines of its output
}

// start starts a program that listens in folder. It must be called from the thread that lives as long as the program.
func start(o Options, folder string, run int, log *slog.Logger) (*process, error) {
	target := "unix:" + filepath.Join(folder, strconv.Itoa(run)+".sock")
	p := &process{out: newOutput(log, o.Command.Lines), exited: make(chan struct{})}
	p.cmd = exec.Command(o.Command.Args[0], o.Command.Args[1:]...)
	p.cmd.Dir = o.Command.Dir
	p.cmd.Env = append(o.Command.environment(os.LookupEnv),
		EnvListen+"="+target, EnvMaxMessageBytes+"="+strconv.Itoa(o.MaxMessageBytes))
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.WaitDelay = outputWait
	p.cmd.SysProcAttr = ownGroup()
	conn, err := connect(target, insecure.NewCredentials(), o)
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("start %s: %w", o.Command.Args[0], err)
	}
	p.conn = conn
	p.session = session{client: mechanismv1.NewMechanismClient(conn), dead: p.exited, abandon: p.kill}
	if err := limit(p.cmd.Process.Pid, o.Command.MaxMemoryBytes); err != nil && !errors.Is(err, syscall.ESRCH) { // it may have ended at once
		p.kill(err.Error())
	}
	go p.reap()
	if o.Command.MaxMemoryBytes != Unlimited {
		go p.watchMemory(o.Command.MaxMemoryBytes)
	}
	return p, nil
}

// reap waits for the end of the program and ends what it left in its group. Nobody signals the group once its id is free.
func (p *process) reap() {
	awaitEnd(p.cmd.Process.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	_ = p.cmd.Wait() // the state tells
	p.gone = true
	p.state = p.cmd.ProcessState.String()
	if p.why != "" {
		p.state = p.why
	}
	if tail := p.out.end(); tail != "" {
		p.state += "; it printed last:\n" + tail
	}
	p.conn.Close()
	close(p.exited)
}

// watchMemory kills the group when it holds more than that.
func (p *process) watchMemory(most int64) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		select {
		case <-p.exited:
			return
		case <-tick.C:
			if held := resident(p.cmd.Process.Pid); held > most {
				p.kill(fmt.Sprintf("its processes hold %d MiB of memory, and %d are allowed", held>>20, most>>20))
			}
		}
	}
}

// kill ends the program and its group at once.
func (p *process) kill(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone && p.why == "" {
		p.why = "killed: " + why
	}
	p.signal(syscall.SIGKILL)
}

// signal is called with mu held.
func (p *process) signal(s syscall.Signal) {
	if !p.gone {
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// stop asks the program to end, and ends it after grace.
func (p *process) stop(grace time.Duration) {
	p.mu.Lock()
	p.signal(syscall.SIGTERM)
	p.mu.Unlock()
	select {
	case <-p.exited:
	case <-time.After(grace):
		p.kill(fmt.Sprintf("it did not end within %v of SIGTERM", grace))
		<-p.exited
	}
}

// program keeps a command running, one process after the other.
type program struct {
	o      Options
	log    *slog.Logger
	folder string
	cancel context.CancelFunc
	ended  chan struct{} // closed when nothing runs any more

	mu      sync.Mutex
	now     *session      // nil: none that is ready
	changed chan struct{} // closed when now is another
	why     error         // of there being none
}

// longest is how many times Pause a pause may be.
const longest = 64

// launch starts a command and returns once it answers.
func launch(ctx context.Context, o Options) (*program, error) {
	folder, err := os.MkdirTemp("", "plexus-mechanism-") // 0700
	if err != nil {
		return nil, fmt.Errorf("folder of the mechanism's socket: %w", err)
	}
	// A socket's path is at most 103 bytes on the systems that there are; NNNNNNNNNN.sock comes on top.
	if len(folder) > 103-len("/4294967295.sock") {
		os.Remove(folder)
		return nil, fmt.Errorf("%w: the path %s is too long for a socket: set TMPDIR to a shorter one", ErrOptions, folder)
	}
	running, cancel := context.WithCancel(context.Background())
	p := &program{o: o, log: o.Log, folder: folder, cancel: cancel, ended: make(chan struct{}), changed: make(chan struct{})}
	first := make(chan error, 1)
	go p.run(running, first)
	select {
	case err = <-first:
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", ErrDown, ctx.Err())
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// run starts the command again and again until ctx ends, all from one thread: the kernel counts the end of the thread that
// started a process as the death of its parent. A command that does not even start once is not tried again.
func (p *program) run(ctx context.Context, first chan<- error) {
	runtime.LockOSThread() // and never unlock it: nothing else is to run here
	defer close(p.ended)
	defer os.RemoveAll(p.folder)
	pause := p.o.Command.Pause
	for run := 1; ctx.Err() == nil; run++ {
		began := time.Now()
		ready, err := p.once(ctx, run, first)
		if run == 1 && !ready {
			first <- err
			return
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longest*p.o.Command.Pause {
			pause = p.o.Command.Pause // it ran for long: this is no loop
		}
		p.log.Warn("the mechanism has ended and is started again", "reason", err, "after", pause)
		p.set(nil, err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longest*p.o.Command.Pause)
	}
}

// once runs one process to its end and returns whether it was ever ready and why it ended. It tells first of a first
// process that is ready.
func (p *program) once(ctx context.Context, run int, first chan<- error) (ready bool, err error) {
	one, err := start(p.o, p.folder, run, p.log)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrDown, err)
	}
	defer one.stop(p.o.Command.Grace)
	if err := p.awaitReady(ctx, one); err != nil {
		return false, err
	}
	p.log.Info("the mechanism runs", "pid", one.cmd.Process.Pid)
	p.set(&one.session, nil)
	if run == 1 {
		first <- nil
	}
	select {
	case <-ctx.Done():
		p.set(nil, errClosed)
		return true, errClosed
	case <-one.exited:
		return true, fmt.Errorf("%w: %s", ErrDown, one.state)
	}
}

var errClosed = errors.New("the external mechanism is closed")

// awaitReady asks until the process answers.
func (p *program) awaitReady(ctx context.Context, one *process) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.StartTimeout)
	defer cancel()
	go func() {
		select {
		case <-one.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	_, err := one.client.Describe(ctx, &mechanismv1.DescribeRequest{}, grpc.WaitForReady(true))
	if err == nil {
		return nil
	}
	select {
	case <-one.exited:
		return fmt.Errorf("%w: it ended before it answered Describe: %s", ErrDown, one.state)
	default:
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w: nothing at %s answered Describe within %v", ErrDown, EnvListen, p.o.StartTimeout)
	} else {
		err = fault("Describe", err)
	}
	one.stop(p.o.Command.Grace)
	return fmt.Errorf("%w: %s", err, one.state)
}

func (p *program) set(now *session, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.why = now, why
	close(p.changed)
	p.changed = make(chan struct{})
}

// session implements source: it waits until there is one.
func (p *program) session(ctx context.Context) (*session, error) {
	for {
		p.mu.Lock()
		now, changed, why := p.now, p.changed, p.why
		p.mu.Unlock()
		if now != nil || errors.Is(why, errClosed) {
			return now, why
		}
		select {
		case <-changed:
		case <-p.ended:
			return nil, errClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w: %w", ErrDown, ctx.Err(), why)
		}
	}
}

// close implements source. It returns when nothing runs any more.
func (p *program) close() error {
	p.cancel()
	<-p.ended
	return nil
}
