package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/client/flags"
)

// subnetFlag notes what it is given.
type subnetFlag struct{ given []string }

func (f *subnetFlag) Set(value string) error { f.given = append(f.given, value); return nil }
func (f *subnetFlag) SetFor(netuid, value string) error {
	return f.Set(netuid + "=" + value)
}
func (f *subnetFlag) String() string { return "" }
func (f *subnetFlag) Type() string   { return "value" }

func TestSettings(t *testing.T) {
	tests := map[string]struct {
		file, variable string
		args           []string
		task           string // as it was set, in turn
		rounds         int
		says           []string
	}{
		"nothing":               {rounds: 1},
		"a section":             {file: "[validator]\ntask = \"text\"\nrounds = 2", task: "text", rounds: 2},
		"a list":                {file: "[validator]\ntask = [\"text\", \"2=audio\"]", task: "text,2=audio", rounds: 1},
		"sections of subnets":   {file: "[validator.subnet.2]\ntask = \"audio\"\n[validator.subnet.1]\ntask = \"a=b\"", task: "1=a=b 2=audio", rounds: 1},
		"of subnets and of all": {file: "[validator]\ntask = \"text\"\n[validator.subnet.2]\ntask = \"audio\"", task: "2=audio text", rounds: 1},
		"of another command":    {file: "[miner.subnet.2]\ntask = \"audio\"", rounds: 1},
		"the environment first": {file: "[validator.subnet.2]\ntask = \"audio\"", variable: "digits", task: "digits", rounds: 1},
		"arguments before it":   {file: "[validator.subnet.2]\ntask = \"audio\"", variable: "digits", args: []string{"--task", "text"}, task: "text", rounds: 1},
		"not of a subnet":       {file: "[validator.subnet.2]\nrounds = 3", says: []string{"key validator.subnet.2.rounds of ", "--rounds", "[validator]"}},
		"not a number":          {file: "[validator]\nrounds = \"many\"", says: []string{"key validator.rounds of ", "many"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			path := filepath.Join(home, settingsFile)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(test.file), 0o644))
			if test.variable != "" {
				t.Setenv("PLEXUS_VALIDATOR_TASK", test.variable)
			}
			task, rounds := &subnetFlag{}, 0
			root := &cobra.Command{Use: "plexus", SilenceErrors: true, SilenceUsage: true,
				PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return applySettings(cmd) }}
			validator := &cobra.Command{Use: "validator"}
			start := &cobra.Command{Use: "start", RunE: func(*cobra.Command, []string) error { return nil }}
			root.AddCommand(validator)
			validator.AddCommand(start)
			start.Flags().String(flags.FlagHome, home, "")
			start.Flags().Var(task, "task", "")
			start.Flags().IntVar(&rounds, "rounds", 1, "")
			root.SetArgs(append([]string{"validator", "start"}, test.args...))
			err := root.Execute()
			if test.says == nil {
				require.NoError(t, err)
				require.Equal(t, test.task, strings.Join(task.given, " "))
				require.Equal(t, test.rounds, rounds)
				return
			}
			for _, word := range test.says {
				require.ErrorContains(t, err, word)
			}
		})
	}
}
