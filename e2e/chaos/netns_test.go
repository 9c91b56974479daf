//go:build chaos && linux

package chaos

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/plexusnet/plexus/chain/localnet/files"
)

const spacePrefix = "plexus-chaos-"

// fabric is a network of namespaces: one for each node, and one that stands for
// the wires, with two bridges in it. Nodes on different bridges cannot reach
// each other. No interface of it lies outside of these namespaces.
type fabric struct {
	t      *testing.T
	wires  string
	spaces []string
}

const (
	leftBridge  = "left" // where all begin
	rightBridge = "right"
)

// newFabric makes the namespaces, or skips the test where it may not.
func newFabric(t *testing.T, nodes int) *fabric {
	t.Helper()
	removeStale(t)
	f := &fabric{t: t, wires: fmt.Sprintf("%s%d-wires", spacePrefix, os.Getpid())}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := command(t, "ip", "netns", "add", f.wires); err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	t.Cleanup(f.remove)
	if _, err := command(t, "ip", "-n", f.wires, "link", "add", leftBridge, "type", "bridge"); err != nil {
		t.Skipf("bridges cannot be made here: %v", err)
	}
	f.ip("-n", f.wires, "link", "add", rightBridge, "type", "bridge")
	f.ip("-n", f.wires, "link", "set", leftBridge, "up")
	f.ip("-n", f.wires, "link", "set", rightBridge, "up")
	for i := range nodes {
		space := fmt.Sprintf("%s%d-node%d", spacePrefix, os.Getpid(), i)
		f.ip("netns", "add", space)
		f.spaces = append(f.spaces, space)
		f.ip("link", "add", port(i), "netns", f.wires, "type", "veth", "peer", "name", "eth0", "netns", space)
		f.ip("-n", space, "addr", "add", address(i)+"/24", "dev", "eth0")
		f.ip("-n", space, "link", "set", "lo", "up")
		f.ip("-n", space, "link", "set", "eth0", "up")
		f.ip("-n", f.wires, "link", "set", port(i), "master", leftBridge, "up")
	}
	return f
}

func port(i int) string    { return fmt.Sprintf("port%d", i) }
func address(i int) string { return fmt.Sprintf("10.77.0.%d", i+1) }

func (f *fabric) ip(args ...string) {
	f.t.Helper()
	_, err := command(f.t, "ip", args...)
	require.NoError(f.t, err)
}

// place is where the nodes live.
func (f *fabric) place(i int) (files.Node, string) {
	return files.Node{Host: address(i), RPC: 26657, P2P: 26656, GRPC: 9090, REST: 1317}, f.spaces[i]
}

// part moves nodes to the other bridge.
func (f *fabric) part(nodes ...int) {
	for _, i := range nodes {
		f.ip("-n", f.wires, "link", "set", port(i), "master", rightBridge)
	}
}

func (f *fabric) heal() {
	for i := range f.spaces {
		f.ip("-n", f.wires, "link", "set", port(i), "master", leftBridge)
	}
}

// remove runs after the test's context has ended.
func (f *fabric) remove() {
	for _, space := range append(f.spaces, f.wires) {
		removeSpace(f.t, space)
	}
}

// removeStale removes what a test left that was killed itself.
func removeStale(t *testing.T) {
	left, _ := filepath.Glob("/var/run/netns/" + spacePrefix + "*")
	for _, path := range left {
		name := filepath.Base(path)
		owner, _, _ := strings.Cut(strings.TrimPrefix(name, spacePrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			removeSpace(t, name)
		}
	}
}

func removeSpace(t *testing.T, name string) {
	if out, err := execute("ip", "netns", "del", name); err != nil {
		t.Logf("remove namespace %s: %v: %s", name, err, out)
	}
}

// dialIn opens connections that belong to a namespace: a socket stays where
// the thread was that made it.
func dialIn(space string) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, network, addr string) (net.Conn, error) {
		type result struct {
			conn net.Conn
			err  error
		}
		done := make(chan result)
		go func() {
			// The thread is never given back to others: it ends with the goroutine.
			runtime.LockOSThread()
			conn, err := dialOnThread(space, network, addr)
			done <- result{conn, err}
		}()
		r := <-done
		return r.conn, r.err
	}
}

func dialOnThread(space, network, addr string) (net.Conn, error) {
	file, err := os.Open("/var/run/netns/" + space)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter namespace %s: %w", space, err)
	}
	return net.DialTimeout(network, addr, 3*time.Second)
}
