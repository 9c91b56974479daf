package external

import (
	"syscall"
	"testing"

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
