package simcmd

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/sims/report"
)

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report FOLDER",
		Short: "Write the plots and the page of a finished experiment again",
		Long: `Reads what an experiment left in a folder by --out, and writes report.html, which opens offline, and the folder plots
with every figure as PNG and SVG. Experiments do so themselves unless --report=false.`,
		Example: "  plexus sim report result",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			if err := report.Write(args[0]); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), filepath.Join(args[0], report.File))
			return nil
		},
	}
}
