//go:build unix && !linux

package supervisor

import (
	"os/exec"
	"sync"
	"syscall"
)

// ownGroup puts a child into a process group of its own. Only Linux can also
// tie its life to its parent's.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// reap waits for the end of a child and ends what it left in its group.
func reap(cmd *exec.Cmd, lock sync.Locker) {
	_ = cmd.Wait()
	lock.Lock()
	defer lock.Unlock()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
