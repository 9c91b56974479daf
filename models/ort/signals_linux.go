package ort

import (
	"sync"
	"syscall"
	"unsafe"
)

// lastSignal is the highest signal number of Linux.
const lastSignal = 64

// action is how the kernel keeps what happens at a signal. It is only read and written back, never looked into.
type action [4]uint64

// signals is held while handlers may be replaced.
var signals sync.Mutex

// keepSignals remembers what happens at each signal, and returns what puts it back where it has been changed since.
// CUDA's libraries install handlers of their own when the first session is made; without ours, SIGTERM would end a
// miner in the middle of its answers, and the Go runtime would miss the signals it works with.
func keepSignals() func() {
	signals.Lock()
	var before [lastSignal + 1]action
	known := [lastSignal + 1]bool{}
	for s := 1; s <= lastSignal; s++ {
		known[s] = sigaction(s, nil, &before[s])
	}
	return func() {
		defer signals.Unlock()
		for s := 1; s <= lastSignal; s++ {
			var now action
			if known[s] && sigaction(s, nil, &now) && now != before[s] {
				sigaction(s, &before[s], nil)
			}
		}
	}
}

// sigaction reports whether the kernel did as asked; there are signals that it keeps to itself.
func sigaction(signal int, set, get *action) bool {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(signal),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), 8, 0, 0)
	return errno == 0
}
