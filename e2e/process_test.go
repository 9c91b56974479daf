package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/chain/localnet"
)

// local is a `plexus localnet` that runs.
type local struct {
	t        *testing.T
	dir      string
	cmd      *exec.Cmd
	stdout   bytes.Buffer
	progress string // file that standard error goes to
	done     chan error
	exited   bool
}

// startLocal starts a network in a folder of its own and waits until it has
// said where it is.
func startLocal(t *testing.T, args ...string) *local {
	dir := filepath.Join(t.TempDir(), "net")
	n := &local{t: t, dir: dir, progress: filepath.Join(t.TempDir(), "progress"), done: make(chan error, 1)}
	progress, err := os.Create(n.progress)
	require.NoError(t, err)
	defer progress.Close()
	n.cmd = exec.Command(binary, append([]string{"localnet", "--home", dir, "--output", "json"}, args...)...)
	n.cmd.Stdout, n.cmd.Stderr = &n.stdout, progress
	require.NoError(t, n.cmd.Start())
	go func() { n.done <- n.cmd.Wait() }()
	t.Cleanup(n.cleanUp)
	require.Eventually(t, func() bool { _, err := n.places(); return err == nil }, 30*time.Second, 20*time.Millisecond, "network.json")
	return n
}

func (n *local) cleanUp() {
	if !n.exited {
		_ = n.cmd.Process.Kill()
		<-n.done
	}
	if n.t.Failed() {
		n.t.Logf("localnet said:\n%s", last(n.progressText(), 6000))
		logs, _ := filepath.Glob(filepath.Join(n.dir, "logs", "*.log"))
		for _, path := range logs {
			text, _ := os.ReadFile(path)
			n.t.Logf("end of %s:\n%s", filepath.Base(path), last(string(text), 1500))
		}
	}
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }

func (n *local) progressText() string {
	text, _ := os.ReadFile(n.progress)
	return string(text)
}

func (n *local) places() (p localnet.Places, err error) {
	raw, err := os.ReadFile(filepath.Join(n.dir, localnet.PlacesFile))
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	return p, err
}

func (n *local) chain() *chainclient.Client {
	at, err := n.places()
	require.NoError(n.t, err)
	c, err := chainclient.Dial(chainclient.Config{Address: at.GRPC, ChainID: at.ChainID})
	require.NoError(n.t, err)
	n.t.Cleanup(func() { _ = c.Close() })
	return c
}

// wait returns once the network has ended, and its exit code.
func (n *local) wait(within time.Duration) int {
	n.t.Helper()
	select {
	case <-n.done:
		n.exited = true
		return n.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		n.t.Fatalf("localnet has not ended within %s", within)
		return 0
	}
}

// process is the id of one of the network's processes, by the name of its log.
func (n *local) process(name string) int {
	n.t.Helper()
	for _, pid := range descendants(n.cmd.Process.Pid) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		args := strings.Split(string(line), "\x00")
		i := slices.Index(args, "--home")
		if i > 0 && filepath.Base(args[i+1]) == name {
			return pid
		}
	}
	n.t.Fatalf("no process %s among the children of localnet", name)
	return 0
}

// descendants are the living children of a process, and theirs.
func descendants(parent int) []int {
	children := map[int][]int{}
	entries, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range entries {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		ppid, _ := strconv.Atoi(fields[1])
		children[ppid] = append(children[ppid], pid)
	}
	var all []int
	for queue := children[parent]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

// alive looks past zombies, which nobody may reap in a container.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest != "" && rest[0] != 'Z' && rest[0] != 'X'
}

var loopbackPort = regexp.MustCompile(`127\.0\.0\.1:([0-9]+)`)

// ports are the listeners of a network: those of its node's configuration, and
// those that its miners were told to serve on.
func (n *local) ports() []string {
	n.t.Helper()
	var found []string
	add := func(text string) {
		for _, match := range loopbackPort.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(found, match[1]) {
				found = append(found, match[1])
			}
		}
	}
	at, err := n.places()
	require.NoError(n.t, err)
	for _, name := range []string{"config.toml", "app.toml"} {
		text, err := os.ReadFile(filepath.Join(at.Home, "config", name))
		require.NoError(n.t, err)
		for _, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "laddr") || strings.HasPrefix(line, "address") {
				add(line)
			}
		}
	}
	for _, pid := range descendants(n.cmd.Process.Pid) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		add(string(line))
	}
	return found
}

// requireNothingLeft fails while one of the processes lives or one of the ports
// is taken.
func requireNothingLeft(t *testing.T, pids []int, ports []string) {
	t.Helper()
	for _, pid := range pids {
		require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, 20*time.Millisecond, "process %d is left", pid)
	}
	for _, port := range ports {
		require.Eventually(t, func() bool {
			lis, err := net.Listen("tcp", "127.0.0.1:"+port)
			return err == nil && lis.Close() == nil
		}, 10*time.Second, 20*time.Millisecond, "port %s is taken", port)
	}
}

// plexus runs a command to its end.
func plexus(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
