package external

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPagesIn(t *testing.T) {
	stat := func(name string) []byte {
		return []byte("41 (" + name + ") S 1 77 77 0 -1 4194560 3 0 0 0 0 0 0 0 20 0 1 0 9 1000 256 18446744073709551615 1 1 0\n")
	}
	for name, pages := range map[string]int64{"python3": 256, "a b) S 1 9 9": 256, "": 256} {
		require.Equal(t, pages, pagesIn(stat(name), 77), name)
		require.Zero(t, pagesIn(stat(name), 9), name)
	}
	for _, broken := range []string{"", "41", "41 (x", "41 (x) S 1 77"} {
		require.Zero(t, pagesIn([]byte(broken), 77))
	}
}

func TestResidentCountsAGroup(t *testing.T) {
	require.Greater(t, resident(syscall.Getpgrp()), int64(1<<20), "the test's own")
	require.Zero(t, resident(1<<23), "more than there are ids")
}

// validatorOf starts a program, says so and never ends by itself.
func validatorOf(path string) {
	m, err := New(context.Background(), Options{Command: Command{Args: []string{path, "honest"}}})
	if err != nil {
		panic(err)
	}
	from := m.(*external).source.(*program)
	fmt.Println(from.folder)
	select {}
}

// TestTheProgramEndsWithTheValidator: by kill -9, too, when nobody is left to end it.
func TestTheProgramEndsWithTheValidator(t *testing.T) {
	path, err := hostile()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "TEST_VALIDATOR_OF="+path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	folder, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	defer os.RemoveAll(strings.TrimSpace(folder)) // nobody is left to remove it, either
	children, err := exec.Command("ps", "-o", "pid=", "--ppid", fmt.Sprint(cmd.Process.Pid)).Output()
	require.NoError(t, err)
	child := strings.TrimSpace(string(children))
	require.True(t, alive(child), "%q", child)
	time.Sleep(100 * time.Millisecond) // for threads that only seem to last
	require.True(t, alive(child))
	require.NoError(t, cmd.Process.Kill())
	require.Eventually(t, func() bool { return !alive(child) }, time.Minute, 10*time.Millisecond)
}
