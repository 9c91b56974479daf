package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// DefaultGrace is how long a process has to end after SIGTERM.
	DefaultGrace = 10 * time.Second
	// DefaultReadyTimeout is how long a process has to become ready.
	DefaultReadyTimeout = time.Minute

	probeInterval = 50 * time.Millisecond
	restartPause  = 500 * time.Millisecond
	killWait      = 5 * time.Second
)

var (
	// ErrStopped: the supervisor was stopped and starts nothing any more.
	ErrStopped = errors.New("supervisor stopped")
	// ErrUnknown: no process of that name was started.
	ErrUnknown = errors.New("no such process")
)

// nameRule keeps names fit for a file name.
var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// Process says what to run.
type Process struct {
	Name string // unique; lower-case letters, digits, '.', '_' and '-'
	Path string // program; empty: the one that is running now
	Args []string
	Env  []string // whole environment; nil: this program's
	Dir  string   // working folder; empty: this program's

	// Stdout is a file that standard output goes to, from its start; empty: the
	// log, which always takes standard error.
	Stdout string

	// Ready is asked again and again until it returns nil. Nil: ready at once.
	Ready        func(context.Context) error
	ReadyTimeout time.Duration // 0: DefaultReadyTimeout
	Grace        time.Duration // 0: DefaultGrace
	Restarts     int           // how often it is started again after dying; 0: never
}

func (p Process) withDefaults() (Process, error) {
	if !nameRule.MatchString(p.Name) {
		return p, fmt.Errorf("process name %q: want lower-case letters, digits, '.', '_' or '-'", p.Name)
	}
	if p.Path == "" {
		self, err := os.Executable()
		if err != nil {
			return p, fmt.Errorf("process %s: find the running program: %w", p.Name, err)
		}
		p.Path = self
	}
	if p.ReadyTimeout == 0 {
		p.ReadyTimeout = DefaultReadyTimeout
	}
	if p.Grace == 0 {
		p.Grace = DefaultGrace
	}
	return p, nil
}

// Death is a process that ended without being told to.
type Death struct {
	Name      string
	State     string // exit status or signal
	Log       string // path
	Tail      string // last lines of the log
	Restarted bool   // it is being started again
}

func (d Death) Error() string {
	return fmt.Sprintf("%s ended by itself: %s; the end of %s:\n%s", d.Name, d.State, d.Log, d.Tail)
}

// Supervisor owns child processes. Its methods may be called concurrently.
type Supervisor struct {
	logDir string
	log    *slog.Logger
	spawn  chan func()
	deaths chan Death

	mu       sync.Mutex
	children []*child // in order of starting
	stopped  bool
	stopOnce sync.Once
	stopErr  error
}

// child is one process over all its restarts.
type child struct {
	Process
	logPath string

	mu       sync.Mutex
	cmd      *exec.Cmd
	exited   chan struct{} // closed when cmd has been reaped
	stopping bool
	restarts int
}

// New makes a supervisor that writes logs into logDir, which it creates.
func New(logDir string, log *slog.Logger) (*Supervisor, error) {
	if err := os.MkdirAll(logDir, 0o700); err != nil {
		return nil, fmt.Errorf("log folder: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Supervisor{logDir: logDir, log: log, spawn: make(chan func()), deaths: make(chan Death, 64)}
	go s.spawner()
	return s, nil
}

// spawner starts all children from one thread that lives as long as the
// supervisor: the kernel counts the end of the thread that started a child as
// the death of its parent.
func (s *Supervisor) spawner() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for start := range s.spawn {
		start()
	}
}

// Deaths tells of processes that ended by themselves.
func (s *Supervisor) Deaths() <-chan Death { return s.deaths }

// Start runs p and returns once it is ready. When it dies before or is not
// ready in time, the error shows the end of its log; a process that is not
// ready in time is stopped.
func (s *Supervisor) Start(ctx context.Context, p Process) error {
	p, err := p.withDefaults()
	if err != nil {
		return err
	}
	c := &child{Process: p, logPath: LogPath(s.logDir, p.Name)}
	if err := s.add(c); err != nil {
		return err
	}
	if err := s.launch(c); err != nil {
		s.remove(c)
		return err
	}
	if err := s.awaitReady(ctx, c); err != nil {
		_ = c.stop()
		s.remove(c)
		return err
	}
	go s.watch(c)
	return nil
}

// Run runs p to its end, which it is expected to reach by itself. When it fails
// the error shows the end of its log; when ctx ends, it is stopped. Ready and
// Restarts are of no use here.
func (s *Supervisor) Run(ctx context.Context, p Process) error {
	p, err := p.withDefaults()
	if err != nil {
		return err
	}
	c := &child{Process: p, logPath: LogPath(s.logDir, p.Name)}
	if err := s.add(c); err != nil {
		return err
	}
	defer s.remove(c)
	if err := s.launch(c); err != nil {
		return err
	}
	cmd, exited := c.current()
	select {
	case <-exited:
	case <-ctx.Done():
		_ = c.stop()
		return fmt.Errorf("%s: %w", c.Name, ctx.Err())
	}
	if c.isStopping() {
		return fmt.Errorf("%s: %w", c.Name, ErrStopped)
	}
	if !cmd.ProcessState.Success() {
		return c.death(false)
	}
	return nil
}

func (s *Supervisor) add(c *child) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return fmt.Errorf("start %s: %w", c.Name, ErrStopped)
	}
	if slices.ContainsFunc(s.children, func(o *child) bool { return o.Name == c.Name }) {
		return fmt.Errorf("start %s: a process of that name was started before", c.Name)
	}
	s.children = append(s.children, c)
	return nil
}

func (s *Supervisor) remove(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children = slices.DeleteFunc(s.children, func(o *child) bool { return o == c })
}

// launch starts the process of c, unless c is to stop.
func (s *Supervisor) launch(c *child) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return fmt.Errorf("start %s: %w", c.Name, ErrStopped)
	}
	log, err := os.OpenFile(c.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	defer log.Close() // the child has its own copy

	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env = c.Env
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = log, log
	if c.Stdout != "" {
		out, err := os.OpenFile(c.Stdout, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("start %s: %w", c.Name, err)
		}
		defer out.Close()
		cmd.Stdout = out
	}
	cmd.SysProcAttr = ownGroup()

	started := make(chan error)
	s.spawn <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	exited := make(chan struct{})
	c.cmd, c.exited = cmd, exited
	go func() {
		reap(cmd, &c.mu)
		close(exited)
	}()
	s.log.Debug("process started", "name", c.Name, "pid", cmd.Process.Pid)
	return nil
}

// awaitReady asks the probe until it agrees.
func (s *Supervisor) awaitReady(ctx context.Context, c *child) error {
	if c.Ready == nil {
		return nil
	}
	probe, cancel := context.WithTimeout(ctx, c.ReadyTimeout)
	defer cancel()
	_, exited := c.current()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		err := c.Ready(probe)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			if c.isStopping() {
				return fmt.Errorf("start %s: %w", c.Name, ErrStopped)
			}
			return c.death(false)
		case <-ctx.Done():
			return fmt.Errorf("start %s: %w", c.Name, ctx.Err())
		case <-probe.Done():
			return fmt.Errorf("%s is not ready after %s: %w; the end of %s:\n%s", c.Name, c.ReadyTimeout, err, c.logPath, tail(c.logPath))
		case <-tick.C:
		}
	}
}

// watch reports the deaths of c and starts it again as long as it may be.
func (s *Supervisor) watch(c *child) {
	for {
		_, exited := c.current()
		<-exited
		again, stopping := c.mayRestart()
		if stopping {
			return
		}
		death := c.death(again)
		s.log.Warn("process died", "name", c.Name, "state", death.State, "restart", again)
		select {
		case s.deaths <- death:
		default: // nobody listens; the log has it
		}
		if !again {
			return
		}
		time.Sleep(restartPause)
		if err := s.launch(c); err != nil {
			if !errors.Is(err, ErrStopped) {
				s.log.Error("process not restarted", "name", c.Name, "error", err)
			}
			return
		}
	}
}

// Stop ends all processes, the last started first, and returns when none is
// left. The error names those that had to be killed.
func (s *Supervisor) Stop() error {
	s.stopOnce.Do(func() {
		var errs []error
		for _, c := range slices.Backward(s.close()) {
			errs = append(errs, c.stop())
		}
		close(s.spawn)
		s.stopErr = errors.Join(errs...)
	})
	return s.stopErr
}

// close marks every child as stopping, so that none is restarted meanwhile.
func (s *Supervisor) close() []*child {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, c := range s.children {
		c.mu.Lock()
		c.stopping = true
		c.mu.Unlock()
	}
	return slices.Clone(s.children)
}

// Kill ends all processes at once, without asking. Stop is still to be called.
func (s *Supervisor) Kill() {
	for _, c := range s.close() {
		c.signal(syscall.SIGKILL)
	}
}

// Signal sends a signal to a running process.
func (s *Supervisor) Signal(name string, sig syscall.Signal) error {
	c, err := s.find(name)
	if err != nil {
		return err
	}
	c.signal(sig)
	return nil
}

// Running tells whether a process is alive, and its process id.
func (s *Supervisor) Running(name string) (pid int, alive bool) {
	c, err := s.find(name)
	if err != nil {
		return 0, false
	}
	cmd, exited := c.current()
	if cmd == nil {
		return 0, false
	}
	select {
	case <-exited:
		return cmd.Process.Pid, false
	default:
		return cmd.Process.Pid, true
	}
}

func (s *Supervisor) find(name string) (*child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if c.Name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", name, ErrUnknown)
}

func (c *child) current() (*exec.Cmd, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cmd, c.exited
}

func (c *child) isStopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping
}

// mayRestart counts a restart when one is left.
func (c *child) mayRestart() (again, stopping bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping || c.restarts >= c.Restarts {
		return false, c.stopping
	}
	c.restarts++
	return true, false
}

// signal reaches the process and all in its group.
func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil || c.cmd.ProcessState != nil {
		return // its id may be somebody else's by now
	}
	_ = syscall.Kill(-c.cmd.Process.Pid, sig)
}

// stop asks, waits, and insists.
func (c *child) stop() error {
	c.mu.Lock()
	c.stopping = true
	cmd, exited := c.cmd, c.exited
	c.mu.Unlock()
	if cmd == nil {
		return nil
	}
	c.signal(syscall.SIGTERM)
	if ended(exited, c.Grace) {
		return nil
	}
	c.signal(syscall.SIGKILL)
	if !ended(exited, killWait) {
		return fmt.Errorf("%s (process %d) does not end, not even by SIGKILL", c.Name, cmd.Process.Pid)
	}
	return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", c.Name, c.Grace)
}

func ended(exited <-chan struct{}, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-exited:
		return true
	case <-timer.C:
		return false
	}
}

// death describes the end of c's process, which has been reaped.
func (c *child) death(restarted bool) Death {
	cmd, _ := c.current()
	return Death{Name: c.Name, State: cmd.ProcessState.String(), Log: c.logPath, Tail: tail(c.logPath), Restarted: restarted}
}

// LogPath is where the output of a process goes.
func LogPath(logDir, name string) string { return filepath.Join(logDir, name+".log") }
