//go:build unix && !linux

package external

import "syscall"

const canLimitMemory = false

// ownGroup puts a program into a process group of its own. Only Linux can also tie its life to its parent's.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limit bounds nothing: Command.validate refuses a bound.
func limit(int, int64) error { return nil }

// awaitEnd leaves the waiting to whoever gives the id back.
func awaitEnd(int) {}

// resident is not known.
func resident(int) int64 { return 0 }
