package external

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const canLimitMemory = true

// ownGroup puts a program into a process group of its own and has the kernel kill it when the thread that started it ends.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// limit bounds the private memory of a process and of those that it starts, and has none of it written to a core file. The
// limit is of RLIMIT_DATA and not of RLIMIT_AS, because runtimes reserve address space that they never use. What a process starts before the limit holds is
// bounded by resident alone.
func limit(pid int, bytes int64) error {
	if err := unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	if bytes == Unlimited {
		return nil
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}, nil); err != nil {
		return fmt.Errorf("bound memory: %w", err)
	}
	return nil
}

// awaitEnd waits until a child has ended, and leaves its id taken.
func awaitEnd(pid int) {
	for errors.Is(unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}

// resident is what the processes of a group hold in RAM, bytes. A process that ends meanwhile counts as none.
func resident(group int) int64 {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var pages int64
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		pages += pagesIn(stat, group)
	}
	return pages * int64(os.Getpagesize())
}

// pagesIn reads a line of proc_pid_stat(5): the group is its 5th field and the resident pages are its 24th. The 2nd is a
// name in brackets, which may hold anything.
func pagesIn(stat []byte, group int) int64 {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const skipped = 3 // fields up to the name, the first one being the 1st
	if len(fields) <= 24-skipped || string(fields[5-skipped]) != strconv.Itoa(group) {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[24-skipped]), 10, 64)
	return pages
}
