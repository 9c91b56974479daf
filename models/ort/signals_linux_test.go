package ort

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSignalsAreOursAgain: a library that makes the process deaf to signals, as CUDA's may, does so in vain.
func TestSignalsAreOursAgain(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(heard)
	hears := func(s syscall.Signal) bool {
		require.NoError(t, syscall.Kill(os.Getpid(), s))
		select {
		case got := <-heard:
			return got == s
		case <-time.After(time.Second):
			return false
		}
	}
	require.True(t, hears(syscall.SIGUSR1))

	var ours, now action
	require.True(t, sigaction(int(syscall.SIGUSR1), nil, &ours))
	restore := keepSignals()
	ignore := action{1} // SIG_IGN
	require.True(t, sigaction(int(syscall.SIGUSR1), &ignore, nil))
	require.False(t, hears(syscall.SIGUSR1), "or the rest proves nothing")
	require.True(t, hears(syscall.SIGUSR2))
	restore()
	require.True(t, hears(syscall.SIGUSR1))
	require.True(t, sigaction(int(syscall.SIGUSR1), nil, &now))
	require.Equal(t, ours, now)
	require.False(t, sigaction(int(syscall.SIGKILL), &ignore, nil), "the kernel keeps it to itself")
}
