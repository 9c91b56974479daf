package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whichever way the command line is built, a command is the same and every one has its group.
func TestCommandLines(t *testing.T) {
	full, err := newRoot(nil)
	require.NoError(t, err)
	for _, cmd := range full.Commands() {
		require.Contains(t, []string{ownGroup, chainGroup}, cmd.GroupID, cmd.Name())
		require.Equal(t, cmd.GroupID == chainGroup, ofChain(cmd), cmd.Name())
	}
	for _, name := range []string{"start", "tx", "query", "keys", "genesis", "status"} {
		cmd, _, err := full.Find([]string{name})
		require.NoError(t, err)
		require.Equal(t, chainGroup, cmd.GroupID, name)
	}
	own, err := newRoot([]string{"sim", "list"})
	require.NoError(t, err)
	require.Less(t, len(own.Commands()), len(full.Commands()), "who simulates needs no chain")
	for _, cmd := range own.Commands() {
		same, _, err := full.Find([]string{cmd.Name()})
		require.NoError(t, err)
		require.Equal(t, cmd.Short, same.Short)
		require.Equal(t, ownGroup, same.GroupID)
	}
	for _, args := range [][]string{nil, {"--help"}, {"help", "sim"}, {"tx"}, {"--home", "x", "sim"}} {
		root, err := newRoot(args)
		require.NoError(t, err)
		require.Len(t, root.Commands(), len(full.Commands()), "%v", args)
	}
}
