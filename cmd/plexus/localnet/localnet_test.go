package localnetcmd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/localnet"
)

// command is `plexus localnet` below a root with the flag --home.
func command(args ...string) (*cobra.Command, *bytes.Buffer) {
	root := &cobra.Command{Use: "plexus", SilenceErrors: true}
	root.PersistentFlags().String("home", "/home/default", "")
	root.AddCommand(Command())
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"localnet"}, args...))
	return root, &out
}

func TestBadFlags(t *testing.T) {
	cases := map[string]struct {
		args []string
		want string
	}{
		"output":    {[]string{"--output", "xml"}, `--output "xml": want table or json`},
		"tempo":     {[]string{"--tempo", "1"}, "tempo 1: want 4 to"},
		"restart":   {[]string{"--restart", "everything"}, `restart "everything"`},
		"arguments": {[]string{"now"}, "unknown command"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			root, _ := command(c.args...)
			require.ErrorContains(t, root.Execute(), c.want)
			left, err := os.ReadDir(os.Getenv("TMPDIR"))
			require.NoError(t, err)
			require.Empty(t, left, "no temporary folder is left")
		})
	}
}

func TestFolderOfHomeIsKept(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600))
	root, out := command("--home", dir)
	require.ErrorContains(t, root.Execute(), "is not empty")
	require.FileExists(t, filepath.Join(dir, "mine"))
	require.NotContains(t, out.String(), "is kept in", "nothing of ours is there")
}

func TestHintsCanBeCopied(t *testing.T) {
	text := hints(localnet.Places{Home: "/net/node", GRPC: "127.0.0.1:1", RPC: "tcp://127.0.0.1:2", REST: "http://127.0.0.1:3",
		Health: []string{"http://127.0.0.1:4", "http://127.0.0.1:5"}})
	require.Contains(t, text, "infer --netuid 1 --node 127.0.0.1:1 ")
	require.Contains(t, text, "query subnet metagraph 1 --node tcp://127.0.0.1:2\n")
	require.Contains(t, text, "miner health --netuid 1 --validator http://127.0.0.1:4,http://127.0.0.1:5\n")
	require.Contains(t, text, "curl http://127.0.0.1:3/plexus/subnet/v1/subnets/1/metagraph\n")
}
