package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// helperMode makes the test binary play a process instead of testing.
const helperMode = "SUPERVISOR_TEST_HELPER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(helperMode); mode != "" {
		helper(mode, os.Args[1:])
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func helper(mode string, args []string) {
	term := make(chan os.Signal, 1)
	switch mode {
	case "polite": // ends on SIGTERM, and notes it in the file named
		signal.Notify(term, syscall.SIGTERM)
		fmt.Println("up")
		<-term
		if len(args) > 0 {
			appendLine(args[0], args[1])
		}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ignoring")
		select {}
	case "quick":
		fmt.Println("done")
	case "die":
		for i := range 40 {
			fmt.Println("line", i)
		}
		fmt.Fprintln(os.Stderr, "could not go on")
		os.Exit(3)
	case "listen": // holds a port
		lis, err := net.Listen("tcp", args[0])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		defer lis.Close()
		select {}
	case "parent": // has a child in its group, which is stubborn
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperMode+"=stubborn")
		if err := cmd.Start(); err != nil {
			os.Exit(1)
		}
		appendLine(args[0], strconv.Itoa(cmd.Process.Pid))
		signal.Notify(term, syscall.SIGTERM)
		<-term
	case "supervise": // supervises a listener and a stubborn one, and hangs
		s, err := New(args[0], nil)
		if err != nil {
			os.Exit(1)
		}
		p := play("listen", args[1])
		p.Ready = canDial(args[1])
		if err := s.Start(context.Background(), p); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		q := play("stubborn")
		if err := s.Start(context.Background(), q); err != nil {
			os.Exit(1)
		}
		a, _ := s.Running("listen")
		b, _ := s.Running("stubborn")
		fmt.Println("pids", a, b)
		select {}
	}
}

func appendLine(path, line string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		os.Exit(9)
	}
	defer f.Close()
	fmt.Fprintln(f, line)
}

// play is the test binary in a role.
func play(mode string, args ...string) Process {
	// The race detector would otherwise wait a second at each exit.
	return Process{Name: mode, Args: args, Env: append(os.Environ(), helperMode+"="+mode, "GORACE=atexit_sleep_ms=0")}
}

func named(name string, p Process) Process {
	p.Name = name
	return p
}

// printed is ready once the log holds a text.
func printed(s *Supervisor, name, text string) func(context.Context) error {
	return func(context.Context) error {
		log, err := os.ReadFile(filepath.Join(s.logDir, name+".log"))
		if err == nil && !strings.Contains(string(log), text) {
			err = fmt.Errorf("has not printed %q yet", text)
		}
		return err
	}
}

func canDial(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
}

func newSupervisor(t *testing.T) *Supervisor {
	s, err := New(t.TempDir(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { s.Kill(); _ = s.Stop() })
	return s
}

// alive looks past zombies, which nobody may reap in a container.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && runtime.GOOS != "linux"
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[0] != 'Z' && rest[0] != 'X'
}

func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return !alive(pid) }, 5*time.Second, 10*time.Millisecond, "process %d lives", pid)
}

func TestStopEndsTheLastStartedFirst(t *testing.T) {
	s := newSupervisor(t)
	order := filepath.Join(t.TempDir(), "order")
	for _, name := range []string{"a", "b", "c"} {
		p := named(name, play("polite", order, name))
		p.Ready = printed(s, name, "up")
		require.NoError(t, s.Start(t.Context(), p))
	}
	require.NoError(t, s.Stop())
	text, err := os.ReadFile(order)
	require.NoError(t, err)
	require.Equal(t, "c\nb\na\n", string(text))
	for _, name := range []string{"a", "b", "c"} {
		_, running := s.Running(name)
		require.False(t, running)
	}
	require.NoError(t, s.Stop(), "stopping twice is harmless")
	require.ErrorIs(t, s.Start(t.Context(), play("polite")), ErrStopped)
	select {
	case d := <-s.Deaths():
		t.Fatalf("told to end is not a death: %v", d)
	default:
	}
}

func TestLogsArePrivateAndKept(t *testing.T) {
	s := newSupervisor(t)
	p := play("polite")
	p.Ready = printed(s, "polite", "up")
	require.NoError(t, s.Start(t.Context(), p))
	info, err := os.Stat(filepath.Join(s.logDir, "polite.log"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestDeathBeforeReady(t *testing.T) {
	s := newSupervisor(t)
	p := play("die")
	p.Ready = func(context.Context) error { return errors.New("never") }
	err := s.Start(t.Context(), p)
	var death Death
	require.ErrorAs(t, err, &death)
	require.Equal(t, "exit status 3", death.State)
	require.Contains(t, death.Tail, "could not go on")
	require.Contains(t, death.Tail, "line 39")
	require.NotContains(t, death.Tail, "line 20", "only the end of the log")
	require.NoError(t, s.Start(t.Context(), named("die", play("polite"))), "the name is free again")
}

func TestDeathLater(t *testing.T) {
	s := newSupervisor(t)
	require.NoError(t, s.Start(t.Context(), play("polite")))
	require.NoError(t, s.Signal("polite", syscall.SIGKILL))
	select {
	case death := <-s.Deaths():
		require.Equal(t, "polite", death.Name)
		require.Equal(t, "signal: killed", death.State)
		require.False(t, death.Restarted)
	case <-time.After(5 * time.Second):
		t.Fatal("nothing was reported")
	}
	_, running := s.Running("polite")
	require.False(t, running)
	require.NoError(t, s.Stop())
}

func TestRestartsAreBounded(t *testing.T) {
	s := newSupervisor(t)
	p := play("die")
	p.Restarts = 2
	require.NoError(t, s.Start(t.Context(), p))
	for _, again := range []bool{true, true, false} {
		select {
		case death := <-s.Deaths():
			require.Equal(t, again, death.Restarted)
		case <-time.After(5 * time.Second):
			t.Fatal("nothing was reported")
		}
	}
	log, err := os.ReadFile(filepath.Join(s.logDir, "die.log"))
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(log), "could not go on"), "one log over all restarts")
}

func TestNotReadyInTime(t *testing.T) {
	s := newSupervisor(t)
	var pid int
	p := play("polite")
	p.ReadyTimeout = 300 * time.Millisecond
	p.Ready = func(context.Context) error {
		pid, _ = s.Running("polite")
		return errors.New("port 1 is closed")
	}
	err := s.Start(t.Context(), p)
	require.ErrorContains(t, err, "polite is not ready after 300ms: port 1 is closed")
	requireGone(t, pid)
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	s := newSupervisor(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p := play("polite")
	p.Ready = func(context.Context) error { return errors.New("never") }
	require.ErrorIs(t, s.Start(ctx, p), context.DeadlineExceeded)
}

func TestStubbornProcessIsKilledAndNamed(t *testing.T) {
	s := newSupervisor(t)
	p := play("stubborn")
	p.Grace = 200 * time.Millisecond
	p.Ready = printed(s, "stubborn", "ignoring")
	require.NoError(t, s.Start(t.Context(), p))
	pid, _ := s.Running("stubborn")
	require.ErrorContains(t, s.Stop(), "stubborn did not end within 200ms")
	requireGone(t, pid)
}

func TestKillDoesNotAsk(t *testing.T) {
	s := newSupervisor(t)
	p := play("stubborn")
	p.Restarts = 5
	p.Ready = printed(s, "stubborn", "ignoring")
	require.NoError(t, s.Start(t.Context(), p))
	pid, _ := s.Running("stubborn")
	begin := time.Now()
	s.Kill()
	require.NoError(t, s.Stop())
	require.Less(t, time.Since(begin), DefaultGrace)
	requireGone(t, pid)
}

func TestChildrenOfChildrenEndToo(t *testing.T) {
	s := newSupervisor(t)
	note := filepath.Join(t.TempDir(), "pid")
	p := play("parent", note)
	var grandchild int
	p.Ready = func(context.Context) error {
		text, err := os.ReadFile(note)
		if err == nil {
			grandchild, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		return err
	}
	require.NoError(t, s.Start(t.Context(), p))
	require.True(t, alive(grandchild))
	require.NoError(t, s.Stop())
	requireGone(t, grandchild)
}

func TestKilledSupervisorLeavesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties a child's life to its parent's")
	}
	ports, err := FreePorts(1)
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])

	cmd := exec.Command(os.Args[0], t.TempDir(), address)
	cmd.Env = append(os.Environ(), helperMode+"=supervise")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var a, b int
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscanf(line, "pids %d %d", &a, &b)
	require.NoError(t, err, line)
	require.True(t, alive(a) && alive(b))

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	requireGone(t, a)
	requireGone(t, b)
	require.Eventually(t, func() bool {
		lis, err := net.Listen("tcp", address)
		return err == nil && lis.Close() == nil
	}, 5*time.Second, 10*time.Millisecond, "the port is free again")
}

func TestChildrenOutliveTheThreadThatAskedForThem(t *testing.T) {
	s := newSupervisor(t)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- s.Start(context.Background(), play("polite"))
	}()
	require.NoError(t, <-done)
	time.Sleep(200 * time.Millisecond)
	_, running := s.Running("polite")
	require.True(t, running)
}

func TestStartAndStopTogether(t *testing.T) {
	s := newSupervisor(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := named(fmt.Sprintf("p%d", i), play("polite"))
			p.Ready = printed(s, p.Name, "up")
			if err := s.Start(context.Background(), p); err != nil {
				require.ErrorIs(t, err, ErrStopped)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, s.Stop())
	wg.Wait()
	for i := range 8 {
		_, running := s.Running(fmt.Sprintf("p%d", i))
		require.False(t, running)
	}
}

func TestRunToTheEnd(t *testing.T) {
	s := newSupervisor(t)
	require.NoError(t, s.Run(t.Context(), play("quick")))
	require.NoError(t, s.Run(t.Context(), play("quick")), "the name is free again")

	answer := play("quick")
	answer.Stdout = filepath.Join(t.TempDir(), "answer")
	require.NoError(t, s.Run(t.Context(), answer))
	text, err := os.ReadFile(answer.Stdout)
	require.NoError(t, err)
	require.Equal(t, "done\n", string(text))

	var death Death
	require.ErrorAs(t, s.Run(t.Context(), play("die")), &death)
	require.Equal(t, "exit status 3", death.State)
	require.Contains(t, death.Tail, "could not go on")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Run(ctx, play("polite")), context.DeadlineExceeded)

	done := make(chan error)
	go func() { done <- s.Run(context.Background(), play("polite")) }()
	require.Eventually(t, func() bool { _, running := s.Running("polite"); return running }, 5*time.Second, time.Millisecond)
	require.NoError(t, s.Stop())
	require.ErrorIs(t, <-done, ErrStopped)
	select {
	case d := <-s.Deaths():
		t.Fatalf("the end of a job is not a death: %v", d)
	default:
	}
}

func TestBadRequests(t *testing.T) {
	s := newSupervisor(t)
	require.ErrorContains(t, s.Start(t.Context(), Process{Name: "../x"}), "want lower-case letters")
	require.NoError(t, s.Start(t.Context(), play("polite")))
	require.ErrorContains(t, s.Start(t.Context(), play("polite")), "was started before")
	require.ErrorIs(t, s.Signal("nobody", syscall.SIGTERM), ErrUnknown)
	err := s.Start(t.Context(), Process{Name: "missing", Path: "/nonexistent/program"})
	require.ErrorContains(t, err, "start missing")
}

func TestFreePortsDiffer(t *testing.T) {
	ports, err := FreePorts(20)
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, p := range ports {
		require.False(t, seen[p])
		seen[p] = true
	}
}
