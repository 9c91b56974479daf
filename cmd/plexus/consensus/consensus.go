// Package consensuscmd holds the commands under `plexus consensus`: they run test vectors and draw the retention map.
package consensuscmd

import "github.com/spf13/cobra"

// Command is `plexus consensus`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "consensus",
		Short: "Compute epochs of Yuma consensus and what they guarantee",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(runCommand(), mapCommand())
	return cmd
}
