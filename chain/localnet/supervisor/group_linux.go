package supervisor

import (
	"errors"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup puts a child into a process group of its own and has the kernel kill
// it when its parent dies.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// reap waits for the end of a child and of all in its group. The child's id is
// given back to the system only while lock is held, so that nobody who holds it
// can signal a stranger.
func reap(cmd *exec.Cmd, lock sync.Locker) {
	pid := cmd.Process.Pid
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	lock.Lock()
	defer lock.Unlock()
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = cmd.Wait()
}
