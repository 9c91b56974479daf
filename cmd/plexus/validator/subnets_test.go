package validatorcmd

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestAValueForOneSubnetLeavesTheOthersAlone(t *testing.T) {
	tests := map[string]struct {
		args       []string
		one, other string
	}{
		"none given":          {nil, "digits", "digits"},
		"one for all":         {[]string{"--task", "text"}, "text", "text"},
		"one for a subnet":    {[]string{"--task", "1=text"}, "text", "digits"},
		"both":                {[]string{"--task", "audio", "--task", "1=text"}, "text", "audio"},
		"both in one, as set": {[]string{"--task", "1=text,audio"}, "text", "audio"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var r rewards
			cmd := &cobra.Command{RunE: func(*cobra.Command, []string) error { return nil }}
			r.add(cmd)
			cmd.SetArgs(test.args)
			require.NoError(t, cmd.Execute())
			require.NoError(t, r.check(cmd, []uint{1, 2}))
			require.Equal(t, test.one, r.task.of(1))
			require.Equal(t, test.other, r.task.of(2))
			for _, netuid := range []uint32{1, 2} {
				m, err := (&maker{rewards: &r}).of(t.Context(), netuid)
				require.NoError(t, err)
				require.Equal(t, r.task.of(netuid), m.Describe().Task.Name)
			}
		})
	}
}
