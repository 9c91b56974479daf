package consensuscmd_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	consensuscmd "github.com/plexusnet/plexus/cmd/plexus/consensus"
	"github.com/stretchr/testify/require"
)

func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := consensuscmd.Command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestRunPrintsEveryOutput(t *testing.T) {
	out, err := execute(t, "run", "../../../consensus/testdata/test_bonds.json")
	require.NoError(t, err)
	var got struct {
		Name   string
		Epochs []struct {
			Emission []uint64
			Bonds    [][][2]int `json:"bonds_u16"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, "test_bonds", got.Name)
	require.Len(t, got.Epochs, 9)
	require.Equal(t, []uint64{49999998, 99999999, 150000000, 200000001, 49998779, 100000610, 149996337, 200004272}, got.Epochs[1].Emission)
	require.Equal(t, [2]int{4, 16383}, got.Epochs[1].Bonds[0][0])

	lines, err := execute(t, "run", "-o", "jsonl", "../../../consensus/testdata/test_bonds.json")
	require.NoError(t, err)
	require.Equal(t, 9, strings.Count(lines, "\n"))
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.json")
	for content, message := range map[string]string{
		`{`:  "unexpected end",
		`{}`: "neither steps nor cases",
		`{"params":{"n":-1},"steps":[{"op":"epoch"}]}`:                                             "n = -1",
		`{"params":{"n":2},"steps":[{"op":"set_weights","uid":2}]}`:                                "uid 2 of 2",
		`{"params":{"n":2},"steps":[{"op":"dance"}]}`:                                              `unknown op "dance"`,
		`{"params":{"n":2},"steps":[{"op":"set_param","name":"nope","value":1}]}`:                  "nope",
		`{"params":{"n":2},"steps":[{"op":"put_weights","uids":[5],"values":[1]},{"op":"epoch"}]}`: "point at uid 5",
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		_, err := execute(t, "run", file)
		require.ErrorContains(t, err, message)
	}
	_, err := execute(t, "run", filepath.Join(t.TempDir(), "missing.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestMapWritesPlotsAndTable(t *testing.T) {
	dir := t.TempDir()
	out, err := execute(t, "map", "--stake", "0.6,0.8", "--grid", "9", "--validators", "8", "--servers", "24", "--seeds", "2", "--dir", dir)
	require.NoError(t, err)
	require.Contains(t, out, "honest utility needed")
	for _, name := range []string{"retention.png", "contours-0.6.png", "contours-0.8.png"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, "\x89PNG", string(data[:4]))
	}
	table, err := os.ReadFile(filepath.Join(dir, "retention.csv"))
	require.NoError(t, err)
	require.Equal(t, 1+2*2*9*9, strings.Count(string(table), "\n"))

	out, err = execute(t, "map", "--stake", "0.7", "--grid", "5", "--validators", "4", "--servers", "8", "-o", "json")
	require.NoError(t, err)
	require.True(t, json.Valid([]byte(out)))
	_, err = execute(t, "map", "--stake", "1.5")
	require.ErrorContains(t, err, "honest stake 1.5")
	_, err = execute(t, "map", "--output", "yaml")
	require.ErrorContains(t, err, "yaml")
}
